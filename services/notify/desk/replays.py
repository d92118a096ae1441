"""Sending again what an endpoint was sent, or missed: one delivery, or a period."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.desk.entitled import require_agreement, require_proven, seen_endpoint
from services.notify.desk.log import seen_entry
from services.notify.domain import kept_since
from services.notify.store import order, replays
from services.notify.store.endpoints import Endpoint
from services.notify.store.replays import Replay
from shared.contracts.vocabulary import Moment
from shared.database import Database
from shared.identity import Principal
from shared.messaging.outbox import new_id
from shared.messaging.router import Clock
from shared.reference.delivering import Delivering


class Period(BaseModel):
    """What is to be sent again, by when it was queued: what failed, or everything. `until`: now, if it is not said."""

    model_config = ConfigDict(extra="forbid")

    since: Moment
    until: Moment | None = None
    everything: bool = False


class Replays:
    """Queues again. Nothing is said again that an agreement does not cover any more.

    Args:
        limits: how long there is something to send again.
    """

    def __init__(self, database: Database, limits: Delivering, clock: Clock) -> None:
        self._database = database
        self._limits = limits
        self._clock = clock

    async def one(self, principal: Principal, delivery_id: str) -> str:
        """Send one delivery again. Out: its endpoint's id. Errors: `NotFoundError`, `Rejected`."""
        now = self._clock()
        async with self._database.transaction() as connection:
            endpoint, entry = await seen_entry(connection, principal, delivery_id)
            await order.put_back_alone(connection, [endpoint.id])
            require_proven(endpoint)
            await require_agreement(connection, endpoint, now)
            await replays.one(connection, entry.id, now, self._kept(now))
            return endpoint.id

    async def period(self, principal: Principal, identifier: str, period: Period) -> int:
        """Send again what was queued in a period: what failed, or all. Out: how many were at once; a long period goes
        on beside (`listed`). Errors: `NotFoundError`, `Rejected`."""
        now = self._clock()
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            await order.put_back_alone(connection, [endpoint.id])
            return await self._begin(connection, principal, endpoint, period, period.since, now)

    async def missed(
        self, connection: AsyncConnection, principal: Principal, endpoint: Endpoint, since: datetime, now: datetime
    ) -> int:
        """Send an endpoint that was switched off what has failed for it since a time; its order is held already
        (`order.put_back_alone`). Out: how many at once. Errors: `Rejected`."""
        # What was queued before it failed may have failed since.
        everything = Period(since=self._kept(now))
        return await self._begin(connection, principal, endpoint, everything, since, now)

    async def listed(self, principal: Principal, identifier: str) -> list[Replay]:
        """The last periods that were asked for, and how far they are. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            return await replays.of_endpoint(connection, endpoint.id)

    async def _begin(
        self,
        connection: AsyncConnection,
        principal: Principal,
        endpoint: Endpoint,
        period: Period,
        settled_since: datetime,
        now: datetime,
    ) -> int:
        require_proven(endpoint)
        await require_agreement(connection, endpoint, now)
        wanted = Replay(
            id=new_id(),
            endpoint_id=endpoint.id,
            since=period.since,
            until=period.until or now,
            only_failed=not period.everything,
            settled_since=settled_since,
            requested_at=now,
            replayed=0,
            finished_at=None,
        )
        await replays.add(connection, wanted, principal.id)
        return await replays.go_on(connection, wanted, now, self._kept(now))

    def _kept(self, now: datetime) -> datetime:
        return kept_since(now, self._limits.on(now))
