"""A figure beside those it is compared with: the period before, the same one of the year before, what is aimed at.

Everything passes `releasing`, what is aimed at too: a target of ten per cent less than what was tells what was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.disclosure import Shown
from services.stats.domain.measures import UNIT
from services.stats.domain.orders import rank_of
from services.stats.domain.periods import Period
from services.stats.domain.reading import Reading, as_far, goal_of, reached
from services.stats.figures.releasing import Releasing, sees_all
from shared.identity import Principal
from shared.reference.calendar import local_day
from shared.reference.disclosure import Disclosure
from shared.reference.indicators import Indicator, Level, Target


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks for figures, of what, as known when; `now`: aware."""

    principal: Principal
    now: datetime
    by: tuple[str, ...] = ()
    units: frozenset[str] | None = None
    as_of: datetime | None = None

    @property
    def level(self) -> Level | None:
        """At which level targets are looked for; None where a figure is of neither: of old districts, of girls."""
        if self.by == (UNIT,):
            return "commune"
        if self.by:
            return None
        if self.units is None:
            return "province"
        return "commune" if len(self.units) == 1 else None

    @property
    def today(self) -> date:
        """The day here."""
        return local_day(self.now)

    def reached(self, period: Period) -> date:
        """The day up to which something can be known of a period."""
        return reached(period, self.today, None if self.as_of is None else local_day(self.as_of))

    @property
    def exact(self) -> bool:
        """Whether figures are seen as they are."""
        return sees_all(self.principal, Disclosure.load().on(self.now))


class Comparing:
    """Compares figures.

    Args:
        releasing: the door that they pass.
    """

    def __init__(self, releasing: Releasing) -> None:
        self._releasing = releasing

    async def released(
        self, connection: AsyncConnection, asking: Asking, indicator: Indicator, periods: Sequence[Period]
    ) -> list[Shown]:
        """The figures of periods, in their order, and as `releasing` shows them."""
        shown = await self._releasing.release(
            connection,
            asking.principal,
            indicator,
            periods,
            by=asking.by,
            units=asking.units,
            as_of=asking.as_of,
            now=asking.now,
        )
        turns = {period: turn for turn, period in enumerate(periods)}
        return sorted(in_order(indicator, asking.by, shown), key=lambda one: turns[one.period])

    async def compared(
        self, connection: AsyncConnection, asking: Asking, indicator: Indicator, period: Period
    ) -> list[Reading]:
        """The figures of a period with what they are compared with, in the order of their keys."""
        day = asking.reached(period)
        before, year_before = compared_with(indicator, period, day, exact=asking.exact)
        target = None if asking.level is None else goal_of(indicator, period, asking.level)
        base = None if target is None else base_of(target, period)
        wanted = list(dict.fromkeys([period, before, year_before, *([base] if base else [])]))
        found: dict[Period, dict[tuple[str, ...], Shown]] = {one: {} for one in wanted}
        for shown in await self.released(connection, asking, indicator, wanted):
            found[shown.period][shown.keys] = shown if shown.period == period else shown.comparable
        readings = []
        for shown in in_order(indicator, asking.by, found[period].values()):
            keys = shown.keys
            goal = target
            if target is not None and base is not None:
                goal = target.against_base(value_of_base(indicator, target, base, found[base].get(keys)))
            over = period.last < day
            beside = found[before].get(keys), found[year_before].get(keys)
            readings.append(Reading(indicator, period, shown, *beside, goal, over))
        return readings


def in_order(indicator: Indicator, by: Sequence[str], shown: Iterable[Shown]) -> list[Shown]:
    """Figures as people read them: by each dimension's values in their order; of places by their codes. One
    without keys, which speaks of the whole table, comes first."""
    return sorted(
        shown, key=lambda one: [rank_of(indicator, name, key) for name, key in zip(by, one.keys, strict=False)]
    )


def compared_with(indicator: Indicator, period: Period, day: date, *, exact: bool) -> tuple[Period, Period]:
    """The period before and the same one of the year before; of what is counted and adds up, as far as this one has
    come on a day. Where only whole periods are released (not `exact`), they are whole."""
    both = period.previous, period.year_before
    if not (exact and indicator.adds_up and indicator.shape != "reported"):
        return both
    return as_far(both[0], period, day), as_far(both[1], period, day)


def base_of(target: Target, period: Period) -> Period | None:
    """The year whose value a target is set against."""
    year = target.base_year(period.last.year)
    return None if year is None else Period.parse(f"{year:04d}")


def value_of_base(indicator: Indicator, target: Target, base: Period | None, known: Shown | None) -> float | None:
    """What was in the year that a target is set against. In: that year, and its figure as one may see it."""
    if base is None:
        return None
    # A baseline is the province's: what a commune had before the platform nobody wrote down.
    if base.first.year in indicator.baselines and target.level == "province":
        return indicator.baselines[base.first.year]
    # Of a year before there was anything to count nothing is known, whatever was told of it later: that is no level to
    # fall from.
    return known.comparable.value or None if known is not None else None
