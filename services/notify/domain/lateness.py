"""What is the past, and what comes too late: of the replay of a topic nobody is woken, and an emergency's text is wrong
when its ladder has long gone on.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.reference.delivering import DeliveryLimits, Priority

# How far an event may lie ahead of our clock and still be believed.
AHEAD = timedelta(days=1)


def is_past(happened: datetime, now: datetime, priority: Priority, limits: DeliveryLimits) -> bool:
    """Whether something is told so late that it notifies nobody."""
    return now - happened > timedelta(hours=limits.past_hours[priority])


def expires_at(from_time: datetime, priority: Priority, limits: DeliveryLimits) -> datetime | None:
    """When a message is not worth sending any more; None: never. `from_time`: when it may first be sent."""
    hours = limits.expire_hours[priority]
    return from_time + timedelta(hours=hours) if hours else None


def kept_since(now: datetime, limits: DeliveryLimits) -> datetime:
    """What happened before is about to be forgotten: it is not sent again."""
    return now - timedelta(days=limits.keep_days)


def believable(happened: datetime, now: datetime) -> datetime:
    """When something happened, but not in a far future that a wrong clock told: no partition is made for that."""
    return min(happened, now + AHEAD)
