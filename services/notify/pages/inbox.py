"""My inbox: what I am told, opening it, and what I have read."""

from __future__ import annotations

from importlib import resources
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, HTTPException, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import AwareDatetime

from services.notify.domain import audiences_of
from services.notify.pages.live import LiveInbox
from services.notify.pages.room import NOTIFY, PAGE, Room
from services.notify.store import notices as inbox
from services.notify.texts import case_name
from services.notify.views import ABOUT_NAMES
from shared.identity import Principal, SignedIn
from shared.web.i18n import place_key

_WORKER = resources.files("services.notify").joinpath("static/worker.js").read_bytes()
_ID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# The notices that a button is about: those that are shown as one.
_SOME = f"^(?:{_ID}(?: {_ID}){{0,{PAGE - 1}}})?$"


def routes(room: Room, live: LiveInbox) -> APIRouter:
    """The inbox, live where it is open."""
    router = APIRouter()
    _add_listing(router, room, live)
    _add_reading(router, room, live)
    return router


def _add_listing(router: APIRouter, room: Room, live: LiveInbox) -> None:
    @router.get("/")
    async def show_inbox(
        request: Request,
        principal: SignedIn,
        only: Literal["", "unread", "urgent"] = "",
        about: Annotated[str, Query(max_length=20)] = "",
        unit: Annotated[str, Query(max_length=10)] = "",
        case: Annotated[str, Query(max_length=40)] = "",
        before: AwareDatetime | None = None,
    ) -> Response:
        language = await room.speak(request, principal)
        wanted = inbox.Filter(
            unread=only == "unread",
            urgent=only == "urgent",
            about=about if about in ABOUT_NAMES else None,
            unit=unit or None,
            case_code=case.strip() or None,
        )
        listed, after = await room.notices(principal, language, wanted, before=before)
        asked = {"only": only, "about": about, "unit": unit, "case": case}
        kept = {name: value for name, value in asked.items() if value}
        return room.pages.render(
            request,
            "inbox.html",
            listed=listed,
            asked=asked,
            narrowed=wanted.narrows,
            abouts=ABOUT_NAMES,
            places=_places(room, principal),
            # Only the newest page of everything changes by itself.
            topic=None if wanted.narrows or before else live.topic(principal, language),
            first=f"{NOTIFY}/?{urlencode(kept)}" if before else None,
            following=f"{NOTIFY}/?{urlencode({**kept, 'before': after.isoformat()})}" if after else None,
            push_key=room.push_key if "push" in room.desks.subscribing.channels_for(principal) else None,
        )


def _add_reading(router: APIRouter, room: Room, live: LiveInbox) -> None:
    """What the inbox asks for while it is open, one notice opened, and what was read."""
    units = tuple(room.units)

    @router.get("/lines/{identifier}")
    async def show_lines(
        request: Request,
        principal: SignedIn,
        identifier: UUID,
        after: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Response:
        mine = audiences_of(principal, units)
        async with room.database.transaction() as connection:
            notice = await inbox.find(connection, principal.id, mine, str(identifier))
            if notice is None:
                raise HTTPException(404)
            rows = await inbox.lines(connection, notice.id, PAGE + 1, after)
        base = f"{NOTIFY}/lines/{notice.id}"
        return room.pages.render(
            request,
            "lines.html",
            notice=notice,
            title=room.title(notice, await room.speak(request, principal)),
            lines=[
                (row, case_name(row.case_code, row.case_id), room.texts.by_when(notice.event_type, row.due))
                for row in rows[:PAGE]
            ],
            first=f"{base}?after={max(after - PAGE, 0)}" if after else None,
            following=f"{base}?after={after + PAGE}" if len(rows) > PAGE else None,
        )

    @router.get("/worker.js")
    async def worker() -> Response:
        """The service worker: a browser lets it act for the paths below its own only, so it lies beside the pages."""
        return Response(_WORKER, media_type="text/javascript", headers={"Cache-Control": "no-cache"})

    @router.get("/live")
    async def stream(request: Request, principal: SignedIn) -> Response:
        return live.stream(request, principal, await room.speak(request, principal))

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
        seen: Annotated[AwareDatetime | None, Form()] = None,
    ) -> Response:
        mine, now = audiences_of(principal, units), room.pages.clock()
        async with room.database.transaction() as connection:
            if undo:
                await inbox.mark_unread(connection, principal.id, undo.split())
            elif notice:
                await inbox.mark_read(connection, principal.id, mine, notice.split(), now)
            else:
                await inbox.mark_all_read(connection, principal.id, mine, now, seen)
        return RedirectResponse(f"{NOTIFY}/", 303)


def _places(room: Room, principal: Principal) -> list[tuple[str, str]]:
    """The communes among which somebody may choose, by name; none where there is one only."""
    found = [(code, name) for code, name in room.units.items() if principal.may_see(code)]
    return sorted(found, key=lambda pair: place_key(pair[1])) if len(found) > 1 else []
