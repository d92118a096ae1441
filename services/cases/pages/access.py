"""Who may read a case: asking for it, opening it in an emergency, deciding about both; and the log of who read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy import RowMapping
from starlette.responses import RedirectResponse, Response

from services.cases import forms, store
from services.cases.domain import team
from services.cases.domain.model import Actor, Case
from services.cases.pages.room import Room, page_of, typed
from services.cases.pages.team import ASKED_KINDS, name_of, team_of
from services.cases.reading import actor_of, may_find_case, may_see_case, people_of
from services.cases.seeing import seen_case
from shared.contracts.errors import Rejected, Violation
from shared.identity import Directory, NotAllowedError, Principal, SignedIn, identity_of
from shared.messaging.router import Scope
from shared.web.forms import form_of

_PAGE = 50
_LISTED = 100
_RECENT = timedelta(days=30)
_WATCHED = timedelta(days=7)


class AccessPages:
    """Who may read, and who did.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def access(
        self,
        request: Request,
        key: str,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """One case's door: for who stands outside, how to come in; for who decides, who asks and who looked in."""
        actor, directory = actor_of(principal), identity_of(request).directory
        async with self.room.office.scope() as scope:
            case = await self._found(scope, key, actor)
            if case.code == key:
                return RedirectResponse(f"/cases/c/{case.id}/access", 303)
            shown = team_of(case, actor, scope.now, directory)
            if (shown.leads or shown.oversees) and (shown.asked or shown.waiting):
                shown = team_of(case, actor, scope.now, directory, await self._reasons(scope, case, actor))
            sees = may_see_case(actor, case, scope.now)
            limits = self.room.office.desk.access.limits.on(scope.now)
        return self.room.render(
            request,
            "cases/access.html",
            case=case,
            team=shown,
            sees=sees,
            limits=limits,
            values=typed(values),
            violations=violations,
            done=request.query_params.get("done"),
        )

    async def act(self, request: Request, key: str, principal: Principal) -> Response:
        """An act on the team or on access; what was typed comes back with what is wrong."""
        form = await form_of(request)
        actor, people = actor_of(principal), people_of(identity_of(request).directory)
        try:
            async with self.room.office.scope() as scope:
                case = await self._found(scope, key, actor)
                act = forms.team_act(form)
                after = await self.room.office.desk.access.act(scope, case.id, act, actor, people)
                reads = team.basis_of(after, actor, scope.now) is not None
        except Rejected as rejected:
            return await self.access(request, key, principal, form, forms.prefixed(rejected, form.get("act", "")))
        place = "" if reads and act.act in ("break-glass", "assign-worker") else "/access"
        return RedirectResponse(f"/cases/c/{after.id}{place}?done={act.act}", 303)

    async def reads(self, request: Request, key: str, principal: Principal) -> Response:
        """Who read one case's identity: for who leads it, and the coordinator."""
        actor, directory = actor_of(principal), identity_of(request).directory
        page = page_of(request, digits=6)
        async with self.room.office.scope() as scope:
            case = await seen_case(scope.connection, key, actor, scope.now)
            if not team.oversees(case, actor):
                raise NotAllowedError("The role does not oversee the case")
            rows, total = await store.reads_of_case(scope.connection, case.id, limit=_PAGE, offset=(page - 1) * _PAGE)
            limits = self.room.office.desk.access.limits.on(scope.now)
        return self.room.render(
            request,
            "cases/reads.html",
            case=case,
            rows=_named(rows, directory),
            total=total,
            page=page,
            size=_PAGE,
            address=f"/cases/c/{case.id}/reads",
            limits=limits,
        )

    async def mine(self, request: Request, principal: Principal) -> Response:
        """What the reader opened themselves."""
        page = page_of(request, digits=6)
        if principal.role.value not in team.ASKING:
            raise NotAllowedError("The role opens no case")
        async with self.room.office.scope() as scope:
            rows, total = await store.reads_by(scope.connection, principal.id, limit=_PAGE, offset=(page - 1) * _PAGE)
            limits = self.room.office.desk.access.limits.on(scope.now)
        return self.room.render(
            request,
            "cases/reads.html",
            case=None,
            rows=rows,
            total=total,
            page=page,
            size=_PAGE,
            address="/cases/reads",
            limits=limits,
        )

    async def board(self, request: Request, principal: Principal) -> Response:
        """What is open to the reader; who asks and who looked in from outside in their area; unusual reading."""
        actor, directory = actor_of(principal), identity_of(request).directory
        if actor.role not in team.ASKING:
            raise NotAllowedError("The role asks for no access")
        code = request.query_params.get("code", "").strip().upper()
        decides = actor.role in (*team.COMMUNE, "coordinator")
        async with self.room.office.scope() as scope:
            found = await store.find_case(scope.connection, code) if code else None
            if found is not None and may_find_case(actor, found):
                return RedirectResponse(f"/cases/c/{quote(found.id)}/access", 303)
            mine = await store.open_to(scope.connection, actor.id, scope.now)
            asked: Sequence[RowMapping] = ()
            glasses: Sequence[RowMapping] = ()
            unusual: Sequence[store.Unusual] = ()
            if decides:
                asked = await store.asked_to_join(scope.connection, actor.units, actor.id, _LISTED)
            if actor.role in ("chair", "coordinator"):
                glasses = await store.glasses_of_area(
                    scope.connection, actor.units, actor.id, scope.now - _RECENT, _LISTED
                )
            limits = self.room.office.desk.access.limits.on(scope.now)
            if actor.role == "coordinator":
                within = timedelta(minutes=limits.unusual_minutes)
                unusual = await store.unusual_reading(
                    scope.connection, scope.now - _WATCHED, within, limits.unusual_children
                )
        return self.room.render(
            request,
            "cases/access_board.html",
            mine=mine,
            asked=[{**row, "name": name_of(directory, row["person"])} for row in asked],
            glasses=[{**row, "name": name_of(directory, row["person"])} for row in glasses],
            unusual=[(row, name_of(directory, row.who)) for row in unusual],
            limits=limits,
            code=code,
            decides=decides,
        )

    async def _found(self, scope: Scope, key: str, actor: Actor) -> Case:
        found = await store.find_case(scope.connection, key)
        if found is None or not may_find_case(actor, found):
            raise HTTPException(404)
        return found

    async def _reasons(self, scope: Scope, case: Case, actor: Actor) -> list[tuple[store.Line, Mapping[str, Any]]]:
        """Why people ask and looked in, opened for who decides about it: one reading."""
        reader = self.room.office.desk.files.reader
        if await reader.admit(scope.connection, case, actor, "access", scope.now) is None:
            return []
        return [
            (line, await reader.words(scope.connection, line))
            for line in await store.lines_of(scope.connection, case.id, ASKED_KINDS)
        ]


def _named(rows: Sequence[RowMapping], directory: Directory) -> list[dict[str, Any]]:
    return [{**row, "name": name_of(directory, row["who"])} for row in rows]


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = AccessPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/c/{key}/access")
    async def access(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.access(request, key, principal)

    @router.post("/c/{key}/access")
    async def act(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.act(request, key, principal)

    @router.get("/c/{key}/reads")
    async def reads(request: Request, key: str, principal: SignedIn) -> Response:
        return await pages.reads(request, key, principal)

    @router.get("/reads")
    async def mine(request: Request, principal: SignedIn) -> Response:
        return await pages.mine(request, principal)

    @router.get("/access")
    async def board(request: Request, principal: SignedIn) -> Response:
        return await pages.board(request, principal)

    return router
