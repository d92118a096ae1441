"""What is released of a measure to whoever may only see aggregates: which filters, by which dimensions, in which order.

Pure. The order is that of the indicators' file and never depends on a count: an indicator that comes later must not
change what was released before it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

from services.stats.domain.disclosure import Atom, Partition
from services.stats.domain.measures import HOURS, TOTAL, UNIT
from services.stats.domain.periods import Period, Span
from shared.reference.disclosure import Rule
from shared.reference.indicators import Indicator, Over, Part

Counts = dict[tuple[tuple[str, ...], str], int]
# A child may be in several of these at once: being in a set of them is a dimension of its own, in or out.
OVERLAPPING: Final = "circumstance"
IN, OUT = "in", "out"
# Spans of which a longer one is the sum of shorter ones; the others cross them, and their differences count few.
_NESTED: Final[tuple[Span, ...]] = ("month", "quarter", "half-year", "year", "plan")


@dataclass(frozen=True, slots=True)
class Filter:
    """What an indicator counts of a measure: which values of which dimensions, the place and circumstance apart."""

    where: tuple[tuple[str, tuple[str, ...]], ...]
    circumstances: tuple[str, ...] = ()

    def cells(self, hub: Sequence[str], known: Iterable[tuple[str, ...]]) -> Atom:
        """Those of the hub's cells that it counts. A cell: in its circumstances or not, then the hub's dimensions."""
        wanted = [(at, values) for at, name in enumerate(hub, start=1) for key, values in self.where if key == name]
        return frozenset(
            cell
            for cell in known
            if (not self.circumstances or cell[0] == IN) and all(cell[at] in values for at, values in wanted)
        )

    def meets(self, other: Filter) -> bool:
        """Whether something may be counted by both."""
        wanted = dict(other.where)
        return all(dimension not in wanted or set(values) & set(wanted[dimension]) for dimension, values in self.where)


class Tabled(NamedTuple):
    """A table that is written down when a period is released: of a measure, of these circumstances only (none:
    everybody), by these dimensions besides the hub's."""

    measure: str
    circumstances: tuple[str, ...] = ()
    by: tuple[str, ...] = ()


class Counted(NamedTuple):
    """What was counted for a table. `rows`: the values of the hub's dimensions and of those besides, and how many."""

    hub: tuple[str, ...]
    rows: Sequence[tuple[tuple[str, ...], int]]

    def by_hub(self, hub: Sequence[str]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...], int]]:
        """By some of its hub's dimensions: their values, those of the dimensions besides, how many; not summed up."""
        at = [self.hub.index(name) for name in hub]
        width = len(self.hub)
        for keys, n in self.rows:
            yield tuple(keys[one] for one in at), keys[width:], n


@dataclass(frozen=True, slots=True)
class Taken:
    """All that is written down when a period is released. `figures`: handed-in ones, by indicator and period."""

    counts: Mapping[Tabled, Counted] = field(default_factory=dict)
    figures: Mapping[tuple[str, str], float | None] = field(default_factory=dict)


def connected(one: Filter, others: Sequence[Filter]) -> list[Filter]:
    """Those of some filters that share something with one, and so on, in their order."""
    found = {one}
    while more := {other for other in others if other not in found and any(other.meets(known) for known in found)}:
        found |= more
    return [other for other in others if other in found]


