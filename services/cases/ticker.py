"""Makes time pass: deadlines nearing and missed, tasks overdue, told once however many replicas run.

Rows are taken with FOR UPDATE SKIP LOCKED and told in the same transaction; after a day off it catches up at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from services.cases.desk import Desk
from shared.database import Database
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause

EVERY_SECONDS = 1.0
_BATCH = 50


async def tick(database: Database, desk: Desk, clock: Clock) -> int:
    """Tell everything due now. Out: how many cases it concerned."""
    looked = 0
    while True:
        async with database.transaction() as connection:
            scope = Scope("cases", connection, clock())
            taken = await desk.cases.tick(scope, _BATCH)
            await desk.finding.forget(scope)
            await scope.flush()
        looked += taken
        if taken < _BATCH:
            return looked


def ticker(database: Database, desk: Desk, clock: Clock) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that ticks every second until it is stopped."""

    async def ticking(stop: asyncio.Event) -> None:
        while not stop.is_set():
            await tick(database, desk, clock)
            await pause(stop, EVERY_SECONDS)

    return ticking
