"""Exact statistics: agency facts from Kafka into the cube, by the very service, beside Kafka Streams exactly-once.

All read the same records of the same broker. Ours also compares sequences, keeps progress and survives reordering.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text

from bench import Result
from bench._many_events import NOW, TOPIC, Cases, bare_statement, publish
from bench.peers import kafka_streams
from services.stats.handlers.counting import Counting
from shared.database import Database
from shared.messaging.processing import Record
from shared.privacy import Keys, PlatformKey
from tests.support.platform import Parts, parts

NAME = "exact-statistics"
_ONE_BY_ONE = 1500
_STREAMS_AIM = 3
_LIMIT_AIM = 0.8
_KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))


async def run(quick: bool) -> list[Result]:
    """Publish, then let ours, Kafka Streams and the bare statement count the same; each must count every case."""
    events = 60_000 if quick else 300_000
    cases = Cases()
    # Five a case on average, in the form that services publish.
    records = list(cases.events(events, events // 5))
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        folder = Path(name)
        async with parts(folder, ()) as stack:
            await publish(stack.settings(), records)
            ours, counted = await _ours(stack, events)
            _check(counted, cases.known)
            bare = await bare_statement(stack.postgres.url("notify"), records)
            one_by_one = await _one_by_one(stack.postgres.url("notify"), records[:_ONE_BY_ONE])
            topic = stack.settings().topic_prefix + TOPIC
            peer = await kafka_streams.count(stack.kafka.bootstrap, topic, events, folder / "streams")
            _check(peer.counted, cases.known)
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


async def _one_by_one(url: str, records: Sequence[Record]) -> float:
    """Events a second of the same code with a transaction an event, as a plain handler would have it."""
    database = Database(url)
    counting = Counting(database, _KEYS, lambda: NOW)
    async with database.transaction() as connection:
        await connection.execute(text("TRUNCATE fact, cube"))
    began = time.perf_counter()
    for record in records:
        await counting.count([record])
    seconds = time.perf_counter() - began
    await database.close()
    return len(records) / seconds
