"""What has to be done now and then: partitions are made and dropped, what expired or can never arrive is given up and
its owner told, replays go on.

It must never remove what still waits to be delivered to somebody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import structlog

from services.notify.desk.owners import Owners
from services.notify.domain import kept_since, longest_wait
from services.notify.store import endpoints, matters, order, partitions, proofs, replays, retention, unsaid
from services.notify.store.retention import GivenUp
from shared.database import Database
from shared.messaging.router import Scope
from shared.messaging.waiting import pause
from shared.reference.calendar import local_day
from shared.reference.delivering import Delivering
from shared.reference.notify_keeping import NotifyKeepingByDay

_LOG = structlog.get_logger(__name__)
_PORTION = 1000
_OFTEN_SECONDS = 2.0
_SELDOM_SECONDS = 60.0
_HOURLY_SECONDS = 3600.0
# Partitions are there so long before the first event needs them.
_AHEAD = timedelta(days=21)
# A replay waits while so much waits for its endpoint already.
MOST_WAITING = 5000


class Upkeep:
    """Keeps the tables from growing for ever, and what waits from being forgotten.

    Args:
        owners: hear of what never arrived. limits, keeping: how long what is kept.
        channels: those that this deployment has. people: accounts that there are.
    """

    def __init__(
        self,
        database: Database,
        owners: Owners,
        limits: Delivering,
        keeping: NotifyKeepingByDay,
        clock: Callable[[], datetime],
        *,
        channels: Collection[str],
        people: Callable[[], Collection[str]],
    ) -> None:
        self._database = database
        self._owners = owners
        self._limits = limits
        self._keeping = keeping
        self._clock = clock
        self._channels = channels
        self._people = people
        self._unblocked = False

    async def upkeep(self, stop: asyncio.Event) -> None:
        """Run until `stop`. A chore that fails costs the others nothing."""
        due: dict[Callable[[], Awaitable[object]], float] = {}
        chores = (
            (self.replay, _OFTEN_SECONDS),
            (self.unblock, _OFTEN_SECONDS),
            (self.give_up, _SELDOM_SECONDS),
            (self.forget, _HOURLY_SECONDS),
        )
        while not stop.is_set():
            for chore, every in chores:
                now = asyncio.get_running_loop().time()
                if now >= due.get(chore, now):
                    due[chore] = now + every
                    await self._try(chore)
            await pause(stop, _OFTEN_SECONDS)

    async def once(self) -> None:
        """Every chore, once."""
        for chore in (self.replay, self.unblock, self.give_up, self.forget):
            await chore()

    async def replay(self) -> None:
        """Go on with the periods that were asked for, as far as their endpoints take it."""
        now = self._clock()
        while True:
            async with self._database.transaction() as connection:
                going = await replays.unfinished(connection, MOST_WAITING)
            if not going:
                return
            for one in going:
                async with self._database.transaction() as connection:
                    held = await replays.held(connection, one, MOST_WAITING)
                    if held is not None:
                        await replays.go_on(connection, held, now, kept_since(now, self._limits.on(now)))
            # What is queued beside a portion waits for this, and a long period has many portions.
            await self.unblock()

    async def unblock(self) -> None:
        """Let those go that wait for nothing."""
        now = self._clock()
        # After a time off of ours it may have been long ago.
        since = now - (timedelta(minutes=10) if self._unblocked else timedelta(days=self._limits.on(now).keep_days * 2))
        async with self._database.transaction() as connection:
            await order.unblock(connection, since)
        self._unblocked = True

    async def give_up(self) -> None:
        """Fail what expired, and what waits for endpoints that are gone."""
        now = self._clock()
        async with self._database.transaction() as connection:
            await retention.believe_now(connection, now, urgent=True)
        limits, deleted_before = self._limits.on(now), now - self._keeping.on(now).undo
        off_before = now - timedelta(days=limits.give_up_after_days)
        for gone in (False, True):
            while True:
                async with self._database.transaction() as connection:
                    scope = Scope("notify", connection, now)
                    if gone:
                        lost = await retention.give_up(connection, deleted_before, off_before, now, _PORTION)
                    else:
                        lost = await retention.expire(connection, now, _PORTION)
                    await self._tell(scope, lost)
                    await scope.flush()
                if len(lost) < _PORTION:
                    break

    async def forget(self) -> None:
        """Make partitions ahead, drop old ones, forget old notices; believe no clock that was wrong."""
        now = self._clock()
        limits = self._limits.on(now)
        await self._give_up_unsendable(now)
        before = kept_since(now, limits)
        width = timedelta(days=limits.partition_days)
        at = before
        while at < now + _AHEAD:
            async with self._database.transaction() as connection:
                await partitions.ensure(connection, at, limits.partition_days)
            at += width
        await partitions.drop_before(self._database.engine, before)
        # What settled them stays as long as they do.
        for forget in (retention.forget_notices, matters.forget_settled):
            while True:
                async with self._database.transaction() as connection:
                    if await forget(connection, before, _PORTION) < _PORTION:
                        break
        beside = now - self._keeping.on(now).health
        async with self._database.transaction() as connection:
            await retention.believe_now(connection, now, urgent=False)
            await retention.forget_beside(connection, beside)
            await proofs.forget(connection, now)
            await unsaid.forget(connection, local_day(beside))
            await retention.believe_clock(connection, now + longest_wait(limits) * (1 + limits.jitter))

    async def _give_up_unsendable(self, now: datetime) -> None:
        off_before = now - timedelta(days=self._limits.on(now).give_up_after_days)
        while True:
            async with self._database.transaction() as connection:
                scope = Scope("notify", connection, now)
                lost = await retention.give_up_unsendable(
                    connection, self._channels, self._people(), off_before, now, _PORTION
                )
                await self._tell(scope, lost)
                await scope.flush()
            if len(lost) < _PORTION:
                return

    async def _tell(self, scope: Scope, lost: Sequence[GivenUp]) -> None:
        by_endpoint = sorted(lost, key=lambda one: one.endpoint_id)
        for identifier, ones in groupby(by_endpoint, key=lambda one: one.endpoint_id):
            endpoint = await endpoints.find(scope.connection, identifier)
            if endpoint is not None:
                await self._owners.given_up(scope, endpoint, list(ones))

    async def _try(self, chore: Callable[[], Awaitable[object]]) -> None:
        try:
            await chore()
        except Exception as error:
            _LOG.error("upkeep.failed", chore=getattr(chore, "__name__", ""), reason=type(error).__name__)
