"""The law's clocks and the sectors' tasks: started, nearing, missed, met; asked, answered, overdue.

Pure. A clock that was missed while nobody looked is still told as missed before it is told as met late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.cases.domain.model import (
    EMERGENCY,
    Case,
    Clock,
    Decision,
    Entry,
    Happening,
    Task,
    World,
    deadline_event,
    refuse,
    task_event,
)
from shared.contracts import cases as events
from shared.contracts.cases import TaskState

Answer = Literal["accepted", "declined", "done", "new-date"]
CancelCause = Literal["withdrawn", "case-closed", "case-merged"]
# Asked without waiting for anybody when a child is in danger now (Decree 56/2017, Art. 25(2)).
ASKED_AT_ONCE = (("verification", "police"), ("medical-examination", "health"))
_ANSWERED: dict[Answer, tuple[TaskState, type[events.CaseEvent]]] = {
    "accepted": ("accepted", events.TaskAccepted),
    "new-date": ("accepted", events.TaskAccepted),
    "declined": ("declined", events.TaskDeclined),
    "done": ("done", events.TaskDone),
}


def start(decision: Decision, world: World, kind: str, at: datetime) -> Decision:
    """Start a clock of the law at `at`, unless one of the kind runs already."""
    case = decision.case
    if case.clock(kind) is not None:
        return decision
    deadline = world.start(kind, at)
    clock = Clock(world.new_id(), kind, at, deadline.due, deadline.nearing_at, deadline.legal_source)
    return run(decision, clock)


def run(decision: Decision, clock: Clock) -> Decision:
    """A clock that was computed already runs from now."""
    entry = Entry("deadline.started", {"kind": clock.kind, "due": clock.due.isoformat()})
    return decision.then(
        None, deadline_event(events.DeadlineStarted, clock), entries=(entry,), clocks=(*decision.case.clocks, clock)
    )


def meet(decision: Decision, world: World, kind: str) -> Decision:
    """The act that a clock waited for was done now."""
    clock = decision.case.clock(kind)
    if clock is None:
        return decision
    late = world.now > clock.due
    return _settle(decision, clock, world.now, "met-late" if late else "met")


def cancel(decision: Decision, world: World, *kinds: str) -> Decision:
    """The act is needed no more; without kinds, all running clocks. One already missed stays missed."""
    for clock in decision.case.clocks:
        if clock.runs and (not kinds or clock.kind in kinds):
            late = world.now > clock.due
            decision = _settle(decision, clock, world.now, "met-late" if late else "cancelled")
    return decision


def _settle(
    decision: Decision, clock: Clock, now: datetime, state: Literal["met", "met-late", "cancelled"]
) -> Decision:
    if state == "met-late" and clock.state != "missed":
        missed = replace(clock, state="missed")
        decision = _with(decision, missed, events.DeadlineMissed)
    settled = replace(clock, state=state, settled_at=now)
    return _with(decision, settled, events.DeadlineMet)


def tick(case: Case, world: World) -> Decision:
    """What fell due until now: clocks nearing or missed, tasks overdue. Nothing due, nothing decided."""
    decision = Decision(case)
    for clock in case.clocks:
        if clock.state in ("running", "nearing") and world.now > clock.due:
            # After a day off a clock may have passed both moments: only the truth of now is told.
            decision = _with(decision, replace(clock, state="missed"), events.DeadlineMissed)
        elif clock.state == "running" and world.now >= clock.nearing_at:
            decision = _with(decision, replace(clock, state="nearing"), events.DeadlineNearing)
    for task in case.tasks:
        if task.state in ("requested", "accepted") and world.now > task.due:
            overdue = replace(task, state="overdue")
            entry = Entry("task.overdue", _coarse(overdue), sector=task.sector)
            decision = _with_task(decision, overdue, task_event(events.TaskOverdue, overdue), entry)
    return decision


def ask(decision: Decision, world: World, kind: str, sector: str, due: datetime, words: str | None) -> Decision:
    """Ask a sector to do something until `due`."""
    task = Task(world.new_id(), kind, sector, "requested", world.now, due)
    entry = Entry("task.requested", _coarse(task), {"instructions": words} if words else {}, sector)
    event = task_event(events.TaskRequested, task, **({"instructions": words} if words else {}))
    return decision.then(None, event, entries=(entry,), tasks=(*decision.case.tasks, task))


def ask_at_once(decision: Decision, world: World) -> Decision:
    """What is asked of sectors when a child is in danger now, once a case."""
    if decision.case.tasks:
        return decision
    clock = decision.case.clock(EMERGENCY)
    # A report that was forwarded late leaves the sectors the same span as the law, from the asking.
    due = clock.due if clock is not None and clock.due > world.now else world.start(EMERGENCY, world.now).due
    for kind, sector in ASKED_AT_ONCE:
        decision = ask(decision, world, kind, sector, due, None)
    return decision


def cancel_task(
    decision: Decision, world: World, task: Task, cause: CancelCause, words: Mapping[str, str] | None = None
) -> Decision:
    """A task is needed no more; its sector is told. In: a task that is open."""
    cancelled = replace(task, state="cancelled", cancelled_at=world.now)
    entry = Entry("task.cancelled", {**_coarse(cancelled), "cause": cause}, words or {}, task.sector)
    return _with_task(decision, cancelled, task_event(events.TaskCancelled, cancelled, cause=cause), entry)


def cancel_tasks(decision: Decision, world: World, cause: CancelCause) -> Decision:
    """The case ends, and with it everything that sectors were asked to do for it."""
    for task in decision.case.tasks:
        if task.is_open:
            decision = cancel_task(decision, world, task, cause)
    return decision


def take_over_tasks(decision: Decision, world: World, tasks: Iterable[Task], asked: Mapping[str, str]) -> Decision:
    """Ask again, for the case that goes on, what its merged case was waiting for and it has not asked itself.

    In: `asked`: the words with which each task was asked, by its id. A date that has passed is set as far ahead again.
    """
    known = {(task.kind, task.sector) for task in decision.case.tasks if task.is_open or task.state == "done"}
    for task in tasks:
        if task.is_open and (task.kind, task.sector) not in known:
            due = task.due if task.due > world.now else world.now + (task.due - task.asked_at)
            decision = ask(decision, world, task.kind, task.sector, due, asked.get(task.id))
    return decision


def answer(
    case: Case,
    world: World,
    task_id: str,
    sector: str | None,
    given: Answer,
    *,
    reason: str | None = None,
    summary: str | None = None,
    new_date: datetime | None = None,
    answer_id: str | None = None,
    correction: bool = False,
) -> Decision:
    """A sector's answer to a task.

    Args:
        sector: whose answer it is; None for the commune that writes down what a sector said.
        answer_id: the agency event's identity; its correction may change an answer that closed the task.
    Raises: `Rejected` (task-unknown, task-of-another-sector, task-cancelled, task-closed, reason-missing,
        new-date-missing, new-date-past).
    """
    task = next((task for task in case.tasks if task.id == task_id), None)
    if task is None:
        raise task_unknown()
    if sector is not None and sector != task.sector:
        raise refuse(
            "data.task_id",
            "task-of-another-sector",
            "Nhiệm vụ này được giao cho ngành khác.",
            "This task was asked of another sector.",
        )
    if task.state == "cancelled":
        raise refuse(
            "data.task_id",
            "task-cancelled",
            "Xã, phường đã hủy nhiệm vụ này; không cần trả lời nữa.",
            "The commune cancelled this task; no answer is needed any more.",
        )
    corrects = correction and answer_id is not None and task.answer_id == answer_id and case.status == "open"
    if not task.is_open and not corrects:
        raise refuse(
            "data.task_id",
            "task-closed",
            "Nhiệm vụ đã được trả lời xong, không nhận thêm câu trả lời.",
            "The task is answered already and takes no further answer.",
        )
    due = _new_due(task, given, new_date, world.now)
    if given == "declined" and not reason:
        raise refuse("data.reason", "reason-missing", "Từ chối thì phải nêu lý do.", "Declining needs a reason.")
    state, model = _ANSWERED[given]
    answered = replace(
        task, state=state, due=due, answered_at=world.now, answer_id=answer_id if answer_id else task.answer_id
    )
    words = {name: text for name, text in (("reason", reason), ("summary", summary)) if text}
    entry = Entry(f"task.{given}", _coarse(answered), words, task.sector)
    return _with_task(Decision(case), answered, task_event(model, answered), entry)


def follow(before: Case | None, decision: Decision) -> Decision:
    """Running clocks and open tasks go where their case goes: each that the decision does not speak of is said again.

    Whoever counts deadlines and tasks by commune, kind or risk knows of them by their own events only. What is settled
    stays with the commune and the kind under which it was done.
    """
    after = decision.case
    if before is None or _coarse_place(before) == _coarse_place(after):
        return decision
    spoken = {happening.extra.get(name) for happening in decision.happenings for name in ("deadline_id", "task_id")}
    clocks = (
        deadline_event(events.DeadlineFollowedCase, clock)
        for clock in after.clocks
        if clock.runs and clock.id not in spoken
    )
    cause = "changed" if before.unit == after.unit else "transferred"
    tasks = (
        task_event(events.TaskFollowedCase, task, state=task.state, cause=cause)
        for task in after.tasks
        if task.is_open and task.id not in spoken
    )
    return decision.then(None, *clocks, *tasks)


def _coarse_place(case: Case) -> tuple[str, ...]:
    return (case.unit, case.kind, case.risk, case.sex, case.age_band, case.sector, case.channel)


def task_unknown() -> Exception:
    """Nobody was asked this."""
    return refuse(
        "data.task_id", "task-unknown", "Không có nhiệm vụ mang mã này.", "There is no task with this identifier."
    )


def _new_due(task: Task, given: Answer, new_date: datetime | None, now: datetime) -> datetime:
    if given != "new-date":
        return task.due
    if new_date is None:
        raise refuse("data.new_date", "new-date-missing", "Phải cho biết thời hạn mới.", "The new date must be given.")
    if new_date <= now:
        raise refuse(
            "data.new_date", "new-date-past", "Thời hạn mới phải ở phía trước.", "The new date must lie ahead."
        )
    return new_date


def _coarse(task: Task) -> dict[str, str]:
    return {"task_id": task.id, "kind": task.kind, "due": task.due.isoformat(), "state": task.state}


def _with(decision: Decision, clock: Clock, model: type[events.DeadlineEvent]) -> Decision:
    clocks = tuple(clock if known.id == clock.id else known for known in decision.case.clocks)
    entry = Entry(f"deadline.{clock.state}", {"kind": clock.kind, "due": clock.due.isoformat()})
    return decision.then(None, deadline_event(model, clock), entries=(entry,), clocks=clocks)


def _with_task(decision: Decision, task: Task, event: Happening, entry: Entry) -> Decision:
    tasks = tuple(task if known.id == task.id else known for known in decision.case.tasks)
    return decision.then(None, event, entries=(entry,), tasks=tasks)
