"""Whether a record is good, pure: which rules it breaks on a day, and from which day on time alone may change that.

The rules are data (shared/reference/data/quality.yaml); here is what each word of their vocabulary means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Final

from services.registry.domain.children import is_said
from services.registry.domain.lifecycle import add_months
from services.registry.domain.warnings import warnings
from shared.contracts.vocabulary import ChildDescription, age_on
from shared.reference.quality import ANY, CONDITIONS, Quality, Rule
from shared.reference.terms import Terms

# Nothing changes by time alone.
NEVER: Final = date(9999, 12, 31)
_GRADE: Final = re.compile(r"\d{1,2}")
# Law on Education 43/2019, Art. 28: twelve grades.
_GRADES: Final = range(1, 13)
# Decision of the ministry on each school year: it begins in September.
_SCHOOL_YEAR: Final = 9


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at.

    Args:
        recorded_on: when the record was made. told_on: the last day of which any source tells. verified_on: None where
            never. said_on: by field, the day of its source's word. contradicted: fields on which sources contradict
            each other. registers: who knows the child. pair_waiting: whether it may be the same as another record.
        since: first days of what holds or held. without_evidence: circumstances that hold and for which no
            evidence is recorded.
    """

    description: ChildDescription
    recorded_on: date
    told_on: date
    unit: str | None = None
    birth_year: int | None = None
    circumstances: frozenset[str] = frozenset()
    verified_on: date | None = None
    said_on: Mapping[str, date] = field(default_factory=dict)
    contradicted: frozenset[str] = frozenset()
    registers: frozenset[str] = frozenset()
    pair_waiting: bool = False
    since: tuple[date, ...] = ()
    without_evidence: frozenset[str] = frozenset()

    def value(self, name: str) -> Any:
        """A field of the description, or `unit`; None where nothing is known."""
        value = self.unit if name == "unit" else getattr(self.description, name)
        return value if is_said(value) else None

    @property
    def born(self) -> date | None:
        """The birth date, where the day is known."""
        exact = self.description.birth_precision in {None, "day"}
        return self.description.birth_date if exact else None

    @property
    def year(self) -> int | None:
        """The year of birth, as far as one knows."""
        return self.description.birth_date.year if self.description.birth_date else self.birth_year

    def age(self, day: date) -> int | None:
        """Completed years on a day; where no day of birth is known, those of the year's first day."""
        if self.born is not None:
            return age_on(self.born, day)
        return None if self.year is None else day.year - self.year

    def turning(self, years: int) -> date | None:
        """The day on which that age is reached, as `age` reckons."""
        if self.born is not None:
            birthday = add_months(self.born, 12 * years)
            # Born on 29 February, in a year without one: a year is completed on 1 March.
            return birthday if age_on(self.born, birthday) >= years else date(birthday.year, 3, 1)
        return None if self.year is None else date(self.year + years, 1, 1)


class _At:
    """A record on a day, with what is worked out for it once."""

    def __init__(self, facts: Facts, day: date) -> None:
        self.facts = facts
        self.day = day

    @cached_property
    def warned(self) -> frozenset[str]:
        """The warnings that the record carries."""
        return frozenset(warning.rule for warning in warnings(self.facts.description, self.day))


@dataclass(frozen=True, slots=True)
class Judged:
    """The rules that a record breaks, and the first later day on which that may change though nothing is told."""

    broken: tuple[str, ...]
    again_on: date


def judge(facts: Facts, quality: Quality, day: date) -> Judged:
    """Judge a record on a day. The same facts give the same answer on every day before `again_on`."""
    at = _At(facts, day)
    broken = tuple(rule.code for rule in quality.on(day) if _is_broken(at, rule))
    return Judged(broken, again_on(facts, quality, day))


def again_on(facts: Facts, quality: Quality, day: date) -> date:
    """The first later day on which time alone may change which rules are broken."""
    turns = (turn for name, asked in quality.conditions if name in _TURNS for turn in _TURNS[name](facts, asked, day))
    return min(
        (turn for turn in (*turns, quality.changes_after(day)) if turn is not None and turn > day), default=NEVER
    )


def _is_broken(at: _At, rule: Rule) -> bool:
    return all(_HOLDS[name](at, asked) for name, asked in rule.when.items())


def _is_empty(at: _At, asked: Sequence[str]) -> bool:
    return all(at.facts.value(name) is None for name in asked)


def _is_filled(at: _At, asked: Sequence[str]) -> bool:
    return all(at.facts.value(name) is not None for name in asked)


def _is_as_precise(at: _At, asked: Sequence[str]) -> bool:
    if at.facts.description.birth_date is None:
        return "age" in asked and at.facts.year is not None
    return at.facts.description.birth_precision in asked


def _is_of_age(at: _At, asked: Mapping[str, int]) -> bool:
    age = at.facts.age(at.day)
    return age is not None and asked.get("from", 0) <= age <= asked.get("to", age)


