"""Subscriptions: those that one has, a new one, and changing one."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from services.notify.api.answers import found
from services.notify.desk.endpoints import Change
from services.notify.desk.subscribing import Wanted
from services.notify.domain import ChannelName
from services.notify.pages import endpoint
from services.notify.pages.room import NOTIFY, Room
from services.notify.signing import Scheme
from services.notify.views import ABOUT_NAMES
from shared.contracts.errors import Rejected, violations_of
from shared.identity import ALL_UNITS, Principal, SignedIn
from shared.web.i18n import place_key
from shared.web.pages import language_of

# What leaves no trace on disk: pages that show a secret.
_ONCE = {"Cache-Control": "no-store"}


def routes(room: Room) -> APIRouter:
    """The pages of subscriptions, each endpoint's own page, and what they change."""
    router = APIRouter()
    _add_listing(router, room)
    # After `new`, which is no endpoint; before the changes, which are any word.
    router.include_router(endpoint.routes(room))
    _add_changes(router, room)
    return router


def _add_listing(router: APIRouter, room: Room) -> None:
    @router.get("/subscriptions")
    async def show_subscriptions(request: Request, principal: SignedIn, deleted: UUID | None = None) -> Response:
        rows = await room.desks.endpoints.mine(principal)
        return room.pages.render(
            request,
            "subscriptions.html",
            rows=[(row, room.desks.endpoints.address(principal, row)) for row in rows],
            channels=typed_channels(room, principal),
            deleted=deleted,
            keeping=room.desks.endpoints.keeping(),
        )

    @router.get("/subscriptions/new")
    async def show_form(request: Request, principal: SignedIn) -> Response:
        return await _form(room, request, principal)

    @router.post("/subscriptions")
    async def create(
        request: Request,
        principal: SignedIn,
        channel: Annotated[str, Form()] = "",
        name: Annotated[str, Form()] = "",
        target: Annotated[str, Form()] = "",
        event_types: Annotated[list[str] | None, Form()] = None,
        units: Annotated[list[str] | None, Form()] = None,
        language: Annotated[str, Form()] = "vi",
        signature: Annotated[str, Form()] = "v1",
    ) -> Response:
        chosen = {
            "channel": channel,
            "name": name,
            "target": target,
            "event_types": event_types or [],
            "units": units or None,
            "language": language,
            "signature": signature,
        }
        try:
            created = await room.desks.subscribing.create(principal, Wanted.model_validate(chosen))
        except ValidationError as error:
            return await _form(room, request, principal, 422, chosen=chosen, violations=violations_of(error, ""))
        except Rejected as rejected:
            return await _form(room, request, principal, 422, chosen=chosen, violations=rejected.violations)
        if created.secret is None:
            return RedirectResponse(f"{NOTIFY}/subscriptions/{created.id}", 303)
        return _secret(room, request, created.id, created.secret, new=True)


def _add_changes(router: APIRouter, room: Room) -> None:
    @router.post("/subscriptions/{identifier}/rotate")
    async def rotate(
        request: Request, principal: SignedIn, identifier: str, signature: Annotated[Scheme | None, Form()] = None
    ) -> Response:
        with found():
            secret = await room.desks.endpoints.rotate(principal, identifier, signature)
        return _secret(room, request, identifier, secret, new=False)

    @router.post("/subscriptions/{identifier}/test")
    async def send_test(request: Request, principal: SignedIn, identifier: str) -> Response:
        try:
            with found():
                await room.desks.endpoints.send_test(principal, identifier)
        except Rejected as rejected:
            return await endpoint.page(room, request, principal, identifier, rejected.violations)
        return RedirectResponse(f"{NOTIFY}/subscriptions/{identifier}?done=test", 303)

    @router.post("/subscriptions/{identifier}/{change}")
    async def change(request: Request, principal: SignedIn, identifier: str, change: Change) -> Response:
        try:
            with found():
                row = await room.desks.endpoints.change(principal, identifier, change)
        except Rejected as rejected:
            return await endpoint.page(room, request, principal, identifier, rejected.violations)
        after = f"?deleted={row.id}" if change == "delete" else f"/{row.id}"
        return RedirectResponse(f"{NOTIFY}/subscriptions{after}", 303)


def _secret(room: Room, request: Request, identifier: str, secret: str, *, new: bool) -> Response:
    return room.pages.render(
        request,
        "secret.html",
        headers=_ONCE,
        status=201,
        identifier=identifier,
        secret=secret,
        new=new,
        keeping=room.desks.endpoints.keeping(),
    )


def typed_channels(room: Room, principal: Principal) -> tuple[ChannelName, ...]:
    """The channels that somebody adds by the form; a browser adds itself, by the inbox's button."""
    return tuple(name for name in room.desks.subscribing.channels_for(principal) if name != "push")


async def _form(room: Room, request: Request, principal: Principal, status: int = 200, **more: Any) -> Response:
    language = language_of(request)
    offer = await room.desks.subscribing.offer(principal)
    groups: dict[str, tuple[list[str], list[tuple[str, str]]]] = {}
    for name in offer.types:
        group = groups.setdefault(name.split(".", 1)[0], ([], []))
        group[1].append((name, room.texts.explanation(name, language)))
    for pattern in offer.patterns:
        groups[pattern.split(".", 1)[0]][0].append(pattern)
    seen = [code for code in room.units if principal.may_see(code)]
    units = [(code, room.units[code]) for code in seen if offer.units is None or code in offer.units]
    empty: dict[str, Any] = {
        "channel": "webhook",
        "name": "",
        "target": "",
        "event_types": [],
        "units": None,
        "language": language,
        "signature": "v1",
    }
    context = {"chosen": empty, "violations": (), **more}
    return room.pages.render(
        request,
        "subscription_new.html",
        status=status,
        channels=typed_channels(room, principal),
        groups=groups,
        agreed=offer.agreed,
        abouts=ABOUT_NAMES,
        units=sorted(units, key=lambda pair: place_key(pair[1])),
        everywhere=principal.units == ALL_UNITS,
        **context,
    )
