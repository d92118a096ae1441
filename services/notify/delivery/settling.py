"""Takes a batch of results over in one transaction: deliveries, log, health of endpoints, and what is published.

It must never count a result twice, nor one whose lease was lost unless it is a success.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.channels.base import Channel
from services.notify.delivery.lines import Line
from services.notify.desk.owners import Owners
from services.notify.desk.queueing import MACHINES
from services.notify.domain import ChannelName, News, Verdict, after, outlived
from services.notify.domain.agreements import closed_by_agreement
from services.notify.domain.proving import CHALLENGE_TYPE
from services.notify.store import agreements, deliveries, endpoints, log, proofs, receipts
from services.notify.store.agreements import Bounds
from services.notify.store.deliveries import Delivery, Result, Settled
from services.notify.store.endpoints import Endpoint
from services.notify.store.log import Tally
from shared.contracts import notify as said
from shared.contracts.base import Contract
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.messaging.outbox import OutboxRow, new_id, put
from shared.messaging.router import Scope, own_topic
from shared.reference.delivering import Delivering

# Answers that say "not now" to all deliveries, so that the whole endpoint is left in peace for the time it asks.
_BUSY = frozenset({429, 503})
_TALLY_EVERY = timedelta(seconds=2)
_HOUR = timedelta(hours=1)


class Settler:
    """Takes results of attempts over, each once.

    Args:
        channels: by name, for what has to be written beside. owners: hear of what is wrong with their endpoints.
        limits: when a circuit opens, and an endpoint is switched off. chance: random numbers in 0..1.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[ChannelName, Channel],
        owners: Owners,
        clock: Callable[[], datetime],
        limits: Delivering,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._channels = channels
        self._owners = owners
        self._clock = clock
        self._limits = limits
        self._chance = chance
        self._line = Line(database)
        self._tallies: dict[tuple[str, datetime], Tally] = {}
        self._tallied_at: datetime | None = None

    async def settle(self, results: Sequence[Result], troubled: frozenset[str]) -> bool:
        """Take results over. In: `troubled`, endpoints that are known to fail. Out: whether something is not as the
        worker knew it: an endpoint's health, or that an agreement lets nothing out."""
        now = self._clock()
        # One delivery may be in a batch twice when its lease ended meanwhile: then its success is what counts.
        once: dict[str, Result] = {}
        for result in results:
            known = once.get(result.delivery.id)
            if known is None or known.attempt.outcome != "taken":
                once[result.delivery.id] = result
        # What succeeded beside a failure says that the endpoint is well.
        failing = {result.delivery.endpoint_id for result in once.values() if result.attempt.outcome != "taken"}
        beside = troubled | failing if failing else troubled
        plain: list[Result] = []
        others: list[Result] = []
        for result in once.values():
            (plain if self._is_plain(result, beside) else others).append(result)
        late: list[Result] = []
        if plain:
            late = await deliveries.settle_taken(await self._line.get(), plain, _told(now), now)
            missing = {result.delivery.id for result in late}
            self._count([result for result in plain if result.delivery.id not in missing])
        changed = False
        if others:
            changed, missed = await self._settle(others, troubled, now)
            late += missed
        if late:
            await self._settle_late(late, now)
        return changed

    def _is_plain(self, result: Result, troubled: frozenset[str]) -> bool:
        """Whether nothing but the delivery itself changes with a result."""
        return (
            result.attempt.outcome == "taken"
            and result.channel in MACHINES
            and result.delivery.order_key is None
            and result.delivery.endpoint_id not in troubled
            and not self._channels[result.channel].writes
            and result.delivery.event_type != CHALLENGE_TYPE
        )

    async def _settle(
        self, results: Sequence[Result], troubled: frozenset[str], now: datetime
    ) -> tuple[bool, list[Result]]:
        """Out: as `settle`, and the successes of what did not wait any more."""
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, now)
            # Before anything of theirs is taken over: nobody switches them off, or brings them back, meanwhile.
            # Endpoints, agreements, deliveries: in the order in which whoever brings one back takes them.
            speaking = list(news_of(results, troubled))
            known = {row.id: row for row in await endpoints.locked(connection, speaking)} if speaking else {}
            results, open_again = await _divided(connection, results, now)
            if open_again:
                await deliveries.give_back(connection, open_again)
            results = [as_it_stands(result, known.get(result.delivery.endpoint_id), now) for result in results]
            settled = await deliveries.settle(connection, results, now)
            counted = [result for result in results if result.delivery.id in settled]
            await self._follow(scope, counted, settled)
            news = news_of(counted, troubled)
            if news:
                await self._note(scope, news, [row for row in known.values() if row.id in news])
            await scope.flush()
        self._count(counted)
        # What is written only where it counts was not sent where it did not.
        late = [
            result
            for result in results
            if result.attempt.outcome == "taken"
            and result.delivery.id not in settled
            and not self._channels[result.channel].writes
        ]
        # Also where what was said of one came too late: it is not as it was known when it was sent to.
        return bool(known or open_again), late

    async def _settle_late(self, results: Sequence[Result], now: datetime) -> None:
        """What was on its way when it was stopped, by a suspension or as expired, and has arrived: it is known as what
        it is, and not sent again. Apart from all others: of what waits and what is settled, whoever puts something back
        takes the settled first."""
        async with self._database.transaction() as connection:
            scope = Scope("notify", connection, now)
            settled = await deliveries.settle_late(connection, results, now)
            counted = [result for result in results if result.delivery.id in settled]
            await self._follow(scope, counted, settled)
            await scope.flush()
        self._count(counted)

    async def _follow(self, scope: Scope, counted: Sequence[Result], settled: Mapping[str, Settled]) -> None:
        """Do what follows from results that counted, with them."""
        await put(scope.connection, self._effects(counted, scope.now))
        await receipts.expect(scope.connection, counted, scope.now)
        await self._publish(scope, counted, settled)
        if answered := [result.delivery.endpoint_id for result in counted if _answers_challenge(result)]:
            await proofs.prove(scope.connection, answered, scope.now)

    async def close(self) -> None:
        """Let go of its connection."""
        await self._line.close()

    def hasten(self) -> None:
        """The next tally is not waited for."""
        self._tallied_at = None

    async def tally(self) -> None:
        """Add what was counted to the endpoints' hours; called again and again, it does so every few seconds."""
        now = self._clock()
        if not self._tallies or (self._tallied_at is not None and abs(now - self._tallied_at) < _TALLY_EVERY):
            return
        self._tallied_at = now
        tallies, self._tallies = self._tallies, {}
        async with self._database.transaction() as connection:
            await log.tally(connection, list(tallies.values()))

    def _effects(self, results: Sequence[Result], now: datetime) -> list[OutboxRow]:
        rows = []
        for result in results:
            if result.verdict.state == "succeeded":
                row = self._channels[result.channel].effect(result.delivery, result.target, now)
                if row is not None:
                    rows.append(row)
        return rows

    async def _publish(self, scope: Scope, results: Sequence[Result], settled: Mapping[str, Settled]) -> None:
        """Programs' successes in one event, all others singly."""
        taken = []
        for result in results:
            after_it = settled[result.delivery.id]
            if result.verdict.state == "succeeded" and result.channel in MACHINES:
                taken.append(_taken(result, after_it))
                continue
            event = _event(result, after_it)
            if event is not None:
                trace = result.delivery.traceparent
                await scope.emit(event, subject=result.delivery.id, sequence=after_it.sequence, traceparent=trace)
        if taken:
            await scope.emit(said.DeliveriesSucceeded(deliveries=taken), subject=new_id(), sequence=1)

    async def _note(self, scope: Scope, news: Mapping[str, News], rows: Sequence[Endpoint]) -> None:
        limits = self._limits.on(scope.now)
        healths = {row.id: after(row.health, news[row.id], scope.now, self._chance(), limits) for row in rows}
        await endpoints.note_health(scope.connection, healths)
        over = [key for key, health in healths.items() if news[key].gone or outlived(health, scope.now, limits)]
        if over:
            for endpoint in await endpoints.disable(scope.connection, over, scope.now):
                await self._owners.disabled(scope, endpoint)

    def _count(self, results: Sequence[Result]) -> None:
        begins = ends = datetime.min.replace(tzinfo=UTC)
        for result in results:
            attempt = result.attempt
            if attempt.outcome == "expired":
                continue
            if not begins <= result.at < ends:  # those of one batch are nearly always of one hour
                begins = result.at.replace(minute=0, second=0, microsecond=0)
                ends = begins + _HOUR
            key = (result.delivery.endpoint_id, begins)
            tally = self._tallies.get(key)
            if tally is None:
                tally = self._tallies[key] = Tally(*key)
            if attempt.outcome == "taken":
                tally.succeeded += 1
            else:
                tally.failed += 1
            tally.total_ms += attempt.duration_ms
            tally.slowest_ms = max(tally.slowest_ms, attempt.duration_ms)


