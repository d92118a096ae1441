"""Work in a process of its own: its end is told, it may put things in order, it never outlives its starter,
and of what breaks it nothing is said but the type."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from shared.apart import run_apart

_WORK = "tests.support.work_apart"
_STARTER = f"""
import asyncio, sys, orjson
from shared.apart import run_apart
asyncio.run(run_apart({_WORK!r}, orjson.loads(sys.argv[1]), asyncio.Event()))
"""


def orders(tmp_path: Path, *, code: int | None = None, heeds: bool = True) -> dict[str, Any]:
    return {"note": str(tmp_path / "note"), "code": code, "heeds": heeds}


async def begun(tmp_path: Path) -> int:
    """Wait until it has begun. Out: its process."""
    note = tmp_path / "note"
    async with asyncio.timeout(60):
        while not note.exists():
            await asyncio.sleep(0.01)
    return int(note.read_text())


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@asynccontextmanager
async def working(
    tmp_path: Path, *, grace: float = 0.0, heeds: bool = True
) -> AsyncIterator[tuple[int, asyncio.Event, asyncio.Task[int]]]:
    stop = asyncio.Event()
    running = asyncio.create_task(run_apart(_WORK, orders(tmp_path, heeds=heeds), stop, grace=grace))
    try:
        yield await begun(tmp_path), stop, running
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)


@pytest.mark.parametrize("code", [0, 3])
async def test_work_that_ends_by_itself_gives_its_exit_code(tmp_path: Path, code: int) -> None:
    assert await asyncio.wait_for(run_apart(_WORK, orders(tmp_path, code=code), asyncio.Event()), 60) == code


async def test_who_is_told_to_stop_puts_things_in_order_where_there_is_time_for_it(tmp_path: Path) -> None:
    async with working(tmp_path, grace=20) as (process, stop, running):
        stop.set()
        assert await asyncio.wait_for(running, 60) == 0
        assert not lives(process)
    assert (tmp_path / "note").read_text() == "in order"


@pytest.mark.parametrize(("grace", "heeds"), [(0.0, True), (0.2, False)])
async def test_who_has_no_time_left_is_ended_as_it_stands(tmp_path: Path, grace: float, heeds: bool) -> None:
    async with working(tmp_path, grace=grace, heeds=heeds) as (process, stop, running):
        stop.set()
        assert await asyncio.wait_for(running, 60) == 0
        assert not lives(process)
    assert (tmp_path / "note").read_text() != "in order"


async def test_ctrl_c_in_the_terminal_of_both_is_the_starters_to_pass_on(tmp_path: Path) -> None:
    async with working(tmp_path, grace=20) as (process, stop, running):
        os.kill(process, signal.SIGINT)
        stop.set()
        assert await asyncio.wait_for(running, 60) == 0
    assert (tmp_path / "note").read_text() == "in order"


async def test_work_ends_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    starter = await asyncio.create_subprocess_exec(sys.executable, "-c", _STARTER, orjson.dumps(orders(tmp_path)))
    process = await begun(tmp_path)
    starter.send_signal(signal.SIGKILL)
    await starter.wait()
    end = time.monotonic() + 60
    while lives(process):
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_what_breaks_it_is_said_without_a_word_of_what_it_was_given(capfd: pytest.CaptureFixture[str]) -> None:
    code = await run_apart("tests.support.breaking_apart", {"name": "Nguyễn Bí Mật"}, asyncio.Event())
    [line] = capfd.readouterr().err.splitlines()
    assert code == 1
    said = json.loads(line)
    assert (said["event"], said["reason"]) == ("apart.broke", "ValueError")
    assert "Mật" not in json.dumps(said, ensure_ascii=False)
