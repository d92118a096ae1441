"""The province's indicators as data: what is divided by what, over which time, by which law, and what was aimed at.

It says which measure is asked and how; what a measure is and how it is counted is statistics' to say, which checks
these rows against what it can answer. A province adds an indicator by data alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Final, Literal, Self, get_args

from shared.reference.files import ReferenceDataError, first_day, kept, read_yaml

_FILE: Final = "indicators.yaml"
Shape = Literal["count", "ratio", "percentile", "reported"]
Direction = Literal["lower", "higher", "neither"]
Over = Literal["period", "state"]
Level = Literal["province", "commune"]
Against = int | Literal["year-before"]
NumberUnit = Literal["number", "percent", "per-thousand", "per-100000", "hours", "days", "points"]
_SCALES: Final[Mapping[NumberUnit, float]] = {
    "number": 1,
    "percent": 100,
    "per-thousand": 1_000,
    "per-100000": 100_000,
    "hours": 1,
    "days": 1,
    "points": 1,
}


@dataclass(frozen=True, slots=True)
class Part:
    """What is counted: a measure, and which values of which of its dimensions.

    `over`: `period` counts what happened in the period (the measure has a day), `state` what stands at its end.
    """

    measure: str
    over: Over
    where: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Target:
    """What is aimed at by the end of a year; `yearly`: in each year up to it, too.

    Either a `value`, or a `change` in per cent `against` what was in another year (`"year-before"`: in the one before).
    `effective_to`: the first day it is no more in force.
    """

    year: int
    level: Level
    value: float | None
    legal_source_vi: str
    legal_source_en: str
    effective_to: date | None = None
    change: float | None = None
    against: Against | None = None
    yearly: bool = False

    def base_year(self, year: int) -> int | None:
        """Whose value must be known to say what is aimed at in a year; None: nobody's."""
        return year - 1 if self.against == "year-before" else self.against

    def against_base(self, base: float | None) -> Target:
        """The same with the value that it comes to. In: what was in the base year, None where nobody knows: then nobody
        knows what is aimed at, either."""
        if self.change is None or base is None:
            return self
        return replace(self, value=base * (1 + self.change / 100))

    def due(self, year: int) -> bool:
        """Whether it must be reached in a year: a target that lies ahead is not missed yet."""
        return year == self.year or (self.yearly and year < self.year)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One indicator.

    `shape`: a `count`; a `ratio` of numerator and denominator; a `percentile` (`at` per cent) of the hours in the
    numerator's `hours`; `reported`: handed in as a figure by whoever is named in `reported_by`. `scale` of a ratio is
    its unit's. `by`: the dimensions it is broken down by, each one of all of its measures. `announced`: told as an
    event whenever it changes. `baselines`: values of years before the platform, that targets are set against.
    """

    code: str
    theme: str
    shape: Shape
    unit: NumberUnit
    better: Direction
    vi: str
    en: str
    legal_source_vi: str
    legal_source_en: str
    effective_from: date
    numerator: Part | None = None
    denominator: Part | None = None
    at: int = 0
    by: tuple[str, ...] = ()
    reported_by: str | None = None
    effective_to: date | None = None
    targets: tuple[Target, ...] = ()
    note_vi: str = ""
    note_en: str = ""
    announced: bool = False
    baselines: Mapping[int, float] = field(default_factory=dict)

    @property
    def scale(self) -> float:
        """By what a ratio is multiplied to be in its unit."""
        return _SCALES[self.unit]

    def label(self, language: str = "vi") -> str:
        """Its name."""
        return self.vi if language == "vi" else self.en

    def source(self, language: str = "vi") -> str:
        """On what ground it is counted."""
        return self.legal_source_vi if language == "vi" else self.legal_source_en

    def note(self, language: str = "vi") -> str:
        """What one has to know to read it; empty: nothing."""
        return self.note_vi if language == "vi" else self.note_en

    def in_force(self, day: date) -> bool:
        """Whether it is asked on a day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)

    @property
    def adds_up(self) -> bool:
        """Whether it grows as its period goes on: what happened, counted, or by how many there are. A share of what
        happened, a state, a percentile do not: of them a part of a year is as good as the whole."""
        if self.numerator is None:
            return self.unit not in {"percent", "points"}
        if self.numerator.over == "state" or self.shape == "percentile":
            return False
        return self.denominator is None or self.denominator.over == "state"

    def target(self, year: int, level: Level = "province", on: date | None = None) -> Target | None:
        """What is aimed at for a year: its own target, else the next one that lies ahead. `on`: of those in force on a
        day (without a day: of those that did not end)."""
        ahead = [
            target
            for target in self.targets
            if target.level == level
            and target.year >= year
            and (target.effective_to is None or (on is not None and on < target.effective_to))
        ]
        return min(ahead, key=lambda target: target.year, default=None)

    def met(self, value: float, target: Target) -> bool | None:
        """Whether a value reaches a target; None where neither direction is better, or the aim is not known."""
        if self.better == "neither" or target.value is None:
            return None
        return value <= target.value if self.better == "lower" else value >= target.value


