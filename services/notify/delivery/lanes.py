"""A lane an endpoint: how many deliveries it holds and how many run at once, so that a slow one slows nobody else.

Pure bookkeeping: it neither sends nor waits. Times are the event loop's, which no change of the clock moves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

from services.notify.domain import ChannelName
from services.notify.store.deliveries import Delivery, Target

# Held in memory: what the endpoint takes in about this time, so that a lease is never outlived while waiting.
_AHEAD_SECONDS = 1.0
_MOST_AHEAD = 100
# An answer that takes longer makes the endpoint a slow one, whose requests are counted apart.
SLOW_SECONDS = 0.25
_FAILING_AT_ONCE = 2
# A new one begins with a few, until it is seen how fast it answers.
_FIRST_SECONDS = 0.05
_FEWEST_SLOTS = 16
_MOST_A_SECOND = 10_000


@dataclass(slots=True)
class Held:
    """A delivery in memory, and until when it is surely ours."""

    delivery: Delivery
    until: float


@dataclass(slots=True)
class Lane:
    """The deliveries of one endpoint in this process.

    Attributes:
        at_once: the most requests at once. per_second: the most a second; 0: no limit.
        probes: where its circuit is half-open, how many deliveries may still try whether it is back.
        failures: in a row. patience: so many open its circuit, and nothing more is sent until that is known.
        sealed: what `target` was opened from, so that it is opened again only when that changes.
        share: of the slots that all quick lanes have, or all slow ones, so many are this one's at most.
        waiting: leased and not begun. started: by delivery, when its request began; the oldest first.
        seconds: what an answer takes, of late. quickest: the same, of the quickest of late.
        tokens: how many the rate would let through at `counted_at`; it is 0 before the first.
    """

    target: Target
    channel: ChannelName
    at_once: int
    per_second: float = 0.0
    probes: int | None = None
    failures: int = 0
    patience: int = 5
    sealed: object = None
    share: int = 1
    waiting: deque[Held] = field(default_factory=deque)
    started: dict[str, float] = field(default_factory=dict)
    seconds: float = _FIRST_SECONDS
    quickest: float = _FIRST_SECONDS
    tokens: float = 0.0
    counted_at: float = 0.0

    @property
    def running(self) -> int:
        """How many are on their way."""
        return len(self.started)

    @property
    def pressing(self) -> bool:
        """Whether what is next is an emergency."""
        return bool(self.waiting) and self.waiting[0].delivery.urgent

    @property
    def held(self) -> int:
        """How many are in memory."""
        return len(self.waiting) + len(self.started)

    @property
    def failing(self) -> bool:
        """Whether more than one of its last attempts in a row failed."""
        return self.failures > 1

    @property
    def slow(self) -> bool:
        """Whether its answers take long."""
        return self.seconds > SLOW_SECONDS

    def limit(self) -> int:
        """How many may run at once: its share, of the slots of the quick ones while it answers fast, of the slow ones'
        while it is slow (there are many, its requests only wait), a few while it fails, one while it is tried."""
        if self.probes is not None:
            return self.running + self.probes
        if self.failures >= self.patience:
            return 0
        most = min(self.at_once, self.share)
        return min(_FAILING_AT_ONCE, most) if self.failing else most

    def stalled(self, now: float) -> bool:
        """Whether the oldest request has been on its way for so long that it must not hold a slot of the quick ones."""
        return bool(self.started) and now - next(iter(self.started.values())) > SLOW_SECONDS

    def wait(self, held: Held) -> None:
        """Let one wait for its turn: emergencies go before all else, and among themselves in the order they came in."""
        if not held.delivery.urgent:
            self.waiting.append(held)
            return
        before = 0
        while before < len(self.waiting) and self.waiting[before].delivery.urgent:
            before += 1
        self.waiting.insert(before, held)

    def may_start(self, now: float) -> bool:
        """Whether one more may be sent now. Takes its place in the rate, if so."""
        if not self.waiting or self.running >= self.limit():
            return False
        if self.probes is not None:
            self.probes -= 1
            return True
        if not self.per_second:
            return True
        self._refill(now)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def opens_in(self, now: float) -> float | None:
        """In how many seconds the rate lets the next one through; None where it is not the rate that it waits for."""
        if not self.per_second or not self.waiting:
            return None
        self._refill(now)
        return None if self.tokens >= 1 else (1 - self.tokens) / self.per_second

    def room(self, now: float) -> int:
        """How many more may be leased; none before half of the last have gone, so that leases come in batches."""
        if self.probes is not None:
            return 0 if self.held else self.probes
        most = self._most(now)
        return most - self.held if self.held <= most // 2 else 0

    def spare(self, now: float) -> list[Delivery]:
        """Take out what was leased when the endpoint answered faster than it does now, the last first, but no
        emergency: the memory that it takes is missing to all others."""
        spared: list[Delivery] = []
        if self.probes is None and (self.slow or self.failing or self.stalled(now)):
            most = self._most(now)
            while len(self.waiting) > most and not self.waiting[-1].delivery.urgent:
                spared.append(self.waiting.pop().delivery)
        return spared

    def took(self, seconds: float, *, succeeded: bool, gone: bool = False) -> None:
        """Remember how long an attempt took, and how it ended. Whoever is gone is sent no more until it is known what
        follows from it."""
        self.failures = 0 if succeeded else max(self.failures + 1, self.patience if gone else 0)
        self.seconds += 0.2 * (seconds - self.seconds)
        # The quickest of late: what the way there and back takes when nobody waits for anybody.
        self.quickest = seconds if seconds < self.quickest else self.quickest + 0.01 * (seconds - self.quickest)

    def _most(self, now: float) -> int:
        """How many it is worth having in memory."""
        answers = not self.failing and not self.stalled(now)
        ahead = min(_MOST_AHEAD, max(1.0, _AHEAD_SECONDS / max(self.seconds, 0.001))) if answers else 1.0
        most = ceil(self.limit() * ahead)
        return min(most, max(1, int(self.per_second * _AHEAD_SECONDS))) if self.per_second else most

    def _refill(self, now: float) -> None:
        burst = max(1.0, self.per_second)
        if self.counted_at == 0.0:
            self.tokens, self.counted_at = burst, now
        self.tokens = min(burst, self.tokens + (now - self.counted_at) * self.per_second)
        self.counted_at = now


def slots_for(lanes: list[Lane], most: int) -> int:
    """How many requests of quick lanes are worth having on their way at once.

    On one machine a few keep the processor busy, and more would only wait for each other, and come twice after a crash;
    the longer the way to the endpoints, the more are on it.
    """
    if not lanes:
        return _FEWEST_SLOTS
    way = sum(lane.quickest for lane in lanes) / len(lanes)
    return max(_FEWEST_SLOTS, min(most, int(_FEWEST_SLOTS + way * _MOST_A_SECOND)))


def next_opening(lanes: Iterable[Lane], now: float, longest: float) -> float:
    """In how many seconds the rate of one of them lets its next through, but never more than `longest`: what becomes
    due meanwhile at another endpoint tells nobody, and is asked for."""
    waits = (lane.opens_in(now) for lane in lanes)
    return min((wait for wait in waits if wait is not None and wait < longest), default=longest)


def share_out(lanes: list[Lane], slots: int) -> None:
    """Give each lane its part of the slots, so that none has to wait until another is empty."""
    share = -(-slots // max(1, len(lanes)))
    for lane in lanes:
        lane.share = share
