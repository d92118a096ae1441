"""The one door to figures for whoever may only see aggregates: every page, file and answer of theirs passes here.

What passes is decided for the whole province, once a period, from what was written down when the period was released;
who asks changes nothing but which part of it is shown. It must never answer from anything else: two answers that differ
by one child tell of it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.beginnings import has_begun, is_counted, released_from
from services.stats.domain.disclosure import Shown
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period, Span
from services.stats.domain.releases import Cells, total_of
from services.stats.figures.evaluating import Evaluator, percentile
from services.stats.figures.released import Look, Released, Written
from shared.identity import ALL_UNITS, Permission, Principal
from shared.reference.calendar import local_day
from shared.reference.disclosure import Disclosure, Rule
from shared.reference.indicators import Indicator, Indicators, Part

# Of these nothing is released but what is handed in: they cross the months, and differ from them by few.
_CROSSING: Final[frozenset[Span]] = frozenset({"day", "week", "school-year"})
# How many of each span are looked through for the last one that is released; it is some days after its end.
_LATEST: Final[tuple[tuple[Span, int], ...]] = (("year", 2), ("half-year", 2), ("quarter", 3), ("month", 6))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked of an indicator, and the look at what is released."""

    indicator: Indicator
    by: tuple[str, ...]
    units: frozenset[str] | None
    look: Look


