"""What the commune does about what it asks of sectors: reply, agree to a date or not, remind, ask another, cancel.

Pure (Decree 56/2017, Art. 25(2), 29). What sectors say is in `tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.cases.domain import acts
from services.cases.domain.model import Case, Decision, Task, World, end_of_day, local_day, refuse, task_event
from services.cases.domain.tasks import ask, cancel_task, pending_of, put
from shared.contracts import cases as events


def reassign(case: Case, act: acts.ReassignTask, world: World, asked: str | None) -> Decision:
    """Ask again with another sector, another date, or both: the task that stood is over, and its sector is told.

    In: `asked`: the words of the first asking; those of the act are added to them.
    Raises: `Rejected` (task-not-open, due-past, nothing-changed).
    """
    task = _chosen(case, act.task_id, lambda task: task.is_open or task.awaited == "commune")
    sector, due = act.sector or task.sector, _due(act.due, world)
    if sector == task.sector and due == task.due and task.is_open:
        raise refuse(
            "due", "nothing-changed", "Chọn ngành khác hoặc thời hạn khác.", "Choose another sector or another date."
        )
    words = "\n\n".join(text for text in (asked, act.instructions) if text) or None
    decision = ask(Decision(case), world, task.kind, sector, due, words)
    replaced_by = decision.case.tasks[-1].id
    if task.is_open:
        ended = cancel_task(Decision(case), world, task, "reassigned", {"reason": act.reason}, replaced_by)
    else:
        settled = replace(task, settled_at=world.now, replaced_by=replaced_by)
        ended = put(Decision(case), world, settled, "task.asked-another", words={"reason": act.reason})
    # The end of the first is told before the second begins.
    after = tuple(ended.case.task(known.id) or known for known in decision.case.tasks)
    return Decision(
        replace(decision.case, tasks=after),
        (*ended.happenings, *decision.happenings),
        (*ended.entries, *decision.entries),
    )


def _request_task(case: Case, act: acts.RequestTask, world: World) -> Decision:
    if act.kind not in world.task_kinds:
        raise refuse("kind", "task-kind", "Loại nhiệm vụ không có trong danh mục.", "The kind of task is not listed.")
    return ask(Decision(case), world, act.kind, act.sector, _due(act.due, world), act.instructions)


def _cancel_task(case: Case, act: acts.CancelTask, world: World) -> Decision:
    task = _chosen(case, act.task_id, lambda task: task.is_open)
    return cancel_task(Decision(case), world, task, "withdrawn", {"reason": act.reason})


def _reply_task(case: Case, act: acts.ReplyTask, world: World) -> Decision:
    task = _chosen(case, act.task_id, lambda task: task.pending == "question")
    replied = replace(task, pending=pending_of(False, task.proposed_due))
    event = task_event(events.TaskReplied, replied, reply=act.reply)
    return put(Decision(case), world, replied, "task.replied", event, words={"reply": act.reply})


def _agree_date(case: Case, act: acts.AgreeDate, world: World) -> Decision:
    task = _chosen(case, act.task_id, lambda task: task.proposed_due is not None)
    due = task.proposed_due
    if due is None or due <= world.now:
        raise refuse(
            "task_id",
            "date-passed",
            "Ngày mà ngành đề xuất đã qua; hãy không đồng ý và hẹn ngày khác.",
            "The proposed date has passed; refuse it and agree on another.",
        )
    agreed = replace(
        task,
        due=due,
        state="accepted",
        accepted_at=task.accepted_at or world.now,
        proposed_due=None,
        pending=pending_of(task.pending == "question", None),
    )
    told = (task_event(events.TaskReplied, agreed, agreed=True), task_event(events.TaskAccepted, agreed))
    return put(Decision(case), world, agreed, "task.date-agreed", *told)


def _refuse_date(case: Case, act: acts.RefuseDate, world: World) -> Decision:
    task = _chosen(case, act.task_id, lambda task: task.proposed_due is not None)
    refused = replace(task, proposed_due=None, pending=pending_of(task.pending == "question", None))
    event = task_event(events.TaskReplied, refused, agreed=False, reply=act.reason)
    return put(Decision(case), world, refused, "task.date-refused", event, words={"reason": act.reason})


def _remind_task(case: Case, act: acts.RemindTask, world: World) -> Decision:
    task = _chosen(case, act.task_id, lambda task: task.awaited == "sector")
    if task.reminded_at is not None and local_day(task.reminded_at) == local_day(world.now):
        raise refuse(
            "task_id",
            "reminded-today",
            "Hôm nay đã nhắc ngành này về việc này; mỗi ngày chỉ nhắc một lần.",
            "The sector was reminded of this today; once a day is enough.",
        )
    reminded = replace(task, reminded_at=world.now, reminders=task.reminders + 1)
    return put(Decision(case), world, reminded, "task.reminded", task_event(events.TaskReminded, reminded))


def _do_without(case: Case, act: acts.DoWithout, world: World) -> Decision:
    task = _chosen(case, act.task_id, lambda task: task.state == "declined" and task.awaited == "commune")
    return put(Decision(case), world, replace(task, settled_at=world.now), "task.without", words={"reason": act.reason})


def _chosen(case: Case, task_id: str, fits: Callable[[Task], bool]) -> Task:
    task = case.task(task_id)
    if task is None or not fits(task):
        raise refuse(
            "task_id",
            "task-not-open",
            "Việc này hiện không chờ điều đó; xin xem lại tình trạng của việc.",
            "The task does not wait for this now; please look at how it stands.",
        )
    return task


def _due(day: Any, world: World) -> datetime:
    due = end_of_day(day)
    if due <= world.now:
        raise refuse("due", "due-past", "Thời hạn phải ở phía trước.", "The due date must lie ahead.")
    return due


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.RequestTask: _request_task,
    acts.CancelTask: _cancel_task,
    acts.ReplyTask: _reply_task,
    acts.AgreeDate: _agree_date,
    acts.RefuseDate: _refuse_date,
    acts.RemindTask: _remind_task,
    acts.ReassignTask: lambda case, act, world: reassign(case, act, world, None),
    acts.DoWithout: _do_without,
}
