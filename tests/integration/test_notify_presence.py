"""Whether a worker lives is told by a lock: nothing is leased without it, also by one that broke and runs again."""

from __future__ import annotations

import asyncio

import pytest

from services.notify.delivery.presence import Presence
from shared.database import Database

MOMENT = 0.5


async def test_a_worker_that_runs_again_leases_nothing_before_it_holds_the_lock_again(fresh_database: str) -> None:
    database = Database(fresh_database)
    presence, stop = Presence(database), asyncio.Event()
    holding = asyncio.create_task(presence.hold(stop))
    try:
        # Another lives, so that whose leases there are is not asked.
        async with database.transaction() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock_shared(7316034)")
            await asyncio.wait_for(presence.known(stop), 10)
    finally:
        holding.cancel()
        await asyncio.wait((holding,))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(presence.known(stop), MOMENT)
    await database.close()
