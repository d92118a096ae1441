"""What a machine does with an import: look the file through, rehearse it, take it over, undo it.

Each goes on where it stopped, also after a kill at any moment: what a chunk does and how far the import is stand in
one transaction, and whoever finds the import elsewhere than it thought leaves it alone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.imports.ahead import LONG, Reader, Told
from services.registry.imports.bulk import Outcome, take_over
from services.registry.imports.undoing import undo_some
from services.registry.store import imports as store
from services.registry.store.children import statement_values
from services.registry.store.imports import ImportRow
from services.registry.store.nearby import Memory
from shared.contracts.registry import ImportFinished
from shared.database import Database, is_conflict
from shared.files.tables import FileProblem
from shared.messaging.outbox import stable_id
from shared.messaging.router import Clock, Scope
from shared.privacy import Keys, Unreadable
from shared.reference.calendar import local_day
from shared.reference.units import Units

CHUNK = 2_000
_SHORTEST_CHUNK = 100
_ATTEMPTS = 6
# Of a file that is all wrong a person needs to see the beginning, and the whole of it costs a table.
MOST_REJECTS = 100_000


def chunk_of(rows: int) -> int:
    """How many rows of a file are taken over at once: a twentieth, so that whoever waits sees it move, but so many that
    what a transaction costs is shared; of a long file as many as pay."""
    return min(CHUNK, max(_SHORTEST_CHUNK, rows // 20))


class ElsewhereError(Exception):
    """The import is no longer where this job left it: somebody stopped it, or another replica went on."""


@dataclass
class Jobs:
    """Does the work.

    Args:
        database, keys, clock: the service's. folder: where sealed files lie. units: the communes.
        told: called after each chunk, for whoever watches. long: see `Reader`.
    """

    database: Database
    keys: Keys
    folder: Path
    units: Units
    clock: Clock
    told: Callable[[ImportRow], None] = lambda _: None
    memory: Memory = field(default_factory=Memory)
    long: int = LONG

    @property
    def reader(self) -> Reader:
        """Of the files."""
        return Reader(self.folder, self.keys, self.units, local_day(self.clock()), self.long)

    async def run(self, import_id: str) -> None:
        """Do what the import waits for, to its end or until it is stopped."""
        async with self.database.transaction() as connection:
            row = await store.find(connection, import_id)
        if row is None or not row.works:
            return
        try:
            await {"checking": self._check, "trying": self._try, "taking": self._take, "undoing": self._undo}[
                row.state
            ](row)
        except ElsewhereError:
            return
        except FileProblem as problem:
            told = {"rule": problem.rule, "vi": problem.message_vi, "en": problem.message_en, "row": problem.row}
            await self._fail(row, told)
        except (LookupError, Unreadable):
            await self._fail(row, _GONE)

    async def _check(self, row: ImportRow) -> None:
        """Read the file to its end and keep what is wrong with it: what breaks off is taken over in no part."""
        counts: Counter[str] = Counter()
        rules: Counter[str] = Counter()
        done = 0
        async with self._step(row, None) as connection:
            await store.forget_rejects(connection, row.id)
        async for chunk in self.reader.lines(row, CHUNK * 2):
            refused = [(line.row, line.violations) for line in chunk if line.said is None]
            rules.update(rule for _, violations in refused for rule in {violation.rule for violation in violations})
            room = max(0, MOST_REJECTS - counts["rejected"])
            done += len(chunk)
            counts["rejected"] += len(refused)
            async with self._step(row, None) as connection:
                await store.put_rejects(connection, row.id, refused[:room])
                await store.change(connection, row.id, self.clock(), passed=done, counts=dict(counts))
        async with self._step(row, None) as connection:
            state = "checked" if done else "refused"
            await store.change(
                connection, row.id, self.clock(), state=state, rows=done, passed=0, counts=dict(counts),
                rules=dict(rules), problem=None if done else _EMPTY,
            )  # fmt: skip

    async def _try(self, row: ImportRow) -> None:
        """Take everything over and keep nothing of it but the counts."""
        counts: Counter[str] = Counter()
        done = 0
        async with self.database.engine.connect() as rehearsing:
            await rehearsing.execute(text(_REHEARSED))
            await rehearsing.execute(text(_REHEARSED_BLOCK))
            await rehearsing.execute(text("CREATE INDEX ON rehearsed_block (key)"))
            await rehearsing.commit()
            async for chunk in self.reader.told(row, chunk_of(row.rows)):
                told = [one for one in chunk if one is not None]
                outcomes = await take_over(
                    rehearsing, self.keys, [one.said for one in told], self.clock(), actor=row.who,
                    bulk=row.id, memory=self.memory, rehearsal=True, wanted=[one.wanted for one in told],
                    packed=[one.packed for one in told],
                )  # fmt: skip
                await rehearsing.commit()
                done += len(chunk)
                _add(counts, chunk, outcomes)
                async with self._step(row, None) as connection:
                    await store.change(connection, row.id, self.clock(), passed=done)
            await rehearsing.execute(text("DROP TABLE rehearsed_child, rehearsed_block"))
            await rehearsing.commit()
        async with self._step(row, None) as connection:
            await store.change(connection, row.id, self.clock(), state="checked", passed=0, trial=dict(counts))

    async def _take(self, row: ImportRow) -> None:
        passed = row.passed
        counts = Counter(row.counts) if passed else Counter()
        async with aclosing(self.reader.told(row, chunk_of(row.rows), passed)) as chunks:
            async for chunk in chunks:
                outcomes = await self._chunk(row, chunk, passed, counts)
                _add(counts, chunk, outcomes)
                passed += len(chunk)
        async with self._step(row, passed) as connection:
            now = self.clock()
            await store.change(connection, row.id, now, state="finished", counts=dict(counts))
            await _tell(connection, row, counts, now)

    async def _chunk(
        self, row: ImportRow, chunk: Sequence[Told | None], passed: int, counts: Counter[str]
    ) -> list[Outcome]:
        """One chunk, exactly once. A conflict with somebody else's transaction only means that it runs again."""
        for attempt in range(_ATTEMPTS):
            try:
                async with self._step(row, passed) as connection:
                    told = [one for one in chunk if one is not None]
                    said = [one.said for one in told]
                    before = await store.withdrawn(connection, [one.record_id for one in said])
                    said = [
                        replace(one, sequence=before[one.record_id] + 1) if one.record_id in before else one
                        for one in said
                    ]
                    outcomes = await take_over(
                        connection, self.keys, said, self.clock(), actor=row.who, bulk=row.id, memory=self.memory,
                        wanted=[one.wanted for one in told], packed=[one.packed for one in told],
                    )  # fmt: skip
                    records = [
                        (one.record_id, outcome.child_id, outcome.what == "new", outcome.sequence, _kept(outcome))
                        for one, outcome in zip(said, outcomes, strict=True)
                        if outcome.what not in {"unchanged", "superseded"}
                    ]
                    await store.put_records(connection, row.id, records)
                    so_far = Counter(counts)
                    _add(so_far, chunk, outcomes)
                    await store.change(
                        connection, row.id, self.clock(), passed=passed + len(chunk), counts=dict(so_far)
                    )
                    return outcomes
            except Exception as error:
                if not is_conflict(error) or attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt)
        raise AssertionError("unreachable")

    async def _undo(self, row: ImportRow) -> None:
        counts = Counter(row.counts)
        passed = row.passed
        while True:
            async with self._step(row, passed) as connection:
                scope = Scope("registry", connection, self.clock(), bulk=row.id)
                done = await undo_some(scope, self.keys, row)
                await scope.flush()
                counts.update(done)
                passed += done["seen"]
                if not done["seen"]:
                    await store.change(connection, row.id, scope.now, state="undone", counts=dict(counts))
                    await _tell(connection, row, counts, scope.now, undone=True)
                    return
                await store.change(connection, row.id, scope.now, passed=passed, counts=dict(counts))

    async def _fail(self, row: ImportRow, problem: dict[str, Any]) -> None:
        async with self.database.transaction() as connection:
            found = await store.find(connection, row.id, lock=True)
            if found is not None and found.state == row.state:
                # Half taken back, a file is not to be gone on with: only undone to its end.
                state = {"taking": "stopped", "undoing": "finished"}.get(row.state, "refused")
                await store.change(connection, row.id, self.clock(), state=state, problem=problem)

    @asynccontextmanager
    async def _step(self, row: ImportRow, passed: int | None) -> AsyncIterator[AsyncConnection]:
        """A transaction in which the import is where this job left it. Raises `ElsewhereError`."""
        async with self.database.transaction() as connection:
            found = await store.find(connection, row.id, lock=True)
            if found is None or found.state != row.state or (passed is not None and found.passed != passed):
                raise ElsewhereError
            yield connection
        self.told(row)


