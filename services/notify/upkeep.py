"""What has to be done now and then: forget what is settled long ago, and give up what waits for endpoints long gone.

It must never remove what still waits to be delivered to somebody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from services.notify.store import retention
from shared.contracts.notify import DeliveryFailed
from shared.database import Database
from shared.messaging.router import Scope
from shared.messaging.waiting import pause

_PORTION = 5000
_EVERY_SECONDS = 3600.0
# Undoing a deletion is possible this long; after it, what waited is given up.
UNDO = timedelta(hours=24)


class Upkeep:
    """Keeps the tables from growing for ever.

    Args:
        keep: how long settled deliveries, their log and notices stay.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime], keep: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep

    async def upkeep(self, stop: asyncio.Event) -> None:
        """Run hourly until `stop`."""
        while not stop.is_set():
            await self.once(stop)
            await pause(stop, _EVERY_SECONDS)

    async def once(self, stop: asyncio.Event) -> None:
        """One round, in portions, so that it never holds others up."""
        now = self._clock()
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, now)
            for row in await retention.give_up(connection, now - UNDO, now - self._keep, now):
                failed = DeliveryFailed(
                    delivery_id=row.id,
                    subscription_id=row.subscription_id,
                    channel=row.channel,
                    event_type=row.event_type or "",
                    attempts=row.attempts,
                    reason="endpoint-gone",
                )
                await scope.emit(failed, subject=row.id, sequence=row.sequence)
            await scope.flush()
        while not stop.is_set():
            async with self._database.transaction() as connection:
                if await retention.forget(connection, now - self._keep, _PORTION) < _PORTION:
                    return
