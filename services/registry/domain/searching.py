"""What somebody looks for, as words of the index; and how near a child comes to it. No I/O.

Every child is filed under words (`child_words` in schema/search.sql): those of its name, alone and with its commune,
its year, its carers. A search asks for groups of words, of each of which the child must have one: first as they were
typed, then as they may have been meant. Near words come from the language itself: of the letters beside a word few
make one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel

from services.registry.domain.names import Name, cleaned, is_syllable, name_of, person
from services.registry.domain.slips import cost
from services.registry.domain.traits import swapped
from shared.contracts.vocabulary import RecordState
from shared.reference.text import fold

# The day from which the index counts birth dates.
_FIRST_DAY: Final = date(2000, 1, 1)
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_NOT_WORD: Final = re.compile(r"[^a-z0-9]+")
_I_OR_Y: Final = re.compile(r"(?<![aeo])[iy]")
# Of a name longer than this the first words are looked for: nobody's is.
_MOST_WORDS: Final = 8
# The letters of two words of a name, at the least.
_RUN_TOGETHER: Final = 5
# So much of a number is enough to look for it.
NUMBER_DIGITS: Final = 6
# A page of what was found; whoever found that many as they were typed is not shown others.
PAGE: Final = 20
# So few that somebody else may be meant.
_SOME: Final = 5

# With so many communes names are looked for in each of them; with more, in the province.
_FEW_UNITS: Final = 3
# Of two words one is too little to find anybody by.
_FEW_WORDS: Final = 2
# What stands before a word that is filed by itself.
_ALONE: Final = ("n",)

# What the very name is worth, and how much less for each likely slip in it; a birth year that is right is worth 40.
_SAME_NAME: Final = 130.0
_A_SLIP: Final = 13.0

Group = frozenset[str]


class KeptSearch(BaseModel):
    """What lies sealed of a search that somebody keeps: what they called it, and what they had typed by field."""

    name: str
    values: dict[str, str]

    def tells_of(self, names: Collection[str], numbers: Collection[str]) -> bool:
        """Whether it looks for, or is called after, a child of one of these names (folded) or personal numbers."""
        digits = "".join(letter for letter in self.values.get("number", "") if letter.isdigit())
        return (
            fold(self.values.get("name", "")) in names
            or any(" " in name and f" {name} " in f" {fold(self.name)} " for name in names)
            or any(digits and number.endswith(digits) for number in numbers)
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. `units`: only in these communes; None: everywhere. `number`: digits, all or the last."""

    name: str = ""
    carer: str = ""
    birth_date: date | None = None
    birth_year: int | None = None
    units: Collection[str] | None = None
    number: str = ""
    household: str = ""
    school: str = ""
    grade: str = ""
    hamlet: str = ""
    circumstance: str = ""
    state: RecordState | None = None

    @property
    def fields(self) -> list[str]:
        """Which fields were used, for the log: never what was in them."""
        said = {
            "name": words_of(self.name),
            "carer": words_of(self.carer),
            "born": self.birth_date or self.birth_year,
            "number": self.number,
            "household": code_of(self.household),
            "school": place_words(self.school),
            "grade": code_of(self.grade),
            "hamlet": place_words(self.hamlet),
            "circumstance": self.circumstance,
            "state": self.state,
        }
        return [name for name, value in said.items() if value]

    @property
    def year(self) -> int | None:
        """The birth year, as far as it is said."""
        return self.birth_date.year if self.birth_date else self.birth_year


def words_of(name: str) -> tuple[str, ...]:
    """The words of a person's name, folded, each once."""
    return tuple(dict.fromkeys(person(name)[0].tokens[:_MOST_WORDS]))


def _parted(word: str) -> Sequence[str]:
    """Two words that were run together ("ngocanh"); a word that is one as it is."""
    if not any(map(is_syllable, spelled(word))):
        for place in range(len(word) - 2, 1, -1):
            if len(word) >= _RUN_TOGETHER and is_syllable(word[:place]) and is_syllable(word[place:]):
                return word[:place], word[place:]
    return [word]


def place_words(said: str) -> tuple[str, ...]:
    """The words of a school's or a hamlet's name, folded."""
    return tuple(dict.fromkeys(word for word in _NOT_WORD.split(fold(said)) if word))


def code_of(said: str) -> str:
    """A household's code or a class as it is compared: letters and digits alone."""
    return _NOT_WORD.sub("", fold(said))


@lru_cache(maxsize=20_000)
def spelled(word: str) -> frozenset[str]:
    """A word as it was typed, without what a keyboard left in it, and with i for y and y for i where both are one sound
    (Lý, Lí; not Mai, May)."""
    found = {word, cleaned(word)}
    return frozenset(found | {_I_OR_Y.sub(letter, base) for base in found for letter in "iy"})


