"""CloudEvents 1.0 as they travel: Kafka's binary mode (ours), structured mode (accepted), and JSON over HTTP.

Header and attribute names follow the CloudEvents Kafka protocol binding 1.0.2. Content is never interpreted here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from shared.contracts.errors import Rejected, Violation, too_deep
from shared.contracts.vocabulary import in_calendar

SPEC_VERSION = "1.0"
JSON_TYPE = "application/json"
STRUCTURED_TYPE = "application/cloudevents+json"
_MAX_ATTRIBUTE = 300
_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$")
# What binds CloudEvents attributes to Kafka headers (Kafka protocol binding 3.2.3).
_PREFIX = "ce_"
_REQUIRED = ("id", "source", "type")


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event with its attributes; `data` is JSON text, not yet checked against its contract.

    `bulk`: the id of the act of which it is one of very many (a file that is taken over, an import that is undone). It
    changes what is known as any other event does; whoever tells people tells them of the act instead.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: bytes
    sequence: int | None = None
    sector: str | None = None
    unit: str | None = None
    traceparent: str | None = None
    dataschema: str | None = None
    bulk: str | None = None

    def json(self) -> Any:
        """The decoded data. Raises `Rejected` (field `data`) where it is no JSON."""
        try:
            return orjson.loads(self.data)
        except orjson.JSONDecodeError:
            raise Rejected([_violation("data", "json", "không phải JSON hợp lệ", "is no valid JSON")]) from None

    def headers(self) -> list[tuple[str, bytes]]:
        """Kafka headers of the binary mode."""
        return [(name, value.encode()) for name, value in self.texts().items()]

    def texts(self) -> dict[str, str]:
        """The same, as they lie in the outbox."""
        # Written out and not by a loop: a file of 400,000 rows asks for it 800,000 times.
        found = {
            "content-type": JSON_TYPE,
            "ce_specversion": SPEC_VERSION,
            "ce_id": self.id,
            "ce_source": self.source,
            "ce_type": self.type,
            "ce_subject": self.subject,
            "ce_time": _stamp(self.time),
        }
        if self.sequence is not None:
            found["ce_sequence"] = str(self.sequence)
        if self.sector:
            found["ce_sector"] = self.sector
        if self.unit:
            found["ce_unit"] = self.unit
        if self.traceparent:
            # W3C Trace Context's own header beside the CloudEvents extension: instrumentations look for it.
            found["ce_traceparent"] = found["traceparent"] = self.traceparent
        if self.dataschema:
            found["ce_dataschema"] = self.dataschema
        if self.bulk:
            found["ce_bulk"] = self.bulk
        return found

    def structured(self) -> dict[str, Any]:
        """The structured-mode JSON object."""
        attributes = {
            name.removeprefix(_PREFIX): value for name, value in self.texts().items() if name.startswith(_PREFIX)
        }
        return {**attributes, "datacontenttype": JSON_TYPE, "data": self.json()}

    def traced(self, traceparent: str | None) -> Envelope:
        """The same event with another trace parent."""
        return replace(self, traceparent=traceparent)


@lru_cache(256)  # what one transaction decides has one time
def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_kafka(value: bytes | None, headers: Iterable[tuple[str, bytes]]) -> Envelope:
    """An event from a Kafka record, binary or structured. Raises `Rejected` naming what is missing or wrong."""
    raw = {name.lower(): content for name, content in headers}
    content_type = raw.get("content-type", b"").decode("latin-1").split(";")[0].strip()
    if content_type == STRUCTURED_TYPE or (value is not None and "ce_specversion" not in raw and not content_type):
        return from_structured(_object(value))
    try:
        attributes = {
            name.removeprefix(_PREFIX): content.decode() for name, content in raw.items() if name.startswith(_PREFIX)
        }
    except UnicodeDecodeError:
        raise Rejected([_violation("headers", "encoding", "phải là UTF-8", "must be UTF-8")]) from None
    if "traceparent" in raw:
        attributes.setdefault("traceparent", raw["traceparent"].decode("latin-1"))
    return _envelope(attributes, value or b"")


def from_structured(document: Mapping[str, Any]) -> Envelope:
    """An event from its structured JSON object. Raises `Rejected` naming what is missing or wrong."""
    if "data" in document:
        try:
            data = orjson.dumps(document["data"])
        except TypeError:  # how it says that something is nested too deep
            raise Rejected([too_deep("data")]) from None
    else:
        raise Rejected([_violation("data", "data-missing", "bị thiếu", "is missing")])
    return _envelope({name: value for name, value in document.items() if name != "data"}, data)


def _object(value: bytes | None) -> Mapping[str, Any]:
    try:
        document = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        raise Rejected([_violation("event", "json", "không phải JSON hợp lệ", "is no valid JSON")]) from None
    if not isinstance(document, dict):
        raise Rejected([_violation("event", "json-object", "phải là một đối tượng JSON", "must be a JSON object")])
    return document


def _envelope(attributes: Mapping[str, Any], data: bytes) -> Envelope:
    wrong: list[Violation] = []
    if attributes.get("specversion") != SPEC_VERSION:
        wrong.append(_violation("specversion", "specversion", "phải là «1.0»", "must be «1.0»"))
    for name in _REQUIRED:
        value = attributes.get(name)
        if not isinstance(value, str) or not value.strip():
            wrong.append(_violation(name, f"{name}-missing", "bị thiếu", "is missing"))
    for name, value in attributes.items():
        if isinstance(value, str) and (len(value) > _MAX_ATTRIBUTE or "\x00" in value):
            wrong.append(_violation(name, f"{name}-too-long", "quá dài hoặc có ký tự lạ", "is too long or has NUL"))
    time = _time(attributes.get("time"), wrong)
    sequence = _sequence(attributes.get("sequence"), wrong)
    if wrong:
        raise Rejected(wrong)

    def text(name: str) -> str | None:
        value = attributes.get(name)
        return value if isinstance(value, str) and value else None

    return Envelope(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=text("subject") or attributes["id"],
        time=time,
        data=data,
        sequence=sequence,
        sector=text("sector"),
        unit=text("unit"),
        traceparent=text("traceparent"),
        dataschema=text("dataschema"),
        bulk=text("bulk"),
    )


def _time(value: Any, wrong: list[Violation]) -> datetime:
    if value is None:
        return datetime.now(UTC)  # optional in the specification: then the moment it reached us
    if isinstance(value, str) and _TIME.match(value):
        try:
            moment = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
        except ValueError:
            pass
        else:
            if in_calendar(moment):
                return moment
    wrong.append(_violation("time", "time-invalid", "phải theo RFC 3339", "must follow RFC 3339"))
    return datetime.now(UTC)


def _sequence(value: Any, wrong: list[Violation]) -> int | None:
    if value is None or value == "":
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number < 2**31:
        wrong.append(
            _violation("sequence", "sequence-invalid", "phải là số nguyên dương", "must be a positive integer")
        )
        return None
    return number


def _violation(field: str, rule: str, vi: str, en: str) -> Violation:
    return Violation(field, rule, f"Trường «{field}» {vi}.", f"Field «{field}» {en}.")
