"""A partner's own Kafka topic: the message is written to the outbox in the transaction that settles its delivery.

So it is published exactly as surely as it is marked delivered. It never writes to a topic that was not made before:
the relay would wait for it, and everybody else's events behind it.
"""

from __future__ import annotations

from datetime import datetime

import orjson
from aiokafka.errors import KafkaError

from services.notify.domain import Attempt
from services.notify.store.deliveries import Delivery, Target
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.envelope import Envelope
from shared.messaging.outbox import OutboxRow
from shared.messaging.topics import ensure_topics, partner_topic
from shared.settings import Settings

_SOURCE = "/services/notify"


async def make_topic(settings: Settings, replicas: int, org: str) -> bool:
    """Make a partner's topic where it is missing, with so many copies. Out: whether it is there now."""
    try:
        await ensure_topics(settings, [partner_topic(org)], replicas=replicas)
    except (KafkaError, OSError):
        return False
    return True


class KafkaChannel:
    """Writes to partners' topics through the outbox."""

    at_once: int | None = None
    writes: bool = True

    async def open(self) -> None:
        """Nothing to open: the relay has the producer."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """Always taken: the record is written when the delivery is settled."""
        return Attempt("taken", 0, response=target.address)

    def effect(self, delivery: Delivery, target: Target, now: datetime) -> OutboxRow | None:
        """The record, as a CloudEvent in binary mode. Its id is the delivery's, the same again after a replay."""
        document = orjson.loads(delivery.body)
        event = Envelope(
            id=delivery.id,
            source=_SOURCE,
            type=TYPE_PREFIX + delivery.event_type,
            subject=delivery.case_id or delivery.id,
            time=datetime.fromisoformat(document["timestamp"]),
            data=b"",
            unit=delivery.unit,
        )
        headers = {name: value.decode() for name, value in event.headers()}
        return OutboxRow(
            target.address, event.subject, event.type, orjson.dumps(document["data"]), headers, delivery.id
        )
