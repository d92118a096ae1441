"""The JSON API of notify: subscriptions, delivery log, replay and inbox, for programs with a bearer token.

It decides nothing itself: each route asks the office, as the pages do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict

from services.notify import inbox, log
from services.notify.acts import Change, NotFoundError, Office, Wanted
from services.notify.domain import DeliveryState, audiences_of
from services.notify.subscriptions import Subscription
from shared.contracts.vocabulary import Moment
from shared.database import Database
from shared.identity import Principal, SignedIn
from shared.messaging.router import Clock

_PAGE = 50
Limit = Annotated[int, Query(ge=1, le=200)]


class ReplayFailed(BaseModel):
    """Send again what failed since a time."""

    model_config = ConfigDict(extra="forbid")

    since: Moment


def api_routes(office: Office, database: Database, clock: Clock, all_units: tuple[str, ...]) -> APIRouter:
    """Routes below `/notify/api`."""
    router = APIRouter(prefix="/api")
    _subscription_routes(router, office)
    _delivery_routes(router, office)
    _inbox_routes(router, database, clock, all_units)
    return router


def _subscription_routes(router: APIRouter, office: Office) -> None:
    @router.get("/event-types")
    async def event_types(principal: SignedIn) -> list[str]:
        """What may be subscribed to; `publisher.*` and `*` cover several."""
        return office.event_types(principal)

    @router.post("/subscriptions", status_code=201)
    async def create(principal: SignedIn, wanted: Wanted) -> dict[str, str | None]:
        """Add a subscription. The secret is in this answer only."""
        created = await office.create(principal, wanted)
        return {"id": created.id, "secret": created.secret}

    @router.get("/subscriptions")
    async def subscriptions(principal: SignedIn) -> list[dict[str, Any]]:
        """The principal's own and their organisation's."""
        return [_shown(office, principal, row) for row in await office.mine(principal)]

    @router.get("/subscriptions/{identifier}")
    async def subscription(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One of them."""
        with found():
            return _shown(office, principal, await office.find(principal, identifier))

    @router.post("/subscriptions/{identifier}/rotate")
    async def rotate(principal: SignedIn, identifier: str) -> dict[str, str]:
        """A new secret, in this answer only; for 24 hours the old one signs too."""
        with found():
            return {"secret": await office.rotate(principal, identifier)}

    @router.post("/subscriptions/{identifier}/test", status_code=202)
    async def send_test(principal: SignedIn, identifier: str) -> dict[str, str]:
        """Queue a test message."""
        with found():
            return {"message_id": await office.send_test(principal, identifier)}

    @router.post("/subscriptions/{identifier}/replay", status_code=202)
    async def replay_failed(principal: SignedIn, identifier: str, wanted: ReplayFailed) -> dict[str, int]:
        """Send again what failed since a time."""
        with found():
            return {"replayed": await office.replay_failed(principal, identifier, wanted.since)}

    @router.post("/subscriptions/{identifier}/{change}")
    async def change(principal: SignedIn, identifier: str, change: Change) -> dict[str, Any]:
        """Pause, resume, delete, restore."""
        with found():
            return _shown(office, principal, await office.change(principal, identifier, change))


def _delivery_routes(router: APIRouter, office: Office) -> None:
    @router.get("/subscriptions/{identifier}/deliveries")
    async def deliveries(
        principal: SignedIn,
        identifier: str,
        state: DeliveryState | None = None,
        before: Moment | None = None,
        limit: Limit = _PAGE,
    ) -> list[dict[str, Any]]:
        """The log of one endpoint, newest first; go on with `before` = the last `created_at`."""
        with found():
            return [_entry(row) for row in await office.entries(principal, identifier, state, before, limit)]

    @router.get("/deliveries/{identifier}")
    async def delivery(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One delivery: what is sent, and every try."""
        with found():
            _, row, attempts = await office.entry(principal, identifier)
        tries = [
            {
                "at": attempt.at,
                "number": attempt.number,
                "outcome": attempt.outcome,
                "status": attempt.status,
                "duration_ms": attempt.duration_ms,
                "response": attempt.response,
                "reason": attempt.reason,
            }
            for attempt in attempts
        ]
        return {**_entry(row), "request": row.body.decode(), "tries": tries}

    @router.post("/deliveries/{identifier}/replay", status_code=202)
    async def replay(principal: SignedIn, identifier: str) -> dict[str, str]:
        """Send one delivery again."""
        with found():
            return {"subscription_id": await office.replay(principal, identifier)}


def _inbox_routes(router: APIRouter, database: Database, clock: Clock, all_units: tuple[str, ...]) -> None:
    @router.get("/inbox")
    async def notices(
        principal: SignedIn, unread: bool = False, before: Moment | None = None, limit: Limit = _PAGE
    ) -> dict[str, Any]:
        """What the principal is told in the app, newest first."""
        mine = audiences_of(principal, all_units)
        async with database.transaction() as connection:
            rows = await inbox.notices(connection, principal.id, mine, unread=unread, before=before, limit=limit)
            count = await inbox.unread_count(connection, principal.id, mine)
        return {"unread": count, "notices": [_notice(row) for row in rows]}

    @router.post("/inbox/read", status_code=204)
    async def read_all(principal: SignedIn) -> None:
        """Mark everything as read."""
        async with database.transaction() as connection:
            await inbox.mark_read(connection, principal.id, audiences_of(principal, all_units), None, clock())

    @router.post("/inbox/{identifier}/read", status_code=204)
    async def read(principal: SignedIn, identifier: UUID) -> None:
        """Mark one notice as read."""
        mine = audiences_of(principal, all_units)
        async with database.transaction() as connection:
            await inbox.mark_read(connection, principal.id, mine, str(identifier), clock())


def _shown(office: Office, principal: Principal, row: Subscription) -> dict[str, Any]:
    return {
        "id": row.id,
        "channel": row.channel,
        "name": row.name,
        "target": office.address(principal, row),
        "event_types": row.patterns,
        "units": row.units,
        "language": row.language,
        "state": row.state,
        "failing_since": row.failing_since,
        "created_at": row.created_at,
    }


def _entry(row: log.Entry) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_type": row.event_type,
        "unit": row.unit,
        "case_id": row.case_id,
        "state": row.state,
        "attempts": row.attempts,
        "reason": row.reason,
        "created_at": row.created_at,
        "next_attempt_at": row.due_at if row.state == "pending" else None,
        "settled_at": row.settled_at,
    }


def _notice(row: inbox.Notice) -> dict[str, Any]:
    return {
        "id": row.id,
        "event_type": row.event_type,
        "unit": row.unit,
        "case_id": row.case_id,
        "due": row.due,
        "path": row.path,
        "urgent": row.urgent,
        "created_at": row.created_at,
        "read_at": row.read_at,
    }


@contextmanager
def found() -> Iterator[None]:
    """What is not there, or is somebody else's, answers 404."""
    try:
        yield
    except NotFoundError:
        raise HTTPException(404) from None
