"""The law's clocks as data: how long, from when on in force, where it says so, and what may make them stand still.

A change of law never rewrites a running clock: the rule in force at the start decides, and the clock carries what it
needs of it. A commune or a province may decide on a shorter clock for itself, never on a longer one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Self

from shared.reference.calendar import LOCAL, WorkCalendar
from shared.reference.files import ReferenceDataError, kept, read_yaml
from shared.reference.terms import Terms
from shared.reference.units import Units

_FILE = "deadlines.yaml"
_LOCAL_FILE = "local-deadlines.yaml"
_PAUSE_REASONS = "pause-reasons"


@dataclass(frozen=True, slots=True)
class Deadline:
    """One running clock. Moments are aware UTC; the source is in English, as events carry it.

    `working_days`: whether it counts working days or hours. `pausable`: the reasons for which it may stand still, for
    `pause_days` in all. `set_by`: the commune or province whose own shorter clock it is; None: the law's.
    """

    kind: str
    due: datetime
    nearing_at: datetime
    legal_source: str
    working_days: bool = False
    pausable: tuple[str, ...] = ()
    pause_days: int = 0
    set_by: str | None = None


@dataclass(frozen=True, slots=True)
class DeadlineRule:
    """One rule of law: `hours` or `working_days` from what `starts` it.

    `nearing`: hours before the end when somebody is warned. `effective_to`: first day it is no more in force.
    `pausable`: codes of `pause-reasons` for which the clock may stand still, `pause_days` days in all; the source is
    `pause_source`.
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
    pausable: tuple[str, ...] = ()
    pause_days: int = 0
    pause_source_vi: str = ""
    pause_source_en: str = ""

    @property
    def shortest_hours(self) -> float:
        """No clock of this rule is over earlier than this many hours after its start."""
        return self.hours if self.hours is not None else 24 * (self.working_days or 0)


@dataclass(frozen=True, slots=True)
class LocalRule:
    """A shorter clock that a commune, or a province for all of its communes, has decided on for itself.

    `unit`: its code. `nearing`, `effective_to` as of a rule of law; the source is the decision.
    """

    unit: str
    kind: str
    nearing: float
    legal_source_vi: str
    legal_source_en: str
    effective_from: date
    effective_to: date | None = None
    hours: float | None = None
    working_days: int | None = None

    def tightened(self, law: DeadlineRule) -> DeadlineRule:
        """The law's rule with this one's length and source; why it may stand still is the law's to say."""
        return replace(
            law,
            hours=self.hours,
            working_days=self.working_days,
            nearing=self.nearing,
            legal_source_vi=self.legal_source_vi,
            legal_source_en=self.legal_source_en,
        )


