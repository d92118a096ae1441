"""The lanes of the endpoints that may be sent to now: learnt from the database, filled by leases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.notify.delivery.lanes import Held, Lane, next_opening
from services.notify.domain import ChannelName, probing
from services.notify.settings import NotifySettings
from services.notify.signing import Vault, signer_of
from services.notify.store import agreements, deliveries, endpoints
from services.notify.store.agreements import Bounds
from services.notify.store.deliveries import Delivery, Result, Target
from services.notify.store.endpoints import Endpoint
from shared.database import Database
from shared.privacy.sealing import Unreadable
from shared.reference.delivering import Delivering, DeliveryLimits

_LOG = structlog.get_logger(__name__)
_REFRESH_SECONDS = 2.0
_REFRESH_WHEN_CHANGED = 0.1
_MOST_HELD = 1000


@dataclass(slots=True)
class Busy:
    """The lanes of one channel with something to send or on its way: quick ones, slow ones, and their requests."""

    quick: list[Lane] = field(default_factory=list)
    slow: list[Lane] = field(default_factory=list)
    quick_running: int = 0
    slow_running: int = 0


class Lanes:
    """Keeps a lane for each endpoint that may be sent to.

    Args:
        channels: those that this deployment has. vault: opens addresses and secrets. clock: now, aware UTC.
        people: accounts that there are; to whom has none any more nothing is sent.
    """

    def __init__(
        self,
        database: Database,
        channels: Collection[ChannelName],
        vault: Vault,
        limits: Delivering,
        settings: NotifySettings,
        clock: Callable[[], datetime],
        people: Callable[[], Collection[str]],
    ) -> None:
        self._database = database
        self._channels = channels
        self._vault = vault
        self._limits = limits
        self._settings = settings
        self._clock = clock
        self._people = people
        # Subscriptions within agreements that are not in force, or are about to begin or to end.
        self._bounds: dict[str, Bounds] = {}
        self._lanes: dict[str, Lane] = {}
        # Of endpoints that are sent to no more, as long as something of theirs is on its way.
        self._leaving: dict[str, Lane] = {}
        # Endpoints whose circuit this worker tries, and until when it is his to try (the loop's time).
        self._probes: dict[str, float] = {}
        # What is in memory until it is settled: a clock that jumps ends leases, but nothing is sent twice for that.
        self._in_memory: set[str] = set()
        # What was leased once more while it was in memory: that lease is given back when the first is done with, or it
        # would keep the delivery from everybody until it ends.
        self._once_more: dict[str, Delivery] = {}
        self._returned: list[Delivery] = []
        self._changed = True
        self._refreshed = float("-inf")
        self._turn = 0
        self.troubled: frozenset[str] = frozenset()
        # Of those, the ones that failed here after the database was last asked.
        self._failed: set[str] = set()

    def changed(self) -> None:
        """Some endpoint is not as it was."""
        self._changed = True

    async def refresh(self) -> bool:
        """Learn which endpoints may be sent to, when one changed and every few seconds. Out: whether it did."""
        loop_time = asyncio.get_running_loop().time()
        age = loop_time - self._refreshed
        if age < (_REFRESH_WHEN_CHANGED if self._changed else _REFRESH_SECONDS):
            return False
        self._changed, self._refreshed = False, loop_time
        tries_for = self._settings.lease_seconds
        now = self._clock()
        self._failed.clear()
        async with self._database.transaction() as connection:
            rows = [row for row in await endpoints.sendable(connection, now) if self._is_there(row)]
            self._bounds = await agreements.bounds(connection, now)
            tried = []
            for row in await endpoints.tripped(connection, now):
                half_open = probing(row.health, now, timedelta(seconds=tries_for))
                if half_open is not None and row.channel in self._channels and self._is_there(row):
                    tried.append((row, half_open))
            if tried:
                await endpoints.note_health(connection, {row.id: health for row, health in tried})
        self._probes = {key: until for key, until in self._probes.items() if until > loop_time}
        self._probes |= {row.id: loop_time + tries_for for row, _ in tried}
        for delivery in self._take(rows, [row for row, _ in tried]) + self._spared(loop_time):
            self._returned.append(self._once_more.pop(delivery.id, delivery))
        if returned := self._returned.copy():
            async with self._database.transaction() as connection:
                await deliveries.give_back(connection, returned)
            del self._returned[: len(returned)]  # and not what came meanwhile
        return True

    def closed(self, subscription_id: str | None, now: datetime) -> str | None:
        """Why nothing may be sent now for a subscription's sake: its agreement is not in force, however the delivery
        came to wait. None: it may."""
        bounds = self._bounds.get(subscription_id or "")
        return None if bounds is None else bounds.closed(now)

    def _is_there(self, row: Endpoint) -> bool:
        return row.person is None or row.person in self._people()

    def _take(self, rows: Sequence[Endpoint], tried: Sequence[Endpoint]) -> list[Delivery]:
        """Have a lane for each of these only. Out: what the others had in memory."""
        known = self._leaving | self._lanes
        limits = self._limits.on(self._clock())
        fresh = {row.id: self._lane(row, known.get(row.id), limits) for row in rows if row.channel in self._channels}
        for row in tried:
            fresh[row.id] = self._lane(row, known.get(row.id), limits)
            fresh[row.id].probes = 1
        for key in self._probes:
            if key not in fresh and key in known:
                fresh[key] = known[key]
        self._lanes = fresh
        self._leaving = {key: lane for key, lane in known.items() if key not in fresh and lane.running}
        left = []
        for key, lane in known.items():
            if key not in fresh:
                left += [held.delivery for held in lane.waiting]
                lane.waiting.clear()
        self._in_memory -= {delivery.id for delivery in left}
        sick = {row.id for row in rows if row.failures or row.retry_at is not None}
        self.troubled = frozenset(sick | set(self._probes) | self._failed)
        return left

    def _spared(self, now: float) -> list[Delivery]:
        """What endpoints that answer no more, or slowly by now, do not need in memory."""
        spared = [delivery for lane in self._lanes.values() for delivery in lane.spare(now)]
        self._in_memory -= {delivery.id for delivery in spared}
        return spared

    def _lane(self, row: Endpoint, known: Lane | None, limits: DeliveryLimits) -> Lane:
        sealed = [row.target, (row.language, row.plain_sms, row.changed_at), row.secret]
        if row.old_secret is not None and row.old_secret_until and row.old_secret_until > self._clock():
            sealed.append(row.old_secret)
        lane = known
        if lane is None:
            lane = Lane(self._target(row, sealed[2:]), row.channel, at_once=1, sealed=sealed)
        elif lane.sealed != sealed:  # opening a seal is dear, and few of them change
            lane.target, lane.sealed = self._target(row, sealed[2:]), sealed
        lane.at_once = row.at_once or limits.at_once
        lane.per_second = row.per_second or limits.per_second
        lane.failures = row.failures
        lane.patience = limits.open_after
        lane.probes = None
        return lane

    def _target(self, row: Endpoint, secrets: list[Any]) -> Target:
        try:
            signers = tuple(signer_of(self._vault.open(secret)) for secret in secrets if secret is not None)
            address = self._vault.open(row.target)
            return Target(row.id, address, signers, row.language, row.org, row.changed_at, row.plain_sms)
        except (Unreadable, ValueError):
            # Sealed under another key than ours: every attempt fails visibly until that is mended.
            _LOG.error("endpoint.unreadable", endpoint=row.id)
            return Target(row.id, "", (), row.language, row.org, row.changed_at)

    def rooms(self, most: int, dry: Collection[str]) -> dict[str, int]:
        """How many more each endpoint may have leased. In: `most` in memory; `dry`, endpoints not worth asking for."""
        left, now = most - len(self._in_memory), asyncio.get_running_loop().time()
        rooms: dict[str, int] = {}
        # Who holds least goes first, so that a full memory never starves the quiet ones.
        for identifier, lane in sorted(self._lanes.items(), key=lambda item: item[1].held):
            room = 0 if identifier in dry else min(lane.room(now), left)
            if room > 0:
                rooms[identifier] = room
                left -= room
        return rooms

    def urgent(self) -> list[str]:
        """Endpoints that may have emergencies leased, however much else they hold."""
        return [key for key, lane in self._lanes.items() if lane.probes is None and lane.held < _MOST_HELD]

    def hold(self, found: Sequence[Delivery], until: float) -> None:
        """Take leased deliveries into memory."""
        for delivery in found:
            lane = self._lanes.get(delivery.endpoint_id)
            if delivery.id in self._in_memory:
                self._once_more[delivery.id] = delivery
                continue
            if lane is None:
                continue
            self._in_memory.add(delivery.id)
            lane.wait(Held(delivery, until))

    def drop(self, delivery: Delivery) -> None:
        """Forget one that was not attempted, for its lease may have ended."""
        self._done_with(delivery)

    def settled(self, results: Sequence[Result]) -> None:
        """Forget what is settled, and which circuits have been tried by it. Who failed is troubled from now on: their
        next success is news, however soon it comes."""
        for result in results:
            self._done_with(result.delivery)
            self._probes.pop(result.delivery.endpoint_id, None)
            if result.attempt.outcome != "taken":
                self._failed.add(result.delivery.endpoint_id)
        self.troubled |= self._failed

    def _done_with(self, delivery: Delivery) -> None:
        self._in_memory.discard(delivery.id)
        if (once_more := self._once_more.pop(delivery.id, None)) is not None:
            self._returned.append(once_more)
            self._changed = True

    def busy(self, now: float) -> dict[ChannelName, Busy]:
        """What each channel has to do; every time another lane is first."""
        found: dict[ChannelName, Busy] = {name: Busy() for name in self._channels}
        for lane in (*self._lanes.values(), *self._leaving.values()):
            if not lane.held:
                continue
            channel = found[lane.channel]
            if lane.slow or lane.stalled(now):
                channel.slow.append(lane)
                channel.slow_running += lane.running
            else:
                channel.quick.append(lane)
                channel.quick_running += lane.running
        self._turn += 1
        for channel in found.values():
            channel.quick, channel.slow = self._turned(channel.quick), self._turned(channel.slow)
        return found

    def _turned(self, lanes: list[Lane]) -> list[Lane]:
        first = self._turn % max(1, len(lanes))
        return lanes[first:] + lanes[:first]

    def opens_in(self, longest: float) -> float:
        """In how many seconds a rate lets something through, or it may be learnt what changed; `longest` where neither
        is sooner."""
        now = asyncio.get_running_loop().time()
        if self._changed:
            longest = min(longest, max(0.0, self._refreshed + _REFRESH_WHEN_CHANGED - now))
        return next_opening(self._lanes.values(), now, longest)

    def let_go(self) -> list[Delivery]:
        """Empty the lanes. Out: what was not attempted."""
        unsent = []
        for lane in (self._lanes | self._leaving).values():
            unsent += [self._once_more.pop(held.delivery.id, held.delivery) for held in lane.waiting]
            lane.waiting.clear()
        return unsent

    def forget(self) -> None:
        """Nothing is in memory any more, whatever became of it."""
        self._in_memory.clear()
        self._once_more.clear()
        self._returned.clear()
        self._probes.clear()
        self.changed()
