"""What is counted of each event, and nothing else of it: structs into which the bytes are decoded straight.

Events about a case or a child say its state: of the board's figures `CaseFacts` and `ChildFacts`, of history those with
their moments (`versions`). `tests/unit/stats` holds them against the contracts' schemas. None has a sealed field.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Generic, TypeVar

import msgspec

from shared.contracts import cases
from shared.contracts.vocabulary import (
    AgeBand,
    DangerNow,
    RecordStatus,
    Register,
    Request,
    RiskLevel,
    Sector,
    Sex,
)


class CaseFacts(msgspec.Struct, frozen=True, gc=False):
    """The coarse state of a case."""

    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    risk: RiskLevel
    status: cases.CaseStatus
    step: cases.CaseStep
    sector: str
    channel: str
    environment: str | None = None
    harmer: str | None = None


class ConcernFacts(msgspec.Struct, frozen=True, gc=False):
    """The coarse state of a concern."""

    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    danger_now: DangerNow
    sector: str
    channel: str
    status: cases.ConcernStatus
    received_at: datetime
    request: Request = "protection"


class ChildFacts(msgspec.Struct, frozen=True):
    """The coarse state of a child."""

    sex: Sex
    unit: str | None = None
    birth_year: int | None = None
    birth_month: int | None = None
    circumstances: list[str] = []
    status: RecordStatus = "active"


_CaseFacts = TypeVar("_CaseFacts", bound=CaseFacts)
_ChildFacts = TypeVar("_ChildFacts", bound=ChildFacts)


class ConcernEvent(msgspec.Struct, frozen=True):
    """Any event about a concern."""

    concern_id: str
    facts: ConcernFacts


class CaseEvent(msgspec.Struct, Generic[_CaseFacts], frozen=True):
    """Any event about a case."""

    case_id: str
    facts: _CaseFacts


class DeadlineEvent(CaseEvent[_CaseFacts], Generic[_CaseFacts], frozen=True):
    """Any event about a clock of the law."""

    deadline_id: str
    kind: str
    state: cases.DeadlineState


class TaskEvent(CaseEvent[_CaseFacts], Generic[_CaseFacts], frozen=True):
    """Any event about what a sector was asked to do."""

    task_id: str
    task_kind: str
    task_sector: str
    # What the event left it in, where it says so: accepted after its date has passed, it is still overdue.
    state: cases.TaskState | None = None


class TaskStateEvent(TaskEvent[_CaseFacts], Generic[_CaseFacts], frozen=True):
    """A task that says its own state."""

    state: cases.TaskState


class ServiceEvent(CaseEvent[_CaseFacts], Generic[_CaseFacts], frozen=True):
    """A service was given to the child, or was not after all."""

    service_id: str
    service: str
    provided_on: date
    service_sector: str | None = None


class IncidentEvent(msgspec.Struct, frozen=True):
    """An agency's incident."""

    incident_id: str
    kind: str
    outcome: str
    unit: str
    sex: Sex
    age_band: AgeBand
    sector: str
    occurred_on: date


class ChildState(msgspec.Struct, Generic[_ChildFacts], frozen=True):
    """What every event about a child says."""

    child_id: str
    facts: _ChildFacts


class ChildEvent(ChildState[ChildFacts], frozen=True):
    """Any event about a child; of one that a sector tells, which."""

    sector: Sector | None = None


class MergedEvent(ChildState[ChildFacts], frozen=True):
    """Two records were one child."""

    merged_id: str


class ErasedEvent(msgspec.Struct, frozen=True):
    """A child was erased by law."""

    child_id: str


class RecordWithdrawnEvent(msgspec.Struct, frozen=True):
    """A source's statement counts no more."""

    record_id: str
    child_id: str


class QualityEvent(msgspec.Struct, frozen=True):
    """How good a commune's records are on a day."""

    unit: str
    on: date
    children: int
    verified: int
    due: int
    score: float
    measured_at: datetime | None = None


class LinkedEvent(msgspec.Struct, frozen=True):
    """One source's statement on a child."""

    record_id: str
    child_id: str
    register_kind: Register
    sector: Sector
    sex: Sex
    unit: str | None = None
    birth_year: int | None = None
    circumstances: list[str] = []
    dropped_out: bool = False
