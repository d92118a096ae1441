"""A case, its clocks and tasks, and a concern, as plain values; and what a decision about them consists of.

Pure: no clock, no database, no framework. Nothing here knows who a child is beyond coarse facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from shared.contracts import cases as events
from shared.contracts.cases import (
    CaseFacts,
    CaseStatus,
    CaseStep,
    ConcernFacts,
    ConcernStatus,
    DeadlineState,
    TaskState,
)
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import AgeBand, DangerNow, Request, RiskLevel, Sex

Pending = Literal["question", "date"]
Identity = Literal["none", "asked", "candidates", "linked"]
LeftBecause = Literal["left", "removed", "excluded", "refused", "moved"]
Verdict = Literal["justified", "unjustified"]
RUNNING: frozenset[DeadlineState] = frozenset({"running", "nearing", "missed"})
OPEN_TASKS: frozenset[TaskState] = frozenset({"requested", "accepted", "overdue"})
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_AFTER = timedelta(microseconds=1)
RISK_ORDER: Mapping[RiskLevel, int] = {"unassessed": 0, "low": 1, "medium": 2, "high": 3}

# Kinds of the law's clocks; how long they run and by which article is the reference data's.
INITIAL = "initial-assessment"
EMERGENCY = "emergency-12h"
PLAN = "detailed-assessment-5wd"
APPROVAL = "plan-approval"
SEPARATION = "separation-15d"
BAN_DECISION = "contact-ban-decision"
BAN = "contact-ban-3d"
CARE_HANDOVER = "alternative-care-handover"
CASE_HANDOVER = "case-handover"


class Deadline(Protocol):
    """A started clock as `shared.reference.deadlines` computes it."""

    @property
    def due(self) -> datetime: ...
    @property
    def nearing_at(self) -> datetime: ...
    @property
    def legal_source(self) -> str: ...


@dataclass(frozen=True, slots=True)
class World:
    """What a decision may know of the outside: the moment, how clocks run, which codes are in use.

    `new_id` makes ids; `start(kind, at)` computes a clock; `separating` are the measures that keep a child apart.
    """

    now: datetime
    start: Callable[[str, datetime], Deadline]
    new_id: Callable[[], str]
    units: frozenset[str]
    task_kinds: frozenset[str]
    outcomes: frozenset[str]
    measures: frozenset[str]
    separating: frozenset[str]
    dismissals: frozenset[str]
    access_purposes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person (role of the directory) or the system itself (role `system`)."""

    id: str
    name: str
    role: str
    units: frozenset[str] | Literal["all"]
    sector: str | None = None

    def covers(self, unit: str) -> bool:
        """Whether the actor's area includes the commune."""
        return self.units == "all" or unit in self.units


SYSTEM = Actor("system", "", "system", "all")


@dataclass(frozen=True, slots=True)
class Clock:
    """One legal deadline of a case."""

    id: str
    kind: str
    started_at: datetime
    due: datetime
    nearing_at: datetime
    legal_source: str
    state: DeadlineState = "running"
    settled_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None

    @property
    def runs(self) -> bool:
        """Whether the act it waits for has not been done."""
        return self.state in RUNNING

    def next_moment(self) -> datetime | None:
        """When the ticker has to look at it again."""
        if self.state == "running":
            return min(self.nearing_at, self.due + _AFTER)
        return self.due + _AFTER if self.state == "nearing" else None


