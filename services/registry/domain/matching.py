"""Whether two descriptions are one child: weighed evidence, guarded against twins, siblings and namesakes.

A wrong union puts one child's story on another, so certainty asks for more than likelihood: what it cannot prove it
leaves to a person. The weights are logarithms of likelihood ratios (Fellegi and Sunter, 1969), set by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein

from services.registry.domain.names import Likeness, Name, compare_given, compare_names, name_of, plain
from shared.contracts.vocabulary import ChildDescription, Sex

# Above it two descriptions are taken for one child without asking anybody; below the other they are two.
SURE: Final = 0.99
POSSIBLE: Final = 0.25
# One in so many children that share a blocking key is the one looked for.
_PRIOR: Final = math.log(1 / 300)
_MOST_CANDIDATES: Final = 5
# Of two that are both sure, the better one is taken where it is twenty times as likely.
_CLEARLY: Final = 3.0


@dataclass(frozen=True, slots=True)
class Traits:
    """What a description says that tells children apart."""

    name: Name
    birth_date: date | None = None
    birth_year: int | None = None
    sex: Sex = "unknown"
    number: str | None = None
    carers: tuple[Name, ...] = ()
    unit: str | None = None
    hamlet: str = ""
    ethnicity: str = ""


def traits_of(description: ChildDescription, unit: str | None, as_of: date) -> Traits:
    """The traits of a description made on `as_of` in commune `unit`."""
    year = description.birth_date.year if description.birth_date else None
    if year is None and description.age is not None:
        year = as_of.year - description.age
    number = "".join(letter for letter in description.number or "" if letter.isdigit())
    return Traits(
        name=name_of(description.name),
        birth_date=description.birth_date,
        birth_year=year,
        sex=description.sex,
        number=number if len(number) == 12 else None,
        carers=tuple(name_of(carer.name) for carer in description.carers if carer.name),
        unit=unit,
        hamlet=name_of(description.hamlet).folded,
        ethnicity=name_of(description.ethnicity).folded,
    )


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


def compare(one: Traits, other: Traits) -> Comparison:
    """Weigh two descriptions."""
    found = Comparison()
    name = compare_names(one.name, other.name)
    given = compare_given(one.name, other.name)
    birth = _birth(found, one, other)
    _name(found, name)
    number = _number(found, one, other)
    carers = _carers(found, one, other)
    _place(found, one, other)
    if one.sex != "unknown" and other.sex != "unknown":
        found.says(0.6 if one.sex == other.sex else -3.0, "sex-same" if one.sex == other.sex else "sex-differs")
    if one.ethnicity and other.ethnicity:
        same = one.ethnicity == other.ethnicity
        found.says(0.4 if same else -0.8, "ethnicity-same" if same else "ethnicity-differs")
    _guard(found, name, given, birth, number, carers)
    return found


def _name(found: Comparison, name: Likeness) -> None:
    weight, reason = {
        Likeness.SAME: (5.5, "name-same"),
        Likeness.UNMARKED: (5.0, "name-same-without-marks"),
        Likeness.SLIP: (4.0, "name-slip"),
        Likeness.NEAR: (0.5, "name-near"),
        Likeness.OTHER: (-4.5, "name-differs"),
    }[name]
    found.says(weight, reason)


def _birth(found: Comparison, one: Traits, other: Traits) -> str:
    """Weigh the birth dates. Out: same, near (a slip), unknown or other."""
    if one.birth_date is None or other.birth_date is None:
        if one.birth_year is None or other.birth_year is None:
            return "unknown"
        apart = abs(one.birth_year - other.birth_year)
        # An estimated age is a year or two off as often as not.
        found.says(*((1.0, "age-fits") if apart <= 2 else (-4.0, "age-differs")))
        return "unknown" if apart <= 2 else "other"
    kind = birth_likeness(one.birth_date, other.birth_date)
    weight, reason, likeness = {
        "same": (6.5, "birth-date-same", "same"),
        "swapped": (4.0, "birth-date-swapped", "near"),
        "year-off": (2.5, "birth-year-off", "near"),
        "day-off": (4.0, "birth-day-off", "near"),
        "slip": (2.0, "birth-date-slip", "near"),
        "year-only": (2.0, "birth-year-same", "near"),
        "other": (-4.0, "birth-date-differs", "other"),
    }[kind]
    found.says(weight, reason)
    return likeness


def birth_likeness(one: date, other: date) -> str:
    """How two birth dates stand to each other: same, swapped, year-off, day-off, slip, year-only or other."""
    if one == other:
        return "same"
    if one.year == other.year:
        if (one.day, one.month) == (other.month, other.day):
            return "swapped"
        if abs((one - other).days) == 1:
            return "day-off"
        # Registers write 1 January where only the year is known.
        if (1, 1) in {(one.month, one.day), (other.month, other.day)}:
            return "year-only"
        written = DamerauLevenshtein.distance(one.strftime("%d%m"), other.strftime("%d%m"))
        return "slip" if written == 1 else "other"
    if abs(one.year - other.year) == 1 and (one.month, one.day) == (other.month, other.day):
        return "year-off"
    return "day-off" if abs((one - other).days) == 1 else "other"


def _number(found: Comparison, one: Traits, other: Traits) -> str:
    if one.number is None or other.number is None:
        return "unknown"
    if one.number == other.number:
        found.says(11.0, "number-same")
        return "same"
    # Neighbours in a register differ by a digit as slips do, so a near number proves nothing either way.
    if DamerauLevenshtein.distance(one.number, other.number) <= 1:
        found.reasons.append("number-near")
        return "near"
    found.says(-6.0, "number-differs")
    return "other"


def _carers(found: Comparison, one: Traits, other: Traits) -> str:
    if not one.carers or not other.carers:
        return "unknown"
    levels = sorted((max(compare_names(mine, theirs) for theirs in other.carers) for mine in one.carers), reverse=True)
    best = levels[0]
    if best >= Likeness.SLIP:
        found.says(4.5 if best >= Likeness.UNMARKED else 3.5, "carer-same")
        if len(levels) > 1 and levels[1] >= Likeness.SLIP:
            found.says(1.5, "carers-both-same")
        return "same"
    # A school may know the grandmother where the commune knows the mother.
    found.says(-1.0 if best is Likeness.NEAR else -3.0, "carers-differ")
    return "other"


def _place(found: Comparison, one: Traits, other: Traits) -> None:
    if one.unit is not None and other.unit is not None:
        found.says(*((3.0, "commune-same") if one.unit == other.unit else (-1.0, "commune-differs")))
        if one.unit == other.unit and one.hamlet and other.hamlet:
            found.says(*((1.0, "hamlet-same") if one.hamlet == other.hamlet else (-1.0, "hamlet-differs")))


def _guard(found: Comparison, name: Likeness, given: Likeness, birth: str, number: str, carers: str) -> None:
    """What no sum of evidence may override."""
    if number == "same":
        # Clerks copy a sibling's number; a full name and a carer besides make up for a birth date written wrong.
        if given < Likeness.SLIP or (birth == "other" and (name < Likeness.SLIP or carers != "same")):
            found.at_most(0.9, "guard-number-on-another")
        return
    if given <= Likeness.NEAR:
        # Twins and siblings share everything but the given name. With one that only sounds alike a person looks.
        found.at_most(0.7 if given is Likeness.NEAR else 0.05, "guard-twin-or-sibling")
    elif name <= Likeness.NEAR:
        found.at_most(0.9, "guard-middle-name")
    if birth == "other":
        found.at_most(0.3, "guard-birth-date")
    if number == "other":
        found.at_most(0.3, "guard-other-number")
    if carers == "other":
        # Namesakes born on one day do meet, and so do carers whom only one register knows.
        found.at_most(0.9, "guard-namesake")
    if birth == "unknown":
        found.at_most(0.9, "guard-birth-unknown")


@lru_cache(4096)
def blocking_keys(traits: Traits) -> frozenset[int]:
    """The keys under which a child is filed: two descriptions of one child share at least one, even with a slip."""
    return frozenset(map(_hashed, _file_parts(traits)))


@lru_cache(4096)
def search_keys(traits: Traits) -> frozenset[int]:
    """The keys under which a described child is looked for: those of filing, and those of a neighbouring year."""
    parts = _file_parts(traits)
    swapped = _swapped(traits.birth_date)
    if swapped is not None:
        parts += _day_parts(traits, swapped)
    if traits.birth_year is not None:
        spread = (1,) if traits.birth_date else (1, 2)
        for off in (sign * step for step in spread for sign in (-1, 1)):
            parts += _year_parts(traits, traits.birth_year + off)
    return frozenset(map(_hashed, parts))


@lru_cache(4096)
def claim_keys(traits: Traits) -> tuple[int, ...]:
    """What two replicas that register the same child in the same moment are bound to meet on, in a fixed order."""
    parts: list[str] = []
    if traits.number:
        parts.append(f"claim|n|{traits.number}")
    born = traits.birth_date.isoformat() if traits.birth_date else f"{traits.birth_year or ''}|{traits.unit or ''}"
    parts.append(f"claim|b|{'.'.join(sorted(map(plain, traits.name.tokens)))}|{born}")
    if traits.birth_date and traits.unit:
        parts.append(f"claim|u|{born}|{traits.unit}")
    return tuple(sorted(map(_hashed, parts)))


def _file_parts(traits: Traits) -> list[str]:
    parts: list[str] = []
    if traits.number:
        parts.append(f"n|{traits.number}")
    if traits.birth_date:
        parts += _day_parts(traits, traits.birth_date)
    if traits.unit:
        parts += [f"cu|{_whole(carer)}|{traits.unit}" for carer in traits.carers]
        parts.append(f"fu|{_whole(traits.name)}|{traits.unit}")
    if traits.birth_year is not None:
        parts += _year_parts(traits, traits.birth_year)
    return parts


def _day_parts(traits: Traits, day: date) -> list[str]:
    born = day.isoformat()
    parts = [f"gd|{plain(traits.name.given)}|{born}", *(f"cd|{_whole(carer)}|{born}" for carer in traits.carers)]
    if traits.unit:
        parts.append(f"ud|{traits.unit}|{born}")
    return parts


def _swapped(day: date | None) -> date | None:
    return day.replace(month=day.day, day=day.month) if day is not None and day.day <= 12 else None


def _year_parts(traits: Traits, year: int) -> list[str]:
    parts = [f"fy|{_whole(traits.name)}|{year}"]
    if traits.unit:
        parts.append(f"gyu|{plain(traits.name.given)}|{year}|{traits.unit}")
    return parts


@lru_cache(50_000)
def _whole(name: Name) -> str:
    return ".".join(sorted(map(plain, name.tokens)))


def _hashed(part: str) -> int:
    """A key as a signed 64-bit number: small in the index, and no name in it."""
    return int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big", signed=True)


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
        best = max(
            (compare(wanted, description) for description in descriptions), key=lambda c: (c.probability, c.weight)
        )
        if best.probability >= POSSIBLE:
            matches.append(Match(child_id, best.probability, tuple(best.reasons), best.weight))
    matches.sort(key=lambda match: (-match.weight, match.child_id))
    sure = [match for match in matches if match.probability >= SURE]
    # Two that look equally certain are a question, not an answer.
    clear = len(sure) == 1 or (len(sure) > 1 and sure[0].weight - sure[1].weight >= _CLEARLY)
    chosen = sure[0] if clear else None
    matches.sort(key=lambda match: (-match.probability, -match.weight, match.child_id))
    return Identification(chosen, tuple(matches[:_MOST_CANDIDATES]))
