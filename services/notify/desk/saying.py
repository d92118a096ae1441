"""Writes notices in the inbox, and publishes that they are there. It decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from services.notify.store import notices
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
