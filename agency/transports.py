"""How an agency's events reach the platform: `POST /<service>/events`, or its sector's own Kafka topic.

A transport only says what was answered. It never decides that an event is lost, nor answers in the platform's place.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import groupby
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from agency.profile import Profile, Refused, Unreachable
from shared.contracts.base import CONTRACTS
from shared.contracts.envelope import Envelope, from_structured
from shared.contracts.errors import Rejected
from shared.messaging.kafka import producer
from shared.messaging.router import agency_topic
from shared.settings import Settings

_TIMEOUT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_LONGEST_WAIT = 300.0
_MAX_EVENT_BYTES = 900_000  # below the broker's default of a megabyte for a record with its headers
# The platform's own words for a whole post that it cannot read: then each event is tried by itself.
_UNREADABLE = {400, 413, 422}
_TOO_LARGE = {
    "field": "event",
    "rule": "too-large",
    "message_vi": "Sự kiện quá lớn.",
    "message_en": "The event is too large.",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The platform's answer to one event: accepted, duplicate, corrected, rejected, parked; `sent` by Kafka."""

    outcome: str
    violations: tuple[dict[str, str], ...] = ()


class Transport(Protocol):
    """How events reach the platform."""

    async def send(self, documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        """Send events in order; an answer for each. Raises `Unreachable`, `Refused`: then they are sent again."""


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
            try:
                outcomes += await self._post(service, list(group))
            except Unreachable as error:
                # What an earlier post of this batch took over will be answered "duplicate" the next time.
                taken = error.perhaps_taken or bool(outcomes)
                raise Unreachable(str(error), retry_after=error.retry_after, perhaps_taken=taken) from None
        return outcomes

    async def _post(self, service: str, documents: list[dict[str, Any]]) -> list[Outcome]:
        headers = {"Authorization": f"Bearer {self._profile.token}", "Content-Type": "application/json"}
        url = f"{self._profile.base_url}/{service}/events"
        try:
            async with self._session.post(
                url, data=orjson.dumps(documents), headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                status, wait = answer.status, _retry_after(answer.headers.get("Retry-After"))
                body = await answer.read()
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(type(error).__name__) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(type(error).__name__, perhaps_taken=True) from None
        if status in {401, 403}:
            raise Refused(str(status))
        if status in _UNREADABLE:
            return await self._one_by_one(service, documents, status, body)
        outcomes = _outcomes(body, len(documents)) if status == 200 else None
        if outcomes is None:  # anything else is no answer of the platform's: nothing is given up for it
            raise Unreachable(str(status), retry_after=wait, perhaps_taken=status not in {429, 503})
        return outcomes

    async def _one_by_one(
        self, service: str, documents: list[dict[str, Any]], status: int, body: bytes
    ) -> list[Outcome]:
        if len(documents) > 1:
            # Too much for one post, or one that cannot be read: halves, down to the one event that is to blame.
            middle = len(documents) // 2
            first = await self._post(service, documents[:middle])
            try:
                return [*first, *await self._post(service, documents[middle:])]
            except Unreachable as error:
                raise Unreachable(str(error), retry_after=error.retry_after, perhaps_taken=True) from None
        violations = _violations(body)
        if not violations and status != 413:
            raise Unreachable(str(status))  # not in the platform's words: some proxy's page, or another server
        return [Outcome("rejected", violations or (_TOO_LARGE,))]


class KafkaTransport:
    """Binary CloudEvents onto the sector's own topics; rejections come back on `vongtay.replies.<sector>.v1`.

    Args:
        settings: broker, the sector's user and password, topic prefix. sector: whose topics.
    """

    def __init__(self, settings: Settings, sector: str) -> None:
        self._settings = settings
        self._sector = sector
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def send(self, documents: Sequence[dict[str, Any]]) -> list[Outcome]:
        """`sent` for each event once the broker has it. Raises `Unreachable`."""
        events = [_readable(document) for document in documents]
        try:
            if self._producer is None:
                fresh = producer(self._settings)
                self._producer = fresh
                await fresh.start()
            sent = [await self._produce(self._producer, event) for event in events if isinstance(event, Envelope)]
            await asyncio.gather(*sent)
        except (KafkaError, OSError, TimeoutError) as error:
            # A producer that failed may refuse everything from then on: the next try gets a new one.
            await self._stop()
            raise Unreachable(type(error).__name__, perhaps_taken=True) from None
        return [event if isinstance(event, Outcome) else Outcome("sent") for event in events]

    async def _produce(self, to: AIOKafkaProducer, event: Envelope) -> Any:
        model = CONTRACTS.get(event.type)
        topic = self._settings.topic_prefix + agency_topic(self._sector, None if model is None else model.OWNER)
        return await to.send(topic, value=event.data, key=event.subject.encode(), headers=list(event.headers()))

    async def _stop(self) -> None:
        if self._producer is not None:
            stopping, self._producer = self._producer, None
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await stopping.stop()


def _readable(document: dict[str, Any]) -> Envelope | Outcome:
    """The event; or why no broker would take it, so that it does not hold up all that wait behind it."""
    try:
        event = from_structured(document)
    except Rejected as rejected:
        return Outcome("rejected", tuple(violation.as_dict() for violation in rejected.violations))
    return event if len(event.data) <= _MAX_EVENT_BYTES else Outcome("rejected", (_TOO_LARGE,))


def _outcomes(body: bytes, count: int) -> list[Outcome] | None:
    """The platform's answers; None where the body does not answer each event."""
    try:
        answers = orjson.loads(body)["answers"]
        outcomes = [Outcome(str(item["outcome"]), tuple(item["violations"])) for item in answers]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return outcomes if len(outcomes) == count else None


def _violations(body: bytes) -> tuple[dict[str, str], ...]:
    try:
        found = orjson.loads(body)["violations"]
        return tuple(
            {name: str(item[name]) for name in ("field", "rule", "message_vi", "message_en")} for item in found
        )
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ()


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait (RFC 9110, 10.2.3: a number or a date), at most five minutes."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), _LONGEST_WAIT)
    try:
        wait = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT)


def _service_of(document: dict[str, Any]) -> str:
    model = CONTRACTS.get(str(document.get("type")))
    # What no service owns is answered by whichever is asked; cases answers for rubbish on the topics too.
    return (model.OWNER if model is not None else None) or "cases"