def _answers_challenge(result: Result) -> bool:
    """Whether a program has proven that its address is there to hear us: it took a signed challenge."""
    return result.delivery.event_type == CHALLENGE_TYPE and result.verdict.state == "succeeded"


async def _divided(
    connection: AsyncConnection, results: Sequence[Result], now: datetime
) -> tuple[Sequence[Result], Sequence[Delivery]]:
    """What may be taken over, and what was not sent because of an agreement that lets it out by now.

    Resuming an agreement sends again what had failed by then: what failed afterwards, by what a worker knew before,
    would never be sent. So agreements are held as they are until the transaction ends.
    """
    closed = [result.delivery for result in results if closed_by_agreement(result.attempt.reason)]
    if not closed:
        return results, ()
    bounds = await agreements.bounds_held(connection, {one.subscription_id for one in closed if one.subscription_id})
    open_again = [one for one in closed if _is_open(bounds.get(one.subscription_id or ""), now)]
    given_back = {one.id for one in open_again}
    return [result for result in results if result.delivery.id not in given_back], open_again


def _is_open(bounds: Bounds | None, now: datetime) -> bool:
    return bounds is None or bounds.closed(now) is None


def as_it_stands(result: Result, endpoint: Endpoint | None, now: datetime) -> Result:
    """What follows from an attempt, where its endpoint said that it is gone: it said so of what it was when it was sent
    to. Where it was switched off, paused or deleted since, or brought back, what it did not take waits like all that it
    has not been sent, and is sent when it is there again. The last attempt of the schedule is not the last where it was
    brought back since: its owner was sent again what had failed by then. In: the endpoint as it is now, locked."""
    if endpoint is None or result.verdict.state != "failed" or result.attempt.outcome == "expired":
        return result
    is_there = endpoint.state == "active"
    if is_there and endpoint.changed_at == result.target.active_since:
        return result
    if not is_there and result.attempt.outcome != "gone":
        return result
    return replace(result, verdict=Verdict("pending", now, result.attempt.reason))


