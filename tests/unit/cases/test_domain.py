"""The state machine of a case: what is open to whom, what each act says, how the law's clocks run."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from services.cases.domain import acts, cases, ending, identifying, tasks
from services.cases.domain.forms import totals
from services.cases.domain.model import (
    APPROVAL,
    EMERGENCY,
    INITIAL,
    PLAN,
    SEPARATION,
    SYSTEM,
    Actor,
    Case,
    Decision,
)
from services.cases.domain.rules import CONCERN_RULES, RULES, concern_refusal, open_acts, refusal
from shared.contracts import cases as events
from shared.contracts.errors import Rejected
from tests.support.made_up import (
    CHAIR,
    CHILD,
    COORDINATOR,
    NOW,
    UNIT,
    WORKER,
    concern,
    do,
    initial,
    opened,
    planned,
    review,
    rule_of,
    said,
    world,
)
from tests.support.rated import HARM_ROWS, RATED, ROWS


def test_danger_now_starts_the_twelve_hours_from_receipt_and_asks_police_and_health() -> None:
    received = NOW - timedelta(hours=3)
    decision = opened("yes", received)
    clock = decision.case.clock(EMERGENCY)
    assert clock is not None
    assert clock.due == received + timedelta(hours=12)
    assert decision.case.clock(PLAN) is None
    assert {task.sector for task in decision.case.tasks} == {"police", "health"}
    initial_clock = decision.case.clock(INITIAL)
    assert initial_clock is not None
    assert initial_clock.due == received + timedelta(hours=12)
    assert said(decision) == [
        "case.opened",
        "child.described",
        "deadline.started",
        "deadline.started",
        "task.requested",
        "task.requested",
    ]


def test_without_danger_the_five_working_days_run_and_nobody_is_asked_yet() -> None:
    decision = opened("unknown")
    assert decision.case.clock(PLAN) is not None
    assert decision.case.clock(EMERGENCY) is None
    assert decision.case.tasks == ()


def test_a_report_forwarded_late_gives_sectors_a_date_that_lies_ahead() -> None:
    decision = opened("yes", NOW - timedelta(days=30))
    assert all(task.due > NOW for task in decision.case.tasks)


def test_the_way_from_report_to_closing_says_each_step() -> None:
    case = opened().case
    case = do(case, {"act": "verify", "confirmed": True, "findings": "Đúng như báo tin"})
    case = cases.decide(case, initial("medium"), WORKER, world()).case
    assert case.step == "assessment"
    case = do(case, {"act": "draft-plan", "goals": "An toàn", "activities": "Thăm mỗi tuần"})
    assert case.step == "approval"
    assert case.clock(PLAN) is None
    assert case.clock(APPROVAL) is not None
    case = do(case, {"act": "approve-plan"}, CHAIR)
    assert case.step == "carrying-out"
    case = do(case, review(findings="Trẻ đã ổn định"))
    decision = cases.decide(
        case,
        acts.ACT.validate_python({"act": "close", "outcome": "safe", "no_risk": True, "stable": True}),
        CHAIR,
        world(),
    )
    assert said(decision) == ["case.closed"]
    assert decision.case.status == "closed"
    assert not any(clock.runs for clock in decision.case.clocks)
    again = do(decision.case, {"act": "reopen", "reason": "Lại có dấu hiệu"})
    assert (again.status, again.step) == ("open", "assessment")
    assert again.clock(PLAN) is not None


def test_a_plan_given_back_is_drafted_again_under_a_new_clock() -> None:
    case = do(planned(), {"act": "return-plan", "reason": "Thiếu kinh phí"}, CHAIR)
    assert case.step == "plan"
    assert case.clock(APPROVAL) is None
    case = do(case, {"act": "draft-plan", "goals": "An toàn", "activities": "Có kinh phí"}, now=NOW + timedelta(days=1))
    clock = case.clock(APPROVAL)
    assert clock is not None
    assert clock.started_at == NOW + timedelta(days=1)


@pytest.mark.parametrize("act", ["approve-plan", "close", "decide-emergency"])
def test_what_the_chair_decides_is_refused_to_a_worker_with_the_law(act: str) -> None:
    inputs = {
        "approve-plan": {},
        "close": {"outcome": "safe"},
        "decide-emergency": {"measure": "separation", "decision": "Tách trẻ"},
    }
    with pytest.raises(Rejected) as error:
        do(planned(), {"act": act, **inputs[act]})
    assert rule_of(error) == "not-your-role"
    assert "Nghị định 56/2017, khoản" in error.value.violations[0].message_vi
    assert "Decree 56/2017, Art." in error.value.violations[0].message_en


def test_every_refusal_names_the_law_in_the_language_of_its_message() -> None:
    stranger = Actor("x", "", "statistician", "all")
    refusals = [refusal(opened().case, act, stranger) for act in RULES]
    refusals += [concern_refusal(concern(), act, stranger) for act in CONCERN_RULES]
    for violation in refusals:
        assert violation is not None
        assert re.search(
            r"\((Nghị định 56/2017|Luật Trẻ em 2016|Luật 13/2022/QH15|Bộ luật Dân sự 2015), (khoản \d+ )?Điều \d",
            violation.message_vi,
        )
        assert re.search(
            r"\((Decree 56/2017|Law on Children 2016|Law 13/2022|Civil Code 2015), Art. \d", violation.message_en
        )
        assert violation.message_en.isascii()


def test_a_neighbouring_commune_may_do_nothing() -> None:
    stranger = replace(WORKER, units=frozenset({"05455"}))
    assert open_acts(opened().case, stranger) == []
    assert open_acts(opened().case, Actor("x", "", "statistician", "all")) == []


def test_every_act_offered_is_accepted_by_the_rules_and_no_other() -> None:
    case = planned()
    for actor in (WORKER, CHAIR, COORDINATOR):
        offered = set(open_acts(case, actor))
        for act in RULES:
            if act in offered:
                assert actor.role in RULES[act].roles
    assert "approve-plan" in open_acts(case, CHAIR)
    assert open_acts(case, COORDINATOR) == ["transfer"]


def test_high_risk_found_later_runs_from_receipt_and_is_told_missed_at_the_next_tick() -> None:
    received = NOW - timedelta(hours=20)
    case = cases.decide(opened("no", received).case, initial("high", "high"), WORKER, world()).case
    assert case.clock(PLAN) is None
    decision = cases.tick(case, world())
    assert "deadline.missed" in said(decision)
    assert cases.tick(decision.case, world()).happenings == ()


def test_low_risk_ends_the_emergency_clock_and_starts_the_plan() -> None:
    case = cases.decide(opened("yes").case, initial("medium"), WORKER, world()).case
    assert case.clock(EMERGENCY) is None
    assert [clock.state for clock in case.clocks if clock.kind == EMERGENCY] == ["cancelled"]
    assert case.clock(PLAN) is not None


def test_a_measure_in_time_meets_the_clock_and_a_late_one_is_missed_first() -> None:
    measure = acts.DecideEmergency(measure="safe-place", decision="Ở nhà tạm trú")
    in_time = cases.decide(opened("yes").case, measure, CHAIR, world(NOW + timedelta(hours=11)))
    assert said(in_time) == ["emergency.measure.decided", "deadline.met"]
    assert state_of(in_time.case, EMERGENCY) == "met"
    late = cases.decide(opened("yes").case, measure, CHAIR, world(NOW + timedelta(hours=13)))
    assert said(late) == ["emergency.measure.decided", "deadline.missed", "deadline.met"]
    assert state_of(late.case, EMERGENCY) == "met-late"


def state_of(case: Case, kind: str) -> str:
    return next(clock.state for clock in case.clocks if clock.kind == kind)


def separated() -> Case:
    return do(opened("yes").case, {"act": "decide-emergency", "measure": "separation", "decision": "Tách trẻ"}, CHAIR)


def test_a_separation_runs_fifteen_days_from_its_decision_and_is_told_near_and_missed() -> None:
    measure = acts.DecideEmergency(measure="separation", decision="Tách trẻ")
    decision = cases.decide(opened("yes").case, measure, CHAIR, world())
    assert said(decision) == ["emergency.measure.decided", "deadline.met", "separation.decided", "deadline.started"]
    clock = decision.case.clock(SEPARATION)
    assert clock is not None
    assert clock.due == decision.happenings[2].extra["until"] == NOW + timedelta(days=15)
    kinds = [
        [
            h.model
            for h in cases.tick(decision.case, world(NOW + timedelta(days=day))).happenings
            if h.extra.get("kind") == SEPARATION
        ]
        for day in (11, 12, 16)
    ]
    assert kinds == [[], [events.DeadlineNearing], [events.DeadlineMissed]]


def test_the_chair_extends_a_separation_to_a_later_day_only() -> None:
    case, later = separated(), NOW + timedelta(days=14)
    with pytest.raises(Rejected) as error:
        do(case, {"act": "extend-separation", "until": date(2026, 12, 8), "reason": "Cơ quan điều tra"}, CHAIR, later)
    assert rule_of(error) == "not-longer"
    with pytest.raises(Rejected) as error:
        do(case, {"act": "extend-separation", "until": date(2026, 12, 30), "reason": "Cơ quan điều tra"})
    assert rule_of(error) == "not-your-role"
    act = acts.ExtendSeparation(until=date(2026, 12, 30), reason="Cơ quan điều tra yêu cầu")
    decision = cases.decide(case, act, CHAIR, world(later))
    assert said(decision) == ["separation.extended", "deadline.met", "deadline.started"]
    clock = decision.case.clock(SEPARATION)
    assert clock is not None
    assert clock.due == datetime(2026, 12, 30, 16, 59, 59, tzinfo=UTC)
    assert clock.due - clock.nearing_at == timedelta(days=15) * 0.25
    missed = cases.decide(case, act, CHAIR, world(NOW + timedelta(days=16)))
    assert said(missed) == ["separation.extended", "deadline.missed", "deadline.met", "deadline.started"]


def test_a_separation_ends_by_an_act_with_its_case_or_goes_on_in_the_case_it_is_merged_into() -> None:
    assert not {"extend-separation", "end-separation"} & set(open_acts(opened("yes").case, CHAIR))
    ended = cases.decide(separated(), acts.EndSeparation(reason="Người gây hại đã đi khỏi"), CHAIR, world())
    assert said(ended) == ["separation.ended", "deadline.met"]
    with pytest.raises(Rejected) as error:
        do(ended.case, {"act": "end-separation", "reason": "Lần nữa"}, CHAIR)
    assert rule_of(error) == "not-at-this-step"
    unfounded = do(separated(), {"act": "verify", "confirmed": False, "findings": "Không có"})
    closed = cases.decide(unfounded, acts.Close(outcome="unfounded"), CHAIR, world())
    assert said(closed)[:2] == ["separation.ended", "deadline.met"]
    assert not any(clock.runs for clock in closed.case.clocks)
    target = replace(opened("no").case, id="case-2")
    later = world(NOW + timedelta(days=3))
    _, on = ending.merge(separated(), target, acts.Merge(into="x", reason="Một việc"), WORKER, later, {})
    clock = on.case.clock(SEPARATION)
    assert clock is not None
    assert clock.due == NOW + timedelta(days=15)
    assert "separation.decided" in said(on)


def test_ticks_tell_nearing_then_missed_and_after_a_day_off_only_missed() -> None:
    case = cases.decide(opened("yes").case, initial("high", "high"), WORKER, world()).case
    assert cases.tick(case, world(NOW + timedelta(hours=8))).happenings == ()
    near = cases.tick(case, world(NOW + timedelta(hours=10)))
    assert said(near) == ["deadline.nearing"]
    assert said(cases.tick(near.case, world(NOW + timedelta(hours=10)))) == []
    missed = cases.tick(near.case, world(NOW + timedelta(hours=12, seconds=1)))
    assert said(missed) == ["deadline.missed", "task.overdue", "task.overdue"]
    after_a_day_off = cases.tick(case, world(NOW + timedelta(days=1)))
    assert said(after_a_day_off) == ["deadline.missed", "task.overdue", "task.overdue"]
    assert after_a_day_off.case.next_moment() is None


def test_at_the_very_moment_it_is_due_a_deadline_is_not_missed_yet() -> None:
    case = opened("yes").case
    due = case.clocks[0].due
    assert "deadline.missed" not in said(cases.tick(case, world(due)))
    assert "deadline.missed" in said(cases.tick(case, world(due + timedelta(microseconds=1))))


def test_the_form_needs_every_row_and_a_reason_for_a_milder_conclusion() -> None:
    with pytest.raises(Rejected) as error:
        do(
            opened().case,
            {"act": "assess-initial", "ratings": {"severity": "high"}, "level": "high", "conclusion": "Nặng"},
        )
    assert rule_of(error) == "ratings-incomplete"
    counted = totals(RATED, {**dict.fromkeys(ROWS, "low"), **dict.fromkeys(HARM_ROWS, "high")})  # type: ignore[arg-type]
    assert counted.suggested == "high"
    assert counted.harm["high"] == 3
    ratings = {**dict.fromkeys(ROWS, "low"), **dict.fromkeys(HARM_ROWS, "high")}
    with pytest.raises(Rejected) as error:
        do(opened().case, {"act": "assess-initial", "ratings": ratings, "level": "low", "conclusion": "Ổn"})
    assert rule_of(error) == "conclusion-reason"


def test_a_task_is_answered_once_by_the_sector_that_was_asked() -> None:
    case = opened("yes").case
    task = next(task for task in case.tasks if task.sector == "police")
    with pytest.raises(Rejected) as error:
        tasks.answer(case, world(), task.id, "health", "done")
    assert rule_of(error) == "task-of-another-sector"
    with pytest.raises(Rejected) as error:
        tasks.answer(case, world(), "nothing", "police", "done")
    assert rule_of(error) == "task-unknown"
    with pytest.raises(Rejected) as error:
        tasks.answer(case, world(), task.id, "police", "declined")
    assert rule_of(error) == "reason-missing"
    done = tasks.answer(case, world(), task.id, "police", "done", summary="Đã xác minh", answer_id="a")
    assert said(done) == ["task.done"]
    with pytest.raises(Rejected) as error:
        tasks.answer(done.case, world(), task.id, "police", "accepted", answer_id="b")
    assert rule_of(error) == "task-closed"
    corrected = tasks.answer(
        done.case, world(), task.id, "police", "declined", reason="Nhầm", answer_id="a", correction=True
    )
    assert said(corrected) == ["task.declined"]


def test_an_overdue_task_whose_new_date_is_agreed_to_waits_again() -> None:
    later = world(NOW + timedelta(days=1))
    case = cases.tick(opened("yes").case, later).case
    task = case.tasks[0]
    assert task.state == "overdue"
    with pytest.raises(Rejected) as error:
        tasks.answer(case, later, task.id, task.sector, "new-date", new_date=NOW)
    assert rule_of(error) == "new-date-past"
    proposed = tasks.answer(case, later, task.id, task.sector, "new-date", new_date=later.now + timedelta(days=2)).case
    assert (proposed.tasks[0].state, proposed.tasks[0].due) == ("overdue", task.due)
    agreed = cases.decide(proposed, acts.AgreeDate(task_id=task.id), WORKER, later).case.tasks[0]
    assert (agreed.state, agreed.due) == ("accepted", later.now + timedelta(days=2))


def test_a_case_is_not_closed_while_the_child_is_unsafe_and_closing_ends_what_sectors_were_asked() -> None:
    case = do(planned(), {"act": "approve-plan"}, CHAIR)
    case = do(
        case, {"act": "request-task", "kind": "medical-examination", "sector": "health", "due": date(2026, 11, 30)}
    )
    case = do(case, review(findings="Ổn"))
    with pytest.raises(Rejected) as error:
        do(case, {"act": "close", "outcome": "safe", "no_risk": True}, CHAIR)
    assert rule_of(error) == "not-yet-safe"
    closed = cases.decide(case, acts.Close(outcome="safe", no_risk=True, stable=True), CHAIR, world())
    assert said(closed) == ["task.cancelled", "case.closed"]
    assert closed.happenings[0].extra["cause"] == "case-closed"
    assert closed.case.tasks[0].state == "cancelled"
    assert closed.case.next_moment() is None


def test_the_lead_cancels_a_task_with_a_reason_and_its_sector_answers_no_more() -> None:
    case = opened("yes").case
    police = next(task for task in case.tasks if task.sector == "police")
    with pytest.raises(Rejected) as error:
        do(case, {"act": "cancel-task", "task_id": "nothing", "reason": "Không cần"})
    assert rule_of(error) == "task-not-open"
    answered = tasks.answer(case, world(), police.id, "police", "accepted", answer_id="a").case
    cancelled = cases.decide(answered, acts.CancelTask(task_id=police.id, reason="Không cần"), CHAIR, world())
    assert said(cancelled) == ["task.cancelled"]
    assert cancelled.entries[0].words == {"reason": "Không cần"}
    for correction in (False, True):
        with pytest.raises(Rejected) as error:
            tasks.answer(cancelled.case, world(), police.id, "police", "done", answer_id="a", correction=correction)
        assert rule_of(error) == "task-cancelled"
    with pytest.raises(Rejected) as error:
        do(cancelled.case, {"act": "cancel-task", "task_id": police.id, "reason": "Hai lần"})
    assert rule_of(error) == "task-not-open"
    assert said(cases.tick(cancelled.case, world(police.due + timedelta(hours=1)))).count("task.overdue") == 1
    assert "cancel-task" not in open_acts(opened("no").case, WORKER)


def test_before_a_review_only_an_unfounded_case_is_closed() -> None:
    with pytest.raises(Rejected) as error:
        do(opened().case, {"act": "close", "outcome": "safe"}, CHAIR)
    assert rule_of(error) == "not-reviewed"
    with pytest.raises(Rejected) as error:
        do(opened().case, {"act": "close", "outcome": "unfounded"}, CHAIR)
    assert rule_of(error) == "not-unfounded"
    case = do(opened().case, {"act": "verify", "confirmed": False, "findings": "Không có việc này"})
    assert do(case, {"act": "close", "outcome": "unfounded"}, CHAIR).status == "closed"


def test_merging_takes_risk_child_and_running_clock_along() -> None:
    gone = replace(opened("yes").case, child_id="child-1", identity="linked")
    target = replace(opened("no").case, id="case-2", code="TN-2026-000002")
    act = acts.Merge(into=target.code, reason="Cùng một trẻ")
    left, on = ending.merge(gone, target, act, WORKER, world(), {})
    assert (left.case.status, left.case.step, left.case.merged_into) == ("merged", "merged", "case-2")
    assert not any(clock.runs for clock in left.case.clocks)
    assert (on.case.risk, on.case.child_id) == ("high", "child-1")
    clock = on.case.clock(EMERGENCY)
    assert clock is not None
    assert clock.started_at == NOW
    assert said(on) == [
        "case.reclassified",
        "case.child-linked",
        "deadline.started",
        "task.requested",
        "task.requested",
    ]
    assert {task.state for task in left.case.tasks} == {"cancelled"}
    with pytest.raises(Rejected) as error:
        ending.merge(gone, gone, act, WORKER, world(), {})
    assert rule_of(error) == "merge-target"


def test_a_merge_asks_again_with_the_same_words_only_what_the_other_case_has_not_asked() -> None:
    gone = opened("yes", NOW - timedelta(days=2)).case
    police, health = gone.tasks
    target = tasks.ask(
        replace_case(opened("no"), id="case-2"), world(), police.kind, police.sector, NOW + timedelta(days=1), None
    ).case
    later = world(NOW + timedelta(days=3))
    asked = {police.id: "Xác minh tại nhà", health.id: "Khám ngay"}
    _, on = ending.merge(gone, target, acts.Merge(into="x", reason="Một việc"), WORKER, later, asked)
    new = on.case.tasks[1:]
    assert [(task.sector, task.due > later.now) for task in new] == [("health", True)]
    assert next(h for h in on.happenings if h.model is events.TaskRequested).extra["instructions"] == "Khám ngay"


def replace_case(decision: Decision, **changes: object) -> Decision:
    return Decision(replace(decision.case, **changes))  # type: ignore[arg-type]


def test_a_transfer_says_from_where_and_ends_what_the_first_commune_may_do() -> None:
    decision = cases.decide(opened().case, acts.Transfer(to_unit="05455", reason="Trẻ ở đó"), WORKER, world())
    assert decision.happenings[0].extra == {"from_unit": UNIT}
    assert decision.case.facts().unit == "05455"
    assert open_acts(decision.case, WORKER) == []
    with pytest.raises(Rejected) as error:
        cases.decide(opened().case, acts.Transfer(to_unit="99999", reason="?"), WORKER, world())
    assert rule_of(error) == "unit-unknown"


def test_candidates_wait_for_a_person_who_may_choose_only_among_them() -> None:
    case = identifying.identified(opened().case, None, [{"child_id": "a", "probability": 0.7, "reasons": []}]).case
    assert case.identity == "candidates"
    with pytest.raises(Rejected) as error:
        identifying.choose_child(case, acts.ChooseChild(child_id="b"), WORKER, CHILD, {})
    assert rule_of(error) == "not-a-candidate"
    with pytest.raises(Rejected) as error:
        identifying.choose_child(case, acts.ChooseChild(child_id="a"), CHAIR, CHILD, {})
    assert rule_of(error) == "not-your-role"
    chosen = identifying.choose_child(case, acts.ChooseChild(child_id="a"), WORKER, CHILD, {})
    assert said(chosen) == ["child.chosen", "case.child-linked"]
    assert chosen.happenings[0].extra == {"child_id": "a", "child": CHILD}
    assert chosen.case.facts().child_id == "a"
    assert identifying.identified(chosen.case, "a", ()).happenings == ()
    since_merged = identifying.choose_child(case, acts.ChooseChild(child_id="a"), WORKER, CHILD, {"a": "z"})
    assert since_merged.case.facts().child_id == "z"


def test_none_of_the_candidates_asks_the_registry_for_a_new_child_once() -> None:
    case = identifying.identified(opened().case, None, [{"child_id": "a", "probability": 0.7, "reasons": []}]).case
    none = acts.ChooseChild(child_id=acts.NONE_OF_THESE)
    asked = identifying.choose_child(case, none, WORKER, CHILD, {})
    assert said(asked) == ["child.chosen"]
    assert asked.happenings[0].extra == {"child": CHILD}
    assert (asked.case.identity, asked.case.candidates, asked.case.child_id) == ("asked", (), None)
    with pytest.raises(Rejected):
        identifying.choose_child(asked.case, none, WORKER, CHILD, {})
    assert identifying.identified(asked.case, "new", ()).case.facts().child_id == "new"
    assert identifying.choose_child(case, none, WORKER, None, {}).case.identity == "none"


def test_nobody_to_choose_from_leaves_the_child_unidentified_until_more_is_known() -> None:
    decision = identifying.identified(opened().case, None, [])
    assert (decision.case.identity, [entry.kind for entry in decision.entries]) == ("none", ["child.not-found"])
    assert "choose-child" not in open_acts(decision.case, WORKER)


def test_facts_of_an_event_fit_its_contract() -> None:
    for happening in opened("yes").happenings:
        case = opened("yes").case
        event = happening.model.model_validate({"case_id": case.id, "facts": case.facts(), **happening.extra})
        assert event.facts.status == "open"
    assert events.CaseOpened.TYPE == "vn.vongtay.cases.case.opened"
    assert SYSTEM.covers(UNIT)
