"""Events become counts: a batch is read, collapsed to what is newest, and takes effect in one transaction.

No inbox and no transaction an event: sequences make a batch idempotent, so duplicates, reordering, rebalances and
crashes between the commit and the offset change nothing. It must never skip a record without saying so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import (
    MEMBERSHIPS,
    Cell,
    Fact,
    Kind,
    Link,
    Merge,
    UnitQuality,
    latest,
    latest_links,
    latest_qualities,
    settled_merges,
)
from services.stats.handlers.decoding import moment, said_by
from services.stats.handlers.lane import BatchOfRecords, Broken, Lane
from services.stats.store.cube import LIVE, Cells, Columns, Ledger, Moved, Position, columns_of
from shared.contracts.errors import Rejected
from shared.database import Database
from shared.messaging.processing import Record
from shared.messaging.router import Clock
from shared.messaging.waiting import let_others_go
from shared.privacy import Keys

_LOG = structlog.get_logger(__name__)
TOPICS: Final = ("cases.cases.v1", "registry.children.v1")


@dataclass(frozen=True, slots=True)
class Changed:
    """What a batch did: how much moved, what could not be read, which cells the database now holds."""

    moved: Moved
    broken: tuple[Broken, ...]
    new_cells: frozenset[int]


class Batch(BatchOfRecords[Cells]):
    """What the board counts of a batch: everything that can be worked out without the database.

    In: records of service topics.
    """

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        self.links: list[Link] = []
        self.merges: list[Merge] = []
        self.qualities: list[UnitQuality] = []
        self.new_cells: dict[int, Cell] = {}
        # The numbers of the cells of the sets of registers, where it says which records are whose.
        self.words: Mapping[str, int] = {}
        self.columns: Columns = columns_of((), ())
        self.facts: list[Fact] = []
        # By partition its last record, and the time of its event; by sector and partition when it was last heard.
        self.positions: dict[tuple[str, int], tuple[int, str]] = {}
        self.heard: dict[tuple[str, int, str], str] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Some more, read at once; whatever nobody thought of is said by `whole`."""
        super().take(records)
        with suppress(Exception):
            self._read(len(records))

    async def _settle(self) -> None:
        facts = latest(self.facts)
        await let_others_go()
        numbers, self.new_cells = self._cells.of(facts)
        await let_others_go()
        self.columns = columns_of(facts, numbers)
        self._settle_others()

    def _settle_others(self) -> None:
        """Put together what is said beside facts."""
        self.links = latest_links(self.links)
        self.merges = settled_merges(self.merges)
        self.qualities = latest_qualities(self.qualities)
        if self.linking:
            # Stored before any fact is locked: all writers take cells, facts and counts in this order.
            words = self._cells.ids(MEMBERSHIPS)
            self.words = {cell.category: number for cell, number in words.items()}
            self.new_cells |= {number: cell for cell, number in words.items()}

    @property
    def linking(self) -> bool:
        """Whether it says which records are whose."""
        return bool(self.links or self.merges)

    @property
    def plain(self) -> bool:
        """Whether one statement does it all."""
        return not (self.linking or self.qualities or self.broken)

    def _read(self, count: int) -> None:
        facts, heard, positions = self.facts, self.heard, self.positions
        for record in self.records[self._done : self._done + count]:
            time = ""
            try:
                said, time = said_by(record)
            except Rejected as rejected:
                self.broken.append(Broken(record, rejected.violations))
            else:
                facts += said.facts
                if said.links:
                    self.links += said.links
                if said.merges:
                    self.merges += said.merges
                if said.qualities:
                    self.qualities += said.qualities
                if said.sector:
                    heard[record.topic, record.partition, said.sector] = time
            at = (record.topic, record.partition)
            known = positions.get(at)
            if known is None or known[0] < record.offset:
                positions[at] = (record.offset, time)
            self._done += 1

    def progress(self) -> list[Position]:
        """Where each partition stands after the batch, in their order."""
        return [
            Position(topic, partition, offset, moment(time))
            for (topic, partition), (offset, time) in sorted(self.positions.items())
        ]

    def times(self, now: datetime | None = None) -> dict[tuple[str, int, str], datetime]:
        """When each sector was last heard, by partition. `now`: nobody was heard after it, or a clock that goes wrong
        once would keep a sector from ever falling silent."""
        said = {at: when for at, time in self.heard.items() if (when := moment(time)) is not None}
        return said if now is None else {at: min(when, now) for at, when in said.items()}


async def apply(
    connection: AsyncConnection,
    batch: Batch,
    cells: Cells,
    ledger: Ledger,
    *,
    announce: bool = True,
    now: datetime | None = None,
) -> Changed:
    """Let a batch take effect inside the caller's transaction.

    Args:
        cells: the dictionary the batch was read with. ledger: live, or being rebuilt. announce: wake who listens.
        now: as `Batch.times` takes it.

    Nothing is raised for a record that breaks its contract: it is in the answer, the rest takes effect.
    """
    rows, new_cells = cells.fresh(batch.new_cells)
    moved = await ledger.count(connection, batch.columns, rows, batch.progress(), batch.times(now), announce=announce)
    if batch.linking:
        moved += await ledger.link(connection, batch.links, batch.merges, Kind.MEMBERSHIP, batch.words)
    if batch.qualities:
        await ledger.measure(connection, batch.qualities)
    return Changed(moved, tuple(batch.broken), new_cells)


class Counting(Lane[Batch]):
    """Applies batches to the live statistics, or to those being rebuilt: what a consumer calls.

    Args:
        database: statistics' own. keys: seal what is kept of broken records. clock: now, aware UTC.
        ledger: the tables that take it. buries: whether broken records become dead letters (once is enough).
    """

    def __init__(
        self, database: Database, keys: Keys, clock: Clock, *, ledger: Ledger | None = None, buries: bool = True
    ) -> None:
        super().__init__(database, keys, clock, buries=buries)
        self.cells = Cells()
        self.ledger = ledger or Ledger()

    def begin(self) -> Batch:
        """Begin a batch."""
        return Batch(self.cells)

    async def _commit(self, batch: Batch | None, broken: Sequence[Broken]) -> None:
        alone = batch is not None and batch.plain and not broken
        async with self._database.statement() if alone else self._database.transaction() as connection:
            changed = None
            if batch is not None:
                live = self.ledger.schema == LIVE
                changed = await apply(connection, batch, self.cells, self.ledger, announce=live, now=self._clock())
            await self._bury(connection, (*broken, *(changed.broken if changed else ())))
        if changed:
            self.cells.remember(changed.new_cells)
