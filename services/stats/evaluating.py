"""What an indicator's value is: in a period, of communes, by dimensions, as known at a moment.

It asks history and divides; what is counted is history's to say, what is asked is data's. Communes are today's: what
records of before a reform name by an old code is counted where its land lies now. It must never look at who asks: that
is `releasing`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.catalogue import load_indicators
from services.stats.domain.periods import Period
from services.stats.store.history import Handed, MeasureError, Row, checked, count_periods, reported
from shared.reference.indicators import Indicator, Indicators, Part
from shared.reference.units import UNCLASSIFIED, Units

UNIT: Final = "unit"
# The old district in which a commune lies, and a commune by the code of the unit that a record named at its time.
DISTRICT: Final = "district"
NAMED_UNIT: Final = "named-unit"
PLACES: Final = (UNIT, DISTRICT, NAMED_UNIT)
HOURS: Final = "hours"
# What belongs to the province and to no commune of it.
WHOLE: Final = ""
Keys = tuple[str, ...]


class Value(NamedTuple):
    """A value of an indicator.

    `keys`: the values of what it was asked by, in that order. `value`: None where nothing can be said (nobody to divide
    by, nothing handed in). `numerator`, `denominator`: what it is made of; of a percentile, of how many it is one.
    """

    period: Period
    keys: Keys
    value: float | None
    numerator: int | None
    denominator: int | None


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of history for all parts of an indicator alike."""

    connection: AsyncConnection
    periods: Sequence[Period]
    by: Keys
    units: frozenset[str] | None
    as_of: datetime | None