class Indicators:
    """All indicators, past and present, in the order of the file."""

    def __init__(self, indicators: Sequence[Indicator], themes: Mapping[str, tuple[str, str]]) -> None:
        self._by_code = {indicator.code: indicator for indicator in indicators}
        self.themes = themes

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        data = read_yaml(_FILE)
        themes = {code: (words["vi"], words["en"]) for code, words in data["themes"].items() if words}
        source = data["source"]
        rows = [_indicator(code, row, source) for code, row in data["indicators"].items() if row is not None]
        for indicator in rows:
            if indicator.theme not in themes:
                raise _wrong(indicator.code, f"theme {indicator.theme} is none of {', '.join(themes)}")
        return cls(rows, themes)

    def __iter__(self) -> Iterator[Indicator]:
        return iter(self._by_code.values())

    def __len__(self) -> int:
        return len(self._by_code)

    def get(self, code: str) -> Indicator | None:
        """By code."""
        return self._by_code.get(code)

    def theme(self, code: str, language: str = "vi") -> str:
        """A theme's name; of one that there is no more, its code."""
        vi, en = self.themes.get(code, (code, code))
        return vi if language == "vi" else en

    def on(self, day: date) -> tuple[Indicator, ...]:
        """Those in force on a day."""
        return tuple(indicator for indicator in self if indicator.in_force(day))


_KEYS: Final = frozenset(
    {
        *("theme", "shape", "unit", "better", "vi", "en", "numerator", "denominator", "at", "by", "reported_by"),
        *("legal_source_vi", "legal_source_en", "effective_from", "effective_to", "targets", "note_vi", "note_en"),
        *("announced", "baselines"),
    }
)


def _indicator(code: str, row: Mapping[str, Any], source: Mapping[str, str]) -> Indicator:
    if unknown := set(row) - _KEYS:
        raise _wrong(code, f"there is no {', '.join(sorted(unknown))}")
    try:
        found = Indicator(
            code=code,
            theme=row["theme"],
            shape=_one_of(code, "shape", row["shape"], get_args(Shape)),
            unit=_one_of(code, "unit", row["unit"], get_args(NumberUnit)),
            better=_one_of(code, "better", row.get("better", "neither"), get_args(Direction)),
            vi=row["vi"],
            en=row["en"],
            legal_source_vi=row.get("legal_source_vi", source["legal_source_vi"]),
            legal_source_en=row.get("legal_source_en", source["legal_source_en"]),
            effective_from=first_day(row.get("effective_from")),
            effective_to=row.get("effective_to"),
            numerator=_part(code, row.get("numerator")),
            denominator=_part(code, row.get("denominator")),
            at=row.get("at", 0),
            by=tuple(row.get("by", ())),
            reported_by=row.get("reported_by"),
            targets=_targets(code, row, source),
            note_vi=row.get("note_vi", ""),
            note_en=row.get("note_en", ""),
            announced=row.get("announced", False),
            baselines={int(year): float(value) for year, value in row.get("baselines", {}).items()},
        )
    except KeyError as missing:
        raise _wrong(code, f"{missing.args[0]} is missing") from None
    _check(found)
    return found


_TARGET_KEYS: Final = frozenset(
    {"year", "level", "value", "change", "against", "yearly", "legal_source_vi", "legal_source_en", "effective_to"}
)


def _targets(code: str, row: Mapping[str, Any], source: Mapping[str, str]) -> tuple[Target, ...]:
    found = tuple(_target(code, target, {**source, **row}) for target in row.get("targets", ()))
    at = [(target.year, target.level) for target in found if target.effective_to is None]
    if len(set(at)) < len(at):
        raise _wrong(code, "two targets of one year and level are in force")
    return found


def _target(code: str, row: Mapping[str, Any], source: Mapping[str, Any]) -> Target:
    if unknown := set(row) - _TARGET_KEYS:
        raise _wrong(code, f"a target has no {', '.join(sorted(unknown))}")
    if ("value" in row) == ("change" in row) or ("change" in row) != ("against" in row):
        raise _wrong(code, "a target has a value, or a change against the value of a year")
    against = row.get("against")
    if against is not None and against != "year-before" and not (isinstance(against, int) and against < row["year"]):
        raise _wrong(code, "a target is set against an earlier year, or the year-before")
    return Target(
        year=row["year"],
        level=_one_of(code, "level", row.get("level", "province"), get_args(Level)),
        value=float(row["value"]) if "value" in row else None,
        legal_source_vi=row.get("legal_source_vi", source["legal_source_vi"]),
        legal_source_en=row.get("legal_source_en", source["legal_source_en"]),
        effective_to=row.get("effective_to"),
        change=float(row["change"]) if "change" in row else None,
        against=against,
        yearly=row.get("yearly", False),
    )


def _part(code: str, row: Mapping[str, Any] | None) -> Part | None:
    if row is None:
        return None
    where = {}
    for dimension, values in row.get("where", {}).items():
        listed = values if isinstance(values, list) else [values]
        if not listed or not all(isinstance(value, str) for value in listed):
            raise _wrong(code, f"the values of {dimension} must be words in quotes")
        where[dimension] = tuple(listed)
    return Part(row["measure"], _one_of(code, "over", row.get("over", "period"), get_args(Over)), where)


def _check(indicator: Indicator) -> None:
    shape, code = indicator.shape, indicator.code
    if (shape == "reported") != (indicator.reported_by is not None):
        raise _wrong(code, "`reported_by` belongs to reported figures, and to them only")
    if (shape == "reported") == (indicator.numerator is not None):
        raise _wrong(code, "a reported figure has no numerator, every other has one")
    if (shape == "ratio") != (indicator.denominator is not None):
        raise _wrong(code, "a ratio has a denominator, and nothing else has")
    if (shape == "percentile") != (0 < indicator.at < 100):
        raise _wrong(code, "a percentile says `at` which per cent, and nothing else does")
    if indicator.effective_to is not None and indicator.effective_to <= indicator.effective_from:
        raise _wrong(code, "it ends before it begins")


def _one_of(code: str, field: str, value: Any, known: tuple[Any, ...]) -> Any:
    if value not in known:
        raise _wrong(code, f"{field} is none of {', '.join(known)}")
    return value


def _wrong(code: str, rule: str) -> ReferenceDataError:
    return ReferenceDataError(f"{_FILE}: {code}: {rule}")
