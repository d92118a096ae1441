"""What ends by itself: agreements whose last day has passed, and what nobody looks at any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.notify.desk.agreements import Agreements
from services.notify.store import contents, groups, ladders, people
from shared.database import Database
from shared.messaging.router import Clock
from shared.messaging.waiting import pause

_EVERY_SECONDS = 60.0
_KEEP_ABSENCES = timedelta(days=365)


class Tidying:
    """Ends agreements in time, and keeps small tables small.

    Args:
        keep: how long ended ladders stay; what happened is on the case.
    """

    def __init__(self, database: Database, agreements: Agreements, clock: Clock, keep: timedelta) -> None:
        self._database = database
        self._agreements = agreements
        self._clock = clock
        self._keep = keep

    async def tidying(self, stop: asyncio.Event) -> None:
        """Run every minute until `stop`."""
        while not stop.is_set():
            await self.once()
            await pause(stop, _EVERY_SECONDS)

    async def once(self) -> None:
        """One round."""
        while await self._agreements.expire():
            pass
        now = self._clock()
        async with self._database.transaction() as connection:
            await groups.forget(connection, now - timedelta(days=1))
            await people.forget(connection, now, now - _KEEP_ABSENCES)
            await ladders.forget(connection, now - self._keep)
            await contents.forget_old(connection, now - 2 * self._keep)
