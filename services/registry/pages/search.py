"""Search first: children by what is known of them. No name ever stands in an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.registry import forms, views
from services.registry.imports.counter import may_import
from services.registry.pages.room import Reader, Room, form_of
from shared.contracts.errors import Rejected, Violation
from shared.identity import ALL_UNITS, Permission, Principal


class SearchPages:
    """Finding children.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def start(self, request: Request, principal: Reader) -> Response:
        """Search first."""
        return await self._start(request, principal, {}, None)

    async def search(self, request: Request, principal: Reader) -> Response:
        """What was found, on the same page."""
        values = await form_of(request)
        units = [values["unit"]] if values.get("unit") in self.room.units.codes() else None
        try:
            wanted = forms.read_search(values, units)
        except Rejected as rejected:
            return await self._start(request, principal, values, None, rejected.violations)
        return await self._start(request, principal, values, await self.room.office.search(principal, wanted))

    async def _start(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str],
        found: Sequence[Any] | None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        rows = None
        if found is not None:
            rows = [(row, views.age(row.known.description, self.room.pages.clock().date())) for row in found]
        return self.room.render(
            request,
            "registry/start.html",
            values=values,
            rows=rows,
            violations=violations,
            waiting=await self.room.office.waiting(principal),
            whole_province=principal.units == ALL_UNITS,
            unit_options=self.room.unit_options(principal),
            may_edit=principal.may(Permission.EDIT_CHILDREN),
            may_import=may_import(principal),
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = SearchPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", pages.start, methods=["GET"])
    router.add_api_route("/", pages.search, methods=["POST"])
    return router
