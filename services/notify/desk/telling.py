"""From an event to messages: in one transaction the messages, every delivery and every in-app notice are durable, and
that they are queued is published. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from services.notify.desk.queueing import Queueing
from services.notify.domain import (
    Addressed,
    Happening,
    Message,
    Rule,
    addressees,
    happening_of,
    path_of,
    payload_of,
    timed_id,
)
from services.notify.store import notices, subscriptions
from services.notify.store.notices import Told
from shared.contracts import notify as said
from shared.contracts.base import Contract
from shared.messaging.router import Received, Scope
from shared.telemetry import current_traceparent


class Desk:
    """Turns events into messages.

    Args:
        rules: whom the house tells by itself. queueing: makes it durable. unit_name: a commune's name by its code.
        base_url: where links lead.
    """

    def __init__(
        self, rules: Sequence[Rule], queueing: Queueing, unit_name: Callable[[str | None], str], base_url: str
    ) -> None:
        self._rules = rules
        self._queueing = queueing
        self._unit_name = unit_name
        self._base_url = base_url

    async def on_event(self, received: Received[Contract], scope: Scope) -> None:
        """Note what the event means for whom; `finish` makes it durable with all the others of its batch."""
        event = received.event
        happening = happening_of(event, received.data, timed_id(event.time, "message", event.source, event.id))
        told = addressees(self._rules, happening, received.data)
        if self._queueing.is_news(event.time, scope.now, "emergency" if any(told.values()) else "normal"):
            scope.gathered.append(Told(self._message(happening), told, path_of(happening)))

    async def finish(self, scope: Scope) -> None:
        """Queue what a batch of events means. The same events again add nothing: all ids follow from them."""
        told: list[Told] = scope.gathered
        await self._tell_in_app(scope, told)
        wishes = await subscriptions.wishes(scope.connection, [one.message.happening for one in told])
        cases = {one.message.id: one.message.happening.case_id for one in told}
        addressed = [
            Addressed(wish.happening_id, wish.endpoint_id, wish.subscription_id, cases[wish.happening_id])
            for wish in wishes
        ]
        await self._queueing.queue(scope, [one.message for one in told], addressed)

    async def queue_to(self, scope: Scope, happening: Happening, endpoint_id: str) -> None:
        """Make one delivery durable, whatever the endpoint is to hear otherwise: a test message."""
        await self._queueing.queue(scope, [self._message(happening)], [Addressed(happening.id, endpoint_id)])

    async def tell_in_app(self, scope: Scope, happening: Happening, told: Mapping[str, bool], path: str) -> None:
        """Write notices of a happening of our own, which lead to a path."""
        await self._tell_in_app(scope, [Told(self._message(happening), told, path)])

    def _message(self, happening: Happening) -> Message:
        body = payload_of(happening, self._unit_name(happening.unit), self._base_url)
        return Message(happening, body, current_traceparent())

    async def _tell_in_app(self, scope: Scope, told: Sequence[Told]) -> None:
        """The row is what people see, so a notice is delivered with the commit."""
        for notice in await notices.put_notices(scope.connection, told, scope.now):
            happening, trace = notice.told.message.happening, notice.told.message.traceparent
            facts = {
                "delivery_id": notice.id,
                "subscription_id": "inbox",
                "channel": "inbox",
                "event_type": happening.event_type,
                "case_id": happening.case_id,
            }
            queued = said.MessageQueued.model_validate(facts)
            await scope.emit(queued, subject=notice.id, sequence=1, traceparent=trace)
            done = said.DeliverySucceeded.model_validate({**facts, "attempts": 1})
            await scope.emit(done, subject=notice.id, sequence=2, traceparent=trace)
