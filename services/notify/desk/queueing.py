"""The seam between deciding and delivering: the decider says who is told what, and from the commit on it is durable.

What deciding (rules, subscriptions, agreements, preferences, ladders) hands over, once for each batch of events and in
its own transaction (`scope`):

- `Message`: what is said of a happening, once, whoever hears it. Its id is `timed_id(time, …)` of the event's source
  and id, so the same event is the same message again, and nothing is queued twice for it.
- `Addressed`: one message for one endpoint, with `order_key` (the case's id, for endpoints that ask for order),
  `priority` (emergency, normal, digest), `not_before` (quiet hours, a digest's hour), `expires_at` (None: as
  notify-delivery.yaml says for the priority), and its own `body` where this endpoint is told other words.

What `Queueing.queue` promises:

- All or nothing with the transaction. Nothing is sent before the commit; after it, everything is attempted until it
  has arrived, has expired, or its schedule has ended, and then that is said (`notify.delivery.failed`) and stands in
  the log.
- A message for which nobody is addressed is not kept. An endpoint that is deleted or unknown is left out, and so is one
  that has not proven whose it is, unless the message is what it is to prove it by.
- The same again adds nothing, whether what was queued before waits or has arrived. Several deliveries of one message to
  one endpoint (a ladder's second round) differ in `Addressed.again`.
- What is the past (`is_past`: notify-delivery.yaml's `past_hours`) is queued for nobody; the decider asks `is_news`
  before it writes notices.
- For endpoints with `ordered`, deliveries of one `order_key` arrive one after the other, in the order of this list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Addressed, ChannelName, Message, believable, expires_at, is_past, kept_since
from services.notify.domain.proving import PROVING_TYPES
from services.notify.store import deliveries, partitions
from services.notify.store.deliveries import Placed, Queued
from shared.contracts import notify as said
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering, Priority

_LOG = structlog.get_logger(__name__)
# Programs take what is queued for them in numbers; of what is queued for people each is an event of its own.
MACHINES: frozenset[ChannelName] = frozenset({"webhook", "kafka"})


class Queueing:
    """Makes messages and their deliveries durable, and publishes that they are.

    Args:
        limits: what is the past, what expires when, how wide partitions are.
    """

    def __init__(self, limits: Delivering) -> None:
        self._limits = limits
        self._partitions: set[datetime] = set()
        # By which transaction (its scope's id) partitions were made: that may still be undone, and they with it.
        self._made_by: dict[datetime, int] = {}

    def is_news(self, happened: datetime, now: datetime, priority: Priority = "normal") -> bool:
        """Whether somebody may still be notified of what happened then."""
        return not is_past(happened, now, priority, self._limits.on(now))

    def kept_since(self, now: datetime) -> datetime:
        """What happened before is about to be forgotten: it is not sent again."""
        return kept_since(now, self._limits.on(now))

    async def queue(self, scope: Scope, messages: Sequence[Message], addressed: Sequence[Addressed]) -> list[Queued]:
        """Queue deliveries of messages. Out: the new ones. Errors: KeyError for a message that is not among them."""
        known = {message.id: message for message in messages}
        news = [
            item for item in addressed if self.is_news(known[item.message_id].happening.time, scope.now, item.priority)
        ]
        if len(news) < len(addressed):
            _LOG.info("deliveries.past", count=len(addressed) - len(news))
        endpoints = await _endpoints(scope.connection, {item.endpoint_id for item in news})
        news = [item for item in news if _may_be_sent(known[item.message_id], endpoints.get(item.endpoint_id))]
        if not news:
            return []
        wanted = [known[identifier] for identifier in dict.fromkeys(item.message_id for item in news)]
        await self._ensure_partitions(scope, wanted)
        fresh = await deliveries.keep_messages(scope.connection, wanted, scope.now)
        placed = [self._placed(item, known[item.message_id], endpoints, scope.now) for item in news]
        # The same delivery twice in a list is one.
        unique = list({item.id: item for item in placed}.values())
        queued = [
            Queued(
                item.id,
                item.addressed.message_id,
                item.addressed.endpoint_id,
                item.addressed.subscription_id,
                endpoints[item.addressed.endpoint_id].channel,
            )
            for item in await deliveries.queue(scope.connection, unique, fresh, scope.now)
        ]
        await _publish(scope, known, queued)
        return queued

    def _placed(self, item: Addressed, message: Message, endpoints: Mapping[str, _Known], now: datetime) -> Placed:
        happened = message.happening.time
        due_at = max(now, item.not_before or now)
        return Placed(
            item,
            deliveries.delivery_id(item, happened),
            happened,
            due_at,
            item.expires_at or expires_at(due_at, item.priority, self._limits.on(now)),
            item.order_key if endpoints[item.endpoint_id].ordered else None,
        )

    async def _ensure_partitions(self, scope: Scope, messages: Sequence[Message]) -> None:
        """Upkeep makes them ahead; here only for what happened before the oldest that it made."""
        days = self._limits.on(scope.now).partition_days
        for message in messages:
            at = believable(message.happening.time, scope.now)
            begins, _ = partitions.partition_of(at, days)
            if begins in self._partitions:
                continue
            if await partitions.ensure(scope.connection, at, days):
                self._made_by[begins] = id(scope)
            elif self._made_by.get(begins) != id(scope):
                self._made_by.pop(begins, None)
                self._partitions.add(begins)


@dataclass(frozen=True, slots=True)
class _Known:
    """An endpoint that is not deleted: its channel, whether it asks for order, and whether it has proven whose it
    is."""

    channel: ChannelName
    ordered: bool
    proven: bool


def _may_be_sent(message: Message, endpoint: _Known | None) -> bool:
    return endpoint is not None and (endpoint.proven or message.happening.event_type in PROVING_TYPES)


async def _endpoints(connection: AsyncConnection, identifiers: set[str]) -> dict[str, _Known]:
    if not identifiers:
        return {}
    rows = await connection.execute(
        text(
            """SELECT id::text, channel, ordered, verified_at IS NOT NULL FROM endpoint
               WHERE id = ANY (CAST(:ids AS uuid[])) AND state <> 'deleted'"""
        ),
        {"ids": list(identifiers)},
    )
    return {row[0]: _Known(*row[1:]) for row in rows}


async def _publish(scope: Scope, known: Mapping[str, Message], queued: Sequence[Queued]) -> None:
    """One event a message for all programs that it is queued for, one a delivery for people."""
    programs: dict[str, list[said.QueuedDelivery]] = {}
    for item in queued:
        message = known[item.message_id]
        subscription = item.subscription_id or item.endpoint_id
        if item.channel in MACHINES:
            one = said.QueuedDelivery(
                delivery_id=item.id, endpoint_id=item.endpoint_id, subscription_id=subscription, channel=item.channel
            )
            programs.setdefault(item.message_id, []).append(one)
            continue
        event = said.MessageQueued(
            delivery_id=item.id,
            subscription_id=subscription,
            channel=item.channel,
            event_type=message.happening.event_type,
            case_id=message.happening.case_id,
        )
        await scope.emit(event, subject=item.id, sequence=1, traceparent=message.traceparent)
    for identifier, ones in programs.items():
        happening = known[identifier].happening
        many = said.DeliveriesQueued(
            message_id=identifier, event_type=happening.event_type, case_id=happening.case_id, deliveries=ones
        )
        await scope.emit(many, subject=identifier, sequence=1, traceparent=known[identifier].traceparent)