@dataclass(slots=True)
class Universe:
    """A measure as it happens or as it stands, with all filters under which anything of it is released.

    `by`: the dimensions by which a filter is released. `monthly`: filters whose total is released by the month.
    `timed`: the dimensions by which percentiles are, none (`TOTAL`) among them.
    """

    measure: str
    over: Over
    filters: list[Filter] = field(default_factory=list)
    by: dict[Filter, list[str]] = field(default_factory=dict)
    monthly: set[Filter] = field(default_factory=set)
    timed: dict[str, None] = field(default_factory=dict)

    @property
    def hub(self) -> tuple[str, ...]:
        """The dimensions that tell its filters apart."""
        return tuple(sorted({dimension for one in self.filters for dimension, _ in one.where}))

    def with_(self, circumstances: tuple[str, ...]) -> list[Filter]:
        """The filters that are looked at together: those of none of the circumstances, then those of these. Monthly
        ones come first, for they are released before the others."""
        chosen = [one for one in self.filters if one.circumstances in {(), circumstances}]
        return sorted(chosen, key=lambda one: (bool(one.circumstances), one not in self.monthly))

    def related(self, filtered: Filter, dimension: str) -> list[Filter]:
        """The filters that are released by a dimension and with which a filter's table must agree, itself among them:
        those it shares something with, and so on. In their order."""
        return connected(filtered, [one for one in self.with_(filtered.circumstances) if dimension in self.by[one]])

    def tables(self, *, whole: bool) -> Iterator[Tabled]:
        """What has to be counted as a month is released. `whole`: of what stands, its tables too, for a base ends."""
        hub = self.hub
        besides = [name for name in dict.fromkeys(name for by in self.by.values() for name in by) if name not in hub]
        for chosen in dict.fromkeys(((), *(one.circumstances for one in self.filters))):
            yield Tabled(self.measure, chosen)
            if not whole:
                continue
            for name in besides:
                if chosen or name != OVERLAPPING:
                    yield Tabled(self.measure, chosen, (name,))
        for name in self.timed:
            if name not in hub:
                yield timed(self.measure, name)

    def within(self, known: Iterable[Mapping[Tabled, tuple[str, ...]]]) -> Universe:
        """As much of it as can be worked out from what was written down of several periods: an indicator that came
        later is not released of them where it asks for more."""
        told = list(known)
        hubs = [set(hub) for tables in told for hub in tables.values()]
        hub = set(self.hub).intersection(*hubs)
        tables = set(told[0]).intersection(*told[1:]) if told else set()
        filters = [
            one
            for one in self.filters
            if all(name in hub for name, _ in one.where) and Tabled(self.measure, one.circumstances) in tables
        ]

        def offered(one: Filter, name: str) -> bool:
            return name in hub or Tabled(self.measure, one.circumstances, (name,)) in tables

        return replace(
            self,
            filters=filters,
            by={one: [name for name in self.by[one] if offered(one, name)] for one in filters},
            monthly=self.monthly & set(filters),
        )


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part is found: its universe, its filter, and the communes it asks for by name."""

    universe: Universe
    filtered: Filter
    units: frozenset[str] | None


class Catalogue:
    """Everything that is released, by universe.

    Args:
        indicators: all of them, in the order of their file. rule: what is released monthly and by what.
    """

    def __init__(self, indicators: Iterable[Indicator], rule: Rule) -> None:
        self._universes: dict[tuple[str, Over], Universe] = {}
        for indicator in indicators:
            for part in (indicator.numerator, indicator.denominator):
                if part is not None and part.measure not in rule.open_measures:
                    self._add(part, indicator, rule)

    def as_then(self, universe: Universe) -> Universe:
        """A universe of another rule's catalogue as it is in this one."""
        return self._universes.get((universe.measure, universe.over), universe)

    def whole(self, measure: str) -> Place | None:
        """All that happened of a measure, where that is released."""
        universe = self._universes.get((measure, "period"))
        return Place(universe, Filter(()), None) if universe and Filter(()) in universe.by else None

    def __iter__(self) -> Iterator[Universe]:
        """All universes."""
        return iter(self._universes.values())

    def place(self, part: Part) -> Place:
        """Where a part of an indicator of the catalogue is. Raises KeyError for one that is of none."""
        universe = self._universes[part.measure, part.over]
        filtered, units = _taken_apart(part)
        if filtered not in universe.by:
            raise KeyError(part.measure)
        return Place(universe, filtered, units)

    def _add(self, part: Part, indicator: Indicator, rule: Rule) -> None:
        universe = self._universes.setdefault((part.measure, part.over), Universe(part.measure, part.over))
        filtered, units = _taken_apart(part)
        if filtered not in universe.by:
            universe.filters.append(filtered)
            universe.by[filtered] = []
        if indicator.code in rule.monthly and units is None:
            universe.monthly.add(filtered)
        for dimension in (UNIT, *indicator.by) if units is None else (UNIT,):
            if dimension == OVERLAPPING and not filtered.circumstances:
                # Its values are other filters' circumstances: their tables overlap, and no sum keeps them apart.
                continue
            if rule.offers(part.measure, dimension) and dimension not in universe.by[filtered]:
                universe.by[filtered].append(dimension)
        if indicator.shape == "percentile":
            universe.timed |= dict.fromkeys((TOTAL, UNIT, *indicator.by))


