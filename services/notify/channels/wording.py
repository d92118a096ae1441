"""What a delivery to a person may speak of, for every channel that puts it into words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from services.notify.store.deliveries import Delivery
from services.notify.texts import Fields
from shared.web.i18n import Language

# A commune's name by its code, in a language.
UnitName = Callable[[str | None, Language], str]


@dataclass(frozen=True, slots=True)
class Said:
    """A delivery as texts need it. `acknowledge`: the link of an emergency's call. `items`: what a digest collects."""

    fields: Fields
    link: str
    acknowledge: str | None
    items: tuple[Mapping[str, Any], ...]


def said_of(delivery: Delivery, unit_name: UnitName, language: Language) -> Said:
    """In: a delivery to a person, how communes are called, and the reader's language. Out: what may be said of it."""
    data = orjson.loads(delivery.body)["data"]
    fields = Fields(
        delivery.event_type,
        delivery.case_id,
        unit_name(delivery.unit, language) if delivery.unit else "",
        delivery.due,
        delivery.case_code,
        data.get("count", 1),
        data.get("about"),
        data.get("code", ""),
    )
    return Said(fields, data["link"], data.get("acknowledge"), tuple(data.get("items", ())))
