"""A lane an endpoint: how many deliveries it holds and how many run at once, so that a slow one slows nobody else.

Pure bookkeeping: it neither sends nor waits.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from services.notify.domain import ChannelName
from services.notify.store.deliveries import Leased, Target

# Held in memory: what the endpoint takes in about this time, so that a lease is never outlived while waiting.
_AHEAD_SECONDS = 2.0
_SLOW_SECONDS = 1.0
_PROBES = 2
_MOST_AHEAD = 40


@dataclass(slots=True)
class Lane:
    """The deliveries of one subscription in this process."""

    target: Target
    channel: ChannelName
    failing: bool
    at_once: int
    sealed: object = None
    waiting: deque[Leased] = field(default_factory=deque)
    running: int = 0
    seconds: float = 0.05

    @property
    def limit(self) -> int:
        """How many may run at once: all while it answers fast, a few while it is slow, probes while it fails."""
        if self.failing:
            return min(_PROBES, self.at_once)
        if self.seconds > _SLOW_SECONDS:
            return max(1, self.at_once // 4)
        return self.at_once

    @property
    def held(self) -> int:
        """How many are in memory."""
        return len(self.waiting) + self.running

    @property
    def room(self) -> int:
        """How many more may be leased; none before half of the last have gone, so that leases come in batches."""
        ahead = 1.0 if self.failing else min(_MOST_AHEAD, max(1.0, _AHEAD_SECONDS / max(self.seconds, 0.001)))
        most = int(self.limit * ahead)
        return most - self.held if self.held <= most // 2 else 0

    def took(self, seconds: float) -> None:
        """Remember how long an attempt took."""
        self.seconds += 0.2 * (seconds - self.seconds)
