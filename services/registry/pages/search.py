"""Search first: children by what is known of them. No name ever stands in an address.

Whatever leads on from a search (narrowing, the next page, saving it, registering a child that was not found) is a form
of its own that carries along what was typed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.registry import search_form
from services.registry.domain.searching import PAGE
from services.registry.finder import SavedSearch
from services.registry.imports.counter import may_import
from services.registry.pages.room import Room
from services.registry.seeing import NotThereError, Reader
from services.registry.store.finding import MOST, REACH, Found
from shared.contracts.errors import Rejected, Violation
from shared.identity import Permission, Principal
from shared.web.forms import form_of, number_in

_CHIPS = 12


class SearchPages:
    """Finding children.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def start(self, request: Request, principal: Reader) -> Response:
        """Search first."""
        return await self._start(request, principal, {})

    async def search(self, request: Request, principal: Reader) -> Response:
        """What was found, on the same page."""
        values = await form_of(request)
        after = values.get("after", "")
        return await self._search(request, principal, search_form.typed(values), number_in(after) or 0)

    async def save(self, request: Request, principal: Reader) -> Response:
        """Keep a search under a name."""
        values = await form_of(request)
        said = search_form.typed(values)
        try:
            search_form.read(said, self.room.units.codes())
            await self.room.finder.save(principal, values.get("saved_name", ""), said)
        except Rejected as rejected:
            return await self._search(request, principal, said, 0, rejected.violations)
        return await self._search(request, principal, said, 0, said_of_it="saved")

    async def again(self, request: Request, principal: Reader, search_id: str) -> Response:
        """A search that was kept, asked again."""
        try:
            kept = await self.room.finder.again(principal, search_id)
        except NotThereError:
            raise HTTPException(404) from None
        return await self._search(request, principal, kept.values, 0, kept=kept)

    async def forget(self, request: Request, principal: Reader, search_id: str) -> Response:
        """Keep a search no more."""
        try:
            await self.room.finder.forget(principal, search_id)
        except NotThereError:
            raise HTTPException(404) from None
        return RedirectResponse("/registry/?said=forgotten", 303)

    async def _search(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str],
        after: int,
        violations: Sequence[Violation] = (),
        *,
        kept: SavedSearch | None = None,
        said_of_it: str = "",
    ) -> Response:
        after = min(after, REACH - PAGE) // PAGE * PAGE
        try:
            wanted = search_form.read(values, self.room.units.codes())
        except Rejected as rejected:
            return await self._start(request, principal, values, None, rejected.violations)
        found = await self.room.finder.search(principal, wanted, after)
        return await self._start(
            request, principal, values, found, violations, after=after, kept=kept, said_of_it=said_of_it
        )

    async def _start(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str],
        found: Found | None = None,
        violations: Sequence[Violation] = (),
        *,
        after: int = 0,
        kept: SavedSearch | None = None,
        said_of_it: str = "",
    ) -> Response:
        options = self.room.unit_options(principal)
        return self.room.render(
            request,
            "registry/start.html",
            values=values,
            carried=values,
            found=found,
            after=after,
            page=PAGE,
            most=MOST,
            today=self.room.today(),
            chips=_chips(found, values),
            further=any(values.get(name) for name in search_form.FURTHER),
            recent=[] if found else await self.room.finder.recent(principal),
            searches=await self.room.finder.saved(principal),
            kept=kept,
            said_of_it=said_of_it,
            violations=violations,
            waiting=await self.room.office.waiting(principal),
            several=len(options) > 1,
            unit_options=options,
            may_edit=principal.may(Permission.EDIT_CHILDREN),
            may_import=may_import(principal),
        )


def _chips(
    found: Found | None, values: Mapping[str, str]
) -> tuple[Sequence[tuple[str, int]], Sequence[tuple[int, int]]]:
    """Communes and years to narrow by, each with how many were found there: nothing where there is no choice."""
    if found is None or found.too_many:
        return (), ()
    units = [(unit, count) for unit, count in found.by_unit.most_common() if unit is not None][:_CHIPS]
    years = sorted((year, count) for year, count in found.by_year.items() if year is not None)
    return (
        units if len(found.by_unit) > 1 and not values.get("unit") else (),
        years if len(found.by_year) > 1 and not values.get("born") else (),
    )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = SearchPages(room)
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", pages.start, methods=["GET"])
    router.add_api_route("/", pages.search, methods=["POST"])
    router.add_api_route("/searches", pages.save, methods=["POST"])
    router.add_api_route("/searches/{search_id}/run", pages.again, methods=["POST"])
    router.add_api_route("/searches/{search_id}/delete", pages.forget, methods=["POST"])
    return router
