"""The relay: from a transaction's commit to a consumer's hands, and how much it moves when much waits.

Ours is the relay inside `vongtay serve registry`; beside it the plainest loop and, as the limit, a bare producer.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from asyncpg.pool import PoolConnectionProxy

from bench import Result, quantiles
from bench.peers import plain_relay
from shared.messaging.kafka import client_options, producer
from shared.messaging.outbox import new_id
from shared.messaging.topics import Topic, ensure_topics
from shared.settings import Settings
from tests.support.platform import Parts, everything_in, parts

NAME = "relay"
_TOPIC = "registry.children.v1"
_PLAIN = Topic("bench.plain.v1", 6, 1, (), ())
_RATE = 500  # commits a second
_WRITERS = 8
_VALUE = (
    b'{"child_id":"0b9f0f5e-6c1e-4a71-9c4e-6a7d1f1f6a11","facts":{"unit":"05443","sex":"female"},"filler":"%s"}'
    % (b"x" * 300)
)
# As many as the envelope has, as long as they are.
_HEADERS = {
    "ce_specversion": "1.0",
    "ce_source": "/services/registry",
    "ce_type": "vn.vongtay.registry.child-registered",
    "ce_subject": "0b9f0f5e-6c1e-4a71-9c4e-6a7d1f1f6a11",
    "ce_time": "2026-10-31T05:00:00.000000+00:00",
    "ce_sequence": "1",
    "ce_unit": "05443",
    "ce_traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "content-type": "application/json",
}
_PUT = """INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers)
          SELECT gen_random_uuid(), $1, key, $2, $3,
                 $4::text::jsonb || jsonb_build_object('ce_id', id, 'number', number)
          FROM unnest($5::text[], $6::text[], $7::text[]) AS t(key, id, number)"""
_PUT_PLAIN = """INSERT INTO plain_outbox (aggregateid, payload)
                SELECT key, $1 || number FROM unnest($2::text[], $3::text[]) AS t(key, number)"""
Connection = asyncpg.Connection | PoolConnectionProxy
Put = Callable[[Connection, Iterable[int]], Awaitable[None]]


async def run(quick: bool) -> list[Result]:
    """Latency at a steady rate, then throughput from a full outbox; every event arrives, each key in its order."""
    commits, waiting = (2_000, 20_000) if quick else (10_000, 150_000)
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        folder = Path(name)
        async with parts(folder, ("registry",)) as stack:
            dsn = stack.postgres.url("registry").replace("+asyncpg", "")
            topic, plain_topic = (stack.settings().topic_prefix + name for name in (_TOPIC, _PLAIN.name))
            await ensure_topics(stack.settings(), [_PLAIN])
            connection = await asyncpg.connect(dsn)
            await connection.execute(plain_relay.TABLE)
            ours = await _latency(stack, dsn, topic, _put, commits)
            async with _plain(dsn, stack.kafka.bootstrap, plain_topic):
                plain = await _latency(stack, dsn, plain_topic, _put_plain, commits)

            replica = stack.of("registry")[0]
            await asyncio.to_thread(replica.process.stop)
            await _put(connection, range(commits, commits + waiting))
            await stack.start(replica)
            ours_rate = await _rate(connection, "outbox", waiting)
            await _put_plain(connection, range(commits, commits + waiting))
            async with _plain(dsn, stack.kafka.bootstrap, plain_topic):
                plain_rate = await _rate(connection, "plain_outbox", waiting)
            await connection.close()
            await _check(stack.settings(), topic, commits + waiting)
            limit = await _bare(stack.settings(), plain_topic, waiting)
    beside = {"plain loop": plain_rate, "bare producer (the limit)": limit}
    ratio = {name: ours_rate / value for name, value in beside.items()}
    p50, p99 = quantiles(ours)
    plain_p50, plain_p99 = quantiles(plain)
    what = f"commit to consumer, {_RATE}/s, {commits:,} events"
    return [
        Result(
            NAME,
            f"{what}, p99",
            p99,
            "ms",
            {"plain loop": plain_p99},
            {"plain loop": plain_p99 / p99},
            "≤ 15 ms",
            p99 <= 15,
        ),
        Result(NAME, f"{what}, p50", p50, "ms", {"plain loop": plain_p50}, {"plain loop": plain_p50 / p50}),
        Result(
            NAME,
            f"{waiting:,} waiting events published",
            ours_rate,
            "events/s",
            beside,
            ratio,
            "≥ 25,000/s",
            ours_rate >= 25_000,
        ),
    ]


def _key(number: int) -> str:
    return f"child-{number % 997}"


async def _put(connection: Connection, numbers: Iterable[int]) -> None:
    listed = list(numbers)
    columns = [_key(number) for number in listed], [new_id() for _ in listed], [str(number) for number in listed]
    await connection.execute(_PUT, _TOPIC, _HEADERS["ce_type"], _VALUE, orjson.dumps(_HEADERS).decode(), *columns)


async def _put_plain(connection: Connection, numbers: Iterable[int]) -> None:
    listed = list(numbers)
    keys, names = [_key(number) for number in listed], [str(number) for number in listed]
    await connection.execute(_PUT_PLAIN, _VALUE.decode(), keys, names)


async def _latency(stack: Parts, dsn: str, topic: str, put: Put, commits: int) -> list[float]:
    """Milliseconds from the return of each commit to its record in a consumer's hands."""
    consumer = AIOKafkaConsumer(topic, **client_options(stack.settings()), auto_offset_reset="latest")
    await consumer.start()
    committed: dict[int, float] = {}
    received: dict[int, float] = {}
    pool = await asyncpg.create_pool(dsn, min_size=_WRITERS, max_size=_WRITERS)

    async def read() -> None:
        while len(received) < commits:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                now = time.perf_counter()
                received.update((_number(record), now) for record in records)

    async def write(number: int) -> None:
        async with pool.acquire() as connection:
            await put(connection, [number])
        committed[number] = time.perf_counter()

    try:
        await consumer.seek_to_end()
        reading = asyncio.create_task(read())
        began = time.perf_counter()
        writes = []
        for number in range(commits):
            await asyncio.sleep(max(0.0, began + number / _RATE - time.perf_counter()))
            writes.append(asyncio.create_task(write(number)))
        await asyncio.gather(*writes)
        await asyncio.wait_for(reading, 60)
    finally:
        await consumer.stop()
        await pool.close()
    # The relay may be faster than the commit's own answer: it is then there at once.
    return [max(0.0, received[number] - committed[number]) * 1000 for number in range(commits)]


