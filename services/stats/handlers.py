"""Events become counts: a batch is decoded, collapsed to what is newest, and takes effect in one transaction.

No inbox and no transaction an event: sequences make a batch idempotent, so duplicates, reordering, rebalances and
crashes between the commit and the offset change nothing. It must never skip a record without saying so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from aiokafka import ConsumerRecord
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.decoding import moment, said_by
from services.stats.domain import MEMBERSHIPS, Fact, Kind, Link, Merge, latest, latest_links, settled_merges
from services.stats.store import LIVE, Cells, Ledger, Moved, Position
from shared.contracts.errors import Rejected, Violation
from shared.database import Database, is_passing
from shared.messaging.failures import Failures
from shared.messaging.processing import Record
from shared.messaging.router import Clock, Scope
from shared.privacy import Keys

_LOG = structlog.get_logger(__name__)
TOPICS: Final = ("cases.cases.v1", "registry.children.v1")


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that breaks its contract, and how."""

    record: Record
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What a batch did: how much moved, what could not be read, which cells the database now holds."""

    moved: Moved
    broken: tuple[Broken, ...]
    new_cells: frozenset[int]


def record_of(raw: ConsumerRecord[bytes, bytes], prefix: str) -> Record:
    """A record as the service knows it: its topic without the deployment's prefix."""
    key = (raw.key or b"").decode(errors="replace")
    return Record(raw.topic.removeprefix(prefix), raw.partition, raw.offset, key, raw.value, tuple(raw.headers))


class _Batch:
    """A batch as read, before it takes effect."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.facts: list[Fact] = []
        self.links: list[Link] = []
        self.merges: list[Merge] = []
        self.broken: list[Broken] = []
        self.positions: dict[tuple[str, int], tuple[int, str]] = {}
        self.heard: dict[tuple[str, int, str], str] = {}
        for record in records:
            self._read(record)

    def _read(self, record: Record) -> None:
        time = ""
        try:
            said, time = said_by(record)
        except Rejected as rejected:
            self.broken.append(Broken(record, rejected.violations))
        else:
            self.facts += said.facts
            if said.links:
                self.links += said.links
            if said.merges:
                self.merges += said.merges
            if said.sector:
                self.heard[record.topic, record.partition, said.sector] = time
        at = (record.topic, record.partition)
        known = self.positions.get(at)
        if known is None or known[0] < record.offset:
            self.positions[at] = (record.offset, time)

    def progress(self) -> list[Position]:
        """Where each partition stands after the batch, in their order."""
        return [
            Position(topic, partition, offset, moment(time))
            for (topic, partition), (offset, time) in sorted(self.positions.items())
        ]

    def times(self) -> dict[tuple[str, int, str], datetime]:
        """When each sector was last heard, by partition."""
        return {at: when for at, time in self.heard.items() if (when := moment(time)) is not None}


async def apply(
    connection: AsyncConnection, records: Sequence[Record], cells: Cells, ledger: Ledger, *, announce: bool = True
) -> Changed:
    """Let a batch of records take effect inside the caller's transaction.

    Args:
        records: of service topics, in any order, with any duplicates. cells: the process's dictionary.
        ledger: live, or being rebuilt. announce: wake who listens for changes.

    Nothing is raised for a record that breaks its contract: it is in the answer, the rest takes effect.
    """
    batch = _Batch(records)
    facts = latest(batch.facts)
    needed = {fact.cell for fact in facts if fact.cell is not None}
    linking = bool(batch.links or batch.merges)
    if linking:
        # Stored before any fact is locked: all writers take cells, facts and counts in this order.
        needed.update(MEMBERSHIPS)
    ids = cells.ids(list(needed))
    new_cells = await cells.store(connection, ids)
    moved = await ledger.move(connection, facts, ids) if facts else Moved()
    if linking:
        words = {cell.category: ids[cell] for cell in MEMBERSHIPS}
        merges = settled_merges(batch.merges)
        moved += await ledger.link(connection, latest_links(batch.links), merges, Kind.MEMBERSHIP, words)
    await ledger.advance(connection, batch.progress(), batch.times(), announce=announce and bool(moved))
    return Changed(moved, tuple(batch.broken), new_cells)


class Counting:
    """Applies batches to the live statistics, or to those being rebuilt: what a consumer calls.

    Args:
        database: statistics' own. keys: seal what is kept of broken records. clock: now, aware UTC.
        ledger: the tables that take it. buries: whether broken records become dead letters (once is enough).
    """

    def __init__(
        self, database: Database, keys: Keys, clock: Clock, *, ledger: Ledger | None = None, buries: bool = True
    ) -> None:
        self._database = database
        self._failures = Failures("stats", keys)
        self._clock = clock
        self._buries = buries
        self.cells = Cells()
        self.ledger = ledger or Ledger()

    async def handle(self, records: Sequence[Record]) -> None:
        """Count a batch. Raises only what says that the database is away or busy: nothing was then taken over."""
        try:
            await self._commit(records, ())
        except Exception as error:
            if is_passing(error):
                raise
            await self._divide(records, error)

    async def _divide(self, records: Sequence[Record], error: Exception) -> None:
        """Find the record with which the database cannot live by halving, so that it costs the others nothing."""
        if len(records) > 1:
            middle = len(records) // 2
            await self.handle(records[:middle])
            await self.handle(records[middle:])
            return
        # The exception's type only: its text may quote what it was given.
        _LOG.error("stats.record.buried", topic=records[0].topic, offset=records[0].offset, reason=type(error).__name__)
        unstorable = Violation("data", "unstorable", "Không lưu được nội dung.", "The content cannot be stored.")
        await self._commit((), (Broken(records[0], (unstorable,)),))

    async def _commit(self, records: Sequence[Record], broken: Sequence[Broken]) -> None:
        async with self._database.transaction() as connection:
            changed = None
            if records:
                changed = await apply(connection, records, self.cells, self.ledger, announce=self.ledger.schema == LIVE)
            buried = (*broken, *(changed.broken if changed else ()))
            if buried and self._buries:
                scope = Scope("stats", connection, self._clock())
                for item in buried:
                    await self._failures.bury(scope, item.record, item.violations)
                await scope.flush()
        if changed:
            self.cells.remember(changed.new_cells)
