"""Makes time pass for emergencies: whoever has not answered is followed by the next, the moment it is time.

Ladders are taken with FOR UPDATE SKIP LOCKED and climbed in the same transaction, so any number of replicas call once;
after a time off it goes on at once, one step at a time. A replica that freezes in the middle of a step does not keep
its ladders from the others.
"""

from __future__ import annotations

import asyncio

import structlog

from services.notify.desk.emergencies import Emergencies
from services.notify.store import ladders
from services.notify.store.holding import hold_briefly
from shared.database import Database, is_passing
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause

_LOG = structlog.get_logger(__name__)
_EVERY_SECONDS = 1.0
_SHORTEST_SECONDS = 0.05
_LONGEST_DELAY = 10.0
_BATCH = 20


class Climbing:
    """The loop that climbs ladders."""

    def __init__(self, database: Database, emergencies: Emergencies, clock: Clock) -> None:
        self._database = database
        self._emergencies = emergencies
        self._clock = clock

    async def climbing(self, stop: asyncio.Event) -> None:
        """Run until `stop`; a database that is away is waited for."""
        delay = _EVERY_SECONDS
        while not stop.is_set():
            try:
                while await self.once() == _BATCH:
                    pass
                wait, delay = await self._until_next(), _EVERY_SECONDS
            except Exception as error:
                if not is_passing(error):
                    raise
                _LOG.warning("ladders.waiting", reason=type(error).__name__, seconds=delay)
                wait, delay = delay, min(delay * 2, _LONGEST_DELAY)
            await pause(stop, wait)

    async def once(self) -> int:
        """Climb what is due now. Out: how many ladders."""
        async with self._database.transaction() as connection:
            await hold_briefly(connection)
            scope = Scope("notify", connection, self._clock())
            climbed = await self._emergencies.climb(scope, _BATCH)
            await scope.flush()
        return climbed

    async def _until_next(self) -> float:
        async with self._database.transaction() as connection:
            moment = await ladders.next_moment(connection)
        left = _EVERY_SECONDS if moment is None else (moment - self._clock()).total_seconds()
        return min(max(left, _SHORTEST_SECONDS), _EVERY_SECONDS)
