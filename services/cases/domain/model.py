"""A case, its clocks and tasks, and a concern, as plain values; and what a decision about them consists of.

Pure: no clock, no database, no framework. Nothing here knows who a child is beyond coarse facts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
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
from shared.reference.forms import Forms

Pending = Literal["question", "date"]
Awaited = Literal["sector", "commune", "nobody"]
AnswerGiven = Literal["accepted", "declined", "done", "new-date", "question"]
Identity = Literal["none", "asked", "candidates", "linked"]
LeftBecause = Literal["left", "removed", "excluded", "refused", "moved"]
Verdict = Literal["justified", "unjustified"]
RUNNING: frozenset[DeadlineState] = frozenset({"running", "nearing", "missed", "paused"})
OPEN_TASKS: frozenset[TaskState] = frozenset({"requested", "accepted", "overdue"})
# What a case conference left to the commune itself stands among the tasks under this name, which is no sector's.
COMMUNE = "commune"
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
# Clocks at whose end nothing is awaited: they end by themselves, in time, and this is told then.
ENDS_BY_ITSELF: Mapping[str, type[events.CaseEvent]] = {BAN: events.ContactBanEnded}


class Deadline(Protocol):
    """A started clock as `shared.reference.deadlines` computes it."""

    @property
    def due(self) -> datetime: ...
    @property
    def nearing_at(self) -> datetime: ...
    @property
    def legal_source(self) -> str: ...
    @property
    def working_days(self) -> bool: ...
    @property
    def pausable(self) -> tuple[str, ...]: ...
    @property
    def pause_days(self) -> int: ...
    @property
    def set_by(self) -> str | None: ...


class StartClock(Protocol):
    """Computes a clock of a kind that starts at a moment in a commune; without a commune, the law's own."""

    def __call__(self, kind: str, at: datetime, unit: str = ..., /) -> Deadline: ...


def elapsed(due: datetime, paused_at: datetime, resumed_at: datetime) -> datetime:
    """When a clock is due that stood still: later by as long."""
    return due + (resumed_at - paused_at)


@dataclass(frozen=True, slots=True)
class World:
    """What a decision may know of the outside: the moment, how clocks run, which codes are in use.

    `new_id` makes ids; `start(kind, at, unit)` computes a clock; `separating` are the measures that keep a child apart;
    `after_pause(due, paused_at, resumed_at)` says when a clock of working days is due that stood still; `closing` says
    what each outcome needs before a case may end with it.
    `forms` is what forms ask; `codes(list)` are the answers that a list offers; `service_tasks` says by which kind of
    task a kind of service is asked for.
    """

    now: datetime
    start: StartClock
    new_id: Callable[[], str]
    units: frozenset[str]
    task_kinds: frozenset[str]
    outcomes: frozenset[str]
    measures: frozenset[str]
    separating: frozenset[str]
    dismissals: frozenset[str]
    forms: Forms
    codes: Callable[[str], Collection[str]]
    service_tasks: Mapping[str, str]
    access_purposes: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    environments: frozenset[str] = frozenset()
    harmers: frozenset[str] = frozenset()
    cares: frozenset[str] = frozenset()
    closing: Mapping[str, frozenset[str]] = field(default_factory=dict)
    answers: frozenset[str] = frozenset()
    after_pause: Callable[[datetime, datetime, datetime], datetime] = elapsed


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
    """One legal deadline of a case. It carries what it needs of the rule under which it started, so that no change of
    law rewrites it: whether it counts `working_days`, for which reasons (`pausable`) and how many days in all it may
    stand still; `set_by`: the commune or province whose own shorter clock it is.

    `pause_ends_at`: when a pause is over even if nobody ends it. `stood_still`: how long it did, in earlier pauses.
    """

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
    working_days: bool = False
    pausable: tuple[str, ...] = ()
    pause_days: int = 0
    set_by: str | None = None
    pause_ends_at: datetime | None = None
    stood_still: timedelta = timedelta(0)

    @property
    def runs(self) -> bool:
        """Whether the act it waits for has not been done."""
        return self.state in RUNNING

    @property
    def may_pause(self) -> bool:
        """Whether it could stand still now: the law allows it, and not all of its days are used up."""
        return bool(self.pausable) and self.state in ("running", "nearing") and self.pause_left > timedelta(0)

    @property
    def pause_left(self) -> timedelta:
        """How long it may still stand."""
        return timedelta(days=self.pause_days) - self.stood_still

    def next_moment(self) -> datetime | None:
        """When the ticker has to look at it again."""
        if self.state == "running":
            return min(self.nearing_at, self.due + _AFTER)
        if self.state == "paused":
            return self.pause_ends_at
        return self.due + _AFTER if self.state == "nearing" else None


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
        return self.due + _AFTER if self.state in ("requested", "accepted") else None


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

    `done_on`: the day it was first given. `task_id`: by which the sector was asked; `given_by`: the agency event that
    said it was given; not `planned`: given beside the plan. Its words (what for, by whom) are in the timeline, sealed.
    """

    id: str
    kind: str
    sector: str | None
    due: date
    done_on: date | None = None
    task_id: str | None = None
    given_by: str | None = None
    planned: bool = True


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
        )

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
    told = {
        "task_id": task.id,
        "task_kind": task.kind,
        "task_sector": task.sector,
        "due": task.due,
        "state": task.state,
    }
    return Happening(model, {**told, **more})


def at_risk(decision: Decision, level: RiskLevel) -> Decision:
    """The decision with the case at another level of risk."""
    return decision.then(risk=level)


def end_of_day(day: date) -> datetime:
    """The last second of a day where people live by it, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(0), ZONE).astimezone(UTC) - timedelta(seconds=1)


def local_day(moment: datetime) -> date:
    """The day on which a moment falls where people live by it."""
    return moment.astimezone(ZONE).date()


def refuse(field_name: str, rule: str, vi: str, en: str) -> Rejected:
    """A refusal of one rule, to be raised."""
    return Rejected([Violation(field_name, rule, vi, en)])
