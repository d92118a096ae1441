"""What is asked of sectors, where they meet, and the services that the child is given."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Final, Literal

from services.cases.domain.model.clock import AFTER
from shared.contracts.cases import TaskState
from shared.reference.calendar import LOCAL

Pending = Literal["question", "date"]
Awaited = Literal["sector", "commune", "nobody"]
_NOON: Final = time(12)
AnswerGiven = Literal["accepted", "declined", "done", "new-date", "question"]
OPEN_TASKS: frozenset[TaskState] = frozenset({"requested", "accepted", "overdue"})
# What a case conference left to the commune itself stands among the tasks under this name, which is no sector's.
COMMUNE = "commune"


@dataclass(frozen=True, slots=True)
class Task:
    """What a sector was asked to do, from the asking to the last answer.

    `answer`, `answer_id`: the last answer and the agency event that gave it, said at `said_at`; `responded_at`: the
    first sign of the sector. `pending`: what the sector awaits of the commune before it goes on: a reply to its
    question, or its word on the date it proposed (`proposed_due`); until then `due` stands. `settled_at`: the commune
    decided what follows a refusal. `replaced_by`: the task that was asked in its stead.
    """

    id: str
    kind: str
    sector: str
    state: TaskState
    asked_at: datetime
    due: datetime
    answered_at: datetime | None = None
    answer_id: str | None = None
    cancelled_at: datetime | None = None
    seen_at: datetime | None = None
    pending: Pending | None = None
    proposed_due: datetime | None = None
    reminded_at: datetime | None = None
    accepted_at: datetime | None = None
    responded_at: datetime | None = None
    said_at: datetime | None = None
    answer: AnswerGiven | None = None
    waits_since: datetime | None = None
    reminders: int = 0
    settled_at: datetime | None = None
    replaced_by: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether an answer is still awaited."""
        return self.state in OPEN_TASKS

    @property
    def awaited(self) -> Awaited:
        """Who has to do something now: a refusal waits for the commune's decision, an unanswered question too."""
        if self.state == "declined":
            return "nobody" if self.settled_at else "commune"
        if not self.is_open:
            return "nobody"
        return "commune" if self.pending or self.sector == COMMUNE else "sector"

    def next_moment(self) -> datetime | None:
        """When the ticker has to look at it again."""
        return self.due + AFTER if self.state in ("requested", "accepted") else None


@dataclass(frozen=True, slots=True)
class Conference:
    """A case conference of sectors. Its place, purpose and minutes are in the timeline, sealed."""

    id: str
    state: Literal["called", "held", "cancelled"]
    meets_at: datetime
    sectors: tuple[str, ...]
    called_at: datetime
    held_on: date | None = None


@dataclass(frozen=True, slots=True)
class PlannedService:
    """One service of the plan. `sector`: who is asked for it when the plan is approved; None: the commune itself.

    `done_on`: the day it was first given; `told_at`: when that was first said, on that day or after it (None: before
    this was kept). `task_id`: by which the sector was asked; `given_by`: the agency event that said it was given, or
    the task that was done; not `planned`: given beside the plan. Its words (what for, by whom) are in the timeline,
    sealed.
    """

    id: str
    kind: str
    sector: str | None
    due: date
    done_on: date | None = None
    task_id: str | None = None
    given_by: str | None = None
    planned: bool = True
    told_at: datetime | None = None

    @property
    def given_at(self) -> datetime | None:
        """When it was first given: of its day noon is said, unless it was told before that; None: not yet."""
        if self.done_on is None:
            return None
        noon = datetime.combine(self.done_on, _NOON, LOCAL)
        return noon if self.told_at is None else min(noon, self.told_at)
