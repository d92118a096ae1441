"""History's lane: the events that the board counts, kept as versions with the moment of each.

It reads the same topics in a consumer group of its own, so that nothing here makes the board wait. Idempotent by
sequence: duplicates, any order, rebalances and crashes between the commit and the offset change nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.measures import Figure, HistoryCell, Version, reported_once, said_once
from services.stats.handlers import counting
from services.stats.handlers.counting import Batch
from services.stats.handlers.lane import BatchOfRecords, Broken, Lane
from services.stats.handlers.versions import versions_of
from services.stats.store.chronicle import Chronicle, HistoryCells
from services.stats.store.cube import Position
from shared.contracts.errors import Rejected
from shared.database import Database
from shared.messaging.router import OWN_TOPIC, Clock
from shared.privacy import Keys

# A batch of the board's that says that it is catching up, and for how long after it history waits.
_MANY: Final = 500
_BUSY_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 20.0
# Whoever looks at history does not look for the last half second.
GATHERS_SECONDS: Final = 0.5
# Of statistics' own topic what agencies told: activities and figures.
TOPICS: Final = (*counting.TOPICS, OWN_TOPIC["stats"])


class Pace:
    """Lets history wait while the board catches up, so that it never slows it: both share processors and disks."""

    def __init__(self) -> None:
        self._under_way = 0
        self._busy_until = float("-inf")
        self._beside_the_board = False

    def watched(self, handle: Callable[[Batch], Awaitable[None]]) -> Callable[[Batch], Awaitable[None]]:
        """The board's handling of a batch, of which is noted when it has much to do."""
        # What waits when both begin is the board's to count first; of that it has not said anything yet.
        self._beside_the_board = True

        async def handling(batch: Batch) -> None:
            many = len(batch.records) >= _MANY
            self._under_way += many
            try:
                await handle(batch)
            finally:
                self._under_way -= many
                if many:
                    self._busy_until = time.monotonic() + _BUSY_SECONDS

        return handling

    async def give_way(self) -> None:
        """Wait while the board has much to do; not for ever, for history may not stand still either."""
        longest = time.monotonic() + _LONGEST_SECONDS
        if self._beside_the_board:
            self._beside_the_board = False
            self._busy_until = max(self._busy_until, time.monotonic() + _BUSY_SECONDS)
        while True:
            now = time.monotonic()
            busy_until = now + _BUSY_SECONDS if self._under_way else self._busy_until
            left = min(busy_until, longest) - now
            if left <= 0:
                return
            await asyncio.sleep(left)


class HistoryBatch(BatchOfRecords[HistoryCells]):
    """What history keeps of a batch. Nothing is read before all is there: the board goes before."""

    def __init__(self, cells: HistoryCells) -> None:
        super().__init__(cells)
        self.versions: list[Version] = []
        self.figures: list[Figure] = []
        self.ids: Mapping[HistoryCell, int] = {}
        self._positions: dict[tuple[str, int], tuple[int, datetime | None]] = {}

    async def _settle(self) -> None:
        self.versions = said_once(self.versions)
        self.figures = reported_once(self.figures)
        self.ids = self._cells.ids({count.cell for version in self.versions for count in version.counts})

    def _read(self, count: int) -> None:
        for record in self.records[self._done : self._done + count]:
            moment = None
            try:
                said, moment = versions_of(record)
            except Rejected as rejected:
                self.broken.append(Broken(record, rejected.violations))
            else:
                for one in said:
                    if isinstance(one, Version):
                        self.versions.append(one)
                    else:
                        self.figures.append(one)
            at = (record.topic, record.partition)
            known = self._positions.get(at)
            if known is None or known[0] < record.offset:
                self._positions[at] = (record.offset, moment)
            self._done += 1

    def progress(self) -> list[Position]:
        """Where each partition stands after the batch, in their order."""
        return [
            Position(topic, partition, offset, moment)
            for (topic, partition), (offset, moment) in sorted(self._positions.items())
        ]


async def record_batch(
    connection: AsyncConnection, batch: HistoryBatch, cells: HistoryCells, chronicle: Chronicle
) -> frozenset[int]:
    """Let a batch take effect inside the caller's transaction. Out: cells to remember once it is committed."""
    new_cells = await cells.store(connection, batch.ids)
    if batch.versions:
        await chronicle.record(connection, batch.versions, batch.ids)
    if batch.figures:
        await chronicle.report(connection, batch.figures)
    await chronicle.advance(connection, batch.progress())
    return new_cells


class Recording(Lane[HistoryBatch]):
    """Applies batches to history, or to one being rebuilt: what a consumer calls.

    Args:
        database: statistics' own. keys: seal what is kept of broken records. clock: now, aware UTC.
        chronicle: the tables that take it. buries: whether broken records become dead letters (once is enough).
        pace: says when to wait.
    """

    def __init__(
        self,
        database: Database,
        keys: Keys,
        clock: Clock,
        *,
        chronicle: Chronicle | None = None,
        buries: bool = True,
        pace: Pace | None = None,
    ) -> None:
        super().__init__(database, keys, clock, buries=buries)
        self._pace = pace or Pace()
        self.cells = HistoryCells()
        self.chronicle = chronicle or Chronicle()

    def begin(self) -> HistoryBatch:
        """Begin a batch."""
        return HistoryBatch(self.cells)

    async def handle(self, batch: HistoryBatch) -> None:
        """As `Lane.handle`, once the board has no more to do than usual."""
        await self._pace.give_way()
        await super().handle(batch)

    async def _commit(self, batch: HistoryBatch | None, broken: Sequence[Broken]) -> None:
        new_cells: frozenset[int] = frozenset()
        async with self._database.transaction() as connection:
            if batch is not None:
                new_cells = await record_batch(connection, batch, self.cells, self.chronicle)
                broken = (*broken, *batch.broken)
            await self._bury(connection, broken)
        self.cells.remember(new_cells)
