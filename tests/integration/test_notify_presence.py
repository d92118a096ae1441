"""Whether a worker lives is told by a lock: held whatever happens on the way, and nothing is leased without it."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from services.notify.delivery import presence as module
from services.notify.delivery.presence import Presence
from services.notify.store import deliveries
from shared.database import Database

MOMENT = 0.5


async def test_a_database_that_goes_away_while_leases_are_ended_does_not_keep_a_worker_from_sending(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def end_leases(*_: object) -> int:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise DBAPIError("UPDATE", {}, Exception("the connection was closed in the middle"))
        return 0

    monkeypatch.setattr(deliveries, "end_leases", end_leases)
    monkeypatch.setattr(module, "_LOOKS_SECONDS", 0.05)
    database, stop = Database(fresh_database), asyncio.Event()
    presence = Presence(database)
    holding = asyncio.create_task(presence.hold(stop))
    try:
        async with asyncio.timeout(60):
            await presence.known(stop)
        assert tried == 2
    finally:
        stop.set()
        await asyncio.gather(holding, return_exceptions=True)
        await database.close()


async def test_a_worker_that_runs_again_leases_nothing_before_it_holds_the_lock_again(fresh_database: str) -> None:
    database = Database(fresh_database)
    presence, stop = Presence(database), asyncio.Event()
    holding = asyncio.create_task(presence.hold(stop))
    try:
        # Another lives, so that whose leases there are is not asked.
        async with database.transaction() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock_shared(7316034)")
            await asyncio.wait_for(presence.known(stop), 60)
    finally:
        holding.cancel()
        await asyncio.wait((holding,))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(presence.known(stop), MOMENT)
    await database.close()
