"""Where failed records go: parked keys that keep their order, dead letters whose sender is told, and a guard that stops
rather than bury everything. Contents are kept sealed to the platform.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.agency import RejectedRule, ReportRejected
from shared.contracts.base import SealedBox, Service
from shared.contracts.errors import Violation
from shared.messaging.outbox import OutboxRow, put, stable_id
from shared.messaging.router import Scope
from shared.privacy import Keys, seal_to_platform

if TYPE_CHECKING:
    from shared.messaging.processing import Record

_MAX_KEPT_BYTES = 4_000_000


class TooManyFailures(Exception):  # noqa: N818 - a state of the service, shown as unhealthy
    """Nearly everything fails: more likely our release than the world. Consuming stops until it is mended."""


class FailureGuard:
    """Counts the last handled records, and refuses to park more when most of them fail."""

    def __init__(self, window: int = 200, at_least: int = 50) -> None:
        self._recent: deque[bool] = deque(maxlen=window)
        self._at_least = at_least

    def succeeded(self, count: int) -> None:
        """Note records that went well."""
        self._recent.extend([True] * min(count, self._recent.maxlen or count))

    def failed(self) -> None:
        """Note a failure. Raises `TooManyFailures` when half of the window failed."""
        if self.tripped:
            raise TooManyFailures
        self._recent.append(False)

    @property
    def tripped(self) -> bool:
        """Whether the service should be unhealthy."""
        failures = self._recent.count(False)
        return failures >= self._at_least and failures * 2 >= len(self._recent)

    def reset(self) -> None:
        """Start counting anew, once a record went through again."""
        self._recent.clear()


class Failures:
    """Writes parked keys and dead letters of one service."""

    def __init__(self, service: Service, keys: Keys) -> None:
        self._service = service
        self._keys = keys

    async def park(self, connection: AsyncConnection, record: Record, reason: str | None) -> None:
        """Keep a record, and with it all later ones of its key, until it can be handled."""
        await connection.execute(
            text(
                """INSERT INTO parked (topic, partition, "offset", key, headers, content, reason)
                   VALUES (:topic, :partition, :offset, :key, CAST(:headers AS jsonb), CAST(:content AS jsonb), :reason)
                   ON CONFLICT DO NOTHING"""
            ),
            {**self._kept(record), "reason": reason},
        )

    async def bury(self, scope: Scope, record: Record, violations: Sequence[Violation]) -> None:
        """A record that can never be handled: kept as a dead letter, and its sender told what to correct."""
        headers = {name: value for name, value in _text_headers(record).items() if name in {"ce_id", "ce_type"}}
        made = await scope.connection.execute(
            text(
                """INSERT INTO dead_letter (topic, partition, "offset", key, headers, content, event_id, event_type,
                                            violations)
                   VALUES (:topic, :partition, :offset, :key, CAST(:headers AS jsonb), CAST(:content AS jsonb),
                           :event_id, :event_type, CAST(:violations AS jsonb))
                   ON CONFLICT DO NOTHING RETURNING id"""
            ),
            {
                **self._kept(record),
                "event_id": headers.get("ce_id"),
                "event_type": headers.get("ce_type"),
                "violations": _json([violation.as_dict() for violation in violations]),
            },
        )
        if made.first() is None:
            return  # delivered again: it lies here already, and the sender knows
        answer = ReportRejected(
            event_id=headers.get("ce_id"),
            event_type=headers.get("ce_type"),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            violations=[RejectedRule(**violation.as_dict()) for violation in violations],
        )
        place = f"{record.topic}/{record.partition}/{record.offset}"
        notice = OutboxRow(f"{self._service}.dead.v1", record.key, answer.TYPE, answer.model_dump_json().encode(), {})
        await put(scope.connection, [notice])
        if record.topic.startswith("agency."):
            await scope.emit(
                answer,
                subject=headers.get("ce_id") or place,
                sequence=1,
                topic=f"replies.{record.topic.split('.')[1]}.v1",
                event_id=stable_id("rejected", self._service, place),
            )

    def restore(self, row: Any) -> tuple[bytes | None, tuple[tuple[str, bytes], ...]]:
        """Value and headers of a parked or buried row."""
        value: bytes | None = None
        if row.content:
            value = self._keys.platform.open(SealedBox.model_validate(row.content))
        return value, tuple((name, base64.b64decode(encoded)) for name, encoded in row.headers)

    def _kept(self, record: Record) -> dict[str, Any]:
        content = None
        if record.value is not None:
            platform = self._keys.platform
            box = seal_to_platform(record.value[:_MAX_KEPT_BYTES], platform.public, platform.kid)
            content = box.model_dump(exclude_none=True)
        return {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "key": record.key,
            "headers": _json([(name, base64.b64encode(value).decode()) for name, value in record.headers]),
            "content": _json(content),
        }


def _json(value: object) -> str:
    """JSON as the database takes it: U+0000 is in no text there, and names in headers are their senders' choice."""
    return orjson.dumps(value).decode().replace("\\u0000", "\\ufffd")


def _text_headers(record: Record) -> dict[str, str]:
    """Headers as far as they are text: what a broken event says of itself, cut to a bounded length."""
    return {
        name.lower(): value.decode(errors="replace").replace("\x00", "\ufffd")[:300] for name, value in record.headers
    }
