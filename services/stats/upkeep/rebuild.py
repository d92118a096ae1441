"""Counts everything anew in tables beside the live ones, says what differs, and swaps them in one transaction.

Live figures are served and counted all the while. A rebuild that dies leaves them as they are, and is begun again by
whoever lives: its tables are nobody's until the swap. It must never pass over a record that the live figures hold, nor
swap before it holds them all. Where Kafka has let go of the first events it begins with the last snapshot, and counts
what came since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.handlers.counting import TOPICS, Counting
from services.stats.handlers.gathering import Gathering, UnstorableError
from services.stats.handlers.recording import TOPICS as HISTORY_TOPICS
from services.stats.handlers.recording import Recording
from services.stats.store import rebuilds, shadow, snapshots
from services.stats.store.chronicle import HISTORY_PROGRESS, RECORDED, Chronicle
from services.stats.store.cube import COUNTED, LIVE, PROGRESS, Ledger
from services.stats.store.locks import Lock
from services.stats.store.reached import Partition, reached
from services.stats.store.shadow import SHADOW
from services.stats.upkeep.progress import committed, partitions_of
from services.stats.upkeep.replaying import Counts, Replay
from shared.database import Database, is_passing
from shared.messaging.kafka import client_options
from shared.messaging.router import Clock
from shared.messaging.waiting import pause
from shared.privacy import Keys
from shared.settings import Settings

_LOG = structlog.get_logger(__name__)
_BATCH: Final = 4000
_STATE_SECONDS: Final = 0.5
# Live counting waits no longer than this for a swap; one that needs longer lets go and catches up first.
_SWAP_SECONDS: Final = 5.0
# One that dies is begun again so many times in all: whatever kills it may kill all else, too.
_TRIES: Final = 3
_PATIENCE: Final = timedelta(days=1)


class RebuildError(Exception):
    """A rebuild cannot go on; its reason is a word for operators. The live figures are as they were."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StoppedError(Exception):
    """Whoever rebuilds was told to stop, or another one is at it by now: it says nothing more of it."""


