"""Cases as JSON: lists, one case, acts. Coarse facts only; identity by a route of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases import store
from services.cases.api.answers import conflict
from services.cases.domain.acts import Act
from services.cases.domain.model import Case
from services.cases.domain.rules import open_acts
from services.cases.office import Office, coarse
from services.cases.reading import actor_of, may_read_identity, may_see_case
from services.cases.store import CaseFilter, Place
from shared.contracts.errors import Rejected
from shared.identity import NotAllowedError, Permission, Principal, SignedIn

_PAGE = 100


class ActRequest(BaseModel):
    """An act, and the version of the case that the caller saw."""

    model_config = ConfigDict(extra="forbid")

    version: int
    act: Act


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""

    @api.get("/cases")
    async def cases(
        principal: SignedIn,
        status: Literal["open", "closed", "merged"] = "open",
        unit: str | None = None,
        risk: str | None = None,
        step: str | None = None,
        due: Literal["missed", "today"] | None = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """Cases of the caller's area, most urgent first (what has ended: the newest), `after` a place on.

        `following` is the place to ask for next, none at the end; `total` is counted of what is open only.
        """
        if not principal.may(Permission.SEE_CASES) or actor_of(principal).role == "hotline":
            raise NotAllowedError("The role sees no cases")
        wanted = CaseFilter(status, unit, risk, step, due)
        order = "due" if status == "open" else "opened"
        place = Place.read(order, after) if after else None
        if after and place is None:
            raise HTTPException(422)
        async with office.scope() as scope:
            page = await store.list_cases(
                scope.connection, principal.units, wanted, scope.now, limit=_PAGE, order=order, after=place
            )
            total = await store.count_open(scope.connection, principal.units, wanted, scope.now)
        hidden = {"worker_name", "fresh"}
        rows = [{name: row[name] for name in row if name not in hidden} for row in page.rows]
        return {"total": total, "following": str(page.following) if page.following else None, "cases": rows}

    @api.get("/cases/{key}")
    async def case(key: str, principal: SignedIn) -> dict[str, Any]:
        """One case by id or code: coarse facts, clocks, tasks, and the acts open to the caller."""
        async with office.scope() as scope:
            return _case_json(await _seen_case(scope.connection, key, principal), principal)

    @api.get("/cases/{key}/identity")
    async def identity(key: str, principal: SignedIn) -> dict[str, Any]:
        """Who the child is, as reported; to the commune that works on the case, and remembered."""
        actor = actor_of(principal)
        async with office.scope() as scope:
            found = await _seen_case(scope.connection, key, principal)
            if not may_read_identity(actor, found.unit):
                raise NotAllowedError("The role works on no case")
            reports = await store.concerns_of(scope.connection, found.id)
            readings = [
                await office.desk.files.reader.report_for(scope.connection, file, actor, "api", scope.now)
                for file in reports
            ]
        children = [reading.child.model_dump(mode="json") for reading in readings if reading and reading.child]
        return {"case_id": found.id, "child_id": found.child_id, "described": children}

    @api.post("/cases/{case_id}/acts")
    async def act(case_id: str, request: ActRequest, principal: SignedIn) -> dict[str, Any]:
        """Do something to a case. 409 where somebody was faster, 422 with rule and law where it is not open."""
        async with office.scope() as scope:
            await _seen_case(scope.connection, case_id, principal)
            try:
                after = await office.desk.cases.act(scope, case_id, request.act, actor_of(principal), request.version)
            except Rejected as rejected:
                raise conflict(rejected) from None
            return _case_json(after, principal)


async def _seen_case(connection: AsyncConnection, key: str, principal: Principal) -> Case:
    """The case, if the caller sees it; otherwise it does not exist for them."""
    found = await store.find_case(connection, key)
    if found is None or not may_see_case(actor_of(principal), found.unit):
        raise HTTPException(404)
    return found


def _case_json(case: Case, principal: Principal) -> dict[str, Any]:
    return {
        "id": case.id,
        "code": case.code,
        "version": case.version,
        "facts": coarse(case.facts()),
        "identity": case.identity,
        "verified": case.verified,
        "emergency": case.emergency,
        "merged_into": case.merged_into,
        "deadlines": [
            {
                "id": clock.id,
                "kind": clock.kind,
                "state": clock.state,
                "due": _iso(clock.due),
                "law": clock.legal_source,
            }
            for clock in case.clocks
        ],
        "tasks": [
            {"id": task.id, "kind": task.kind, "sector": task.sector, "state": task.state, "due": _iso(task.due)}
            for task in case.tasks
        ],
        "acts": open_acts(case, actor_of(principal)),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat()
