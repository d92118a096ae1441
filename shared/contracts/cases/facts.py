"""What every case event and every event of a report carries: the coarse state after it."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel

from shared.contracts.base import Contract
from shared.contracts.vocabulary import AgeBand, DangerNow, Request, RiskLevel, Sex

CaseStatus = Literal["open", "closed", "merged"]
CaseStep = Literal["intake", "assessment", "plan", "approval", "carrying-out", "review", "closed", "merged"]
ConcernStatus = Literal["received", "opened", "linked", "answered", "dismissed"]


class CaseFacts(BaseModel):
    """The coarse state of a case after the event."""

    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    risk: RiskLevel
    status: CaseStatus
    step: CaseStep
    sector: str
    channel: str
    opened_at: AwareDatetime
    child_id: str | None = None
    environment: str | None = None
    harmer: str | None = None
    # What people call the case; it says nothing of the child.
    code: str | None = None
    # When the report behind it was received, its risk first assessed, its plan first approved, a service first given,
    # and, while it is closed, when and how it ended: statistics measure the time between them.
    received_at: AwareDatetime | None = None
    assessed_at: AwareDatetime | None = None
    planned_at: AwareDatetime | None = None
    first_service_at: AwareDatetime | None = None
    closed_at: AwareDatetime | None = None
    outcome: str | None = None


class ConcernFacts(BaseModel):
    """The coarse state of a concern after the event."""

    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    danger_now: DangerNow
    sector: str
    channel: str
    status: ConcernStatus
    received_at: AwareDatetime
    request: Request = "protection"


class ConcernEvent(Contract):
    concern_id: str
    case_id: str | None = None
    facts: ConcernFacts


class CaseEvent(Contract):
    """Base of all events about one case."""

    case_id: str
    facts: CaseFacts
