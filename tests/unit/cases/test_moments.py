"""What a case's events say of when things were first done: what statistics measure the time between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from services.cases.domain import acts, cases, opening, providing, tasks
from services.cases.domain.model import Case, Decision, PlannedService
from tests.support.made_up import CHAIR, NOW, WORKER, concern, do, initial, opened, planned, review, said, world


def closed() -> Case:
    case = do(do(planned(), {"act": "approve-plan"}, CHAIR), review(findings="Ổn"))
    act = acts.Close(outcome="safe", no_risk=True, stable=True)
    return cases.decide(case, act, CHAIR, world(NOW + timedelta(days=3))).case


def test_the_first_assessment_and_the_first_approval_are_told_and_later_ones_change_nothing() -> None:
    assert opened().case.facts().assessed_at is None
    case = cases.decide(opened().case, initial("medium"), WORKER, world(NOW + timedelta(hours=2))).case
    assert case.facts().assessed_at == NOW + timedelta(hours=2)
    again = cases.decide(case, initial("low"), WORKER, world(NOW + timedelta(hours=5))).case
    assert again.facts().assessed_at == NOW + timedelta(hours=2)
    approved = do(planned(), {"act": "approve-plan"}, CHAIR)
    assert approved.facts().planned_at == NOW


def test_a_closed_case_tells_when_and_how_it_ended_until_it_is_opened_again() -> None:
    case = closed()
    assert (case.facts().closed_at, case.facts().outcome) == (NOW + timedelta(days=3), "safe")
    reopened = cases.decide(case, acts.Reopen(reason="Có dấu hiệu mới", danger_now=False), CHAIR, world()).case
    assert (reopened.facts().closed_at, reopened.facts().outcome) == (None, None)
    assert reopened.facts().planned_at == case.facts().planned_at


def test_the_first_service_is_told_by_the_noon_of_its_day_and_never_before_the_report() -> None:
    case = replace(opened().case, received_at=datetime(2026, 11, 20, 8, 0, tzinfo=UTC))
    assert case.facts().first_service_at is None
    days = (date(2026, 11, 23), date(2026, 11, 21), None)
    services = tuple(
        PlannedService(str(number), "medical", "health", date(2026, 11, 30), done_on=day)
        for number, day in enumerate(days)
    )
    assert replace(case, services=services).facts().first_service_at == datetime(2026, 11, 21, 5, 0, tzinfo=UTC)
    same_day = (replace(services[0], done_on=date(2026, 11, 20)),)
    assert replace(case, services=same_day).facts().first_service_at == case.received_at


MORNING = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)
DAY = date(2026, 11, 24)


def first_service(case: Case) -> datetime | None:
    return case.facts().first_service_at


def test_a_service_told_on_the_morning_of_its_day_was_given_by_then_and_not_at_noon() -> None:
    act: dict[str, object] = {"act": "record-service", "service": "medical", "provided_on": "2026-11-24"}
    case = do(do(planned(), {"act": "approve-plan"}, CHAIR), act, now=MORNING)
    assert first_service(case) == MORNING
    # Said again later, nothing moves; a day that was over when it was told is known by its noon.
    assert first_service(do(case, act, now=MORNING + timedelta(hours=9))) == MORNING
    before = {**act, "service": "legal", "provided_on": "2026-11-23"}
    assert first_service(do(replace(case, received_at=NOW - timedelta(days=2)), before, now=MORNING)) == datetime(
        2026, 11, 23, 5, 0, tzinfo=UTC
    )
    # Closed an hour later, the first service is not after the end.
    reviewed = do(case, review(findings="Ổn"), now=MORNING)
    ended = cases.decide(
        reviewed, acts.Close(outcome="safe", no_risk=True, stable=True), CHAIR, world(MORNING + timedelta(hours=1))
    ).case
    told, closed_at = first_service(ended), ended.facts().closed_at
    assert told is not None
    assert closed_at is not None
    assert told < closed_at


def test_a_sectors_word_counts_when_it_was_said_however_late_it_is_handled_and_whatever_corrects_it() -> None:
    case = do(planned(), {"act": "approve-plan"}, CHAIR)
    late = world(MORNING + timedelta(days=2))
    said_first = providing.Given("medical", DAY, "health", said_by="e1", said_at=MORNING)
    corrected = replace(said_first, said_at=MORNING + timedelta(hours=1))
    for order in ((said_first,), (said_first, said_first), (said_first, corrected), (corrected, said_first)):
        told = case
        for one in order:
            told = providing.report(told, one, late).case
        assert first_service(told) == MORNING
    once = providing.report(case, said_first, late).case
    # Corrected to a later day: what was said before that day bounds it no more.
    moved = providing.report(once, replace(corrected, on=date(2026, 11, 25), said_at=late.now), late).case
    assert first_service(moved) == datetime(2026, 11, 25, 5, 0, tzinfo=UTC)
    # A sender's clock that runs ahead is not believed.
    ahead = replace(said_first, said_at=MORNING + timedelta(hours=2))
    assert first_service(providing.report(case, ahead, world(MORNING)).case) == MORNING


def test_a_task_that_is_done_in_the_morning_gives_its_service_by_then_and_taken_back_not_at_all() -> None:
    case = opened("yes").case
    police = next(task for task in case.tasks if task.sector == "police")
    waits = PlannedService("s", "legal", "police", DAY, task_id=police.id)
    done = tasks.answer(
        replace(case, services=(waits,)),
        world(MORNING + timedelta(days=1)),
        police.id,
        "police",
        "done",
        answer_id="a",
        said_at=MORNING,
    ).case
    assert first_service(done) == MORNING
    no = tasks.answer(
        done, world(MORNING + timedelta(days=1)), police.id, "police", "accepted", answer_id="a", correction=True
    ).case
    assert first_service(no) is None
    assert no.services == (waits,)


def test_a_corrected_receipt_is_told_also_where_no_clock_runs_any_more() -> None:
    case = closed()
    before = concern()
    after = replace(before, received_at=before.received_at - timedelta(hours=4))
    decision = opening.move_receipt(Decision(replace(case, concern_id=after.id)), world(), before, after)
    assert decision.case.facts().received_at == after.received_at
    assert decision.happenings


def test_a_task_tells_when_it_was_asked_and_first_answered() -> None:
    case = opened("yes").case
    police = next(task for task in case.tasks if task.sector == "police")
    later = world(NOW + timedelta(hours=1))
    accepted = tasks.answer(case, later, police.id, "police", "accepted", answer_id="a")
    told = accepted.happenings[0].extra
    assert (told["requested_at"], told["answered_at"]) == (police.asked_at, later.now)
    done = tasks.answer(accepted.case, world(NOW + timedelta(hours=9)), police.id, "police", "done", answer_id="b")
    assert said(done)[0] == "task.done"
    assert done.happenings[0].extra["answered_at"] == later.now
