"""Made-up events: what an event type looks like, for who subscribes to it or asks whom it would be told.

Pure: a sample follows from a contract's schema and speaks of nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from services.notify.domain.happenings import PUBLIC_CODES, payload_of, short_type
from services.notify.domain.model import Happening
from shared.contracts.base import Contract

SAMPLE_AT: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
_ID: Final = "0195a000-0000-7000-8000-00000000abcd"
_DEADLINE: Final = "cases.deadline."
_CLOCK: Final = "emergency-12h"
# What a schema's pattern alone would not make readable.
_NAMED: Final[Mapping[str, Any]] = {
    "unit": "05443",
    "code": "TN-2026-000328",
    "legal_source": "56/2017/NĐ-CP",
    "task_kind": "medical-examination",
    "kind": "neglect",
    "indicator": "cases-open",
    "period": "2026-02",
    "value": 37.0,
}


def sample_of(model: type[Contract], at: datetime = SAMPLE_AT) -> dict[str, Any]:
    """The data of a made-up event that happened at a moment: what its contract requires, and its facts."""
    schema = model.model_json_schema()
    found: dict[str, Any] = _value(schema, schema, "", at)
    if short_type(model.TYPE).startswith(_DEADLINE):
        found["kind"] = _CLOCK
    return found


def field_of(model: type[Contract], path: str) -> dict[str, Any]:
    """The schema of a dotted field; empty where there is none."""
    whole = model.model_json_schema()
    at = whole
    for name in path.split("."):
        at = _resolved(at.get("properties", {}).get(name, {}), whole)
    return at


def payload_sample(model: type[Contract], unit_name: str, base_url: str) -> bytes:
    """What a partner receives of a made-up event, byte for byte as it would be made."""
    sample = sample_of(model)
    codes = {
        name: _value(field_of(model, name), model.model_json_schema(), name)
        for name in PUBLIC_CODES
        if name in model.model_fields
    }
    facts = sample.get("facts") or {}
    if "danger_now" in facts:
        codes["danger_now"] = facts["danger_now"]
    event_type = short_type(model.TYPE)
    if event_type.startswith(_DEADLINE):
        codes["deadline_kind"] = sample.get("kind", "")
    due = SAMPLE_AT if "due" in model.model_fields and event_type.startswith("cases.") else None
    unit = sample.get("unit") or facts.get("unit")
    happening = Happening(_ID, event_type, SAMPLE_AT, unit, codes.get("case_id"), due, None, codes)
    return payload_of(happening, unit_name if unit else "", base_url)


def payload_schema(model: type[Contract]) -> dict[str, Any]:
    """The JSON Schema of what a partner receives of an event type."""
    codes = {
        name: _plain(field_of(model, name), model.model_json_schema())
        for name in PUBLIC_CODES
        if name in model.model_fields
    }
    if danger := field_of(model, "facts.danger_now"):
        codes["danger_now"] = _plain(danger, model.model_json_schema())
    if short_type(model.TYPE).startswith(_DEADLINE):
        codes["deadline_kind"] = {"type": "string"}
    moment = {"type": "string", "format": "date-time"}
    data = {
        "event_id": {"type": "string", "format": "uuid", "description": "the same whenever the event comes again"},
        **codes,
        "unit": {"type": "string", "pattern": "^[0-9]{5}$", "description": "code of the commune"},
        "unit_name": {"type": "string"},
        "due": moment,
        "link": {"type": "string", "format": "uri", "description": "where to look; opened only by who may"},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": short_type(model.TYPE),
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": model.TYPE},
            "timestamp": moment,
            "data": {"type": "object", "required": ["event_id", "link"], "properties": data},
        },
    }


def _value(schema: Mapping[str, Any], whole: Mapping[str, Any], name: str, at: datetime = SAMPLE_AT) -> Any:
    schema = _resolved(schema, whole)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if name in _NAMED and schema.get("type") in {"string", "number"}:
        return _NAMED[name]
    kind = schema.get("type")
    if kind == "object":
        wanted = {*schema.get("required", ()), *({"facts"} & schema.get("properties", {}).keys())}
        return {
            one: _value(schema["properties"][one], whole, one, at)
            for one in schema.get("properties", {})
            if one in wanted
        }
    if kind == "array":
        return [_value(schema["items"], whole, name, at)] if schema.get("minItems") else []
    if kind in {"integer", "number"}:
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return True
    return _text(schema, name, at)


def _text(schema: Mapping[str, Any], name: str, at: datetime) -> str:
    form = schema.get("format")
    if form == "date-time":
        return at.isoformat()
    if form == "date":
        return at.date().isoformat()
    return _ID if form == "uuid" or name.endswith("_id") else "other"


def _resolved(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """A schema without references and without the choice of nothing; of several shapes the first."""
    found = dict(schema)
    while "$ref" in found or "anyOf" in found or "allOf" in found:
        if "$ref" in found:
            found = dict(whole["$defs"][found["$ref"].rsplit("/", 1)[-1]])
            continue
        shapes = found.get("anyOf") or found.get("allOf") or []
        found = next((dict(shape) for shape in shapes if shape.get("type") != "null"), {})
    return found


def _plain(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """A code's schema as outsiders read it."""
    kept = {"type", "enum", "const", "pattern", "format", "minimum", "maximum", "maxLength", "description"}
    return {name: value for name, value in _resolved(schema, whole).items() if name in kept}
