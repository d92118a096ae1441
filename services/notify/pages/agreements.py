"""Data-sharing agreements: what each allows, until when, what was done with it, and signing or ending it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from services.notify.api.agreements import Proposed
from services.notify.api.answers import found
from services.notify.desk.agreements import Agreements, Change, Shown
from services.notify.domain.agreements import was_signed
from services.notify.domain.matching import matches
from services.notify.pages.room import NOTIFY, Room
from services.notify.views import ABOUT_NAMES, AGREEMENT_ACTS, AGREEMENT_STATES
from shared.contracts.errors import Rejected, Violation, violations_of
from shared.identity import NotAllowedError, Principal, Role, SignedIn
from shared.reference.calendar import local_day
from shared.reference.terms import Terms
from shared.web.forms import chosen_in, form_of
from shared.web.i18n import place_key
from shared.web.pages import language_of

# What each side may do in which state; what it may not is refused anyway.
_PROVINCE = {"proposed": ("end",), "active": ("suspend", "end"), "suspended": ("resume", "end")}
_PARTNER = {"proposed": ("accept",), "active": ("end",), "suspended": ("end",), "ended": ("confirm",)}


def routes(room: Room, agreements: Agreements) -> APIRouter:
    """Pages below `/notify/agreements`."""
    router = APIRouter()
    _add_proposing(router, room, agreements)
    # After `new`, which is no agreement.
    _add_changes(router, room, agreements)
    return router


def _add_proposing(router: APIRouter, room: Room, agreements: Agreements) -> None:
    @router.get("/agreements")
    async def show_agreements(request: Request, principal: SignedIn) -> Response:
        rows = await agreements.of(principal)
        return room.pages.render(
            request,
            "agreements.html",
            rows=rows,
            states=AGREEMENT_STATES,
            may_propose=principal.role is Role.COORDINATOR,
        )

    @router.get("/agreements/new")
    async def show_form(request: Request, _principal: Province) -> Response:
        return _form(room, agreements, request, {})

    @router.post("/agreements")
    async def propose(request: Request, principal: Province) -> Response:
        form = await form_of(request)
        chosen = {name: await chosen_in(request, name) for name in ("event_types", "fields", "units")}
        asked: dict[str, Any] = {**{name: form.get(name, "") for name in _TYPED}, **chosen}
        try:
            proposed = Proposed.model_validate({**asked, "units": chosen["units"] or None})
            agreement = await agreements.propose(principal, proposed.org, proposed.terms())
        except ValidationError as error:
            return _form(room, agreements, request, asked, violations=violations_of(error, ""))
        except Rejected as rejected:
            return _form(room, agreements, request, asked, violations=rejected.violations)
        return RedirectResponse(f"{NOTIFY}/agreements/{agreement.id}", 303)


def _add_changes(router: APIRouter, room: Room, agreements: Agreements) -> None:
    @router.get("/agreements/{identifier}")
    async def show_agreement(request: Request, principal: SignedIn, identifier: str) -> Response:
        with found():
            shown = await agreements.find(principal, identifier)
        return _page(room, agreements, request, principal, shown)

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
        return _page(room, agreements, request, principal, shown, status=422, violations=violations)


async def _province(principal: SignedIn) -> Principal:
    """Errors: `NotAllowedError` for whoever does not sign for the province."""
    if principal.role is not Role.COORDINATOR:
        raise NotAllowedError("The role does not allow this")
    return principal


Province = Annotated[Principal, Depends(_province)]
# What a proposal is typed into; the rest is ticked.
_TYPED = ("org", "purpose", "legal_basis", "valid_from", "valid_until", "reference")


def _form(
    room: Room,
    agreements: Agreements,
    request: Request,
    asked: Mapping[str, Any],
    *,
    violations: tuple[Violation, ...] | list[Violation] = (),
) -> Response:
    known, language = agreements.known(), language_of(request)
    today = local_day(room.pages.clock())
    empty = {
        **dict.fromkeys(_TYPED, ""),
        "valid_from": today.isoformat(),
        "valid_until": today.replace(month=12, day=31).isoformat(),
        **{name: [] for name in ("event_types", "fields", "units")},
    }
    groups: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
    for name in known.event_types:
        line = (name, room.texts.explanation(name, language), tuple(known.sealed_fields.get(name, ())))
        groups.setdefault(name.split(".", 1)[0], []).append(line)
    purposes, bases = Terms.load("sharing-purposes"), Terms.load("sharing-bases")
    return room.pages.render(
        request,
        "agreement_new.html",
        status=422 if violations else 200,
        asked={**empty, **asked},
        violations=violations,
        orgs=[(org, org) for org in agreements.organisations()],
        purposes=[(code, purposes.label(code, language)) for code in known.purposes],
        bases=[(code, bases.label(code, language)) for code in known.legal_bases],
        groups=groups,
        names=ABOUT_NAMES,
        units=sorted(room.units.items(), key=lambda pair: place_key(pair[1])),
        years=known.most_years,
    )


def _page(
    room: Room,
    agreements: Agreements,
    request: Request,
    principal: Principal,
    shown: Shown,
    *,
    status: int = 200,
    violations: tuple[Violation, ...] = (),
) -> Response:
    agreement, language = shown.agreement, language_of(request)
    known = agreements.known().event_types
    done = {one.act for one in shown.acts}
    acts: Mapping[str, tuple[str, ...]] = {}
    if principal.role is Role.COORDINATOR:
        acts = _PROVINCE
    elif principal.role is Role.PARTNER:
        acts = _PARTNER
    terms: dict[str, Any] = {
        "purpose": Terms.load("sharing-purposes").label(agreement.terms.purpose, language),
        "basis": Terms.load("sharing-bases").label(agreement.terms.legal_basis, language),
        "ground": Terms.load("sharing-bases").get(agreement.terms.legal_basis, f"ground_{language}"),
        # Each name or pattern with what it covers, in words.
        "events": [
            (name, {one: room.texts.explanation(one, language) for one in known if matches(name, one)})
            for name in agreement.terms.event_types
        ],
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
        # Once is enough for a confirmation, and where nothing was signed there is nothing to confirm.
        acts=[
            act
            for act in acts.get(agreement.state, ())
            if act != "confirm" or (was_signed(agreement) and act not in done)
        ],
        days=agreements.retraction_days(),
        violations=violations,
    )
