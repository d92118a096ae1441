"""A task as a saga: who may answer what and when, who is awaited then, and what each answer tells the world."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from services.cases.domain import acts, cases, ending, tasks
from services.cases.domain.model import COMMUNE, EMERGENCY, Case, Decision, Task
from services.cases.domain.rules import open_acts
from services.cases.reading import needs_of
from shared.contracts import cases as events
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import SECTORS, ChildDescription
from shared.reference.terms import Terms
from tests.support.made_up import CHAIR, COORDINATOR, NOW, WORKER, opened, rule_of, said, world

HOUR = timedelta(hours=1)
LATER = world(NOW + HOUR)


def asked(sector: str = "police") -> tuple[Case, Task]:
    case = opened("yes").case
    return case, next(task for task in case.tasks if task.sector == sector)


def answered(case: Case, task: Task, given: Any, **more: Any) -> Decision:
    at = more.pop("world", LATER)
    return tasks.answer(case, at, task.id, task.sector, given, **more)


def now_of(decision: Decision, task: Task) -> Task:
    found = decision.case.task(task.id)
    assert found is not None
    return found


def act(case: Case, name: str, at: Any = LATER, **inputs: Any) -> Decision:
    return cases.decide(case, acts.ACT.validate_python({"act": name, **inputs}), WORKER, at)


def test_a_task_goes_from_sent_to_seen_to_accepted_to_done_and_says_whom_it_waits_for() -> None:
    case, task = asked()
    assert (task.awaited, task.waits_since) == ("sector", NOW)
    seen = tasks.see(case, LATER, task.id)
    assert (now_of(seen, task).seen_at, said(seen)) == (LATER.now, [])
    assert tasks.see(seen.case, world(NOW + 2 * HOUR), task.id).entries == ()
    accepted = answered(seen.case, task, "accepted")
    assert (now_of(accepted, task).state, now_of(accepted, task).awaited) == ("accepted", "sector")
    assert now_of(accepted, task).waits_since == NOW, "the sector has been awaited since it was asked"
    done = answered(accepted.case, task, "done", summary="Đã xác minh")
    assert (now_of(done, task).awaited, said(done)) == ("nobody", ["task.done"])
    assert now_of(done, task).responded_at == LATER.now


def test_a_question_makes_the_commune_awaited_and_its_reply_the_sector_while_the_date_stands() -> None:
    case, task = asked()
    with pytest.raises(Rejected) as error:
        answered(case, task, "question", question="  ")
    assert rule_of(error) == "question-missing"
    questioned = answered(case, task, "question", question="Nhà ở tổ mấy?")
    waiting = now_of(questioned, task)
    assert (waiting.state, waiting.pending, waiting.awaited, waiting.due) == (
        "requested",
        "question",
        "commune",
        task.due,
    )
    assert questioned.happenings[0].extra["question"] == "Nhà ở tổ mấy?"
    assert waiting.waits_since == LATER.now
    late = world(task.due + HOUR)
    overdue = cases.tick(questioned.case, late)
    assert (now_of(overdue, task).state, now_of(overdue, task).awaited) == ("overdue", "commune")
    replied = act(overdue.case, "reply-task", late, task_id=task.id, reply="Tổ 5")
    assert said(replied) == ["task.replied"]
    assert replied.happenings[0].extra["reply"] == "Tổ 5"
    assert (now_of(replied, task).awaited, now_of(replied, task).waits_since) == ("sector", late.now)
    with pytest.raises(Rejected) as error:
        act(replied.case, "reply-task", late, task_id=task.id, reply="Lần nữa")
    assert rule_of(error) == "not-at-this-step"


def test_a_proposed_date_stands_only_once_the_commune_agrees() -> None:
    case, task = asked()
    case = replace(case, clocks=())
    proposed = answered(case, task, "new-date", new_date=task.due + 5 * HOUR, reason="Đang trực")
    waiting = now_of(proposed, task)
    assert (waiting.due, waiting.pending, waiting.awaited) == (task.due, "date", "commune")
    assert said(proposed) == ["task.date-proposed"]
    assert proposed.happenings[0].extra["proposed"] == task.due + 5 * HOUR
    agreed = act(proposed.case, "agree-date", task_id=task.id)
    assert said(agreed) == ["task.replied", "task.accepted"]
    assert agreed.happenings[0].extra["agreed"] is True
    assert (now_of(agreed, task).due, now_of(agreed, task).state) == (task.due + 5 * HOUR, "accepted")
    refused = act(proposed.case, "refuse-date", task_id=task.id, reason="Trẻ cần gặp ngay")
    assert (said(refused), refused.happenings[0].extra["agreed"]) == (["task.replied"], False)
    assert (now_of(refused, task).due, now_of(refused, task).awaited) == (task.due, "sector")
    with pytest.raises(Rejected) as error:
        act(proposed.case, "agree-date", world(task.due + 6 * HOUR), task_id=task.id)
    assert rule_of(error) == "date-passed"


def test_a_question_and_a_proposal_are_both_answered_in_turn() -> None:
    case, task = asked()
    case = replace(case, clocks=())
    case = answered(case, task, "new-date", new_date=task.due + HOUR).case
    case = answered(case, task, "question", question="Ai đón trẻ?").case
    assert case.task(task.id).pending == "question"  # type: ignore[union-attr]
    case = act(case, "reply-task", task_id=task.id, reply="Bà nội").case
    assert case.task(task.id).pending == "date"  # type: ignore[union-attr]
    assert case.task(task.id).proposed_due == task.due + HOUR  # type: ignore[union-attr]


def test_accepting_takes_a_proposal_back_but_leaves_a_question_unanswered() -> None:
    case, task = asked()
    case = replace(case, clocks=())
    proposed = answered(case, task, "new-date", new_date=task.due + HOUR).case
    assert now_of(answered(proposed, task, "accepted"), task).awaited == "sector"
    questioned = answered(case, task, "question", question="Ai đón trẻ?").case
    assert now_of(answered(questioned, task, "accepted"), task).awaited == "commune"


@pytest.mark.parametrize(
    ("given", "more", "rule"),
    [
        ("declined", {"reason": " "}, "reason-missing"),
        ("question", {}, "question-missing"),
        ("new-date", {}, "new-date-missing"),
        ("new-date", {"new_date": NOW - HOUR}, "new-date-past"),
        ("new-date", {"new_date": NOW + 12 * HOUR}, "new-date-unchanged"),
        ("new-date", {"new_date": NOW + 40 * HOUR}, "new-date-beyond-law"),
    ],
)
def test_a_malformed_answer_is_refused_by_name(given: str, more: dict[str, Any], rule: str) -> None:
    case, task = asked()
    with pytest.raises(Rejected) as error:
        answered(case, task, given, **more)
    assert rule_of(error) == rule


def test_a_date_beyond_the_twelve_hours_is_no_matter_for_what_was_never_inside_them() -> None:
    case, _ = asked()
    far = act(case, "request-task", kind="verification", sector="police", due=date(2026, 12, 1)).case
    long = far.tasks[-1]
    assert far.clock(EMERGENCY) is not None
    assert now_of(answered(far, long, "new-date", new_date=long.due + HOUR), long).pending == "date"


def test_an_overdue_task_that_is_accepted_is_still_overdue_and_still_answerable() -> None:
    case, task = asked()
    late = world(task.due + HOUR)
    case = cases.tick(case, late).case
    accepted = answered(case, task, "accepted", world=late)
    assert now_of(accepted, task).state == "overdue"
    assert accepted.happenings[0].extra["state"] == "overdue"
    assert now_of(accepted, task).accepted_at == late.now
    assert said(cases.tick(accepted.case, world(late.now + HOUR))) == []
    assert said(answered(accepted.case, task, "done", world=late)) == ["task.done"]


def test_the_same_answer_again_decides_nothing_and_another_after_the_end_is_refused() -> None:
    case, task = asked()
    accepted = answered(case, task, "accepted", answer_id="a")
    assert answered(accepted.case, task, "accepted", answer_id="b") == Decision(accepted.case)
    done = answered(accepted.case, task, "done", answer_id="c")
    for given in ("done", "declined", "accepted"):
        with pytest.raises(Rejected) as error:
            answered(done.case, task, given, reason="Không làm", answer_id="d")
        assert rule_of(error) == "task-closed"
        assert "done" in error.value.violations[0].message_en


def test_an_answer_older_than_the_last_is_late_and_one_from_the_future_bars_nobody() -> None:
    case, task = asked()
    case = answered(case, task, "accepted", answer_id="a", said_at=NOW + HOUR / 2).case
    with pytest.raises(Rejected) as error:
        answered(case, task, "declined", reason="Cũ", answer_id="b", said_at=NOW)
    assert rule_of(error) == "answer-late"
    assert error.value.violations[0].field == "time"
    ahead = answered(case, task, "question", question="?", answer_id="c", said_at=NOW + 9 * HOUR).case
    assert said(answered(ahead, task, "done", answer_id="d", world=world(NOW + 2 * HOUR))) == ["task.done"]


def test_a_correction_changes_its_own_answer_back_to_what_stood_before() -> None:
    case, task = asked()
    done = answered(case, task, "done", answer_id="a").case
    question = answered(done, task, "question", question="Nhầm, xin hỏi thêm", answer_id="a", correction=True)
    assert (now_of(question, task).state, now_of(question, task).awaited) == ("requested", "commune")
    assert question.happenings[0].extra["state"] == "requested"
    accepted = answered(question.case, task, "accepted", answer_id="a", correction=True)
    assert (now_of(accepted, task).state, now_of(accepted, task).pending) == ("accepted", None)
    declined = answered(accepted.case, task, "declined", reason="Không đủ người", answer_id="a", correction=True)
    assert now_of(declined, task).awaited == "commune"
    later = answered(accepted.case, task, "question", question="?", answer_id="b").case
    with pytest.raises(Rejected) as error:
        answered(later, task, "done", answer_id="a", correction=True)
    assert rule_of(error) == "answer-superseded"
    by_hand = tasks.answer(accepted.case, LATER, task.id, None, "done").case
    with pytest.raises(Rejected) as error:
        answered(by_hand, task, "accepted", answer_id="a", correction=True)
    assert rule_of(error) == "answer-superseded"


def test_a_refusal_waits_for_a_decision_to_ask_another_or_to_do_without() -> None:
    case, task = asked()
    declined = answered(case, task, "declined", reason="Không thuộc địa bàn", answer_id="a").case
    assert {"reassign-task", "do-without"} <= set(open_acts(declined, WORKER))
    without = act(declined, "do-without", task_id=task.id, reason="Công an tỉnh đã làm")
    assert (said(without), now_of(without, task).awaited) == ([], "nobody")
    other = act(declined, "reassign-task", task_id=task.id, sector="unions", due=date(2026, 11, 30), reason="Nhờ")
    assert said(other) == ["task.requested"]
    assert (now_of(other, task).state, now_of(other, task).awaited) == ("declined", "nobody")
    assert now_of(other, task).replaced_by == other.case.tasks[-1].id
    with pytest.raises(Rejected) as error:
        answered(other.case, task, "accepted", answer_id="a", correction=True)
    assert rule_of(error) == "task-closed"
    assert "do-without" not in open_acts(other.case, WORKER)


def test_a_task_given_to_another_sector_ends_for_the_first_and_begins_for_the_second() -> None:
    case, task = asked()
    with pytest.raises(Rejected) as error:
        act(case, "reassign-task", task_id=task.id, due=date(2026, 11, 20), reason="Gấp")
    assert rule_of(error) == "due-past"
    moved = act(case, "reassign-task", task_id=task.id, sector="justice", due=date(2026, 11, 30), reason="Nhờ")
    assert said(moved) == ["task.cancelled", "task.requested"]
    assert moved.happenings[0].extra["cause"] == "reassigned"
    new = moved.case.tasks[-1]
    assert (new.sector, new.kind, now_of(moved, task).replaced_by) == ("justice", task.kind, new.id)
    same = act(moved.case, "reassign-task", task_id=new.id, due=date(2026, 12, 2), reason="Thêm hai ngày")
    assert same.case.tasks[-1].sector == "justice"
    with pytest.raises(Rejected) as error:
        act(same.case, "reassign-task", task_id=same.case.tasks[-1].id, due=date(2026, 12, 2), reason="Vẫn vậy")
    assert rule_of(error) == "nothing-changed"
    with pytest.raises(Rejected) as error:
        answered(moved.case, task, "done")
    assert rule_of(error) == "task-cancelled"
    assert new.id in error.value.violations[0].message_vi


def test_a_sector_is_reminded_once_a_day_and_only_while_it_is_awaited() -> None:
    case, task = asked()
    reminded = act(case, "remind-task", task_id=task.id)
    assert (said(reminded), now_of(reminded, task).reminders) == (["task.reminded"], 1)
    with pytest.raises(Rejected) as error:
        act(reminded.case, "remind-task", world(NOW + 8 * HOUR), task_id=task.id)
    assert rule_of(error) == "reminded-today"
    again = act(reminded.case, "remind-task", world(NOW + 24 * HOUR), task_id=task.id)
    assert now_of(again, task).reminders == 2
    questioned = answered(case, task, "question", question="?").case
    with pytest.raises(Rejected) as error:
        act(questioned, "remind-task", task_id=task.id)
    assert rule_of(error) == "task-not-open"


def test_a_merge_leaves_a_way_from_each_task_to_what_took_its_place_with_what_it_waits_for() -> None:
    gone, task = asked()
    gone = answered(gone, task, "question", question="Nhà ở đâu?").case
    target = replace(opened("no").case, id="case-2")
    target = tasks.ask(Decision(target), world(), "medical-examination", "health", NOW + 5 * HOUR, None).case
    left, on = ending.merge(gone, target, acts.Merge(into="x", reason="Một việc"), WORKER, LATER, {})
    places = {known.sector: known.replaced_by for known in left.case.tasks}
    taken = {known.sector: known for known in on.case.tasks}
    assert places == {sector: known.id for sector, known in taken.items()}
    assert (taken["police"].pending, taken["police"].awaited, taken["health"].pending) == ("question", "commune", None)
    assert said(on).count("task.questioned") == 1


def test_two_tasks_alike_of_a_merged_case_keep_two_places() -> None:
    gone = Decision(opened("no").case)
    for hours in (5, 6):
        gone = tasks.ask(gone, world(), "verification", "police", NOW + hours * HOUR, None)
    target = replace(opened("no").case, id="case-2")
    left, on = ending.merge(gone.case, target, acts.Merge(into="x", reason="Một việc"), WORKER, LATER, {})
    assert [known.replaced_by for known in left.case.tasks] == [known.id for known in on.case.tasks]


def test_a_case_that_ends_leaves_no_task_and_no_meeting_waiting_for_anybody() -> None:
    case, task = asked()
    case = answered(case, task, "declined", reason="Không đủ người").case
    case = act(
        case, "call-conference", meets_at="2026-11-27T09:00", place="UBND", sectors=["health"], purpose="Bàn"
    ).case
    case = act(case, "verify", confirmed=False, findings="Không có").case
    closed = cases.decide(case, acts.Close(outcome="unfounded"), CHAIR, LATER)
    assert {known.awaited for known in closed.case.tasks} == {"nobody"}
    assert closed.case.conference() is None
    assert "meeting.cancelled" in said(closed)


def test_a_conference_is_called_held_and_its_decisions_become_tasks_of_sectors_and_of_the_commune() -> None:
    case = opened("no").case
    with pytest.raises(Rejected) as error:
        act(case, "call-conference", meets_at="2026-11-20T09:00", place="UBND", sectors=["health"], purpose="Bàn")
    assert rule_of(error) == "meets-in-past"
    call = {"meets_at": "2026-11-25T09:00", "place": "UBND", "sectors": ["health", "police"], "purpose": "Bàn"}
    called = act(case, "call-conference", **call)
    told = called.happenings[0].extra
    assert (told["meeting"], told["sectors"]) == ("conference", ["health", "police"])
    assert told["meets_at"].isoformat() == "2026-11-25T09:00:00+07:00", "an hour without a zone is the people's own"
    assert "UBND" not in str(called.entries[0].data), "place and purpose are words"
    assert "call-conference" not in open_acts(called.case, WORKER)
    held_at = world(NOW + timedelta(days=2))
    rows = {"0.what": "Khám lại", "0.who": "health", "0.due": "2026-11-30", "2.what": "Thăm nhà", "2.who": "commune"}
    rows |= {"0.kind": "medical-examination", "2.due": "2026-12-01", "2.kind": "verification", "5.kind": "verification"}
    record = {"held_on": "2026-11-25", "people": "Ông A", "minutes": "Thống nhất", "decisions": rows}
    held = act(called.case, "hold-conference", held_at, **record)
    assert said(held) == ["meeting.held", "task.requested", "task.requested"]
    health, commune = held.case.tasks
    assert (health.sector, health.kind, health.awaited) == ("health", "medical-examination", "sector")
    assert (commune.sector, commune.awaited) == (COMMUNE, "commune")
    assert held.happenings[1].extra["instructions"] == "Khám lại"
    done = tasks.answer(held.case, held_at, commune.id, None, "done", summary="Đã thăm")
    assert said(done) == ["task.done"]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"held_on": "2026-11-28"}, "held-in-future"),
        ({"held_on": "2026-11-01"}, "held-before-called"),
        ({"decisions": [{"what": "Khám", "who": "health", "due": "2026-11-01", "kind": "verification"}]}, "due-past"),
        ({"decisions": [{"what": "Khám", "who": "health", "due": "2026-12-01", "kind": "nothing"}]}, "task-kind"),
    ],
)
def test_minutes_that_cannot_be_are_refused_beside_their_field(changes: dict[str, Any], rule: str) -> None:
    call = {"meets_at": "2026-11-25T09:00", "place": "UBND", "sectors": ["health"], "purpose": "Bàn"}
    case = act(opened("no").case, "call-conference", **call).case
    record = {"held_on": "2026-11-25", "people": "Ông A", "minutes": "Thống nhất", **changes}
    with pytest.raises(Rejected) as error:
        act(case, "hold-conference", world(NOW + timedelta(days=2)), **record)
    assert rule_of(error) == rule


def test_who_coordinates_is_the_commune_and_nobody_else() -> None:
    case, _ = asked()
    coordinating = {"request-task", "remind-task", "reassign-task", "cancel-task", "call-conference"}
    assert coordinating <= set(open_acts(case, WORKER)) & set(open_acts(case, CHAIR))
    assert not coordinating & set(open_acts(case, COORDINATOR))


def test_every_event_of_a_task_says_how_it_left_it() -> None:
    case, task = asked()
    case = replace(case, clocks=())
    decisions = [
        opened("yes"),
        answered(case, task, "accepted"),
        answered(case, task, "declined", reason="Không"),
        answered(case, task, "done"),
        answered(case, task, "question", question="?"),
        answered(case, task, "new-date", new_date=task.due + HOUR),
        act(case, "remind-task", task_id=task.id),
        act(case, "cancel-task", task_id=task.id, reason="Không cần"),
    ]
    told = [happening for decision in decisions for happening in decision.happenings if "task_id" in happening.extra]
    assert {happening.model for happening in told} >= {events.TaskQuestioned, events.TaskDateProposed}
    for happening in told:
        event = happening.model.model_validate({"case_id": case.id, "facts": case.facts(), **happening.extra})
        assert event.model_dump()["state"] is not None


def test_what_a_kind_of_task_needs_are_fields_of_a_description_and_no_sector_reads_more_than_it_may() -> None:
    fields = {*ChildDescription.model_fields, "what_happened"}
    kinds, sectors = Terms.load("task-kinds"), Terms.load("sectors")
    for kind in kinds.codes():
        needs = kinds.get(kind, "needs")
        assert needs, f"{kind} says nothing of what it needs"
        assert set(needs) <= fields
        assert needs_of(kind, kinds.get(kind, "sector")), f"{kind} opens nothing to the sector that is usually asked"
        for sector in SECTORS:
            assert needs_of(kind, sector) <= set(sectors.get(sector, "knows"))
        assert needs_of(kind, COMMUNE) == frozenset()
    assert "address" not in needs_of("school-support", "education")
    assert "what_happened" not in needs_of("verification", "education")