class Rebuild:
    """Rebuilds on demand, one at a time however many replicas there are.

    Args:
        database: statistics' own. keys: for `Counting`. settings: where Kafka is. clock: now, aware UTC.
    """

    def __init__(self, database: Database, keys: Keys, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self.asked = asyncio.Event()
        self.batch = _BATCH
        # The one that is under way here.
        self._mine: rebuilds.Which | None = None

    async def start(self, *, asks: bool = False) -> dict[str, Any]:
        """Ask for a rebuild. Out: the state, `running` from now on. `asks`: where figures differ, wait for an answer
        before they are swapped."""
        async with self._database.transaction() as connection:
            if not await rebuilds.somebody_rebuilds(connection):
                await rebuilds.ask(connection, self._clock(), asks=asks)
        self.asked.set()
        return await self.state()

    async def answer(self, word: str) -> dict[str, Any]:
        """Say what becomes of one that waits: `swap` or `drop`. Out: the state."""
        async with self._database.transaction() as connection:
            await rebuilds.answer(connection, word)
        return await self.state()

    async def state(self) -> dict[str, Any]:
        """`state` (idle, running, waiting for an answer, done, failed), `done` of `total` records (each is counted both
        ways), `differences` that it, or the last one, found."""
        async with self._database.transaction() as connection:
            row = await rebuilds.standing(connection)
            alive = await rebuilds.somebody_rebuilds(connection)
        if row is None:
            return {"state": "idle", "done": 0, "total": 0, "differing": 0, "differences": []}
        state, reason = row.state, row.reason
        if state in rebuilds.UNDER_WAY and not alive and row.tries >= _TRIES:
            state, reason = "failed", "interrupted"
        elif state == "asked" or (state == "waiting" and not alive):
            state = "running"
        return {
            "state": state,
            "done": row.done,
            "total": row.total,
            "reason": reason,
            "differing": row.differing,
            "differences": row.differences,
            "started_at": row.started_at.isoformat(),
            "finished_at": row.finished_at and row.finished_at.isoformat(),
        }

    async def run(self, stop: asyncio.Event) -> bool:
        """Rebuild now. Out: whether it swapped; False too where another replica is at it."""
        async with self._database.alone(Lock.REBUILDING) as mine:
            if not mine or not await self.is_asked():
                return False
            self._mine = None
            try:
                try:
                    await self._count_and_swap(stop)
                except UnstorableError:
                    # The live figures passed over the record that says it: it is found where each batch is at hand.
                    await self._count_and_swap(stop, gathers=False)
            except StoppedError:
                return False
            except RebuildError as error:
                await self._fail(error.reason)
                return False
            except Exception as error:  # in whichever library's words; the live figures are untouched
                _LOG.error("rebuild.failed", reason=type(error).__name__)
                if is_passing(error) or isinstance(error, KafkaError):
                    # Begun again, as one that died.
                    return False
                await self._fail(type(error).__name__)
                return False
            return True

    async def _count_and_swap(self, stop: asyncio.Event, *, gathers: bool = True) -> None:
        """The board's figures, then history's; compared, and swapped together. `gathers`: as `Gathering` does it."""
        await self._begin()
        parts = (self._database, self._keys, self._clock)
        ledger = Ledger(SHADOW, collecting=True)
        counting = Counting(*parts, ledger=ledger, buries=False)
        gathering = Gathering(self._database, self._clock, counting, self._hold)
        chronicle = Chronicle(SHADOW, collecting=True)
        recording = Recording(*parts, chronicle=chronicle, buries=False)
        async with AsyncExitStack() as stack:
            board = await self._lane(stack, TOPICS, COUNTED, PROGRESS.name, gathering if gathers else counting)
            history = await self._lane(stack, HISTORY_TOPICS, RECORDED, HISTORY_PROGRESS.name, recording)
            lanes = (board, history)
            async with self._database.transaction() as connection:
                await counting.cells.learn(connection)
            for lane, sums in ((board, gathering if gathers else ledger), (history, chronicle)):
                await self._catch_up(lane, lanes, stop)
                async with self._database.transaction() as connection:
                    await sums.derive(connection)
                    # Not before: it takes minutes, and whoever asks for another one would wait for them.
                    await self._hold(connection)
            await self._report(lanes, stop)
            while not await self._swap(lanes):
                await self._unless_stopped(stop)
                await self._catch_up_all(lanes, stop)
        _LOG.info("rebuild.done", records=sum(lane.replay.done for lane in lanes))

    async def _begin(self) -> None:
        """Make empty tables."""
        async with self._database.transaction() as connection:
            self._mine = await rebuilds.begin(connection)
            await shadow.make(connection, [*COUNTED, *RECORDED])

    async def _hold(self, connection: AsyncConnection) -> None:
        """To the end of the transaction nobody begins another one. Raises `StoppedError` where somebody did already:
        whoever lost the lock with its connection would write into that one's tables, and speak for it."""
        if self._mine is not None and await rebuilds.which(connection) != self._mine:
            raise StoppedError

    async def _unless_stopped(self, stop: asyncio.Event) -> None:
        """Raises `StoppedError` once told to: it goes on in another replica, or when this one is there again."""
        if stop.is_set():
            async with self._database.transaction() as connection:
                await self._hold(connection)
                await rebuilds.put_back(connection)
            raise StoppedError

    async def _lane(
        self, stack: AsyncExitStack, topics: Sequence[str], tables: Sequence[Table], progress: str, counts: Counts
    ) -> _Lane:
        """One way of counting anew, at its beginning. Raises `RebuildError` where Kafka has let go of events that no
        snapshot holds, or lost the last ones: what only the live figures still know would be lost."""
        consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=4 * 1024 * 1024,
        )
        await consumer.start()
        stack.push_async_callback(consumer.stop)
        partitions = await partitions_of(self._settings, topics)
        consumer.assign(partitions)
        replay = Replay(consumer, partitions, counts, self._settings.topic_prefix, self.batch)
        # What was taken over before a database was put back from an older copy is not in it.
        group = "stats" if progress == PROGRESS.name else "stats-history"
        lane = _Lane(replay, progress, await committed(self._settings, group, partitions))
        whole = await replay.begin()
        async with self._database.transaction() as connection:
            if not await replay.holds(await lane.targets(connection)):
                raise RebuildError("topics-incomplete")
            if not whole:
                if not replay.go_on(await snapshots.next_offsets(connection, progress)):
                    raise RebuildError("history-incomplete")
                try:
                    await snapshots.restore(connection, SHADOW, tables)
                except snapshots.DamagedError:
                    raise RebuildError("snapshot-damaged") from None
        return lane

    async def _catch_up(self, lane: _Lane, lanes: Sequence[_Lane], stop: asyncio.Event) -> None:
        """Count until nothing that the live figures hold is missing, following them as they go on."""
        said_at = float("-inf")
        targets: Mapping[Partition, int] = {}
        loop = asyncio.get_running_loop()
        while True:
            reached = lane.replay.reached(targets)
            if reached or loop.time() - said_at > _STATE_SECONDS:
                said_at = loop.time()
                async with self._database.transaction() as connection:
                    targets = await lane.targets(connection)
                reached = lane.replay.reached(targets)
                lane.total = lane.replay.total(targets)
                ahead = sum(lane.total for other in lanes if not other.total)
                total = ahead + sum(other.total for other in lanes)
                async with self._database.transaction() as connection:
                    await self._hold(connection)
                    await rebuilds.count(connection, sum(other.replay.done for other in lanes), total)
            if reached:
                return
            await self._unless_stopped(stop)
            await lane.replay.advance(targets)

    async def _catch_up_all(self, lanes: Sequence[_Lane], stop: asyncio.Event) -> None:
        for lane in lanes:
            await self._catch_up(lane, lanes, stop)

    async def _report(self, lanes: Sequence[_Lane], stop: asyncio.Event) -> None:
        """Say what differs, and wait for an answer where one was asked for. Raises `RebuildError` where it is no."""
        await self._catch_up_all(lanes, stop)
        async with self._database.transaction() as connection:
            await shadow.copy_figures(connection)
            ends = [await lane.targets(connection) for lane in lanes]
        for lane, targets in zip(lanes, ends, strict=True):
            while not lane.replay.reached(targets):
                await lane.replay.advance(targets)
        async with self._database.transaction() as connection:
            found = await shadow.compare(connection)
            await self._hold(connection)
            waiting = await rebuilds.report(connection, *found)
        until = self._clock() + _PATIENCE
        while waiting:
            await self._catch_up_all(lanes, stop)
            async with self._database.transaction() as connection:
                known = await rebuilds.standing(connection)
            answer = "" if known is None else known.answer
            if answer == "drop" or self._clock() > until:
                async with self._database.transaction() as connection:
                    await self._hold(connection)
                    await shadow.drop(connection)
                raise RebuildError("dropped" if answer else "not-answered")
            waiting = answer != "swap"
            if waiting:
                await self._unless_stopped(stop)
                await pause(stop, _STATE_SECONDS)

    async def _swap(self, lanes: Sequence[_Lane]) -> bool:
        """Stop live counting for a moment, count its last records, swap. False: it took too long; go on."""
        tables = [*COUNTED, *RECORDED]
        try:
            async with asyncio.timeout(_SWAP_SECONDS), self._database.transaction() as connection:
                await self._hold(connection)
                await shadow.hold(connection, tables)
                for lane in lanes:
                    targets = await lane.targets(connection)
                    while not lane.replay.reached(targets):
                        await lane.replay.advance(targets)
                await shadow.swap(connection, tables)
                await rebuilds.finish(connection, sum(lane.replay.done for lane in lanes), self._clock())
        except (TimeoutError, DBAPIError) as error:
            _LOG.warning("rebuild.swap.later", reason=type(error).__name__)
            await asyncio.sleep(0.2)
            return False
        return True

    async def wanted(self) -> rebuilds.Which | None:
        """The one that is asked for, where nobody is at it and it is not given up."""
        async with self._database.transaction() as connection:
            if await rebuilds.somebody_rebuilds(connection):
                return None
            known = await rebuilds.standing(connection)
        return rebuilds.Which(known.started_at, known.tries) if known is not None and _goes_on(known) else None

    async def count_broken(self, known: rebuilds.Which) -> None:
        """The process that was to go on with it ended by itself: where it had not begun yet, that counts as a try, so
        that what never can begin is given up and said to be."""
        async with self._database.transaction() as connection:
            await rebuilds.broke(connection, known)

    async def is_asked(self) -> bool:
        """Whether one is asked for that is not given up."""
        async with self._database.transaction() as connection:
            known = await rebuilds.standing(connection)
        return known is not None and _goes_on(known)

    async def _fail(self, reason: str) -> None:
        with suppress(StoppedError):
            async with self._database.transaction() as connection:
                await self._hold(connection)
                await rebuilds.fail(connection, reason, self._clock())


def _goes_on(known: rebuilds.Standing) -> bool:
    """Whether it is asked for, and not given up."""
    return known.state in rebuilds.UNDER_WAY and known.tries < _TRIES


@dataclass(slots=True)
class _Lane:
    """One way of counting: what reads it anew, the live table that says how far it is, and what was once taken over.
    `total`: how many records it is."""

    replay: Replay
    progress: str
    committed: Mapping[Partition, int]
    total: int = 0

    async def targets(self, connection: AsyncConnection) -> Mapping[Partition, int]:
        """The last offset that counts, by partition."""
        held = {at: offset for at, (offset, _) in (await reached(connection, f"{LIVE}.{self.progress}")).items()}
        return {at: max(held.get(at, -1), self.committed.get(at, -1)) for at in held.keys() | self.committed.keys()}
