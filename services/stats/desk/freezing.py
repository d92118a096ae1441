"""The figures of an edition: what it holds of every indicator, as it is and as it may be published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from services.stats.domain.closing import Audience, Frozen, Named, named
from services.stats.domain.disclosure import Shown
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.domain.periods import Period
from services.stats.domain.reading import goal_of, none_of_units
from services.stats.figures.comparing import base_of, value_of_base
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.store.answers import see_one_moment
from shared.database import Database
from shared.identity import ALL_UNITS, Principal, Role
from shared.messaging.waiting import let_others_go
from shared.reference.indicators import Indicator

# Everybody: whoever may see nothing but what is released.
_EVERYBODY: Final = Principal("", "", Role.STATISTICIAN, ALL_UNITS)


class Freezing:
    """Asks for an edition's figures: of the province, by commune, by each dimension of the indicator; and what they are
    compared with.

    Args:
        database: statistics' own. evaluator, releasing: answer.
    """

    def __init__(self, database: Database, evaluator: Evaluator, releasing: Releasing) -> None:
        self._database = database
        self._evaluator = evaluator
        self._releasing = releasing

    async def goals(
        self, indicators: Sequence[Indicator], period: Period, as_of: datetime, audience: Audience
    ) -> tuple[Named, ...]:
        """The indicators with what each is aimed at. A target that is set against another year's figure is told only to
        those who may see that figure."""
        found = []
        for indicator in indicators:
            goal = goal_of(indicator, period, "province")
            base = base_of(goal, period) if goal else None
            if goal is not None and base is not None:
                known = await self._whole(indicator, base, as_of, audience)
                goal = goal.against_base(value_of_base(indicator, goal, base, known))
            found.append(named(indicator, period, goal))
        return tuple(found)

    async def _whole(self, indicator: Indicator, period: Period, at: datetime, audience: Audience) -> Shown | None:
        async with self._database.transaction() as connection:
            await see_one_moment(connection)
            if audience == "published":
                shown = await self._releasing.release(connection, _EVERYBODY, indicator, [period], now=at)
            else:
                values = await self._evaluator.values(connection, indicator, [period], as_of=at)
                shown = [Shown.of(value) for value in values]
        return next(iter(shown), None)

    async def exact(self, indicators: Sequence[Indicator], period: Period, as_of: datetime) -> list[Frozen]:
        """As they are, as it was known then."""
        found: list[Frozen] = []
        for indicator in indicators:
            async with self._database.transaction() as connection:
                await see_one_moment(connection)
                for dimension in _dimensions(indicator):
                    values = await self._evaluator.values(
                        connection, indicator, _asked(period, dimension), by=_by(dimension), as_of=as_of
                    )
                    found += self._frozen(indicator, dimension, period, [Shown.of(value) for value in values])
            # There is no hurry: who looks at a page goes first.
            await let_others_go()
        return sorted(found, key=lambda figure: figure.place)

    async def published(self, indicators: Sequence[Indicator], period: Period, now: datetime) -> list[Frozen]:
        """As everybody may see them."""
        found: list[Frozen] = []
        for indicator in indicators:
            async with self._database.transaction() as connection:
                await see_one_moment(connection)
                for dimension in _dimensions(indicator):
                    shown = await self._releasing.release(
                        connection,
                        _EVERYBODY,
                        indicator,
                        _asked(period, dimension),
                        by=_by(dimension),
                        now=now,
                    )
                    found += self._frozen(indicator, dimension, period, shown)
            await let_others_go()
        return sorted(found, key=lambda figure: figure.place)

    def _frozen(self, indicator: Indicator, dimension: str, period: Period, shown: Sequence[Shown]) -> Iterator[Frozen]:
        """What an edition keeps of figures. Of a count each commune has one: 0 is told, and is not the same as
        nothing."""
        if dimension == UNIT:
            shown = [*shown, *none_of_units(indicator, period, shown, self._evaluator.units.codes())]
        return _frozen(indicator, dimension, period, shown)


def _dimensions(indicator: Indicator) -> tuple[str, ...]:
    # Whatever is counted has a place; one that asks for no place has none to be broken down by.
    of_place = () if _of_one_place(indicator) else (UNIT,)
    return (TOTAL, *of_place, *(name for name in indicator.by if name != UNIT))


def _of_one_place(indicator: Indicator) -> bool:
    return any(part is not None and UNIT in part.where for part in (indicator.numerator, indicator.denominator))


def _by(dimension: str) -> tuple[str, ...]:
    return () if dimension == TOTAL else (dimension,)


def _asked(period: Period, dimension: str) -> list[Period]:
    """The whole is compared with the period before and with the year before; a breakdown stands alone."""
    if dimension != TOTAL:
        return [period]
    return list(dict.fromkeys((period, period.previous, period.year_before)))


def _frozen(indicator: Indicator, dimension: str, period: Period, shown: Iterable[Shown]) -> Iterator[Frozen]:
    for one in shown:
        figure = one if one.period == period else one.comparable
        # A table that is not shown as a whole has no rows: it is not there.
        if len(figure.keys) != len(_by(dimension)):
            continue
        category = figure.keys[0] if figure.keys else ""
        yield Frozen(
            indicator.code,
            figure.period.code,
            dimension,
            category,
            figure.value,
            figure.numerator,
            figure.denominator,
            figure.hidden or "",
        )
