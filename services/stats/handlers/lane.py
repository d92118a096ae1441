"""What both ways of counting do alike with what a consumer hands over: a batch takes effect whole, or is halved until
the record is found that the database cannot live with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, Self, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.errors import Violation
from shared.database import Database, is_passing
from shared.messaging.failures import Failures
from shared.messaging.processing import Record
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import let_others_go
from shared.privacy import Keys

_LOG = structlog.get_logger(__name__)
# Records read without a pause: less than a millisecond, so that no page waits for a batch.
_SLICE: Final = 100
C = TypeVar("C")
_UNSTORABLE = Violation("data", "unstorable", "Không lưu được nội dung.", "The content cannot be stored.")


@dataclass(frozen=True, slots=True)
class Broken:
    """A record that breaks its contract, and how."""

    record: Record
    violations: tuple[Violation, ...]


class BatchOfRecords(ABC, Generic[C]):
    """A batch as it is read, before it takes effect. It takes records in any order, with any duplicates, and is of use
    once it is `whole` (`consumer.Reading`).

    Args:
        cells: the process's dictionary.
    """

    def __init__(self, cells: C) -> None:
        self.records: list[Record] = []
        self.broken: list[Broken] = []
        self._cells = cells
        self._done = 0

    @classmethod
    async def read(cls, records: Sequence[Record], cells: C) -> Self:
        """Of records that are all there."""
        batch = cls(cells)
        batch.records += records
        return await batch.whole()

    def take(self, records: Sequence[Record]) -> None:
        """Some more, which are read once all are there."""
        self.records += records

    async def whole(self) -> Self:
        """Read what is left, in slices: the process has other work to do, the batch before this one among it. Then put
        together what they all say."""
        while self._done < len(self.records):
            self._read(_SLICE)
            await let_others_go()
        await self._settle()
        return self

    @abstractmethod
    def _read(self, count: int) -> None:
        """So many more, each noted as done: whatever breaks one leaves it the next to be read."""

    @abstractmethod
    async def _settle(self) -> None:
        """Put together what was read."""


B = TypeVar("B", bound=BatchOfRecords[Any])


class Lane(ABC, Generic[B]):
    """One of the ways of counting.

    Args:
        database: statistics' own. keys: seal what is kept of broken records. clock: now, aware UTC.
        buries: whether broken records become dead letters (once is enough).
    """

    def __init__(self, database: Database, keys: Keys, clock: Clock, *, buries: bool) -> None:
        self._database = database
        self._failures = Failures("stats", keys)
        self._clock = clock
        self._buries = buries

    @abstractmethod
    def begin(self) -> B:
        """Begin a batch."""

    @abstractmethod
    async def _commit(self, batch: B | None, broken: Sequence[Broken]) -> None:
        """Let a batch, if any, take effect in one transaction, in which broken records are buried too."""

    async def handle(self, batch: B) -> None:
        """Let a batch take effect. Raises only what says that the database is away or busy: nothing of it did then."""
        try:
            await self._commit(batch, ())
        except Exception as error:
            if is_passing(error):
                raise
            await self._divide(batch.records, error)

    async def count(self, records: Sequence[Record]) -> None:
        """Read and handle."""
        batch = self.begin()
        batch.take(records)
        await self.handle(await batch.whole())

    async def _divide(self, records: Sequence[Record], error: Exception) -> None:
        """Find the record with which the database cannot live by halving, so that it costs the others nothing."""
        if len(records) > 1:
            middle = len(records) // 2
            await self.count(records[:middle])
            await self.count(records[middle:])
            return
        record = records[0]
        # The exception's type only: its text may quote what it was given.
        _LOG.error("stats.record.buried", topic=record.topic, offset=record.offset, reason=type(error).__name__)
        await self._commit(None, (Broken(record, (_UNSTORABLE,)),))

    async def _bury(self, connection: AsyncConnection, broken: Sequence[Broken]) -> None:
        if not broken or not self._buries:
            return
        scope = Scope("stats", connection, self._clock())
        for item in broken:
            await self._failures.bury(scope, item.record, item.violations)
        await scope.flush()
