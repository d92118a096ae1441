"""Writes what was decided: notices in the inbox and deliveries, and publishes that they are durable. It decides
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.notify.store import notices
from services.notify.store.deliveries import Message, Queued
from services.notify.store.notices import Wanted
from shared.contracts import notify as said
from shared.messaging.router import Scope


async def put_in_app(scope: Scope, wanted: Sequence[Wanted]) -> None:
    """Write notices. The row is what people see, so a notice is delivered with the commit."""
    for notice in await notices.put_notices(scope.connection, wanted, scope.now):
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


async def announce(scope: Scope, messages: Sequence[Message], queued: Sequence[Queued]) -> None:
    """Publish that deliveries are durable."""
    by_id = {message.happening.id: message for message in messages}
    for item in queued:
        message = by_id[item.message_id]
        event = said.MessageQueued(
            delivery_id=item.id,
            subscription_id=item.subscription_id,
            channel=item.channel,
            event_type=message.happening.event_type,
            case_id=message.happening.case_id,
        )
        await scope.emit(event, subject=item.id, sequence=1, traceparent=message.traceparent)
