"""The worker that delivers: leases what is due in batches, sends side by side, settles results in batches.

Any number of replicas may run. A worker that is killed loses nothing: its leases end, and others go on. It never holds
a transaction while it sends.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog

from services.notify.channels.base import Channel, notable
from services.notify.delivery.endpoints import Lanes
from services.notify.delivery.lanes import Held, Lane, share_out, slots_for
from services.notify.delivery.lines import Line
from services.notify.delivery.presence import Presence
from services.notify.delivery.settling import Settler
from services.notify.domain import SUCCEEDED, Attempt, ChannelName, verdict
from services.notify.domain.proving import CODE_TYPE, Codes
from services.notify.settings import NotifySettings
from services.notify.store import deliveries, waking
from services.notify.store.deliveries import Delivery, Result, Target
from shared.database import Database, is_passing
from shared.messaging.listening import listen
from shared.messaging.waiting import either, pause
from shared.reference.delivering import Delivering
from shared.telemetry import continued_span

_LOG = structlog.get_logger(__name__)
_POLL_SECONDS = 0.5
# Leases are not asked for more often: what comes in this time is leased together.
_BREATH_SECONDS = 0.005
_SETTLE_SECONDS = 0.008
_LEASE_BATCH = 1000
_STOP_SECONDS = 5.0
_EXPIRED = Attempt("expired", 0, reason="expired")
_INTERNAL = Attempt("again", 0, reason="internal", ours=True)


class Deliveries:
    """Delivers everything that is due until it is stopped.

    Args:
        channels: by name. settler: takes results over. lanes: of the endpoints that may be sent to.
        codes: of addresses that are to be proven. limits: the schedule. clock: now, aware UTC.
        chance: random numbers in 0..1.
    """

    def __init__(
        self,
        database: Database,
        channels: Mapping[ChannelName, Channel],
        settler: Settler,
        lanes: Lanes,
        codes: Codes,
        limits: Delivering,
        settings: NotifySettings,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._channels = channels
        self._settler = settler
        self._lanes = lanes
        self._codes = codes
        self._limits = limits
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._lasts = timedelta(seconds=settings.lease_seconds)
        self._presence = Presence(database)
        # A lease that a power cut undoes is given again, so nobody waits for the disk.
        self._line = Line(database, {"synchronous_commit": "off"})
        self._results: list[Result] = []
        self._unsettled = 0
        # What those wait for who may not send on before something of what was sent is settled.
        self._room: asyncio.Future[None] | None = None
        # Somebody does: what there is is settled at once.
        self._pressed = asyncio.Event()
        self._resting = False
        self._running: set[asyncio.Task[None]] = set()
        # What ended something that ran beside.
        self._broken: BaseException | None = None
        self._wake = asyncio.Event()
        # Lanes for which nothing more was due when they were last asked.
        self._dry: set[str] = set()
        # Of each channel whose slots all share, the lanes for which there was none, in their turn.
        self._turns: dict[ChannelName, deque[Lane]] = {name: deque() for name in channels}
        self._heard = True
        self._asked_at = float("-inf")

    async def deliver(self, stop: asyncio.Event) -> None:
        """Run until `stop`; what is running then is finished, what only waited is given back."""
        for channel in self._channels.values():
            await channel.open()
        finished = asyncio.Event()
        settling = self._watched(self._settle_until(finished))
        listening = self._watched(self._listen(stop))
        present = self._watched(self._presence.hold(stop))
        try:
            await self._presence.known(stop)
            while not stop.is_set():
                if self._broken is not None:
                    raise self._broken
                try:
                    busy = await self._turn()
                except Exception as error:
                    if not is_passing(error):
                        raise
                    _LOG.warning("deliveries.waiting", reason=type(error).__name__)
                    await pause(stop, 1.0)
                    continue
                if busy:
                    await pause(stop, _BREATH_SECONDS)
                else:
                    await either(self._wake, stop, self._lanes.opens_in(_POLL_SECONDS))
        finally:
            if settling.done():  # it broke, and what is on its way now is noted by another
                settling = self._watched(self._settle_until(finished))
            await self._finish()
            finished.set()
            self._pressed.set()
            await asyncio.wait((settling,))
            for task in (listening, present):
                task.cancel()
            # Before what is closed, which may fail.
            self._forget()
            await asyncio.wait((listening, present))
            async with AsyncExitStack() as closing:  # each is closed, though one before it fails
                for channel in self._channels.values():
                    closing.push_async_callback(channel.close)
                closing.push_async_callback(self._settler.close)
                closing.push_async_callback(self._line.close)

    def _watched(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Something that runs beside: where it breaks, the worker does, and whoever keeps it running starts all of it
        anew. Alone the rest would go on sending what nobody notes, until every slot is taken."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("deliveries.broken", reason=type(error).__name__)
            self._broken = self._broken or error
            self._wake.set()

    async def _turn(self) -> bool:
        """Lease once and start sending. Out: whether there may be more at once."""
        self._wake.clear()
        now = asyncio.get_running_loop().time()
        if await self._lanes.refresh():
            self._look_again()
        if now - self._asked_at > _POLL_SECONDS:
            self._look_again()  # attempts that became due tell nobody
        self._start_all()
        rooms = self._lanes.rooms(self._settings.leased_at_most, self._dry)
        if not rooms and not self._heard:
            return False
        self._asked_at, self._heard = now, False
        # Before they are asked for: what is heard of one meanwhile may have come too late for the answer.
        self._dry |= rooms.keys()
        found = await deliveries.lease(
            await self._line.get(), rooms, self._lanes.urgent(), _LEASE_BATCH, self._clock(), self._lasts
        )
        taken: dict[str, int] = {}
        for delivery in found:
            taken[delivery.endpoint_id] = taken.get(delivery.endpoint_id, 0) + 1
        full = len(found) >= _LEASE_BATCH
        self._dry -= {key for key, room in rooms.items() if full or taken.get(key, 0) >= room}
        self._lanes.hold(found, now + self._settings.lease_seconds - self._settings.timeout_seconds)
        self._start_all()
        return bool(found)

    def _start_all(self) -> None:
        """Start what may start. Each channel has its own slots, so that none waits for another; of a channel, quick
        lanes share some and slow ones have others, so that those only wait for themselves. What is not settled yet
        takes a slot too: a crash makes no more than that come twice."""
        now = asyncio.get_running_loop().time()
        for name, busy in self._lanes.busy(now).items():
            most = self._channels[name].at_once
            if most is not None:
                # What they all go through is one machine: fast or slow, they share its slots.
                share_out(busy.quick, most)
                share_out(busy.slow, most)
                lanes = sorted(busy.quick + busy.slow, key=lambda lane: not lane.pressing)
                self._turns[name] = self._start(lanes, most - busy.quick_running - busy.slow_running, now)
                continue
            slots = slots_for(busy.quick, self._settings.at_once)
            share_out(busy.quick, slots)
            self._start(busy.quick, slots - busy.quick_running - self._unsettled, now)
            share_out(busy.slow, self._settings.slow_at_once)
            self._start(busy.slow, self._settings.slow_at_once - busy.slow_running, now)

    def _start(self, lanes: list[Lane], free: int, now: float) -> deque[Lane]:
        """One of each lane in turn, until there is no slot or nothing to send. Out: those whose turn is next when a
        slot is free."""
        going = deque(lanes)
        while going and free > 0:
            lane = going.popleft()
            if lane.may_start(now):
                self._begin(lane, now)
                free -= 1
                going.append(lane)
        return going

    def _begin(self, lane: Lane, now: float) -> None:
        held = lane.waiting.popleft()
        lane.started[held.delivery.id] = now
        self._running.add(self._watched(self._drain(lane, held)))

    async def _drain(self, lane: Lane, first: Held) -> None:
        """Send one, and then, one after the other, whatever the slot is for next."""
        channel = self._channels[lane.channel]
        loop = asyncio.get_running_loop()
        held: Held | None = first
        while held is not None:
            delivery = held.delivery
            try:
                if loop.time() < held.until:
                    await self._one(channel, lane, delivery)
                else:
                    self._lanes.drop(delivery)  # nobody can be sure that it is not another's by now
            finally:
                del lane.started[delivery.id]
            held = None
            while self._unsettled >= self._settings.unsettled_at_most:
                if self._room is None or self._room.done():
                    self._room = loop.create_future()
                    self._pressed.set()
                await self._room
            now = loop.time()
            if (following := self._following(lane, now)) is not None:
                lane, held = following, following.waiting.popleft()
                lane.started[held.delivery.id] = now
        self._wake.set()

    def _following(self, lane: Lane, now: float) -> Lane | None:
        """Whose turn it is in the slot that a lane has had: another's that has waited for one, so that a long queue
        keeps nobody from being told, or its own. None: nobody's."""
        turns = self._turns[lane.channel]
        turns.append(lane)
        for _ in range(len(turns)):
            found = turns.popleft()
            if not found.stalled(now) and found.may_start(now):
                return found
        return None

    async def _one(self, channel: Channel, lane: Lane, delivery: Delivery) -> None:
        # What the answer speaks of, whatever the lane learns meanwhile.
        now, target = self._clock(), lane.target
        if (closed := self._lanes.closed(delivery.subscription_id, now)) is not None:
            attempt = Attempt("expired", 0, reason=closed)
        elif delivery.expires_at is not None and delivery.expires_at <= now:
            attempt = _EXPIRED
        else:
            attempt = notable(await self._attempt(channel, delivery, target, now))
            well = attempt.outcome == "taken" or attempt.ours
            lane.took(attempt.duration_ms / 1000, succeeded=well, gone=attempt.outcome == "gone")
        if attempt.outcome == "taken":
            follows = SUCCEEDED
        else:
            limits = self._limits.on(now)
            follows = verdict(attempt, delivery.attempts + 1, self._clock(), self._chance(), limits)
        self._results.append(Result(delivery, target, lane.channel, now, attempt, follows))
        if self._resting:
            self._pressed.set()
        self._unsettled += 1

    async def _attempt(self, channel: Channel, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        try:
            if delivery.event_type == CODE_TYPE:
                return await self._send_code(channel, delivery, target, now)
            if delivery.traceparent is None:
                return await channel.send(delivery, target, now)
            with continued_span(f"notify deliver {delivery.event_type}", delivery.traceparent):
                return await channel.send(delivery, target, now)
        except Exception as error:  # a fault of ours must not stop the others' deliveries
            _LOG.error("delivery.broken", delivery=delivery.id, reason=type(error).__name__)
            return _INTERNAL

    async def _send_code(self, channel: Channel, delivery: Delivery, target: Target, now: datetime) -> Attempt:
        """The code is made here, where it is sent: neither the queue nor the log has it, not even what an answer
        repeats of it."""
        document = orjson.loads(delivery.body)
        document["data"]["code"] = self._codes.code(delivery.endpoint_id, document["data"]["number"])
        sent = await channel.send(replace(delivery, body=orjson.dumps(document)), target, now)
        return replace(sent, response="")

    async def _settle_until(self, finished: asyncio.Event) -> None:
        while not (finished.is_set() and not self._results):
            results, self._results = self._results, []
            if results:
                await self._settle(results, finished)
            else:
                await self._tally()
            self._pressed.clear()  # who waits for room still says so again
            # What comes close together is noted together. While nothing comes nobody looks: the first says so. That it
            # is the end may have been said, and cleared, meanwhile.
            self._resting = not (results or self._results or finished.is_set())
            await pause(self._pressed, _POLL_SECONDS if self._resting else _SETTLE_SECONDS)
        self._settler.hasten()
        await self._tally()

    async def _settle(self, results: list[Result], give_up: asyncio.Event) -> None:
        delay = 0.1
        while True:
            try:
                changed = await self._settler.settle(results, self._lanes.troubled)
            except Exception as error:
                _LOG.error("deliveries.unsettled", reason=type(error).__name__, count=len(results))
                if give_up.is_set():
                    return  # sent but not noted: their leases end and they are sent again
                if not is_passing(error):
                    await self._settle_apart(results, give_up)
                    return
                await asyncio.sleep(delay)
                delay = min(delay * 2, 10)
            else:
                break
        self._make_room(len(results))
        self._lanes.settled(results)
        if changed:
            self._lanes.changed()
        if any(result.delivery.order_key is not None for result in results):
            self._dry -= {result.delivery.endpoint_id for result in results}
        self._wake.set()

    async def _settle_apart(self, results: list[Result], give_up: asyncio.Event) -> None:
        """One of them cannot be noted, and must not hold up the others: it is found by halves, and its attempt counts
        as one that failed on our side."""
        if len(results) > 1:
            middle = len(results) // 2
            await self._settle(results[:middle], give_up)
            await self._settle(results[middle:], give_up)
            return
        (result,) = results
        if result.attempt.reason == _INTERNAL.reason:
            # Not even that can be noted: its lease ends, and it is tried again.
            self._lanes.drop(result.delivery)
            self._make_room(1)
            return
        now = self._clock()
        follows = verdict(_INTERNAL, result.delivery.attempts + 1, now, self._chance(), self._limits.on(now))
        await self._settle([replace(result, attempt=_INTERNAL, verdict=follows)], give_up)

    def _make_room(self, count: int) -> None:
        """So many are settled, or given up: whoever waits for that sends on."""
        self._unsettled -= count
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _look_again(self) -> None:
        """There may be something due anywhere, and emergencies for those that have enough to do."""
        self._dry.clear()
        self._heard = True

    async def _tally(self) -> None:
        try:
            await self._settler.tally()
        except Exception as error:
            _LOG.warning("deliveries.uncounted", reason=type(error).__name__)

    async def _finish(self) -> None:
        unsent = self._lanes.let_go()
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
        if unsent:
            try:
                async with self._database.transaction() as connection:
                    await deliveries.give_back(connection, unsent)
            except Exception as error:
                _LOG.warning("deliveries.kept", reason=type(error).__name__, count=len(unsent))

    def _forget(self) -> None:
        """Whoever runs it again begins with nothing in memory: what was sent but could not be noted takes no slot for
        ever, and what was leased is leased again when its lease ends."""
        self._broken = None
        self._results.clear()
        self._unsettled = 0
        self._lanes.forget()
        self._look_again()

    async def _listen(self, stop: asyncio.Event) -> None:
        """Hear of new deliveries and changed endpoints; polling covers what is missed while this is away."""

        def heard(channel: str, _said: str | None) -> None:
            if channel == waking.CHANGED:
                self._lanes.changed()
            self._look_again()
            self._wake.set()

        await listen(self._database, [waking.WAKE, waking.CHANGED], heard, stop)
