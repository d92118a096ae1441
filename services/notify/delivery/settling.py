"""Takes a batch of results over in one transaction: deliveries, log, health of endpoints, and what is published.

It must never count a result twice, nor one whose lease was lost unless it is a success.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from services.notify.channels.base import Channel
from services.notify.desk.telling import Desk
from services.notify.domain import ChannelName, Happening
from services.notify.store import deliveries, subscriptions
from services.notify.store.deliveries import Result, Settled
from services.notify.store.subscriptions import Health, Subscription
from shared.contracts import notify as said
from shared.contracts.base import Contract
from shared.database import Database
from shared.messaging.outbox import OutboxRow, put, stable_id
from shared.messaging.router import Scope

# Answers that say "not now" to all deliveries, so that the whole endpoint is left in peace for the time it asks.
_BUSY = frozenset({429, 503})


class Settler:
    """Takes results of attempts over, each once.

    Args:
        channels: by name, for what has to be written beside. disable_after: how long an endpoint may fail.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[ChannelName, Channel],
        desk: Desk,
        clock: Callable[[], datetime],
        disable_after: timedelta,
    ) -> None:
        self._database = database
        self._channels = channels
        self._desk = desk
        self._clock = clock
        self._disable_after = disable_after

    async def settle(self, results: Sequence[Result]) -> bool:
        """Take results over. Out: whether the state of an endpoint may have changed."""
        now = self._clock()
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, now)
            # One delivery may be in a batch twice when its lease ended meanwhile: then its success is what counts.
            by_success = sorted(results, key=lambda result: result.sent.outcome == "taken")
            results = list({result.job.id: result for result in by_success}.values())
            settled = await deliveries.settle(connection, results, now)
            counted = [result for result in results if result.job.id in settled]
            await put(connection, self._effects(counted, now))
            for result in counted:
                event = _event(result, settled[result.job.id])
                if event is not None:
                    await scope.emit(event, subject=result.job.id, sequence=settled[result.job.id].sequence)
            notes = health_notes(counted, now)
            for disabled in await subscriptions.note_health(connection, notes, now, now - self._disable_after):
                await self._tell_owner(scope, disabled)
            await scope.flush()
        return bool(notes)

    def _effects(self, results: Sequence[Result], now: datetime) -> list[OutboxRow]:
        rows = (
            self._channels[result.channel].effect(result.job, result.target, now)
            for result in results
            if result.verdict.state == "succeeded"
        )
        return [row for row in rows if row is not None]

    async def _tell_owner(self, scope: Scope, endpoint: Subscription) -> None:
        since = endpoint.failing_since or scope.now
        event = said.EndpointDisabled(subscription_id=endpoint.id, since=since)
        await scope.emit(event, subject=endpoint.id, sequence=endpoint.sequence)
        happening = Happening(
            id=stable_id("disabled", endpoint.id, str(endpoint.sequence)),
            event_type="notify.endpoint.disabled",
            time=scope.now,
            unit=None,
            case_id=None,
            due=None,
            sector=None,
            codes={},
        )
        await self._desk.tell_in_app(
            scope, happening, {endpoint.audience: True}, f"/notify/subscriptions/{endpoint.id}"
        )


def health_notes(results: Sequence[Result], now: datetime) -> list[Health]:
    """What results say of each endpoint, only where that is news: a success of a healthy one is none."""
    by_endpoint: dict[str, list[Result]] = {}
    for result in results:
        by_endpoint.setdefault(result.job.subscription_id, []).append(result)
    notes = []
    for identifier, own in by_endpoint.items():
        succeeded = any(result.sent.outcome == "taken" for result in own)
        failed = any(result.sent.outcome != "taken" for result in own)
        if not failed and not any(result.was_failing for result in own):
            continue
        waits = [
            now + result.sent.retry_after
            for result in own
            if result.sent.retry_after is not None and result.sent.status in _BUSY
        ]
        gone = any(result.sent.outcome == "gone" for result in own)
        notes.append(Health(identifier, succeeded, gone, max(waits, default=None)))
    return notes


def _event(result: Result, settled: Settled) -> Contract | None:
    facts = {
        "delivery_id": result.job.id,
        "subscription_id": result.job.subscription_id,
        "channel": result.channel,
        "event_type": result.job.event_type,
        "case_id": result.job.case_id,
        "attempts": settled.attempts,
    }
    if result.verdict.state == "succeeded":
        return said.DeliverySucceeded.model_validate(facts)
    if result.verdict.state == "failed":
        return said.DeliveryFailed.model_validate({**facts, "reason": result.sent.reason or "unknown"})
    return None