def news_of(results: Sequence[Result], troubled: frozenset[str]) -> dict[str, News]:
    """What results say of each endpoint, only where that is news: a success of a healthy one is none."""
    found: dict[str, News] = {}
    for result in results:
        attempt, identifier = result.attempt, result.delivery.endpoint_id
        succeeded = attempt.outcome == "taken"
        if attempt.ours or attempt.outcome == "expired" or (succeeded and identifier not in troubled):
            continue
        if attempt.outcome == "gone" and result.verdict.state == "pending":  # of what it is no more
            continue
        known = found.get(identifier, News(0, 0))
        wait = attempt.retry_after if attempt.status in _BUSY else None
        found[identifier] = News(
            known.succeeded + succeeded,
            known.failed + (not succeeded),
            known.gone or attempt.outcome == "gone",
            max((item for item in (known.wait, wait) if item is not None), default=None),
        )
    for result in results:
        # One that fails now and then is not failing: what succeeded beside counts as well.
        identifier = result.delivery.endpoint_id
        if result.attempt.outcome == "taken" and identifier in found and identifier not in troubled:
            known = found[identifier]
            found[identifier] = News(known.succeeded + 1, known.failed, known.gone, known.wait)
    return found


def _told(now: datetime) -> OutboxRow:
    """The event of a batch that programs have taken; its data are made where the batch is settled."""
    identifier, model = new_id(), said.DeliveriesSucceeded
    event = Envelope(identifier, "/services/notify", model.TYPE, identifier, now, b"", sequence=1)
    return OutboxRow(own_topic(model), identifier, model.TYPE, None, event.texts(), identifier)


def _taken(result: Result, settled: Settled) -> said.TakenDelivery:
    delivery = result.delivery
    return said.TakenDelivery(
        delivery_id=delivery.id,
        endpoint_id=delivery.endpoint_id,
        channel=result.channel,
        event_type=delivery.event_type,
        case_id=delivery.case_id,
        attempts=settled.attempts,
    )


def _event(result: Result, settled: Settled) -> Contract | None:
    delivery = result.delivery
    facts = {
        "delivery_id": delivery.id,
        "subscription_id": delivery.subscription_id or delivery.endpoint_id,
        "channel": result.channel,
        "event_type": delivery.event_type,
        "case_id": delivery.case_id,
        "attempts": settled.attempts,
    }
    if result.verdict.state == "succeeded":
        return said.DeliverySucceeded.model_validate(facts)
    if result.verdict.state == "failed":
        return said.DeliveryFailed.model_validate({**facts, "reason": result.attempt.reason or "unknown"})
    return None
