"""What two cases that become one have in work, and what each has again when they are parted."""

from dataclasses import replace
from datetime import timedelta

from services.cases.domain import acts, cases, ending, planning, providing, tasks
from services.cases.domain.ending import Merged, remembered
from services.cases.domain.model import PLAN, Case, Decision, PlannedService, World, local_day
from shared.contracts import cases as events
from tests.support.acted import way
from tests.support.made_up import CHILD, NOW, WORKER, opened, said, world
from tests.unit.cases.test_clocks import MONDAY, pause, plan_of
from tests.unit.cases.test_clocks import opened as with_plan_clock
from tests.unit.cases.test_clocks import world as by_law

TODAY = local_day(NOW)
LATER = NOW + timedelta(days=1)
MERGE = acts.Merge(into="x", reason="Một việc")
UNDO = acts.UndoMerge(reason="Hai trẻ khác nhau")


def planned(case_id: str, *services: PlannedService, asked: bool = False) -> Case:
    """A case whose plan has these services; `asked`: of health already."""
    decision = Decision(replace(opened().case, id=case_id, code=case_id, step="carrying-out", services=services))
    if asked:
        decision = tasks.ask(decision, world(), "medical-examination", "health", LATER, None)
        task_id = decision.case.tasks[-1].id
        decision = decision.then(services=tuple(replace(service, task_id=task_id) for service in services))
    return decision.case


def medical(name: str) -> PlannedService:
    return PlannedService(name, "medical", "health", TODAY)


def merged(gone: Case, kept: Case, at: World) -> tuple[Decision, Decision, Merged]:
    left, on = ending.merge(gone, kept, MERGE, WORKER, at, {})
    was = remembered(next(entry.data for entry in left.entries if entry.kind == "case.merged"))
    assert was is not None
    return left, on, was


def asked_of_health(decision: Decision) -> list[str]:
    return [
        str(happening.extra["task_id"])
        for happening in decision.happenings
        if happening.model is events.TaskRequested and happening.extra["task_sector"] == "health"
    ]


def approved(case: Case) -> Decision:
    waits = replace(case, step="approval")
    return planning.approve(waits, acts.ApprovePlan.model_validate(way("approve-plan")), world(LATER), {})


def test_a_clock_that_stood_still_stands_on_when_its_merge_is_undone() -> None:
    paused = pause(with_plan_clock(), MONDAY + timedelta(days=1)).case
    clock = plan_of(paused)
    kept = replace(with_plan_clock(), id="case-2", code="case-2")
    left, on, was = merged(paused, kept, by_law(MONDAY + timedelta(days=3)))
    at = by_law(MONDAY + timedelta(days=10))
    back, _ = ending.undo_merge(left.case, on.case, UNDO, WORKER, at, was, {}, CHILD)
    again = back.case.clock(PLAN)
    assert again is not None
    assert again.id != clock.id
    # As if it had never been merged: the same due, the same pause, the same days left of it.
    assert replace(again, id=clock.id) == clock
    assert said(back)[-1] == "deadline.paused"
    there, here = (
        cases.tick(replace(case, tasks=()), by_law(MONDAY + timedelta(days=200))).case.clocks[-1]
        for case in (back.case, replace(paused, clocks=(clock,)))
    )
    assert (there.due, there.state) == (here.due, here.state)


def test_a_service_of_a_merged_case_waits_for_the_task_that_goes_on_and_is_not_asked_for_again() -> None:
    gone, kept = planned("case-1", medical("s1"), asked=True), planned("case-2")
    _, on, _ = merged(gone, kept, world(LATER))
    (task_id,) = asked_of_health(on)
    assert [(service.id, service.task_id) for service in on.case.services] == [("s1", task_id)]
    assert asked_of_health(approved(on.case)) == []


def test_a_service_that_both_cases_planned_waits_for_the_one_task_that_was_asked() -> None:
    gone, kept = planned("case-1", medical("s1"), asked=True), planned("case-2", medical("s2"))
    left, on, was = merged(gone, kept, world(LATER))
    (task_id,) = asked_of_health(on)
    assert [(service.id, service.task_id) for service in on.case.services] == [("s2", task_id)]
    assert asked_of_health(approved(on.case)) == []
    back, after = ending.undo_merge(left.case, on.case, UNDO, WORKER, world(LATER), was, {}, CHILD)
    (again,) = asked_of_health(back)
    assert [(service.id, service.task_id) for service in back.case.services] == [("s1", again)]
    # The other case's own service was asked for in no task of its own: it waits to be.
    assert [(service.id, service.task_id) for service in after.case.services] == [("s2", None)]
    assert len(asked_of_health(approved(after.case))) == 1


