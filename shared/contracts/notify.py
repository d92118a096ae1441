"""What happened to a message: queued, delivered, failed. Ids and states only, never a recipient's address."""

from __future__ import annotations

from datetime import date
from typing import Final, Literal

from pydantic import AwareDatetime, Field

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

    `fields`: `event type:dotted field` of sealed fields. `public_key`: the partner's, X25519 in base64, named `kid`.
    """

    agreement_id: str
    org: str
    state: AgreementState
    purpose: str
    event_types: list[str]
    units: list[str] | None = None
    fields: list[str] = Field(default_factory=list)
    public_key: str | None = None
    kid: str | None = None
    valid_from: date
    valid_until: date
    at: AwareDatetime
