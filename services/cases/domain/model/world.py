"""What a decision may know of the outside, who acts, on which day a moment falls, and how something is refused."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, Protocol
from zoneinfo import ZoneInfo

from shared.reference.forms import Forms

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")


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
    `oldest_receipt`: the first day on which a report may have been received that is entered now.
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
    oldest_receipt: date = date.min
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


def end_of_day(day: date) -> datetime:
    """The last second of a day where people live by it, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(0), ZONE).astimezone(UTC) - timedelta(seconds=1)
