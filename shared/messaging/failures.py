"""Where failed records go: parked keys that keep their order, dead letters whose sender is told, and a guard that stops
rather than bury everything. Contents are kept sealed to the platform.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.agency import RejectedRule, ReportRejected
from shared.contracts.base import SealedBox, Service
from shared.contracts.errors import Violation
from shared.messaging import forgetting
from shared.messaging.forgetting import ERASED, Named, Related
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


@dataclass(frozen=True, slots=True)
class _Letter:
    """A dead letter as it is laid down. `values`: its key, headers and content, and whom it is about."""

    topic: str
    partition: int
    offset: int
    key: str
    event_id: str | None
    event_type: str | None
    values: Mapping[str, Any]


# What is kept of a record whose content may not be.
_NOTHING_KEPT: Final[Mapping[str, Any]] = {
    "key": None,
    "headers": "[]",
    "content": "null",
    "about": [],
    "forgotten_as": "erased",
}


class Failures:
    """Writes parked keys and dead letters of one service.

    Args:
        service: whose. keys: seal what is kept. named: by which names a sender's event is known here, so that it is
        found when whom it is about is erased. behind: whose keys such names stand for.
    """

    def __init__(self, service: Service, keys: Keys, named: Named | None = None, behind: Related | None = None) -> None:
        self._service = service
        self._keys = keys
        self._named = named
        self._behind = behind

    async def park(self, connection: AsyncConnection, record: Record, reason: str | None) -> None:
        """Keep a record, and with it all later ones of its key, until it can be handled."""
        await connection.execute(
            text(
                """INSERT INTO parked (topic, partition, "offset", key, headers, content, about, reason)
                   VALUES (:topic, :partition, :offset, :key, CAST(:headers AS jsonb), CAST(:content AS jsonb),
                           CAST(:about AS text[]), :reason)
                   ON CONFLICT DO NOTHING"""
            ),
            {**_place(record), **self._kept(record, forgetting.about(record, self._named)), "reason": reason},
        )

    async def bury(self, scope: Scope, record: Record, violations: Sequence[Violation]) -> None:
        """A record that can never be handled: kept as a dead letter, and its sender told what to correct.

        Of one that is about somebody who was erased nothing is kept that it says.
        """
        said = _text_headers(record)
        names = forgetting.about(record, self._named)
        erased = await forgetting.is_erased(scope.connection, names, self._behind)
        values = _NOTHING_KEPT if erased else {**self._kept(record, names), "forgotten_as": None}
        place = (record.topic, record.partition, record.offset)
        await _lay_down(scope, _Letter(*place, record.key, said.get("ce_id"), said.get("ce_type"), values), violations)

    def restore(self, row: Any) -> tuple[bytes | None, tuple[tuple[str, bytes], ...]]:
        """Value and headers of a parked or buried row."""
        value: bytes | None = None
        if row.content:
            value = self._keys.platform.open(SealedBox.model_validate(row.content))
        return value, tuple((name, base64.b64decode(encoded)) for name, encoded in row.headers)

    def _kept(self, record: Record, about: Sequence[str]) -> dict[str, Any]:
        content = None
        if record.value is not None:
            platform = self._keys.platform
            box = seal_to_platform(record.value[:_MAX_KEPT_BYTES], platform.public, platform.kid)
            content = box.model_dump(exclude_none=True)
        return {
            "key": record.key,
            "headers": _json([(name, base64.b64encode(value).decode()) for name, value in record.headers]),
            "content": _json(content),
            "about": list(about),
        }


async def forget_about(scope: Scope, names: Collection[str]) -> None:
    """Nothing is kept any more of what agencies said of those who were erased, nor of what was sealed to partners.

    A record that was parked will never be handled: its sender is told. In: names of erased keys, and by which else
    records about them may be known.
    """
    if not names:
        return
    for row in await forgetting.take_parked(scope.connection, names):
        headers = {name.lower(): _text(base64.b64decode(encoded)) for name, encoded in row.headers}
        place = (row.topic, row.partition, row.offset)
        letter = _Letter(*place, row.key, headers.get("ce_id"), headers.get("ce_type"), _NOTHING_KEPT)
        await _lay_down(scope, letter, [ERASED])
    await forgetting.forget_letters(scope.connection, names, scope.now)


async def _lay_down(scope: Scope, letter: _Letter, violations: Sequence[Violation]) -> None:
    gone = letter.values["forgotten_as"] is not None
    made = await scope.connection.execute(
        text(
            """INSERT INTO dead_letter (topic, partition, "offset", key, headers, content, event_id, event_type,
                                        violations, about, forgotten_at, forgotten_as)
               VALUES (:topic, :partition, :offset, :key, CAST(:headers AS jsonb), CAST(:content AS jsonb),
                       :event_id, :event_type, CAST(:violations AS jsonb), CAST(:about AS text[]), :forgotten_at,
                       :forgotten_as)
               ON CONFLICT DO NOTHING RETURNING id"""
        ),
        {
            **_place(letter),
            **letter.values,
            "event_id": None if gone else letter.event_id,
            "event_type": letter.event_type,
            "violations": _json([violation.as_dict() for violation in violations]),
            "forgotten_at": scope.now if gone else None,
        },
    )
    if made.first() is None:
        return  # delivered again: it lies here already, and the sender knows
    answer = ReportRejected(
        event_id=letter.event_id,
        event_type=letter.event_type,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        violations=[RejectedRule(**violation.as_dict()) for violation in violations],
    )
    place = f"{letter.topic}/{letter.partition}/{letter.offset}"
    payload = answer.model_dump_json().encode()
    await put(
        scope.connection,
        [OutboxRow(f"{scope.service}.dead.v1", named(letter.topic, letter.key), answer.TYPE, payload, {})],
    )
    if letter.topic.startswith("agency."):
        await scope.emit(
            answer,
            subject=letter.event_id or place,
            sequence=1,
            topic=f"replies.{letter.topic.split('.')[1]}.v1",
            event_id=stable_id("rejected", scope.service, place),
        )


def named(topic: str, key: str) -> str:
    """A key as operators see it: one that a sender chose may be anything, a child's name too."""
    return "#" + hashlib.sha256(key.encode()).hexdigest()[:12] if topic.startswith("agency.") else key


def _place(where: Record | _Letter) -> dict[str, Any]:
    return {"topic": where.topic, "partition": where.partition, "offset": where.offset}


def _json(value: object) -> str:
    """JSON as the database takes it: U+0000 is in no text there, and names in headers are their senders' choice."""
    return orjson.dumps(value).decode().replace("\\u0000", "\\ufffd")


def _text_headers(record: Record) -> dict[str, str]:
    """Headers as far as they are text: what a broken event says of itself, cut to a bounded length."""
    return {name.lower(): _text(value) for name, value in record.headers}


def _text(value: bytes) -> str:
    return value.decode(errors="replace").replace("\x00", "\ufffd")[:300]
