"""Deadlines: a thousand of them due in the same second, told by three replicas, each once, beside 200,000 other cases.

Ours is the ticker and the relay inside three `vongtay serve cases`; beside it the plainest loop that does the same
work: every second, one case a transaction, in three processes of its own, with the same relay.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaConsumer

from bench import Result
from shared.messaging.kafka import client_options, producer
from shared.messaging.relay import Relay
from shared.messaging.router import OWN_TOPIC
from tests.support.platform import Parts, parts

NAME = "deadlines"
_REPLICAS = 3
_OTHERS_DUE = "now() + interval '30 days' + number * interval '1 second'"
# A case of which one clock is missed at its moment; `$1` says of which round it is, `$3` how many there are.
_CASES = """
INSERT INTO cases (id, code, concern_id, unit, sex, age_band, kind, risk, status, step, sector, channel, danger_now,
                   received_at, opened_at, identity, candidates, version, sequence, next_moment, next_due)
SELECT $1 || number, $1 || number, 'concern', '05443', 'female', '6-10', 'violence', 'high', 'open', 'intake',
       'hotline', 'hotline-111', 'yes', now(), now(), 'none', '[]', 1, 1, {due} + interval '1 microsecond', {due}
FROM generate_series(1, $2::int) AS number
"""
_CLOCKS = """
INSERT INTO deadline (id, case_id, kind, started_at, due, nearing_at, legal_source, state)
SELECT $1 || 'clock-' || number, $1 || number, 'emergency-12h', now(), {due}, now(), 'Decree 56/2017', 'nearing'
FROM generate_series(1, $2::int) AS number
"""


async def run(quick: bool) -> list[Result]:
    """From the moment at which all are due to the last event in a consumer's hands; each comes once."""
    deadlines, others = (200, 20_000) if quick else (1_000, 200_000)
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        async with parts(Path(name), ("cases",) * _REPLICAS) as stack:
            dsn = stack.postgres.url("cases").replace("+asyncpg", "")
            connection = await asyncpg.connect(dsn)
            await _seed(connection, "other-", others, _OTHERS_DUE)
            await connection.execute("VACUUM ANALYZE")
            ours = await _round(stack, connection, "ours-", deadlines)
            for replica in stack.of("cases"):
                await asyncio.to_thread(replica.process.stop)
            async with _plain(stack, dsn):
                plain = await _round(stack, connection, "plain-", deadlines)
            await connection.close()
    what = f"{deadlines:,} due at once beside {others:,} cases, {_REPLICAS} replicas"
    return [
        Result(
            NAME,
            f"{what}: the last in a consumer's hands after",
            max(ours),
            "s",
            {"plain loop": max(plain)},
            {"plain loop": max(plain) / max(ours)},
            "≤ 2 s",
            max(ours) <= 2,
        ),
        Result(
            NAME,
            f"{what}: the first after",
            min(ours),
            "s",
            {"plain loop": min(plain)},
            {"plain loop": min(plain) / min(ours)},
        ),
    ]


async def _seed(connection: asyncpg.Connection, name: str, count: int, due: str) -> None:
    for statement in (_CASES, _CLOCKS):
        await connection.execute(statement.format(due=due), name, count)


async def _round(stack: Parts, connection: asyncpg.Connection, name: str, deadlines: int) -> list[float]:
    """Seconds from the moment at which they are due to each event's arrival, after a few that warm everybody up."""
    consumer = AIOKafkaConsumer(
        stack.settings().topic_prefix + OWN_TOPIC["cases"],
        **client_options(stack.settings()),
        auto_offset_reset="latest",
    )
    await consumer.start()
    try:
        await consumer.seek_to_end()
        await _told(connection, consumer, f"{name}warm-", 60)
        return await _told(connection, consumer, name, deadlines)
    finally:
        await consumer.stop()


async def _told(connection: asyncpg.Connection, consumer: AIOKafkaConsumer, name: str, deadlines: int) -> list[float]:
    moment = datetime.now(UTC) + timedelta(seconds=6)
    await _seed(connection, name, deadlines, f"'{moment.isoformat()}'::timestamptz")
    await connection.execute("ANALYZE cases, deadline")
    if datetime.now(UTC) >= moment:
        raise AssertionError("they were due before all of them were there")
    heard: Counter[str] = Counter()
    after: list[float] = []
    async with asyncio.timeout(60):
        while len(heard) < deadlines:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                seconds = time.time() - moment.timestamp()
                for record in records:
                    heard[(record.key or b"").decode()] += 1
                    after.append(seconds)
    for records in (await consumer.getmany(timeout_ms=2000)).values():
        heard.update((record.key or b"").decode() for record in records)
    if heard != Counter({f"{name}{number}": 1 for number in range(1, deadlines + 1)}):
        raise AssertionError("a deadline was not told exactly once")
    if min(after) < 0:
        raise AssertionError("a deadline was told before it was missed")
    return after


@asynccontextmanager
async def _plain(stack: Parts, dsn: str) -> AsyncIterator[None]:
    stop = asyncio.Event()
    relay = Relay(dsn, lambda: producer(stack.settings()), stack.settings().topic_prefix)
    async with AsyncExitStack() as ends:
        relaying = asyncio.create_task(relay.run(stop))
        for _ in range(_REPLICAS):
            words = ("-m", "bench.peers.plain_ticker", stack.postgres.url("cases"))
            process = await asyncio.create_subprocess_exec(sys.executable, *words)
            ends.push_async_callback(process.wait)
            ends.callback(process.terminate)
        try:
            yield
        finally:
            stop.set()
            await relaying
