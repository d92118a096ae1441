"""Webhooks after the Standard Webhooks specification: a signed POST, a short look at the answer."""

from __future__ import annotations

from datetime import datetime

from services.notify.channels.http import Caller, Guarding
from services.notify.domain import Attempt
from services.notify.signing import headers_of
from services.notify.store.deliveries import Delivery, Target
from shared.messaging.outbox import OutboxRow
from shared.telemetry import current_traceparent

_FIXED = {"content-type": "application/json", "user-agent": "Vong-Tay-Webhooks/1.0"}


class WebhookChannel:
    """POSTs to partners' endpoints.

    Args:
        guarding: what requests may reach. timeout: seconds for all of one.
    """

    at_once: int | None = None
    writes: bool = False

    def __init__(self, guarding: Guarding, timeout: float) -> None:
        self._caller = Caller(guarding, timeout)

    async def open(self) -> None:
        """Open the session."""
        await self._caller.open()

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """One signed POST."""
        headers = _FIXED | headers_of(delivery.id, now, delivery.body, target.signers)
        if trace := current_traceparent():
            headers["traceparent"] = trace
        return await self._caller.post(target.address, delivery.body, headers, now)

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """Nothing beside the log."""
        return None
