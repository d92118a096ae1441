"""What sectors are asked, and what they answer."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import Sealed, contract
from shared.contracts.cases.facts import CaseEvent
from shared.contracts.vocabulary import LongText

TaskState = Literal["requested", "accepted", "declined", "done", "overdue", "cancelled"]


class _TaskEvent(CaseEvent):
    task_id: str
    task_kind: str
    task_sector: str
    due: AwareDatetime
    # After the event: a task that is accepted when its date has passed is still overdue.
    state: TaskState | None = None
    # When the sector was asked, and when it first answered (accepted, declined or done).
    requested_at: AwareDatetime | None = None
    answered_at: AwareDatetime | None = None


@contract("cases.task.requested")
class TaskRequested(_TaskEvent):
    """A sector is asked to do something for the child."""

    instructions: Sealed[LongText] | None = None


@contract("cases.task.accepted")
class TaskAccepted(_TaskEvent):
    """The sector will do it."""


@contract("cases.task.declined")
class TaskDeclined(_TaskEvent):
    """The sector will not do it; the reason is in the case file."""


@contract("cases.task.done")
class TaskDone(_TaskEvent):
    """The sector did it."""


@contract("cases.task.overdue")
class TaskOverdue(_TaskEvent):
    """The date passed without a result."""


@contract("cases.task.cancelled")
class TaskCancelled(_TaskEvent):
    """The task is needed no more: the commune took it back, or its case ended. Words, if any, are in the case file."""

    cause: Literal["withdrawn", "reassigned", "case-closed", "case-merged"]


@contract("cases.task.questioned")
class TaskQuestioned(_TaskEvent):
    """The sector asks something before it can go on: the commune is awaited now."""

    question: Sealed[LongText] | None = None


@contract("cases.task.replied")
class TaskReplied(_TaskEvent):
    """The commune answered the sector's question, or its proposal of another date (`agreed`)."""

    agreed: bool | None = None
    reply: Sealed[LongText] | None = None


@contract("cases.task.date-proposed")
class TaskDateProposed(_TaskEvent):
    """The sector proposes another date; the present one stands until the commune agrees."""

    proposed: AwareDatetime


@contract("cases.task.reminded")
class TaskReminded(_TaskEvent):
    """The commune reminds the sector."""


@contract("cases.task.followed-case")
class TaskFollowedCase(_TaskEvent):
    """The case's commune, kind or risk changed, and its open task goes along: `state` and date are as before."""

    state: TaskState
    cause: Literal["transferred", "changed"]
