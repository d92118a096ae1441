"""From an event to messages: in one transaction the messages, every delivery and every in-app notice are durable, and
that they are queued is published. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from services.notify.domain import Happening, Rule, addressees, happening_of, path_of, payload_of
from services.notify.store import deliveries, notices
from services.notify.store.deliveries import Message
from shared.contracts import notify as said
from shared.contracts.base import Contract
from shared.messaging.outbox import stable_id
from shared.messaging.router import Received, Scope
from shared.telemetry import current_traceparent


class Desk:
    """Turns events into messages.

    Args:
        rules: whom the house tells by itself. unit_name: a commune's name by its code. base_url: where links lead.
    """

    def __init__(self, rules: Sequence[Rule], unit_name: Callable[[str | None], str], base_url: str) -> None:
        self._rules = rules
        self._unit_name = unit_name
        self._base_url = base_url

    async def on_event(self, received: Received[Contract], scope: Scope) -> None:
        """Note what the event means for whom; `finish` makes it durable with all the others of its batch."""
        event = received.event
        happening = happening_of(event, received.data, stable_id("message", event.source, event.id))
        scope.gathered.append(self._message(happening, addressees(self._rules, happening, received.data)))

    async def finish(self, scope: Scope) -> None:
        """Queue what a batch of events means. The same events again add nothing: all ids follow from them."""
        messages: list[Message] = scope.gathered
        await self._tell_in_app(scope, messages)
        await self._queue(scope, messages)

    async def queue_to(self, scope: Scope, happening: Happening, subscription_id: str) -> None:
        """Make one delivery durable, whatever the subscription wants otherwise: a test message."""
        await self._queue(scope, [self._message(happening)], only=subscription_id)

    async def tell_in_app(self, scope: Scope, happening: Happening, told: Mapping[str, bool], path: str) -> None:
        """Write notices of a happening of our own, which lead to a path."""
        await self._tell_in_app(scope, [self._message(happening, told, path)])

    def _message(self, happening: Happening, told: Mapping[str, bool] | None = None, path: str = "") -> Message:
        body = payload_of(happening, self._unit_name(happening.unit), self._base_url)
        return Message(happening, body, told or {}, path or path_of(happening), current_traceparent())

    async def _queue(self, scope: Scope, messages: Sequence[Message], *, only: str | None = None) -> None:
        by_id = {message.happening.id: message for message in messages}
        for item in await deliveries.queue(scope.connection, messages, scope.now, only=only):
            message = by_id[item.message_id]
            event = said.MessageQueued(
                delivery_id=item.id,
                subscription_id=item.subscription_id,
                channel=item.channel,
                event_type=message.happening.event_type,
                case_id=message.happening.case_id,
            )
            await scope.emit(event, subject=item.id, sequence=1, traceparent=message.traceparent)

    async def _tell_in_app(self, scope: Scope, messages: Sequence[Message]) -> None:
        """The row is what people see, so a notice is delivered with the commit."""
        for notice in await notices.put_notices(scope.connection, messages, scope.now):
            happening, trace = notice.message.happening, notice.message.traceparent
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
