"""What is counted when a period is released, all of it as of one moment: it is written down, and never counted again.

It must never decide what may be shown: that is worked out from what is written down (`released`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from typing import Final, cast

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.beginnings import first_day, released_from
from services.stats.domain.periods import Period, Span
from services.stats.domain.releases import Catalogue, Counted, Tabled, Taken, asked_of
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.released import Count, known_at, released_at, rule_of
from shared.reference.calendar import local_day
from shared.reference.disclosure import Disclosure
from shared.reference.indicators import Indicators

# What is handed in is released of these, as the month ends that they end with; a school year ends within one.
_HANDED: Final[tuple[Span, ...]] = ("month", "quarter", "half-year", "year")
_DAY: Final = timedelta(days=1)
# As plans of the state run: 2021-2025, 2026-2030.
_PLAN_YEARS: Final = 5


class Taking:
    """Counts what is to be written down.

    Args:
        count: asks history. evaluator: knows what was handed in.
        indicators, disclosure: as data; the shipped ones where not given.
    """

    def __init__(
        self,
        count: Count,
        evaluator: Evaluator,
        indicators: Indicators | None = None,
        disclosure: Disclosure | None = None,
    ) -> None:
        self._count = count
        self._evaluator = evaluator
        self._indicators = Indicators.load() if indicators is None else indicators
        self.disclosure = Disclosure.load() if disclosure is None else disclosure

    async def beginning(self, connection: AsyncConnection) -> date | None:
        """The day of the first event that was counted; None: there was none."""
        return first_day(await self._evaluator.beginnings(connection))

    async def due(self, connection: AsyncConnection, now: datetime, written: Collection[str]) -> list[Period]:
        """The periods that are to be written down by now and are not yet, the first ones first: each month, and each
        school year. Nothing is before the first event, and what was over before it never is: nothing was known of it.
        Whoever writes them down keeps the order."""
        known = await self._evaluator.beginnings(connection)
        if not known:
            return []
        begins = released_from(written, known, local_day(now))
        return [period for period in self._over(now) if begins <= period.last and period.code not in written]

    def _over(self, now: datetime) -> list[Period]:
        first = Period.parse(f"{min(rule.first_year for rule in self.disclosure):04d}")
        found = []
        spans: tuple[Span, ...] = ("month", "school-year")
        for span in spans:
            period = Period.containing(first.first, span)
            while period.last < local_day(now) and released_at(self.disclosure, period) <= now:
                found.append(period)
                period = Period.containing(period.last + _DAY, span)
        return sorted(found, key=lambda one: (one.last, one.first))

    async def take(self, connection: AsyncConnection, period: Period) -> Taken:
        """All that is released with a period. The transaction must see one moment."""
        counts = {} if period.span == "school-year" else await self._counts(connection, period)
        return Taken(counts, await self._figures(connection, period))

    async def _counts(self, connection: AsyncConnection, month: Period) -> dict[Tabled, Counted]:
        rule = rule_of(self.disclosure, month)
        as_of = known_at(self.disclosure, month)
        found: dict[Tabled, Counted] = {}
        beginnings = await self._evaluator.beginnings(connection)
        for universe in Catalogue(self._indicators, rule):
            ends = Period.containing(month.last, cast(Span, rule.base(universe.measure))).last == month.last
            if universe.over == "state" and not (ends or universe.monthly):
                continue
            # Of what nobody had told of by then, nothing was known.
            begun = universe.measure in beginnings and beginnings[universe.measure] <= as_of
            for tabled in universe.tables(whole=universe.over == "period" or ends):
                part, by = asked_of(universe, tabled.circumstances), (*universe.hub, *tabled.by)
                rows = (
                    await self._count(connection, part, period=month, by=by, units=None, as_of=as_of) if begun else ()
                )
                found[tabled] = Counted(universe.hub, [(tuple(row.keys), row.n) for row in rows])
        return found

    async def _figures(self, connection: AsyncConnection, period: Period) -> dict[tuple[str, str], float | None]:
        reported = [indicator for indicator in self._indicators if indicator.shape == "reported"]
        found: dict[tuple[str, str], float | None] = {}
        for one in _ending_with(period):
            as_of = known_at(self.disclosure, one)
            await self._evaluator.prepare(connection, [(indicator, [one]) for indicator in reported], as_of=as_of)
            for indicator in reported:
                [value] = await self._evaluator.values(connection, indicator, [one], as_of=as_of)
                found[indicator.code, one.code] = value.value
        return found


def _ending_with(period: Period) -> Iterator[Period]:
    """The periods of which what is handed in is released with another one."""
    if period.span != "month":
        yield period
        return
    for span in _HANDED:
        longer = Period.containing(period.last, span)
        if longer.last == period.last:
            yield longer
    year = period.last.year
    if period.last.month == 12 and year % _PLAN_YEARS == 0:
        yield Period.parse(f"{year - _PLAN_YEARS + 1:04d}..{year:04d}")
