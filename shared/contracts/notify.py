"""What happened to a message: queued, delivered, failed. Ids and states only, never a recipient's address."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import Contract, contract

ChannelKind = Literal["webhook", "email", "inbox", "kafka"]


class _Delivery(Contract):
    delivery_id: str
    subscription_id: str
    channel: ChannelKind
    event_type: str
    case_id: str | None = None


@contract("notify.message.queued")
class MessageQueued(_Delivery):
    """A message is durable and will be sent."""


@contract("notify.delivery.succeeded")
class DeliverySucceeded(_Delivery):
    """The recipient's side has taken it."""

    attempts: int


@contract("notify.delivery.failed")
class DeliveryFailed(_Delivery):
    """All attempts failed; it waits for a replay."""

    attempts: int
    reason: str


@contract("notify.endpoint.disabled")
class EndpointDisabled(Contract):
    """An endpoint failed for too long, or said 410 Gone."""

    subscription_id: str
    since: AwareDatetime
