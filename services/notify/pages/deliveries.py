"""One delivery: what is sent, every attempt with its answer, and sending it again."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.notify.api.answers import found
from services.notify.pages.room import NOTIFY, Room
from services.notify.texts import case_name
from shared.identity import SignedIn
from shared.web.pages import language_of


def routes(room: Room) -> APIRouter:
    """Pages below `/notify/deliveries`."""
    router = APIRouter()

    @router.get("/deliveries/{identifier}")
    async def show_delivery(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            row, entry, attempts = await room.desks.log.entry(principal, identifier)
        return room.pages.render(
            request,
            "delivery.html",
            row=row,
            address=room.desks.endpoints.address(principal, row),
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
            await room.desks.replays.one(principal, identifier)
        return RedirectResponse(f"{NOTIFY}/deliveries/{identifier}", 303)

    return router
