"""What follows from an attempt: settled, or when to try again, or that nobody seems to be there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from services.notify.domain.model import DeliveryState, Sent

# The schedule that the Standard Webhooks specification proposes: ten tries over three days.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400))
_LONGEST_WAIT = timedelta(hours=24)
JITTER = 0.2


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows for the delivery: settled, or due again."""

    state: DeliveryState
    due_at: datetime | None
    reason: str | None


def verdict(sent: Sent, attempts: int, now: datetime, chance: float) -> Verdict:
    """In: an attempt, how many there were with it, now, a random number in 0..1. Out: what follows."""
    if sent.outcome == "taken":
        return Verdict("succeeded", None, None)
    if sent.outcome == "gone" or attempts > len(BACKOFF):
        return Verdict("failed", None, sent.reason)
    wait = BACKOFF[attempts - 1] * (1 - JITTER + 2 * JITTER * chance)
    if sent.retry_after is not None:
        wait = max(wait, min(sent.retry_after, _LONGEST_WAIT))
    return Verdict("pending", now + wait, sent.reason)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """A Retry-After header (seconds or a date, RFC 9110 10.2.3) as a wait; None where it says nothing usable."""
    if not value:
        return None
    if value.strip().isdecimal():
        return timedelta(seconds=min(int(value), int(_LONGEST_WAIT.total_seconds())))
    try:
        wait = parsedate_to_datetime(value) - now
    except (ValueError, TypeError):
        return None
    return wait if wait > timedelta(0) else None


def outlived(failing_since: datetime | None, now: datetime, limit: timedelta) -> bool:
    """Whether an endpoint has failed without a success for so long that nobody seems to be there."""
    return failing_since is not None and now - failing_since >= limit
