"""Sends what was collected for people, when it is time."""

from __future__ import annotations

import asyncio
from typing import Final

from services.notify.desk.calling import Calling
from services.notify.store.holding import hold_briefly
from shared.database import Database
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause

_EVERY_SECONDS: Final = 1.0


class Digests:
    """The loop that sends digests. Any number of replicas may run."""

    def __init__(self, database: Database, calling: Calling, clock: Clock) -> None:
        self._database = database
        self._calling = calling
        self._clock = clock

    async def digests(self, stop: asyncio.Event) -> None:
        """Run until `stop`."""
        while not stop.is_set():
            while await self.once():
                if stop.is_set():
                    return
            await pause(stop, _EVERY_SECONDS)

    async def once(self) -> bool:
        """One person's digest. Out: whether there was one."""
        async with self._database.transaction() as connection:
            await hold_briefly(connection)
            scope = Scope("notify", connection, self._clock())
            sent = await self._calling.digest(scope)
            await scope.flush()
        return sent
