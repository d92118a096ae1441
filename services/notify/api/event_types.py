"""What may be subscribed to, over HTTP: each event type in words, with its schema and an example."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter, HTTPException

from services.notify.desk.desks import Desks
from services.notify.domain.samples import payload_sample, payload_schema
from services.notify.texts import Texts
from shared.identity import SignedIn
from shared.reference.notify_rules import heard_contracts


def add_routes(router: APIRouter, desks: Desks, texts: Texts, base_url: str) -> None:
    """Routes below `/notify/api/event-types`."""

    @router.get("/event-types")
    async def event_types(principal: SignedIn) -> list[str]:
        """What may be subscribed to; `publisher.*` covers several. An organisation's agreements cover some of it."""
        return desks.subscribing.event_types(principal)

    @router.get("/event-types/{event_type}")
    async def event_type(principal: SignedIn, event_type: str) -> dict[str, Any]:
        """One of them: what it means, the JSON Schema of what is sent, and an example with made-up codes. `covered`:
        whether an organisation's agreement in force names it; of a person always. `sealed_fields`: what an agreement
        may name besides, sent in a message of its own and sealed to the organisation's key."""
        if event_type not in desks.subscribing.event_types(principal):
            raise HTTPException(404)
        model = heard_contracts()[event_type]
        return {
            "event_type": event_type,
            "explanation_vi": texts.explanation(event_type, "vi"),
            "explanation_en": texts.explanation(event_type, "en"),
            "covered": event_type in (await desks.subscribing.offer(principal)).types,
            "sealed_fields": list(desks.agreements.known().sealed_fields.get(event_type, ())),
            "schema": payload_schema(model),
            "example": orjson.loads(payload_sample(model, "Phường Phan Đình Phùng", base_url)),
        }
