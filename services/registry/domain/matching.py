"""Whether two descriptions are one child: weighed evidence, guarded against twins, siblings and namesakes.

A wrong union puts one child's story on another, so certainty asks for more than likelihood: what it cannot prove it
leaves to a person. The weights are logarithms of likelihood ratios (Fellegi and Sunter, 1969), set by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein

from services.registry.domain.names import (
    Likeness,
    Name,
    compare_given,
    compare_names,
    compare_people,
    may_be_alike,
)
from services.registry.domain.traits import FATHER, MOTHER, Traits

# Above it two descriptions are taken for one child without asking anybody; below the other they are two.
SURE: Final = 0.99
POSSIBLE: Final = 0.25
# One in so many children that share a blocking key is the one looked for.
_PRIOR: Final = math.log(1 / 300)
_MOST_CANDIDATES: Final = 5
# Of two that are both sure, the better one is taken where it is twenty times as likely.
_CLEARLY: Final = 3.0
# What one record says before and after is weighed without guards: -3 at the least where a birth date stayed, -10 for
# two children of one class.
_ANOTHER: Final = -5.0


_PARENTS: Final = frozenset({MOTHER, FATHER})


@dataclass(slots=True)
class Comparison:
    """How sure two descriptions are one child (`probability`), and why, as stable codes."""

    weight: float = _PRIOR
    ceiling: float = 0.9999
    reasons: list[str] = field(default_factory=list)

    def says(self, weight: float, reason: str) -> None:
        """Add one piece of evidence."""
        self.weight += weight
        self.reasons.append(reason)

    def at_most(self, probability: float, reason: str) -> None:
        """A guard: however much speaks for it, no surer than this."""
        if probability < self.ceiling:
            self.ceiling = probability
            self.reasons.append(reason)

    @property
    def probability(self) -> float:
        """0..1."""
        return round(min(self.ceiling, 1 / (1 + math.exp(-max(-30.0, min(30.0, self.weight))))), 4)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the guards look at."""

    name: Likeness
    given: Likeness
    birth: str  # same, near, unknown or other
    number: str  # same, near, unknown or other
    carers: str  # same, near, unknown, other, or others: more than one that is somebody else
    together: str  # what both live in: hamlet, maybe (one commune, the hamlet is not said), commune, or nothing


def compare(one: Traits, other: Traits) -> Comparison:
    """Weigh two descriptions."""
    found = Comparison()
    name = compare_names(one.name, other.name)
    seen = _Seen(
        birth=_birth(found, one, other),
        name=_name(found, name, one, other),
        given=compare_given(one.name, other.name),
        number=_number(found, one, other),
        carers=_carers(found, one, other),
        together=_place(found, one, other),
    )
    _rest(found, one, other)
    _guard(found, seen)
    return found


# What carers and a name can add at most, and a name that is another one.
_MOST_CARERS: Final = 6.0
_MOST_NAME: Final = 5.5
_MOST_OTHER_NAME: Final = 0.5
_LEAST_WEIGHT: Final = math.log(POSSIBLE / (1 - POSSIBLE))


def may_be(one: Traits, other: Traits) -> bool:
    """Whether `compare` may find them possibly one child. False only where it surely does not, at a part of its cost:
    names are weighed by their first and last words, carers by whether any of them can be the same person.
    """
    if one.number is not None and one.number == other.number:
        return True
    nicknamed = one.nicknames or other.nicknames or len(one.name.tokens) < 2 or len(other.name.tokens) < 2
    if not nicknamed and compare_given(one.name, other.name) is Likeness.OTHER:
        return False  # twins and siblings
    found = Comparison()
    _birth(found, one, other)
    _number(found, one, other)
    _place(found, one, other)
    _rest(found, one, other)
    found.weight += _MOST_NAME if may_be_alike(one.name, other.name) else _MOST_OTHER_NAME
    if found.weight < _LEAST_WEIGHT - _MOST_CARERS:
        return False
    if any(may_be_alike(mine, theirs) for mine in one.carers for theirs in other.carers):
        found.weight += _MOST_CARERS
    # A hair's breadth, for the order in which parts are added up.
    return found.weight > _LEAST_WEIGHT - 0.01


