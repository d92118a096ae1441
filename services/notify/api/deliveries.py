"""The delivery log over HTTP: what was sent, every attempt, and sending it again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.notify.api.answers import PAGE, Limit, as_delivery, found
from services.notify.desk.desks import Desks
from services.notify.domain import DeliveryState
from services.notify.store.log import Sought
from shared.contracts.vocabulary import Moment
from shared.identity import SignedIn


def add_routes(router: APIRouter, desks: Desks) -> None:
    """Routes of deliveries below `/notify/api`."""

    @router.get("/subscriptions/{identifier}/deliveries")
    async def deliveries(
        principal: SignedIn,
        identifier: str,
        state: DeliveryState | None = None,
        event_type: Annotated[str | None, Query(max_length=120)] = None,
        since: Moment | None = None,
        before: Moment | None = None,
        limit: Limit = PAGE,
    ) -> list[dict[str, Any]]:
        """The log of one endpoint, newest first; go on with `before` = the last `created_at`."""
        sought = Sought(state, event_type, since, before)
        with found():
            return [as_delivery(row) for row in await desks.log.entries(principal, identifier, sought, limit)]

    @router.get("/subscriptions/{identifier}/health")
    async def health(principal: SignedIn, identifier: str, since: Moment) -> list[dict[str, Any]]:
        """How one endpoint did since a moment, hour by hour, oldest first: attempts that succeeded and failed, and how
        many milliseconds they took. An hour without attempts is left out."""
        with found():
            return [asdict(one) for one in await desks.log.hours(principal, identifier, since)]

    @router.get("/deliveries/{identifier}")
    async def delivery(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One delivery: what is sent, and every try. `request` and each `response` are null for an operator, who has
        their sizes in bytes."""
        with found():
            sent = await desks.log.entry(principal, identifier)
        tries = [
            {
                "at": one.at,
                "number": one.number,
                "outcome": one.outcome,
                "status": one.status,
                "duration_ms": one.duration_ms,
                "response": one.response,
                "response_size": one.response_size,
                "reason": one.reason,
            }
            for one in sent.tries
        ]
        return {
            **as_delivery(sent.entry),
            "request": None if sent.body is None else sent.body.decode(),
            "request_size": sent.size,
            "request_headers": dict(sent.headers),
            "tries": tries,
        }

    @router.post("/deliveries/{identifier}/replay", status_code=202)
    async def replay(principal: SignedIn, identifier: str) -> dict[str, str]:
        """Send one delivery again."""
        with found():
            return {"subscription_id": await desks.replays.one(principal, identifier)}
