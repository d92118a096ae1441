"""Who may read a case, as JSON: acts on its team and on access, who read it, what the caller opened."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from sqlalchemy import RowMapping

from services.cases import store
from services.cases.api.cases import glasses_json
from services.cases.domain import team
from services.cases.domain.acts.team import TeamAct
from services.cases.office import Office
from services.cases.reading import actor_of, may_find_case, may_see_case, people_of
from services.cases.seeing import AtWork
from shared.identity import NotAllowedError, SignedIn, identity_of

_PAGE = 100
Page = Annotated[int, Query(ge=1, le=100_000)]


class AccessRoutes:
    """Access to cases for machines.

    Args:
        office: does the work, one transaction a request.
    """

    def __init__(self, office: Office) -> None:
        self.office = office

    async def act(self, key: str, act: TeamAct, request: Request, principal: SignedIn) -> dict[str, Any]:
        """Ask to join, break the glass, decide who belongs to the team. 422 with rule and law where it is not open.

        `glass` is the caller's own way in from outside, where one is open; `glasses` all of them that the caller may
        know of, each with the `id` by which `review-access` names it.
        """
        actor, people = actor_of(principal), people_of(identity_of(request).directory)
        async with self.office.scope() as scope:
            found = await store.find_case(scope.connection, key)
            if found is None or not may_find_case(actor, found):
                raise HTTPException(404)
            after = await self.office.desk.access.act(scope, found.id, act, actor, people)
            glass = team.glass_of(after, actor, scope.now)
            return {
                "case_id": after.id,
                "reads_identity": team.basis_of(after, actor, scope.now),
                "glass": glass.id if glass else None,
                "until": glass.until.isoformat() if glass else None,
                "glasses": glasses_json(after, actor),
                "acts": team.open_team_acts(after, actor, scope.now),
            }

    async def reads(self, key: str, principal: SignedIn, page: Page = 1) -> dict[str, Any]:
        """Who read the child's identity, when, what for, on what ground; for who leads the case, and the province."""
        actor = actor_of(principal)
        async with self.office.scope() as scope:
            found = await store.find_case(scope.connection, key)
            if found is None or not may_see_case(actor, found, scope.now):
                raise HTTPException(404)
            if not team.oversees(found, actor):
                raise NotAllowedError("The role does not oversee the case")
            rows, total = await store.reads_of_case(scope.connection, found.id, limit=_PAGE, offset=(page - 1) * _PAGE)
        return {"case_id": found.id, "total": total, "page": page, "reads": [_plain(row) for row in rows]}

    async def mine(self, principal: AtWork, page: Page = 1) -> dict[str, Any]:
        """What the caller opened, newest first."""
        async with self.office.scope() as scope:
            rows, total = await store.reads_by(scope.connection, principal.id, limit=_PAGE, offset=(page - 1) * _PAGE)
        return {"total": total, "page": page, "reads": [_plain(row) for row in rows]}


def add_routes(api: APIRouter, office: Office) -> None:
    """The routes of this part."""
    routes = AccessRoutes(office)
    api.post("/cases/{key}/access")(routes.act)
    api.get("/cases/{key}/reads")(routes.reads)
    api.get("/reads")(routes.mine)


def _plain(row: RowMapping) -> dict[str, Any]:
    return {**row, "at": row["at"].isoformat()}
