"""What history can be asked: measures, their dimensions, and the cells in which they are counted.

Pure. A measure over a `period` has a day on which it happened; one over a `state` stands from the moment of the event
that brought it about until the one that ended it. It must never know a name: cells are coarse words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.indicators import Over
from shared.reference.terms import Terms

# By what figures are asked: the commune, the old district in which it lies, and a commune by the code of the unit that
# a record named at its time; by nothing.
UNIT: Final = "unit"
DISTRICT: Final = "district"
NAMED_UNIT: Final = "named-unit"
PLACES: Final = (UNIT, DISTRICT, NAMED_UNIT)
TOTAL: Final = ""
# In the place of a commune's code: what belongs to the province and to no commune of it.
WHOLE: Final = ""
# What a percentile is of.
HOURS: Final = "hours"
# A cell's number begins with its measure, so that a measure's cells lie together.
MEASURE_BITS: Final = 57


class Measure(IntEnum):
    """What is counted. The numbers are stored: they are never given to another measure."""

    REPORTS = 1
    OPENINGS = 2
    CLOSINGS = 3
    CLOCKS = 4
    SPANS = 5
    SERVICES = 6
    INCIDENTS = 7
    ACTIVITIES = 8
    PEOPLE_REACHED = 9
    CASES = 10
    TASKS = 11
    CHILDREN = 12

    @property
    def word(self) -> str:
        """Its name in indicators' data: `reports`, `people-reached`…"""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure as it may be asked. `dimensions`: their names, each also a column of the cells."""

    measure: Measure
    over: Over
    dimensions: tuple[str, ...]


_WHO: Final = ("unit", "sex", "age")
_MATTER: Final = (*_WHO, "kind", "risk")
_ALL: Final = (
    Measured(Measure.REPORTS, "period", (*_WHO, "kind", "request", "danger_now", "sector", "channel", "status")),
    Measured(Measure.OPENINGS, "period", (*_MATTER, "sector", "channel", "environment", "harmer")),
    Measured(Measure.CLOSINGS, "period", (*_MATTER, "sector", "channel", "outcome")),
    Measured(Measure.CLOCKS, "period", (*_MATTER, "sector", "channel", "clock", "state")),
    Measured(Measure.SPANS, "period", (*_MATTER, "sector", "span", "hours")),
    Measured(Measure.SERVICES, "period", (*_MATTER, "sector", "service")),
    Measured(Measure.INCIDENTS, "period", (*_WHO, "kind", "outcome", "place", "sector")),
    Measured(Measure.ACTIVITIES, "period", ("unit", "sector", "activity", "audience")),
    Measured(Measure.PEOPLE_REACHED, "period", ("unit", "sector", "activity", "audience")),
    Measured(Measure.CASES, "state", (*_MATTER, "status", "step", "sector", "channel", "environment", "harmer")),
    Measured(Measure.TASKS, "state", (*_MATTER, "sector", "task", "status")),
    Measured(
        Measure.CHILDREN,
        "state",
        ("unit", "sex", "age", "circumstance", "ethnicity", "disability", "state", "supported"),
    ),
)
MEASURES: Final[Mapping[str, Measured]] = {one.measure.word: one for one in _ALL}
_BY_NUMBER: Final[Mapping[Measure, Measured]] = {one.measure: one for one in _ALL}
# Ages of children pass while births stay: their cells hold the birth, and `age` is worked out when somebody asks.
BORN: Final = "born"


def columns(measure: Measure) -> tuple[str, ...]:
    """The columns that a measure's cells fill, in the order of their values."""
    dimensions = _BY_NUMBER[measure].dimensions
    return tuple(BORN if name == "age" else name for name in dimensions) if measure is Measure.CHILDREN else dimensions


# Where the words of a dimension are listed; of measures that mean different things by one name, apart.
_LISTS: Final[Mapping[str, str]] = {
    "kind": "case-kinds",
    "incidents.kind": "incident-causes",
    "closings.outcome": "case-outcomes",
    "incidents.outcome": "incident-results",
    "cases.status": "case-statuses",
    "clocks.state": "deadline-states",
    "risk": "risk-levels",
    "step": "case-steps",
    "sector": "sectors",
    "channel": "channels",
    "environment": "environments",
    "harmer": "harmers",
    "place": "incident-places",
    "request": "requests",
    "service": "service-kinds",
    "task": "task-kinds",
    "circumstance": "circumstances",
    "ethnicity": "ethnic-groups",
    "activity": "activities",
    "audience": "audiences",
}


def list_of(measure: str, dimension: str) -> str | None:
    """The list of terms that names a measure's values of a dimension; None: they are on none."""
    return _LISTS.get(f"{measure}.{dimension}") or _LISTS.get(dimension)


@lru_cache(1_000)
def coded(measure: str, dimension: str, word: str) -> str:
    """The code of a sender's word in a dimension that is on a list; what the list does not know is not classified."""
    name = list_of(measure, dimension)
    assert name is not None
    return Terms.load(name).find(word) or UNCLASSIFIED


COLUMNS: Final = tuple(dict.fromkeys(name for one in _ALL for name in columns(one.measure)))


class HistoryCell(NamedTuple):
    """One combination of a measure's dimensions, values in the order of `columns`; an empty one does not apply.

    `circumstance` holds all of a child's, sorted and joined by `+`; `born` is `2016-05`, `2016` or empty.
    """

    measure: Measure
    values: tuple[str, ...]


class Count(NamedTuple):
    """How many of a cell, and the day on which it happened; without a day it stands from its event's moment."""

    cell: HistoryCell
    day: date | None = None
    n: int = 1


class Version(NamedTuple):
    """What one event made true of one thing. `at`: the event's own time. `whole`: the case it is a part of, if any.

    `sequence` says which of a thing's versions comes after which; a version counts where `counts` say until the next
    one does, and an empty one counts nowhere.
    """

    kind: int
    key: str
    sequence: int
    at: datetime
    counts: tuple[Count, ...]
    whole: str = ""


class Figure(NamedTuple):
    """A figure that somebody hands in, as one event has it. `unit`: empty for the whole province. `weight`: of how many
    it is a mean, 0 where nobody says."""

    key: str
    sequence: int
    at: datetime
    indicator: str
    unit: str
    period: str
    first: date
    last: date
    value: float
    weight: int
    sector: str


def history_cell_id(cell: HistoryCell) -> int:
    """A cell's number, the same in every process and every rebuild."""
    return number_of(cell.measure, cell.measure.word, cell.values)


def number_of(first: int, person: str, values: Iterable[str]) -> int:
    """A number that begins with another (a measure's), and tells these values from all others of it.

    57 bits of a digest: among a million of a measure the chance that two meet is 1 in 280,000.
    """
    digest = blake2b("\x1f".join(values).encode(), digest_size=8, person=person.encode()).digest()
    return first << MEASURE_BITS | int.from_bytes(digest, "big") >> (64 - MEASURE_BITS)


def said_once(versions: Sequence[Version]) -> list[Version]:
    """One version a thing and sequence (said with two moments, as of the earlier), in the order of all writers."""
    found: dict[tuple[int, str, int], Version] = {}
    for version in versions:
        at = (version.kind, version.key, version.sequence)
        known = found.get(at)
        if known is None or version.at < known.at:
            found[at] = version
    return [found[at] for at in sorted(found)]


def reported_once(figures: Sequence[Figure]) -> list[Figure]:
    """One figure a key and sequence, in the order of all writers."""
    found = {(figure.key, figure.sequence): figure for figure in figures}
    return [found[at] for at in sorted(found)]
