"""From an event to what may be said of it: a few codes, a place, a link. What is not named here never leaves."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from services.notify.domain.model import Happening
from shared.contracts.base import TYPE_PREFIX, Contract
from shared.contracts.envelope import Envelope
from shared.contracts.registry import ImportFinished

# All that a partner hears besides type, time, place and link. What is not named here never leaves.
PUBLIC_CODES = (
    "case_id",
    "concern_id",
    "task_id",
    "task_kind",
    "task_sector",
    "deadline_id",
    "legal_source",
    "danger_now",
    "indicator",
    "value",
    "period",
    "import_id",
    "undone",
)
_DEADLINE = "cases.deadline."
# Where an event names the other commune that it concerns: from where or to where something went, or is offered.
_OTHER_COMMUNE = ("from_unit", "to_unit", "into_unit", "merged_unit")


def happening_of(event: Envelope, data: Contract, message_id: str) -> Happening:
    """What an event says that may be passed on. `message_id` is the same whenever the event comes again."""
    # Its own values: most of what is asked for an event does not have, and a model takes long to say so.
    said = data.__dict__
    facts = said.get("facts")
    codes = {name: value for name in PUBLIC_CODES if isinstance(value := said.get(name), str | float | bool)}
    danger = getattr(facts, "danger_now", None)
    if danger is not None:
        codes["danger_now"] = danger
    event_type = short_type(event.type)
    unit = said.get("unit") or getattr(facts, "unit", None)
    # Of records, `due` is how many are to be verified again: a number is no moment.
    due = said.get("due")
    if event_type.startswith(_DEADLINE):
        codes["deadline_kind"] = said.get("kind", "")
    return Happening(
        id=message_id,
        event_type=event_type,
        time=event.time,
        unit=unit,
        case_id=said.get("case_id"),
        due=due if isinstance(due, datetime) else None,
        sector=said.get("task_sector"),
        codes=codes,
        case_code=getattr(facts, "code", None) if said.get("case_id") else None,
        places=_places(data, unit),
    )


def _places(data: Contract, unit: str | None) -> tuple[str, ...] | None:
    if isinstance(data, ImportFinished):
        if data.unit is not None:
            return ()
        return None if data.units is None else tuple(data.units)
    others = (data.__dict__.get(name) for name in _OTHER_COMMUNE)
    return tuple(dict.fromkeys(one for one in others if isinstance(one, str) and one not in {"", unit}))


def short_type(event_type: str) -> str:
    """`vn.vongtay.cases.case.opened` as `cases.case.opened`."""
    return event_type.removeprefix(TYPE_PREFIX)


def path_of(happening: Happening) -> str:
    """Where one looks: a path of ours, opened only by who may."""
    if happening.case_id:
        # The door is there also for who asked and was not let in.
        door = "/access" if happening.event_type.startswith(("cases.team.", "cases.access.")) else ""
        return f"/cases/c/{happening.case_id}{door}"
    indicator = happening.codes.get("indicator")
    if indicator and happening.event_type.startswith("stats."):
        return f"/stats/indicators/{indicator}"
    period = happening.codes.get("period")
    if period and happening.event_type.startswith("stats.period."):
        return f"/stats/periods/{period}"
    return f"/{happening.event_type.split('.', 1)[0]}"


def path_for(audience: str, happening: Happening, path: str) -> str:
    """Where an audience looks. A sector sees no case: it is led to its task, or to its own day."""
    if not audience.startswith("sector/") or not happening.case_id:
        return path
    task_id = happening.codes.get("task_id")
    return f"/cases/tasks/{task_id}" if task_id else "/cases/"


def payload_of(happening: Happening, unit_name: str, base_url: str) -> bytes:
    """The body that partners receive (Standard Webhooks' type, timestamp, data), byte for byte the same at each try."""
    data: dict[str, Any] = {"event_id": happening.id, **happening.codes}
    if happening.unit:
        data |= {"unit": happening.unit, "unit_name": unit_name}
    if happening.due:
        data["due"] = happening.due.isoformat()
    data["link"] = base_url + path_of(happening)
    document = {"type": TYPE_PREFIX + happening.event_type, "timestamp": happening.time.isoformat(), "data": data}
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
