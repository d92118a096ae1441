"""What sectors are asked to do for the child: asked, answered, overdue, cancelled.

Pure (Decree 56/2017, Art. 25(2), 29).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from services.cases.domain import acts
from services.cases.domain.model import (
    EMERGENCY,
    Case,
    Decision,
    Entry,
    Happening,
    Task,
    World,
    end_of_day,
    refuse,
    task_event,
)
from shared.contracts import cases as events
from shared.contracts.cases import TaskState

Answer = Literal["accepted", "declined", "done", "new-date", "question"]
CancelCause = Literal["withdrawn", "case-closed", "case-merged"]
# Asked without waiting for anybody when a child is in danger now (Decree 56/2017, Art. 25(2)).
ASKED_AT_ONCE = (("verification", "police"), ("medical-examination", "health"))
_ANSWERED: dict[Answer, tuple[TaskState, type[events.CaseEvent]]] = {
    "accepted": ("accepted", events.TaskAccepted),
    "new-date": ("accepted", events.TaskAccepted),
    "declined": ("declined", events.TaskDeclined),
    "done": ("done", events.TaskDone),
    "question": ("accepted", events.TaskQuestioned),
}


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
    unit = decision.case.unit
    due = clock.due if clock is not None and clock.due > world.now else world.start(EMERGENCY, world.now, unit).due
    for kind, sector in ASKED_AT_ONCE:
        decision = ask(decision, world, kind, sector, due, None)
    return decision


def cancel_task(
    decision: Decision, world: World, task: Task, cause: CancelCause, words: Mapping[str, str] | None = None
) -> Decision:
    """A task is needed no more; its sector is told. In: a task that is open."""
    cancelled = replace(task, state="cancelled", cancelled_at=world.now)
    entry = Entry("task.cancelled", {**_coarse(cancelled), "cause": cause}, words or {}, task.sector)
    return put(decision, cancelled, task_event(events.TaskCancelled, cancelled, cause=cause), entry)


def cancel_tasks(decision: Decision, world: World, cause: CancelCause) -> Decision:
    """The case ends, and with it everything that sectors were asked to do for it."""
    for task in decision.case.tasks:
        if task.is_open:
            decision = cancel_task(decision, world, task, cause)
    return decision


def take_over(decision: Decision, world: World, tasks: Iterable[Task], asked: Mapping[str, str]) -> Decision:
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
    return put(Decision(case), answered, task_event(model, answered), entry)


def _request_task(case: Case, act: acts.RequestTask, world: World) -> Decision:
    if act.kind not in world.task_kinds:
        raise refuse("kind", "task-kind", "Loại nhiệm vụ không có trong danh mục.", "The kind of task is not listed.")
    due = end_of_day(act.due)
    if due <= world.now:
        raise refuse("due", "due-past", "Thời hạn phải ở phía trước.", "The due date must lie ahead.")
    return ask(Decision(case), world, act.kind, act.sector, due, act.instructions)


def _cancel_task(case: Case, act: acts.CancelTask, world: World) -> Decision:
    task = next((task for task in case.tasks if task.id == act.task_id and task.is_open), None)
    if task is None:
        raise refuse(
            "task_id", "task-not-open", "Chọn một nhiệm vụ đang chờ trả lời.", "Choose a task that waits for an answer."
        )
    return cancel_task(Decision(case), world, task, "withdrawn", {"reason": act.reason})


def tick(decision: Decision, world: World) -> Decision:
    """Tasks whose date has passed by now."""
    for task in decision.case.tasks:
        if task.state in ("requested", "accepted") and world.now > task.due:
            overdue = replace(task, state="overdue")
            entry = Entry("task.overdue", _coarse(overdue), sector=task.sector)
            decision = put(decision, overdue, task_event(events.TaskOverdue, overdue), entry)
    return decision


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


def put(decision: Decision, task: Task, event: Happening, entry: Entry) -> Decision:
    """A task as it is from now, with its event and its line."""
    tasks = tuple(task if known.id == task.id else known for known in decision.case.tasks)
    return decision.then(None, event, entries=(entry,), tasks=tasks)


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.RequestTask: _request_task,
    acts.CancelTask: _cancel_task,
}
