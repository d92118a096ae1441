"""What every channel is: something that tries to hand one delivery over and says what became of it.

A channel never raises for the other side's faults and never writes to the database: results are settled in batches.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from shared.messaging.outbox import OutboxRow

RESPONSE_CHARACTERS = 500


class Channel(Protocol):
    """One way of delivering.

    Attributes:
        at_once: how many may be on their way at once over all endpoints; None: as many as the service allows.
        writes: whether something is written in the transaction that settles a success (`effect`).
    """

    at_once: int | None
    writes: bool

    async def open(self) -> None:
        """Get ready; called once before the first delivery, on the loop that sends."""

    async def close(self) -> None:
        """Let go of connections."""

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """Try once, within the channel's own time limit."""

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """What has to be written in the very transaction that settles a success; None for most channels."""
