"""A child's page: what we know, from whom, how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import forms, views
from services.registry.office import NotThereError, may_decide
from services.registry.pages.room import Editor, Reader, Room, form_of
from shared.contracts.errors import Rejected, Violation
from shared.identity import Permission, Principal


class ChildPages:
    """One child.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def child(self, request: Request, principal: Reader, child_id: str) -> Response:
        """What we know of a child, from whom, how surely."""
        try:
            file = await self.room.office.child(principal, child_id)
        except NotThereError:
            raise HTTPException(404) from None
        if file.row.id != child_id:
            return RedirectResponse(f"/registry/children/{file.row.id}?said=followed", 303)
        return self._child(request, principal, file)

    async def circumstance(self, request: Request, principal: Editor, child_id: str) -> Response:
        """A circumstance begins or ends."""
        values = await form_of(request)
        try:
            if values.get("act") == "end":
                until = forms.read_date(values, "until")
                await self.room.office.end(principal, child_id, values.get("circumstance", ""), until)
            else:
                since = forms.read_date(values, "since")
                evidence = values.get("evidence", "").strip()[:300] or None
                await self.room.office.begin(principal, child_id, values.get("circumstance", ""), since, evidence)
        except NotThereError:
            raise HTTPException(404) from None
        except Rejected as rejected:
            file = await self.room.file(principal, child_id)
            return self._child(request, principal, file, values=values, violations=rejected.violations)
        return RedirectResponse(f"/registry/children/{child_id}?said=circumstance", 303)

    def _child(
        self,
        request: Request,
        principal: Principal,
        file: Any,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        active = {seen.code for seen in file.circumstances if seen.until is None or seen.until > file.today}
        return self.room.render(
            request,
            "registry/child.html",
            file=file,
            known=file.row.known,
            age=views.age(file.row.known.description, file.today),
            active=sorted(active),
            values=values or {},
            violations=violations,
            may_edit=principal.may(Permission.EDIT_CHILDREN) and principal.may_see(file.row.known.unit),
            may_decide=may_decide(principal),
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = ChildPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/children/{child_id}", pages.child, methods=["GET"])
    router.add_api_route("/children/{child_id}/circumstances", pages.circumstance, methods=["POST"])
    return router
