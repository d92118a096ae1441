"""The queue of pairs, two records side by side; merge and undo."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry.merging import NotPossibleError
from services.registry.office import NotThereError, may_decide
from services.registry.pages.room import Reader, Room, form_of, id_in


class MatchPages:
    """Two records that may be one child.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def matches(self, request: Request, principal: Reader, passed: int = 0) -> Response:
        """The next pair side by side."""
        passed = max(0, min(passed, 10_000))
        question, more = await self.room.office.question(principal, passed)
        return self.room.render(
            request,
            "registry/matches.html",
            question=question,
            more=more,
            passed=passed,
            waiting=await self.room.office.waiting(principal),
            may_decide=may_decide(principal),
            merge=id_in(request, "merge"),
            kept=id_in(request, "kept"),
        )

    async def decide(self, request: Request, principal: Reader, pair_id: int) -> Response:
        """The same child, or two."""
        values = await form_of(request)
        if values.get("decision") not in {"same", "different"}:
            raise HTTPException(422)
        try:
            kept, merge_id = await self.room.office.decide(principal, pair_id, same=values["decision"] == "same")
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        tail = f"&merge={merge_id}&kept={kept}" if merge_id else ""
        return RedirectResponse(f"/registry/matches?said={values['decision']}{tail}", 303)

    async def undo(self, request: Request, principal: Reader, merge_id: str) -> Response:
        """The two were not one child after all."""
        try:
            _, new = await self.room.office.undo(principal, merge_id)
        except NotThereError:
            raise HTTPException(404) from None
        except NotPossibleError:
            raise HTTPException(409) from None
        return RedirectResponse(f"/registry/children/{new}?said=separated", 303)


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = MatchPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/matches", pages.matches, methods=["GET"])
    router.add_api_route("/matches/{pair_id}", pages.decide, methods=["POST"])
    router.add_api_route("/merges/{merge_id}/undo", pages.undo, methods=["POST"])
    return router
