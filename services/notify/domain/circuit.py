"""The circuit of an endpoint: closed while it takes what it is sent, open while it is left in peace, half-open while
one delivery tries whether it is back. And when nobody seems to be there any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from services.notify.domain.retrying import longest_wait, spread
from shared.reference.delivering import DeliveryLimits

CircuitState = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of an endpoint.

    Attributes:
        failures: in a row, since the last success. opened: how often its circuit opened since then.
        failing_since: of the first of them. retry_at: nothing is sent before.
    """

    circuit: CircuitState = "closed"
    failures: int = 0
    opened: int = 0
    failing_since: datetime | None = None
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a batch of attempts says of an endpoint.

    Attributes:
        succeeded, failed: how many. gone: it said that it will never take anything again.
        wait: how long it asked to be left in peace.
    """

    succeeded: int
    failed: int
    gone: bool = False
    wait: timedelta | None = None


def after(health: Health, news: News, now: datetime, chance: float, limits: DeliveryLimits) -> Health:
    """The health after a batch. One success says that it is back, whatever else failed."""
    if news.succeeded:
        return Health(retry_at=_asked(news, now, limits))
    if not news.failed:
        return health
    failures = health.failures + news.failed
    since = health.failing_since or now
    retry_at = _asked(news, now, limits)
    if health.circuit == "closed" and failures < limits.open_after:
        return replace(health, failures=failures, failing_since=since, retry_at=retry_at or health.retry_at)
    times = limits.open_seconds
    closed_for = timedelta(seconds=spread(times[min(health.opened, len(times) - 1)], chance, limits))
    opens = health.circuit != "open"  # those that were on their way when it opened open it no further
    until = now + closed_for if opens else health.retry_at or now + closed_for
    return Health("open", failures, health.opened + opens, since, max(until, retry_at or until))


def probing(health: Health, now: datetime, patience: timedelta) -> Health | None:
    """An open circuit whose time is up, half-open: whoever writes that may try one delivery, and has `patience` for it.
    None where it is not up. A half-open one whose prober died is up again when its patience has run out."""
    if health.circuit == "closed" or (health.retry_at is not None and health.retry_at > now):
        return None
    return replace(health, circuit="half-open", retry_at=now + patience)


def outlived(health: Health, now: datetime, limits: DeliveryLimits) -> bool:
    """Whether an endpoint has failed without a success for so long that nobody seems to be there."""
    return health.failing_since is not None and now - health.failing_since >= timedelta(
        hours=limits.disable_after_hours
    )


def _asked(news: News, now: datetime, limits: DeliveryLimits) -> datetime | None:
    return None if news.wait is None else now + min(news.wait, longest_wait(limits))