async def _tell(
    connection: AsyncConnection, row: ImportRow, counts: Counter[str], now: datetime, *, undone: bool = False
) -> None:
    scope = Scope("registry", connection, now)
    taken = sum(counts[what] for what in ("new", "known", "corrected", "unchanged"))
    event = ImportFinished(
        import_id=row.id,
        kind=row.kind,
        unit=row.unit,
        units=list(row.allowed) if row.allowed is not None else None,
        rows=row.rows,
        taken=taken,
        rejected=counts["rejected"],
        new_children=counts["new"],
        undone=undone,
    )
    await scope.emit(
        event,
        subject=row.id,
        sequence=2 if undone else 1,
        unit=row.unit,
        event_id=stable_id("import", row.id, str(undone)),
    )
    await scope.flush()


def _add(counts: Counter[str], chunk: Sequence[Told | None], outcomes: Sequence[Outcome]) -> None:
    counts["rejected"] += sum(one is None for one in chunk)
    for outcome in outcomes:
        counts[outcome.what] += 1
        counts["unsure"] += outcome.unsure


def _kept(outcome: Outcome) -> dict[str, Any] | None:
    """What a record said before, so that it can say it again, and of which child."""
    if outcome.before is None:
        return None
    values = statement_values(outcome.before)
    return {**values, "as_of": outcome.before.as_of.isoformat(), "child_id": outcome.was}


_REHEARSED = "CREATE TEMPORARY TABLE rehearsed_child (LIKE child INCLUDING DEFAULTS INCLUDING INDEXES)"
_REHEARSED_BLOCK = "CREATE TEMPORARY TABLE rehearsed_block (LIKE block)"
_EMPTY = {
    "rule": "no-rows",
    "vi": "Dưới dòng tiêu đề không có dòng nào.",
    "en": "There is no row below the header.",
    "row": None,
}
_GONE = {
    "rule": "file-gone",
    "vi": "Tệp không còn trên máy chủ hoặc đã hỏng; hãy gửi lại.",
    "en": "The file is no longer on the server, or was damaged; send it again.",
    "row": None,
}
