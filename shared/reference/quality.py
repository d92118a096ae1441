"""What a good record of a child is, as data: rules on single records, and doubts about a commune's figures as a whole.

It says what is asked, in a small closed vocabulary; whether a record breaks a rule is for the registry to find out. A
province adds a rule by data alone, and a rule that makes no sense is refused by its name.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, Self, get_args

from shared.contracts.vocabulary import ChildDescription, Register
from shared.reference.dated import in_force, in_order
from shared.reference.files import ReferenceDataError, kept, read_yaml

_FILE = "quality.yaml"
Kind = Literal["impossible", "contradictory", "missing", "stale"]
Severity = Literal["serious", "medium", "slight"]
Act = Literal["correct", "verify", "circumstances", "contradictions", "matches"]
Measure = Literal["special-share", "male-share", "first-of-january-share"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
ANY: Final = "any"
# Days of a record that can be compared.
DAYS: Final = frozenset({"birth", "told", "recorded", "verified", "stay", "circumstance"})
PRECISIONS: Final = frozenset({"year", "month", "age"})
_FIELDS: Final = frozenset({*ChildDescription.model_fields, "unit"})


class _Lasting:
    """What is asked from a day on, and maybe only until another."""

    __slots__ = ()
    effective_from: date
    effective_to: date | None

    def in_force(self, day: date) -> bool:
        """Whether it is asked on a day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


@dataclass(frozen=True, slots=True)
class Rule(_Lasting):
    """One rule on records; what each part means is said in the data file."""

    code: str
    kind: Kind
    severity: Severity
    vi: str
    en: str
    say_vi: str
    say_en: str
    todo_vi: str
    todo_en: str
    act: Act
    minutes: float
    effective_from: date
    when: Mapping[str, Any]
    legal_source_vi: str
    legal_source_en: str
    field: str | None = None
    effective_to: date | None = None

    def label(self, language: str = "vi") -> str:
        """What is wrong with a record that breaks it."""
        return self.vi if language == "vi" else self.en

    def say(self, n: str, place: str, language: str = "vi") -> str:
        """How many children of a place break it, as a sentence."""
        return (self.say_vi if language == "vi" else self.say_en).format(n=n, place=place)

    def todo(self, language: str = "vi") -> str:
        """What mends it."""
        return self.todo_vi if language == "vi" else self.todo_en

    def source(self, language: str = "vi") -> str:
        """On what ground it is asked."""
        return self.legal_source_vi if language == "vi" else self.legal_source_en


@dataclass(frozen=True, slots=True)
class Doubt(_Lasting):
    """What looks wrong in a commune's figures as a whole."""

    code: str
    measure: Measure
    expected: float
    at_least: int
    vi: str
    en: str
    effective_from: date
    legal_source_vi: str
    legal_source_en: str
    below: float | None = None
    above: float | None = None
    effective_to: date | None = None

    def holds(self, share: float, of: int) -> bool:
        """Whether a share of so many children is to be doubted."""
        if of < self.at_least:
            return False
        return (self.below is not None and share < self.below) or (self.above is not None and share > self.above)

    def say(self, share: str, expected: str, language: str = "vi") -> str:
        """It in words."""
        return (self.vi if language == "vi" else self.en).format(share=share, expected=expected)


@dataclass(frozen=True, slots=True)
class Points:
    """What a rule costs a record, by severity, from a day on."""

    effective_from: date
    legal_source_vi: str
    legal_source_en: str
    serious: int
    medium: int
    slight: int
    kept_days: int

    def of(self, severity: Severity) -> int:
        """The points of a severity."""
        return int(getattr(self, severity))


