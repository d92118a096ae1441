"""What every channel is: something that tries to hand one delivery over and says what became of it.

A channel never raises for the other side's faults and never writes to the database: results are settled in batches.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from services.notify.domain import Sent
from services.notify.store.deliveries import Leased, Target
from shared.messaging.outbox import OutboxRow

RESPONSE_CHARACTERS = 500


class Channel(Protocol):
    """One way of delivering."""

    async def open(self) -> None:
        """Get ready; called once before the first delivery, on the loop that sends."""

    async def close(self) -> None:
        """Let go of connections."""

    async def send(self, job: Leased, target: Target, now: datetime) -> Sent:
        """Try once, within the channel's own time limit."""

    def effect(self, job: Leased, target: Target, now: datetime) -> OutboxRow | None:
        """What has to be written in the very transaction that settles a success; None for most channels."""
