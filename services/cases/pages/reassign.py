"""Handing a worker's cases to another, when they leave: seen before it is done, and gone on with after a break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import RedirectResponse, Response

from services.cases import store
from services.cases.domain.model import Actor, refuse
from services.cases.pages.room import Room, typed
from services.cases.pages.team import name_of, workers_at
from services.cases.reading import actor_of
from services.cases.store import Reassignment
from shared.contracts.errors import Rejected, Violation
from shared.identity import Directory, NotAllowedError, Principal, SignedIn, identity_of
from shared.messaging.outbox import new_id
from shared.reference.terms import Terms
from shared.web.forms import form_of

# As many are looked at and handed on at once; what is left is asked for again.
_MOST = 500
# Done before the answer; the rest goes on by itself.
_AT_ONCE = 25
# The name of nobody in addresses and forms: cases for which no worker is responsible.
_NOBODY = "-"


class ReassignPages:
    """A worker leaves, their cases go on.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def choose(
        self,
        request: Request,
        principal: Principal,
        values: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> Response:
        """Who is responsible for how many cases of a commune; and one worker's cases, to be handed on."""
        actor, directory = _allowed(principal), identity_of(request).directory
        asked = values if values is not None else request.query_params
        unit = asked.get("unit") or (min(actor.units) if actor.units != "all" else "")
        if unit and not actor.covers(unit):
            raise HTTPException(404)
        worker = asked.get("worker", "")
        async with self.room.office.scope() as scope:
            workers = await store.workers_of(scope.connection, unit) if unit else []
            unfinished = await store.unfinished(scope.connection, unit) if unit else []
            rows = (
                await store.cases_of_worker(scope.connection, unit, _or_nobody(worker), actor.id, _MOST)
                if unit and worker
                else []
            )
        return self.room.render(
            request,
            "cases/reassign.html",
            unit=unit,
            worker=worker,
            worker_name=name_of(directory, worker),
            workers=[
                {
                    **row,
                    "worker": row["worker"] or _NOBODY,
                    "name": name_of(directory, row["worker"]) if row["worker"] else "",
                }
                for row in workers
            ],
            nobody=_NOBODY,
            unfinished=[{**row, "name": _name(directory, row["from_worker"])} for row in unfinished],
            rows=rows,
            most=_MOST,
            others=[(found.id, found.name) for found in workers_at(directory, unit) if found.id != worker],
            own_units=None if actor.units == "all" else sorted(actor.units),
            reassignment_id=(values or {}).get("id") or new_id(),
            values=typed(values),
            violations=violations,
        )

    async def hand(self, request: Request, principal: Principal) -> Response:
        """Hand on the chosen cases: asked for once however often it is sent, a first part done before the answer."""
        actor, directory = _allowed(principal), identity_of(request).directory
        form = await form_of(request)
        chosen = [str(case) for case in (await request.form()).getlist("case")][:_MOST]
        unit = form.get("unit", "")
        if not actor.covers(unit):
            raise HTTPException(404)
        try:
            async with self.room.office.scope() as scope:
                asked = _asked(form, chosen, actor, directory, scope.now)
                await store.add_reassignment(scope.connection, asked, chosen)
        except Rejected as rejected:
            return await self.choose(request, principal, form, rejected.violations)
        await self._go_on(asked.id, _AT_ONCE)
        return RedirectResponse(f"/cases/reassign/{quote(asked.id)}", 303)

    async def progress(self, request: Request, identifier: str, principal: Principal) -> Response:
        """How far it has come, and what was left where it is."""
        actor, directory = _allowed(principal), identity_of(request).directory
        async with self.room.office.scope() as scope:
            asked = await store.find_reassignment(scope.connection, identifier)
            if asked is None or not actor.covers(asked.unit):
                raise HTTPException(404)
            counts = await store.reassigned_counts(scope.connection, identifier)
            skipped = await store.skipped_of(scope.connection, identifier)
        return self.room.render(
            request,
            "cases/reassigning.html",
            asked=asked,
            from_name=_name(directory, asked.from_worker),
            counts=counts,
            total=sum(counts.values()),
            skipped=skipped,
        )

    async def go_on(self, request: Request, identifier: str, principal: Principal) -> Response:
        """Somebody does not want to wait until it goes on by itself."""
        actor = _allowed(principal)
        async with self.room.office.scope() as scope:
            asked = await store.find_reassignment(scope.connection, identifier)
        if asked is None or not actor.covers(asked.unit):
            raise HTTPException(404)
        await self._go_on(identifier, _AT_ONCE)
        return RedirectResponse(f"/cases/reassign/{identifier}", 303)

    async def _go_on(self, identifier: str, most: int) -> None:
        office = self.room.office
        await office.desk.access.hand_on(office.scope, only=identifier, most=most)


def _allowed(principal: Principal) -> Actor:
    actor = actor_of(principal)
    if actor.role not in ("chair", "coordinator"):
        raise NotAllowedError("The role hands on no cases")
    return actor


def _asked(
    form: Mapping[str, str], chosen: Sequence[str], actor: Actor, directory: Directory, now: datetime
) -> Reassignment:
    worker, to, unit = form.get("worker", ""), form.get("to", ""), form.get("unit", "")
    other = next((found for found in workers_at(directory, unit) if found.id == to), None)
    if other is None or other.id == worker:
        raise refuse("to", "worker-unknown", "Chọn cán bộ nhận vụ việc.", "Choose the worker who takes the cases.")
    if not chosen:
        raise refuse("case", "nothing-chosen", "Chọn ít nhất một vụ việc.", "Choose at least one case.")
    if form.get("reason") not in Terms.load("reassign-reasons").codes():
        raise refuse("reason", "reason-unknown", "Chọn lý do.", "Choose the reason.")
    identifier = form.get("id", "")
    return Reassignment(
        id=identifier if 0 < len(identifier) <= 60 else new_id(),
        unit=unit,
        from_worker=_or_nobody(worker),
        to_worker=other.id,
        to_name=other.name,
        who=actor.id,
        who_name=actor.name,
        who_role=actor.role,
        reason=form["reason"],
        asked_at=now,
    )


def _or_nobody(worker: str) -> str | None:
    return None if worker == _NOBODY else worker


def _name(directory: Directory, worker: str | None) -> str:
    return name_of(directory, worker) if worker else ""


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = ReassignPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/reassign")
    async def choose(request: Request, principal: SignedIn) -> Response:
        return await pages.choose(request, principal)

    @router.post("/reassign")
    async def hand(request: Request, principal: SignedIn) -> Response:
        return await pages.hand(request, principal)

    @router.get("/reassign/{identifier}")
    async def progress(request: Request, identifier: str, principal: SignedIn) -> Response:
        return await pages.progress(request, identifier, principal)

    @router.post("/reassign/{identifier}")
    async def go_on(request: Request, identifier: str, principal: SignedIn) -> Response:
        return await pages.go_on(request, identifier, principal)

    return router
