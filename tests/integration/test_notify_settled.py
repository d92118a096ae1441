"""A notice with a date counts down until what it asks for is done, or needed no more, and then says so."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.notify.domain.matters import SettledMatter
from services.notify.store import matters
from services.notify.store.waking import NOTICED
from shared.contracts.base import Contract
from shared.contracts.cases import (
    DeadlineMet,
    DeadlineNearing,
    HandoverAnswered,
    HandoverOffered,
    PlanApproved,
    PlanDrafted,
    TaskCancelled,
    TaskDeclined,
    TaskDone,
    TaskOverdue,
)
from tests.integration.notify_house import CASE, NOW, OTHER_UNIT, House, Person, facts, overdue, task

_CASE = {"case_id": CASE, "facts": facts()}
_CLOCK = {**_CASE, "deadline_id": "d1", "kind": "plan", "due": NOW, "legal_source": "56/2017"}
_TASK = {**_CASE, "task_id": "t1", "task_kind": "examine", "task_sector": "health", "due": NOW}
_OFFER = {**_CASE, "to_unit": OTHER_UNIT}
_NEARING = DeadlineNearing.model_validate({**_CLOCK, "state": "nearing"})
_ALL = "Các việc gom ở đây đều đã xong hoặc không còn phải làm"
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


async def test_what_is_asked_for_anew_counts_anew_and_the_first_stays_what_it_is(house: House) -> None:
    async with house.client("thuong.worker") as worker:

        async def offers() -> list[str | None]:
            found = (await worker.get("/notify/api/inbox")).json()["notices"]
            return [one["settled"] for one in found if one["event_type"] == "cases.case.handover-offered"]

        await house.hear(("offered", HandoverOffered.model_validate(_OFFER)))
        await house.hear(("declined", HandoverAnswered.model_validate({**_OFFER, "answer": "declined"})))
        await house.hear(("offered anew", HandoverOffered.model_validate(_OFFER)))
        assert await offers() == [None, "done"]
        await house.hear(("withdrawn", HandoverAnswered.model_validate({**_OFFER, "answer": "withdrawn"})))
        assert await offers() == ["needless", "done"]


async def test_what_a_clock_far_ahead_tells_is_settled_all_the_same(house: House) -> None:
    for event in ("asked", "done"):
        house.happened[event] = house.context.clock() + timedelta(days=500)
    async with house.client("duc.health") as officer:
        await house.hear(("asked", task()))
        await house.hear(("done", TaskDone.model_validate({**_TASK, "result": "done"})))
        (found,) = (await officer.get("/notify/api/inbox")).json()["notices"]
        assert (found["event_type"], found["settled"]) == ("cases.task.requested", "done")


async def test_what_is_urgent_and_settled_presses_nobody(house: House) -> None:
    pressing, plain, danger = "Khẩn, chưa đọc", "timeline__item--plain", "timeline__item--danger"
    async with house.client("lan.worker") as worker:
        await house.hear(("overdue", TaskOverdue.model_validate(_TASK)))
        page = (await worker.get("/notify/")).text
        assert (pressing in page, plain in page, danger in page) == (True, False, True)
        await house.hear(("declined", TaskDeclined.model_validate({**_TASK})))
        page = (await worker.get("/notify/")).text
        assert (page.count(danger), page.count(plain)) == (1, 1), "that it was declined presses, and waits for somebody"
        assert page.index(pressing) < page.index(danger) < page.index("Các tin khác") < page.index(plain)
        for only in ("unread", "urgent"):
            narrowed = (await worker.get(f"/notify/?only={only}")).text
            assert (narrowed.count(danger), narrowed.count(plain)) == (1, 1), "each once"


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
        assert page.rindex(_LATE) < page.index(_DONE), "what still presses comes first"
        assert (await _settled(worker, line.id), _ALL in page) == (None, False)
        for number in (3, 4):
            cancelled = {**_TASK, "case_id": f"case-{number}", "task_id": f"t{number}", "cause": "withdrawn"}
            await house.hear((f"cancelled {number}", TaskCancelled.model_validate(cancelled)))
        assert await _settled(worker, line.id) == "done"
        assert _ALL in (await worker.get(f"/notify/lines/{line.id}")).text
        page = (await worker.get("/notify/")).text
        assert page.count("Khẩn, chưa đọc") == 1, "the first three are told by themselves, and wait"
        assert page.index("Các tin khác") < page.index(_ALL)


async def test_whoever_looks_at_the_inbox_sees_at_once_that_a_line_of_several_is_settled(house: House) -> None:
    await house.hear(*(overdue(number) for number in range(4)))
    (line,) = await house.rows("SELECT audience FROM notice WHERE audience = 'worker/05443' AND count > 1")
    heard: list[str] = []
    async with house.database.engine.connect() as connection:
        raw = (await connection.get_raw_connection()).driver_connection
        assert raw is not None
        await raw.add_listener(NOTICED, hear := lambda *said: heard.append(str(said[-1])))
        settled = SettledMatter("task/t3", house.context.clock(), "done")
        async with house.database.transaction() as writing:
            await matters.settle(writing, [settled], house.context.clock())
        await raw.fetchval("SELECT 1")
        await raw.remove_listener(NOTICED, hear)
    assert line.audience in heard


async def _settled(person: Person, identifier: str) -> str | None:
    notices = (await person.get("/notify/api/inbox")).json()["notices"]
    (found,) = [one["settled"] for one in notices if one["id"] == identifier]
    return found if found is None else str(found)


async def test_what_settled_a_notice_is_forgotten_with_it(house: House) -> None:
    await house.hear(("overdue", TaskOverdue.model_validate(_TASK)))
    await house.hear(("done", TaskDone.model_validate({**_TASK, "result": "done"})))
    rows = await house.rows("SELECT matter, how FROM settled_matter")
    assert [tuple(row) for row in rows] == [("task/t1", "done")]
    house.shift += timedelta(days=60)
    await house.upkeep.forget()
    assert await house.rows("SELECT 1 FROM settled_matter UNION ALL SELECT 1 FROM notice") == []
