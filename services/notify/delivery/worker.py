"""The worker that delivers: leases what is due in batches, sends side by side, settles results in batches.

Any number of replicas may run. A worker that is killed loses nothing: its leases end, and others go on. It never holds
a transaction while it sends.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.notify.channels.base import Channel
from services.notify.delivery.lanes import Lane
from services.notify.delivery.settling import Settler
from services.notify.domain import ChannelName, Sent, verdict
from services.notify.settings import NotifySettings
from services.notify.signing import Vault, key_of
from services.notify.store import deliveries, subscriptions, waking
from services.notify.store.deliveries import Leased, Result, Target
from services.notify.store.subscriptions import Subscription
from shared.database import Database, is_passing
from shared.messaging.listening import listen
from shared.messaging.waiting import either, pause
from shared.privacy.sealing import Unreadable
from shared.telemetry import continued_span

_LOG = structlog.get_logger(__name__)
_POLL_SECONDS = 0.5
_REFRESH_SECONDS = 2.0
_REFRESH_WHEN_CHANGED = 0.1
_SETTLE_SECONDS = 0.02
_LEASE_BATCH = 1000
_STOP_SECONDS = 5.0


class Deliveries:
    """Delivers everything that is due until it is stopped.

    Args:
        channels: by name. settler: takes results over. clock: now, aware UTC. chance: random numbers in 0..1.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[ChannelName, Channel],
        settler: Settler,
        vault: Vault,
        settings: NotifySettings,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._channels = channels
        self._settler = settler
        self._vault = vault
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._lanes: dict[str, Lane] = {}
        self._idle_lanes: dict[str, Lane] = {}
        self._results: list[Result] = []
        self._running: set[asyncio.Task[None]] = set()
        self._held = 0
        self._wake = asyncio.Event()
        self._changed = True
        self._refreshed = float("-inf")

    async def deliver(self, stop: asyncio.Event) -> None:
        """Run until `stop`; what is running then is finished, what only waited is given back."""
        for channel in self._channels.values():
            await channel.open()
        finished = asyncio.Event()
        settling = asyncio.create_task(self._settle_until(finished))
        listening = asyncio.create_task(self._listen(stop))
        try:
            while not stop.is_set():
                try:
                    busy = await self._turn()
                except Exception as error:
                    if not is_passing(error):
                        raise
                    _LOG.warning("deliveries.waiting", reason=type(error).__name__)
                    await pause(stop, 1.0)
                    continue
                if not busy:
                    await either(self._wake, stop, _POLL_SECONDS)
        finally:
            await self._finish()
            finished.set()
            await settling
            listening.cancel()
            for channel in self._channels.values():
                await channel.close()

    async def _turn(self) -> bool:
        """Lease once and start sending. Out: whether there may be more at once."""
        self._wake.clear()
        await self._refresh()
        self._start_all()
        rooms = self._rooms()
        if not rooms:
            return False
        now = self._clock()
        until = now + timedelta(seconds=self._settings.lease_seconds)
        async with self._database.transaction() as connection:
            most = min(self._settings.leased_at_most - self._held, _LEASE_BATCH)
            jobs = await deliveries.lease(connection, rooms, most, now, until)
        for job in jobs:
            self._lanes[job.subscription_id].waiting.append(job)
        self._held += len(jobs)
        self._start_all()
        return bool(jobs)

    def _rooms(self) -> dict[str, int]:
        if self._held >= self._settings.leased_at_most:
            return {}
        # Who holds least goes first, so that a full memory never starves the quiet ones.
        lanes = sorted(self._lanes.items(), key=lambda item: item[1].held)
        return {identifier: lane.room for identifier, lane in lanes if lane.room}

    def _start_all(self) -> None:
        for lane in self._lanes.values():
            for _ in range(min(lane.limit - lane.running, len(lane.waiting))):
                if len(self._running) >= self._settings.at_once:
                    return
                lane.running += 1
                task = asyncio.create_task(self._drain(lane))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _drain(self, lane: Lane) -> None:
        """Send what waits in the lane, one after the other."""
        margin = timedelta(seconds=self._settings.timeout_seconds)
        channel = self._channels[lane.channel]
        try:
            while lane.waiting and lane.running <= lane.limit:
                job = lane.waiting.popleft()
                self._held -= 1
                if lane.room:
                    self._wake.set()
                now = self._clock()
                if now >= job.until - margin:
                    # Too late to be sure that nobody else has it: its lease ends by itself.
                    continue
                sent = await self._attempt(channel, job, lane.target, now)
                lane.took(sent.duration_ms / 1000)
                decided = verdict(sent, job.attempts + 1, self._clock(), self._chance())
                self._results.append(Result(job, lane.target, lane.channel, lane.failing, now, sent, decided))
        finally:
            lane.running -= 1
            self._wake.set()

    async def _attempt(self, channel: Channel, job: Leased, target: Target, now: datetime) -> Sent:
        try:
            with continued_span(f"notify deliver {job.event_type}", job.traceparent):
                return await channel.send(job, target, now)
        except Exception as error:  # a fault of ours must not stop the others' deliveries
            _LOG.error("delivery.broken", delivery=job.id, reason=type(error).__name__)
            return Sent("again", 0, reason="internal")

    async def _refresh(self) -> None:
        """Learn which subscriptions may be sent to, when one changed and every few seconds."""
        loop_time = asyncio.get_running_loop().time()
        age = loop_time - self._refreshed
        if age < (_REFRESH_WHEN_CHANGED if self._changed else _REFRESH_SECONDS):
            return
        self._changed, self._refreshed = False, loop_time
        async with self._database.transaction() as connection:
            rows = await subscriptions.sendable(connection, self._clock())
        known = self._idle_lanes | self._lanes
        self._lanes = {row.id: self._lane(row, known.get(row.id)) for row in rows if row.channel in self._channels}
        # A lane that is paused keeps its count of what still runs.
        self._idle_lanes = {key: lane for key, lane in known.items() if key not in self._lanes and lane.running}
        for key, lane in known.items():
            if key not in self._lanes:
                self._held -= len(lane.waiting)
                lane.waiting.clear()  # their leases end by themselves, and by then the endpoint may be back

    def _lane(self, row: Subscription, known: Lane | None) -> Lane:
        sealed = [row.target, row.language, row.secret]
        if row.old_secret is not None and row.old_secret_until and row.old_secret_until > self._clock():
            sealed.append(row.old_secret)
        if known is None:
            target = self._target(row, sealed[2:])
            return Lane(target, row.channel, row.failing_since is not None, self._settings.per_endpoint, sealed)
        if known.sealed != sealed:  # opening a seal is dear, and few of them change
            known.target, known.sealed = self._target(row, sealed[2:]), sealed
        known.failing = row.failing_since is not None
        return known

    def _target(self, row: Subscription, secrets: list[Any]) -> Target:
        try:
            keys = tuple(key_of(self._vault.open(secret)) for secret in secrets if secret is not None)
            return Target(row.id, self._vault.open(row.target), keys, row.language, row.org)
        except Unreadable:
            # Sealed under another key than ours: every try fails visibly until that is mended.
            _LOG.error("endpoint.unreadable", subscription=row.id)
            return Target(row.id, "", (), row.language, row.org)

    async def _settle_until(self, finished: asyncio.Event) -> None:
        while not (finished.is_set() and not self._results):
            results, self._results = self._results, []
            if results:
                await self._settle(results, give_up=finished)
            else:
                await pause(finished, _SETTLE_SECONDS)

    async def _settle(self, results: list[Result], give_up: asyncio.Event) -> None:
        delay = 0.1
        while True:
            try:
                changed = await self._settler.settle(results)
            except Exception as error:
                _LOG.error("deliveries.unsettled", reason=type(error).__name__, count=len(results))
                if give_up.is_set():
                    return  # sent but not noted: their leases end and they are sent again
                await asyncio.sleep(delay)
                delay = min(delay * 2, 10)
            else:
                self._changed = self._changed or changed
                self._wake.set()
                return

    async def _finish(self) -> None:
        unsent = [job for lane in (self._lanes | self._idle_lanes).values() for job in lane.waiting]
        for lane in (self._lanes | self._idle_lanes).values():
            lane.waiting.clear()
        self._held = 0
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
        if unsent:
            try:
                async with self._database.transaction() as connection:
                    await deliveries.give_back(connection, unsent, self._clock())
            except Exception as error:
                _LOG.warning("deliveries.kept", reason=type(error).__name__, count=len(unsent))

    async def _listen(self, stop: asyncio.Event) -> None:
        """Hear of new deliveries and changed subscriptions; polling covers what is missed while this is away."""

        def heard(channel: str, _said: str | None) -> None:
            self._changed = self._changed or channel == waking.CHANGED
            self._wake.set()

        await listen(self._database, [waking.WAKE, waking.CHANGED], heard, stop)
