"""One delivery: what is sent, every attempt with its answer, and sending it again. Operators see sizes for words."""

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
            sent = await room.desks.log.entry(principal, identifier)
        return room.pages.render(
            request,
            "delivery.html",
            row=sent.endpoint,
            address=room.desks.endpoints.address(principal, sent.endpoint),
            entry=sent.entry,
            explanation=room.texts.explanation(sent.entry.event_type, language_of(request)),
            tries=sent.tries,
            request_headers=sent.headers,
            size=sent.size,
            body=None if sent.body is None else _readable(sent.body),
            case=case_name(sent.entry.case_code, sent.entry.case_id),
        )

    @router.post("/deliveries/{identifier}/replay")
    async def replay(principal: SignedIn, identifier: str) -> Response:
        with found():
            await room.desks.replays.one(principal, identifier)
        return RedirectResponse(f"{NOTIFY}/deliveries/{identifier}", 303)

    return router


def _readable(body: bytes) -> str:
    """With line breaks; what is sent and signed has none."""
    return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