def _number(record: ConsumerRecord[bytes, bytes]) -> int:
    said = dict(record.headers).get("number")
    return int(said if said is not None else (record.value or b"").rpartition(b"}")[2])


async def _rate(connection: asyncpg.Connection, table: str, waiting: int) -> float:
    """Rows a second from when the first leave until the table is empty."""
    began, left_then = 0.0, waiting
    async with asyncio.timeout(180):
        while True:
            left = await connection.fetchval(f"SELECT count(*) FROM {table}")
            if left < waiting and not began:
                began, left_then = time.perf_counter(), left
            if not left:
                return left_then / (time.perf_counter() - began)
            await asyncio.sleep(0.05)


async def _check(settings: Settings, topic: str, events: int) -> None:
    last: dict[bytes, int] = {}
    records = await everything_in(settings, [topic])
    for record in records:
        number = _number(record)
        if number <= last.get(record.key or b"", -1):
            raise AssertionError("a key's events came out of order")
        last[record.key or b""] = number
    if len(records) != events:
        raise AssertionError(f"{len(records)} events published instead of {events}")


async def _bare(settings: Settings, topic: str, events: int) -> float:
    """The same records from memory, by the same producer, with no database at all."""
    headers = [(name, text.encode()) for name, text in _HEADERS.items()]
    keys = [_key(number).encode() for number in range(events)]
    async with producer(settings) as sender:
        began = time.perf_counter()
        for at in range(0, events, plain_relay.BATCH):
            batch = keys[at : at + plain_relay.BATCH]
            sent = [await sender.send(topic, _VALUE, key, headers=headers) for key in batch]
            await asyncio.gather(*sent)
        return events / (time.perf_counter() - began)


@asynccontextmanager
async def _plain(dsn: str, bootstrap: str, topic: str) -> AsyncIterator[None]:
    words = ("-m", "bench.peers.plain_relay", dsn, bootstrap, topic)
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        yield
    finally:
        process.terminate()
        await process.wait()
