"""The law's clocks as data: how long, from when on in force, and where it says so.

A change of law never rewrites a running clock: the rule in force at the start decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self

from shared.reference.calendar import LOCAL, WorkCalendar
from shared.reference.files import ReferenceDataError, kept, read_yaml


@dataclass(frozen=True, slots=True)
class Deadline:
    """One running clock. Moments are aware UTC; the source is in English, as events carry it."""

    kind: str
    due: datetime
    nearing_at: datetime
    legal_source: str


@dataclass(frozen=True, slots=True)
class DeadlineRule:
    """One rule of law: `hours` or `working_days` from what `starts` it.

    `nearing`: hours before the end when somebody is warned. `effective_to`: first day it is no more in force.
    """

    kind: str
    vi: str
    en: str
    starts: str
    nearing: float
    legal_source_vi: str
    legal_source_en: str
    effective_from: date
    effective_to: date | None = None
    hours: float | None = None
    working_days: int | None = None


class Deadlines:
    """All rules, past and present. Raises `ReferenceDataError` where they contradict themselves."""

    def __init__(self, rules: Sequence[DeadlineRule], calendar: WorkCalendar) -> None:
        self._calendar = calendar
        self._rules: dict[str, list[DeadlineRule]] = {}
        for rule in sorted(rules, key=lambda rule: rule.effective_from):
            _check(rule)
            earlier = self._rules.setdefault(rule.kind, [])
            if earlier:
                _check_follows(earlier[-1], rule)
            earlier.append(rule)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        rows: list[Mapping[str, object]] = read_yaml("deadlines.yaml")
        try:
            return cls([DeadlineRule(**row) for row in rows], WorkCalendar.load())  # type: ignore[arg-type]
        except TypeError as error:
            raise ReferenceDataError(f"deadlines.yaml: {error}") from None

    def kinds(self) -> tuple[str, ...]:
        """Every kind of clock."""
        return tuple(self._rules)

    def start(self, kind: str, at: datetime) -> Deadline:
        """The clock that starts at `at` (aware). Raises `KeyError` for an unknown kind."""
        rule = self._in_force(kind, at.astimezone(LOCAL).date())
        if rule.hours is not None:
            due = at + timedelta(hours=rule.hours)
        else:
            due = self._calendar.add_working_days(at, rule.working_days or 0)
        return Deadline(kind, due, due - timedelta(hours=rule.nearing), rule.legal_source_en)

    def label(self, kind: str, language: str = "vi") -> str:
        """What the clock is called; its code where nobody named it."""
        rules = self._rules.get(kind)
        return kind if not rules else rules[-1].vi if language == "vi" else rules[-1].en

    def legal_source(self, kind: str, started_at: datetime, language: str = "vi") -> str:
        """Where the law says so, as it was in force when the clock started. Raises `KeyError` for an unknown kind."""
        rule = self._in_force(kind, started_at.astimezone(LOCAL).date())
        return rule.legal_source_vi if language == "vi" else rule.legal_source_en

    def _in_force(self, kind: str, day: date) -> DeadlineRule:
        rules = self._rules[kind]
        return next((rule for rule in reversed(rules) if rule.effective_from <= day), rules[0])


def _check(rule: DeadlineRule) -> None:
    where = f"deadlines.yaml: {rule.kind}"
    if (rule.hours is None) == (rule.working_days is None):
        raise ReferenceDataError(f"{where} needs either hours or working_days")
    if (rule.hours or rule.working_days or 0) <= 0:
        raise ReferenceDataError(f"{where} must last longer than nothing")
    length = rule.hours if rule.hours is not None else 24 * (rule.working_days or 0)
    if not 0 <= rule.nearing < length:
        raise ReferenceDataError(f"{where}: nearing must lie between its start and its end")
    if not (rule.vi and rule.en and rule.starts and rule.legal_source_vi and rule.legal_source_en):
        raise ReferenceDataError(f"{where} needs names and legal source in both languages, and what starts it")
    if rule.effective_to and rule.effective_to <= rule.effective_from:
        raise ReferenceDataError(f"{where} ends before it begins")


def _check_follows(earlier: DeadlineRule, later: DeadlineRule) -> None:
    if earlier.effective_to is None or earlier.effective_to > later.effective_from:
        raise ReferenceDataError(f"deadlines.yaml: two rules of {later.kind} are in force at once")
    if earlier.effective_to < later.effective_from:
        raise ReferenceDataError(f"deadlines.yaml: {later.kind} has no rule from {earlier.effective_to} on")
