"""A case after its latest decision, and a report of concern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from services.cases.domain.model.clock import Clock
from services.cases.domain.model.people import Glass, Member
from services.cases.domain.model.work import Conference, PlannedService, Task
from shared.contracts.cases import CaseFacts, CaseStatus, CaseStep, ConcernFacts, ConcernStatus
from shared.contracts.vocabulary import AgeBand, DangerNow, Request, RiskLevel, Sex

Identity = Literal["none", "asked", "candidates", "linked"]
RISK_ORDER: Mapping[RiskLevel, int] = {"unassessed": 0, "low": 1, "medium": 2, "high": 3}


@dataclass(frozen=True, slots=True)
class Case:
    """A case after its latest decision. `version` counts decisions (what a form saw), `sequence` counts events."""

    id: str
    code: str
    concern_id: str
    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    risk: RiskLevel
    status: CaseStatus
    step: CaseStep
    sector: str
    channel: str
    danger_now: DangerNow
    received_at: datetime
    opened_at: datetime
    child_id: str | None = None
    identity: Identity = "none"
    candidates: tuple[Mapping[str, Any], ...] = ()
    verified: bool | None = None
    emergency: str | None = None
    review: str | None = None
    outcome: str | None = None
    merged_into: str | None = None
    environment: str | None = None
    harmer: str | None = None
    worker: str | None = None
    worker_name: str = ""
    handover_to: str | None = None
    care: str | None = None
    care_placed: bool = False
    meeting: str | None = None
    meets_at: datetime | None = None
    services: tuple[PlannedService, ...] = ()
    # First assessed, first approved, and closed while it is.
    assessed_at: datetime | None = None
    planned_at: datetime | None = None
    closed_at: datetime | None = None
    version: int = 0
    sequence: int = 0
    clocks: tuple[Clock, ...] = ()
    tasks: tuple[Task, ...] = ()
    team: tuple[Member, ...] = ()
    glasses: tuple[Glass, ...] = ()
    conferences: tuple[Conference, ...] = ()
    survivor: Case | None = field(default=None, compare=False, repr=False)

    @property
    def judged(self) -> Case:
        """The case by whose commune, team and broken glasses it is judged who sees this one: of a merged case, the
        one that goes on, through any number of merges (`survivor`: the next, as the store loaded it)."""
        return self.survivor.judged if self.merged_into is not None and self.survivor is not None else self

    def facts(self) -> CaseFacts:
        """The coarse state that every event carries."""
        return CaseFacts(
            unit=self.unit,
            sex=self.sex,
            age_band=self.age_band,
            kind=self.kind,
            risk=self.risk,
            status=self.status,
            step=self.step,
            sector=self.sector,
            channel=self.channel,
            opened_at=self.opened_at,
            child_id=self.child_id,
            environment=self.environment,
            harmer=self.harmer,
            code=self.code,
            received_at=self.received_at,
            assessed_at=self.assessed_at,
            planned_at=self.planned_at,
            first_service_at=self.first_service_at,
            closed_at=self.closed_at,
            outcome=self.outcome,
        )

    @property
    def first_service_at(self) -> datetime | None:
        """When the first service was given, and never a moment before the report."""
        first = min((at for service in self.services if (at := service.given_at) is not None), default=None)
        return None if first is None else max(self.received_at, first)

    def clock(self, kind: str) -> Clock | None:
        """The running clock of a kind, if there is one."""
        return next((clock for clock in self.clocks if clock.kind == kind and clock.runs), None)

    def member(self, person: str) -> Member | None:
        """What the team's list says of an account; None where it says nothing."""
        return next((member for member in self.team if member.person == person), None)

    def task(self, task_id: str) -> Task | None:
        """One of the case's tasks."""
        return next((task for task in self.tasks if task.id == task_id), None)

    def conference(self) -> Conference | None:
        """The conference that is called and not yet held, if there is one."""
        return next((known for known in self.conferences if known.state == "called"), None)

    def next_moment(self) -> datetime | None:
        """When something about the case falls due next."""
        moments = [clock.next_moment() for clock in self.clocks] + [task.next_moment() for task in self.tasks]
        return min((moment for moment in moments if moment is not None), default=None)


@dataclass(frozen=True, slots=True)
class Concern:
    """A report of concern after its latest correction or decision. `children`: how many it speaks of."""

    id: str
    code: str
    unit: str
    sex: Sex
    age_band: AgeBand
    kind: str
    danger_now: DangerNow
    sector: str
    channel: str
    received_at: datetime
    status: ConcernStatus = "received"
    case_id: str | None = None
    request: Request = "protection"
    environment: str | None = None
    harmer: str | None = None
    children: int = 1
    version: int = 0
    sequence: int = 0

    def facts(self) -> ConcernFacts:
        """The coarse state that every event carries."""
        return ConcernFacts(
            unit=self.unit,
            sex=self.sex,
            age_band=self.age_band,
            kind=self.kind,
            danger_now=self.danger_now,
            sector=self.sector,
            channel=self.channel,
            status=self.status,
            received_at=self.received_at,
            request=self.request,
        )
