"""The inbox in the app over HTTP: what the caller is told, and what of it they have read."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter

from services.notify.api.answers import PAGE, Limit, as_notice
from services.notify.domain import audiences_of
from services.notify.store import notices as inbox
from shared.contracts.vocabulary import Moment
from shared.database import Database
from shared.identity import SignedIn
from shared.messaging.router import Clock


def add_routes(router: APIRouter, database: Database, clock: Clock, all_units: tuple[str, ...]) -> None:
    """Routes below `/notify/api/inbox`."""

    @router.get("/inbox")
    async def notices(
        principal: SignedIn, unread: bool = False, before: Moment | None = None, limit: Limit = PAGE
    ) -> dict[str, Any]:
        """What the principal is told in the app, newest first."""
        mine = audiences_of(principal, all_units)
        async with database.transaction() as connection:
            rows = await inbox.notices(
                connection, principal.id, mine, inbox.Filter(unread=unread), before=before, limit=limit
            )
            count = await inbox.unread_count(connection, principal.id, mine)
        return {"unread": count, "notices": [as_notice(row) for row in rows]}

    @router.post("/inbox/read", status_code=204)
    async def read_all(principal: SignedIn) -> None:
        """Mark everything as read."""
        async with database.transaction() as connection:
            await inbox.mark_all_read(connection, principal.id, audiences_of(principal, all_units), clock())

    @router.post("/inbox/{identifier}/read", status_code=204)
    async def read(principal: SignedIn, identifier: UUID) -> None:
        """Mark one notice as read."""
        mine = audiences_of(principal, all_units)
        async with database.transaction() as connection:
            await inbox.mark_read(connection, principal.id, mine, [str(identifier)], clock())