class Evaluator:
    """Evaluates indicators.

    Args:
        indicators, units: as data; the shipped ones where not given.
    """

    def __init__(self, indicators: Indicators | None = None, units: Units | None = None) -> None:
        self.indicators = load_indicators() if indicators is None else indicators
        self.units = Units.load() if units is None else units

    async def values(
        self,
        connection: AsyncConnection,
        indicator: Indicator,
        periods: Sequence[Period],
        *,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> list[Value]:
        """The values of an indicator in each of the periods, in their order.

        Args:
            by: dimensions of all its measures, `district` and `named-unit` among them; a reported figure has places
                only. units: today's communes that count; None: all, and what lies in none. as_of: what was known then.

        Without `by` there is one value a period; with it one for each combination that something was counted of.
        Raises `MeasureError` for a dimension that it has not.
        """
        question = _Question(connection, periods, tuple(by), units, as_of)
        if indicator.shape == "reported":
            return await self._reported(question, indicator)
        assert indicator.numerator is not None
        if indicator.shape == "percentile":
            return await self._percentiles(question, indicator.numerator, indicator.at)
        numerators = await self._counted(question, indicator.numerator)
        if indicator.denominator is None:
            return [
                Value(period, keys, float(n), n, None)
                for period in periods
                for keys, n in _told(numerators[period], question.by)
            ]
        denominators = await self._counted(question, indicator.denominator)
        found = []
        for period in periods:
            above, below = numerators[period], denominators[period]
            for keys, n in _told({keys: below[keys] for keys in (*above, *below)}, question.by):
                value = above[keys] / n * indicator.scale if n else None
                found.append(Value(period, keys, value, above[keys], n))
        return found

    async def count(
        self,
        connection: AsyncConnection,
        part: Part,
        *,
        period: Period,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> list[Row]:
        """The rows of a part as `history.count` has them, of today's communes. Raises `MeasureError`."""
        return (await self.count_periods(connection, part, [period], by, units, as_of))[period]

    async def count_periods(
        self,
        connection: AsyncConnection,
        part: Part,
        periods: Sequence[Period],
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> dict[Period, list[Row]]:
        """The same in each of several periods. Raises `MeasureError`."""
        counted = await self._counted(_Question(connection, periods, tuple(by), units, as_of), part)
        return {period: [Row(keys, n) for keys, n in sorted(sums.items()) if n] for period, sums in counted.items()}

    async def _counted(self, question: _Question, part: Part) -> dict[Period, Counter[Keys]]:
        """How many of each combination; what old codes name is folded into today's communes."""
        part, units = _placed(part, question.units)
        by = question.by
        asked = [name for name in by if name not in PLACES]
        # Codes that nobody knows are many names for one place: they are found by asking for all.
        sifted = units is not None and UNCLASSIFIED in units
        placed = sifted or len(asked) < len(by)
        checked(part, [*asked, *([UNIT] if placed else [])])
        if len(set(by)) < len(by):
            raise MeasureError("a dimension is named twice")
        wanted = None if units is None or sifted else self.units.named_as(units)
        rows = await count_periods(
            question.connection, part, question.periods, [*asked, *([UNIT] if placed else [])], wanted, question.as_of
        )
        found: dict[Period, Counter[Keys]] = {}
        for period, counted in rows.items():
            sums = found[period] = Counter[Keys]()
            for keys, n in counted:
                if not placed:
                    sums[keys] += n
                elif not sifted or (units is not None and self._today(keys[-1]) in units):
                    told = dict(zip(asked, keys, strict=False))
                    sums[tuple(self._place(name, keys[-1]) if name in PLACES else told[name] for name in by)] += n
        return found

    def _today(self, code: str) -> str:
        return self.units.folded(code) if code else WHOLE

    def _place(self, kind: str, code: str) -> str:
        if kind == NAMED_UNIT:
            return code
        today = self._today(code)
        if kind == UNIT or today in {WHOLE, UNCLASSIFIED}:
            return today
        return self.units.district(today) or UNCLASSIFIED

    async def _percentiles(self, question: _Question, part: Part, at: int) -> list[Value]:
        by_hours = replace(question, by=(*question.by, HOURS))
        found = []
        for period, counted in (await self._counted(by_hours, part)).items():
            times: dict[Keys, Counter[float]] = {}
            for told, n in counted.items():
                times.setdefault(told[:-1], Counter())[float(told[-1])] += n
            if not question.by:
                times.setdefault((), Counter())
            for keys in sorted(times):
                found.append(Value(period, keys, percentile(times[keys], at), times[keys].total(), None))
        return found

    async def _reported(self, question: _Question, indicator: Indicator) -> list[Value]:
        if any(name not in PLACES for name in question.by) or len(question.by) > 1:
            raise MeasureError(f"{indicator.code} is handed in by place only")
        units = question.units
        handed = await reported(
            question.connection,
            indicator.code,
            question.periods,
            units=None if units is None else self.units.named_as(units),
            as_of=question.as_of,
        )
        of_one_place = bool({UNIT, NAMED_UNIT} & {*question.by}) or (units is not None and len(units) == 1)
        found = []
        for period in question.periods:
            places: dict[Keys, list[Handed]] = {} if question.by else {(): []}
            for figure in handed[period]:
                if question.by and figure.unit != WHOLE:
                    places.setdefault((self._place(question.by[0], figure.unit),), []).append(figure)
                elif not question.by:
                    places[()].append(figure)
            for keys in sorted(places):
                value = together(places[keys], indicator, of_one_place=of_one_place)
                found.append(Value(period, keys, value, None, None))
        return found


def percentile(times: Mapping[float, int], at: int) -> float | None:
    """The time within which `at` of a hundred were done: the least that holds for so many (the nearest rank, which is
    always a time that was measured). None of nobody's."""
    rank = ceil(sum(times.values()) * at / 100)
    seen = 0
    for hours in sorted(times):
        seen += times[hours]
        if seen >= rank:
            return hours
    return None


def together(figures: Sequence[Handed], indicator: Indicator, *, of_one_place: bool) -> float | None:
    """One figure of several: the province's own word where it was said, else a sum of numbers, or the mean of shares by
    how many each is a mean of. Where nobody says of how many, a share stands for its own commune and for no more: a
    mean of communes as if they were alike would be wrong, so there is none."""
    whole = [figure.value for figure in figures if figure.unit == WHOLE]
    if whole:
        return whole[0]
    if indicator.unit == "number":
        return sum(figure.value for figure in figures) if figures else None
    weight = sum(figure.weight for figure in figures)
    if weight:
        return sum(figure.value * figure.weight for figure in figures) / weight
    return figures[0].value if of_one_place and len(figures) == 1 else None


def _told(counted: Mapping[Keys, int], by: Collection[str]) -> list[tuple[Keys, int]]:
    """In order; of a question by nothing one, though it counts nobody."""
    return sorted(counted.items()) if by else [((), counted.get((), 0))]


def _placed(part: Part, units: frozenset[str] | None) -> tuple[Part, frozenset[str] | None]:
    """A part that names communes, as one of these communes."""
    named = part.where.get(UNIT)
    if named is None:
        return part, units
    rest = {name: values for name, values in part.where.items() if name != UNIT}
    wanted = frozenset(named)
    return Part(part.measure, part.over, rest), wanted if units is None else units & wanted
