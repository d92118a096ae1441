"""The delivery log as its readers get it, and how the queues are, for operators.

What was said, and what the other side answered, is for the people of the endpoint. Whoever keeps the platform up sees
that it was sent: when, how large, with which headers, how it ended and why (docs/decisions/0035-need-to-know.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.desk.entitled import is_owner, seen_endpoint
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


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt. `response`: the beginning of what the other side said; None for whoever may know only its
    `response_size`, in bytes."""

    at: datetime
    number: int
    outcome: str
    status: int | None
    duration_ms: int
    reason: str | None
    response: str | None
    response_size: int


@dataclass(frozen=True, slots=True)
class Sent:
    """One delivery with its attempts. `body`: what is sent; None for whoever may know only its `size`, in bytes.
    `headers`: those of a webhook's last attempt, without the signature, which is made anew each time and not kept."""

    endpoint: Endpoint
    entry: log.Entry
    body: bytes | None
    size: int
    headers: Mapping[str, str]
    tries: Sequence[Tried]


class DeliveryLog:
    """Reads what was sent, and how it went. It changes nothing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def entries(self, principal: Principal, identifier: str, sought: log.Sought, limit: int) -> list[log.Entry]:
        """The deliveries of one endpoint, newest first. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint = await seen_endpoint(connection, principal, identifier)
            found = await log.entries(connection, endpoint.id, sought, limit)
        return found if is_owner(principal, endpoint) else [_without_words(one) for one in found]

    async def entry(self, principal: Principal, delivery_id: str) -> Sent:
        """One delivery with its endpoint and its attempts, as somebody may see it. Errors: `NotFoundError`."""
        async with self._database.transaction() as connection:
            endpoint, found = await seen_entry(connection, principal, delivery_id)
            attempts = await log.attempts(connection, found.id)
        reads = is_owner(principal, endpoint)
        return Sent(
            endpoint,
            found if reads else _without_words(found),
            found.body if reads else None,
            len(found.body),
            _headers(endpoint, found, attempts),
            [_tried(attempt, reads=reads) for attempt in attempts],
        )

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


def _without_words(entry: log.Entry) -> log.Entry:
    return replace(entry, body=b"")


def _tried(attempt: log.LoggedAttempt, *, reads: bool) -> Tried:
    return Tried(
        attempt.at,
        attempt.number,
        attempt.outcome,
        attempt.status,
        attempt.duration_ms,
        attempt.reason,
        attempt.response if reads else None,
        len(attempt.response.encode()),
    )


def _headers(endpoint: Endpoint, entry: log.Entry, attempts: Sequence[log.LoggedAttempt]) -> dict[str, str]:
    if endpoint.channel != "webhook":
        return {}
    headers = {
        "content-type": "application/json",
        "content-length": str(len(entry.body)),
        "webhook-id": entry.id,
    }
    if attempts:
        headers["webhook-timestamp"] = str(int(attempts[-1].at.timestamp()))
    return headers
