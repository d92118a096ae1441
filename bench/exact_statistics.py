"""Exact statistics: agency facts from Kafka into the cube, by the very service, beside Kafka Streams exactly-once.

All read the same records of the same broker. Ours also compares sequences, keeps progress and survives reordering.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import text

import services.stats
from bench import Result
from bench.peers import kafka_streams
from services.stats.handlers import Batch, Counting
from services.stats.store.cube import Cells, Ledger
from shared.contracts.cases import CaseFacts, CaseReclassified
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.messaging.kafka import producer
from shared.messaging.processing import Record
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from tests.support.platform import Parts, parts

NAME = "exact-statistics"
_TOPIC = "cases.cases.v1"
_NOW = datetime(2026, 10, 31, 5, 0, tzinfo=UTC)
_BATCH = 5000
_STEPS = ("intake", "assessment", "plan", "approval", "carrying-out", "review")
_ONE_BY_ONE = 1500
_STREAMS_AIM = 3
_LIMIT_AIM = 0.8
_KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))


async def run(quick: bool) -> list[Result]:
    """Publish, then let ours, Kafka Streams and the bare statement count the same; each must count every case."""
    events = 60_000 if quick else 300_000
    records, cases = _records(events)
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        folder = Path(name)
        async with parts(folder, ()) as stack:
            await _publish(stack.settings(), records)
            ours, counted = await _ours(stack, events)
            _check(counted, cases)
            bare, one_by_one = await _bare(stack.postgres.url("notify"), records)
            topic = stack.settings().topic_prefix + _TOPIC
            peer = await kafka_streams.count(stack.kafka.bootstrap, topic, events, folder / "streams")
            _check(peer.counted, cases)
    streams = events / peer.seconds
    beside = {
        "Kafka Streams 4.1.1 exactly_once_v2": streams,
        "bare statement (the limit)": bare,
        "one transaction an event": one_by_one,
    }
    ratio = {name: ours / value for name, value in beside.items()}
    what = f"{events:,} case events, Kafka to PostgreSQL's cube"
    met = ours >= _STREAMS_AIM * streams and ours >= _LIMIT_AIM * bare
    aim = f"≥ {_STREAMS_AIM} × Kafka Streams, ≥ {_LIMIT_AIM} × the bare statement"
    return [Result(NAME, what, ours, "events/s", beside, ratio, aim, met)]


def _check(counted: int, cases: int) -> None:
    if counted != cases:
        raise AssertionError(f"{counted} cases counted instead of {cases}")


def _records(events: int) -> tuple[list[Record], int]:
    """Events of cases, five a case on average, in the form that services publish. Out: and how many cases."""
    chance = random.Random(1)
    units = Units.load().codes()
    ids = [str(uuid4()) for _ in range(events // 5)]
    sequences: dict[str, int] = {}
    homes = {case: _home(chance, units) for case in ids}
    records = []
    for offset in range(events):
        case = chance.choice(ids)
        sequence = sequences[case] = sequences.get(case, 0) + 1
        # A case keeps where, who and what it is about; what is known of its risk and its step go on.
        facts = homes[case].model_copy(
            update={
                "risk": chance.choice(("high", "medium", "low")) if sequence > 1 else "unassessed",
                "step": _STEPS[min(sequence, len(_STEPS)) - 1],
                "status": "closed" if sequence > len(_STEPS) else "open",
            }
        )
        data = CaseReclassified(case_id=case, facts=facts)
        envelope = Envelope(
            id=str(uuid4()),
            source="/services/cases",
            type=data.TYPE,
            subject=case,
            time=_NOW,
            data=b"",
            sequence=sequence,
            unit=facts.unit,
        )
        value = data.model_dump_json(exclude_none=True).encode()
        records.append(Record(_TOPIC, 0, offset, case, value, tuple(envelope.headers())))
    return records, len(sequences)


def _home(chance: random.Random, units: Sequence[str]) -> CaseFacts:
    return CaseFacts(
        unit=chance.choice(units),
        sex=chance.choice(("male", "female")),
        age_band=chance.choice(("0-3", "4-5", "6-10", "11-15")),
        kind=chance.choice(("violence", "neglect", "sexual-abuse", "exploitation", "trafficking", "other")),
        risk="unassessed",
        status="open",
        step="intake",
        sector=chance.choices(("hotline", "education", "health"), (60, 20, 20))[0],
        channel="hotline-111",
        opened_at=_NOW,
    )


async def _publish(settings: Settings, records: Sequence[Record]) -> None:
    async with producer(settings) as sender:
        for record in records:
            await sender.send(
                settings.topic_prefix + record.topic, record.value, record.key.encode(), headers=list(record.headers)
            )
        await sender.flush()


async def _ours(stack: Parts, events: int) -> tuple[float, int]:
    """`vongtay serve stats`. Out: events a second from the first batch to the last commit; the cases it counted."""
    replica = stack.add("stats")
    watch = Database(stack.postgres.url("stats"), pool_size=1)
    began, before = 0.0, 0
    try:
        await stack.start(replica)
        await stack.ready()
        while (done := await _done(watch)) < events:
            if done and not began:
                # What was counted before the clock started is not ours to claim.
                began, before = time.perf_counter(), done
            await asyncio.sleep(0.1)  # looking costs, too
        seconds = time.perf_counter() - began
        async with watch.transaction() as connection:
            counted = (await connection.execute(text("SELECT sum(n) FROM cube"))).scalar_one()
    finally:
        await asyncio.to_thread(replica.process.stop)
        await watch.close()
    return (events - before) / seconds, int(counted)


async def _done(database: Database) -> int:
    async with database.transaction() as connection:
        found = await connection.execute(text('SELECT coalesce(sum("offset" + 1), 0) FROM progress'))
        return int(found.scalar_one())


async def _bare(url: str, records: Sequence[Record]) -> tuple[float, float]:
    """The statement alone, fed from memory; and the same with a transaction an event."""
    database = Database(url)
    await database.migrate(Path(services.stats.__file__).parent / "migrations")
    cells, ledger = Cells(), Ledger()
    batches = [await Batch.read(records[at : at + _BATCH], cells) for at in range(0, len(records), _BATCH)]
    began = time.perf_counter()
    for batch in batches:
        rows, fresh = cells.fresh(batch.ids)
        async with database.statement() as connection:
            await ledger.count(connection, batch.columns, rows)
        cells.remember(fresh)
    bare = len(records) / (time.perf_counter() - began)
    counting = Counting(database, _KEYS, lambda: _NOW)
    sample = records[:_ONE_BY_ONE]
    async with database.transaction() as connection:
        await connection.execute(text("TRUNCATE fact, cube"))
    began = time.perf_counter()
    for record in sample:
        await counting.count([record])
    one_by_one = len(sample) / (time.perf_counter() - began)
    await database.close()
    return bare, one_by_one
