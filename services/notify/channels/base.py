"""What every channel is: something that tries to hand one delivery over and says what became of it.

A channel never raises for the other side's faults and never writes to the database: results are settled in batches.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Protocol

from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from shared.messaging.outbox import OutboxRow

RESPONSE_CHARACTERS = 500
_MOST_STATUS = 2**31 - 1


def notable(attempt: Attempt) -> Attempt:
    """An attempt as the log can hold it, whatever the other side answered: PostgreSQL's text has neither NUL nor half a
    character, and its integers end sooner than some protocols' do."""
    said, status = attempt.response, attempt.status
    if (said.isascii() and "\x00" not in said) and (status is None or abs(status) <= _MOST_STATUS):
        return attempt
    text = said.encode("utf-8", "replace").decode().replace("\x00", "")
    known = None if status is None else max(-_MOST_STATUS, min(status, _MOST_STATUS))
    return replace(attempt, response=text, status=known)


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
