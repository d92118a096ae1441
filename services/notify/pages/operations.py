"""What operators look at: queues, endpoints in trouble with their circuits, emergencies and who answered."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.notify.api.answers import found
from services.notify.desk.personal import Personal
from services.notify.pages.room import NOTIFY, Room
from services.notify.views import LADDER_STATES, ladder_name
from shared.identity import Operator
from shared.web.pages import language_of

_SHOWN = 20


def routes(room: Room, personal: Personal) -> APIRouter:
    """`/notify/queue`."""
    router = APIRouter()

    @router.get("/queue")
    async def show(request: Request, operator: Operator, restored: str = "") -> Response:
        operations = await room.office.operations()
        waiting = await personal.emergencies(operator)
        language = language_of(request)
        return room.pages.render(
            request,
            "queue.html",
            queue=operations.queue,
            channels=operations.channels,
            troubles=operations.troubles,
            restored=restored,
            emergencies=[(one.ladder, ladder_name(one.ladder, language)) for one in waiting[:_SHOWN]],
            states=LADDER_STATES,
        )

    @router.post("/queue/{identifier}/restore")
    async def restore(operator: Operator, identifier: str) -> Response:
        """Switch an endpoint on again; it is sent what it missed."""
        with found():
            row = await room.office.change(operator, identifier, "resume")
        return RedirectResponse(f"{NOTIFY}/queue?restored={row.id}", 303)

    return router
