"""Saving while somebody types: what the module `drafts.js` asks for, and the same by a plain form."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from services.cases.desk.drafts import form_of_key
from services.cases.pages.room import Room, several
from services.cases.reading import actor_of
from services.cases.seeing import AtWork
from shared.contracts.errors import Rejected
from shared.identity import FORM_FIELD, Principal
from shared.web.forms import form_of
from shared.web.i18n import format_datetime

# Longer than any honest form: what no draft may be is not even read.
_BODY = 1_000_000


class DraftRoutes:
    """A person's own drafts.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def save(self, request: Request, key: str, principal: Principal) -> Response:
        """Keep a form as it stands. `If-Match`: the version it was made from. 409 where another window was faster."""
        if int(request.headers.get("content-length") or 0) > _BODY:
            raise HTTPException(413)
        values = several(await request.form(), without=(FORM_FIELD,))
        given = request.headers.get("if-match", "").strip('"')
        version = int(given) if given.isdecimal() and len(given) < 10 else -1
        try:
            async with self.room.office.scope() as scope:
                draft = await self.room.office.desk.drafts.save(scope, actor_of(principal), key, values, version)
        except Rejected as rejected:
            changed = any(known.rule == "draft-changed" for known in rejected.violations)
            said = [known.as_dict() for known in rejected.violations]
            return JSONResponse({"violations": said}, 409 if changed else 422)
        time = format_datetime(draft.saved_at).split(" ")[1]
        return JSONResponse({"version": draft.version, "saved_at": time}, headers={"Cache-Control": "no-store"})

    async def discard(self, key: str, principal: Principal) -> None:
        """Destroy a draft."""
        async with self.room.office.scope() as scope:
            await self.room.office.desk.drafts.discard(scope, actor_of(principal), key)


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    drafts = DraftRoutes(room)
    router = APIRouter(include_in_schema=False)

    @router.put("/drafts/{key:path}")
    async def save(request: Request, key: str, principal: AtWork) -> Response:
        return await drafts.save(request, key, principal)

    @router.delete("/drafts/{key:path}")
    async def discard(key: str, principal: AtWork) -> Response:
        await drafts.discard(key, principal)
        return Response(status_code=204)

    @router.post("/drafts")
    async def discard_by_form(request: Request, principal: AtWork) -> Response:
        """The same without scripts: the field `key` says which."""
        form = await form_of(request)
        key = form.get("key", "")
        form_of_key(key)
        await drafts.discard(key, principal)
        back = f"/cases/c/{key.split('/')[1]}" if key.startswith("case/") else "/cases/"
        return RedirectResponse(f"{back}?done=discard-draft", 303)

    return router