@lru_cache(maxsize=20_000)
def near(word: str) -> frozenset[str]:
    """A word, and every syllable that one slip makes of it: a letter more, less, another, or two swapped."""
    found: set[str] = set()
    for base in spelled(word):
        cuts = [(base[:at], base[at:]) for at in range(len(base) + 1)]
        found |= {left + right[1:] for left, right in cuts if right}
        found |= {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
        found |= {left + letter + right[1:] for left, right in cuts if right for letter in _LETTERS}
        found |= {left + letter + right for left, right in cuts for letter in _LETTERS}
    return spelled(word) | {made for made in found if is_syllable(made)}


@dataclass(frozen=True, slots=True)
class Step:
    """One question to the index: in one of the ways the child must have a word of each group.

    `carers`: of each group a carer must bear a word, too; that is looked at in the row, as the ways leave few. `loose`:
    not all is as it was typed. `below`: only where the questions before it found fewer than that; None: in any case.
    `unlike`: the folded name of those whom the question before it has found already.
    """

    ways: tuple[tuple[Group, ...], ...]
    loose: bool = True
    below: int | None = PAGE
    unlike: str = ""
    carers: tuple[Group, ...] = ()


def steps(wanted: Wanted) -> list[Step]:
    """The questions for what is looked for, the strictest first; whoever asks stops when enough were found."""
    name, carer = words_of(wanted.name), words_of(wanted.carer)
    as_typed, meant = [spelled(word) for word in name], [near(word) for word in name]
    scopes = _scopes(wanted, carer)
    # With a name there are few whose carers have to be looked at; without, the index tells.
    carers = _carers(carer, spelled) if not name else []
    rest = [*carers, *_rest(wanted, scoped=bool(name and scopes))]

    def way(words: Iterable[Collection[str]]) -> tuple[Group, ...]:
        return (*_scoped(scopes, words), *rest)

    found: list[Step] = []
    whole = person(wanted.name)[0]
    if 0 < len(whole.tokens) <= _FEW_WORDS and not scopes and wanted.birth_date is None:
        # More may have these words than are counted: those of the very name are not to be missed among them.
        very = frozenset([f"e:{'.'.join(whole.tokens)}"])
        found.append(Step(((very, *rest),), loose=False))
    found.append(Step((way(as_typed),), loose=False, below=None, unlike=whole.folded if found else ""))
    if name:
        found.append(Step(tuple(map(way, _one_slip(as_typed, meant)))))
    found += [Step(((*groups, *carers),)) for groups in _other_births(wanted, carer, as_typed)]
    if len(name) > 1:
        found.append(Step(((*_scoped(scopes or _ALONE, meant), *rest),), below=_SOME if scopes else 1))
    if scopes and len(name) > _FEW_WORDS:
        # Every word but one, in a scope that tells much: a middle name is another, or two words were heard wrong.
        found += [Step((way(some),), below=_SOME) for some in _but_one(as_typed)]
    if (parted := [part for word in name for part in _parted(word)]) != list(name):
        found.append(Step((way(map(spelled, parted)),), below=1))
    if name:
        found = [replace(step, carers=tuple(map(spelled, carer))) for step in found]
    return [step for step in (*found, *_other_carer(wanted, carer, as_typed)) if any(step.ways)]


def _other_carer(wanted: Wanted, carer: Sequence[str], name: Sequence[Collection[str]]) -> Iterator[Step]:
    """A carer whose name was slipped on, too."""
    if not carer:
        return
    scopes = _scopes(wanted, ())
    narrow = (*_scoped(scopes, name), *_rest(wanted, scoped=bool(name and scopes)))
    if scopes or len(name) > 1:
        yield Step((narrow,), below=1, carers=tuple(map(near, carer)))
    else:
        yield Step(((*narrow, *_carers(carer, near)),), below=1)


def _one_slip(
    as_typed: Sequence[Collection[str]], meant: Sequence[Collection[str]]
) -> Iterator[Sequence[Collection[str]]]:
    """The words of a name, one of them as it may have been meant: whoever slips seldom slips twice."""
    for at, words in enumerate(meant):
        yield [*as_typed[:at], words, *as_typed[at + 1 :]]


def _other_births(wanted: Wanted, carer: Sequence[str], name: Sequence[Collection[str]]) -> Iterator[Sequence[Group]]:
    """A year remembered wrong is one beside; a date is of the same year, or the same day in a year beside."""
    day, year = wanted.birth_date, wanted.year
    if year is None:
        return
    years = [year] if day else [year - 1, year + 1]
    undated = replace(wanted, birth_date=None, birth_year=None)
    scopes = _scopes(undated, carer)
    if name and not scopes:
        yield [*_scoped([str(one) for one in years], name), *_rest(undated)]
    else:
        born = frozenset(f"y:{one}" for one in years)
        yield [*_scoped(scopes, name), *_rest(undated, scoped=bool(name and scopes)), born]
    if day is not None:
        days = frozenset(_day_word(_in_year(day, year + off)) for off in (-1, 1))
        yield [*_scoped(scopes, name), *_rest(undated, scoped=bool(name and scopes)), days]


def _rest(wanted: Wanted, *, scoped: bool = False) -> list[Group]:
    """All but names. Scoped: the commune or the year stands with the words of the name already."""
    found = [
        *([wanted.circumstance] if wanted.circumstance else []),
        *([f"v:{wanted.state}"] if wanted.state else []),
        *([f"g:{code_of(wanted.grade)}"] if code_of(wanted.grade) else []),
        *(f"s:{word}" for word in place_words(wanted.school)),
        *(f"h:{word}" for word in place_words(wanted.hamlet)),
    ]
    groups = [frozenset([word]) for word in found]
    by_unit = _few(wanted.units)
    if not (scoped and by_unit):
        groups += _places(wanted)
    if wanted.birth_date is not None:
        groups.append(frozenset([_day_word(wanted.birth_date)]))
    elif wanted.birth_year is not None and (not scoped or by_unit or words_of(wanted.carer)):
        groups.append(frozenset([f"y:{wanted.birth_year}"]))
    return groups


def _places(wanted: Wanted) -> list[Group]:
    return [] if wanted.units is None else [frozenset(f"u:{unit}" for unit in wanted.units)]


def _few(units: Collection[str] | None) -> bool:
    return units is not None and len(units) <= _FEW_UNITS


def _scopes(wanted: Wanted, carer: Sequence[str]) -> Sequence[str]:
    """What the words of a name are filed together with, as far as it is said, what tells most: the commune, a carer's
    given name, the year. Nothing: the words stand alone."""
    if wanted.units is not None and _few(wanted.units):
        return sorted(wanted.units)
    if carer:
        return sorted(spelled(carer[-1]))
    if wanted.birth_year is not None and wanted.birth_date is None:
        return [str(wanted.birth_year)]
    return ()


def _scoped(scopes: Sequence[str], name: Iterable[Collection[str]]) -> list[Group]:
    """The words of a name as they are filed: with each of the scopes; without any in pairs, one of which all share."""
    listed = list(name)
    if scopes or len(listed) < _FEW_WORDS:
        return [frozenset(f"{scope}:{word}" for scope in scopes or _ALONE for word in words) for words in listed]
    # A given name stands last, and there are fewer of one given name than of one family.
    shared = min(reversed(range(len(listed))), key=lambda at: len(listed[at]))
    return [
        frozenset(f"p:{'.'.join(sorted((one, other)))}" for one in listed[shared] for other in words)
        for at, words in enumerate(listed)
        if at != shared
    ]


def _carers(carer: Sequence[str], how: Callable[[str], Collection[str]]) -> list[Group]:
    return [frozenset(f"m:{made}" for made in how(word)) for word in carer]


def _but_one(found: Sequence[Collection[str]]) -> list[list[Collection[str]]]:
    return [[*found[:at], *found[at + 1 :]] for at in range(len(found))]


def _in_year(day: date, year: int) -> date:
    return day.replace(year=year, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _day_word(day: date) -> str:
    return f"b:{(day - _FIRST_DAY).days}"


def score(wanted: Wanted, found: Mapping[str, Any], year: int | None) -> float:
    """How near a child comes to what is looked for: the more the nearer.

    Args:
        found: a `ChildDescription` as it is stored. year: of birth, as far as known.
    """
    worth = 0.0
    if wanted.name:
        worth += _alike(person(wanted.name)[0], name_of(found.get("name")))
    if wanted.carer:
        meant = person(wanted.carer)[0]
        carers = (name_of(carer.get("name")) for carer in found.get("carers", ()))
        worth += max((_alike(meant, carer) for carer in carers), default=0.0)
    if wanted.birth_date is not None:
        worth += _same_day(wanted.birth_date, found.get("birth_date"), year)
    elif wanted.birth_year is not None and year is not None:
        worth += {0: 40.0, 1: 15.0}.get(abs(year - wanted.birth_year), 0.0)
    return worth


def _alike(meant: Name, found: Name) -> float:
    """How near a name comes to what was typed, by how people slip."""
    if not meant.tokens or not found.tokens:
        return 0.0
    return max(0.0, _SAME_NAME - _A_SLIP * cost(meant, found))


def _same_day(wanted: date, found: str | None, year: int | None) -> float:
    turned = swapped(wanted)
    if found == wanted.isoformat():
        return 90.0
    if turned is not None and found == turned.isoformat():
        return 70.0
    if found is not None and found[5:] == wanted.isoformat()[5:]:
        return 50.0
    return 25.0 if year == wanted.year else 0.0
