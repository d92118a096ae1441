"""A report and its correction reach two replicas at the same moment: it is one report, told in one order."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.cases_house import House, concern, hold_first_writing, house, waits_for_a_lock

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
    written, go_on = hold_first_writing(monkeypatch)
    one = asyncio.create_task(house.send(("concern.reported", "An", first)))
    await written.wait()
    other = asyncio.create_task(house.send(("concern.reported", "An", then)))
    await waits_for_a_lock(house)
    go_on.set()
    outcomes = [result.outcome for result in [*await one, *await other]]
    assert set(outcomes) <= {"accepted", "corrected"}
