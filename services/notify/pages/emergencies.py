"""Emergencies: which are open, whom each has called, and saying that one has it in hand, signed in or by a link."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from services.notify.api.answers import found
from services.notify.desk.personal import Emergency, Personal
from services.notify.pages.room import NOTIFY, Room, speak
from services.notify.views import CHANNEL_NAMES, HOW_NAMES, LADDER_STATES, ROLE_NAMES, ladder_name
from shared.identity import Role, SignedIn
from shared.web.pages import language_of

# A link is for one person: no shared cache keeps what it shows, no page it leads to learns it.
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


def routes(room: Room, personal: Personal) -> APIRouter:
    """Pages below `/notify/emergencies`, and the link `/notify/a/…`."""
    router = APIRouter()
    _signed_in(router, room, personal)
    _by_link(router, room, personal)
    return router


def _signed_in(router: APIRouter, room: Room, personal: Personal) -> None:
    @router.get("/emergencies")
    async def show_emergencies(request: Request, principal: SignedIn, all: bool = False) -> Response:  # noqa: A002
        rows = await personal.emergencies(principal, open_only=not all)
        language = language_of(request)
        return room.pages.render(
            request,
            "emergencies.html",
            rows=[(one.ladder, one.case_code, ladder_name(one.ladder, language)) for one in rows],
            states=LADDER_STATES,
            roles=ROLE_NAMES,
            every=all,
        )

    @router.get("/emergencies/{identifier}")
    async def show_emergency(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            emergency = await personal.emergency(principal, identifier)
        people = {call.person for call in emergency.calls} | {call.instead_of for call in emergency.calls}
        people.add(emergency.ladder.acknowledged_by)
        names = {one: known.name for one in people if (known := personal.named(one)) is not None}
        return _page(room, request, emergency, names, may_acknowledge=principal.role is not Role.OPERATOR)

    @router.post("/emergencies/{identifier}")
    async def acknowledge(principal: SignedIn, identifier: str) -> Response:
        with found():
            ladder = await personal.acknowledge(principal, identifier)
        return RedirectResponse(f"{NOTIFY}/emergencies/{ladder.id}", 303)


def _by_link(router: APIRouter, room: Room, personal: Personal) -> None:
    """A link says that something was received, nothing else: it is opened without a sign-in and shows nothing of a
    child.

    Mail programs open links by themselves, so only the button uses it up.
    """

    @router.get("/a/{ticket}")
    async def show_link(request: Request, ticket: str) -> Response:
        speak(request, await personal.language_of_link(ticket))
        emergency = await personal.ticket(ticket)
        return _link_page(room, request, emergency, used=False)

    @router.post("/a/{ticket}")
    async def use_link(request: Request, ticket: str) -> Response:
        speak(request, await personal.language_of_link(ticket))
        ladder = await personal.acknowledge_by_link(ticket)
        emergency = Emergency(ladder, ()) if ladder else None
        return _link_page(room, request, emergency, used=ladder is not None)


def _page(
    room: Room, request: Request, emergency: Emergency, names: Mapping[str | None, str], *, may_acknowledge: bool
) -> Response:
    ladder = emergency.ladder
    return room.pages.render(
        request,
        "emergency.html",
        ladder=ladder,
        name=ladder_name(ladder, language_of(request)),
        calls=emergency.calls,
        # Whom to ring up: by name, where the account is still there.
        names=names,
        states=LADDER_STATES,
        roles=ROLE_NAMES,
        channels=CHANNEL_NAMES,
        hows=HOW_NAMES,
        may_acknowledge=may_acknowledge and ladder.state in {"open", "exhausted"},
        case=f"/cases/c/{ladder.case_id}" if ladder.case_id else None,
    )


def _link_page(room: Room, request: Request, emergency: Emergency | None, *, used: bool) -> Response:
    ladder = emergency.ladder if emergency else None
    return room.pages.render(
        request,
        "acknowledge.html",
        status=200 if ladder else 410,
        headers=_PRIVATE,
        ladder=ladder,
        name=ladder_name(ladder, language_of(request)) if ladder else "",
        used=used,
        states=LADDER_STATES,
    )
