"""The contracts as outsiders read them: a JSON Schema an event type, one AsyncAPI document, and the check that a new
edition breaks nobody. Generated into docs/contracts/, never written by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import yaml

from shared.contracts.base import CONTRACTS, TYPE_PREFIX, Contract
from shared.contracts.vocabulary import SECTORS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TOPICS = {
    "registry": "vongtay.registry.children.v1",
    "cases": "vongtay.cases.cases.v1",
    "stats": "vongtay.stats.indicators.v1",
    "notify": "vongtay.notify.deliveries.v1",
}


def schema_of(model: type[Contract]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event's data; fields that carry identity say so as `x-sealed`."""
    schema = model.model_json_schema()
    for name in model.sealed_fields():
        schema["properties"][name]["x-sealed"] = True
    return {"$schema": _DIALECT, "$id": f"{model.TYPE}.json", **schema}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: which topic carries which event types, and who writes it."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for sector in SECTORS:
        of_children, of_figures = _published_to(("cases", "registry")), _published_to(("stats",))
        channels[f"agency-{sector}"] = _channel(f"vongtay.agency.{sector}.v1", of_children)
        channels[f"figures-{sector}"] = _channel(f"vongtay.agency.{sector}.figures.v1", of_figures)
        channels[f"replies-{sector}"] = _channel(f"vongtay.replies.{sector}.v1", ["agency.report.rejected"])
        operations[f"publish-{sector}"] = _operation("send", f"agency-{sector}")
        operations[f"report-{sector}"] = _operation("send", f"figures-{sector}")
        operations[f"hear-{sector}"] = _operation("receive", f"replies-{sector}")
    for service, topic in _TOPICS.items():
        channels[service] = _channel(topic, _published_by(service))
        operations[f"follow-{service}"] = _operation("receive", service)
    for topic in sorted({model.TOPIC for model in CONTRACTS.values() if model.TOPIC is not None}):
        name = topic.removesuffix(".v1").replace(".", "-")
        channels[name] = _channel(f"vongtay.{topic}", _published_on(topic))
        operations[f"follow-{name}"] = _operation("receive", name)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Vòng Tay",
            "version": "1.0.0",
            "description": "Events are CloudEvents 1.0 in Kafka's binary mode; structured mode is accepted too.",
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": {_short(name): _message(model) for name, model in sorted(CONTRACTS.items())}},
    }


def documents() -> dict[str, bytes]:
    """Every generated file by name, as bytes that are the same on every machine."""
    files = {
        f"{_short(name)}.json": orjson.dumps(schema_of(model), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS)
        + b"\n"
        for name, model in CONTRACTS.items()
    }
    files["asyncapi.yaml"] = yaml.safe_dump(asyncapi(), allow_unicode=True, sort_keys=True).encode()
    return files


def export(folder: Path) -> list[str]:
    """Write the documents; returns the names of those that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, content in documents().items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.write_bytes(content)
            changed.append(name)
    return changed


def breaking_changes(released: Path) -> list[str]:
    """What the contracts of today would break for whoever relies on the released schemas, one sentence each."""
    problems = []
    for path in sorted(released.glob("*.json")):
        name = TYPE_PREFIX + path.stem
        old = orjson.loads(path.read_bytes())
        if name not in CONTRACTS:
            problems.append(f"{path.stem}: the event type is gone")
            continue
        problems += [f"{path.stem}: {problem}" for problem in compare(old, schema_of(CONTRACTS[name]))]
    return problems


def compare(old: dict[str, Any], new: dict[str, Any], where: str = "data") -> list[str]:
    """Breaking differences between two object schemas: a field gone, newly required, of another type, a value gone."""
    problems: list[str] = []
    fresh_required = set(new.get("required", [])) - set(old.get("required", []))
    problems += [f"{where}.{name} became required" for name in sorted(fresh_required)]
    for name, before in old.get("properties", {}).items():
        field = f"{where}.{name}"
        after = new.get("properties", {}).get(name)
        if after is None:
            problems.append(f"{field} is gone")
            continue
        for keyword in ("type", "format", "pattern", "$ref"):
            if before.get(keyword) != after.get(keyword):
                problems.append(f"{field} changed its {keyword}")
        gone = set(before.get("enum", [])) - set(after.get("enum", before.get("enum", [])))
        problems += [f"{field} no longer allows {value!r}" for value in sorted(map(str, gone))]
    for name, before in old.get("$defs", {}).items():
        after = new.get("$defs", {}).get(name)
        problems += compare(before, after, f"{where}#{name}") if after else []
    return problems


def _short(name: str) -> str:
    return name.removeprefix(TYPE_PREFIX)


def _published_by(publisher: str) -> list[str]:
    return sorted(
        _short(name) for name, model in CONTRACTS.items() if publisher == model.PUBLISHER and model.TOPIC is None
    )


def _published_on(topic: str) -> list[str]:
    return sorted(_short(name) for name, model in CONTRACTS.items() if topic == model.TOPIC)


def _published_to(owners: Sequence[str]) -> list[str]:
    """What agencies publish for services to answer."""
    return sorted(_short(name) for name, model in CONTRACTS.items() if model.OWNER in owners)


def _channel(address: str, messages: list[str]) -> dict[str, Any]:
    return {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, channel: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}}


def _message(model: type[Contract]) -> dict[str, Any]:
    return {
        "name": model.TYPE,
        "summary": (model.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"$ref": f"./{_short(model.TYPE)}.json"},
    }
