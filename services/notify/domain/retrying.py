"""What follows from an attempt: settled, or when the next one is due."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from services.notify.domain.model import Attempt, DeliveryState
from shared.reference.delivering import DeliveryLimits

_MOST_SECONDS = int(timedelta(days=365).total_seconds())
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for the delivery: settled, or due again."""

    state: DeliveryState
    due_at: datetime | None
    reason: str | None


SUCCEEDED = Verdict("succeeded", None, None)


def verdict(attempt: Attempt, attempts: int, now: datetime, chance: float, limits: DeliveryLimits) -> Verdict:
    """In: an attempt, how many there were with it, now, a random number in 0..1. Out: what follows."""
    if attempt.outcome == "taken":
        return SUCCEEDED
    if attempt.outcome in ("gone", "expired") or attempts > len(limits.wait_seconds):
        return Verdict("failed", None, attempt.reason)
    wait = timedelta(seconds=spread(limits.wait_seconds[attempts - 1], chance, limits))
    if attempt.retry_after is not None:
        wait = max(wait, min(attempt.retry_after, longest_wait(limits)))
    return Verdict("pending", now + wait, attempt.reason)


def spread(seconds: float, chance: float, limits: DeliveryLimits) -> float:
    """A wait made longer or shorter by chance (0..1), so that what failed together does not come again together."""
    return seconds * (1 - limits.jitter + 2 * limits.jitter * chance)


def longest_wait(limits: DeliveryLimits) -> timedelta:
    """How long an endpoint may ask to be left in peace."""
    return timedelta(hours=limits.most_wait_hours)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header (seconds or a date, RFC 9110 10.2.3) as a wait; None where it says nothing usable."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:_DIGITS]), _MOST_SECONDS))
    try:
        wait = parsedate_to_datetime(value) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return wait if wait > timedelta(0) else None
