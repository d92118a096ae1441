"""My inbox: what I am told, opening it, and what I have read."""

from __future__ import annotations

from importlib import resources
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime

from services.notify.domain import audiences_of
from services.notify.pages.live import LiveInbox
from services.notify.pages.room import NOTIFY, PAGE, Room
from services.notify.store import notices as inbox
from shared.identity import SignedIn
from shared.web.pages import language_of

_WORKER = resources.files("services.notify").joinpath("static/worker.js").read_bytes()
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# The notices that a button is about: those that are shown as one.
_SOME = f"^(?:{_ID}(?: {_ID}){{0,{PAGE - 1}}})?$"


def routes(room: Room, live: LiveInbox) -> APIRouter:
    """The inbox, live where it is open."""
    router = APIRouter()
    units = tuple(room.units)

    @router.get("/")
    async def show_inbox(
        request: Request, principal: SignedIn, unread: bool = False, before: AwareDatetime | None = None
    ) -> Response:
        language = language_of(request)
        listed, after = await room.notices(principal, language, unread=unread, before=before)
        async with room.database.transaction() as connection:
            count = await inbox.unread_count(connection, principal.id, audiences_of(principal, units))
        following = {"before": after.isoformat() if after else "", **({"unread": "true"} if unread else {})}
        return room.pages.render(
            request,
            "inbox.html",
            listed=listed,
            unread=unread,
            count=count,
            # Only the newest page of everything changes by itself.
            topic=None if unread or before else live.topic(principal, language),
            first=f"{NOTIFY}/" + ("?unread=true" if unread else "") if before else None,
            following=f"{NOTIFY}/?{urlencode(following)}" if after else None,
            push_key=room.push_key if "push" in room.office.channels_for(principal) else None,
        )

    @router.get("/worker.js")
    async def worker() -> Response:
        """The service worker: a browser lets it act for the paths below its own only, so it lies beside the pages."""
        return Response(_WORKER, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    @router.get("/live")
    async def stream(request: Request, principal: SignedIn) -> Response:
        return live.stream(request, principal, language_of(request))

    @router.get("/open/{identifier}")
    async def open_notice(principal: SignedIn, identifier: UUID) -> Response:
        mine = audiences_of(principal, units)
        async with room.database.transaction() as connection:
            path = await inbox.path_of(connection, mine, str(identifier))
            if path is not None:
                now = room.pages.clock()
                await inbox.mark_read(connection, principal.id, mine, [str(identifier)], now)
        return RedirectResponse(path or f"{NOTIFY}/", 303)

    @router.post("/read")
    async def mark_read(
        principal: SignedIn,
        notice: Annotated[str, Form(pattern=_SOME)] = "",
        undo: Annotated[str, Form(pattern=_SOME)] = "",
    ) -> Response:
        async with room.database.transaction() as connection:
            if undo:
                await inbox.mark_unread(connection, principal.id, undo.split())
            else:
                mine = audiences_of(principal, units)
                await inbox.mark_read(connection, principal.id, mine, notice.split() or None, room.pages.clock())
        return RedirectResponse(f"{NOTIFY}/", 303)

    return router