def _ages(facts: Facts, asked: Mapping[str, int], _day: date) -> Iterable[date | None]:
    if "from" in asked:
        yield facts.turning(asked["from"])
    if "to" in asked:
        yield facts.turning(asked["to"] + 1)


def _is_out_of_order(at: _At, asked: Mapping[str, str]) -> bool:
    first, second = _days(at.facts, asked["first"]), _days(at.facts, asked["second"])
    return bool(first and second) and max(first) > min(second)


def _days(facts: Facts, name: str) -> Sequence[date]:
    if name == "circumstance":
        return facts.since
    stay = facts.description.stay
    day = {
        "birth": facts.born,
        "told": facts.told_on,
        "recorded": facts.recorded_on,
        "verified": facts.verified_on,
        "stay": stay.since if stay else None,
    }[name]
    return () if day is None else (day,)


def _is_warned(at: _At, asked: Sequence[str]) -> bool:
    return bool(at.warned & set(asked))


def _birthday(facts: Facts, _asked: object, day: date) -> Iterable[date | None]:
    # What warnings say may turn with the age, at which a card is outgrown.
    age = facts.age(day)
    return () if age is None else (facts.turning(age + 1),)


def _is_off_grade(at: _At, asked: Mapping[str, int]) -> bool:
    """A grade is of the school year in which it was told, whatever the day today."""
    found = _GRADE.search(at.facts.description.grade or "")
    if found is None or at.facts.year is None or int(found[0]) not in _GRADES:
        return False
    told = at.facts.said_on.get("grade", at.facts.told_on)
    school_year = told.year if told.month >= _SCHOOL_YEAR else told.year - 1
    usual = school_year - at.facts.year - asked["starts_at"] + 1
    return abs(int(found[0]) - usual) > asked["spread"]


def _is_older(at: _At, asked: Mapping[str, Any]) -> bool:
    return any(turn <= at.day for turn in _olds(at.facts, asked, at.day))


def _olds(facts: Facts, asked: Mapping[str, Any], _day: date) -> list[date]:
    told = [facts.said_on[name] for name in asked["fields"] if name in facts.said_on and facts.value(name) is not None]
    return [add_months(day, asked["months"]) for day in told]


def _is_contradicted(at: _At, asked: str | Sequence[str]) -> bool:
    return bool(at.facts.contradicted if asked == ANY else at.facts.contradicted & set(asked))


def _has_pair(at: _At, _asked: object) -> bool:
    return at.facts.pair_waiting


def _is_unverified(at: _At, asked: int) -> bool:
    return _unverified_from(at.facts, asked, at.day)[0] <= at.day


def _unverified_from(facts: Facts, asked: int, _day: date) -> list[date]:
    return [add_months(facts.verified_on or facts.recorded_on, asked)]


def _is_untold(at: _At, asked: int) -> bool:
    return _untold_from(at.facts, asked, at.day)[0] <= at.day


def _untold_from(facts: Facts, asked: int, _day: date) -> list[date]:
    return [add_months(facts.told_on, asked)]


def _was_never_verified(at: _At, _asked: object) -> bool:
    return at.facts.verified_on is None


def _has_circumstance(at: _At, asked: str | Sequence[str]) -> bool:
    return bool(at.facts.circumstances if asked == ANY else at.facts.circumstances & set(asked))


def _has_none(at: _At, asked: str | Sequence[str]) -> bool:
    return not _has_circumstance(at, asked)


def _lacks_evidence(at: _At, _asked: object) -> bool:
    # Flags (poor household, left school) are lists kept elsewhere; the 14 groups are what support is given for.
    groups = Terms.load("circumstances")
    return any(code in groups for code in at.facts.without_evidence & at.facts.circumstances)


def _is_only_from(at: _At, asked: Sequence[str]) -> bool:
    return bool(at.facts.registers) and at.facts.registers <= set(asked)


_HOLDS: Final[Mapping[str, Callable[[_At, Any], bool]]] = {
    "empty": _is_empty,
    "filled": _is_filled,
    "precision": _is_as_precise,
    "age": _is_of_age,
    "order": _is_out_of_order,
    "warned": _is_warned,
    "grade": _is_off_grade,
    "older": _is_older,
    "conflict": _is_contradicted,
    "pair": _has_pair,
    "unverified_months": _is_unverified,
    "untold_months": _is_untold,
    "verified": _was_never_verified,
    "circumstance": _has_circumstance,
    "without": _has_none,
    "evidence": _lacks_evidence,
    "only_from": _is_only_from,
}
# When each of those that time alone may turn does so.
_TURNS: Final[Mapping[str, Callable[[Facts, Any, date], Iterable[date | None]]]] = {
    "age": _ages,
    "warned": _birthday,
    "older": _olds,
    "unverified_months": _unverified_from,
    "untold_months": _untold_from,
}
if set(_HOLDS) != CONDITIONS:
    raise AssertionError(f"conditions without a meaning: {sorted(CONDITIONS ^ set(_HOLDS))}")
