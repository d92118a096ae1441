"""Watchers: two thousand open boards beside one, while the figures change all the time.

Ours is `vongtay serve stats`, whose processor time is measured while the same events are counted, first with one page
open and then with all. Every page must come to show the last figure.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psutil

from bench import Result
from bench._many_events import Cases
from shared.messaging.kafka import producer
from shared.messaging.processing import Record
from tests.support.platform import Parts, parts

NAME = "watchers"
_RATE = 200  # events a second
_TICKS = 20  # a second
_AIM = 20.0  # per cent of a core


@dataclass(frozen=True)
class Round:
    """What a round cost: per cent of a core; after how long the last page showed the last figure; pieces a page and
    second."""

    cost: float
    last: float
    pieces: float


async def run(quick: bool) -> list[Result]:
    """Per cent of a core that all watchers cost beyond one."""
    watchers, seconds = (200, 5) if quick else (2_000, 30)
    cases = Cases()
    numbers = iter(range(1_000_000))
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        async with parts(Path(name), ("stats",)) as stack:
            opened = (cases.next(number) for number in numbers)
            # The first ones fill caches; they are not measured.
            async with _watching(stack, 1) as pages:
                await _round(stack, pages, cases, opened, 5, 1)
                one = await _round(stack, pages, cases, opened, seconds, 1)
            async with _watching(stack, watchers) as pages:
                await _round(stack, pages, cases, opened, 2, watchers)
                all_of_them = await _round(stack, pages, cases, opened, seconds, watchers)
    more = all_of_them.cost - one.cost
    what = f"{watchers:,} open boards, {_RATE} events/s"
    return [
        Result(NAME, f"{what}: of a core more than one", more, "%", {}, {}, f"< {_AIM:.0f} %", more < _AIM),
        Result(NAME, f"{what}: of a core", all_of_them.cost, "%", {"one watcher": one.cost}),
        Result(NAME, f"{what}: last event sent to last page shown", all_of_them.last, "s", {"one watcher": one.last}),
        Result(NAME, f"{what}: pieces a page", all_of_them.pieces, "/s", {"one watcher": one.pieces}),
    ]


@asynccontextmanager
async def _watching(stack: Parts, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    replica = stack.of("stats")[0]
    arguments = ("127.0.0.1", str(replica.port), "/stats/live", await stack.token("coordinator"), str(count))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench._watching", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            await _answer(process)
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _answer(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    if not line:
        raise AssertionError("the watchers ended")
    return line


async def _round(
    stack: Parts,
    pages: asyncio.subprocess.Process,
    cases: Cases,
    opened: Iterator[Record],
    seconds: int,
    watchers: int,
) -> Round:
    """Publish so long at the rate; then every page must show how many cases are open."""
    pid = stack.of("stats")[0].process.pid
    assert pid is not None
    assert pages.stdin is not None
    before, began = _processor(pid), time.perf_counter()
    async with producer(stack.settings()) as sender:
        for tick in range(seconds * _TICKS):
            await asyncio.sleep(max(0.0, began + tick / _TICKS - time.perf_counter()))
            for record in islice(opened, _RATE // _TICKS):
                topic = stack.settings().topic_prefix + record.topic
                await sender.send(topic, record.value, record.key.encode(), headers=list(record.headers))
        await sender.flush()
    cost = (_processor(pid) - before) / (time.perf_counter() - began) * 100
    pages.stdin.write(f"{cases.known}\n".encode())
    async with asyncio.timeout(30):
        answer = json.loads(await _answer(pages))
    return Round(cost, answer["seconds"], answer["pieces"] / watchers / (time.perf_counter() - began))


def _processor(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
