"""What the whole platform costs a small machine: how soon its first page is there, what it takes when idle, its end."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import psutil

from bench import Result
from tests.support.platform import Whole, whole

NAME = "footprint"
_MB = 1_000_000
_IDLE_SECONDS = 30.0


async def run(quick: bool) -> list[Result]:
    """Starts on the data of an earlier run, the best of three; memory after a while of doing nothing."""
    with tempfile.TemporaryDirectory(prefix="vongtay-bench-") as name:
        folder = Path(name)
        async with whole(folder):
            pass  # the first start makes databases and topics
        starts, stops, megabytes = [], [], 0.0
        for _ in range(1 if quick else 3):
            platform = Whole(folder, {})
            began = time.perf_counter()
            await platform.start()
            starts.append(time.perf_counter() - began)
            if not megabytes:
                await asyncio.sleep(2 if quick else _IDLE_SECONDS)
                megabytes = await asyncio.to_thread(_memory, platform)
            began = time.perf_counter()
            await platform.stop()
            stops.append(time.perf_counter() - began)
    return [
        Result(NAME, "warm start to the first page", min(starts), "s", aim="≤ 10 s", met=min(starts) <= 10),
        Result(NAME, "SIGTERM to the end", max(stops), "s", aim="≤ 15 s", met=max(stops) <= 15),
        Result(NAME, "memory when idle", megabytes, "MB", aim="≤ 1.2 GiB", met=megabytes * _MB <= 1.2 * 2**30),
    ]


def _memory(platform: Whole) -> float:
    """Megabytes of the platform's processes. What several share (PostgreSQL's buffers) counts once: Linux' PSS."""
    pid = platform.pid
    assert pid is not None
    process = psutil.Process(pid)
    sizes = [one.memory_full_info() for one in (process, *process.children(recursive=True))]
    return sum(getattr(size, "pss", size.rss) for size in sizes) / _MB