@dataclass(frozen=True, slots=True)
class Task:
    """What a sector was asked to do. `answer_id` is the agency event that answered last.

    `pending`: what the sector awaits of the commune before it goes on: a reply to its question, or its word on the date
    it proposed (`proposed_due`).
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

    @property
    def is_open(self) -> bool:
        """Whether an answer is still awaited."""
        return self.state in OPEN_TASKS

    def next_moment(self) -> datetime | None:
        """When the ticker has to look at it again."""
        return self.due + _AFTER if self.state in ("requested", "accepted") else None


@dataclass(frozen=True, slots=True)
class PlannedService:
    """One service of the plan. `sector`: who is asked for it when the plan is approved; None: the commune itself.

    `done_on`: the day it was first given. Its words (what for, by whom) are in the timeline, sealed.
    """

    id: str
    kind: str
    sector: str | None
    due: date
    done_on: date | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody of the case team, by account. `how`: by role, on request, by an act of theirs, or assigned.

    `state`: `asked` waits for the lead; `left` is remembered, so that nobody joins by mere role again.
    `unit`: the commune for which they work here, None for the province's and the sectors' people. `cause`: why they are
    no member: left by themselves, removed, excluded for a conflict of interest, refused, or the case moved away.
    """

    person: str
    role: str
    how: Literal["role", "request", "act", "assigned"]
    state: Literal["asked", "member", "left"]
    since: datetime
    unit: str | None = None
    cause: LeftBecause | None = None

    @property
    def barred(self) -> bool:
        """Whether their office opens the case to them no more, until the lead says so; being refused bars nobody."""
        return self.state == "asked" or (self.state == "left" and self.cause in ("left", "removed", "excluded"))

    @property
    def excluded(self) -> bool:
        """Whether they are kept out altogether: related to the family, or to whoever harmed the child."""
        return self.state != "member" and self.cause == "excluded"


@dataclass(frozen=True, slots=True)
class Glass:
    """Identity opened from outside the team, for a while (break-glass). The reason is in the timeline, sealed.

    `verdict`: what the chair said of it afterwards; None waits for review.
    """

    id: str
    person: str
    role: str
    purpose: str
    since: datetime
    until: datetime
    verdict: Verdict | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether identity is open through it at the moment; it closes by itself."""
        return self.since <= now < self.until


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
    version: int = 0
    sequence: int = 0
    clocks: tuple[Clock, ...] = ()
    tasks: tuple[Task, ...] = ()
    team: tuple[Member, ...] = ()
    glasses: tuple[Glass, ...] = ()

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
        )

    def clock(self, kind: str) -> Clock | None:
        """The running clock of a kind, if there is one."""
        return next((clock for clock in self.clocks if clock.kind == kind and clock.runs), None)

    def member(self, person: str) -> Member | None:
        """What the team's list says of an account; None where it says nothing."""
        return next((member for member in self.team if member.person == person), None)

    def next_moment(self) -> datetime | None:
        """When something about the case falls due next."""
        moments = [clock.next_moment() for clock in self.clocks] + [task.next_moment() for task in self.tasks]
        return min((moment for moment in moments if moment is not None), default=None)


@dataclass(frozen=True, slots=True)
class Concern:
    """A report of concern after its latest correction or decision."""

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


@dataclass(frozen=True, slots=True)
class Happening:
    """An event to be emitted: its contract, and the fields beyond case and facts. Personal texts are still plain."""

    model: type[events.CaseEvent]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the case's timeline: a coarse code with coarse data, and words that only the case's key opens."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    sector: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The case as it is from now, what the world is told, what the file remembers."""

    case: Case
    happenings: tuple[Happening, ...] = ()
    entries: tuple[Entry, ...] = ()

    def then(
        self, case: Case | None = None, *happenings: Happening, entries: tuple[Entry, ...] = (), **changes: Any
    ) -> Decision:
        """This decision with more decided."""
        after = replace(case or self.case, **changes)
        return Decision(after, (*self.happenings, *happenings), (*self.entries, *entries))


def deadline_event(model: type[events.DeadlineEvent], clock: Clock) -> Happening:
    """An event about a clock, as it now stands."""
    return Happening(
        model,
        {
            "deadline_id": clock.id,
            "kind": clock.kind,
            "state": clock.state,
            "due": clock.due,
            "legal_source": clock.legal_source,
        },
    )


def task_event(model: type[events.CaseEvent], task: Task, **more: Any) -> Happening:
    """An event about a task, as it now stands."""
    told = {"task_id": task.id, "task_kind": task.kind, "task_sector": task.sector, "due": task.due}
    return Happening(model, {**told, **more})


def at_risk(decision: Decision, level: RiskLevel) -> Decision:
    """The decision with the case at another level of risk."""
    return decision.then(risk=level)


def end_of_day(day: date) -> datetime:
    """The last second of a day where people live by it, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(0), ZONE).astimezone(UTC) - timedelta(seconds=1)


def refuse(field_name: str, rule: str, vi: str, en: str) -> Rejected:
    """A refusal of one rule, to be raised."""
    return Rejected([Violation(field_name, rule, vi, en)])
