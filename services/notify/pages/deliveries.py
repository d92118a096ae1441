"""The delivery log of an endpoint, one delivery with every attempt, and the operators' view of the queue."""

from __future__ import annotations

from urllib.parse import urlencode

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime

from services.notify.api.answers import found
from services.notify.domain import DeliveryState
from services.notify.pages.room import NOTIFY, PAGE, Room
from services.notify.texts import case_name
from shared.identity import Operator, SignedIn
from shared.web.pages import language_of


def routes(room: Room) -> APIRouter:
    """One endpoint's log, one delivery, and the queue."""
    router = APIRouter()

    @router.get("/subscriptions/{identifier}")
    async def show_subscription(
        request: Request,
        principal: SignedIn,
        identifier: str,
        state: DeliveryState | None = None,
        before: AwareDatetime | None = None,
        done: str = "",
        replayed: int | None = None,
    ) -> Response:
        with found():
            row = await room.office.find(principal, identifier)
            entries = await room.office.entries(principal, identifier, state, before, PAGE + 1)
            figures = await room.office.figures(principal, identifier)
        language = language_of(request)
        base = f"{NOTIFY}/subscriptions/{row.id}"
        last = entries[PAGE - 1].created_at.isoformat() if len(entries) > PAGE else ""
        kept = {"state": state} if state else {}
        return room.pages.render(
            request,
            "subscription.html",
            row=row,
            address=room.office.address(principal, row),
            public_key=room.office.public_key(principal, row),
            entries=[(entry, room.texts.explanation(entry.event_type, language)) for entry in entries[:PAGE]],
            figures=figures,
            state=state,
            done=done,
            replayed=replayed,
            base=base,
            first=f"{base}?{urlencode(kept)}" if before else None,
            following=f"{base}?{urlencode({**kept, 'before': last})}" if last else None,
        )

    @router.get("/deliveries/{identifier}")
    async def show_delivery(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            row, entry, attempts = await room.office.entry(principal, identifier)
        return room.pages.render(
            request,
            "delivery.html",
            row=row,
            entry=entry,
            explanation=room.texts.explanation(entry.event_type, language_of(request)),
            attempts=attempts,
            # Shown with line breaks; what is sent and signed has none.
            body=orjson.dumps(orjson.loads(entry.body), option=orjson.OPT_INDENT_2).decode(),
            case=case_name(entry.case_code, entry.case_id),
        )

    @router.post("/deliveries/{identifier}/replay")
    async def replay(principal: SignedIn, identifier: str) -> Response:
        with found():
            await room.office.replay(principal, identifier)
        return RedirectResponse(f"{NOTIFY}/deliveries/{identifier}", 303)

    @router.get("/queue")
    async def show_queue(request: Request, _operator: Operator) -> Response:
        queue, troubles = await room.office.operations()
        return room.pages.render(request, "queue.html", queue=queue, troubles=troubles)

    return router
