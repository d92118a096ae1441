"""A report and its correction reach two replicas at the same moment: it is one report, told in one order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store import Writes
from tests.integration.cases_house import House, concern, house

__all__ = ["house"]


@pytest.mark.parametrize("danger", ["no", "yes"])
async def test_a_correction_that_comes_while_its_report_is_taken_in_follows_it(
    house: House, monkeypatch: pytest.MonkeyPatch, danger: str
) -> None:
    said = concern(danger_now=danger)
    later = {**said, "danger_now": "yes", "what_happened": "Nói lại cho rõ"}
    await _at_once(house, monkeypatch, said, later)
    told = await house.said()
    assert len({(event["key"], event["sequence"]) for event in told}) == len(told)
    received = [event for event in told if event["type"] == "concern.received"]
    assert [event["sequence"] for event in received] == [1, 2]
    assert len(await house.rows("SELECT 1 FROM cases")) == 1
    assert len([event for event in told if event["type"] == "case.opened"]) == 1
    (row,) = await house.rows("SELECT danger_now, sequence FROM concern")
    assert (row.danger_now, row.sequence) == ("yes", 2)


async def _at_once(house: House, monkeypatch: pytest.MonkeyPatch, first: dict[str, Any], then: dict[str, Any]) -> None:
    """The first is written and not committed yet when the other looks for it."""
    written, go_on = asyncio.Event(), asyncio.Event()
    flush: Callable[..., Coroutine[Any, Any, None]] = Writes.flush

    async def flush_and_wait(writes: Writes, connection: AsyncConnection) -> None:
        await flush(writes, connection)
        if not written.is_set():
            written.set()
            await go_on.wait()

    monkeypatch.setattr(Writes, "flush", flush_and_wait)
    one = asyncio.create_task(house.send(("concern.reported", "An", first)))
    await written.wait()
    other = asyncio.create_task(house.send(("concern.reported", "An", then)))
    await _waits_for_a_lock(house)
    go_on.set()
    outcomes = [result.outcome for result in [*await one, *await other]]
    assert set(outcomes) <= {"accepted", "corrected"}


async def _waits_for_a_lock(house: House) -> None:
    for _ in range(100):
        if await house.rows(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("nobody waits")
