"""What the rules speak of: what happened, what is said of it to whom, and what became of an attempt; codes and ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from shared.reference.delivering import Priority

ChannelName = Literal["webhook", "kafka", "email", "sms", "push", "chat"]
# Those by which a person is reached; organisations have the others.
PERSONAL: frozenset[ChannelName] = frozenset({"email", "sms", "push", "chat"})
EndpointState = Literal["active", "paused", "disabled", "deleted"]
DeliveryState = Literal["pending", "succeeded", "failed"]
Outcome = Literal["taken", "again", "gone", "expired"]
TEST_TYPE = "notify.test"


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, where and by when something has to follow; codes and ids, nothing else.

    `unit`: the commune that it is of. `places`: those that it concerns, or may concern, besides; None: all.
    """

    id: str
    event_type: str
    time: datetime
    unit: str | None
    case_id: str | None
    due: datetime | None
    sector: str | None
    codes: Mapping[str, str | float]
    case_code: str | None = None
    places: tuple[str, ...] | None = ()

    @property
    def communes(self) -> tuple[str, ...]:
        """Every commune that it names: the one that it is of first."""
        return (*([self.unit] if self.unit else []), *(self.places or ()))


@dataclass(frozen=True, slots=True)
class Message:
    """What is said of a happening, once, whoever hears it. `body`: byte for byte the same at each attempt.

    `id` comes from `timed_id(happening.time, …)`: the same event gives the same message again.
    """

    happening: Happening
    body: bytes
    traceparent: str | None = None

    @property
    def id(self) -> str:
        """The happening's."""
        return self.happening.id


@dataclass(frozen=True, slots=True)
class Addressed:
    """One message for one endpoint: a delivery that is to be made.

    Attributes:
        subscription_id: for whose sake; None for what is told without one (a rule, a test, an escalation).
        order_key: what arrives in its order at an endpoint that asks for order; the case, or None.
        not_before: quiet hours, a digest's hour; None: at once. expires_at: sent no more after it; None: by the data.
        body: where this endpoint is told other words than the message's (fuller content under an agreement).
        again: what tells several deliveries of one message to one endpoint apart, where there are several.
    """

    message_id: str
    endpoint_id: str
    subscription_id: str | None = None
    order_key: str | None = None
    priority: Priority = "normal"
    not_before: datetime | None = None
    expires_at: datetime | None = None
    body: bytes | None = None
    again: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt. `response` is the beginning of what the other side said.

    `ours`: it failed on our own side of the way, which says nothing of the endpoint. `references`: under which the
    other side will tell later what became of what it took.
    """

    outcome: Outcome
    duration_ms: int
    status: int | None = None
    response: str = ""
    reason: str | None = None
    retry_after: timedelta | None = None
    ours: bool = False
    references: tuple[str, ...] = ()
