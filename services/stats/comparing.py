"""A figure beside those it is compared with: the period before, the same one of the year before, what is aimed at.

Everything passes `releasing`, what is aimed at too: a target of ten per cent less than what was tells what was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period
from services.stats.evaluating import UNIT
from services.stats.releasing import Releasing
from shared.identity import Principal
from shared.reference.indicators import Indicator, Level, Target
from shared.web.i18n import ZONE


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure with what it is compared with; what there is not is None.

    `goal`: what is aimed at, without a value where it is set against a year of which nothing is known, or shown.
    `met`: whether the figure reaches it.
    """

    shown: Shown
    before: Shown | None
    year_before: Shown | None
    goal: Target | None
    met: bool | None

    @property
    def change(self) -> float | None:
        """By how much it differs from the period before."""
        return _difference(self.shown, self.before)

    @property
    def change_in_a_year(self) -> float | None:
        """By how much it differs from the year before."""
        return _difference(self.shown, self.year_before)


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
        return await self._releasing.release(
            connection,
            asking.principal,
            indicator,
            periods,
            by=asking.by,
            units=asking.units,
            as_of=asking.as_of,
            now=asking.now,
        )

    async def compared(
        self, connection: AsyncConnection, asking: Asking, indicator: Indicator, period: Period
    ) -> list[Compared]:
        """The figures of a period with what they are compared with, in the order of their keys."""
        before, year_before = period.previous, period.year_before
        target = self._target(asking, indicator, period)
        base = None if target is None else base_of(target, period)
        wanted = list(dict.fromkeys([period, before, year_before, *([base] if base else [])]))
        found: dict[Period, dict[tuple[str, ...], Shown]] = {one: {} for one in wanted}
        for shown in await self.released(connection, asking, indicator, wanted):
            found[shown.period][shown.keys] = shown
        compared = []
        for keys in sorted(found[period]):
            shown = found[period][keys]
            goal = None
            if target is not None:
                known = None if base is None else found[base].get(keys)
                goal = target.against_base(value_of_base(indicator, target, base, known))
            met = _met(indicator, shown, goal, asking.now)
            compared.append(Compared(shown, found[before].get(keys), found[year_before].get(keys), goal, met))
        return compared

    @staticmethod
    def _target(asking: Asking, indicator: Indicator, period: Period) -> Target | None:
        if asking.level is None:
            return None
        return indicator.target(period.last.year, asking.level, period.last)


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
    # Of a year before there was anything to count nothing is known: that is no level to fall from.
    return known.value or None if known is not None else None


def _met(indicator: Indicator, shown: Shown, goal: Target | None, now: datetime) -> bool | None:
    """Whether a figure reaches its goal; None where that cannot be said: of what adds up, a part of a year is no year,
    and while a year goes on it may still be missed or reached."""
    if goal is None or shown.value is None:
        return None
    met = indicator.met(shown.value, goal)
    if not indicator.adds_up:
        return met
    if shown.period.span != "year":
        return None
    goes_on = shown.period.last >= now.astimezone(ZONE).date()
    return None if goes_on and met == (indicator.better == "lower") else met


def _difference(one: Shown, other: Shown | None) -> float | None:
    return None if other is None or one.value is None or other.value is None else one.value - other.value