def _rest(found: Comparison, one: Traits, other: Traits) -> None:
    if one.sex != "unknown" and other.sex != "unknown":
        found.says(0.6 if one.sex == other.sex else -3.0, "sex-same" if one.sex == other.sex else "sex-differs")
    if one.ethnicity and other.ethnicity:
        same = one.ethnicity == other.ethnicity
        found.says(0.4 if same else -0.8, "ethnicity-same" if same else "ethnicity-differs")


def is_another(before: Traits, now: Traits) -> bool:
    """Whether one and the same record of a source says so little alike by now that it was given to another child.

    A source that corrects a name or a birth date, or names a newborn child, keeps something; a list that counts its
    rows from 1 again keeps nothing.
    """
    named = bool(before.name.tokens and now.name.tokens)
    return named and compare(before, now).weight < _ANOTHER


def is_called_like(one: Traits, other: Traits) -> bool:
    """Whether two are known by one name, slips of the pen aside."""
    return compare_names(one.name, other.name) >= Likeness.SLIP


def _name(found: Comparison, name: Likeness, one: Traits, other: Traits) -> Likeness:
    if name is Likeness.OTHER and (_called(one, other) or _called(other, one)):
        found.says(0.5, "nickname-same")
        found.at_most(0.7, "guard-nickname")
        return name
    weight, reason = {
        Likeness.SAME: (5.5, "name-same"),
        Likeness.UNMARKED: (5.0, "name-same-without-marks"),
        Likeness.SLIP: (4.0, "name-slip"),
        Likeness.NEAR: (0.5, "name-near"),
        Likeness.OTHER: (-4.5, "name-differs"),
    }[name]
    found.says(weight, reason)
    return name


def _called(short: Traits, full: Traits) -> bool:
    """Whether one is known by a single word, which is the other's given name or what it is called at home."""
    words = [short.name, *short.nicknames] if len(short.name.tokens) == 1 else list(short.nicknames)
    known = [Name(full.name.tokens[-1:], full.name.marked[-1:]), *full.nicknames]
    return any(compare_names(word, name) > Likeness.NEAR for word in words for name in known)


_BIRTHS: Final[dict[str, tuple[float, str, str]]] = {
    "same": (6.5, "birth-date-same", "same"),
    "swapped": (4.0, "birth-date-swapped", "near"),
    "year-off": (2.5, "birth-year-off", "near"),
    "day-off": (4.0, "birth-day-off", "near"),
    "slip": (2.0, "birth-date-slip", "near"),
    "year-only": (2.0, "birth-year-same", "near"),
    "two-slips": (-1.0, "birth-date-two-slips", "near"),
    "other": (-4.0, "birth-date-differs", "other"),
}


def _birth(found: Comparison, one: Traits, other: Traits) -> str:
    """Weigh the birth dates. Out: same, near (a slip), unknown or other."""
    if one.birth_date is not None and other.birth_date is not None:
        weight, reason, likeness = _BIRTHS[birth_likeness(one.birth_date, other.birth_date)]
        found.says(weight, reason)
        return likeness
    if one.birth_year is None or other.birth_year is None:
        return "unknown"
    apart = abs(one.birth_year - other.birth_year)
    if one.estimated or other.estimated:
        # An estimated age is a year or two off as often as not.
        found.says(*((1.0, "age-fits") if apart <= 2 else (-4.0, "age-differs")))
        return "unknown" if apart <= 2 else "other"
    if apart == 0:
        found.says(2.0, "birth-year-same")
        return "near"
    found.says(*((-1.0, "birth-year-off") if apart == 1 else (-4.0, "birth-date-differs")))
    return "unknown" if apart == 1 else "other"


# Slips in writing a day down that leave little doubt which day was meant.
_SLIPPED_DAY: Final = frozenset({"birth-date-swapped", "birth-day-off", "birth-year-off"})


def birth_likeness(one: date, other: date) -> str:
    """How two birth dates stand to each other: a key of `_BIRTHS`."""
    if one == other:
        return "same"
    days = _days_likeness(one, other)
    apart = abs(one.year - other.year)
    if apart == 0:
        return days
    near = abs((one - other).days)
    if near == 1:
        return "day-off"
    if days == "same" and (apart == 1 or _one_slip(str(one.year), str(other.year))):
        return "year-off"
    return "two-slips" if near <= 10 or (apart == 1 and days in {"day-off", "slip", "swapped"}) else "other"


