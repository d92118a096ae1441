"""What is released of each measure at each time: decided once, in a fixed order, for the whole province.

It is worked out from what was written down when a period was released (`taking`, `store.releases`) and from nothing
else, so it is the same in every replica, after every restart and every rebuild. It must never look at who asks, nor at
what history says by now.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Protocol, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.disclosure import Atom, Hidden, Hub, Spoke, Table, sound, sound_for_insiders, turn
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period, Span
from services.stats.domain.releases import (
    IN,
    OUT,
    OVERLAPPING,
    Catalogue,
    Cells,
    Counted,
    Counts,
    Filter,
    Tabled,
    Universe,
    asked_of,
    base_of,
    bases_of,
    by_cell,
    by_value,
    connected,
    months_of,
    near,
    summed,
    timed,
    total_of,
)
from shared.reference.calendar import start_of
from shared.reference.disclosure import Disclosure, Rule
from shared.reference.indicators import Indicators, Part

# Releases kept in memory: each is the same for ever, and costs some queries to make again.
_KEPT: Final = 512
# Were one replica a moment behind, and asked then, its figures would differ from another's by few.
_COUNTED: Final = timedelta(days=1)


class Row(Protocol):
    """A row of a count: the values of what it is broken down by, and how many."""

    @property
    def keys(self) -> tuple[str, ...]: ...
    @property
    def n(self) -> int: ...


class Count(Protocol):
    """How history is asked (`services.stats.figures.evaluating.Evaluator.count`)."""

    async def __call__(
        self,
        connection: AsyncConnection,
        part: Part,
        *,
        period: Period,
        by: Sequence[str],
        units: frozenset[str] | None,
        as_of: datetime | None = None,
    ) -> Sequence[Row]: ...


class Written(Protocol):
    """What was written down (`services.stats.store.releases.Releases`)."""

    async def periods(self, connection: AsyncConnection) -> frozenset[str]: ...
    async def tables(
        self, connection: AsyncConnection, measure: str, periods: Sequence[str]
    ) -> Mapping[str, Mapping[Tabled, tuple[str, ...]]]: ...
    async def counts(
        self, connection: AsyncConnection, tabled: Tabled, periods: Sequence[str]
    ) -> Mapping[str, Counted]: ...
    async def figure(self, connection: AsyncConnection, indicator: str, period: str) -> tuple[float | None] | None: ...


def known_at(rules: Disclosure, period: Period) -> datetime:
    """As of when a period's figures are released: some days after its end, as the day begins, our time."""
    return _settled(rule_of(rules, period), period)


def known_at_ever(rules: Disclosure, period: Period) -> set[datetime]:
    """The same by any of the rules: as of when the figures of whatever ends with a period may be released."""
    return {_settled(rule, period) for rule in rules}


def _settled(rule: Rule, period: Period) -> datetime:
    return start_of(period.last + timedelta(days=1 + rule.settle_days))


def released_at(rules: Disclosure, period: Period) -> datetime:
    """When a period is released, at the earliest: once whatever was said until `known_at` has surely been counted. It
    is written down then, and released once it is."""
    return known_at(rules, period) + _COUNTED


def rule_of(rules: Disclosure, period: Period) -> Rule:
    """The rule of a period: that in force as it began, for ever."""
    return rules.on(start_of(period.first))


@dataclass(frozen=True, slots=True)
class Look:
    """One look at what is released: by which rules, up to which moment, and which periods are `written` down. What
    ended before the day on which released figures begin (`begins`) never is, and counts nobody in what is longer."""

    connection: AsyncConnection
    moment: datetime
    rules: Disclosure
    written: frozenset[str]
    begins: date

    def rule(self, period: Period) -> Rule:
        """The rule of a period: that in force as it began, for ever."""
        return rule_of(self.rules, period)

    def before(self, period: Period) -> bool:
        """Whether a period was over before anything is released."""
        return period.last < self.begins

    def after(self, periods: Iterable[Period]) -> list[Period]:
        """Those that were not."""
        return [period for period in periods if not self.before(period)]

    def sees(self, period: Period) -> bool:
        """Whether a period is released by then: each of its months is, or itself where it is none of months."""
        if self.before(period) or released_at(self.rules, period) > self.moment:
            return False
        parts = [period] if period.span == "school-year" else self.after(months_of(period))
        return all(one.code in self.written for one in parts)


