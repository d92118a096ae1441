"""`POST /events`: the same handlers and the same inbox as Kafka, with the answer at once, one for each event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contracts.base import Service, contract_of
from shared.contracts.envelope import from_structured
from shared.contracts.errors import Rejected, Violation
from shared.messaging.processing import Outcome, Processor, Record

MAX_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one posted event."""

    id: str | None
    outcome: Outcome
    violations: tuple[Violation, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The JSON form of the answer."""
        return {
            "id": self.id,
            "outcome": self.outcome,
            "violations": [violation.as_dict() for violation in self.violations],
        }


class Intake:
    """Takes events that agencies post to one service."""

    def __init__(self, processor: Processor, service: Service, width: int = 4) -> None:
        self._processor = processor
        self._service = service
        # Bounded: a flood of posts waits here, not in the database's connections.
        self._places = asyncio.Semaphore(width)

    async def accept(self, events: Sequence[object], sector: str) -> list[Answer]:
        """Take over structured CloudEvents of one sector, in order.

        Args:
            events: decoded JSON objects, as many as `MAX_EVENTS`. sector: whose they are, from the sender's token.
        Raises: whatever says that the database is away; then the sender posts them again.
        """
        answers: list[Answer | None] = [None] * len(events)
        records: list[Record] = []
        places: list[int] = []
        for place, document in enumerate(events):
            identifier = _identifier(document)
            try:
                records.append(self._as_record(document, sector))
                places.append(place)
            except Rejected as rejected:
                answers[place] = Answer(identifier, "rejected", rejected.violations)
        if records:
            async with self._places:
                results = await self._processor.handle(records)
            for place, result in zip(places, results, strict=True):
                answers[place] = Answer(_identifier(events[place]), result.outcome, result.violations)
        return [answer for answer in answers if answer is not None]

    def _as_record(self, document: object, sector: str) -> Record:
        if not isinstance(document, Mapping):
            raise Rejected([Violation("event", "json-object", "Phải là một đối tượng JSON.", "Must be a JSON object.")])
        event = from_structured(document)
        owner = contract_of(event.type).OWNER
        if owner is not None and owner != self._service:
            raise Rejected(
                [
                    Violation(
                        "type",
                        "wrong-service",
                        f"Loại sự kiện này gửi tới /{owner}/events.",
                        f"This event type is posted to /{owner}/events.",
                    )
                ]
            )
        # No Kafka offset: the moment keeps posted events apart should one have to be parked.
        return Record(f"agency.{sector}.v1", -1, time.time_ns(), event.subject, event.data, tuple(event.headers()))


def _identifier(document: object) -> str | None:
    value = document.get("id") if isinstance(document, Mapping) else None
    return value[:300] if isinstance(value, str) else None
