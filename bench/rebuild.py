"""Rebuild: a million events counted anew from Kafka beside the live figures, which go on being asked for meanwhile.

Ours is `vongtay serve stats`, told to rebuild: the time is from then until the board's figures are counted anew. Beside
it the bare statement, fed from memory; and what a live query takes before the rebuild, with nothing else to do.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from itertools import count, cycle
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from sqlalchemy import text

import services.stats
from bench import Result, quantiles
from bench._many_events import NOW, TOPIC, Cases, bare_statement, publish
from services.stats.handlers.counting import Counting
from shared.database import Database
from shared.messaging.consumer import record_of
from shared.messaging.kafka import client_options
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from tests.support.platform import Parts, parts

NAME = "rebuild"
_IN_MEMORY = 200_000
_FILL = 4_000
_EVERY_SECONDS = 0.05
_LIMIT_AIM = 0.8
_SLOWER_AIM = 2.0
_KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))


async def run(quick: bool) -> list[Result]:
    """Fill, ask while idle, rebuild while asking; the figures must be those of before."""
    events = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        async with parts(Path(name), ()) as stack:
            cases = Cases()
            await publish(stack.settings(), cases.events(events, events // 5))
            database = Database(stack.postgres.url("stats"), pool_size=2)
            await database.migrate(Path(services.stats.__file__).parent / "migrations")
            await _count_live(stack, database, events)
            await _start(stack)
            idle = await _asked(stack, asyncio.create_task(asyncio.sleep(3 if quick else 15)))
            rebuilding = asyncio.create_task(_rebuild(stack, database, events))
            busy = await _asked(stack, rebuilding)
            seconds, counted = await rebuilding
            if counted != cases.known:
                raise AssertionError(f"{counted} cases counted instead of {cases.known}")
            await database.close()
            await asyncio.to_thread(stack.of("stats")[0].process.stop)
            again = Cases()
            sample = list(again.events(min(events, _IN_MEMORY), events // 5))
            bare = await bare_statement(stack.postgres.url("notify"), sample)
    ours = events / seconds
    (p50, p99), (idle_p50, idle_p99) = quantiles(busy), quantiles(idle)
    limit = "bare statement (the limit)"
    return [
        Result(
            NAME,
            f"{events:,} case events, Kafka to figures beside the live ones",
            ours,
            "events/s",
            {limit: bare},
            {limit: ours / bare},
            f"≥ {_LIMIT_AIM} × the bare statement",
            ours >= _LIMIT_AIM * bare,
        ),
        Result(
            NAME,
            "live query meanwhile, p99",
            p99,
            "ms",
            {"idle": idle_p99},
            {"idle": idle_p99 / p99},
            f"< {_SLOWER_AIM:.0f} × idle",
            p99 < _SLOWER_AIM * idle_p99,
        ),
        Result(NAME, "live query meanwhile, p50", p50, "ms", {"idle": idle_p50}, {"idle": idle_p50 / p50}),
    ]


async def _count_live(stack: Parts, database: Database, events: int) -> None:
    """Count the topic into the live figures, and say so to the groups of the service: it has nothing left to do."""
    counting = Counting(database, _KEYS, lambda: NOW)
    settings = stack.settings()
    topic = settings.topic_prefix + TOPIC
    options = client_options(settings) | {"enable_auto_commit": False, "auto_offset_reset": "earliest"}
    consumer = AIOKafkaConsumer(topic, **options, max_partition_fetch_bytes=4 * 1024 * 1024)
    ends: dict[TopicPartition, int] = {}
    async with consumer:
        done = 0
        while done < events:
            for place, raws in (await consumer.getmany(timeout_ms=1000, max_records=_FILL)).items():
                await counting.count([record_of(raw, settings.topic_prefix) for raw in raws])
                ends[place] = raws[-1].offset + 1
                done += len(raws)
    for group in ("stats", "stats-history"):
        async with AIOKafkaConsumer(**options, group_id=settings.topic_prefix + group) as told:
            told.assign(list(ends))
            await told.commit(ends)
    async with database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE cell, fact, cube"))


async def _start(stack: Parts) -> None:
    replica = stack.add("stats")
    await stack.start(replica)
    await stack.ready()
    await stack.token("coordinator")
    await asyncio.sleep(2)


async def _rebuild(stack: Parts, database: Database, events: int) -> tuple[float, int]:
    """Seconds until the board's figures are counted anew, and how many cases are in them. Raises where it failed.

    What follows, history, is left out: it is another statement, and has more to do.
    """
    began = time.perf_counter()
    await stack.post("/stats/ops/rebuild", {}, "operator")
    while True:
        state = await stack.get("/stats/ops/rebuild", "operator")
        if state["state"] == "failed":
            raise AssertionError(state["reason"])
        if state["done"] >= events and (counted := await _counted(database)):
            return time.perf_counter() - began, counted
        await asyncio.sleep(0.1)


async def _counted(database: Database) -> int | None:
    """How many cases are in the figures counted anew, once they are: beside the live ones, or in their place."""
    async with database.transaction() as connection:
        beside = (await connection.execute(text("SELECT to_regclass('rebuild.cube') IS NOT NULL"))).scalar_one()
        table = "rebuild.cube" if beside else "public.cube"
        return (await connection.execute(text(f"SELECT sum(n)::bigint FROM {table}"))).scalar()


async def _asked(stack: Parts, until: asyncio.Task[Any]) -> Sequence[float]:
    """Milliseconds of live queries, one after another at a calm pace, until a task is done."""
    url = f"http://127.0.0.1:{stack.of('stats')[-1].port}/stats/api/figures?measure=cases&by=status&by=risk&unit="
    headers = {"Authorization": f"Bearer {await stack.token('coordinator')}"}
    units = cycle(Units.load().codes())
    taken = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for at in count():
            await asyncio.sleep(_EVERY_SECONDS)
            began = time.perf_counter()
            async with session.get(url + next(units)) as answer:
                await answer.read()
                if answer.status != 200:
                    raise AssertionError(answer.status)
            # The first ones open connections and plan statements.
            if at >= 10:
                taken.append((time.perf_counter() - began) * 1000)
            if until.done():
                return taken
    raise AssertionError("unreachable")
