"""How a rebuild counts the board's figures: what many batches say is put together in memory, and written at once.

Nobody asks for figures that are being counted anew, so of each thing only what is newest need ever be written, in the
order of the index. Nothing is lost by it: who dies in here begins again with empty tables. It must never keep more than
so much in memory, however many things there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Fact
from services.stats.handlers.counting import Batch, Counting, apply
from services.stats.store.cube import Cells, columns_of
from shared.database import Database, is_passing
from shared.messaging.processing import Record
from shared.messaging.router import Clock

# Things of which the newest is kept in memory: half a kilobyte each.
_MANY: Final = 250_000


class UnstorableError(Exception):
    """The database cannot live with something that is gathered, and by now nobody knows which record said it."""


class Gathered(Batch):
    """What many portions say, which take effect as one batch does. Of facts the newest of each thing only."""

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        self._newest: defaultdict[int, dict[str, Fact]] = defaultdict(dict)

    def __len__(self) -> int:
        facts = sum(len(newest) for newest in self._newest.values())
        return facts + len(self.links) + len(self.merges) + len(self.qualities)

    def join(self, batch: Batch) -> None:
        """Take what a batch says that is read; a second time it changes nothing. Those of a partition come in order."""
        for fact in batch.facts:
            newest = self._newest[fact.kind]
            known = newest.get(fact.key)
            if known is None or known.sequence < fact.sequence:
                newest[fact.key] = fact
        self.links += batch.links
        self.merges += batch.merges
        self.qualities += batch.qualities
        self.positions.update(batch.positions)
        self.heard.update(batch.heard)

    async def _settle(self) -> None:
        # In the order that every writer keeps, as `latest` gives them. Cells are looked up only now: once a thing.
        facts = [newest[key] for _, newest in sorted(self._newest.items()) for key in sorted(newest)]
        numbers, self.new_cells = self._cells.of(facts)
        self.columns = columns_of(facts, numbers)
        self._settle_others()


class Portion(Batch):
    """Records that join all that is gathered as soon as they are read, and are let go of while they are still at the
    processor's hand: a batch of them fills its cache, and to let go of that takes a sixth of the time.

    Args:
        cells: the process's dictionary. join: takes what is read by now.
    """

    def __init__(self, cells: Cells, join: Callable[[Batch], None]) -> None:
        super().__init__(cells)
        self._join = join

    def take(self, records: Sequence[Record]) -> None:
        """Some more; whatever nobody thought of is said by `whole`."""
        super().take(records)
        with suppress(Exception):
            self._hand_over()

    async def _settle(self) -> None:
        self._hand_over()

    def _hand_over(self) -> None:
        self._join(self)
        for said in (self.facts, self.links, self.merges, self.qualities, self.positions, self.heard, self.broken):
            said.clear()
        del self.records[: self._done]
        self._done = 0


class Gathering:
    """Takes records for figures whose sums nobody asks for yet, and lets them take effect by many.

    Args:
        database: statistics' own. clock: now, aware UTC.
        counting: into tables that are `collecting`; once they are summed up, it counts each batch as it comes.
        hold: to the end of a transaction keeps the tables from becoming another one's; raises where they did already.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        counting: Counting,
        hold: Callable[[AsyncConnection], Awaitable[None]],
    ) -> None:
        self._database = database
        self._clock = clock
        self._counting = counting
        self._hold = hold
        self._gathered = Gathered(counting.cells)

    def begin(self) -> Batch:
        """Begin a batch."""
        counting = self._counting
        return Portion(counting.cells, self._join) if counting.ledger.collecting else counting.begin()

    async def handle(self, batch: Batch) -> None:
        """Take a batch. Raises what says that the database is away or busy, and `UnstorableError`; what was gathered is
        lost then."""
        if not isinstance(batch, Portion):
            await self._counting.handle(batch)
        elif len(self._gathered) >= _MANY:
            async with self._database.transaction() as connection:
                await self._write(connection)
                # Not before: whoever asks for another rebuild would wait for all that is written.
                await self._hold(connection)

    async def derive(self, connection: AsyncConnection) -> None:
        """Write what is left, and sum up all facts; from then on each record counts as it comes, once the caller's
        transaction is in. Raises as `handle` does."""
        await self._write(connection)
        await self._counting.ledger.derive(connection)

    def _join(self, batch: Batch) -> None:
        # While some of it is written, there are others.
        self._gathered.join(batch)

    async def _write(self, connection: AsyncConnection) -> None:
        cells, ledger = self._counting.cells, self._counting.ledger
        gathered, self._gathered = self._gathered, Gathered(cells)
        try:
            await gathered.whole()
            await apply(connection, gathered, cells, ledger, announce=False, now=self._clock())
        except Exception as error:
            if is_passing(error):
                raise
            raise UnstorableError from error