class Deadlines:
    """All rules, past and present. Raises `ReferenceDataError` where they contradict themselves.

    Args:
        rules: the law's. calendar: which days are worked. local: communes' and provinces' own shorter clocks.
        pause_reasons: the codes for which a clock may stand still. units: communes that may have a clock of their own.
        province: the code under which it has one for all of them.
    """

    def __init__(
        self,
        rules: Sequence[DeadlineRule],
        calendar: WorkCalendar,
        local: Sequence[LocalRule] = (),
        pause_reasons: Collection[str] = (),
        units: Collection[str] = (),
        province: str = "",
    ) -> None:
        self._calendar = calendar
        self._province = province
        self._rules: dict[str, list[DeadlineRule]] = {}
        for rule in sorted(rules, key=lambda rule: rule.effective_from):
            _check(rule, pause_reasons)
            earlier = self._rules.setdefault(rule.kind, [])
            if earlier:
                _check_follows(earlier[-1], rule)
            earlier.append(rule)
        self._local: dict[tuple[str, str], list[LocalRule]] = {}
        for own in sorted(local, key=lambda own: own.effective_from):
            _check_local(own, self._rules.get(own.kind, []), {province, *units})
            before = self._local.setdefault((own.unit, own.kind), [])
            if before and _ends(before[-1]) > own.effective_from:
                raise ReferenceDataError(f"{_where(own)}: another of its rules is in force at that time")
            before.append(own)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data files. Raises `ReferenceDataError`."""
        rules = [_row(DeadlineRule, row, _FILE) for row in read_yaml(_FILE)]
        local = [_row(LocalRule, row, _LOCAL_FILE) for row in read_yaml(_LOCAL_FILE) or []]
        units = Units.load()
        province = next(area.code for area in units.areas() if area.kind == "province" and area.effective_to is None)
        reasons = Terms.load(_PAUSE_REASONS).codes()
        return cls(rules, WorkCalendar.load(), local, reasons, units.codes(), province)

    def kinds(self) -> tuple[str, ...]:
        """Every kind of clock."""
        return tuple(self._rules)

    def start(self, kind: str, at: datetime, unit: str = "") -> Deadline:
        """The clock that starts at `at` (aware) in a commune: the law's, or the tightest that the commune or its
        province has set. Raises `KeyError` for an unknown kind.
        """
        day = at.astimezone(LOCAL).date()
        law = self._in_force(kind, day)
        clock = self._clock(law, at, None)
        for place in (self._province, unit):
            own = self._own(place, kind, day)
            if own is not None:
                clock = min(clock, self._clock(own.tightened(law), at, place), key=lambda clock: clock.due)
        return clock

    def after_pause(self, due: datetime, paused_at: datetime, resumed_at: datetime) -> datetime:
        """When a clock of working days that stood still is due: see `WorkCalendar.after_pause`."""
        return self._calendar.after_pause(due, paused_at, resumed_at)

    def label(self, kind: str, language: str = "vi") -> str:
        """What the clock is called; its code where nobody named it."""
        rules = self._rules.get(kind)
        return kind if not rules else rules[-1].vi if language == "vi" else rules[-1].en

    def legal_source(self, kind: str, started_at: datetime, language: str = "vi", set_by: str | None = None) -> str:
        """Where the law says so, or the decision of who set the clock, as it was in force when the clock started.

        Raises `KeyError` for an unknown kind.
        """
        day = started_at.astimezone(LOCAL).date()
        rule: DeadlineRule | LocalRule = self._own(set_by or "", kind, day) or self._in_force(kind, day)
        return rule.legal_source_vi if language == "vi" else rule.legal_source_en

    def pause_source(self, kind: str, started_at: datetime, language: str = "vi") -> str:
        """By what law a clock may stand still; nothing where it may not. Raises `KeyError` for an unknown kind."""
        rule = self._in_force(kind, started_at.astimezone(LOCAL).date())
        return rule.pause_source_vi if language == "vi" else rule.pause_source_en

    def _clock(self, rule: DeadlineRule, at: datetime, set_by: str | None) -> Deadline:
        if rule.hours is not None:
            due = at + timedelta(hours=rule.hours)
        else:
            due = self._calendar.add_working_days(at, rule.working_days or 0)
        return Deadline(
            rule.kind,
            due,
            due - timedelta(hours=rule.nearing),
            rule.legal_source_en,
            working_days=rule.hours is None,
            pausable=rule.pausable,
            pause_days=rule.pause_days,
            set_by=set_by,
        )

    def _in_force(self, kind: str, day: date) -> DeadlineRule:
        rules = self._rules[kind]
        return next((rule for rule in reversed(rules) if rule.effective_from <= day), rules[0])

    def _own(self, unit: str, kind: str, day: date) -> LocalRule | None:
        rules = self._local.get((unit, kind), ())
        return next((rule for rule in rules if rule.effective_from <= day < _ends(rule)), None)


def _row(model: type[Any], row: Mapping[str, Any], file: str) -> Any:
    try:
        # A list in the file is a tuple in the rule, so that nobody changes it.
        return model(**{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()})
    except (TypeError, AttributeError) as error:
        raise ReferenceDataError(f"{file}: {row}: {error}") from None


def _check(rule: DeadlineRule, pause_reasons: Collection[str]) -> None:
    where = f"{_FILE}: {rule.kind}"
    _check_length(rule, where)
    if not (rule.vi and rule.en and rule.starts and rule.legal_source_vi and rule.legal_source_en):
        raise ReferenceDataError(f"{where} needs names and legal source in both languages, and what starts it")
    if rule.effective_to and rule.effective_to <= rule.effective_from:
        raise ReferenceDataError(f"{where} ends before it begins")
    if unknown := set(rule.pausable) - set(pause_reasons):
        raise ReferenceDataError(f"{where}: {', '.join(sorted(unknown))} is no reason to pause in terms.yaml")
    if bool(rule.pausable) != (rule.pause_days > 0):
        raise ReferenceDataError(f"{where} needs reasons to pause and how many days at most, or neither")
    if rule.pausable and not (rule.pause_source_vi and rule.pause_source_en):
        raise ReferenceDataError(f"{where} needs the source of its pausing in both languages")


def _check_length(rule: DeadlineRule | LocalRule, where: str) -> None:
    if (rule.hours is None) == (rule.working_days is None):
        raise ReferenceDataError(f"{where} needs either hours or working_days")
    if (rule.hours or rule.working_days or 0) <= 0:
        raise ReferenceDataError(f"{where} must last longer than nothing")
    length = rule.hours if rule.hours is not None else 24 * (rule.working_days or 0)
    if not 0 <= rule.nearing < length:
        raise ReferenceDataError(f"{where}: nearing must lie between its start and its end")


def _check_follows(earlier: DeadlineRule, later: DeadlineRule) -> None:
    if earlier.effective_to is None or earlier.effective_to > later.effective_from:
        raise ReferenceDataError(f"{_FILE}: two rules of {later.kind} are in force at once")
    if earlier.effective_to < later.effective_from:
        raise ReferenceDataError(f"{_FILE}: {later.kind} has no rule from {earlier.effective_to} on")


def _where(own: LocalRule) -> str:
    return f"{_LOCAL_FILE}: {own.unit}, {own.kind}, from {own.effective_from}"


def _ends(rule: LocalRule | DeadlineRule) -> date:
    return rule.effective_to or date.max


def _check_local(own: LocalRule, laws: Sequence[DeadlineRule], units: Collection[str]) -> None:
    where = _where(own)
    if own.unit not in units:
        raise ReferenceDataError(f"{where}: there is no such commune or province")
    if not laws:
        raise ReferenceDataError(f"{where}: there is no such clock in {_FILE}")
    _check_length(own, where)
    if not (own.legal_source_vi and own.legal_source_en):
        raise ReferenceDataError(f"{where} needs the decision as its source, in both languages")
    if _ends(own) <= own.effective_from:
        raise ReferenceDataError(f"{where} ends before it begins")
    for law in laws:
        overlaps = law.effective_from < _ends(own) and own.effective_from < _ends(law)
        if overlaps and not _is_shorter(own, law):
            raise ReferenceDataError(f"{where}: a local clock must be shorter than the law's of {law.effective_from}")


def _is_shorter(own: LocalRule, law: DeadlineRule) -> bool:
    """Whether it is never longer, whenever it starts: any holiday stretches working days, nothing stretches hours."""
    if own.hours is not None:
        return own.hours < law.shortest_hours
    return law.working_days is not None and (own.working_days or 0) < law.working_days
