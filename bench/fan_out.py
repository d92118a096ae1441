"""Signed, durable, retried webhooks a second: from rows that wait to requests that receivers have taken, a message to
few endpoints and to many.

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
# To how many endpoints a message goes: the fewer, the more of a server's work is the message itself.
_FANS = (5, _ENDPOINTS)
_HANGING = 2
_STEADY = 1000  # deliveries a second
_CORES = os.cpu_count() or 1
_KEPT = "svix-server, queue in Redis"
_LIMIT = "bare aiohttp loop (the limit)"
_IN_MEMORY = "svix-server, queue in memory (not durable)"


async def run(quick: bool) -> list[Result]:
    """Rates from a full queue, then the waits of the healthy at a steady rate while a tenth of the endpoints hangs."""
    deliveries = 20_000 if quick else 100_000
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        folder = Path(name)
        async with receivers() as ends:
            beside = {count: await _beside(folder / str(count), ends, deliveries, count) for count in _FANS}
            async with parts(folder, ["notify"] * _CORES) as stack:
                bench = _Bench(stack, ends)
                ours = {count: await bench.rate(deliveries, count, _CORES) for count in _FANS}
                single = await bench.rate(deliveries, _ENDPOINTS, 1)
                hampered = await bench.rate(deliveries, _ENDPOINTS, 1, hanging=_HANGING)
                waits = await bench.waits(5 if quick else 20)
    rows = [_compared(f"{deliveries:,} to {n} endpoints, {_CORES} replicas", ours[n], beside[n]) for n in _FANS]
    alone = {name: single / rate for name, rate in beside[_ENDPOINTS].items()}
    p50, p99 = quantiles(waits)
    share = f"a tenth of {_ENDPOINTS} endpoints hanging"
    return [
        *rows,
        Result(
            NAME,
            f"{deliveries:,} to {_ENDPOINTS} endpoints, one replica",
            single,
            "deliveries/s",
            beside[_ENDPOINTS],
            alone,
        ),
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


def _compared(what: str, ours: float, rates: dict[str, float]) -> Result:
    ratio = {name: ours / rate for name, rate in rates.items()}
    # What is durable is compared with what is; where there is no Redis, with the queue in memory.
    fast = ratio.get(_KEPT, ratio.get(_IN_MEMORY, 4)) >= 4 and ratio[_LIMIT] >= 0.8
    return Result(NAME, what, ours, "deliveries/s", rates, ratio, "≥ 4× svix, durable; ≥ 0.8× the limit", fast)


class _Bench:
    """Notify's own processes, their queue filled while they are away."""

    def __init__(self, stack: Parts, ends: Receivers) -> None:
        self._stack = stack
        self._ends = ends
        self._partners = Partners(stack)

    async def rate(self, deliveries: int, endpoints: int, replicas: int, *, hanging: int = 0) -> float:
        """Deliveries a second to the endpoints that answer, by so many replicas."""
        messages = deliveries // endpoints
        for replica in self._stack.of("notify"):
            await asyncio.to_thread(replica.process.stop)
        await self._partners.clear()
        good = endpoints - hanging
        urls = self._ends.urls(good) + self._ends.urls(hanging, "hang")
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


async def _beside(folder: Path, ends: Receivers, deliveries: int, endpoints: int) -> dict[str, float]:
    """What others deliver in a second to so many endpoints: Svix with a queue that is kept, as ours is, and with one
    that is gone with the process; and the limit."""
    folder.mkdir()
    rates = {_LIMIT: await _bare(ends, deliveries, endpoints)}
    program, redis = svix.binary(), svix.redis()
    if program is None:
        return rates
    messages = deliveries // 5 // endpoints  # it takes long enough over a fifth of them
    if redis is not None:
        async with svix.kept(redis, folder / "redis") as queue:
            rates[_KEPT] = await _svix(folder / "kept", program, queue, ends, messages, endpoints)
    in_memory = {"SVIX_QUEUE_TYPE": "memory"}
    rates[_IN_MEMORY] = await _svix(folder / "memory", program, in_memory, ends, messages, endpoints)
    return rates


async def _bare(ends: Receivers, count: int, endpoints: int) -> float:
    body = orjson.dumps(payload()).decode()
    words = ("-m", "bench.peers.bare_webhooks", str(count), body, *ends.urls(endpoints))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    await ends.report()
    return float(out)


async def _svix(
    folder: Path, program: Path, queue: Mapping[str, str], ends: Receivers, messages: int, endpoints: int
) -> float:
    postgres = EmbeddedPostgres(folder, services=("svix",))
    await asyncio.to_thread(postgres.start)
    try:
        dsn = postgres.url("svix").replace("+asyncpg", "")
        async with svix.running(program, dsn, folder / "svix.log", queue) as server:
            await server.subscribe(ends.urls(endpoints))
            await ends.report()
            sending = asyncio.create_task(server.send(messages, payload()))
            arrived = await ends.until(messages * endpoints)
            await sending
    finally:
        await asyncio.to_thread(postgres.stop)
    return arrived.rate
