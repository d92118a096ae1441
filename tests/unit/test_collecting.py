"""The collector of cycles looks while a process rests, and not while it works."""

from __future__ import annotations

import asyncio
import gc
import time

import pytest

from shared import collecting

MOMENT = 0.01


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr(collecting, "_LOOK_SECONDS", MOMENT)
    found: list[int] = []
    monkeypatch.setattr(gc, "collect", found.append)
    return found


async def test_what_is_new_is_looked_through_at_rest_until_told_to_stop(looks: list[int]) -> None:
    stop = asyncio.Event()
    collecting_ = asyncio.create_task(collecting.collect_at_rest(stop))
    async with asyncio.timeout(60):
        while len(looks) < 2:
            await asyncio.sleep(MOMENT)
    stop.set()
    await asyncio.wait_for(collecting_, 60)
    assert set(looks) == {1}


async def test_nothing_is_looked_through_while_others_work(looks: list[int]) -> None:
    stop = asyncio.Event()

    async def work() -> None:
        while not stop.is_set():
            time.sleep(0.005)  # it keeps the process busy
            await asyncio.sleep(0)

    working = asyncio.create_task(work())
    collecting_ = asyncio.create_task(collecting.collect_at_rest(stop))
    await asyncio.sleep(30 * MOMENT)
    assert looks == []
    stop.set()
    await asyncio.gather(working, collecting_)
