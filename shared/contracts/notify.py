"""What happened to a message: queued, delivered, failed. Ids and states only, never a recipient's address."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, Field

from shared.contracts.base import Contract, contract

ChannelKind = Literal["webhook", "email", "inbox", "kafka", "sms", "push", "chat"]
# What others act by travels apart from the flood of deliveries.
DECISIONS_TOPIC: Final = "notify.decisions.v1"
AgreementState = Literal["proposed", "active", "suspended", "ended"]
Acknowledged = Literal["page", "link", "reply"]


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


class _Emergency(Contract):
    """One emergency and its ladder. `case_id` where the report has become a case. No message's words, no address."""

    ladder_id: str
    ladder: str
    event_type: str
    case_id: str | None = None
    concern_id: str | None = None
    unit: str | None = None
    step: int
    at: AwareDatetime


@contract("notify.escalation.raised", topic=DECISIONS_TOPIC)
class EscalationRaised(_Emergency):
    """Somebody was called about an emergency: the first step, the next one, or the last one again (`round`).

    `role`: of whom; `people`: how many accounts; `channels`: over which at least one of them could be reached.
    `next_at`: when it goes on if nobody acknowledges.
    """

    role: str
    round: int = 0
    people: int = 0
    channels: list[str] = Field(default_factory=list)
    next_at: AwareDatetime | None = None


@contract("notify.message.acknowledged", topic=DECISIONS_TOPIC)
class MessageAcknowledged(_Emergency):
    """Somebody has taken an emergency into hand: `person` is an account's id; none where a link said only that it was
    received. `role`: of the step on which they were called."""

    how: Acknowledged
    person: str | None = None
    role: str | None = None


@contract("notify.escalation.ended", topic=DECISIONS_TOPIC)
class EscalationEnded(_Emergency):
    """Nobody is called any more, though nobody acknowledged: somebody has plainly acted (`settled`), or all were called
    as often as the rules say (`exhausted`): then a person must look."""

    state: Literal["settled", "exhausted"]


@contract("notify.agreement.changed", topic=DECISIONS_TOPIC)
class AgreementChanged(Contract):
    """A data-sharing agreement after it changed, so that whoever holds a child's key can seal what it allows.

    `legal_basis`: code of the ground on which it rests, which is never consent. `fields`: `event type:dotted field` of
    sealed fields. `public_key`: the partner's, X25519 in base64, named `kid`.
    """

    agreement_id: str
    org: str
    state: AgreementState
    purpose: str
    legal_basis: str | None = None
    event_types: list[str]
    units: list[str] | None = None
    fields: list[str] = Field(default_factory=list)
    public_key: str | None = None
    kid: str | None = None
    valid_from: date
    valid_until: date
    at: AwareDatetime
