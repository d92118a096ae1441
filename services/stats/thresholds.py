"""Tells people when a figure needs looking at: a missed target, a surge in a commune, a sector gone silent.

Each is told once, by whichever replica looks: what is crossed is noted in the transaction that tells it. It must never
judge what is not counted yet: while history is far behind, it waits.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.measures import UNIT
from services.stats.domain.periods import Period
from services.stats.domain.surges import upper_level
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.lateness import lateness
from services.stats.figures.voices import voices
from services.stats.store.answers import see_one_moment
from services.stats.store.crossings import note
from services.stats.store.locks import Lock, is_mine
from shared.contracts.base import Contract
from shared.contracts.stats import SectorSilent, SurgeDetected, TargetMissed
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.database import Database, is_passing
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicator, Level, Target
from shared.reference.thresholds import Thresholds, Watch

LOOK_EVERY: Final = timedelta(minutes=5)
# By our own clock, which may run ahead, and where nothing could be judged, it is looked sooner than that.
_WAKES_EVERY: Final = timedelta(minutes=1)
_LEVELS: Final[tuple[Level, ...]] = ("province", "commune")
_WEEK: Final = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Crossed:
    """A threshold that is crossed. `watch` and `subject` say which; `stays`: for how long it must be crossed no more
    until it is over, and can be told again; None: it is told once for ever."""

    watch: str
    subject: str
    event: Contract
    unit: str | None = None
    stays: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: at which moment, by which numbers."""

    connection: AsyncConnection
    now: datetime
    today: date
    watch: Watch


