"""What an indicator's value is: in a period, of communes, by dimensions, as known at a moment.

It asks history and divides; what is counted is history's to say, what is asked is data's. Communes are today's: what
records of before a reform name by an old code is counted where its land lies now. It must never look at who asks: that
is `releasing`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.beginnings import has_begun, is_counted
from services.stats.domain.disclosure import Lack
from services.stats.domain.measures import HOURS, NAMED_UNIT, PLACES, UNIT, WHOLE
from services.stats.domain.periods import Period
from services.stats.figures.catalogue import load_indicators
from services.stats.store.answers import Answers
from services.stats.store.handed import Handed, reported
from services.stats.store.history import count_all
from services.stats.store.questions import MeasureError, Question, Row, checked
from services.stats.store.ranks import Ranked, rank_all
from shared.reference.indicators import Indicator, Indicators, Part
from shared.reference.units import UNCLASSIFIED, Units

Keys = tuple[str, ...]


class Value(NamedTuple):
    """A value of an indicator.

    `keys`: the values of what it was asked by, in that order; none where nothing can be said of any of them. `value`:
    None where nothing can be said, and `lack` says why. `numerator`, `denominator`: what it is made of; of a
    percentile, of how many it is one. `early`: its time was over before anything was recorded, and it counts only what
    was told of later.
    """

    period: Period
    keys: Keys
    value: float | None
    numerator: int | None
    denominator: int | None
    lack: Lack | None = None
    early: bool = False


@dataclass(frozen=True, slots=True)
class _Look:
    """What is asked of history for all parts of an indicator alike."""

    connection: AsyncConnection
    periods: Sequence[Period]
    by: Keys
    units: frozenset[str] | None
    as_of: datetime | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as history is asked it. `named`: dimensions without places; `placed`: whether communes come with
    them, the last; `sifted`: whether those that count are found among all that come."""

    question: Question
    named: Keys
    placed: bool
    sifted: frozenset[str] | None


