"""From an agency's send to the number on an open board: Kafka, statistics' transaction, the page's event stream.

The whole platform runs as it is deployed, each service a process of its own behind one door, and every other service
does its work on the same reports meanwhile. `vongtay up` has all four in one process, to try them on one machine: one
processor is all that Python has there, and at this rate reports wait for it.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path

import aiohttp
import psutil

from agency.profile import Profile
from agency.sealing import sealed
from agency.transports import KafkaTransport
from bench import Result, quantiles
from local.services import SERVICES
from local.simulation.traffic import Document, concern_event
from local.simulation.world import World
from tests.support.platform import Parts, parts

NAME = "report-to-board"
_RATE = 200  # reports a second, for which the aims are
_CALM = 50  # beside it, and still far more than a province sends
_P50_MS, _P99_MS = 60, 200
_WARMING_SECONDS = 5
_SECTOR = "health"
_TOTAL = re.compile(r"([\d.]+) tất cả")


async def run(quick: bool) -> list[Result]:
    """Milliseconds from each report's send to the first moment at which the open board shows that many."""
    return [row for rate in (_CALM, _RATE) for row in await _at(rate, 5 if quick else 30)]


async def _at(rate: int, seconds: int) -> list[Result]:
    """In: reports a second, for how many seconds they are measured."""
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        async with parts(Path(name), SERVICES) as platform:
            events = await _events(platform, rate * (_WARMING_SECONDS + seconds))
            transport = KafkaTransport(platform.settings(), _SECTOR)
            # The first ones start producers, fill caches and let Java compile itself; they are not measured.
            warm, measured = events[: rate * _WARMING_SECONDS], events[rate * _WARMING_SECONDS :]
            async with transport:
                shown: dict[int, float] = {}
                async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
                    tasks.create_task(_watch(platform, len(events), shown))
                    await _send(transport, warm, rate)
                    while not any(total >= len(warm) for total in shown):
                        await asyncio.sleep(0.05)
                    busy, began = _processor(platform), time.perf_counter()
                    sent = await _send(transport, measured, rate)
                    busy, took = _processor(platform) - busy, time.perf_counter() - began
    moments = sorted(shown.items())
    waits = []
    at = 0
    for number, moment in enumerate(sent, len(warm) + 1):
        while moments[at][0] < number:
            at += 1
        waits.append((moments[at][1] - moment) * 1000)
    p50, p99 = quantiles(waits)
    what = f"send to open board, {rate}/s, {len(measured):,} reports"
    return [
        Result(NAME, f"{what}, p50", p50, "ms", aim=f"≤ {_P50_MS} ms", met=p50 <= _P50_MS),
        Result(NAME, f"{what}, p99", p99, "ms", aim=f"≤ {_P99_MS} ms", met=p99 <= _P99_MS),
        Result(NAME, f"{what}: processors that the platform kept busy meanwhile", busy / took, "cores"),
    ]


def _processor(platform: Parts) -> float:
    """Processor time of the platform's own processes so far: services, PostgreSQL, Kafka."""
    servers = [platform.kafka.pid, platform.postgres.pid, *(replica.process.pid for replica in platform.replicas)]
    processes = [psutil.Process(pid) for pid in servers if pid is not None]
    processes += [child for process in processes for child in process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in processes)


async def _events(platform: Parts, reports: int) -> list[Document]:
    token = await platform.token("agency", _SECTOR)
    profile = await Profile.fetch(platform.url, token=token)
    now = datetime.now(UTC)
    world = World(500, seed=11, now=now)
    # All of one sector: a topic's worth of partitions, the hardest case.
    concerns = (concern_event(world.concern(number, now)) for number in count(1))
    own = islice((concern for concern in concerns if concern.sector == _SECTOR), reports)
    return [sealed(concern.document, profile.public_key, profile.key_id) for concern in own]


async def _send(transport: KafkaTransport, events: list[Document], rate: int) -> list[float]:
    """Send at a rate. Out: when each was sent, by this process's clock."""
    began, sent, sending = time.perf_counter(), [], []
    for number, event in enumerate(events):
        await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
        sent.append(time.perf_counter())
        sending.append(asyncio.create_task(transport.send([event])))
    await asyncio.gather(*sending)
    return sent


async def _watch(platform: Parts, reports: int, shown: dict[int, float]) -> None:
    """Read the open board's stream as a browser does, noting when it first shows each total, until it shows all."""
    headers = {"Authorization": f"Bearer {await platform.token('coordinator')}"}
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        while True:
            # A stream ends after a minute, and the page asks for the next at once.
            async with session.get(platform.url + "/stats/live", headers=headers) as answer:
                async for frame in _frames(answer):
                    found = _TOTAL.search(frame)
                    if found:
                        total = int(found[1].replace(".", ""))
                        shown.setdefault(total, time.perf_counter())
                        if total >= reports:
                            return


async def _frames(answer: aiohttp.ClientResponse) -> AsyncIterator[str]:
    kept = b""
    async for piece in answer.content.iter_any():
        *frames, kept = (kept + piece).split(b"\n\n")
        for frame in frames:
            yield frame.decode()
