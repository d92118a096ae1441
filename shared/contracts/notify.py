"""What happened to a message: queued, delivered, failed. Ids and states only, never a recipient's address."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

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
    """A message is durable and will be sent to a person."""


@contract("notify.delivery.succeeded")
class DeliverySucceeded(_Delivery):
    """A person's side has taken it: their mail server, their inbox in the app."""

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


@contract("notify.endpoint.restored")
class EndpointRestored(Contract):
    """An endpoint that was switched off is sent to again, beginning with what it missed."""

    subscription_id: str
    missed: int = Field(description="deliveries that had failed and are attempted again")


class QueuedDelivery(BaseModel):
    """One of the programs that a message is queued for."""

    delivery_id: str
    endpoint_id: str
    subscription_id: str
    channel: ChannelKind


@contract("notify.deliveries.queued")
class DeliveriesQueued(Contract):
    """A message is durable and will be sent to these programs (webhooks, Kafka topics)."""

    message_id: str
    event_type: str
    case_id: str | None = None
    deliveries: list[QueuedDelivery]


class TakenDelivery(BaseModel):
    """One delivery that a program has taken."""

    delivery_id: str
    endpoint_id: str
    channel: ChannelKind
    event_type: str
    case_id: str | None = None
    attempts: int


@contract("notify.deliveries.succeeded")
class DeliveriesSucceeded(Contract):
    """Programs (webhooks, Kafka topics) have taken these. What fails, and what people get, is told singly."""

    deliveries: list[TakenDelivery]
