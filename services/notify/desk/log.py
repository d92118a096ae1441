"""The delivery log as its readers get it, and how the queues are, for operators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.desk.entitled import seen_endpoint
from services.notify.domain import NotFoundError, uuid_in
from services.notify.store import log, unsaid
from services.notify.store.endpoints import Endpoint
from shared.database import Database
from shared.identity import Principal
from shared.messaging.router import Clock


@dataclass(frozen=True, slots=True)
class Operations:
    """What operators look at."""

    queue: log.Queue
    channels: Sequence[log.ChannelQueue]
    troubles: Sequence[log.Trouble]
    unsaid: Sequence[unsaid.Passed]


class DeliveryLog:
    """Reads what was sent, and how it went. It changes nothing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def entries(self, principal: Principal, identifier: str, sought: log.Sought, limit: int) -> list[log.Entry]:
        """The deliveries of one endpoint, newest first. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            return await log.entries(connection, endpoint.id, sought, limit)

    async def entry(
        self, principal: Principal, delivery_id: str
    ) -> tuple[Endpoint, log.Entry, list[log.LoggedAttempt]]:
        """One delivery with its endpoint and its attempts. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint, found = await seen_entry(connection, principal, delivery_id)
            return endpoint, found, await log.attempts(connection, found.id)

    async def figures(self, principal: Principal, identifier: str) -> log.Figures:
        """How an endpoint has done in the last 24 hours. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            return await log.figures(connection, endpoint.id, self._clock())

    async def hours(self, principal: Principal, identifier: str, since: datetime) -> list[log.Hour]:
        """How an endpoint has done since a time, hour by hour. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            return await log.hours(connection, endpoint.id, since)

    async def operations(self) -> Operations:
        """The queue and the endpoints in trouble, for operators."""
        now = self._clock()
        async with self._database.transaction() as connection:
            return Operations(
                await log.queue(connection, now),
                await log.by_channel(connection, now),
                await log.troubles(connection),
                await unsaid.lately(connection, now),
            )


async def seen_entry(connection: AsyncConnection, principal: Principal, delivery_id: str) -> tuple[Endpoint, log.Entry]:
    """One delivery that somebody may see, with its endpoint. Errors: `NotFoundError`."""
    found = await log.entry(connection, uuid_in(delivery_id))
    if found is None:
        raise NotFoundError(delivery_id)
    return await seen_endpoint(connection, principal, found[0]), found[1]
