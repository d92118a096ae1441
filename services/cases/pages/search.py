"""Search by code, by the child's name or by personal number. What is looked for never stands in an address."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.cases.desk.finding import Found
from services.cases.pages.room import Room
from services.cases.reading import actor_of, may_open
from shared.identity import NotAllowedError, Principal, SignedIn
from shared.web.forms import form_of

_ROLES = ("worker", "chair", "coordinator", "hotline")
_LONGEST = 300


class SearchPage:
    """Finding a case or a report.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def search(self, request: Request, principal: Principal, said: str = "") -> Response:
        """What fits, in the reader's area. A code leads to its case or report at once."""
        actor = actor_of(principal)
        if actor.role not in _ROLES:
            raise NotAllowedError("The role sees no cases")
        found = Found()
        if said:
            async with self.room.office.scope() as scope:
                found = await self.room.office.desk.finding.search(scope, actor, said)
                known = found.code_of
                opens = known is not None and await may_open(
                    scope.connection, actor, known["what"], known["id"], scope.now
                )
                if found.numbered:
                    seen = [
                        match
                        for match in found.numbered
                        if await may_open(scope.connection, actor, *match.matter, scope.now)
                    ]
                    found = replace(found, matches=seen)
            if found.numbered and len(found.matches) == 1:
                return _led_to(*found.matches[0].matter)
            if known is not None and opens:
                return _led_to(known["what"], known["id"])
        answer = self.room.render(request, "cases/search.html", said=said, found=found, actor=actor)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _led_to(what: str, identifier: str) -> Response:
    return RedirectResponse(f"/cases/{'c' if what == 'case' else 'concerns'}/{identifier}", 303)


def routes(room: Room) -> APIRouter:
    """The routes of this page."""
    page = SearchPage(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/search")
    async def begin(request: Request, principal: SignedIn) -> Response:
        return await page.search(request, principal)

    @router.post("/search")
    async def search(request: Request, principal: SignedIn) -> Response:
        said = (await form_of(request)).get("said", "").replace("\x00", " ").strip()
        return await page.search(request, principal, said[:_LONGEST])

    return router
