"""Signed, durable, retried webhooks a second: from rows that wait to requests that receivers have taken.

Ours is the whole `vongtay serve notify`: one replica, which has one core, and as many as the machine has cores. Beside
it svix-server, which takes all cores and gets its messages through its API as it is meant to, with a queue that is kept
and with one in memory; and, as the limit, a bare aiohttp loop of one process with the same requests in memory.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import orjson

from bench import Result, quantiles
from bench._webhooks import Partners, Receivers, payload, receivers
from bench.peers import svix
from local.postgres import EmbeddedPostgres
from tests.support.platform import Parts, parts

NAME = "fan-out"
_ENDPOINTS = 20
_HANGING = 2
_STEADY = 1000  # deliveries a second
_CORES = os.cpu_count() or 1
_KEPT = "svix-server, queue in Redis"
_IN_MEMORY = "svix-server, queue in memory (not durable)"


async def run(quick: bool) -> list[Result]:
    """Rates from a full queue, then the waits of the healthy at a steady rate while a tenth of the endpoints hangs."""
    messages = 1000 if quick else 5000
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        folder = Path(name)
        async with receivers() as ends:
            limit = await _bare(ends, messages * _ENDPOINTS)
            beside = await _svix(folder, ends, messages // 5)
            async with parts(folder, ["notify"] * _CORES) as stack:
                bench = _Bench(stack, ends)
                ours = await bench.rate(messages, _CORES, hanging=False)
                single = await bench.rate(messages, 1, hanging=False)
                hampered = await bench.rate(messages, 1, hanging=True)
                waits = await bench.waits(5 if quick else 20)
    rates = {**beside, "bare aiohttp loop (the limit)": limit}
    ratio = {name: ours / rate for name, rate in rates.items()}
    alone = {name: single / rate for name, rate in rates.items()}
    # What is durable is compared with what is; without Redis with what its queue in memory does.
    fast = ratio.get(_KEPT, ratio.get(_IN_MEMORY, 4)) >= 4 and ratio["bare aiohttp loop (the limit)"] >= 0.8
    aim = "≥ 4× svix, durable; ≥ 0.8× the limit"
    p50, p99 = quantiles(waits)
    what = f"{messages * _ENDPOINTS:,} to {_ENDPOINTS} endpoints"
    share = f"a tenth of {_ENDPOINTS} endpoints hanging"
    return [
        Result(NAME, f"{what}, {_CORES} replicas", ours, "deliveries/s", rates, ratio, aim, fast),
        Result(NAME, f"{what}, one replica", single, "deliveries/s", rates, alone),
        Result(
            NAME,
            f"{share}: to the others",
            hampered,
            "deliveries/s",
            {"none hanging": single},
            {"none hanging": hampered / single},
            "≥ 0.95×",
            hampered / single >= 0.95,
        ),
        Result(NAME, f"{share}, {_STEADY}/s: queued to received, p99", p99 * 1000, "ms", aim="< 500 ms", met=p99 < 0.5),
        Result(NAME, f"{share}, {_STEADY}/s: queued to received, p50", p50 * 1000, "ms"),
    ]


class _Bench:
    """Notify's own processes, their queue filled while they are away."""

    def __init__(self, stack: Parts, ends: Receivers) -> None:
        self._stack = stack
        self._ends = ends
        self._partners = Partners(stack)

    async def rate(self, messages: int, replicas: int, *, hanging: bool) -> float:
        """Deliveries a second to the endpoints that answer, by so many replicas."""
        for replica in self._stack.of("notify"):
            await asyncio.to_thread(replica.process.stop)
        await self._partners.clear()
        good = _ENDPOINTS - (_HANGING if hanging else 0)
        urls = self._ends.urls(good) + self._ends.urls(_ENDPOINTS - good, "hang")
        await self._partners.queue(messages, await self._partners.add(urls))
        await self._ends.report()
        for replica in self._stack.of("notify")[:replicas]:
            await self._stack.start(replica)
        arrived = await self._ends.until(messages * good)
        return arrived.rate

    async def waits(self, seconds: int) -> list[float]:
        """Seconds from queued to received at a steady rate, with a tenth hanging."""
        await self._partners.clear()
        good = self._ends.urls(_ENDPOINTS - _HANGING)
        targets = await self._partners.add(good + self._ends.urls(_HANGING, "hang"))
        await asyncio.sleep(3)
        await self._ends.report()
        loop = asyncio.get_running_loop()
        began, turns = loop.time(), seconds * _STEADY // _ENDPOINTS
        for turn in range(turns):
            await asyncio.sleep(max(0.0, began + turn * _ENDPOINTS / _STEADY - loop.time()))
            await self._partners.queue(1, targets)
        return (await self._ends.until(turns * len(good))).waits


async def _bare(ends: Receivers, count: int) -> float:
    body = orjson.dumps(payload()).decode()
    words = ("-m", "bench.peers.bare_webhooks", str(count), body, *ends.urls(_ENDPOINTS))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    await ends.report()
    return float(out)


async def _svix(folder: Path, ends: Receivers, messages: int) -> dict[str, float]:
    """Its deliveries a second: with a queue that is kept, as ours is, and with one that is gone with the process."""
    program, redis = svix.binary(), svix.redis()
    if program is None:
        return {}
    rates = {}
    if redis is not None:
        async with svix.kept(redis, folder / "redis") as queue:
            rates[_KEPT] = await _svix_rate(folder / "kept", program, queue, ends, messages)
    rates[_IN_MEMORY] = await _svix_rate(folder / "memory", program, {"SVIX_QUEUE_TYPE": "memory"}, ends, messages)
    return rates


async def _svix_rate(folder: Path, program: Path, queue: Mapping[str, str], ends: Receivers, messages: int) -> float:
    postgres = EmbeddedPostgres(folder, services=("svix",))
    await asyncio.to_thread(postgres.start)
    try:
        dsn = postgres.url("svix").replace("+asyncpg", "")
        async with svix.running(program, dsn, folder / "svix.log", queue) as server:
            await server.subscribe(ends.urls(_ENDPOINTS))
            await ends.report()
            sending = asyncio.create_task(server.send(messages, payload()))
            arrived = await ends.until(messages * _ENDPOINTS)
            await sending
    finally:
        await asyncio.to_thread(postgres.stop)
    return arrived.rate
