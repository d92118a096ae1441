"""What has to be done now and then: forget how a child is found once its file's key was erased."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.cases.desk import Desk
from shared.database import Database
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause

_EVERY_SECONDS = 60.0


async def forget(database: Database, desk: Desk, clock: Clock) -> None:
    """Forget, once."""
    async with database.transaction() as connection:
        await desk.finding.forget(Scope("cases", connection, clock()))


def upkeep(database: Database, desk: Desk, clock: Clock) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that does it every minute until it is stopped."""

    async def keeping(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await forget(database, desk, clock)
            await pause(stop, _EVERY_SECONDS)

    return keeping