def test_what_a_merge_brought_goes_back_with_its_case_unless_it_was_given_or_is_in_work() -> None:
    gone = planned("case-1", medical("s1"), PlannedService("s3", "legal", None, TODAY, done_on=TODAY), asked=False)
    left, on, was = merged(gone, planned("case-2"), world(LATER))
    assert [service.id for service in on.case.services] == ["s1", "s3"]
    back, after = ending.undo_merge(left.case, on.case, UNDO, WORKER, world(LATER), was, {}, CHILD)
    assert [service.id for service in back.case.services] == ["s1", "s3"]
    assert [service.id for service in after.case.services] == ["s3"]


def test_what_is_told_of_a_service_is_numbered_behind_what_its_other_case_told_of_it() -> None:
    told = providing.Given("medical", TODAY, "health", said_by="event-1")
    given = providing.report(replace(planned("case-1"), sequence=40), told, world(LATER)).case
    gone = replace(given, sequence=41)
    left, on, was = merged(gone, replace(planned("case-2"), sequence=5), world(LATER))
    assert on.case.sequence == 41, "a consumer would drop its withdrawal as older"
    back, _ = ending.undo_merge(
        replace(left.case, sequence=42), replace(on.case, sequence=60), UNDO, WORKER, world(LATER), was, {}, CHILD
    )
    assert back.case.sequence == 60
    _, alone, _ = merged(replace(planned("case-1"), sequence=41), replace(planned("case-2"), sequence=5), world(LATER))
    assert alone.case.sequence == 5, "nothing that keeps its id came along"


def test_a_task_that_is_done_gives_the_service_of_its_plan_and_its_correction_takes_it_back() -> None:
    case = planned("case-1", medical("s1"), asked=True)
    (task,) = case.tasks
    done = tasks.answer(case, world(LATER), task.id, "health", "done", summary="Đã khám", answer_id="a")
    assert said(done) == ["task.done", "service.provided"]
    assert done.happenings[1].extra == {
        "service_id": "s1",
        "service": "medical",
        "provided_on": local_day(LATER),
        "service_sector": "health",
    }
    (service,) = done.case.services
    assert (service.done_on, service.given_by, service.task_id) == (local_day(LATER), task.id, task.id)
    assert done.entries[1].data["task_id"] == task.id
    # Corrected in words, it stays given; corrected to a refusal, it is awaited again and told so.
    again = tasks.answer(done.case, world(LATER), task.id, "health", "done", answer_id="a", correction=True)
    assert said(again) == ["task.done"]
    no = tasks.answer(
        done.case, world(LATER), task.id, "health", "declined", reason="Nhầm", answer_id="a", correction=True
    )
    assert said(no) == ["task.declined", "service.withdrawn"]
    assert (no.case.services[0].done_on, no.case.services[0].given_by) == (None, None)


def test_a_service_that_was_written_down_before_its_task_is_done_is_given_once() -> None:
    case = planned("case-1", medical("s1"), asked=True)
    record = acts.RecordService(service="s1", provided_on=TODAY)
    given = cases.decide(case, record, WORKER, world(LATER)).case
    done = tasks.answer(given, world(LATER), case.tasks[0].id, "health", "done", summary="Đã khám")
    assert said(done) == ["task.done"]
    assert done.case.services[0].done_on == TODAY


def test_a_sector_s_own_event_about_what_its_task_gave_is_the_same_service() -> None:
    other = PlannedService("s2", "medical", "unions", TODAY)
    case = planned("case-1", medical("s1"), asked=True)
    case = replace(case, services=(*case.services, other))
    done = tasks.answer(case, world(LATER), case.tasks[0].id, "health", "done", summary="Đã khám").case
    told = providing.Given("medical", local_day(LATER), "health", said_by="event-1")
    after = providing.report(done, told, world(LATER))
    assert [happening.extra["service_id"] for happening in after.happenings] == ["s1"]
    assert [service.done_on for service in after.case.services] == [local_day(LATER), None]


def test_a_correction_that_names_another_service_takes_the_first_back() -> None:
    told = providing.Given("medical", TODAY, "health", said_by="event-1")
    first = providing.report(planned("case-1"), told, world(LATER))
    corrected = providing.report(first.case, replace(told, kind="legal"), world(LATER))
    assert said(corrected) == ["service.withdrawn", "service.provided"]
    assert corrected.happenings[0].extra["service_id"] == first.happenings[0].extra["service_id"]
    same = providing.report(first.case, replace(told, provider="Trạm y tế"), world(LATER))
    assert said(same) == ["service.provided"]
