"""Clocks of the law that stand still, lapse, or end by themselves; and time that passes while nobody looks."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.domain import acts, care, cases, clocks, ending, opening
from services.cases.domain.model import (
    BAN,
    CARE_HANDOVER,
    EMERGENCY,
    INITIAL,
    PLAN,
    Actor,
    Case,
    Clock,
    Decision,
    World,
)
from services.cases.domain.rules import open_acts
from shared.contracts import cases as events
from shared.contracts.errors import Rejected
from shared.reference.calendar import LOCAL, WorkCalendar
from shared.reference.deadlines import Deadline, DeadlineRule, Deadlines, LocalRule
from tests.support.made_up import CHAIR, CHILD, UNIT, WORKER, concern, rule_of, said
from tests.support.made_up import world as made_up

# Monday morning; with the holiday on the 24th the plan is due at the end of the Tuesday after.
MONDAY = datetime(2026, 11, 23, 9, tzinfo=LOCAL)
LAW = Deadlines.load()
NUMBERS = count(1)


def world(now: datetime, law: Deadlines = LAW) -> World:
    def start(kind: str, at: datetime, unit: str = "", /) -> Deadline:
        return (law if kind in law.kinds() else LAW).start(kind, at, unit)

    return replace(
        made_up(now),
        start=start,
        after_pause=law.after_pause,
        new_id=lambda: f"id-{next(NUMBERS)}",
    )


def opened(danger: str = "no", law: Deadlines = LAW) -> Case:
    said_by = concern(danger_now=danger, received_at=MONDAY)
    case = opening.open_case(said_by, "case-1", "TN-1", CHILD, world(MONDAY, law), by_person=True).case
    return replace(case, clocks=tuple(clock for clock in case.clocks if clock.kind != INITIAL))


def plan_of(case: Case) -> Clock:
    return next(clock for clock in case.clocks if clock.kind == PLAN)


def decide(case: Case, act: dict[str, object], now: datetime, actor: Actor = CHAIR, law: Deadlines = LAW) -> Decision:
    return cases.decide(case, acts.ACT.validate_python(act), actor, world(now, law))


def pause(case: Case, now: datetime, reason: str = "force-majeure", law: Deadlines = LAW) -> Decision:
    act = {"act": "pause-deadline", "deadline": plan_of(case).id, "reason": reason, "words": "Lũ lớn, xã bị chia cắt"}
    return decide(case, act, now, law=law)


def resume(case: Case, now: datetime, law: Deadlines = LAW) -> Decision:
    return decide(case, {"act": "resume-deadline", "deadline": plan_of(case).id}, now, law=law)


def test_a_clock_that_stands_still_is_neither_near_nor_missed_and_runs_on_by_working_time() -> None:
    case = opened()
    due = plan_of(case).due
    paused = pause(case, MONDAY + timedelta(days=1))
    assert said(paused) == ["deadline.paused"]
    assert paused.happenings[0].extra | {"state": "paused", "reason": "force-majeure", "due": due} == dict(
        paused.happenings[0].extra
    )
    assert paused.entries[0].words == {"reason": "Lũ lớn, xã bị chia cắt"}
    assert said(cases.tick(paused.case, world(due + timedelta(days=2)))) == []
    # From the holiday on Tuesday to Friday of the week after: eight working days stood still.
    running = resume(paused.case, MONDAY + timedelta(days=11))
    assert said(running) == ["deadline.resumed"]
    clock = plan_of(running.case)
    assert clock.due == WorkCalendar.load().add_working_days(due - timedelta(seconds=1), 8)
    assert clock.due - clock.nearing_at == timedelta(hours=24)
    assert (clock.state, clock.paused_at, clock.pause_reason, clock.pause_ends_at) == ("running", None, None, None)
    assert running.happenings[0].extra["due"] == clock.due
    assert said(cases.tick(running.case, world(clock.due + timedelta(seconds=1)))) == ["deadline.missed"]


def test_hours_stand_still_hour_by_hour() -> None:
    own = LocalRule(UNIT, PLAN, 10, "Quyết định 7", "Decision 7", date(2026, 1, 1), hours=100)
    law = Deadlines([rule_of_plan()], WorkCalendar.load(), [own], ["force-majeure"], [UNIT], "19")
    case = opened(law=law)
    assert plan_of(case).set_by == UNIT
    paused = pause(case, MONDAY + timedelta(hours=95), law=law)
    # That the end was near is told before it stands still.
    assert said(paused) == ["deadline.nearing", "deadline.paused"]
    running = resume(paused.case, MONDAY + timedelta(hours=145), law=law)
    clock = plan_of(running.case)
    assert clock.due == MONDAY + timedelta(hours=150)
    assert clock.state == "nearing"
    assert said(cases.tick(running.case, world(MONDAY + timedelta(hours=146), law))) == []


def rule_of_plan(**changes: object) -> DeadlineRule:
    rule = DeadlineRule(
        PLAN,
        "Kế hoạch",
        "Plan",
        "receipt",
        24,
        "luật",
        "law",
        date(2017, 7, 1),
        working_days=5,
        pausable=("force-majeure",),
        pause_days=30,
        pause_source_vi="luật dừng",
        pause_source_en="pausing law",
    )
    return replace(rule, **changes)  # type: ignore[arg-type]


def test_only_the_chair_pauses_and_only_a_clock_that_the_law_lets_stand_still() -> None:
    case, danger = opened(), opened("yes")
    assert "pause-deadline" in open_acts(case, CHAIR)
    assert "pause-deadline" not in open_acts(case, WORKER)
    assert "pause-deadline" not in open_acts(danger, CHAIR)
    assert "resume-deadline" not in open_acts(case, CHAIR)
    assert "resume-deadline" in open_acts(pause(case, MONDAY).case, CHAIR)
    wish = {"act": "pause-deadline", "reason": "force-majeure", "words": "Lũ"}
    emergency = danger.clocks[0]
    both = replace(case, clocks=(*case.clocks, emergency))
    for deadline, rule in ((emergency.id, "clock-may-not-pause"), ("nobody", "clock-unknown")):
        with pytest.raises(Rejected) as error:
            decide(both, {**wish, "deadline": deadline}, MONDAY)
        assert rule_of(error) == rule
    with pytest.raises(Rejected) as error:
        pause(case, MONDAY, "holiday")
    assert rule_of(error) == "pause-reason"
    with pytest.raises(Rejected) as error:
        pause(case, plan_of(case).due + timedelta(seconds=1))
    assert rule_of(error) == "clock-may-not-pause"
    other = replace(emergency, id="other", state="paused")
    with pytest.raises(Rejected) as error:
        resume(replace(case, clocks=(*case.clocks, other)), MONDAY)
    assert rule_of(error) == "clock-not-paused"


def test_a_pause_longer_than_allowed_ends_by_itself_and_its_days_are_used_up() -> None:
    paused = pause(opened(), MONDAY)
    ends = plan_of(paused.case).pause_ends_at
    assert ends == MONDAY + timedelta(days=30)
    assert paused.case.next_moment() == ends
    over = cases.tick(paused.case, world(MONDAY + timedelta(days=31)))
    assert said(over) == ["deadline.resumed"]
    assert plan_of(over.case).due == resume(paused.case, ends).case.clock(PLAN).due  # type: ignore[union-attr]
    assert "pause-deadline" not in open_acts(over.case, CHAIR)
    # Nobody looked for half a year: it ran again, and then it was missed.
    assert said(cases.tick(paused.case, world(MONDAY + timedelta(days=180)))) == ["deadline.resumed", "deadline.missed"]
    assert said(resume(paused.case, MONDAY + timedelta(days=180))) == ["deadline.resumed", "deadline.missed"]


def test_all_pauses_of_a_clock_together_are_no_longer_than_allowed() -> None:
    first = resume(pause(opened(), MONDAY).case, MONDAY + timedelta(days=20)).case
    second = pause(first, MONDAY + timedelta(days=21)).case
    assert plan_of(second).pause_ends_at == MONDAY + timedelta(days=31)


def test_an_act_done_while_its_clock_stands_still_is_in_time() -> None:
    paused = pause(opened(), MONDAY).case
    draft = {"act": "draft-plan", "goals": "An toàn", "activities": "Thăm mỗi tuần"}
    done = decide(replace(paused, step="plan"), draft, MONDAY + timedelta(days=12), WORKER)
    assert plan_of(done.case).state == "met"
    assert plan_of(done.case).stood_still == timedelta(days=12)
    closed = clocks.cancel(Decision(paused), world(MONDAY + timedelta(days=12)))
    assert plan_of(closed.case).state == "cancelled"
    assert said(closed) == ["deadline.met"]


def test_a_missed_clock_that_is_needed_no_more_lapses_and_was_not_done() -> None:
    case = opened()
    late = plan_of(case).due + timedelta(days=1)
    danger = opening.danger(Decision(case), world(late))
    assert said(danger)[:2] == ["deadline.missed", "deadline.met"]
    assert plan_of(danger.case).state == "lapsed"
    assert danger.happenings[1].extra["state"] == "lapsed"
    told = cases.tick(case, world(late)).case
    assert said(opening.danger(Decision(told), world(late)))[0] == "deadline.met"
    in_time = opening.danger(Decision(case), world(MONDAY + timedelta(hours=1)))
    assert plan_of(in_time.case).state == "cancelled"
    target = replace(opened(), id="case-2")
    gone, _ = ending.merge(case, target, acts.Merge(into="x", reason="Một việc"), WORKER, world(late), {})
    assert plan_of(gone.case).state == "lapsed"


def test_a_contact_ban_simply_ends_at_its_moment() -> None:
    started = clocks.start(Decision(opened()), world(MONDAY), BAN, MONDAY).case
    before = cases.tick(started, world(MONDAY + timedelta(hours=72)))
    assert said(before) == ["deadline.nearing"]
    over = cases.tick(before.case, world(MONDAY + timedelta(hours=80)))
    assert said(over) == ["deadline.met", "contact-ban.ended"]
    ban = next(clock for clock in over.case.clocks if clock.kind == BAN)
    assert (ban.state, ban.settled_at) == ("met", MONDAY + timedelta(hours=72))


def test_after_days_off_everything_is_told_once_and_in_the_order_in_which_it_fell_due() -> None:
    case = clocks.start(Decision(opened("yes")), world(MONDAY), BAN, MONDAY).case
    ask = {"act": "request-task", "kind": "verification", "sector": "police", "due": "2026-11-24"}
    case = decide(case, ask, MONDAY, WORKER).case
    after = cases.tick(case, world(MONDAY + timedelta(days=10)))
    # After twelve hours the emergency and who was asked at once, next evening the task, on the third day the ban.
    assert said(after) == [
        "deadline.missed",
        "task.overdue",
        "task.overdue",
        "task.overdue",
        "deadline.met",
        "contact-ban.ended",
    ]
    assert after.happenings[3].extra["task_kind"] == "verification"
    assert said(cases.tick(after.case, world(MONDAY + timedelta(days=20)))) == []
    assert after.case.next_moment() is None


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=60)), max_size=12), st.lists(st.booleans(), max_size=12))
def test_however_often_time_is_told_each_clock_is_told_the_same_things(
    looks: list[timedelta], pauses: list[bool]
) -> None:
    case = clocks.start(Decision(opened("yes")), world(MONDAY), BAN, MONDAY).case
    case = clocks.start(Decision(case), world(MONDAY), PLAN, MONDAY).case
    told: list[tuple[str, str]] = []
    wishes = iter(pauses)
    for look in sorted(looks):
        now = MONDAY + look
        after = cases.tick(case, world(now))
        told += [
            (name, str(each.extra.get("deadline_id", "")))
            for name, each in zip(said(after), after.happenings, strict=True)
        ]
        case = after.case
        moment = case.next_moment()
        assert moment is None or moment > now
        if next(wishes, False):
            plan = plan_of(case)
            case = (
                (resume if plan.state == "paused" else pause)(case, now).case
                if plan.may_pause or plan.state == "paused"
                else case
            )
    after = cases.tick(case, world(MONDAY + timedelta(days=400)))
    told += [
        (name, str(each.extra.get("deadline_id", ""))) for name, each in zip(said(after), after.happenings, strict=True)
    ]
    ends = [line for line in told if line[0] in ("deadline.missed", "deadline.met")]
    assert len(ends) == len(set(ends)) == 3
    assert {clock.state for clock in after.case.clocks if clock.kind in (PLAN, EMERGENCY)} == {"missed"}
    assert told.count(("contact-ban.ended", "")) == 1
    for index, (name, deadline) in enumerate(told):
        if name == "deadline.nearing":
            assert ("deadline.missed", deadline) not in told[:index]


def test_a_change_of_law_leaves_the_clocks_of_a_running_case_alone() -> None:
    before = rule_of_plan(effective_to=date(2026, 11, 25))
    after = rule_of_plan(effective_from=date(2026, 11, 25), working_days=2, pausable=(), pause_days=0)
    law = Deadlines([before, after], WorkCalendar.load(), (), ["force-majeure"], [UNIT])
    case = opened(law=law)
    changed = MONDAY + timedelta(days=3)
    # The clock keeps its length, and may still stand still as the old law allowed.
    paused = pause(case, changed, law=law).case
    assert plan_of(paused).pause_ends_at == changed + timedelta(days=30)
    running = resume(paused, changed + timedelta(days=1), law=law).case
    assert plan_of(running).due == datetime(2026, 12, 3, tzinfo=LOCAL)
    again = clocks.start(
        clocks.cancel(Decision(running), world(changed, law), PLAN), world(changed, law), PLAN, changed
    ).case.clock(PLAN)
    assert again is not None
    assert (again.due, again.pausable) == (datetime(2026, 12, 1, tzinfo=LOCAL), ())


def test_a_clock_that_is_told_stands_in_the_case_event_of_its_contract() -> None:
    paused = pause(opened(), MONDAY)
    said_by = paused.happenings[0]
    event = said_by.model.model_validate({"case_id": "case-1", "facts": paused.case.facts(), **said_by.extra})
    assert isinstance(event, events.DeadlinePaused)
    assert event.reason == "force-majeure"


def test_a_hand_over_that_stood_still_runs_in_the_case_that_takes_it_over() -> None:
    due = MONDAY + timedelta(days=21)
    still = Clock("c", CARE_HANDOVER, MONDAY, due, due - timedelta(days=2), "", state="paused", paused_at=MONDAY)
    gone = replace(opened(), care="relatives", clocks=(still,))
    after = care.taken_over(Decision(opened()), world(MONDAY + timedelta(days=3)), gone).case.clock(CARE_HANDOVER)
    assert after is not None
    assert (after.state, after.paused_at, after.due) == ("running", None, due + timedelta(days=3))
    assert after.stood_still == timedelta(days=3)


def received(case: Case, before: datetime, after: datetime, now: datetime) -> Decision:
    then, since = (concern(received_at=at) for at in (before, after))
    return opening.move_receipt(Decision(case), world(now), then, since, {"reason": "Ghi nhầm giờ"})


def test_what_runs_from_the_receipt_moves_with_it_and_what_is_settled_stays() -> None:
    said_by = concern(danger_now="yes", received_at=MONDAY)
    case = opening.open_case(said_by, "case-1", "TN-1", CHILD, world(MONDAY), by_person=True).case
    case = clocks.meet(Decision(case), world(MONDAY + timedelta(hours=1)), INITIAL).case
    earlier = MONDAY - timedelta(hours=10)
    moved = received(case, MONDAY, earlier, MONDAY + timedelta(hours=1))
    assert said(moved) == ["deadline.moved"]
    assert moved.case.received_at == earlier
    clock = moved.case.clock(EMERGENCY)
    assert clock is not None
    assert (clock.started_at, clock.due) == (earlier, earlier + timedelta(hours=12))
    assert clock.next_moment() == clock.nearing_at
    assert moved.happenings[0].extra["due"] == clock.due
    settled = next(known for known in moved.case.clocks if known.kind == INITIAL)
    assert (settled.state, settled.due) == ("met", MONDAY + timedelta(hours=12))
    assert moved.entries[0].words == {"reason": "Ghi nhầm giờ"}
    assert said(cases.tick(moved.case, world(MONDAY + timedelta(hours=3))))[0] == "deadline.missed"


def test_a_clock_that_the_wrong_receipt_alone_had_missed_runs_again() -> None:
    case = opened()
    case = cases.tick(case, world(plan_of(case).due + timedelta(seconds=1))).case
    assert plan_of(case).state == "missed"
    now = plan_of(case).due + timedelta(hours=1)
    later = received(case, MONDAY, MONDAY + timedelta(days=3), now)
    assert (plan_of(later.case).state, said(later)) == ("running", ["deadline.moved"])
    assert plan_of(later.case).due == world(now).start(PLAN, MONDAY + timedelta(days=3), UNIT).due
    still = received(case, MONDAY, MONDAY + timedelta(minutes=1), now)
    assert plan_of(still.case).state == "missed"


def test_a_clock_that_stands_still_stands_on_where_its_receipt_moves() -> None:
    paused = pause(opened(), MONDAY + timedelta(days=1)).case
    moved = plan_of(received(paused, MONDAY, MONDAY - timedelta(days=1), MONDAY + timedelta(days=2)).case)
    was = plan_of(paused)
    assert (moved.state, moved.paused_at, moved.pause_ends_at) == ("paused", was.paused_at, was.pause_ends_at)
    assert moved.due == world(MONDAY).start(PLAN, MONDAY - timedelta(days=1), UNIT).due
