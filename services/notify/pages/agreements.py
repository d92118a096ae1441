"""Data-sharing agreements: what each allows, until when, what was done with it, and signing or ending it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from services.notify.api.agreements import found
from services.notify.desk.agreements import Agreements, Change, Shown
from services.notify.pages.room import NOTIFY, Room
from services.notify.views import AGREEMENT_ACTS, AGREEMENT_STATES
from shared.contracts.errors import Rejected, Violation
from shared.identity import Principal, Role, SignedIn
from shared.reference.terms import Terms
from shared.web.pages import language_of

# What each side may do in which state; what it may not is refused anyway.
_PROVINCE = {"proposed": ("end",), "active": ("suspend", "end"), "suspended": ("resume", "end")}
_PARTNER = {"proposed": ("accept",), "active": ("end",), "suspended": ("end",), "ended": ("confirm",)}


def routes(room: Room, agreements: Agreements) -> APIRouter:
    """Pages below `/notify/agreements`."""
    router = APIRouter()

    @router.get("/agreements")
    async def show_agreements(request: Request, principal: SignedIn) -> Response:
        rows = await agreements.of(principal)
        return room.pages.render(request, "agreements.html", rows=rows, states=AGREEMENT_STATES)

    @router.get("/agreements/{identifier}")
    async def show_agreement(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            shown = await agreements.find(principal, identifier)
        return _page(room, request, principal, shown)

    @router.post("/agreements/{identifier}/accept")
    async def accept(
        request: Request, principal: SignedIn, identifier: str, public_key: Annotated[str, Form(max_length=60)] = ""
    ) -> Response:
        try:
            with found():
                await agreements.accept(principal, identifier, public_key.strip() or None)
        except Rejected as rejected:
            return await _again(request, principal, identifier, rejected.violations)
        return RedirectResponse(f"{NOTIFY}/agreements/{identifier}", 303)

    @router.post("/agreements/{identifier}/{act}")
    async def change(
        request: Request,
        principal: SignedIn,
        identifier: str,
        act: Change,
        reason: Annotated[str, Form(max_length=300)] = "",
    ) -> Response:
        try:
            with found():
                await agreements.change(principal, identifier, act, reason)
        except Rejected as rejected:
            return await _again(request, principal, identifier, rejected.violations)
        return RedirectResponse(f"{NOTIFY}/agreements/{identifier}", 303)

    async def _again(
        request: Request, principal: Principal, identifier: str, violations: tuple[Violation, ...]
    ) -> Response:
        with found():
            shown = await agreements.find(principal, identifier)
        return _page(room, request, principal, shown, status=422, violations=violations)

    return router


def _page(
    room: Room,
    request: Request,
    principal: Principal,
    shown: Shown,
    *,
    status: int = 200,
    violations: tuple[Violation, ...] = (),
) -> Response:
    agreement, language = shown.agreement, language_of(request)
    acts: Mapping[str, tuple[str, ...]] = {}
    if principal.role is Role.COORDINATOR:
        acts = _PROVINCE
    elif principal.role is Role.PARTNER:
        acts = _PARTNER
    terms: dict[str, Any] = {
        "purpose": Terms.load("sharing-purposes").label(agreement.terms.purpose, language),
        "basis": Terms.load("sharing-bases").label(agreement.terms.legal_basis, language),
        "events": [(name, room.texts.explanation(name, language)) for name in agreement.terms.event_types],
    }
    return room.pages.render(
        request,
        "agreement.html",
        status=status,
        shown=shown,
        agreement=agreement,
        terms=terms,
        states=AGREEMENT_STATES,
        names=AGREEMENT_ACTS,
        acts=acts.get(agreement.state, ()),
        violations=violations,
    )
