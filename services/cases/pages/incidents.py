"""One incident as an agency told it: counted and never a case, so there is nothing to do but to look."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import Response

from services.cases import store
from services.cases.pages.room import Room
from services.cases.reading import actor_of, sees_cases_of
from shared.identity import Principal, SignedIn
from shared.reference.terms import Terms


class IncidentPages:
    """Route `/cases/incidents/{incident_id}`.

    Args:
        room: what pages are made with.
    """

    def __init__(self, room: Room) -> None:
        self.room = room

    async def show(self, request: Request, incident_id: str, principal: Principal) -> Response:
        """The incident in codes; what is not of the reader's communes is not there. Raises HTTPException 404."""
        async with self.room.office.scope() as scope:
            found = await store.find_incident(scope.connection, incident_id)
        if found is None or not sees_cases_of(actor_of(principal), found.unit):
            raise HTTPException(404)
        return self.room.render(
            request,
            "cases/incident.html",
            incident=found,
            # Where a sender's word is on no list, it is said as it came.
            cause=Terms.load("incident-causes").find(found.kind),
            result=Terms.load("incident-results").find(found.outcome),
        )


def routes(room: Room) -> APIRouter:
    """The routes of these pages."""
    pages = IncidentPages(room)
    router = APIRouter(include_in_schema=False)

    @router.get("/incidents/{incident_id}")
    async def incident(request: Request, incident_id: str, principal: SignedIn) -> Response:
        return await pages.show(request, incident_id, principal)

    return router
