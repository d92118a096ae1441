"""Events that any agency may publish on its own sector topic, and what it hears back.

Identity is in sealed fields only; coarse facts (unit, kind, age) are in clear so that routing and counting need no key.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shared.contracts.base import Contract, Sealed, contract
from shared.contracts.vocabulary import (
    Channel,
    ChildDescription,
    CircumstanceGroup,
    DangerNow,
    Day,
    ListCode,
    LongText,
    Moment,
    Person,
    Register,
    ReportDetails,
    Request,
    Sex,
    ShortText,
    UnitCode,
)

Siblings = Annotated[list[ChildDescription], Field(max_length=20)]


@contract("agency.concern.reported", owner="cases")
class ConcernReported(Contract):
    """Somebody fears for a child (Decree 56/2017, Art. 25(1); form 01). Never refused for lack of knowledge."""

    received_at: Moment
    channel: Channel = "other"
    reporter: Sealed[Person] | None = None
    relation: ShortText | None = None
    child: Sealed[ChildDescription] | None = None
    what_happened: Sealed[LongText] | None = None
    unit: UnitCode | None = None
    unit_text: Sealed[ShortText] | None = None
    sex: Sex = "unknown"
    age: Annotated[int | None, Field(ge=0, le=25)] = None
    kinds: Annotated[list[ListCode], Field(max_length=7)] = Field(default_factory=list)
    environment: ListCode | None = None
    harmer: ListCode | None = None
    danger_now: DangerNow = "unknown"
    measures_taken: Sealed[LongText] | None = None
    # The child's condition, what would follow without help, parents, family, notes: the rest of form 01.
    details: Sealed[ReportDetails] | None = None
    request: Request = "protection"
    # Further children of the same report; each becomes a case of its own, linked to the first.
    more_children: Sealed[Siblings] | None = None


@contract("agency.child.recorded", owner="registry")
class ChildRecorded(Contract):
    """What one register says of one child: birth, enrolment, a roster's row. Without `as_of`: the day of receipt."""

    register_kind: Register
    as_of: Day | None = None
    child: Sealed[ChildDescription]
    unit: UnitCode | None = None
    unit_text: Sealed[ShortText] | None = None
    circumstances: Annotated[list[CircumstanceGroup], Field(max_length=14)] = Field(default_factory=list)
    dropped_out: bool = False


@contract("agency.circumstance.observed", owner="registry")
class CircumstanceObserved(Contract):
    """A special circumstance (Law on Children, Art. 10) or flag seen on a child the registry already knows."""

    child_id: str = Field(max_length=36)
    circumstance: str = Field(max_length=40)
    since: Day
    until: Day | None = None
    evidence: ShortText | None = None


@contract("agency.incident.recorded", owner="cases")
class IncidentRecorded(Contract):
    """An injury, drowning, accident, violence or labour found: what happened, where, how it ended."""

    kind: str = Field(min_length=1, max_length=40)
    occurred_on: Day
    outcome: str = Field(min_length=1, max_length=40)
    unit: UnitCode | None = None
    unit_text: Sealed[ShortText] | None = None
    # `place_code`, or in words `place_text`: those that are on no list are kept sealed. `place` is the older form of
    # `place_text`, in clear: still understood, passed on to nobody.
    place: ShortText | None = None
    place_code: ListCode | None = None
    place_text: Sealed[ShortText] | None = None
    sex: Sex = "unknown"
    age: Annotated[int | None, Field(ge=0, le=25)] = None
    child: Sealed[ChildDescription] | None = None


@contract("agency.task.answered", owner="cases")
class TaskAnswered(Contract):
    """A sector answers what it was asked to do."""

    task_id: str = Field(max_length=36)
    answer: Literal["accepted", "declined", "done", "new-date", "question"]
    reason: Sealed[LongText] | None = None
    summary: Sealed[LongText] | None = None
    question: Sealed[LongText] | None = None
    new_date: Moment | None = None


@contract("agency.service.provided", owner="cases")
class ServiceProvided(Contract):
    """A service was given to the child of a case: what the plan asked for, or more. Counted by kind and sector."""

    case_id: str = Field(max_length=36)
    service: ListCode
    provided_on: Day
    provider: Sealed[ShortText] | None = None
    notes: Sealed[LongText] | None = None


@contract("agency.activity.held", owner="stats")
class ActivityHeld(Contract):
    """Communication, legal education, training: what was held, for whom, and how many came. Without `unit`: for the
    whole province. Nobody is named."""

    activity: ListCode
    audience: ListCode
    held_on: Day
    unit: UnitCode | None = None
    participants: Annotated[int, Field(ge=0, le=1_000_000)]


@contract("agency.figure.reported", owner="stats")
class FigureReported(Contract):
    """A figure that only a sector knows (births registered, swimmers, drop-outs): an indicator's value for a period.

    `period`: `2026`, `2026-H1`, `2026-Q3`, `2026-09`, `2026-SY`. Without `unit`: of the whole province. Sent again with
    the same source and id, it corrects what it said before.
    """

    indicator: ListCode
    period: str = Field(max_length=12)
    unit: UnitCode | None = None
    value: float


class RejectedRule(BaseModel):
    """One broken rule, in the words of both languages."""

    field: str
    rule: str
    message_vi: str
    message_en: str


@contract("agency.report.rejected")
class ReportRejected(Contract):
    """Told to the sender on `vongtay.replies.<sector>.v1`: what was not taken over, and how to correct it."""

    event_id: str | None = None
    event_type: str | None = None
    topic: str
    partition: int
    offset: int
    violations: list[RejectedRule]