class Watching:
    """Watches thresholds.

    Args:
        database: statistics' own. clock: now, aware UTC. evaluator: of the indicators. thresholds: as data.
    """

    def __init__(
        self, database: Database, clock: Clock, evaluator: Evaluator, thresholds: Thresholds | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._evaluator = evaluator
        self._thresholds = Thresholds.load() if thresholds is None else thresholds

    async def watch_thresholds(self, stop: asyncio.Event) -> None:
        """Run until `stop`."""
        looked = self._clock()
        while not stop.is_set():
            await pause(stop, _WAKES_EVERY.total_seconds())
            if stop.is_set():
                return
            now = self._clock()
            # Where the clock was set back, what was looked at lies ahead.
            if abs(now - looked) < LOOK_EVERY:
                continue
            try:
                if await self.look() is not None:
                    looked = now
            except Exception as error:
                if not is_passing(error):
                    raise

    async def look(self) -> int | None:
        """Look at everything now, and tell what is newly crossed. Out: how much was told; None: not now, because
        another replica looks, or history is behind. Raises what says that the database is away."""
        async with self._database.transaction() as connection:
            await see_one_moment(connection, writes=True)
            now = self._clock()
            if not await is_mine(connection, Lock.THRESHOLDS) or await lateness(connection, now) is not None:
                return None
            look = _Look(connection, now, local_day(now), self._thresholds.on(now))
            crossed = [one async for one in self._crossed(look)]
            scope = Scope("stats", connection, now)
            told = 0
            for one in crossed:
                sequence = await note(connection, one.watch, one.subject, now, one.stays)
                if sequence is not None:
                    await scope.emit(one.event, subject=f"{one.watch}/{one.subject}", sequence=sequence, unit=one.unit)
                    told += 1
            await scope.flush()
        return told

    async def _crossed(self, look: _Look) -> AsyncIterator[Crossed]:
        for indicator in self._evaluator.indicators.on(look.today):
            for level in _LEVELS:
                async for missed in self._missed(look, indicator, level):
                    yield missed
        for code in look.watch.surges:
            watched = self._evaluator.indicators.get(code)
            if watched is not None:
                async for surge in self._surges(look, watched):
                    yield surge
        async for silent in self._silent(look):
            yield silent

    async def _missed(self, look: _Look, indicator: Indicator, level: Level) -> AsyncIterator[Crossed]:
        by = (UNIT,) if level == "commune" else ()
        for period in _judged(indicator, level, look):
            target = indicator.target(period.first.year, level, look.today)
            if target is None or not target.due(period.first.year):
                continue
            values = await self._evaluator.values(look.connection, indicator, [period], by=by)
            known = await self._bases(look, indicator, target, period, by)
            for value in values:
                aimed = target.against_base(known.get(value.keys))
                if value.value is None or indicator.met(value.value, aimed) is not False:
                    continue
                unit = value.keys[0] if value.keys else ""
                if value.keys and unit in {"", UNCLASSIFIED}:
                    continue
                event = TargetMissed(
                    indicator=indicator.code,
                    unit=unit or None,
                    period=period.code,
                    value=value.value,
                    target=aimed.value or 0.0,
                    as_of=look.now,
                )
                yield Crossed("target", f"{indicator.code}/{unit}/{period.code}", event, unit or None)

    async def _bases(
        self, look: _Look, indicator: Indicator, target: Target, period: Period, by: tuple[str, ...]
    ) -> dict[tuple[str, ...], float | None]:
        """What was in the year that a target is set against."""
        year = target.base_year(period.first.year)
        if year is None:
            return {}
        if year in indicator.baselines and not by:
            return {(): indicator.baselines[year]}
        base = Period.parse(f"{year:04d}")
        began = next(base.parts("quarter"))
        values = await self._evaluator.values(look.connection, indicator, [base, began], by=by)
        # A year in the middle of which the platform began is no measure for another; what is handed in is of the year.
        reported = indicator.shape == "reported"
        whole = {value.keys for value in values if reported or (value.period == began and value.value)}
        return {value.keys: value.value for value in values if value.period == base and value.keys in whole}

    async def _surges(self, look: _Look, indicator: Indicator) -> AsyncIterator[Crossed]:
        now, *before = [_week(look.today - back * _WEEK) for back in range(look.watch.surge_weeks + 2)]
        # The week before now is left out: a surge that began then must not be usual already.
        usual = before[1:]
        counts: dict[str, dict[Period, int]] = defaultdict(dict)
        values = await self._evaluator.values(look.connection, indicator, [now, *usual], by=(UNIT,))
        for value in values:
            if value.keys:
                counts[value.keys[0]][value.period] = value.numerator or 0
        for unit, counted in counts.items():
            n, earlier = counted.get(now, 0), [counted.get(week, 0) for week in usual]
            level = upper_level(earlier, look.watch.surge_z)
            if unit in {"", UNCLASSIFIED} or n < look.watch.surge_least or n <= level:
                continue
            event = SurgeDetected(
                indicator=indicator.code,
                unit=unit,
                until=look.today,
                value=n,
                usual=round(sum(earlier) / len(earlier), 1),
                level=round(level, 1),
                as_of=look.now,
            )
            stays = timedelta(days=look.watch.surge_over_days)
            yield Crossed("surge", f"{indicator.code}/{unit}", event, unit, stays)

    async def _silent(self, look: _Look) -> AsyncIterator[Crossed]:
        for one in await voices(look.connection, self._evaluator, look.watch, look.today):
            if one.broke_its_habit and one.last is not None and one.usual_days is not None:
                event = SectorSilent(
                    sector=one.sector, last_heard=one.last, usual_days=round(one.usual_days, 1), as_of=look.now
                )
                # Its last word names the silence: once it is heard again, the next silence is another one.
                yield Crossed("silence", f"{one.sector}/{one.last.isoformat()}", event)


def _judged(indicator: Indicator, level: Level, look: _Look) -> Iterator[Period]:
    """The periods whose target is looked at now: the last year and the last month of which all is known, and of what
    adds up and should be little this year, too: what is too much by now will be so at its end."""
    if not any(target.level == level for target in indicator.targets):
        return
    settled = look.today - timedelta(days=look.watch.settle_days)
    year = Period.containing(settled, "year").previous
    if indicator.in_force(year.last):
        yield year
    if indicator.adds_up:
        if indicator.better == "lower":
            yield Period.containing(look.today, "year")
    elif indicator.shape != "reported":
        month = Period.containing(settled, "month").previous
        target = indicator.target(month.first.year, level, look.today)
        if target is not None and target.yearly and indicator.in_force(month.last):
            yield month


def _week(last: date) -> Period:
    """The seven days up to one."""
    first = last - _WEEK + timedelta(days=1)
    return Period(first, last, "week", f"{first}..{last}")
