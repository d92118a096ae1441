"""What a handler sees: the event it was given, and the one transaction in which it loads, decides, saves and emits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import CONTRACTS, TYPE_PREFIX, Contract, Service
from shared.contracts.envelope import Envelope
from shared.messaging.forgetting import Named, Related
from shared.messaging.outbox import OutboxRow, new_id, put
from shared.telemetry import continued_span, current_traceparent

C = TypeVar("C", bound=Contract)
Clock = Callable[[], datetime]
OWN_TOPIC: dict[str, str] = {
    "registry": "registry.children.v1",
    "cases": "cases.cases.v1",
    "stats": "stats.indicators.v1",
    "notify": "notify.deliveries.v1",
}


def agency_topic(sector: str, owner: Service | None = None) -> str:
    """The topic, without prefix, onto which a sector publishes the events that a service answers for."""
    return f"agency.{sector}.figures.v1" if owner == "stats" else f"agency.{sector}.v1"


def own_topic(model: type[Contract]) -> str:
    """The topic, without prefix, on which a service's event travels."""
    return model.TOPIC or OWN_TOPIC[model.PUBLISHER]


@dataclass(frozen=True, slots=True)
class Received(Generic[C]):
    """An event as it reaches its handler: never twice, its contract checked, personal fields still sealed.

    `sector` is who really sent it (from the topic's ACL or the token), None for services' events.
    `correction`: the agency sent this source and id before, with other content.
    """

    event: Envelope
    data: C
    topic: str
    sector: str | None
    correction: bool


@dataclass(slots=True)
class Scope:
    """One transaction of handled events: everything a handler may touch.

    `gathered`: what handlers leave for the router's `finish`. `bulk`: the id of the act of which all that is emitted is
    one of very many, so that nobody is told of each.
    """

    service: Service
    connection: AsyncConnection
    now: datetime
    gathered: list[Any] = field(default_factory=list)
    bulk: str | None = None
    _rows: list[OutboxRow] = field(default_factory=list)

    async def emit(
        self,
        data: Contract,
        *,
        subject: str,
        sequence: int,
        key: str | None = None,
        unit: str | None = None,
        topic: str | None = None,
        event_id: str | None = None,
        traceparent: str | None = None,
    ) -> None:
        """Publish with the transaction. Personal fields must be sealed: a plain one raises ValueError, nothing leaves.

        Args:
            subject: the aggregate's id. sequence: the aggregate's next number, from 1.
            key: the Kafka key where it is not the subject. topic: without prefix, where it is not the service's own.
            event_id: where the same decision must give the same id again.
            traceparent: of the span that decided it, where that is over.
        """
        plain = [name for name in data.sealed_fields() if _is_plain(getattr(data, name))]
        if plain:
            raise ValueError(f"{data.TYPE} would leave with unsealed fields: {', '.join(plain)}")
        event = Envelope(
            id=event_id or new_id(),
            source=f"/services/{self.service}",
            type=data.TYPE,
            subject=subject,
            time=self.now,
            data=data.model_dump_json(exclude_none=True).encode(),
            sequence=sequence,
            unit=unit,
            traceparent=traceparent or current_traceparent(),
            bulk=self.bulk,
        )
        self._rows.append(
            OutboxRow(topic or own_topic(type(data)), key or subject, event.type, event.data, event.texts(), event.id)
        )

    def span(self, event: Envelope) -> AbstractContextManager[object]:
        """The handling of an event, as a part of its trace: what is emitted inside goes on with it."""
        return continued_span(f"{self.service} {event.type.removeprefix(TYPE_PREFIX)}", event.traceparent)

    async def flush(self) -> None:
        """Write what was emitted; whoever opened the transaction calls it before the commit."""
        rows, self._rows = self._rows, []
        await put(self.connection, rows)

    def drop(self) -> None:
        """Forget what was emitted since the last flush: the savepoint it belonged to was rolled back."""
        self._rows.clear()


Handler = Callable[[Received[Any], Scope], Awaitable[None]]
HandlerOfMany = Callable[[Sequence[Received[Any]], Scope], Awaitable[None]]
Finish = Callable[[Scope], Awaitable[None]]


class Router:
    """Which of a service's functions handles which event type.

    Args:
        service: whose handlers these are.
        finish: called once in each transaction, after the handlers, where they gathered anything.
        named: by which names a sender's event is known here. related: finds the names of all that an erasure concerns.
        behind: the other way round, the keys of whom names are about.
    """

    def __init__(
        self,
        service: Service,
        *,
        finish: Finish | None = None,
        named: Named | None = None,
        related: Related | None = None,
        behind: Related | None = None,
    ) -> None:
        self.service: Service = service
        self.named = named
        self.related = related
        self.behind = behind
        self.handlers: dict[str, Handler] = {}
        self.together: dict[str, HandlerOfMany] = {}
        self.finish = finish

    def handles(
        self, model: type[C]
    ) -> Callable[[Callable[[Received[C], Scope], Awaitable[None]]], Callable[[Received[C], Scope], Awaitable[None]]]:
        """Register the decorated function for a contract; one function a type."""

        def register(
            function: Callable[[Received[C], Scope], Awaitable[None]],
        ) -> Callable[[Received[C], Scope], Awaitable[None]]:
            self._add(model, function)
            return function

        return register

    def handles_together(
        self, model: type[C]
    ) -> Callable[
        [Callable[[Sequence[Received[C]], Scope], Awaitable[None]]],
        Callable[[Sequence[Received[C]], Scope], Awaitable[None]],
    ]:
        """Register the decorated function for a contract: it gets those that follow each other in a transaction at
        once, in their order, must do what one after the other would have done, and opens each one's span itself."""

        def register(
            function: Callable[[Sequence[Received[C]], Scope], Awaitable[None]],
        ) -> Callable[[Sequence[Received[C]], Scope], Awaitable[None]]:
            async def alone(received: Received[C], scope: Scope) -> None:
                await function([received], scope)

            self._add(model, alone)
            self.together[model.TYPE] = function
            return function

        return register

    def _add(self, model: type[Contract], handler: Handler) -> None:
        if model.TYPE in self.handlers:
            raise ValueError(f"{self.service} has two handlers of {model.TYPE}")
        self.handlers[model.TYPE] = handler

    def topics(self) -> list[str]:
        """Which topics of services carry what is handled."""
        return sorted({own_topic(model) for model in self._models() if model.PUBLISHER != "agency"})

    def _models(self) -> Iterator[type[Contract]]:
        return (CONTRACTS[event_type] for event_type in self.handlers)

    def publishers(self) -> set[str]:
        """Whose events are handled: agency, registry, cases, stats, notify."""
        return {event_type.split(".")[2] for event_type in self.handlers}


def _is_plain(value: object) -> bool:
    from_box = getattr(value, "sealed", None)
    return value is not None and from_box is None
