"""Makes time pass: records due for re-verification, 16th birthdays, adopted children's new records, told once however
many replicas run, and after a day off all at once.

Rows are taken with FOR UPDATE SKIP LOCKED and told in the same transaction. A record that cannot be told must never
keep the others from being told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.registry.desk import Lifecycle
from shared.database import Database, is_passing
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause

EVERY_SECONDS = 60.0
BATCH = 200
_SHORTEST_SECONDS = 0.05
_LONGEST_DELAY = 60.0
_LOG = structlog.get_logger(__name__)


async def tick(database: Database, lifecycle: Lifecycle, clock: Clock) -> int:
    """Tell everything that fell due until today, and then each commune once. Out: how many records it concerned.

    A record that cannot be told is passed over until the next time. Raises what says that the database is away.
    """
    told = 0
    spoilt: set[str] = set()
    while True:
        known = len(spoilt)
        async with database.transaction() as connection:
            scope = Scope("registry", connection, clock())
            taken = await lifecycle.tick(scope, BATCH, spoilt)
            await scope.flush()
        told += taken
        if not taken and len(spoilt) == known:
            break
    async with database.transaction() as connection:
        scope = Scope("registry", connection, clock())
        await lifecycle.tell_communes(scope)
        await scope.flush()
    return told


def ticker(database: Database, lifecycle: Lifecycle, clock: Clock) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that tells what falls due, until it is stopped; a database that is away is waited for."""
    return repeated(lambda: tick(database, lifecycle, clock), EVERY_SECONDS, "registry.life.waiting")


def repeated(
    act: Callable[[], Awaitable[object]], every_seconds: float, waiting: str
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """A loop that does something again and again until it is stopped.

    Args:
        waiting: what the log calls it when the database is away, which is waited for. Any other error ends the loop.
    """

    async def repeating(stop: asyncio.Event) -> None:
        delay = _SHORTEST_SECONDS
        while not stop.is_set():
            try:
                await act()
                wait, delay = every_seconds, _SHORTEST_SECONDS
            except Exception as error:
                if not is_passing(error):
                    raise
                _LOG.warning(waiting, reason=type(error).__name__, seconds=delay)
                wait, delay = delay, min(delay * 2, _LONGEST_DELAY)
            await pause(stop, wait)

    return repeating