_LEAP_YEAR: Final = [date(2000, 1, 1) + timedelta(days=place) for place in range(366)]
_PLACE_IN_YEAR: Final = {(day.month, day.day): place for place, day in enumerate(_LEAP_YEAR)}
_WRITTEN: Final = {(day.month, day.day): day.strftime("%d%m") for day in _LEAP_YEAR}


def _days_likeness(one: date, other: date) -> str:
    """The same of day and month alone."""
    mine, theirs = (one.month, one.day), (other.month, other.day)
    if mine == theirs:
        return "same"
    if mine == theirs[::-1]:
        return "swapped"
    apart = abs(_PLACE_IN_YEAR[mine] - _PLACE_IN_YEAR[theirs])
    if apart == 1:
        return "day-off"
    # Registers write 1 January where only the year is known.
    if (1, 1) in {mine, theirs}:
        return "year-only"
    if _one_slip(_WRITTEN[mine], _WRITTEN[theirs]):
        return "slip"
    return "two-slips" if apart <= 10 else "other"


def _one_slip(one: str, other: str) -> bool:
    return DamerauLevenshtein.distance(one, other, score_cutoff=1) <= 1


def _number(found: Comparison, one: Traits, other: Traits) -> str:
    if one.number is None or other.number is None:
        return "unknown"
    if one.number == other.number:
        found.says(11.0, "number-same")
        return "same"
    # Neighbours in a register differ by a digit as slips do, so a near number proves nothing either way.
    if _one_slip(one.number, other.number):
        found.reasons.append("number-near")
        return "near"
    found.says(-6.0, "number-differs")
    return "other"


def _carers(found: Comparison, one: Traits, other: Traits) -> str:
    levels = [
        (compare_people(mine, theirs), _comparable(one, at, other, place))
        for at, mine in enumerate(one.carers)
        for place, theirs in enumerate(other.carers)
    ]
    alike = sorted((level for level, _ in levels if level >= Likeness.SLIP), reverse=True)
    if alike:
        found.says(4.5 if alike[0] >= Likeness.UNMARKED else 3.5, "carer-same")
        if len(alike) > 1:
            found.says(1.5, "carers-both-same")
        elif any(level is Likeness.OTHER and _both_parent(one, other, at) for at, (level, _) in enumerate(levels)):
            found.says(-2.0, "carer-differs")
        return "same"
    # A list that knows the mother only says nothing against one that knows the father only.
    against = [level for level, comparable in levels if comparable]
    if not against:
        return "unknown"
    if max(against) is Likeness.NEAR:
        found.reasons.append("carer-near")
        return "near"
    # A school may know the grandmother where the commune knows the mother.
    found.says(-3.0, "carers-differ")
    return "others" if len(against) > 1 else "other"


def _comparable(one: Traits, at: int, other: Traits, place: int) -> bool:
    """Whether two carers would be the same person, were the children the same."""
    mine, theirs = _role(one, at), _role(other, place)
    return mine == theirs or not {mine, theirs} <= _PARENTS


def _both_parent(one: Traits, other: Traits, at: int) -> bool:
    """Whether the pair of carers at place `at` of all pairs is mother and mother, or father and father."""
    mine, theirs = divmod(at, len(other.carers))
    role = _role(one, mine)
    return role in _PARENTS and role == _role(other, theirs)


def _role(traits: Traits, at: int) -> str:
    return traits.roles[at] if at < len(traits.roles) else ""


def _place(found: Comparison, one: Traits, other: Traits) -> str:
    """Weigh where they live. Out: `hamlet`, `maybe` (one commune, a hamlet is not said), `commune` or nothing."""
    if one.unit is None or other.unit is None:
        return ""
    if one.unit != other.unit:
        found.says(-1.0, "commune-differs")
        return ""
    found.says(3.0, "commune-same")
    if one.hamlet and other.hamlet and one.hamlet != other.hamlet:
        found.says(-1.0, "hamlet-differs")
        return "commune"
    if not one.hamlet or not other.hamlet:
        return "maybe"
    found.says(1.0, "hamlet-same")
    return "hamlet"


