"""Cases as JSON: lists, one case, acts. Coarse facts only; identity by a route of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import JSONResponse

from services.cases import store
from services.cases.api.answers import conflict
from services.cases.domain import team
from services.cases.domain.acts import Act
from services.cases.domain.model import BAN, BAN_DECISION, Actor, Case
from services.cases.domain.rules import open_acts
from services.cases.office import Office, coarse
from services.cases.reading import actor_of, may_follow_case
from services.cases.seeing import seen_case
from services.cases.store import CaseFilter, Place
from shared.contracts.errors import Rejected
from shared.identity import NotAllowedError, Permission, Principal, SignedIn

_PAGE = 100


class ActRequest(BaseModel):
    """An act, and the version of the case that the caller saw."""

    model_config = ConfigDict(extra="forbid")

    version: int
    act: Act


class CaseRoutes:
    """Cases for machines.

    Args:
        office: does the work, one transaction a request.
    """

    def __init__(self, office: Office) -> None:
        self.office = office

    async def cases(
        self,
        principal: SignedIn,
        status: Literal["open", "closed", "merged"] = "open",
        unit: str | None = None,
        risk: str | None = None,
        step: str | None = None,
        due: Literal["missed", "today"] | None = None,
        worker: str | None = None,
        after: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """Cases of the caller's area, most urgent first (what has ended: the newest), `after` a place on.

        `following` is the place to ask for next, none at the end; `total` is counted of what is open only.
        """
        if not principal.may(Permission.SEE_CASES) or actor_of(principal).role == "hotline":
            raise NotAllowedError("The role sees no cases")
        wanted = CaseFilter(status, unit, risk, step, due, worker=worker, reader=principal.id)
        order = "due" if status == "open" else "opened"
        place = Place.read(order, after) if after else None
        if after and place is None:
            raise HTTPException(422)
        async with self.office.scope() as scope:
            page = await store.list_cases(
                scope.connection, principal.units, wanted, scope.now, limit=_PAGE, order=order, after=place
            )
            total = await store.count_open(scope.connection, principal.units, wanted, scope.now)
        hidden = {"worker_name", "fresh"}
        rows = [{name: row[name] for name in row if name not in hidden} for row in page.rows]
        return {"total": total, "following": str(page.following) if page.following else None, "cases": rows}

    async def case(self, key: str, principal: SignedIn) -> dict[str, Any]:
        """One case by id or code: coarse facts, clocks, tasks, and the acts open to the caller."""
        async with self.office.scope() as scope:
            found = await seen_case(scope.connection, key, actor_of(principal), scope.now)
            return case_json(found, principal, scope.now, await _siblings(scope.connection, found))

    async def identity(self, key: str, principal: SignedIn) -> Any:
        """Who the child is, as reported; to the case's team and to who broke the glass, and remembered.

        403 says how to come in.
        """
        actor, reader = actor_of(principal), self.office.desk.files.reader
        async with self.office.scope() as scope:
            found = await seen_case(scope.connection, key, actor, scope.now)
            basis = await reader.admit(scope.connection, found, actor, "api", scope.now)
            if basis is None:
                return outside(found, actor, scope.now)
            reports = await store.concerns_of(scope.connection, found.id)
            readings = [await reader.shown(scope.connection, file, actor) for file in reports]
        children = [reading.child.model_dump(mode="json") for reading in readings if reading.child]
        return {"case_id": found.id, "child_id": found.child_id, "described": children, "basis": basis}

    async def act(self, case_id: str, request: ActRequest, principal: SignedIn) -> dict[str, Any]:
        """Do something to a case. 409 where somebody was faster, 422 with rule and law where it is not open."""
        async with self.office.scope() as scope:
            actor = actor_of(principal)
            await seen_case(scope.connection, case_id, actor, scope.now)
            try:
                after = await self.office.desk.cases.act(scope, case_id, request.act, actor, request.version)
            except Rejected as rejected:
                raise conflict(rejected) from None
            return case_json(after, principal, scope.now, await _siblings(scope.connection, after))


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""
    routes = CaseRoutes(office)
    api.get("/cases")(routes.cases)
    api.get("/cases/{key}")(routes.case)
    api.get("/cases/{key}/identity")(routes.identity)
    api.post("/cases/{case_id}/acts")(routes.act)


def outside(case: Case, actor: Actor, now: datetime) -> JSONResponse:
    """403 for who is not in the team, with the acts by which they may come in, and where."""
    ways = [act for act in ("request-access", "break-glass") if team.refusal(case, act, actor, now) is None]
    problem = {
        "type": "about:blank",
        "title": "The identity is open to the case team alone",
        "title_vi": "Danh tính chỉ mở cho nhóm vụ việc",
        "status": 403,
        "acts": ways,
        "next": f"/cases/api/cases/{case.id}/access",
        "page": f"/cases/c/{case.id}/access",
    }
    return JSONResponse(problem, 403, media_type="application/problem+json")


async def _siblings(connection: AsyncConnection, case: Case) -> list[str]:
    return [row.code for row in await store.linked_cases(connection, case.id)]


def case_json(case: Case, principal: Principal, now: datetime, siblings: list[str]) -> dict[str, Any]:
    """A case as machines see it: coarse facts, clocks, tasks, its team by account, the acts open to the caller."""
    actor = actor_of(principal)
    if not may_follow_case(actor, case, now):
        return _offered_json(case, actor)
    ban = case.clock(BAN)
    return {
        "id": case.id,
        "code": case.code,
        "version": case.version,
        "facts": coarse(case.facts()),
        "identity": case.identity,
        "verified": case.verified,
        "emergency": case.emergency,
        "merged_into": case.merged_into,
        "care": {"kind": case.care, "handed_over": case.care_placed} if case.care else None,
        "contact_ban": {
            "requested": case.clock(BAN_DECISION) is not None,
            "until": _iso(ban.due) if ban else None,
        },
        "handover_to": case.handover_to,
        "siblings": siblings,
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
            {
                "id": task.id,
                "kind": task.kind,
                "sector": task.sector,
                "state": task.state,
                "due": _iso(task.due),
                "awaited": task.awaited,
            }
            for task in case.tasks
        ],
        "services": [
            {
                "id": service.id,
                "kind": service.kind,
                "sector": service.sector,
                "due": service.due.isoformat(),
                "done_on": service.done_on.isoformat() if service.done_on else None,
                "task_id": service.task_id,
            }
            for service in case.services
        ],
        "worker": case.worker,
        "team": _team_json(case),
        "glasses": glasses_json(case, actor),
        "reads_identity": team.basis_of(case, actor, now),
        "acts": open_acts(case, actor),
        "access_acts": team.open_team_acts(case, actor, now),
    }


def _team_json(case: Case) -> list[dict[str, Any]]:
    return [
        {
            "person": member.person,
            "role": member.role,
            "how": member.how,
            "state": member.state,
            "since": _iso(member.since),
        }
        for member in case.team
        if member.state != "left"
    ]


def glasses_json(case: Case, actor: Actor) -> list[dict[str, Any]]:
    """Identity opened from outside the team, each time under the `id` that its review names: all of it to who oversees
    the case, to anybody else their own."""
    oversees = team.oversees(case, actor)
    return [
        {
            "id": glass.id,
            "person": glass.person,
            "role": glass.role,
            "purpose": glass.purpose,
            "since": _iso(glass.since),
            "until": _iso(glass.until),
            "verdict": glass.verdict,
        }
        for glass in case.glasses
        if oversees or glass.person == actor.id
    ]


def _offered_json(case: Case, actor: Actor) -> dict[str, Any]:
    """A case as the commune sees it that is asked to take it."""
    return {
        "id": case.id,
        "code": case.code,
        "version": case.version,
        "facts": coarse(case.facts()),
        "handover_to": case.handover_to,
        "acts": open_acts(case, actor),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat()
