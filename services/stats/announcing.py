"""The indicators that are announced, as events: each said when its value changed, at most once a second.

Which they are is data. It must never say a value that is not committed, nor one value twice because there are two
replicas.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from services.stats.store.announced import Announced, announced, keep_announced, recorded
from services.stats.store.answers import see_one_moment
from services.stats.store.locks import Lock, is_mine
from shared.contracts.stats import IndicatorChanged
from shared.database import Database, is_passing
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicator

AT_MOST_EVERY: Final = timedelta(seconds=1)
# Rests the time that evaluating took so many times over, however much there is to count: others work here, too. But not
# longer than this: one look that waited for a machine that had just begun says nothing about how much there is.
_RESTS: Final = 9
_LONGEST_REST: Final = timedelta(seconds=5)


class Announcing:
    """Publishes `stats.indicator.changed`.

    Args:
        database: statistics' own. clock: now, aware UTC. evaluator: of the indicators.
    """

    def __init__(self, database: Database, clock: Clock, evaluator: Evaluator) -> None:
        self._database = database
        self._clock = clock
        self._evaluator = evaluator

    async def announce(self, stop: asyncio.Event) -> None:
        """Run until `stop`: once more is recorded, or a day has begun, say what is different."""
        said: object = None
        while not stop.is_set():
            began = time.monotonic()
            try:
                state = await self._state()
                if state != said and await self.say() is not None:
                    said = state
            except Exception as error:
                if not is_passing(error):
                    raise
            rest = min((time.monotonic() - began) * _RESTS, _LONGEST_REST.total_seconds())
            await pause(stop, max(AT_MOST_EVERY.total_seconds(), rest))

    async def _state(self) -> object:
        async with self._database.transaction() as connection:
            held = await recorded(connection)
        # What stands may change with the day, though nothing happens.
        return held, local_day(self._clock())

    async def say(self) -> int | None:
        """Publish each indicator whose value is not the one last said. Out: how many were published; None where some
        are left for the next turn, because they were said less than a second ago or another replica is at it."""
        async with self._database.transaction() as connection:
            # All values are of one moment, a share's parts among them.
            await see_one_moment(connection, writes=True)
            # Replicas take turns, so each value is said once.
            if not await is_mine(connection, Lock.ANNOUNCING):
                return None
            scope = Scope("stats", connection, self._clock())
            year = Period.containing(local_day(scope.now), "year")
            said = await announced(connection)
            count, left = 0, False
            for indicator in self._announced(scope.now):
                value = await self._value(connection, indicator, year)
                known = said.get(indicator.code)
                if value is None or (known is not None and known.value == value):
                    continue
                if known is not None and scope.now - known.at < AT_MOST_EVERY:
                    left = True
                    continue
                sequence = 1 if known is None else known.sequence + 1
                await keep_announced(connection, indicator.code, Announced(value, sequence, scope.now))
                event = IndicatorChanged(indicator=indicator.code, value=value, as_of=scope.now, period=year.code)
                await scope.emit(event, subject=indicator.code, sequence=sequence)
                count += 1
            await scope.flush()
        return None if left else count

    def _announced(self, now: datetime) -> list[Indicator]:
        return [indicator for indicator in self._evaluator.indicators.on(local_day(now)) if indicator.announced]

    async def _value(self, connection: AsyncConnection, indicator: Indicator, year: Period) -> float | None:
        (found,) = await self._evaluator.values(connection, indicator, [year])
        return found.value
