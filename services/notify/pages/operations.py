"""What operators look at: queues, endpoints in trouble with their circuits, emergencies and who answered."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.notify.api.answers import found
from services.notify.desk.personal import Personal
from services.notify.pages.room import NOTIFY, Room
from services.notify.views import LADDER_STATES, ROLE_NAMES, UNSAID_WHYS, ladder_name
from shared.contracts.errors import Rejected, Violation
from shared.identity import Operator, Principal
from shared.web.pages import language_of

_SHOWN = 20


def routes(room: Room, personal: Personal) -> APIRouter:
    """`/notify/queue`."""
    router = APIRouter()

    @router.get("/queue")
    async def show(request: Request, operator: Operator, restored: str = "") -> Response:
        return await _page(room, personal, request, operator, restored=restored)

    @router.post("/queue/{identifier}/restore")
    async def restore(request: Request, operator: Operator, identifier: str) -> Response:
        """Switch an endpoint on again; it is sent what it missed."""
        try:
            with found():
                row = await room.desks.endpoints.change(operator, identifier, "resume")
        except Rejected as rejected:  # its agreement is not in force: nothing is sent again
            return await _page(room, personal, request, operator, status=422, violations=rejected.violations)
        return RedirectResponse(f"{NOTIFY}/queue?restored={row.id}", 303)

    return router


async def _page(
    room: Room,
    personal: Personal,
    request: Request,
    operator: Principal,
    *,
    status: int = 200,
    restored: str = "",
    violations: Sequence[Violation] = (),
) -> Response:
    operations = await room.desks.log.operations()
    waiting = await personal.emergencies(operator)
    language = language_of(request)
    return room.pages.render(
        request,
        "queue.html",
        status=status,
        queue=operations.queue,
        channels=operations.channels,
        troubles=operations.troubles,
        unsaid=[(one, room.texts.explanation(one.event_type, language)) for one in operations.unsaid],
        unsaid_whys=UNSAID_WHYS,
        restored=restored,
        violations=violations,
        emergencies=[
            (one.ladder, one.case_code, ladder_name(one.ladder, language), *personal.roles(one.ladder))
            for one in waiting[:_SHOWN]
        ],
        roles=ROLE_NAMES,
        states=LADDER_STATES,
    )
