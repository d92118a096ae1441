"""What sectors are asked to do for the child: asked, seen, answered, overdue, cancelled.

Pure (Decree 56/2017, Art. 25(2), 29). What the commune does about a task is in `coordinating`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.cases.domain import providing
from services.cases.domain.model import (
    EMERGENCY,
    AnswerGiven,
    Case,
    Decision,
    Entry,
    Happening,
    Pending,
    Task,
    World,
    refuse,
    task_event,
)
from shared.contracts import cases as events
from shared.contracts.errors import refuse_unstorable

Answer = AnswerGiven
CancelCause = Literal["withdrawn", "reassigned", "case-closed", "case-merged"]
# Asked without waiting for anybody when a child is in danger now (Decree 56/2017, Art. 25(2)).
ASKED_AT_ONCE = (("verification", "police"), ("medical-examination", "health"))


def ask(decision: Decision, world: World, kind: str, sector: str, due: datetime, words: str | None) -> Decision:
    """Ask a sector to do something until `due`."""
    task = Task(world.new_id(), kind, sector, "requested", world.now, due, waits_since=world.now)
    entry = Entry("task.requested", coarse(task), {"instructions": words} if words else {}, sector)
    event = task_event(events.TaskRequested, task, **({"instructions": words} if words else {}))
    return decision.then(None, event, entries=(entry,), tasks=(*decision.case.tasks, task))


def ask_at_once(decision: Decision, world: World) -> Decision:
    """What is asked of sectors when a child is in danger now: each of it once a case."""
    asked = {(task.kind, task.sector) for task in decision.case.tasks}
    clock = decision.case.clock(EMERGENCY)
    # A report that was forwarded late leaves the sectors the same span as the law, from the asking.
    unit = decision.case.unit
    due = clock.due if clock is not None and clock.due > world.now else world.start(EMERGENCY, world.now, unit).due
    for kind, sector in ASKED_AT_ONCE:
        if (kind, sector) not in asked:
            decision = ask(decision, world, kind, sector, due, None)
    return decision


def see(case: Case, world: World, task_id: str) -> Decision:
    """An officer of the sector opened the task: from now it is seen. A second look changes nothing."""
    task = case.task(task_id)
    if task is None or task.seen_at is not None or not task.is_open:
        return Decision(case)
    return put(Decision(case), world, replace(task, seen_at=world.now), "task.seen")


def cancel_task(
    decision: Decision,
    world: World,
    task: Task,
    cause: CancelCause,
    words: Mapping[str, str] | None = None,
    replaced_by: str | None = None,
) -> Decision:
    """A task is needed no more; its sector is told. In: a task that is open."""
    cancelled = replace(
        task, state="cancelled", cancelled_at=world.now, pending=None, proposed_due=None, replaced_by=replaced_by
    )
    event = task_event(events.TaskCancelled, cancelled, cause=cause)
    return put(decision, world, cancelled, "task.cancelled", event, words=words, data={"cause": cause})


def cancel_tasks(decision: Decision, world: World, cause: CancelCause) -> Decision:
    """The case ends, and with it everything that sectors were asked to do for it, or refused to."""
    for task in decision.case.tasks:
        if task.is_open:
            decision = cancel_task(decision, world, task, cause)
        elif task.awaited == "commune":
            decision = put(decision, world, replace(task, settled_at=world.now), None)
    return decision


def take_over(decision: Decision, world: World, tasks: Iterable[Task], asked: Mapping[str, str]) -> Decision:
    """Ask again, for the case that goes on, what its merged case was waiting for and it has not asked itself.

    In: `asked`: the words with which each task was asked, by its id. A date that has passed is set as far ahead again;
    a question or a proposed date that waits for the commune goes on waiting.
    """
    known = {(task.kind, task.sector) for task in decision.case.tasks if task.is_open or task.state == "done"}
    for task in tasks:
        if task.is_open and (task.kind, task.sector) not in known:
            due = task.due if task.due > world.now else world.now + (task.due - task.asked_at)
            decision = ask(decision, world, task.kind, task.sector, due, asked.get(task.id))
            if task.pending is not None:
                decision = _still_pending(decision, world, task)
    return decision


def point_on(gone: Decision, on: Decision) -> Decision:
    """Each task that ended with a merged case remembers which task of the other took its place: there it is answered.

    In: what becomes of the case that ends, and of the one that goes on.
    """
    ended = {
        happening.extra["task_id"]
        for happening in gone.happenings
        if happening.model is events.TaskCancelled and happening.extra["cause"] == "case-merged"
    }
    takers = takers_of([task for task in gone.case.tasks if task.id in ended], on.case.tasks)
    pointing = (replace(task, replaced_by=takers[task.id]) if task.id in takers else task for task in gone.case.tasks)
    return gone.then(tasks=tuple(pointing))


def takers_of(ended: Sequence[Task], going_on: Iterable[Task]) -> dict[str, str]:
    """Which of the tasks that go on took the place of each that ended, by id; those that none took are left out."""
    takers: dict[tuple[str, str], list[str]] = {}
    # Those asked last are those asked in their stead; a task that is done already takes nothing's place but a reader
    # may look there.
    for task in sorted(going_on, key=lambda task: (task.is_open, task.asked_at)):
        if task.is_open or task.state == "done":
            takers.setdefault((task.kind, task.sector), []).append(task.id)
    found = {}
    for task in reversed(ended):
        taken = takers.get((task.kind, task.sector))
        if taken:
            found[task.id] = taken.pop() if len(taken) > 1 else taken[0]
    return found


def answer(
    case: Case,
    world: World,
    task_id: str,
    sector: str | None,
    given: Answer,
    *,
    reason: str | None = None,
    summary: str | None = None,
    question: str | None = None,
    new_date: datetime | None = None,
    answer_id: str | None = None,
    said_at: datetime | None = None,
    correction: bool = False,
) -> Decision:
    """A sector's answer to a task. One that says what stands already decides nothing.

    Args:
        sector: whose answer it is; None for the commune that writes down what a sector said.
        answer_id: the agency event's identity; its correction changes that answer, also where it closed the task.
        said_at: when the sector says it answered; an answer older than the last one is late and changes nothing.
    Raises: `Rejected` (task-unknown, task-of-another-sector, task-cancelled, answer-superseded, answer-late,
        task-closed, reason-missing, question-missing, new-date-missing, new-date-past, new-date-unchanged,
        new-date-beyond-law).
    """
    task = case.task(task_id)
    if task is None:
        raise task_unknown()
    if sector is not None and sector != task.sector:
        raise _of_another_sector()
    at = min(said_at or world.now, world.now)
    base = _answerable(case, task, answer_id, at, correction=correction)
    if base is task and given == "accepted" and task.answer == "accepted" and task.proposed_due is None:
        return Decision(case)
    for name, text in (("reason", reason), ("summary", summary), ("question", question)):
        refuse_unstorable(text, f"data.{name}")
    _check_words(given, reason, question)
    if given == "new-date":
        _check_date(case, world, base, new_date)
    answered = replace(
        _after(base, world, given, new_date),
        answer=given,
        answer_id=answer_id,
        said_at=at,
        answered_at=world.now,
        responded_at=task.responded_at or world.now,
        seen_at=task.seen_at or world.now,
    )
    said = {"reason": reason, "summary": summary, "question": question}
    fitting = {"declined": ("reason",), "done": ("summary",), "new-date": ("reason",), "question": ("question",)}
    words = {name: text for name in fitting.get(given, ("reason", "summary")) if (text := said[name])}
    decision = put(
        Decision(case),
        world,
        answered,
        f"task.{given}",
        _answer_event(answered, given, question, new_date),
        words=words,
    )
    if given == "done":
        return providing.by_task(decision, answered, at)
    return providing.not_by_task(decision, answered)


def tick(decision: Decision, world: World) -> Decision:
    """Tasks whose date has passed by now. While the commune owes a reply the date stands, and passes all the same."""
    for task in decision.case.tasks:
        if task.state in ("requested", "accepted") and world.now > task.due:
            overdue = replace(task, state="overdue")
            decision = put(decision, world, overdue, "task.overdue", task_event(events.TaskOverdue, overdue))
    return decision


def task_unknown() -> Exception:
    """Nobody was asked this."""
    return refuse(
        "data.task_id", "task-unknown", "Không có nhiệm vụ mang mã này.", "There is no task with this identifier."
    )


def coarse(task: Task) -> dict[str, str]:
    """What a line of the timeline says of a task without words."""
    told = {"task_id": task.id, "kind": task.kind, "due": task.due.isoformat(), "state": task.state}
    return told | ({"proposed": task.proposed_due.isoformat()} if task.proposed_due else {})


def pending_of(question: bool, proposed_due: datetime | None) -> Pending | None:
    """What the sector awaits of the commune: first the reply to its question, then the word on its date."""
    return "question" if question else "date" if proposed_due is not None else None


def put(
    decision: Decision,
    world: World,
    task: Task,
    kind: str | None,
    *happenings: Happening,
    words: Mapping[str, str] | None = None,
    data: Mapping[str, str] | None = None,
) -> Decision:
    """A task as it is from now, with its events and its line (`kind`), if it has any.

    Whoever is awaited from now is awaited since now.
    """
    before = decision.case.task(task.id)
    if before is not None and before.awaited != task.awaited:
        task = replace(task, waits_since=world.now)
    tasks = tuple(task if known.id == task.id else known for known in decision.case.tasks)
    entries = () if kind is None else (Entry(kind, {**coarse(task), **(data or {})}, words or {}, task.sector),)
    return decision.then(None, *happenings, entries=entries, tasks=tasks)


def _answerable(case: Case, task: Task, answer_id: str | None, at: datetime, *, correction: bool) -> Task:
    """The task as the answer finds it: the same, or for a correction as it was before what is corrected. Raises."""
    if task.state == "cancelled":
        raise _cancelled(task)
    last = answer_id is not None and task.answer_id == answer_id
    if correction and not last and task.said_at is not None:
        raise refuse(
            "data.task_id",
            "answer-superseded",
            "Sau câu trả lời này đã có câu trả lời khác, bản sửa không còn áp dụng. Hãy gửi một câu trả lời mới.",
            "A later answer stands, so this correction changes nothing. Send a new answer instead.",
        )
    if correction and last and case.status == "open" and task.settled_at is None:
        return _uncorrected(task)
    if task.said_at is not None and at < task.said_at:
        raise refuse(
            "time",
            "answer-late",
            f"Câu trả lời này cũ hơn câu đã ghi nhận ({task.answer}, lúc {task.said_at.isoformat()}) nên được bỏ qua. "
            "Nếu câu này mới đúng, hãy gửi lại với thời điểm mới.",
            f"This answer is older than the one that stands ({task.answer}, of {task.said_at.isoformat()}) and is left "
            "out. If it is right after all, send it again with a new time.",
        )
    if not task.is_open:
        raise refuse(
            "data.task_id",
            "task-closed",
            f"Nhiệm vụ đã được trả lời xong ({task.answer}), không nhận thêm câu trả lời. Muốn sửa, hãy gửi lại chính "
            "sự kiện đó (cùng nguồn và mã) với nội dung đúng.",
            f"The task is answered already ({task.answer}) and takes no further answer. To correct it, send that same "
            "event again (same source and id) with the right content.",
        )
    return task


def _uncorrected(task: Task) -> Task:
    """The task without its last answer, which is being corrected. If its date has passed, the next tick says so."""
    accepted_at = None if task.answer == "accepted" else task.accepted_at
    proposed_due = None if task.answer == "new-date" else task.proposed_due
    asks = task.pending == "question" and task.answer != "question"
    return replace(
        task,
        state="accepted" if accepted_at else "requested",
        accepted_at=accepted_at,
        proposed_due=proposed_due,
        pending=pending_of(asks, proposed_due),
    )


def _after(task: Task, world: World, given: Answer, new_date: datetime | None) -> Task:
    if given in ("declined", "done"):
        return replace(task, state=given, pending=None, proposed_due=None)
    asks = task.pending == "question"
    if given == "question":
        return replace(task, pending="question")
    if given == "new-date":
        # The present date stands until the commune agrees.
        return replace(task, pending=pending_of(asks, new_date), proposed_due=new_date)
    # Accepting means accepting the present date. One that has passed stays passed.
    return replace(
        task,
        state="overdue" if task.state == "overdue" else "accepted",
        accepted_at=task.accepted_at or world.now,
        pending=pending_of(asks, None),
        proposed_due=None,
    )


def _answer_event(task: Task, given: Answer, question: str | None, new_date: datetime | None) -> Happening:
    if given == "question":
        return task_event(events.TaskQuestioned, task, question=question)
    if given == "new-date":
        return task_event(events.TaskDateProposed, task, proposed=new_date)
    model = {"accepted": events.TaskAccepted, "declined": events.TaskDeclined, "done": events.TaskDone}[given]
    return task_event(model, task)


def _check_words(given: Answer, reason: str | None, question: str | None) -> None:
    if given == "declined" and not (reason or "").strip():
        raise refuse("data.reason", "reason-missing", "Từ chối thì phải nêu lý do.", "Declining needs a reason.")
    if given == "question" and not (question or "").strip():
        raise refuse("data.question", "question-missing", "Ghi rõ điều cần hỏi.", "Say what you ask.")


def _check_date(case: Case, world: World, task: Task, new_date: datetime | None) -> None:
    if new_date is None:
        raise refuse("data.new_date", "new-date-missing", "Phải cho biết thời hạn mới.", "The new date must be given.")
    if new_date <= world.now:
        raise refuse(
            "data.new_date", "new-date-past", "Thời hạn mới phải ở phía trước.", "The new date must lie ahead."
        )
    if new_date == task.due:
        raise refuse(
            "data.new_date", "new-date-unchanged", "Đây là thời hạn đang có.", "This is the date that stands already."
        )
    # Decree 56/2017, Art. 26(3): what was asked inside the 12 hours cannot be put off beyond them while they run.
    clock = case.clock(EMERGENCY)
    if clock is not None and clock.due > world.now and task.due <= clock.due < new_date:
        raise refuse(
            "data.new_date",
            "new-date-beyond-law",
            "Thời hạn mới vượt quá 12 giờ can thiệp khẩn cấp (Nghị định 56/2017, khoản 3 Điều 26). "
            "Nếu không kịp, hãy từ chối và nêu lý do để xã, phường nhờ nơi khác.",
            "The new date lies beyond the 12 hours of emergency intervention (Decree 56/2017, Art. 26(3)). If that is "
            "too short, decline with the reason, so that the commune can ask somebody else.",
        )


def _cancelled(task: Task) -> Exception:
    vi, en = (
        "Xã, phường đã hủy nhiệm vụ này; không cần trả lời nữa.",
        ("The commune cancelled this task; no answer is needed any more."),
    )
    if task.replaced_by is not None:
        vi, en = (
            f"Nhiệm vụ này đã được thay bằng nhiệm vụ khác (mã {task.replaced_by}); không cần trả lời ở đây nữa.",
            f"Another task ({task.replaced_by}) was asked in the stead of this one; here no answer is needed any more.",
        )
    return refuse("data.task_id", "task-cancelled", vi, en)


def _of_another_sector() -> Exception:
    return refuse(
        "data.task_id",
        "task-of-another-sector",
        "Nhiệm vụ này được giao cho ngành khác.",
        "This task was asked of another sector.",
    )


def _still_pending(decision: Decision, world: World, before: Task) -> Decision:
    """The task just asked waits for the commune as the one before it did."""
    asked = decision.case.tasks[-1]
    ahead = before.proposed_due is not None and before.proposed_due > world.now
    proposed_due = before.proposed_due if ahead else None
    pending = pending_of(before.pending == "question", proposed_due)
    if pending is None:
        return decision
    waiting = replace(asked, pending=pending, proposed_due=proposed_due, seen_at=before.seen_at)
    told = (
        task_event(events.TaskQuestioned, waiting)
        if pending == "question"
        else task_event(events.TaskDateProposed, waiting, proposed=proposed_due)
    )
    return put(decision, world, waiting, None, told)