def _taken_apart(part: Part) -> tuple[Filter, frozenset[str] | None]:
    where = dict(part.where)
    units = where.pop(UNIT, None)
    circumstances = where.pop(OVERLAPPING, ())
    filtered = Filter(tuple((name, tuple(values)) for name, values in sorted(where.items())), tuple(circumstances))
    return filtered, None if units is None else frozenset(units)


def asked_of(universe: Universe, circumstances: tuple[str, ...] = ()) -> Part:
    """The measure without a filter, or of these circumstances only: what is counted to decide."""
    return Part(universe.measure, universe.over, {OVERLAPPING: circumstances} if circumstances else {})


def timed(measure: str, dimension: str) -> Tabled:
    """The table of single times by a dimension besides the hub's (`TOTAL`: none), for percentiles."""
    return Tabled(measure, (), (HOURS,) if dimension == TOTAL else (dimension, HOURS))


def months_of(period: Period) -> list[Period]:
    """A period's months; those of a month, itself."""
    return list(period.parts("month"))


def bases_of(period: Period, base: Span) -> list[Period] | None:
    """The base periods that a period consists of; None where it is no sum of such."""
    if period.span not in _NESTED or base not in _NESTED or _NESTED.index(period.span) < _NESTED.index(base):
        return None
    return list(period.parts(base))


def base_of(period: Period, base: Span) -> Period | None:
    """The base period in which a shorter one (a month, a quarter) lies; None where it crosses two, or is no such."""
    if period.span not in _NESTED:
        return None
    found = Period.containing(period.first, base)
    return found if period.last <= found.last else None


def near(n: int, earlier: Collection[int], least: int) -> bool:
    """Whether a count differs by few from one that was released before: what came and went would be told."""
    return any(0 < abs(n - known) < least for known in earlier)


@dataclass(slots=True)
class Cells:
    """One table of a filter at one time: its blocks (None: nothing of it is released) and what each value counts."""

    partition: Partition | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def total(cls, n: int | None) -> Self:
        """A table of one figure; None: a hidden one."""
        return cls() if n is None else cls((frozenset({TOTAL}),), {TOTAL: n})

    def sum_of(self, wanted: frozenset[str] | None) -> int | None:
        """What some values count together (None: all); None where that is hidden: it cuts through a block."""
        if self.partition is None:
            return None
        if wanted is not None and any(block & wanted and not block <= wanted for block in self.partition):
            return None
        return sum(n for value, n in self.counts.items() if wanted is None or value in wanted)

    def only(self, wanted: frozenset[str]) -> Cells:
        """Some of its values as one figure."""
        return Cells.total(self.sum_of(wanted))

    def names(self) -> set[str]:
        """The values that somebody is told of: what counts anything, and what is hidden."""
        return {*self.counts, *(value for block in self.partition or () if len(block) > 1 for value in block)}


def total_of(tables: Iterable[Cells], wanted: frozenset[str] | None) -> int | None:
    """What values count together over several times; None where it is hidden in one of them."""
    found = [cells.sum_of(wanted) for cells in tables]
    known = [n for n in found if n is not None]
    return sum(known) if len(known) == len(found) else None


def by_cell(counts: Counts) -> dict[tuple[str, ...], int]:
    """Counts by the hub's cells alone."""
    found: dict[tuple[str, ...], int] = {}
    for (cell, _), n in counts.items():
        found[cell] = found.get(cell, 0) + n
    return found


def by_value(counts: Counts, atom: Atom) -> dict[str, int]:
    """Counts of some cells by the other dimension's values."""
    found: dict[str, int] = {}
    for (cell, value), n in counts.items():
        if cell in atom:
            found[value] = found.get(value, 0) + n
    return found


def summed(tables: Iterable[Counts]) -> Counts:
    """Tables of several times as one."""
    found: Counts = {}
    for table in tables:
        for at, n in table.items():
            found[at] = found.get(at, 0) + n
    return found
