"""What statistics are made of: facts that move between cells, and cells that are counted.

Pure: it takes facts and says what they mean. It must never know a name: a fact's key is an id, its cell coarse words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from enum import IntEnum
from hashlib import blake2b
from itertools import combinations
from typing import Final, NamedTuple, get_args

import msgspec

from shared.contracts.vocabulary import FIRST_YEAR, LAST_YEAR, Register

# Beyond any sequence that an aggregate reaches: what is said with it is final.
FINAL: Final = 2**31 - 1
COMMUNE_ROSTER: Final[Register] = "commune-roster"
SCHOOL_ROSTER: Final[Register] = "school-roster"
DROPPED_OUT: Final = "dropped-out"
_is_uuid: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}").fullmatch


class Kind(IntEnum):
    """What is counted. The numbers are stored: they are never given to another kind."""

    CONCERN = 1
    CASE = 2
    DEADLINE = 3
    TASK = 4
    CHILD = 5
    RECORD = 6
    INCIDENT = 7
    MEMBERSHIP = 8  # a child and the registers that know it, derived from its records
    ARRIVAL = 9  # a concern on the day it was received; apart, so that concerns' cells stay few however long it lasts
    SERVICE = 10  # a service that was given to a child of a case
    ACTIVITY = 11  # what a sector held for many; counted by history only

    @property
    def word(self) -> str:
        """The name that queries use: `concern`, `case`…"""
        return self.name.lower()


KINDS: Final = {kind.word: kind for kind in Kind}


class Cell(NamedTuple):
    """One combination of dimensions; an empty text means "does not apply".

    `date` is a birth as `YYYY-MM` or `YYYY` (ages pass, births stay: bands are worked out when somebody asks), a day of
    arrival or a month of occurrence. `category` is the abuse kind, clock, task, service, register or cause; `status`
    the state or outcome; `extra` danger now, step, drop-out, or the abuse kind behind a clock, task or service.
    `groups` is a child's circumstances, sorted and joined by `+`, because it may be in several; a case's environment
    and who did it, as `family/parent`, empty where neither is known; what a report asks for that is not protection.
    """

    kind: int
    unit: str = ""
    sex: str = ""
    age_band: str = ""
    date: str = ""
    category: str = ""
    risk: str = ""
    status: str = ""
    sector: str = ""
    channel: str = ""
    extra: str = ""
    groups: str = ""


DIMENSIONS: Final = Cell._fields[1:]


class Fact(msgspec.Struct, frozen=True, gc=False):
    """What is now true of one thing. A later `sequence` replaces an earlier one; no cell: it is counted no more."""

    kind: int
    key: str
    sequence: int
    cell: Cell | None


class Link(NamedTuple):
    """A source's record belongs to a child, as of the record's `sequence`."""

    record: str
    child: str
    register: str
    sequence: int


class Merge(NamedTuple):
    """Two records of children were one: what was said of `child` is now said of `into`."""

    child: str
    into: str


class UnitQuality(NamedTuple):
    """How good a commune's records of children are on a day. A later `sequence` replaces an earlier one of the day."""

    unit: str
    day: date
    sequence: int
    children: int
    verified: int
    due: int
    score: float
    at: datetime | None = None


class Said(msgspec.Struct, frozen=True, gc=False):
    """Everything one event says."""

    facts: tuple[Fact, ...]
    links: tuple[Link, ...] = ()
    merges: tuple[Merge, ...] = ()
    sector: str = ""  # whose facts these are, for the freshness of each sector
    qualities: tuple[UnitQuality, ...] = ()


def key_of(identifier: str) -> str:
    """An aggregate's id as the UUID it is, or as one made of its digest: 16 bytes keep the index small."""
    if _is_uuid(identifier):
        return identifier.lower()
    digest = blake2b(identifier.encode(), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def cell_id(cell: Cell) -> int:
    """A cell's number, the same in every process and every rebuild, so that nobody has to ask for it.

    63 bits: among ten million cells the chance that any two meet is one in 180,000.
    """
    kind, *words = cell
    text = f"{int(kind)}\x1f" + "\x1f".join(words)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def latest(facts: Iterable[Fact]) -> list[Fact]:
    """The newest fact of each key, in the order of kind and key that every writer keeps (no two can then deadlock)."""
    newest: dict[tuple[int, str], Fact] = {}
    for fact in facts:
        at = (fact.kind, fact.key)
        known = newest.get(at)
        if known is None or known.sequence < fact.sequence:
            newest[at] = fact
    return sorted(newest.values(), key=_order)


def latest_links(links: Iterable[Link]) -> list[Link]:
    """The newest link of each record, in the order of records."""
    newest: dict[str, Link] = {}
    for link in links:
        known = newest.get(link.record)
        if known is None or known.sequence < link.sequence:
            newest[link.record] = link
    return [newest[record] for record in sorted(newest)]


def settled_merges(merges: Iterable[Merge]) -> list[Merge]:
    """One merge a child, in the order of children; of two, the same one whatever their order."""
    chosen: dict[str, str] = {}
    for merge in merges:
        chosen[merge.child] = min(merge.into, chosen.get(merge.child, merge.into))
    return [Merge(child, chosen[child]) for child in sorted(chosen)]


def latest_qualities(qualities: Iterable[UnitQuality]) -> list[UnitQuality]:
    """The newest of each commune and day, in the order that every writer keeps."""
    newest: dict[tuple[str, date], UnitQuality] = {}
    for one in qualities:
        known = newest.get((one.unit, one.day))
        if known is None or known.sequence < one.sequence:
            newest[one.unit, one.day] = one
    return [newest[at] for at in sorted(newest)]


def _order(fact: Fact) -> tuple[int, str]:
    return fact.kind, fact.key


def registers_word(registers: Iterable[str]) -> str:
    """A set of registers as the category of a membership."""
    return "+".join(sorted(set(registers)))


# Every set of registers that can know a child: few, so that their cells can exist before they are needed.
MEMBERSHIPS: Final[Sequence[Cell]] = [
    Cell(Kind.MEMBERSHIP, category=registers_word(chosen))
    for size in range(1, len(get_args(Register)) + 1)
    for chosen in combinations(get_args(Register), size)
]


def born_word(year: int | None, month: int | None) -> str:
    """Birth as far as it is known: `2016-05`, `2016`, or nothing; what is in no calendar of ours is not known."""
    if year is None or not FIRST_YEAR <= year <= LAST_YEAR:
        return ""
    return f"{year:04d}-{month:02d}" if month and 1 <= month <= 12 else f"{year:04d}"