def _guard(found: Comparison, seen: _Seen) -> None:
    """What no sum of evidence may override."""
    family = seen.carers == "same" and seen.together != "" and seen.name >= Likeness.UNMARKED
    if seen.number == "same":
        # Clerks copy a sibling's number; a full name and a carer besides make up for a birth date written wrong.
        wrong_date = seen.birth == "other" and (seen.name < Likeness.SLIP or seen.carers != "same")
        alike = seen.given is Likeness.NEAR and seen.birth == seen.carers == "same"
        if (seen.given < Likeness.SLIP and not alike) or wrong_date:
            found.at_most(0.9, "guard-number-on-another")
        return
    if seen.given <= Likeness.NEAR:
        # Twins and siblings share everything but the given name. With one that only sounds alike a person looks.
        near = seen.given is Likeness.NEAR or "nickname-same" in found.reasons
        found.at_most(0.7 if near else 0.05, "guard-twin-or-sibling")
    elif seen.name <= Likeness.NEAR:
        found.at_most(0.9, "guard-middle-name")
    if seen.birth == "other":
        # Nobody gives two living children one name; but a date that is all wrong is for a person to look at.
        found.at_most(0.9 if family else 0.3, "guard-birth-date")
    if seen.number == "other":
        found.at_most(0.7 if family and seen.birth == "same" else 0.3, "guard-other-number")
    if seen.carers.startswith("other"):
        # Namesakes born on one day do meet, and so do carers whom only one register knows.
        found.at_most(0.45 if seen.carers == "other" else 0.3, "guard-namesake")
    elif "carer-differs" in found.reasons and not seen.together:
        found.at_most(0.7, "guard-namesake")
    elif seen.carers != "same" and not _fits_alone(found, seen):
        # In a province there are a hundred of one name, and now and then two of one day.
        found.at_most(0.9, "guard-nothing-else")
    if seen.birth == "unknown" and not (family and _one_household(found, seen)):
        found.at_most(0.9, "guard-birth-unknown")


def _fits_alone(found: Comparison, seen: _Seen) -> bool:
    """Whether name, birth and place are enough without any carer: the same day in one commune, or in one hamlet a day
    with one slip in it. A hamlet has some hundreds of children, hardly ever two of one name so near to each other.
    """
    if seen.birth == "same":
        return seen.together in {"hamlet", "maybe"}
    slipped = seen.birth == "near" and not _SLIPPED_DAY.isdisjoint(found.reasons)
    return slipped and seen.together == "hamlet" and seen.name >= Likeness.UNMARKED


def _one_household(found: Comparison, seen: _Seen) -> bool:
    """Whether a birth that is not known is made up for: both carers the same, or one of them in the same hamlet and
    none against it. No family gives two living children one name."""
    alone = seen.together == "hamlet" and "carer-differs" not in found.reasons
    return "carers-both-same" in found.reasons or alone


@dataclass(frozen=True, slots=True)
class Match:
    """A known child and how sure it is the one."""

    child_id: str
    probability: float
    reasons: tuple[str, ...]
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Identification:
    """`sure` is the one child; without it `possible` are those between whom a person chooses, the likeliest first."""

    sure: Match | None
    possible: tuple[Match, ...]


def identify(wanted: Traits, known: Iterable[tuple[str, Sequence[Traits]]]) -> Identification:
    """Find the described child among known ones, each known by one or several descriptions."""
    matches: list[Match] = []
    for child_id, descriptions in known:
        compared = [compare(wanted, description) for description in descriptions if may_be(wanted, description)]
        best = max(compared, key=lambda c: (c.probability, c.weight), default=None)
        if best is not None and best.probability >= POSSIBLE:
            matches.append(Match(child_id, best.probability, tuple(best.reasons), best.weight))
    matches.sort(key=lambda match: (-match.weight, match.child_id))
    sure = [match for match in matches if match.probability >= SURE]
    # Two that look equally certain are a question, not an answer.
    clear = len(sure) == 1 or (len(sure) > 1 and sure[0].weight - sure[1].weight >= _CLEARLY)
    chosen = sure[0] if clear else None
    matches.sort(key=lambda match: (-match.probability, -match.weight, match.child_id))
    return Identification(chosen, tuple(matches[:_MOST_CANDIDATES]))