class Evaluator:
    """Evaluates indicators.

    Args:
        indicators, units: as data; the shipped ones where not given.
    """

    def __init__(self, indicators: Indicators | None = None, units: Units | None = None) -> None:
        self.indicators = load_indicators() if indicators is None else indicators
        self.units = Units.load() if units is None else units
        self.answers = Answers()
        self._named_as = lru_cache(256)(self.units.named_as)
        self._places = lru_cache(len(PLACES))(self._all_places)

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

        Without `by` there is one value a period; with it one for each combination that something was counted of. Of a
        period before anything can have been counted, no number is none at all, not 0: by dimensions, one without keys
        says so of all combinations that are not there. Raises `MeasureError` for a dimension that it has not.
        """
        look = _Look(connection, periods, tuple(by), units, as_of)
        if indicator.shape == "reported":
            return await self._reported(look, indicator)
        assert indicator.numerator is not None
        known = await self.beginnings(connection)
        if indicator.shape == "percentile":
            times = await self._percentiles(look, indicator.numerator, indicator.at)
            return [
                one
                if has_begun(indicator, one.period, known, as_of)
                else one._replace(early=True)
                if one.value is not None
                else one._replace(numerator=None, lack="before-recording")
                for one in times
            ]
        numerators = await self._counted(look, indicator.numerator)
        denominators = {} if indicator.denominator is None else await self._counted(look, indicator.denominator)
        found = []
        for period in periods:
            values = _of_counts(look, indicator, period, numerators[period], denominators.get(period))
            if not has_begun(indicator, period, known, as_of):
                counted = [
                    value._replace(early=True)
                    for value in values
                    if is_counted(indicator, value.numerator, value.denominator)
                ]
                none = Value(period, (), None, None, None, "before-recording")
                values = counted if counted and not look.by else [*counted, none]
            found += values
        return found

    async def beginnings(self, connection: AsyncConnection) -> Mapping[str, datetime]:
        """Since when each measure is counted, by its word; those that are not yet are left out."""
        return (await self.answers.stamps(connection)).beginnings

    async def prepare(
        self,
        connection: AsyncConnection,
        wanted: Iterable[tuple[Indicator, Sequence[Period]]],
        *,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> None:
        """Ask history at once for all that `values` will be asked for of several indicators by the same transaction:
        what they have in common is summed once. It changes no answer; what cannot be asked is left out."""
        counts: dict[Question, dict[Period, None]] = {}
        ranks: dict[Ranked, dict[Period, None]] = {}
        handed: dict[str, dict[Period, None]] = {}
        for indicator, periods in wanted:
            look = _Look(connection, periods, tuple(by), units, as_of)
            of_periods = dict.fromkeys(periods)
            try:
                if indicator.shape == "reported":
                    handed.setdefault(indicator.code, {}).update(of_periods)
                    continue
                for part in (indicator.numerator, indicator.denominator):
                    ranked = self._ranked(look, part, indicator.at) if part and indicator.at else None
                    if ranked is not None:
                        ranks.setdefault(ranked, {}).update(of_periods)
                    elif part is not None:
                        counts.setdefault(self._asked(look, part).question, {}).update(of_periods)
            except MeasureError:
                continue
        await count_all(connection, counts, self.answers)
        await rank_all(connection, ranks, self.answers)
        if handed and not set(by) - set(PLACES):
            named = None if units is None else self._named_as(units)
            await reported(connection, handed, units=named, as_of=as_of, answers=self.answers)

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
        """The rows of a part as `history.count_periods` has them, of today's communes. Raises `MeasureError`."""
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
        counted = await self._counted(_Look(connection, periods, tuple(by), units, as_of), part)
        return {period: [Row(keys, n) for keys, n in sorted(sums.items()) if n] for period, sums in counted.items()}

    async def _counted(self, look: _Look, part: Part) -> dict[Period, Counter[Keys]]:
        """How many of each combination; what old codes name is folded into today's communes."""
        asked = self._asked(look, part)
        rows = (await count_all(look.connection, {asked.question: look.periods}, self.answers))[asked.question]
        found: dict[Period, Counter[Keys]] = {}
        for period in look.periods:
            sums = found[period] = Counter[Keys]()
            for keys, n in rows[period]:
                if not asked.placed:
                    sums[keys] += n
                elif asked.sifted is None or self.today(keys[-1]) in asked.sifted:
                    told = dict(zip(asked.named, keys, strict=False))
                    sums[tuple(self._place(name, keys[-1]) if name in PLACES else told[name] for name in look.by)] += n
        return found

    def _asked(self, look: _Look, part: Part) -> _Asked:
        """What history is asked for a part. Raises `MeasureError`."""
        part, units = _placed(part, look.units)
        if len(set(look.by)) < len(look.by):
            raise MeasureError("a dimension is named twice")
        named = tuple(name for name in look.by if name not in PLACES)
        # Codes that nobody knows are many names for one place: they are found by asking for all.
        sifted = units if units is not None and UNCLASSIFIED in units else None
        placed = sifted is not None or len(named) < len(look.by)
        by = (*named, UNIT) if placed else named
        checked(part, by)
        wanted = None if units is None or sifted is not None else self._named_as(units)
        return _Asked(Question.of(part, by, wanted, look.as_of), named, placed, sifted)

    def _ranked(self, look: _Look, part: Part, at: int) -> Ranked | None:
        """What history is asked for a percentile of a part; None: it is worked out from all times. Raises
        `MeasureError`."""
        asked = self._asked(look, part)
        checked(part, (*asked.question.by, HOURS))
        kinds = [name for name in look.by if name in PLACES]
        if asked.sifted is not None or len(kinds) > 1 or (kinds and look.by[-1] != kinds[0]):
            return None
        places = self._places(kinds[0]) if kinds and kinds[0] != NAMED_UNIT else ()
        return Ranked(asked.question, at, places)

    def _all_places(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Where each code that there ever was is counted now."""
        return tuple((code, self._place(kind, code)) for code in sorted(self.units.ever()))

    def today(self, code: str) -> str:
        """The commune of today in which a code's land lies; what is the province's own stays that."""
        return self.units.folded(code) if code else WHOLE

    def _place(self, kind: str, code: str) -> str:
        if kind == NAMED_UNIT:
            return code
        today = self.today(code)
        if kind == UNIT or today in {WHOLE, UNCLASSIFIED}:
            return today
        return self.units.district(today) or UNCLASSIFIED

    async def _percentiles(self, look: _Look, part: Part, at: int) -> list[Value]:
        ranked = self._ranked(look, part, at)
        if ranked is None:
            return await self._percentiles_of_all(look, part, at)
        ranks = (await rank_all(look.connection, {ranked: look.periods}, self.answers))[ranked]
        found = []
        for period in look.periods:
            found += [_measured(period, keys, hours, of) for keys, hours, of in ranks[period]]
            if not look.by and not ranks[period]:
                found.append(_measured(period, (), None, 0))
        return found

    async def _percentiles_of_all(self, look: _Look, part: Part, at: int) -> list[Value]:
        by_hours = replace(look, by=(*look.by, HOURS))
        found = []
        for period, counted in (await self._counted(by_hours, part)).items():
            times: dict[Keys, Counter[float]] = {}
            for told, n in counted.items():
                times.setdefault(told[:-1], Counter())[float(told[-1])] += n
            if not look.by:
                times.setdefault((), Counter())
            for keys in sorted(times):
                n = times[keys].total()
                found.append(_measured(period, keys, percentile(times[keys], at), n))
        return found

    async def _reported(self, look: _Look, indicator: Indicator) -> list[Value]:
        if any(name not in PLACES for name in look.by) or len(look.by) > 1:
            raise MeasureError(f"{indicator.code} is handed in by place only")
        units = look.units
        told = await reported(
            look.connection,
            {indicator.code: look.periods},
            units=None if units is None else self._named_as(units),
            as_of=look.as_of,
            answers=self.answers,
        )
        handed = told[indicator.code]
        of_one_place = bool({UNIT, NAMED_UNIT} & {*look.by}) or (units is not None and len(units) == 1)
        found = []
        for period in look.periods:
            places: dict[Keys, list[Handed]] = {} if look.by else {(): []}
            for figure in handed[period]:
                if look.by and figure.unit != WHOLE:
                    places.setdefault((self._place(look.by[0], figure.unit),), []).append(figure)
                elif not look.by:
                    places[()].append(figure)
            for keys in sorted(places):
                value = together(places[keys], indicator, of_one_place=of_one_place)
                found.append(Value(period, keys, value, None, None, "not-reported" if value is None else None))
        return found


def _of_counts(
    look: _Look, indicator: Indicator, period: Period, above: Counter[Keys], below: Counter[Keys] | None
) -> list[Value]:
    if below is None:
        return [Value(period, keys, float(n), n, None) for keys, n in _told(above, look.by)]
    found = []
    for keys, n in _told({keys: below[keys] for keys in (*above, *below)}, look.by):
        value = above[keys] / n * indicator.scale if n else None
        found.append(Value(period, keys, value, above[keys], n, None if n else "no-denominator"))
    return found


def _measured(period: Period, keys: Keys, hours: float | None, n: int) -> Value:
    return Value(period, keys, hours, n, None, "nothing-measured" if hours is None else None)


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