class Quality:
    """All rules, doubts and points. Raises `ReferenceDataError` naming the rule that makes no sense."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        try:
            source = document["source"]
            self.rules = tuple(
                _rule(str(code), source, said) for code, said in document["rules"].items() if said is not None
            )
            self.doubts = tuple(
                _doubt(str(code), said) for code, said in document["doubts"].items() if said is not None
            )
            points = [_points(row) for row in document["points"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise ReferenceDataError(f"{_FILE}: {error!r}") from None
        if not points or not self.rules:
            raise ReferenceDataError(f"{_FILE}: rules and points are needed")
        self._points = in_order(points)
        self._by_code = {rule.code: rule for rule in self.rules}
        asked = {repr(one): one for rule in self.rules for one in rule.when.items()}
        # Every condition that any rule asks for, once.
        self.conditions: tuple[tuple[str, Any], ...] = tuple(asked.values())
        bounds = {day for rule in self.rules for day in (rule.effective_from, rule.effective_to) if day is not None}
        self._bounds = sorted(bounds)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_yaml(_FILE))

    def rule(self, code: str) -> Rule | None:
        """A rule by its code, whether in force or not."""
        return self._by_code.get(code)

    def on(self, day: date) -> tuple[Rule, ...]:
        """The rules in force on a day."""
        return tuple(rule for rule in self.rules if rule.in_force(day))

    def changes_after(self, day: date) -> date | None:
        """The first later day on which a rule comes into force or ends."""
        return next((bound for bound in self._bounds if bound > day), None)

    def points(self, day: date) -> Points:
        """The points in force on a day; before the first, the first."""
        return in_force(self._points, day)

    def fingerprint(self) -> str:
        """The same for the same rules, another for others: records are looked at anew when it changes."""
        return repr(
            [
                (rule.code, rule.effective_from, rule.effective_to, sorted(rule.when.items(), key=str))
                for rule in self.rules
            ]
        )


def _rule(code: str, source: Mapping[str, str], said: Mapping[str, Any]) -> Rule:
    where = f"{_FILE}: rules.{code}"
    try:
        rule = Rule(code=code, **{**source, **said})
    except TypeError as error:
        raise ReferenceDataError(f"{where}: {error}") from None
    _must(where, rule.kind in KINDS, f"kind is one of {', '.join(KINDS)}")
    _must(where, rule.severity in SEVERITIES, f"severity is one of {', '.join(SEVERITIES)}")
    _must(where, rule.act in get_args(Act), f"act is one of {', '.join(get_args(Act))}")
    _must(where, rule.field is None or rule.field in _FIELDS, f"there is no field {rule.field}")
    _must(where, rule.act != "correct" or rule.field is not None, "what is corrected needs its field")
    _must(where, _is_number(rule.minutes) and rule.minutes > 0, "minutes are a number above 0")
    _check_words(where, rule, ("vi", "en", "todo_vi", "todo_en"), frozenset())
    _check_words(where, rule, ("say_vi", "say_en"), frozenset({"n", "place"}))
    _check_life(where, rule)
    _must(where, isinstance(rule.when, Mapping) and bool(rule.when), "`when` needs a condition")
    for name, asked in rule.when.items():
        check = _CONDITIONS.get(name)
        if check is None:
            raise ReferenceDataError(f"{where}: there is no condition {name}; there are {', '.join(_CONDITIONS)}")
        try:
            fits = check(asked)
        except (TypeError, KeyError, AttributeError):
            fits = False
        _must(where, fits, f"the condition {name} cannot be {asked!r}")
    return rule


def _doubt(code: str, said: Mapping[str, Any]) -> Doubt:
    where = f"{_FILE}: doubts.{code}"
    try:
        doubt = Doubt(code=code, **said)
    except TypeError as error:
        raise ReferenceDataError(f"{where}: {error}") from None
    _must(where, doubt.measure in get_args(Measure), f"measure is one of {', '.join(get_args(Measure))}")
    bounds = [bound for bound in (doubt.below, doubt.above) if bound is not None]
    _must(where, len(bounds) == 1, "either `below` or `above` is needed")
    _must(where, all(_is_share(value) for value in (*bounds, doubt.expected)), "shares lie between 0 and 1")
    _must(where, _is_count(doubt.at_least, 1), "at_least is a number of children")
    _check_words(where, doubt, ("vi", "en"), frozenset({"share", "expected"}))
    _check_life(where, doubt)
    return doubt


def _points(said: Mapping[str, Any]) -> Points:
    where = f"{_FILE}: points"
    try:
        points = Points(**said)
    except TypeError as error:
        raise ReferenceDataError(f"{where}: {error}") from None
    given = [points.of(severity) for severity in SEVERITIES]
    _must(where, all(_is_count(value, 1) and value <= 100 for value in given), "points are numbers from 1 to 100")
    _must(where, given == sorted(given, reverse=True), "what is more serious cannot cost less")
    _must(where, _is_count(points.kept_days, 1), "kept_days is a number of days")
    _must(where, isinstance(points.effective_from, date), "effective_from is a date")
    _must(where, bool(points.legal_source_vi and points.legal_source_en), "the source is needed in both languages")
    return points


def _check_words(where: str, said: Any, names: Sequence[str], places: frozenset[str]) -> None:
    for name in names:
        words = getattr(said, name)
        _must(where, isinstance(words, str) and bool(words.strip()), f"{name} is needed")
        try:
            asked = {place for _, place, _, _ in string.Formatter().parse(words) if place is not None}
        except ValueError:
            asked = {words}
        _must(where, asked <= places, f"{name} has places for other than {', '.join(sorted(places)) or 'nothing'}")


def _check_life(where: str, said: Rule | Doubt) -> None:
    _must(where, isinstance(said.effective_from, date), "effective_from is a date")
    ends = said.effective_to
    _must(where, ends is None or (isinstance(ends, date) and ends > said.effective_from), "it ends before it begins")
    _must(where, bool(said.legal_source_vi and said.legal_source_en), "the source is needed in both languages")


def _must(where: str, fits: bool, why: str) -> None:
    if not fits:
        raise ReferenceDataError(f"{where}: {why}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _listed(known: frozenset[str] | None) -> Callable[[Any], bool]:
    def fits(asked: Any) -> bool:
        texts = isinstance(asked, list) and bool(asked) and all(isinstance(one, str) and one for one in asked)
        return texts and (known is None or set(asked) <= known)

    return fits


def _is_age(asked: Any) -> bool:
    if not isinstance(asked, Mapping) or not asked or not set(asked) <= {"from", "to"}:
        return False
    return all(_is_count(bound) for bound in asked.values()) and asked.get("from", 0) <= asked.get("to", 200)


def _is_order(asked: Any) -> bool:
    return set(asked) == {"first", "second"} and set(asked.values()) <= DAYS and asked["first"] != asked["second"]


def _is_grade(asked: Any) -> bool:
    return set(asked) == {"starts_at", "spread"} and all(_is_count(value) for value in asked.values())


def _is_older(asked: Any) -> bool:
    return set(asked) == {"fields", "months"} and _listed(_FIELDS)(asked["fields"]) and _is_count(asked["months"], 1)


def _or_any(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda asked: asked == ANY or fits(asked)


# The whole vocabulary: each condition with what it can be asked with.
_CONDITIONS: Final[dict[str, Callable[[Any], bool]]] = {
    "empty": _listed(_FIELDS),
    "filled": _listed(_FIELDS),
    "precision": _listed(PRECISIONS),
    "age": _is_age,
    "order": _is_order,
    "warned": _listed(None),
    "grade": _is_grade,
    "older": _is_older,
    "conflict": _or_any(_listed(_FIELDS)),
    "pair": lambda asked: asked == "waiting",
    "unverified_months": lambda asked: _is_count(asked, 1),
    "untold_months": lambda asked: _is_count(asked, 1),
    "verified": lambda asked: asked == "never",
    "circumstance": _or_any(_listed(None)),
    "without": _or_any(_listed(None)),
    "evidence": lambda asked: asked == "missing",
    "only_from": _listed(frozenset(get_args(Register))),
}
CONDITIONS: Final = frozenset(_CONDITIONS)
