"""The one door to figures for whoever may only see aggregates: every page, file and answer of theirs passes here.

What passes is decided for the whole province, once a period, from what was known when the period was released; who asks
changes nothing but which part of it is shown. It must never answer from anything else: two answers that differ by one
child tell of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.disclosure import Figure, Shown
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period
from services.stats.domain.releases import Cells, total_of
from services.stats.figures.released import Count, Look, Prepare, Released
from shared.identity import ALL_UNITS, Permission, Principal
from shared.reference.disclosure import Disclosure, Rule
from shared.reference.indicators import Indicator, Indicators


class Evaluator(Protocol):
    """How indicators are evaluated (`services.stats.figures.evaluating.Evaluator`)."""

    async def values(
        self,
        connection: AsyncConnection,
        indicator: Indicator,
        periods: Sequence[Period],
        *,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> Sequence[Figure]: ...


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
        count: asks history. evaluator: evaluates for those who see figures as they are.
        indicators, disclosure: as data; the shipped ones where not given.
        prepare: asks history of several times at once.
    """

    def __init__(
        self,
        count: Count,
        evaluator: Evaluator,
        indicators: Indicators | None = None,
        disclosure: Disclosure | None = None,
        prepare: Prepare | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._disclosure = Disclosure.load() if disclosure is None else disclosure
        self._released = Released(count, Indicators.load() if indicators is None else indicators, prepare)
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
        value that is not; where a table is hidden as a whole, one with no keys. A value that counts nobody may lack.
        """
        if principal.units != ALL_UNITS:
            units = principal.units if units is None else units & principal.units
        if sees_all(principal, self._disclosure.on(now)):
            values = await self._evaluator.values(connection, indicator, periods, by=by, units=units, as_of=as_of)
            return [Shown.of(value) for value in values]
        asked = _Asked(indicator, tuple(by), units, Look(connection, min(as_of or now, now), self._disclosure))
        async with self._turn:
            return [shown for period in periods for shown in await self._of(asked, period)]

    async def _of(self, asked: _Asked, period: Period) -> list[Shown]:
        indicator, by = asked.indicator, asked.by
        if indicator.shape == "reported":
            return await self._handed_in(asked, period)
        parts = [part for part in (indicator.numerator, indicator.denominator) if part is not None]
        if all(part.measure in asked.look.rule(period).open_measures for part in parts):
            values = await self._evaluated(asked, period, asked.look.moment)
            return [Shown.of(value) for value in values]
        if len(by) > 1 or (asked.units is not None and by not in {(), (UNIT,)}):
            return [Shown.without(period, (), "not-offered")]
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
            for keys, wanted in _wanted(asked, tables)
        ]

    async def _handed_in(self, asked: _Asked, period: Period) -> list[Shown]:
        # A share of a commune's children tells their number to whoever knows how many there are.
        if asked.by or asked.units is not None:
            return [Shown.without(period, (), "not-offered")]
        counts = asked.indicator.unit == "number"
        # Of communes' numbers each is the last one of the time that is asked for: a longer time, or another end of it,
        # has more of them than a year, or later ones, and the difference is few.
        if counts and period.span != "year":
            return [Shown.without(period, (), "not-offered")]
        if not asked.look.sees(period):
            return [Shown.without(period, (), "not-released")]
        least = asked.look.rule(period).threshold
        return [
            Shown.without(period, value.keys, "protected")
            if counts and value.value is not None and 0 < value.value < least
            else Shown.of(value)
            for value in await self._evaluated(asked, period, asked.look.known_at(period))
        ]

    async def _percentile(self, asked: _Asked, period: Period, cells: Sequence[Cells]) -> list[Shown]:
        """Shown of so many that as many lie beyond it, on either side, as a count needs to be shown; in whole units,
        for the exact one is that of one case."""
        share = min(asked.indicator.at, 100 - asked.indicator.at)
        values = await self._evaluated(asked, period, asked.look.known_at(period))
        known = {value.keys: value.value for value in values}
        found = []
        for keys, wanted in _wanted(asked, [cells]):
            n, value = total_of(cells, wanted), known.get(keys)
            if n is None or 0 < n * share < asked.look.rule(period).threshold * 100:
                found.append(Shown.without(period, keys, "protected"))
            else:
                found.append(Shown(period, keys, None if value is None else float(round(value))))
        return found

    async def _evaluated(self, asked: _Asked, period: Period, as_of: datetime) -> Sequence[Figure]:
        return await self._evaluator.values(
            asked.look.connection, asked.indicator, [period], by=asked.by, units=asked.units, as_of=as_of
        )


def sees_all(principal: Principal, rule: Rule) -> bool:
    """Whether somebody sees figures as they are, of the communes that are theirs: who may open the cases behind."""
    return principal.role.value in rule.exact_roles and principal.may(Permission.SEE_CASES)


def _wanted(asked: _Asked, tables: Sequence[Sequence[Cells]]) -> list[tuple[tuple[str, ...], frozenset[str] | None]]:
    """Which figures are answered: their keys, and the values that each counts."""
    if not asked.by:
        return [((), asked.units)]
    names = {name for cells in tables for one in cells for name in one.names()}
    if asked.by == (UNIT,) and asked.units is not None:
        names &= asked.units
    return [((name,), frozenset({name})) for name in sorted(names)]


def _figure(indicator: Indicator, period: Period, keys: tuple[str, ...], parts: Sequence[int | None]) -> Shown:
    numerator, denominator = parts[0], parts[1] if len(parts) > 1 else None
    if numerator is None or (len(parts) > 1 and denominator is None):
        return Shown.without(period, keys, "protected")
    if len(parts) == 1:
        return Shown(period, keys, float(numerator), numerator)
    return Shown(
        period, keys, numerator / denominator * indicator.scale if denominator else None, numerator, denominator
    )
