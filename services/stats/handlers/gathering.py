"""How a rebuild counts the board's figures: what many batches say is put together in memory, and written at once.

Nobody asks for figures that are being counted anew, so of each thing only what is newest need ever be written, in the
order of the index. Nothing is lost by it: who dies in here begins again with empty tables. It must never keep more than
so much in memory, however many things there are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Fact
from services.stats.handlers.counting import Batch, Changed, Counting, apply
from services.stats.store.cube import Cells, columns_of
from shared.database import Database, is_passing
from shared.messaging.router import Clock

# Things of which the newest is kept in memory: some three hundred bytes each.
_MANY: Final = 250_000


class UnstorableError(Exception):
    """The database cannot live with something that is gathered, and by now nobody knows which record said it."""


class Portion(Batch):
    """Records that are read, and no more: `Gathered` puts together what they say."""

    async def _settle(self) -> None:
        """Nothing of its own."""


class Gathered(Batch):
    """What many portions say, which take effect as one batch does. Of facts the newest of each thing only."""

    def __init__(self, cells: Cells) -> None:
        super().__init__(cells)
        # By kind and key, the sequence and the number of the cell.
        self._newest: dict[tuple[int, str], tuple[int, int | None]] = {}

    def __len__(self) -> int:
        return len(self._newest) + len(self.links) + len(self.merges) + len(self.qualities)

    def join(self, portion: Portion) -> None:
        """Take what a portion says; a second time it changes nothing. Each partition's portions come in their order."""
        newest = self._newest
        numbers, new_cells = self._cells.of(portion.facts)
        for fact, number in zip(portion.facts, numbers, strict=True):
            at = (fact.kind, fact.key)
            known = newest.get(at)
            if known is None or known[0] < fact.sequence:
                newest[at] = (fact.sequence, number)
        self.new_cells.update(new_cells)
        self.links += portion.links
        self.merges += portion.merges
        self.qualities += portion.qualities
        self.positions.update(portion.positions)
        self.heard.update(portion.heard)

    async def _settle(self) -> None:
        # In the order that every writer keeps, as `latest` gives them.
        said = sorted(self._newest.items())
        facts = [Fact(kind, key, sequence, None) for (kind, key), (sequence, _) in said]
        self.columns = columns_of(facts, [number for _, (_, number) in said])
        self._settle_others()


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
        return Portion(self._counting.cells) if self._counting.ledger.collecting else self._counting.begin()

    async def handle(self, batch: Batch) -> None:
        """Take a batch. Raises what says that the database is away or busy, and `UnstorableError`."""
        if not isinstance(batch, Portion):
            await self._counting.handle(batch)
            return
        self._gathered.join(batch)
        if len(self._gathered) >= _MANY or not self._counting.ledger.collecting:
            async with self._database.transaction() as connection:
                changed = await self._write(connection)
                # Not before: whoever asks for another rebuild would wait for all that is written.
                await self._hold(connection)
            self._counting.cells.remember(changed.new_cells)
            self._gathered = Gathered(self._counting.cells)

    async def derive(self, connection: AsyncConnection) -> None:
        """Write what is left, and sum up all facts; from then on each record counts as it comes, once the caller's
        transaction is in. Raises as `handle` does."""
        await self._write(connection)
        await self._counting.ledger.derive(connection)
        self._gathered = Gathered(self._counting.cells)

    async def _write(self, connection: AsyncConnection) -> Changed:
        cells, ledger = self._counting.cells, self._counting.ledger
        try:
            gathered = await self._gathered.whole()
            return await apply(connection, gathered, cells, ledger, announce=False, now=self._clock())
        except Exception as error:
            if is_passing(error):
                raise
            raise UnstorableError from error
