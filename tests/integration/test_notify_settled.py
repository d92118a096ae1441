"""A notice with a date counts down until what it asks for is done, or needed no more, and then says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.base import Contract
from shared.contracts.cases import (
    DeadlineMet,
    DeadlineNearing,
    HandoverAnswered,
    HandoverOffered,
    PlanApproved,
    PlanDrafted,
    TaskCancelled,
    TaskDone,
    TaskOverdue,
)
from tests.integration.notify_house import CASE, NOW, OTHER_UNIT, House, facts, overdue, task

_CASE = {"case_id": CASE, "facts": facts()}
_CLOCK = {**_CASE, "deadline_id": "d1", "kind": "plan", "due": NOW, "legal_source": "56/2017"}
_TASK = {**_CASE, "task_id": "t1", "task_kind": "examine", "task_sector": "health", "due": NOW}
_OFFER = {**_CASE, "to_unit": OTHER_UNIT}
_NEARING = DeadlineNearing.model_validate({**_CLOCK, "state": "nearing"})
_DONE, _NEEDLESS, _LATE = "Đã xong", "Không còn phải làm", "Quá hạn"


@pytest.mark.parametrize(
    ("person", "asked", "settles", "how"),
    [
        ("duc.health", task(), TaskDone.model_validate({**_TASK, "result": "done"}), "done"),
        ("duc.health", task(), TaskCancelled.model_validate({**_TASK, "cause": "withdrawn"}), "needless"),
        ("lan.worker", _NEARING, DeadlineMet.model_validate({**_CLOCK, "state": "met-late"}), "done"),
        ("lan.worker", _NEARING, DeadlineMet.model_validate({**_CLOCK, "state": "cancelled"}), "needless"),
        ("binh.chair", PlanDrafted.model_validate(_CASE), PlanApproved.model_validate(_CASE), "done"),
        ("thuong.worker", HandoverOffered.model_validate(_OFFER),
         HandoverAnswered.model_validate({**_OFFER, "answer": "withdrawn"}), "needless"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("late", [False, True])
async def test_what_is_done_or_needed_no_more_counts_on_for_nobody(
    house: House, person: str, asked: Contract, settles: Contract, how: str, late: bool
) -> None:
    house.happened["asked"], house.happened["settles"] = house.context.clock(), house.context.clock()
    heard = [("settles", settles), ("asked", asked)] if late else [("asked", asked), ("settles", settles)]
    async with house.client(person) as reader:
        for one in heard:
            await house.hear(one)
        house.shift += timedelta(days=2)
        notices = (await reader.get("/notify/api/inbox")).json()["notices"]
        (found,) = [one for one in notices if one["event_type"] == asked.TYPE.removeprefix("vn.vongtay.")]
        assert found["settled"] == how
        page = (await reader.get("/notify/")).text
        assert (_LATE in page, (_DONE if how == "done" else _NEEDLESS) in page) == (False, True)


async def test_what_is_asked_for_anew_counts_anew(house: House) -> None:
    async with house.client("binh.chair") as chair:
        for number, settled in ((1, "done"), (2, None)):
            await house.hear((f"drafted {number}", PlanDrafted.model_validate(_CASE)))
            if settled:
                await house.hear((f"approved {number}", PlanApproved.model_validate(_CASE)))
            newest = (await chair.get("/notify/api/inbox")).json()["notices"]
            drafted = [one["settled"] for one in newest if one["event_type"] == "cases.plan.drafted"]
            assert drafted[0] == settled
        assert drafted[1] == "done", "the first stays what it is"


async def test_of_several_that_are_said_together_each_says_whether_it_is_done(house: House) -> None:
    await house.hear(*(overdue(number) for number in range(6)))
    (line,) = await house.rows("SELECT id::text FROM notice WHERE audience = 'worker/05443' AND count > 1")
    gathered = [
        row.matter for row in await house.rows("SELECT matter FROM notice_line WHERE notice_id = :id", id=line.id)
    ]
    assert len(gathered) == 3
    done: dict[str, Any] = {**_TASK, "case_id": "case-5", "task_id": "t5", "result": "done"}
    assert "task/t5" in gathered
    async with house.client("lan.worker") as worker:
        await house.hear(("done", TaskDone.model_validate(done)))
        page = (await worker.get(f"/notify/lines/{line.id}")).text
        assert (page.count(_DONE), page.count(_LATE)) == (1, 2)


async def test_what_settled_a_notice_is_forgotten_with_it(house: House) -> None:
    await house.hear(("overdue", TaskOverdue.model_validate(_TASK)))
    await house.hear(("done", TaskDone.model_validate({**_TASK, "result": "done"})))
    rows = await house.rows("SELECT matter, how FROM settled_matter")
    assert [tuple(row) for row in rows] == [("task/t1", "done")]
    house.shift += timedelta(days=60)
    await house.upkeep.forget()
    assert await house.rows("SELECT 1 FROM settled_matter UNION ALL SELECT 1 FROM notice") == []
