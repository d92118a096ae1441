"""What can be subscribed to: each event type in plain words, with schema and example, and what people read of it."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, HTTPException, Request, Response

from services.notify.desk.agreements import Agreements
from services.notify.domain.samples import payload_sample, payload_schema
from services.notify.pages.room import Room
from services.notify.views import ABOUT_NAMES
from shared.identity import Principal, SignedIn
from shared.reference.notify_rules import heard_contracts
from shared.web.pages import language_of


def routes(room: Room, agreements: Agreements, base_url: str) -> APIRouter:
    """Pages below `/notify/events`."""
    router = APIRouter()

    @router.get("/events")
    async def show_events(request: Request, principal: SignedIn) -> Response:
        language = language_of(request)
        covered = await _covered(room, principal)
        groups: dict[str, list[tuple[str, str, bool]]] = {}
        for name in room.desks.subscribing.event_types(principal):
            line = (name, room.texts.explanation(name, language), covered is None or name in covered)
            groups.setdefault(name.split(".", 1)[0], []).append(line)
        return room.pages.render(request, "events.html", groups=groups, names=ABOUT_NAMES, marks=covered is not None)

    @router.get("/events/{event_type}")
    async def show_event(request: Request, principal: SignedIn, event_type: str) -> Response:
        if event_type not in room.desks.subscribing.event_types(principal):
            raise HTTPException(404)
        model, language = heard_contracts()[event_type], language_of(request)
        place = "05443" if "05443" in room.units else next(iter(room.units), None)
        covered = await _covered(room, principal)
        example = payload_sample(model, room.pages.unit_name(place), base_url)
        return room.pages.render(
            request,
            "event.html",
            event_type=event_type,
            explanation=room.texts.explanation(event_type, language),
            covered=covered is None or event_type in covered,
            marks=covered is not None,
            # With line breaks to read; what is sent and signed has none.
            example=_shown(orjson.loads(example)),
            schema=_shown(payload_schema(model)),
            previews=room.previews(event_type, base_url, place),
            sealed=agreements.known().sealed_fields.get(event_type, ()),
        )

    return router


async def _covered(room: Room, principal: Principal) -> set[str] | None:
    """The types that an organisation's agreements in force cover; None for people, who have none."""
    return None if principal.org is None else {*(await room.desks.subscribing.offer(principal)).types}


def _shown(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
