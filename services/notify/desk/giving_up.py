"""Telling by events what will never arrive, whoever gave it up: nothing is lost in silence."""

from __future__ import annotations

from collections.abc import Iterable

from services.notify.store.retention import GivenUp
from shared.contracts.notify import DeliveryFailed
from shared.messaging.router import Scope


async def tell_given_up(scope: Scope, lost: Iterable[GivenUp]) -> None:
    """Publish `notify.delivery.failed` for each delivery that was given up, with its reason."""
    for one in lost:
        failed = DeliveryFailed(
            delivery_id=one.id,
            subscription_id=one.endpoint_id,
            channel=one.channel,
            event_type=one.event_type,
            case_id=one.case_id,
            attempts=one.attempts,
            reason=one.reason,
        )
        await scope.emit(failed, subject=one.id, sequence=one.sequence)
