"""A worker holds its lock whatever happens to the database on the way: before, it would send nothing."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from services.notify.delivery import presence as module
from services.notify.delivery.presence import Presence
from services.notify.store import deliveries
from shared.database import Database


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
        async with asyncio.timeout(5):
            await presence.known(stop)
        assert tried == 2
    finally:
        stop.set()
        await asyncio.gather(holding, return_exceptions=True)
        await database.close()
