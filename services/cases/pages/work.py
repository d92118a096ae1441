"""My work today, for each role."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.cases import store
from services.cases.domain.model import Actor
from services.cases.pages.intake import IntakePages
from services.cases.pages.room import Room
from services.cases.pages.tasks import sector_work
from services.cases.reading import actor_of
from services.cases.store import CaseFilter
from shared.identity import NotAllowedError, Principal, SignedIn

_PAGE = 30
_WAITING = 20


class WorkPages:
    """Where each role's day begins.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def work(self, request: Request, principal: Principal) -> Response:
        """Where each role's day begins."""
        actor = actor_of(principal)
        if actor.role == "sector":
            return await sector_work(self.room, request, actor)
        if actor.role == "hotline":
            return await IntakePages(self.room).hotline(request, principal)
        if actor.role not in ("worker", "chair", "coordinator"):
            raise NotAllowedError("The role sees no cases")
        return await self._worklist(request, actor)

    async def _worklist(self, request: Request, actor: Actor) -> Response:
        asked = request.query_params
        status = asked.get("status", "open")
        wanted = CaseFilter(
            status=status if status in ("open", "closed", "merged") else "open",
            unit=asked.get("unit") or None,
            risk=asked.get("risk") or None,
            step=asked.get("step") or None,
            due=asked.get("due") or None,
            code=(asked.get("code") or "").strip().upper() or None,
            worker=actor.id if asked.get("worker") == "me" else asked.get("worker") or None,
            reader=actor.id,
        )
        number = asked.get("page", "1")
        page = max(1, int(number)) if number.isdecimal() and len(number) < 7 else 1
        if wanted.code:
            wanted = CaseFilter(status="", code=wanted.code, reader=actor.id)
        async with self.room.office.scope() as scope:
            counts = await store.case_counts(scope.connection, actor.units, scope.now)
            waiting = await store.waiting_concerns(scope.connection, actor.units, _WAITING)
            waiting_count = await store.count_waiting(scope.connection, actor.units)
            access = await store.access_waiting(scope.connection, actor.units, actor.id)
            rows, total = await store.list_cases(
                scope.connection, actor.units, wanted, scope.now, limit=_PAGE, offset=(page - 1) * _PAGE
            )
            offered = await store.offered_cases(scope.connection, actor.units) if actor.role != "coordinator" else []
        return self.room.render(
            request,
            "cases/work.html",
            offered=offered,
            counts=counts,
            waiting=waiting,
            waiting_count=waiting_count,
            access=access,
            rows=rows,
            total=total,
            wanted=wanted,
            worker=asked.get("worker"),
            first=(page - 1) * _PAGE + 1,
            previous=address_of(asked, page - 1) if page > 1 else None,
            following=address_of(asked, page + 1) if page * _PAGE < total else None,
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = WorkPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def work(request: Request, principal: SignedIn) -> Response:
        return await pages.work(request, principal)

    return router


def address_of(asked: Mapping[str, str], page: int) -> str:
    return "/cases/?" + urlencode({**asked, "page": page})
