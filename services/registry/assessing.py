"""Keeps up how good records are: what changed by another way than an act, what time turned, new rules; and each
commune's score, once a day and after records changed.

Records are taken in bounded batches with FOR UPDATE SKIP LOCKED, so that any number of replicas share them and a pass
that is broken off goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from services.registry.desk import quality
from services.registry.ticker import repeated
from shared.database import Database
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import let_others_go

EVERY_SECONDS = 20.0
# Whether communes have to be measured is asked of the whole province, so not every time.
_MEASURED_EVERY = timedelta(minutes=1)


async def settle_all(database: Database, clock: Clock) -> int:
    """Settle every record that waits. Out: how many there were. Raises what says that the database is away."""
    await _in_a_transaction(database, clock, quality.follow_rules)
    settled = 0
    while found := await _in_a_transaction(database, clock, quality.settle_waiting):
        settled += found
        # Others work here, too.
        await let_others_go()
    return settled


async def measure_all(database: Database, clock: Clock) -> int:
    """Measure the communes that have to be, a few at a time. Out: how many there were."""
    measured = 0
    while found := await _in_a_transaction(database, clock, quality.measure):
        measured += found
        await let_others_go()
    return measured


def assessor(database: Database, clock: Clock) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that does both, until it is stopped; a database that is away is waited for."""
    measured_at: list[datetime] = []

    async def assess() -> None:
        await settle_all(database, clock)
        now = clock()
        if not measured_at or now - measured_at[-1] >= _MEASURED_EVERY:
            await measure_all(database, clock)
            measured_at[:] = [now]

    return repeated(assess, EVERY_SECONDS, "registry.quality.waiting")


async def _in_a_transaction(database: Database, clock: Clock, act: Callable[[Scope], Awaitable[int]]) -> int:
    async with database.transaction() as connection:
        scope = Scope("registry", connection, clock())
        done = await act(scope)
        await scope.flush()
    return done
