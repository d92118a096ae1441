"""Who would be told of an event, and why, over HTTP; and what people would read of it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from services.notify.desk.dry_run import DryRun, PersonTold, Run
from services.notify.domain.rules import Considered
from services.notify.texts import Sms, Texts
from shared.contracts.vocabulary import Moment
from shared.identity import NotAllowedError, Permission, Principal, Role, SignedIn
from shared.web.i18n import Language


class Supposed(BaseModel):
    """An event that did not happen: its type (`cases.task.overdue`), its data, and when; without, now."""

    model_config = ConfigDict(extra="forbid")

    type: Annotated[str, Field(max_length=120)]
    data: dict[str, Any]
    time: Moment | None = None


async def _overseer(principal: SignedIn) -> Principal:
    """Errors: `NotAllowedError` for whoever neither keeps the platform up nor watches over the province's cases."""
    if principal.role is not Role.COORDINATOR and not principal.may(Permission.OPERATE):
        raise NotAllowedError("The role does not allow this")
    return principal


Overseer = Annotated[Principal, Depends(_overseer)]


def add_routes(router: APIRouter, dry_run: DryRun, texts: Texts, base_url: str) -> None:
    """Routes below `/notify/api`."""

    @router.post("/dry-run")
    async def suppose(_principal: Overseer, supposed: Supposed) -> dict[str, Any]:
        """Who would be told of an event now, and why nobody else. Nothing is kept and nobody is told."""
        return as_run(await dry_run.run(supposed.type, supposed.data, supposed.time))

    @router.get("/templates/{event_type}")
    async def template(_principal: SignedIn, event_type: str, language: Language = "vi") -> dict[str, Any]:
        """What people read of an event type, with made-up places: title, message, SMS with its length."""
        found = texts.preview(event_type, language, base_url, "Phường Phan Đình Phùng")
        if found is None:
            raise HTTPException(404)
        return {
            "event_type": found.event_type,
            "explanation": found.explanation,
            "title": found.title,
            "many": found.many,
            "lines": list(found.lines),
            "sms": _sms(found.sms),
            "sms_plain": _sms(found.sms_plain),
        }

    @router.get("/templates")
    async def templates(_principal: SignedIn) -> list[str]:
        """The event types that there are words for."""
        return list(texts.wordings)


def as_run(run: Run) -> dict[str, Any]:
    """The answer of a dry run."""
    happening = run.happening
    return {
        "event": {
            "type": happening.event_type,
            "time": happening.time,
            "unit": happening.unit,
            "case_id": happening.case_id,
            "due": happening.due,
        },
        "rules": [_considered(one) for one in run.considered],
        "people": [_person(one) for one in run.people],
        "partners": [
            {
                "org": one.org,
                "subscription_id": one.subscription_id,
                "endpoint_id": one.endpoint_id,
                "name": one.name,
                "channel": one.channel,
                "agreement_id": one.agreement_id,
                "told": one.why_not is None,
                "why_not": one.why_not,
                "waits": one.waits,
                "sealed_fields": list(one.fields),
            }
            for one in run.partners
        ],
        "ladder": [
            {
                "after_minutes": step.after_minutes,
                "audience": step.audience,
                "people": list(step.people),
                "channels": list(step.channels),
                "wakes": step.wakes,
            }
            for step in run.steps
        ],
    }


def _considered(one: Considered) -> dict[str, Any]:
    rule = one.rule
    return {
        "rule": rule.name,
        "name_vi": rule.vi,
        "name_en": rule.en,
        "source_vi": rule.source_vi,
        "source_en": rule.source_en,
        "urgency": rule.urgency,
        "tells": [{"audience": told.audience, "by": told.by} for told in one.told],
        "why_not": [{"why": silent.why, "field": silent.field, "found": silent.found} for silent in one.silent],
    }


def _person(one: PersonTold) -> dict[str, Any]:
    return {
        "person": one.person,
        "role": one.role,
        "audience": one.audience,
        "rule": one.rule,
        "urgency": one.urgency,
        "instead_of": one.instead_of,
        "chosen_by": one.substitute_by,
        "inbox": one.rule is not None,
        "reachable": list(one.reachable),
        "calls": [
            {"at": when.at, "channels": list(when.channels), "collected": when.collected, "why": when.why}
            for when in one.timings
        ],
        "endpoints": [
            {
                "id": way.endpoint_id,
                "channel": way.channel,
                "number": way.number,
                "told": way.why_not is None,
                "at": way.at,
                "why_not": way.why_not,
            }
            for way in one.ways
        ],
    }


def _sms(sms: Sms) -> dict[str, Any]:
    length = sms.length
    return {
        "text": sms.text,
        "alphabet": length.alphabet,
        "units": length.units,
        "segments": length.segments,
        "left": length.left,
    }
