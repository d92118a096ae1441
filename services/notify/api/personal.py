"""What people choose for themselves over HTTP: preferences, absences, who stands in, and their emergencies."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.notify.api.answers import found
from services.notify.desk.personal import Emergency, Personal
from services.notify.domain.ladder import Ladder
from services.notify.domain.preferences import CHANNELS, Digest, PersonalChannel, Preferences
from shared.contracts.vocabulary import Moment, UnitCode
from shared.identity import Role, SignedIn
from shared.web.i18n import Language

Account = Annotated[str, Field(max_length=64)]


class Chosen(BaseModel):
    """How somebody wants to be called. Times are those of Viet Nam; what is left out is as the house has it."""

    model_config = ConfigDict(extra="forbid")

    language: Language = "vi"
    channels: list[PersonalChannel] = Field(default_factory=lambda: list(CHANNELS))
    digest: Digest = "none"
    digest_at: time | None = None
    digest_weekday: Annotated[int, Field(ge=1, le=7)] | None = None
    quiet_from: time | None = None
    quiet_to: time | None = None
    plain_sms: bool = True

    @model_validator(mode="after")
    def _whole(self) -> Chosen:
        if (self.quiet_from is None) != (self.quiet_to is None):
            raise ValueError("quiet hours have a beginning and an end")
        return self

    def preferences(self) -> Preferences:
        """The same as the rules know it."""
        quiet = None
        if self.quiet_from is not None and self.quiet_to is not None:
            quiet = (_plain(self.quiet_from), _plain(self.quiet_to))
        return Preferences(
            self.language,
            tuple(dict.fromkeys(self.channels)),
            self.digest,
            _plain(self.digest_at) if self.digest_at else None,
            self.digest_weekday,
            quiet,
            self.plain_sms,
        )


class Away(BaseModel):
    """An absence; `person`: whose, where not the caller's own."""

    model_config = ConfigDict(extra="forbid")

    begins: Moment
    ends: Moment
    substitute: Account | None = None
    person: Account | None = None


class StandIn(BaseModel):
    """Who stands in for a role in a commune for good; nobody: no more."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    unit: UnitCode
    person: Account | None = None


def add_routes(router: APIRouter, personal: Personal) -> None:
    """Routes below `/notify/api`."""
    _choices(router, personal)
    _absences(router, personal)
    _emergencies(router, personal)


def _choices(router: APIRouter, personal: Personal) -> None:
    @router.get("/preferences")
    async def preferences(principal: SignedIn) -> dict[str, Any]:
        """How the caller is called."""
        return as_preferences(await personal.preferences(principal))

    @router.put("/preferences")
    async def choose(principal: SignedIn, chosen: Chosen) -> dict[str, Any]:
        """Choose how to be called. An emergency comes at once, over everything, whatever is chosen."""
        await personal.choose(principal, chosen.preferences())
        return as_preferences(await personal.preferences(principal))


def _absences(router: APIRouter, personal: Personal) -> None:
    @router.get("/absences")
    async def absences(principal: SignedIn) -> list[dict[str, Any]]:
        """The caller's absences that are not over."""
        return [
            {
                "id": one.id,
                "begins": one.absence.begins,
                "ends": one.absence.ends,
                "substitute": one.absence.substitute,
                "entered_by": one.entered_by,
            }
            for one in await personal.absences(principal)
        ]

    @router.post("/absences", status_code=201)
    async def go_away(principal: SignedIn, away: Away) -> dict[str, str]:
        """Enter an absence: from then on the substitute is told."""
        with found():
            identifier = await personal.go_away(principal, away.begins, away.ends, away.substitute, away.person)
        return {"id": identifier}

    @router.delete("/absences/{identifier}", status_code=204)
    async def come_back(principal: SignedIn, identifier: str) -> None:
        """End an absence now: one's own, or one that the caller may enter."""
        with found():
            await personal.come_back(principal, identifier)

    @router.get("/substitutes")
    async def substitutes(principal: SignedIn) -> list[dict[str, str]]:
        """Who may stand in for the caller."""
        return [{"person": other.id, "role": other.role.value} for other in personal.substitutes(principal)]

    @router.put("/stand-ins", status_code=204)
    async def name_stand_in(principal: SignedIn, named: StandIn) -> None:
        """Name, as the chair, who stands in for a role in the commune for good."""
        with found():
            await personal.name_stand_in(principal, named.role, named.unit, named.person)


def _emergencies(router: APIRouter, personal: Personal) -> None:
    @router.get("/emergencies")
    async def emergencies(principal: SignedIn, open_only: bool = False) -> list[dict[str, Any]]:
        """The emergencies that concern the caller, the open ones first."""
        rows = await personal.emergencies(principal, open_only=open_only)
        return [{**as_ladder(one.ladder), "case_code": one.case_code} for one in rows]

    @router.get("/emergencies/{identifier}")
    async def emergency(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """One of them, with whom it called."""
        with found():
            return as_emergency(await personal.emergency(principal, identifier))

    @router.post("/emergencies/{identifier}/acknowledge")
    async def acknowledge(principal: SignedIn, identifier: str) -> dict[str, Any]:
        """Say that one has it in hand: nobody further is called."""
        with found():
            return as_ladder(await personal.acknowledge(principal, identifier))


def as_preferences(chosen: Preferences) -> dict[str, Any]:
    """What somebody chose."""
    return {
        "language": chosen.language,
        "channels": list(chosen.channels),
        "digest": chosen.digest,
        "digest_at": _said(chosen.digest_at),
        "digest_weekday": chosen.digest_weekday,
        "quiet_from": _said(chosen.quiet[0]) if chosen.quiet else None,
        "quiet_to": _said(chosen.quiet[1]) if chosen.quiet else None,
        "plain_sms": chosen.plain_sms,
    }


def as_ladder(ladder: Ladder) -> dict[str, Any]:
    """One ladder."""
    return {
        "id": ladder.id,
        "ladder": ladder.code,
        "event_type": ladder.event_type,
        "unit": ladder.unit,
        "case_id": ladder.case_id,
        "concern_id": ladder.concern_id,
        "began_at": ladder.began_at,
        "due": ladder.due,
        "state": ladder.state,
        "step": ladder.step,
        "rounds": ladder.rounds,
        "next_at": ladder.next_at,
        "ended_at": ladder.ended_at,
        "acknowledged_by": ladder.acknowledged_by,
        "acknowledged_how": ladder.acknowledged_how,
    }


def as_emergency(emergency: Emergency) -> dict[str, Any]:
    """One ladder with whom it called."""
    return {
        **as_ladder(emergency.ladder),
        "calls": [
            {
                "step": call.step,
                "round": call.round,
                "role": call.role,
                "person": call.person,
                "instead_of": call.instead_of,
                "channels": list(call.channels),
                "called_at": call.called_at,
                "link_used_at": call.used_at,
            }
            for call in emergency.calls
        ],
    }


def _plain(at: time) -> time:
    return at.replace(second=0, microsecond=0, tzinfo=None)


def _said(at: time | None) -> str | None:
    return at.strftime("%H:%M") if at else None
