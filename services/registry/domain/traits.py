"""What tells children apart, and the keys under which they are filed and looked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from services.registry.domain.names import Name, fold, person, plain
from shared.contracts.vocabulary import ChildDescription, Sex


@dataclass(frozen=True, slots=True)
class TraitKeys:
    """What `search_keys`, `blocking_keys` and `claim_keys` answer for some traits."""

    search: frozenset[int]
    blocking: frozenset[int]
    claim: tuple[int, ...]


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
    roles: tuple[str, ...] = ()  # of the carers, in their order; nothing where it is not said
    nicknames: tuple[Name, ...] = ()
    estimated: bool = False  # the birth year, from an age
    # Worked out before (`with_keys`), of these very traits: whoever changes one of them leaves this out.
    keys: TraitKeys | None = field(default=None, compare=False, repr=False)


MOTHER: Final = "mother"
FATHER: Final = "father"
_ROLES: Final = {"me": MOTHER, "bo": FATHER, "cha": FATHER, "mother": MOTHER, "father": FATHER}


def traits_of(description: ChildDescription, unit: str | None, as_of: date) -> Traits:
    """The traits of a description made on `as_of` in commune `unit`."""
    born = description.birth_date
    year = born.year if born else None
    if year is None and description.age is not None:
        year = as_of.year - description.age
    number = "".join(letter for letter in description.number or "" if letter.isdigit())
    name, nicknames = person(description.name)
    carers = [carer for carer in description.carers if carer.name]
    return Traits(
        name=name,
        # A date of which only the year is known is written as its first day.
        birth_date=None if description.birth_precision == "year" else born,
        birth_year=year,
        sex=description.sex,
        number=number if len(number) == 12 else None,
        carers=tuple(person(carer.name)[0] for carer in carers),
        unit=unit,
        hamlet=fold(description.hamlet),
        ethnicity=fold(description.ethnicity),
        roles=tuple(_ROLES.get(fold(carer.relation), "") for carer in carers),
        nicknames=nicknames,
        estimated=born is None,
    )


def with_keys(traits: Traits) -> Traits:
    """The same, with the keys worked out: for whoever asks for them in another process, or more than once."""
    return replace(traits, keys=TraitKeys(search_keys(traits), blocking_keys(traits), claim_keys(traits)))


def blocking_keys(traits: Traits) -> frozenset[int]:
    """The keys under which a child is filed: two descriptions of one child share at least one, even with a slip."""
    return traits.keys.blocking if traits.keys else frozenset(map(_hashed, _file_parts(traits)))


def search_keys(traits: Traits) -> frozenset[int]:
    """The keys under which a described child is looked for: those of filing, and those of a neighbouring year."""
    if traits.keys:
        return traits.keys.search
    parts = _file_parts(traits)
    turned = swapped(traits.birth_date)
    if turned is not None:
        parts += _day_parts(traits, turned)
    if traits.birth_year is not None:
        spread = (1,) if traits.birth_date else (1, 2)
        for off in (sign * step for step in spread for sign in (-1, 1)):
            parts += _year_parts(traits, traits.birth_year + off)
    return frozenset(map(_hashed, parts))


def claim_keys(traits: Traits) -> tuple[int, ...]:
    """What two replicas that register the same child in the same moment are bound to meet on, in a fixed order."""
    if traits.keys:
        return traits.keys.claim
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
        parts += [f"cu|{whole(carer)}|{traits.unit}" for carer in traits.carers]
        parts.append(f"fu|{whole(traits.name)}|{traits.unit}")
    if traits.birth_year is not None:
        parts += _year_parts(traits, traits.birth_year)
    return parts


def _day_parts(traits: Traits, day: date) -> list[str]:
    born = day.isoformat()
    parts = [f"gd|{plain(traits.name.given)}|{born}", *(f"cd|{whole(carer)}|{born}" for carer in traits.carers)]
    if traits.unit:
        parts.append(f"ud|{traits.unit}|{born}")
    return parts


def swapped(day: date | None) -> date | None:
    """The date with day and month changed, where that is a date; else None."""
    return day.replace(month=day.day, day=day.month) if day is not None and day.day <= 12 else None


def _year_parts(traits: Traits, year: int) -> list[str]:
    parts = [f"fy|{whole(traits.name)}|{year}"]
    if traits.unit:
        parts.append(f"gyu|{plain(traits.name.given)}|{year}|{traits.unit}")
    return parts


@lru_cache(50_000)
def whole(name: Name) -> str:
    """A name without what clerks vary, its words in one order."""
    return ".".join(sorted(map(plain, name.tokens)))


def _hashed(part: str) -> int:
    """A key as a signed 64-bit number: small in the index, and no name in it."""
    return int.from_bytes(blake2b(part.encode(), digest_size=8).digest(), "big", signed=True)
