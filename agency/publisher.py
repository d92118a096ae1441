"""Publishes events of one sector: from the spool, in order, until each is answered.

An event leaves the spool only with the platform's answer; sending twice is harmless, because the platform recognises
source and id.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agency.files.mapping import Item, Mapping, read
from agency.profile import Profile, Refused, Unreachable
from agency.sealing import sealed
from agency.spool import Spool, Waiting
from shared.contracts.base import CONTRACTS
from shared.contracts.envelope import from_structured
from shared.messaging.kafka import producer
from shared.settings import Settings

BATCH = 200
_PUT_BATCH = 1000
_LONGEST_PAUSE = 30.0
_TIMEOUT = aiohttp.ClientTimeout(total=60)
_BUSY = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The platform's answer to one event: accepted, duplicate, corrected, rejected, parked; `sent` by Kafka."""

    outcome: str
    violations: tuple[dict[str, str], ...] = ()


class Transport(Protocol):
    """How events reach the platform."""

    async def send(self, documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Send events in order; an answer for each. Raises `Unreachable`, `Refused`."""


class HttpTransport:
    """`POST /<service>/events` in batches.

    Args:
        session: an open client session. profile: whose events they are.
    """

    def __init__(self, session: aiohttp.ClientSession, profile: Profile) -> None:
        self._session = session
        self._profile = profile

    async def send(self, documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        """An answer for each event, in order. Raises `Unreachable`, `Refused`."""
        outcomes: list[Outcome] = []
        for service, group in groupby(documents, key=_service_of):
            outcomes += await self._post(service, list(group))
        return outcomes

    async def _post(self, service: str, documents: list[dict[str, Any]]) -> list[Outcome]:
        headers = {"Authorization": f"Bearer {self._profile.token}"}
        url = f"{self._profile.base_url}/{service}/events"
        try:
            async with self._session.post(url, json=documents, headers=headers, timeout=_TIMEOUT) as answer:
                if answer.status in {401, 403}:
                    raise Refused(str(answer.status))
                if answer.status in _BUSY or "json" not in answer.content_type:
                    raise Unreachable(str(answer.status))
                known = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(type(error).__name__) from None
        if answer.status == 413 and len(documents) > 1:
            # Too much for one post: halves, down to the one event that is too large by itself.
            middle = len(documents) // 2
            return [*await self._post(service, documents[:middle]), *await self._post(service, documents[middle:])]
        if "answers" not in known:
            return [Outcome("rejected", tuple(known.get("violations", ()))) for _ in documents]
        return [Outcome(item["outcome"], tuple(item["violations"])) for item in known["answers"]]


class KafkaTransport:
    """Binary CloudEvents onto the sector's own topic; rejections come back on `vongtay.replies.<sector>.v1`.

    Args:
        settings: broker, the sector's user and password, topic prefix. sector: whose topic.
    """

    def __init__(self, settings: Settings, sector: str) -> None:
        self._settings = settings
        self._topic = f"{settings.topic_prefix}agency.{sector}.v1"
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def send(self, documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        """`sent` for each event once the broker has it. Raises `Unreachable`."""
        try:
            if self._producer is None:
                fresh = producer(self._settings)
                await fresh.start()
                self._producer = fresh
            sent = [await self._produce(self._producer, document) for document in documents]
            await asyncio.gather(*sent)
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unreachable(type(error).__name__) from None
        return [Outcome("sent") for _ in documents]

    async def _produce(self, to: AIOKafkaProducer, document: dict[str, Any]) -> Any:
        event = from_structured(document)
        return await to.send(self._topic, value=event.data, key=event.subject.encode(), headers=list(event.headers()))


class Publisher:
    """Puts events into the spool and sends from it.

    Args:
        profile: whose events they are. spool: where they wait. transport: how they travel.
    """

    def __init__(self, profile: Profile, spool: Spool, transport: Transport) -> None:
        self._profile = profile
        self._spool = spool
        self._transport = transport

    def put(self, documents: Sequence[dict[str, Any]], file: str | None = None, rows: Sequence[int] = ()) -> None:
        """Take events over, identity sealed to the platform; they are safe on this disk when it returns."""
        numbers: Sequence[int | None] = rows or [None] * len(documents)
        profile = self._profile
        events = [
            (sealed(document, profile.public_key, profile.key_id), file, row)
            for document, row in zip(documents, numbers, strict=True)
        ]
        self._spool.put(profile.sector, events)

    async def flush(self, answered: Callable[[Waiting, Outcome], None], *, patience: float = 30.0) -> int:
        """Send until the spool is empty, waiting out failures of up to `patience` seconds without any progress.

        Returns how many still wait. Raises `Refused`, `SpoolBusy`.
        """
        delay, deadline = 0.2, time.monotonic() + patience
        with self._spool.sending():
            while batch := self._spool.first(self._profile.sector, BATCH):
                try:
                    outcomes = await self._transport.send([waiting.document for waiting in batch])
                except Unreachable:
                    if time.monotonic() + delay > deadline:
                        break
                    await asyncio.sleep(delay * random.uniform(0.7, 1.3))  # noqa: S311 - keeps senders apart
                    delay = min(delay * 2, _LONGEST_PAUSE)
                    continue
                delay, deadline = 0.2, time.monotonic() + patience
                self._spool.settle([waiting.position for waiting in batch])
                for waiting, outcome in zip(batch, outcomes, strict=True):
                    answered(waiting, outcome)
        return self._spool.count(self._profile.sector)


@dataclass(slots=True)
class FileReport:
    """What became of one file. `rejected` names rows as a person sees them in the file."""

    file: str
    rows: int = 0
    accepted: int = 0
    duplicates: int = 0
    corrections: int = 0
    sent: int = 0
    waiting: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)

    def answered(self, row: int, outcome: Outcome) -> None:
        """Count one answer."""
        match outcome.outcome:
            case "accepted" | "parked":  # parked: taken over for good, handled as soon as its turn comes
                self.accepted += 1
            case "duplicate":
                self.duplicates += 1
            case "corrected":
                self.corrections += 1
            case "sent":
                self.sent += 1
            case _:
                self.reject(row, outcome.violations)

    def reject(self, row: int, violations: Sequence[dict[str, str]]) -> None:
        """Count one rejection, under the first rule it broke."""
        first = violations[0] if violations else {"field": "", "rule": "rejected", "message_vi": "", "message_en": ""}
        self.rejected.append({"row": row, **first})

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        report = {
            "file": self.file,
            "rows": self.rows,
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "corrections": self.corrections,
            "rejected": sorted(self.rejected, key=lambda item: item["row"]),
        }
        return report | {name: value for name, value in (("sent", self.sent), ("waiting", self.waiting)) if value}


async def publish_file(
    path: Path,
    publisher: Publisher,
    *,
    pepper: bytes,
    mapping: Mapping | None = None,
    now: datetime | None = None,
    patience: float = 30.0,
    on_progress: Callable[[int], None] = lambda _rows: None,
) -> FileReport:
    """Publish one file; its rows are first safe in the spool, then sent in order.

    Raises `FileProblem`, `Refused`, `SpoolBusy`.
    """
    report = FileReport(path.name)
    items = read(path, pepper=pepper, mapping=mapping, now=now).items

    def answered(waiting: Waiting, outcome: Outcome) -> None:
        if waiting.file == path.name and waiting.row is not None:
            report.answered(waiting.row, outcome)
            on_progress(report.rows)

    while batch := list(islice(items, _PUT_BATCH)):
        report.rows += len(batch)
        for item in batch:
            if item.event is None:
                report.reject(item.row, [violation.as_dict() for violation in item.violations])
        good: list[Item] = [item for item in batch if item.event is not None]
        publisher.put([item.event for item in good if item.event], path.name, [item.row for item in good])
        report.waiting = await publisher.flush(answered, patience=patience)
    return report


def _service_of(document: dict[str, Any]) -> str:
    model = CONTRACTS.get(str(document.get("type")))
    # What no service owns is answered by whichever is asked; cases answers for rubbish on the topics too.
    return (model.OWNER if model is not None else None) or "cases"
