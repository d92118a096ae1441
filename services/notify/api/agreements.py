"""Data-sharing agreements over HTTP: the province proposes, the partner signs, either side ends."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.notify.api.answers import found
from services.notify.desk.agreements import Agreements, Change, Shown
from services.notify.domain.agreements import Agreement, Terms
from shared.contracts.vocabulary import Day, ListCode, ShortText, UnitCode
from shared.identity import SignedIn
from shared.reference.terms import Terms as Codes

Org = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")]


class Proposed(BaseModel):
    """An agreement as the province offers it. `fields`: `event type:dotted field` of sealed fields."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    org: Org
    purpose: ListCode
    legal_basis: ListCode
    event_types: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=100)]
    units: Annotated[list[UnitCode], Field(max_length=500)] | None = None
    fields: Annotated[list[Annotated[str, Field(max_length=160)]], Field(max_length=100)] = Field(default_factory=list)
    valid_from: Day
    valid_until: Day
    reference: ShortText = ""

    def terms(self) -> Terms:
        """The same as the rules know it."""
        return Terms(
            self.purpose,
            self.legal_basis,
            tuple(dict.fromkeys(self.event_types)),
            None if self.units is None else tuple(dict.fromkeys(self.units)),
            tuple(dict.fromkeys(self.fields)),
            self.valid_from,
            self.valid_until,
            self.reference,
        )


class Accepted(BaseModel):
    """The partner's signature. `public_key`: X25519, 32 bytes in base64; needed where fields are agreed."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    public_key: Annotated[str, Field(max_length=60)] | None = None


class Changed(BaseModel):
    """Why: needed to suspend and to end."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    reason: Annotated[str, Field(max_length=300)] = ""


def add_routes(router: APIRouter, agreements: Agreements) -> None:
    """Routes below `/notify/api/agreements`."""

    @router.get("/agreements/terms")
    async def terms(_principal: SignedIn) -> dict[str, Any]:
        """What an agreement may name: purposes, legal bases, event types, and the sealed fields of each."""
        known = agreements.known()
        return {
            "purposes": list(known.purposes),
            "legal_bases": list(known.legal_bases),
            "event_types": list(known.event_types),
            "fields": {name: list(paths) for name, paths in known.sealed_fields.items() if paths},
        }

    @router.post("/agreements", status_code=201)
    async def propose(principal: SignedIn, proposed: Proposed) -> dict[str, Any]:
        """Propose an agreement to an organisation."""
        return as_agreement(await agreements.propose(principal, proposed.org, proposed.terms()))

    @router.get("/agreements")
    async def listed(principal: SignedIn) -> list[dict[str, Any]]:
        """Those that the caller may see, the last changed first."""
        return [as_agreement(one) for one in await agreements.of(principal)]

    @router.get("/agreements/{identifier}")
    async def one(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One of them, with everything that was done with it."""
        with found():
            return as_shown(await agreements.find(principal, identifier))

    @router.post("/agreements/{identifier}/accept")
    async def accept(principal: SignedIn, identifier: str, accepted: Accepted) -> dict[str, Any]:
        """Sign it as the partner."""
        with found():
            return as_agreement(await agreements.accept(principal, identifier, accepted.public_key))

    @router.post("/agreements/{identifier}/{act}")
    async def change(principal: SignedIn, identifier: str, act: Change, changed: Changed) -> dict[str, Any]:
        """Suspend, resume or end it; as the partner, end it, or confirm that everything was deleted."""
        with found():
            return as_agreement(await agreements.change(principal, identifier, act, changed.reason))


def as_agreement(agreement: Agreement) -> dict[str, Any]:
    """One agreement."""
    terms, bases = agreement.terms, Codes.load("sharing-bases")
    return {
        "id": agreement.id,
        "org": agreement.org,
        "state": agreement.state,
        "purpose": terms.purpose,
        "legal_basis": terms.legal_basis,
        "legal_ground": {name: bases.get(terms.legal_basis, f"ground_{name}") for name in ("vi", "en")},
        "event_types": list(terms.event_types),
        "units": None if terms.units is None else list(terms.units),
        "fields": list(terms.fields),
        "valid_from": terms.valid_from,
        "valid_until": terms.valid_until,
        "reference": terms.reference,
        "public_key": agreement.public_key,
        "proposed_by": agreement.proposed_by,
        "accepted_by": agreement.accepted_by,
        "reason": agreement.reason,
        "changed_at": agreement.changed_at,
    }


def as_shown(shown: Shown) -> dict[str, Any]:
    """One agreement with its history."""
    return {
        **as_agreement(shown.agreement),
        "acts": [{"at": act.at, "act": act.act, "actor": act.actor, "reason": act.reason} for act in shown.acts],
        "delivered": {
            "count": shown.delivered.count,
            "at_least": shown.delivered.more,
            "first": shown.delivered.first,
            "last": shown.delivered.last,
        },
    }
