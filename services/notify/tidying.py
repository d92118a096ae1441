"""What ends by itself: agreements whose last day has passed, and what nobody looks at any more."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.notify.desk.agreements import Agreements
from services.notify.store import contents, groups, ladders, people
from shared.database import Database
from shared.messaging.router import Clock
from shared.messaging.waiting import pause
from shared.reference.delivering import Delivering
from shared.reference.notify_keeping import NotifyKeepingByDay

_EVERY_SECONDS = 60.0


class Tidying:
    """Ends agreements in time, and keeps small tables small.

    Args:
        limits: how long ended ladders stay; what happened is on the case. keeping: how long the rest does.
    """

    def __init__(
        self, database: Database, agreements: Agreements, limits: Delivering, keeping: NotifyKeepingByDay, clock: Clock
    ) -> None:
        self._database = database
        self._agreements = agreements
        self._clock = clock
        self._limits = limits
        self._keeping = keeping

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
        keep, beside = timedelta(days=self._limits.on(now).keep_days), self._keeping.on(now)
        async with self._database.transaction() as connection:
            await groups.forget(connection, now - beside.groups)
            await people.forget(connection, now, now - beside.absences)
            await ladders.forget(connection, now - keep)
            # By then the partitions with the messages themselves are dropped.
            await contents.forget_old(connection, now - 2 * keep)