class Releasing:
    """What one may see of the indicators.

    Args:
        written: what was written down. evaluator: evaluates for those who see figures as they are.
        indicators, disclosure: as data; the shipped ones where not given.
    """

    def __init__(
        self,
        written: Written,
        evaluator: Evaluator,
        indicators: Indicators | None = None,
        disclosure: Disclosure | None = None,
    ) -> None:
        self._written = written
        self._evaluator = evaluator
        self._disclosure = Disclosure.load() if disclosure is None else disclosure
        self._released = Released(written, Indicators.load() if indicators is None else indicators)
        # One after another: tables are decided in a fixed order, which two at once would mix.
        self._turn = asyncio.Lock()

    async def release(
        self,
        connection: AsyncConnection,
        principal: Principal,
        indicator: Indicator,
        periods: Sequence[Period],
        *,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
        now: datetime,
    ) -> list[Shown]:
        """The figures of an indicator that a person may see.

        Args:
            by, units: as evaluating takes them; nobody sees communes that are not theirs. as_of: as it was known then;
                whoever sees aggregates only has what was released by then. now: aware.

        Out: of those who see figures as they are, all. Of others, per period: what is shown, and a hidden one for each
        value that is not; where a table is hidden as a whole, one with no keys. A value that counts nobody may lack. Of
        a period that was over before anything was recorded, one that says so.
        """
        if principal.units != ALL_UNITS:
            units = principal.units if units is None else units & principal.units
        if sees_all(principal, self._disclosure.on(now)):
            values = await self._evaluator.values(connection, indicator, periods, by=by, units=units, as_of=as_of)
            return [Shown.of(value) for value in values]
        asked = _Asked(indicator, tuple(by), units, await self._look(connection, min(as_of or now, now)))
        async with self._turn:
            return [shown for period in periods for shown in await self._of(asked, period)]

    async def latest(self, connection: AsyncConnection, now: datetime) -> Period | None:
        """The released period that says most by now: the last year, of which most tables are released; without one, the
        period that ended last, of several the longest. None: nothing is released yet. `now`: aware."""
        look = await self._look(connection, now)
        seen = {
            span: [one for one in Period.containing(local_day(now), span).previous.before(count) if look.sees(one)]
            for span, count in _LATEST
        }
        if seen["year"]:
            return seen["year"][-1]
        found = [one for periods in seen.values() for one in periods]
        return max(found, key=lambda one: (one.last, one.last - one.first), default=None)

    async def _look(self, connection: AsyncConnection, moment: datetime) -> Look:
        written = await self._written.periods(connection)
        begins = released_from(written, await self._evaluator.beginnings(connection), local_day(moment))
        return Look(connection, moment, self._disclosure, written, begins)

    async def _of(self, asked: _Asked, period: Period) -> list[Shown]:
        indicator, by = asked.indicator, asked.by
        if indicator.shape == "reported":
            return await self._handed_in(asked, period)
        parts = [part for part in (indicator.numerator, indicator.denominator) if part is not None]
        if all(part.measure in asked.look.rule(period).open_measures for part in parts):
            values = await self._evaluator.values(
                asked.look.connection, indicator, [period], by=by, units=asked.units, as_of=asked.look.moment
            )
            return [Shown.of(value) for value in values]
        if len(by) > 1 or (asked.units is not None and by not in {(), (UNIT,)}):
            return [Shown.without(period, (), "not-offered")]
        if asked.look.before(period) and period.span not in _CROSSING:
            return [Shown.none(period, "before-recording")]
        return await self._as_begun(asked, period, await self._decided(asked, period, parts))

    async def _as_begun(self, asked: _Asked, period: Period, shown: list[Shown]) -> list[Shown]:
        """Where a period was over before anything can have been counted, that there is nothing is no figure. Only of
        what is released at all: by single days one would learn of the very first event."""
        known = await self._evaluator.beginnings(asked.look.connection)
        if has_begun(asked.indicator, period, known) or any(one.hidden == "not-offered" for one in shown):
            return shown
        found = [
            replace(one, early=True)
            for one in shown
            if one.hidden == "protected"
            or (asked.indicator.shape == "percentile" and one.value is not None)
            or is_counted(asked.indicator, one.numerator, one.denominator)
        ]
        return found if found and not asked.by else [*found, Shown.none(period, "before-recording")]

    async def _decided(self, asked: _Asked, period: Period, parts: Sequence[Part]) -> list[Shown]:
        indicator, by = asked.indicator, asked.by
        tables: list[list[Cells]] = []
        for part in parts:
            dimension = by[0] if by else UNIT if asked.units is not None else TOTAL
            cells = await self._released.cells(asked.look, part, period, dimension)
            if isinstance(cells, str):
                return [Shown.without(period, (), cells)]
            if any(one.partition is None for one in cells):
                return [Shown.without(period, (), "protected")]
            tables.append(cells)
        if indicator.shape == "percentile":
            return await self._percentile(asked, period, tables[0])
        return [
            _figure(indicator, period, keys, [total_of(cells, wanted) for cells in tables])
            for keys, wanted in self._wanted(asked, tables)
        ]

    async def _handed_in(self, asked: _Asked, period: Period) -> list[Shown]:
        # A share of a commune's children tells their number to whoever knows how many there are.
        if asked.by or asked.units is not None:
            return [Shown.without(period, (), "not-offered")]
        if asked.look.before(period) and period.span not in {"day", "week"}:
            return [Shown.none(period, "before-recording")]
        counts = asked.indicator.unit == "number"
        # Of communes' numbers each is the last one of the time that is asked for: a longer time, or another end of it,
        # has more of them than a year, or later ones, and the difference is few.
        if counts and period.span != "year":
            return [Shown.without(period, (), "not-offered")]
        if period.span in {"day", "week"}:
            return [Shown.without(period, (), "not-offered")]
        if not asked.look.sees(period):
            return [Shown.without(period, (), "not-released")]
        written = await self._written.figure(asked.look.connection, asked.indicator.code, period.code)
        if written is None:
            return [Shown.without(period, (), "not-offered")]
        [value] = written
        if counts and value is not None and 0 < value < asked.look.rule(period).threshold:
            return [Shown.without(period, (), "protected")]
        return [Shown(period, (), value, lack="not-reported" if value is None else None)]

    async def _percentile(self, asked: _Asked, period: Period, cells: Sequence[Cells]) -> list[Shown]:
        """Shown of so many that as many lie beyond it, on either side, as a count needs to be shown; in whole units,
        for the exact one is that of one case."""
        part, at = asked.indicator.numerator, asked.indicator.at
        assert part is not None
        dimension = asked.by[0] if asked.by else UNIT if asked.units is not None else TOTAL
        times = await self._released.times(asked.look, part, period, dimension)
        if times is None:
            return [Shown.without(period, (), "not-offered")]
        found = []
        for keys, wanted in self._wanted(asked, [cells]):
            n = total_of(cells, wanted)
            if n is None or 0 < n * min(at, 100 - at) < asked.look.rule(period).threshold * 100:
                found.append(Shown.without(period, keys, "protected"))
                continue
            together = sum((times[one] for one in times if wanted is None or one in wanted), Counter[float]())
            hours = percentile(together, at)
            if hours is None:
                found.append(Shown(period, keys, lack="nothing-measured"))
            else:
                found.append(Shown(period, keys, float(round(hours))))
        return found

    def _wanted(
        self, asked: _Asked, tables: Sequence[Sequence[Cells]]
    ) -> list[tuple[tuple[str, ...], frozenset[str] | None]]:
        """Which figures are answered: their keys, and the values that each counts. Communes are today's; written down
        they are those of when they were."""
        if not asked.by and asked.units is None:
            return [((), None)]
        names = {name for cells in tables for one in cells for name in one.names()}
        if asked.by not in {(), (UNIT,)}:
            return [((name,), frozenset({name})) for name in sorted(names)]
        places: dict[str, set[str]] = {}
        for name in names:
            place = self._evaluator.today(name)
            if asked.units is None or place in asked.units:
                places.setdefault(place, set()).add(name)
        if not asked.by:
            return [((), frozenset[str]().union(*places.values()))]
        return [((place,), frozenset(places[place])) for place in sorted(places)]


def sees_all(principal: Principal, rule: Rule) -> bool:
    """Whether somebody sees figures as they are, of the communes that are theirs: who may open the cases behind."""
    return principal.role.value in rule.exact_roles and principal.may(Permission.SEE_CASES)


def _figure(indicator: Indicator, period: Period, keys: tuple[str, ...], parts: Sequence[int | None]) -> Shown:
    numerator, denominator = parts[0], parts[1] if len(parts) > 1 else None
    if numerator is None or (len(parts) > 1 and denominator is None):
        return Shown.without(period, keys, "protected")
    if len(parts) == 1:
        return Shown(period, keys, float(numerator), numerator)
    if not denominator:
        return Shown(period, keys, None, numerator, denominator, lack="no-denominator")
    return Shown(period, keys, numerator / denominator * indicator.scale, numerator, denominator)
