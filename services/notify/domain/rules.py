"""Whom the house tells of an event, how urgently, by when, and why not others: the rules of the reference data,
applied.

Every rule that is about an event's type gives its answer with its reasons, so that a dry run and the real one are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.notify.domain.lateness import is_past
from services.notify.domain.model import Happening
from shared.contracts.base import Contract
from shared.identity import ALL_UNITS, Principal
from shared.reference.calendar import local_day
from shared.reference.deadlines import Deadlines
from shared.reference.delivering import Delivering, Priority
from shared.reference.notify_limits import NotifyLimitsByDay
from shared.reference.notify_rules import URGENCIES, Addressee, Grouping, NotifyRule, NotifyRules, Urgency

# Why a rule, or one of its addressees, tells nobody.
Why = Literal["not-in-force", "other-unit", "condition", "exception", "nobody-named", "nobody-related", "long-past"]


@dataclass(frozen=True, slots=True)
class Relations:
    """How people and sectors stand to a case: accounts and sectors, no names."""

    responsible: str | None = None
    team: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()


NO_RELATIONS = Relations()


@dataclass(frozen=True, slots=True)
class Told:
    """An audience that is told, by which rule, how urgently and by when something must follow.

    `gathered_until`: it is one of many of a noisy rule, and said with them when their time is over.
    """

    audience: str
    rule: str
    urgency: Urgency
    by: datetime | None = None
    ladder: str | None = None
    group: Grouping | None = None
    gathered_until: datetime | None = None

    @property
    def urgent(self) -> bool:
        """Whether at once."""
        return self.urgency in {"emergency", "urgent"}


@dataclass(frozen=True, slots=True)
class Silent:
    """Why a rule does not tell, in a code; `field` is what it looked at, `found` what it saw there (a code, no
    words).
    """

    why: Why
    field: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True)
class Considered:
    """What one rule says of one event."""

    rule: NotifyRule
    told: tuple[Told, ...] = ()
    silent: tuple[Silent, ...] = ()


@dataclass(frozen=True, slots=True)
class Telling:
    """What there is to decide by: rules, clocks and bounds of the reference data."""

    rules: NotifyRules
    deadlines: Deadlines
    limits: NotifyLimitsByDay
    delivering: Delivering

    @classmethod
    def load(cls) -> Telling:
        """From the data files. Raises `ReferenceDataError`."""
        return cls(NotifyRules.load(), Deadlines.load(), NotifyLimitsByDay.load(), Delivering.load())

    def consider(
        self, happening: Happening, data: Contract, now: datetime, relations: Relations = NO_RELATIONS
    ) -> list[Considered]:
        """What every rule that is about this type says, in the order of the data."""
        return [self._consider(rule, happening, data, now, relations) for rule in self.rules.of(happening.event_type)]

    def addressees(
        self, happening: Happening, data: Contract, now: datetime, relations: Relations = NO_RELATIONS
    ) -> dict[str, Told]:
        """Whom to tell in the app: each audience once, by the rule that is most urgent, however many name it."""
        return told_by(self.consider(happening, data, now, relations))

    def may_be_emergency(self, event_type: str) -> bool:
        """Whether any rule makes an emergency of a type."""
        return any(rule.urgency == "emergency" for rule in self.rules.of(event_type))

    def _consider(
        self, rule: NotifyRule, happening: Happening, data: Contract, now: datetime, relations: Relations
    ) -> Considered:
        silent = _silent(rule, happening, data)
        by = self._by(rule, happening, data)
        if silent is None and self._is_over(rule, happening, by, now):
            silent = Silent("long-past", "time", happening.time.isoformat())
        if silent is not None:
            return Considered(rule, silent=(silent,))
        told: dict[str, Told] = {}
        missing: list[Silent] = []
        for addressee in rule.tell:
            audiences = audiences_of_addressee(addressee, happening, data, relations)
            if not audiences:
                missing.append(_missing(addressee))
            for audience in audiences:
                told.setdefault(audience, Told(audience, rule.name, rule.urgency, by, rule.ladder, rule.group))
        return Considered(rule, tuple(told.values()), tuple(missing))

    def _is_over(self, rule: NotifyRule, happening: Happening, by: datetime | None, now: datetime) -> bool:
        """A topic that is read again, or a long absence of ours, tells nobody of what is over."""
        priority: Priority = "emergency" if rule.urgency == "emergency" else "normal"
        over = is_past(happening.time, now, priority, self.delivering.on(now))
        if rule.live_hours is not None:
            over = over or now - happening.time > timedelta(hours=rule.live_hours)
        return over and not (by is not None and by > now)

    def _by(self, rule: NotifyRule, happening: Happening, data: Contract) -> datetime | None:
        if rule.by is None:
            return happening.due
        if rule.by.field is not None:
            found = field_value(data, rule.by.field)
            return found if isinstance(found, datetime) else happening.due
        start = field_value(data, rule.by.from_field) if rule.by.from_field else None
        begun = start if isinstance(start, datetime) else happening.time
        return self.deadlines.start(rule.by.deadline or "", begun, happening.unit or "").due


def told_by(considered: Iterable[Considered]) -> dict[str, Told]:
    """Each audience once, by the rule that is most urgent."""
    told: dict[str, Told] = {}
    for one in (one for each in considered for one in each.told):
        known = told.get(one.audience)
        if known is None or URGENCIES.index(one.urgency) < URGENCIES.index(known.urgency):
            told[one.audience] = one
    return told


def is_too_old(considered: Iterable[Considered]) -> bool:
    """Whether a rule would have told of it, had it not been told so late."""
    return any(silent.why == "long-past" for each in considered for silent in each.silent)


def _silent(rule: NotifyRule, happening: Happening, data: Contract) -> Silent | None:
    if not rule.is_in_force(local_day(happening.time)):
        return Silent("not-in-force", "time", happening.time.date().isoformat())
    if rule.units and happening.unit not in rule.units:
        return Silent("other-unit", "unit", happening.unit or "")
    for path, values in rule.when.items():
        if (found := field_value(data, path)) not in values:
            return Silent("condition", path, _code(found))
    for path, values in rule.unless.items():
        if (found := field_value(data, path)) in values:
            return Silent("exception", path, _code(found))
    return None


def _missing(addressee: Addressee) -> Silent:
    if addressee.relation is not None:
        return Silent("nobody-related", addressee.relation)
    return Silent("nobody-named", addressee.of or addressee.sector or addressee.account or "")


def audiences_of_addressee(
    addressee: Addressee, happening: Happening, data: Contract, relations: Relations
) -> list[str]:
    """The audiences that an addressee stands for in this event; none where the event does not say of whom."""
    if addressee.role is not None:
        return _of_role(addressee.role, addressee.of or "", happening, data)
    if addressee.sector is not None:
        return [f"sector/{sector}" for sector in _named(field_value(data, addressee.sector))]
    if addressee.account is not None:
        return [f"person/{account}" for account in _named(field_value(data, addressee.account))]
    if addressee.relation == "asked":
        return [f"sector/{sector}" for sector in sorted(relations.asked)]
    people = {relations.responsible} if addressee.relation == "responsible" else set(relations.team)
    return [f"person/{account}" for account in sorted(one for one in people if one)]


def _of_role(role: str, of: str, happening: Happening, data: Contract) -> list[str]:
    if of == "province":
        return [role]
    place = happening.unit if of == "unit" else field_value(data, of)
    return [f"{role}/{place}"] if place else []


def _named(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    return [str(one) for one in value if one] if isinstance(value, Sequence) else []


def _code(value: object) -> str:
    """What stands in a field, where it is a code and can be said; a container is not spelt out."""
    return str(value) if isinstance(value, str | int | float | bool) else "" if value is None else "…"


def audiences_of(principal: Principal, all_units: Sequence[str]) -> list[str]:
    """The audiences that a person belongs to, as rules name them."""
    role = principal.role.value
    units = all_units if principal.units == ALL_UNITS else sorted(principal.units)
    found = [f"person/{principal.id}", role, *(f"{role}/{unit}" for unit in units)]
    if principal.sector:
        found.append(f"sector/{principal.sector}")
    if principal.org:
        found.append(f"org/{principal.org}")
    return found


def belongs_to(principal: Principal, audience: str) -> bool:
    """Whether a person is in an audience; the same as looking it up in `audiences_of`, without listing all communes."""
    kind, _, place = audience.partition("/")
    if not place:
        return principal.role.value == kind
    if kind == "person":
        return principal.id == place
    if kind == "sector":
        return principal.sector == place
    if kind == "org":
        return principal.org == place
    return principal.role.value == kind and principal.may_see(place)


def members_of(people: Iterable[Principal], audience: str) -> list[Principal]:
    """Who of some people is in an audience."""
    return [person for person in people if belongs_to(person, audience)]


def field_value(data: object, path: str) -> object:
    """What stands in a dotted field; None where there is none."""
    for name in path.split("."):
        data = getattr(data, name, None)
    return data
