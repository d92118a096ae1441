"""What the rules speak of: channels, states, what happened, what became of an attempt; codes and ids, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ChannelName = Literal["webhook", "email", "kafka"]
SubscriptionState = Literal["active", "paused", "disabled", "deleted"]
DeliveryState = Literal["pending", "succeeded", "failed"]
Outcome = Literal["taken", "again", "gone"]
TEST_TYPE = "notify.test"


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, where and by when something has to follow; codes and ids, nothing else."""

    id: str
    event_type: str
    time: datetime
    unit: str | None
    case_id: str | None
    due: datetime | None
    sector: str | None
    codes: Mapping[str, str | float]
    case_code: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one attempt. `response` is the beginning of what the other side said."""

    outcome: Outcome
    duration_ms: int
    status: int | None = None
    response: str = ""
    reason: str | None = None
    retry_after: timedelta | None = None
