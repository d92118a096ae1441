"""The delivery log over HTTP: what was sent, every attempt, and sending it again."""

from __future__ import annotations

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

    @router.get("/deliveries/{identifier}")
    async def delivery(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One delivery: what is sent, and every try."""
        with found():
            _, row, attempts = await desks.log.entry(principal, identifier)
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
        return {**as_delivery(row), "request": row.body.decode(), "tries": tries}

    @router.post("/deliveries/{identifier}/replay", status_code=202)
    async def replay(principal: SignedIn, identifier: str) -> dict[str, str]:
        """Send one delivery again."""
        with found():
            return {"subscription_id": await desks.replays.one(principal, identifier)}