@dataclass(slots=True)
class _Release:
    """What is released of a universe at one time: its hub, its months, and its tables as they are asked for."""

    universe: Universe
    period: Period
    hub: Hub
    months: dict[Filter, Cells] = field(default_factory=dict)
    totals: dict[Filter, int] = field(default_factory=dict)
    tables: dict[tuple[Filter, str], Cells] = field(default_factory=dict)

    def atom(self, filtered: Filter) -> Atom:
        """The cells of a filter."""
        return filtered.cells(self.universe.hub, self.hub.counts)


class Released:
    """The tables that are released.

    Args:
        written: what was written down. indicators: all, as data.
    """

    def __init__(self, written: Written, indicators: Indicators) -> None:
        self._written = written
        self._indicators = indicators
        self._catalogues: dict[int, tuple[Rule, Catalogue]] = {}
        self._kept: OrderedDict[tuple[object, ...], _Release] = OrderedDict()

    async def cells(self, look: Look, part: Part, period: Period, dimension: str) -> list[Cells] | Hidden:
        """What is released of a part by a dimension (`TOTAL`: none) in a period: one table for each time it is made of.

        Raises KeyError for a part of no indicator.
        """
        rule = look.rule(period)
        place = self._catalogue(rule).place(part)
        universe, filtered = place.universe, place.filtered
        if place.units is not None:
            if dimension != TOTAL:
                return "not-offered"
            everywhere = {name: values for name, values in part.where.items() if name != UNIT}
            found = await self.cells(look, Part(part.measure, part.over, everywhere), period, UNIT)
            return found if isinstance(found, str) else [cells.only(place.units) for cells in found]
        if dimension not in {TOTAL, *universe.by[filtered]}:
            return "not-offered"
        if universe.over == "state":
            return await self._standing(look, universe, filtered, period, dimension)
        base = _base(rule, universe)
        whole = bases_of(period, base)
        if whole is not None:
            whole = look.after(whole)
            if not all(map(look.sees, whole)):
                return "not-released"
            return await self._tables(look, universe, filtered, whole, dimension)
        within = base_of(period, base)
        if within is None or dimension != TOTAL or filtered not in universe.monthly:
            return "not-offered"
        if not look.sees(period):
            return "not-released"
        release = await self._release(look, universe, filtered.circumstances, within)
        months = release.months.get(filtered)
        if months is None:
            return "not-offered"
        wanted = frozenset(month.code for month in look.after(months_of(period)))
        # A month that no block holds is hidden until a later one is released with it.
        held = frozenset[str]().union(*(months.partition or ()))
        return [Cells.total(months.sum_of(wanted) if wanted <= held else None)]

    async def _standing(
        self, look: Look, universe: Universe, filtered: Filter, period: Period, dimension: str
    ) -> list[Cells] | Hidden:
        """What stands at a period's end: of a month's end the total, of a base's end its tables, too."""
        end = Period.containing(period.last, _base(look.rule(period), universe))
        month = Period.containing(period.last, "month")
        if end.last != period.last:
            if dimension != TOTAL or filtered not in universe.monthly or month.last != period.last:
                return "not-offered"
            end = month
        # With what stood before the first year nothing later was compared.
        if end.first.year < look.rule(period).first_year or not look.sees(period):
            return "not-released"
        return await self._tables(look, universe, filtered, [end], dimension)

    async def _tables(
        self, look: Look, universe: Universe, filtered: Filter, times: Sequence[Period], dimension: str
    ) -> list[Cells] | Hidden:
        for one in times:
            # What is asked now may not have been when it was released, and is not worked out anew.
            release = await self._release(look, universe, filtered.circumstances, one)
            if dimension not in {TOTAL, *release.universe.by.get(filtered, ())} or filtered not in release.universe.by:
                return "not-offered"
        return [await self._table(look, universe, filtered, one, dimension) for one in times]

    async def times(self, look: Look, part: Part, period: Period, dimension: str) -> dict[str, Counter[float]] | None:
        """How often each time in hours was measured, by a dimension's values (`TOTAL`: none), of what `cells` shows;
        None: single times were not written down."""
        filtered = self._catalogue(look.rule(period)).place(part).filtered
        months = [month.code for month in look.after(months_of(period))]
        written = await self._written.counts(look.connection, timed(part.measure, TOTAL), months)
        besides = dimension != TOTAL and any(dimension not in counted.hub for counted in written.values())
        if besides:
            written = await self._written.counts(look.connection, timed(part.measure, dimension), months)
        if len(written) < len(months):
            return None
        found: dict[str, Counter[float]] = {}
        for counted in written.values():
            for cell, values, n in counted.by_hub(counted.hub):
                if filtered.cells(counted.hub, [(OUT, *cell)]):
                    known = dict(zip(counted.hub, cell, strict=True))
                    value = values[0] if besides else known.get(dimension, TOTAL)
                    found.setdefault(value, Counter())[float(values[-1])] += n
        return found

    async def _table(self, look: Look, universe: Universe, filtered: Filter, at: Period, dimension: str) -> Cells:
        release = await self._release(look, universe, filtered.circumstances, at)
        if filtered not in release.totals:
            return Cells()
        if dimension == TOTAL:
            return Cells.total(release.totals[filtered])
        if dimension not in release.universe.by[filtered]:
            return Cells()
        if (filtered, dimension) not in release.tables:
            if dimension in release.universe.hub:
                await self._hub_tables(look, release, filtered.circumstances)
            else:
                await self._spoke(look, release, filtered, dimension)
        return release.tables.get((filtered, dimension), Cells())

    async def _release(self, look: Look, universe: Universe, circumstances: tuple[str, ...], time_: Period) -> _Release:
        """What is released of a universe at a time, from memory where that was made before."""
        universe = self._catalogue(look.rule(time_)).as_then(universe)
        months = [month for month in months_of(time_) if look.sees(month)]
        at = (universe.measure, universe.over, circumstances, time_, len(months))
        if at in self._kept:
            self._kept.move_to_end(at)
            return self._kept[at]
        asked = [one.code for one in months] if universe.over == "period" else [_end_of(time_)]
        tables = await self._written.tables(look.connection, universe.measure, asked)
        universe = universe.within(tables.values())
        if universe.over == "state":
            release = await self._make_of_state(look, universe, circumstances, time_)
        else:
            release = await self._make_of_months(look, universe, circumstances, time_, months)
        self._kept[at] = release
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return release

    async def _make_of_state(
        self, look: Look, universe: Universe, circumstances: tuple[str, ...], at: Period
    ) -> _Release:
        least = look.rule(at).threshold
        counts = await self._counts(look, universe, circumstances, [_end_of(at)], ())
        release = _Release(universe, at, Hub(by_cell(counts), least))
        filters = universe.with_(circumstances)
        for one in [known for known in filters if known in universe.monthly] if at.span == "month" else filters:
            n = release.hub.count(release.atom(one))
            if near(n, await self._earlier_totals(look, universe, one, at), least):
                continue
            if await self._balanced(look, universe, at) and release.hub.add(release.atom(one)):
                release.totals[one] = n
        return release

    async def _balanced(self, look: Look, universe: Universe, at: Period) -> bool:
        """Whether all that came and went in the time is released, so that what stands tells nothing of either."""
        for measure in look.rule(at).balance(universe.measure):
            flow = self._catalogue(look.rule(at)).whole(measure)
            if flow is None:
                continue
            cells = await self.cells(look, asked_of(flow.universe), at, TOTAL)
            if isinstance(cells, str) or total_of(cells, None) is None:
                return False
        return True

    async def _make_of_months(
        self,
        look: Look,
        universe: Universe,
        circumstances: tuple[str, ...],
        base: Period,
        months: Sequence[Period],
    ) -> _Release:
        least = look.rule(base).threshold
        table: Counts = {}
        counted = await self._counts_by_period(look, universe, circumstances, [month.code for month in months], ())
        for month, rows in counted.items():
            table.update({(cell, month): n for (cell, _), n in rows.items()})
        release = _Release(universe, base, Hub(by_cell(table), least))
        filters = universe.with_(circumstances)
        monthly = [one for one in filters if one in universe.monthly]
        whole = len(months) == len(look.after(months_of(base)))
        spokes: dict[Filter, Spoke] = {}
        for one in monthly:
            first = connected(one, monthly)[0]
            if first not in spokes:
                spokes[first] = Spoke(Table(table, tuple(month.code for month in months), ordered=True), least)
            atom = release.atom(one)
            release.months[one] = Cells(spokes[first].add(atom), by_value(table, atom))
            # Where months wait, the sum would tell of them; so might the sums of the filters that follow.
            if whole and not spokes[first].open_values:
                self._release_total(release, one)
        if whole and not any(spoke.open_values for spoke in spokes.values()):
            for one in filters:
                if one not in universe.monthly:
                    self._release_total(release, one)
        return release

    @staticmethod
    def _release_total(release: _Release, filtered: Filter) -> None:
        atom = release.atom(filtered)
        if release.hub.add(atom):
            release.totals[filtered] = release.hub.count(atom)

    async def _earlier_totals(self, look: Look, universe: Universe, filtered: Filter, at: Period) -> list[int]:
        found = []
        for earlier in look.after(self._earlier(look, universe, at)):
            release = await self._release(look, universe, filtered.circumstances, earlier)
            if filtered in release.totals:
                found.append(release.totals[filtered])
        return found

    def _earlier(self, look: Look, universe: Universe, time_: Period) -> list[Period]:
        """The times at which a state was released before, the first one first."""
        rule = look.rule(time_)
        base = _base(rule, universe)
        span: Span = "month" if universe.monthly else base
        found: list[Period] = []
        at = Period.containing(time_.last, span).previous
        while at.first.year >= rule.first_year:
            whole = Period.containing(at.last, base)
            found.append(whole if whole.last == at.last else at)
            at = at.previous
        return found[::-1]

    async def _hub_tables(self, look: Look, release: _Release, circumstances: tuple[str, ...]) -> None:
        """All tables by the dimensions that tell filters apart, in their order: each must agree with those before."""
        universe = release.universe
        for one in universe.with_(circumstances):
            for dimension in universe.by[one]:
                if dimension not in universe.hub:
                    continue
                if one not in release.totals:
                    release.tables[one, dimension] = Cells()
                    continue
                at = universe.hub.index(dimension) + 1
                cells: dict[str, Atom] = {}
                for cell in release.atom(one):
                    cells[cell[at]] = cells.get(cell[at], Atom()) | {cell}
                counts = {value: release.hub.count(atom) for value, atom in cells.items()}
                kept = await self._kept_back(look, release, one, dimension, counts)
                release.tables[one, dimension] = Cells(release.hub.add_table(cells, kept), counts)

    async def _spoke(self, look: Look, release: _Release, filtered: Filter, dimension: str) -> None:
        """One dimension's tables of a filter and of all that it must agree with."""
        universe = release.universe
        counts = await self._summed(look, universe, filtered.circumstances, release.period, dimension)
        values = tuple(sorted({value for _, value in counts}, key=turn))
        known = frozenset(cell for cell, _ in counts)
        guarded = sound_for_insiders if dimension == UNIT else sound
        spoke = Spoke(Table(counts, values, guarded), look.rule(release.period).threshold)
        for one in universe.related(filtered, dimension):
            atom = one.cells(universe.hub, known)
            at = by_value(counts, atom)
            partition = None
            if one in release.totals:
                kept = await self._kept_back(look, release, one, dimension, at)
                partition = spoke.add(atom, kept)
            release.tables[one, dimension] = Cells(partition, at)

    async def _kept_back(
        self, look: Look, release: _Release, filtered: Filter, dimension: str, counts: Mapping[str, int]
    ) -> frozenset[str]:
        """Values of a state that differ by few from what was released of them before."""
        if release.universe.over != "state":
            return frozenset()
        earlier: dict[str, list[int]] = {}
        for period in look.after(self._earlier(look, release.universe, release.period)):
            if period.span == release.period.span:
                cells = await self._table(look, release.universe, filtered, period, dimension)
                for value in counts:
                    n = cells.sum_of(frozenset({value}))
                    if n is not None:
                        earlier.setdefault(value, []).append(n)
        least = look.rule(release.period).threshold
        return frozenset(value for value, n in counts.items() if near(n, earlier.get(value, ()), least))

    async def _summed(
        self, look: Look, universe: Universe, circumstances: tuple[str, ...], period: Period, dimension: str
    ) -> Counts:
        months = [_end_of(period)] if universe.over == "state" else [one.code for one in look.after(months_of(period))]
        return await self._counts(look, universe, circumstances, months, (dimension,))

    async def _counts(
        self,
        look: Look,
        universe: Universe,
        circumstances: tuple[str, ...],
        periods: Sequence[str],
        by: tuple[str, ...],
    ) -> Counts:
        """By the hub's cells and one dimension, of several periods together."""
        return summed((await self._counts_by_period(look, universe, circumstances, periods, by)).values())

    async def _counts_by_period(
        self,
        look: Look,
        universe: Universe,
        circumstances: tuple[str, ...],
        periods: Sequence[str],
        by: tuple[str, ...],
    ) -> dict[str, Counts]:
        """By the hub's cells and one dimension, as it was written down."""
        hub = universe.hub

        async def rows(chosen: tuple[str, ...]) -> dict[str, Counts]:
            tabled = Tabled(universe.measure, chosen, by)
            written = await self._written.counts(look.connection, tabled, periods)
            found: dict[str, Counts] = {}
            for period in periods:
                counts = found[period] = {}
                for cell, besides, n in written[period].by_hub(hub):
                    value = besides[0] if by else TOTAL
                    if not (chosen and by == (OVERLAPPING,) and value not in chosen):
                        counts[cell, value] = counts.get((cell, value), 0) + n
            return found

        inside = await rows(circumstances) if circumstances else {period: {} for period in periods}
        if by == (OVERLAPPING,):
            return {
                period: {((IN, *cell), value): n for (cell, value), n in counts.items()}
                for period, counts in inside.items()
            }
        everybody = await rows(())
        return {period: _in_and_out(inside[period], counts) for period, counts in everybody.items()}

    def _catalogue(self, rule: Rule) -> Catalogue:
        at = id(rule)
        if at not in self._catalogues:
            # With the rule, so that no other gets its id.
            self._catalogues[at] = rule, Catalogue(self._indicators, rule)
        return self._catalogues[at][1]


def _base(rule: Rule, universe: Universe) -> Span:
    """For how long a time a universe's tables are released."""
    return cast(Span, rule.base(universe.measure))


def _in_and_out(inside: Counts, everybody: Counts) -> Counts:
    """Counts of those in some circumstances, and of all others."""
    outside = {at: n - inside.get(at, 0) for at, n in everybody.items()}
    return {
        **{((IN, *cell), value): n for (cell, value), n in inside.items() if n},
        **{((OUT, *cell), value): n for (cell, value), n in outside.items() if n},
    }


def _end_of(period: Period) -> str:
    """The month with which a period ends: what stands is written down with it."""
    return Period.containing(period.last, "month").code
