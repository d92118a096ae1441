"""A chunk of an import in memory: read for all of its rows at once, changed by the desk's own acts, written at once.

It answers the store's functions as the database would, row after row, so that what comes of a chunk is what comes of
the same rows one by one. It must never decide anything. What its first rows changed may be written while the next ones
are decided: the database works beside Python then, on the one connection that the transaction has.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.children import Known, Statement
from services.registry.domain.lifecycle import Life
from services.registry.domain.matching import SURE, Match
from services.registry.domain.traits import Traits, claim_keys
from services.registry.store import children as store
from services.registry.store import imports
from services.registry.store.children import RECORD_COLUMNS, ChildRow, record_of
from services.registry.store.chunk_writing import Changes, Packed, Version, write
from services.registry.store.chunked import ManyRows
from services.registry.store.lifecycle import STANDING_COLUMNS, Standing, standing_of
from services.registry.store.nearby import Candidate, Memory, Near, Neighbourhood, Tables, most_telling
from shared.database.copying import driver

_REHEARSED = Tables("rehearsed_child", "rehearsed_block")


@dataclass(slots=True)
class _Held:
    """A child in memory: as it is now and how it stands, what was said of it and when that was received, its
    circumstances, how many revisions it has."""

    row: ChildRow
    standing: Standing
    revisions: int = 0
    traits: Traits | None = None  # worked out when they are asked for
    packed: Packed | None = None
    said: dict[str, tuple[datetime, Statement]] = field(default_factory=dict)
    circumstances: dict[tuple[str, str], tuple[date, date | None]] = field(default_factory=dict)

    def candidate(self) -> Candidate:
        """The child as it is now, for comparing."""
        if self.traits is None:
            self.traits = self.row.traits
        return Candidate(self.row.id, self.traits, self.row.status)


class Chunk(ManyRows):
    """One chunk.

    Args:
        connection: with its transaction open. now: of the chunk. memory: of the whole import.
        rehearsal: read only, and leave what would be new where only this connection's next chunks find it.
    """

    def __init__(self, connection: AsyncConnection, now: datetime, memory: Memory, *, rehearsal: bool = False) -> None:
        self.connection = connection
        self._now = now
        self._memory = memory
        self._rehearsal = rehearsal
        self._places = (Tables(), _REHEARSED) if rehearsal else (Tables(),)
        self._neighbourhood = Neighbourhood(memory, self._places)
        self._wanted: Sequence[Traits] = []
        self._packed: Sequence[Packed | None] = []
        self._near: list[Near] = []
        self._turn = 0
        self._held: dict[str, _Held] = {}
        self._records: dict[str, tuple[str, Statement] | None] = {}
        self._come_counted: frozenset[str] = frozenset()
        # Under which keys children were filed in this chunk, and which children are no longer as they were read.
        self._filed: dict[int, list[str]] = {}
        self._touched: set[str] = set()
        self._changes = Changes()
        self._paired: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    async def load(self, said: Sequence[Statement], wanted: Sequence[Traits], packed: Sequence[Packed | None]) -> None:
        """Read what the rows will ask for, and claim what they may found.

        Args:
            wanted: what tells each one's child apart. packed: its columns if only this is said of it, where known.
        """
        self._wanted, self._packed = wanted, packed
        if not self._rehearsal:
            # Before anything is looked up: another replica that founds one of these children now has committed then.
            claims = sorted({key for traits in wanted for key in claim_keys(traits)})
            await store.claim(self.connection, claims, self._now)
        lock = "" if self._rehearsal else " FOR UPDATE"
        ids = sorted({one.record_id for one in said})
        self._records, self._come_counted = dict.fromkeys(ids), frozenset(ids)
        rows = await self.connection.execute(
            text(f"SELECT * FROM statement WHERE record_id = ANY(CAST(:ids AS uuid[])) ORDER BY record_id{lock}"),
            {"ids": ids},
        )
        for row in rows:
            self._records[str(row.record_id)] = (str(row.child_id), store.statement_of(row))
        self._near = await self._neighbourhood.look(await driver(self.connection), wanted)
        meant = {child_id for near in self._near for child_id, (_, sure) in near.likely.items() if sure >= SURE}
        await self._read(meant | {found[0] for found in self._records.values() if found})

    def turn(self, place: int) -> None:
        """The desk comes to the row at `place` of those that were loaded."""
        self._turn = place

    async def settle(self) -> AsyncConnection:
        """Write everything out; what was read is read again when it is asked for."""
        await self.idle()
        await self._write(*self._held_back())
        self._touched |= set(self._held)
        self._held.clear()
        return self.connection

    async def write_behind(self, *then: Callable[[], Awaitable[None]]) -> None:
        """Begin to write out what is held back, and after it what each of `then` writes, and do not wait for it.

        Whoever began must end with `idle`, also when something went wrong meanwhile.
        """
        await self.idle()
        held_back = self._held_back()

        async def writing() -> None:
            await self._write(*held_back)
            for more in then:
                await more()

        self._writing = asyncio.create_task(writing())

    async def idle(self) -> AsyncConnection:
        """Wait until nothing is being written behind. Out: the connection. Raises what went wrong with the writing."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing
        return self.connection

    async def give_up(self) -> None:
        """Something went wrong: the transaction can be rolled back once the connection is free."""
        with contextlib.suppress(Exception):
            await self.idle()

    def _held_back(self) -> tuple[Changes, list[_Held]]:
        changes, self._changes = self._changes, Changes()
        self._paired = set()
        return changes, [replace(self._held[child_id]) for child_id in (*changes.new, *changes.changed)]

    async def _write(self, changes: Changes, held: Sequence[_Held]) -> None:
        rows = {one.row.id: one.row for one in held}
        rehearsed = _REHEARSED if self._rehearsal else None
        packed = {
            one.row.id: one.packed.columns
            for one in held
            if one.packed is not None and one.packed.known is one.row.known
        }
        version = await write(self.connection, changes, rows, self._now, packed, rehearsed=rehearsed)
        for one in held:
            self._memory.put(version, one.candidate())

    def kids(self) -> set[str]:
        """The children that may change: whose keys will be needed."""
        return set(self._held)

    def touched(self) -> list[str]:
        """The children that were read in full or changed; those of them that there were before are locked."""
        return sorted(self._touched | set(self._held))

    # What the store's functions are answered by: each as the function of its name.

    async def statement(self, record_id: str) -> tuple[str, Statement] | None:
        """As `children.statement`."""
        if record_id not in self._records:
            self._records[record_id] = await store.statement(await self.idle(), record_id)
        return self._records[record_id]

    async def counted(self, record_id: str) -> int:
        """The rows of a chunk come counted: what was withdrawn of them before was looked up for all at once."""
        return 0 if record_id in self._come_counted else await imports.counted(await self.idle(), record_id)

    async def candidates(self, keys: Iterable[int], leave_out: str | None = None) -> list[Candidate]:
        """As `children.candidates`, for the description of the row whose turn it is."""
        near = self._near[self._turn]
        likely, keys = near.likely, list(keys)
        if not likely and self._filed.keys().isdisjoint(keys) and self._touched.isdisjoint(near.ids):
            return []
        hits = []
        for key in keys:
            known, filed = self._neighbourhood.under.get(key, ()), self._filed.get(key, ())
            if known or filed:
                hits.append([*known, *filed][: store.PER_KEY])
        found = []
        for child_id in most_telling(hits, leave_out):
            if child_id in self._touched:
                held = await self._one(child_id)
                if held is not None and held.row.merged_into is None:
                    found.append(held.candidate())
            elif child_id in likely:
                found.append(likely[child_id][0])
        return found

    async def claim(self, keys: Sequence[int], now: datetime) -> bool:
        """They were claimed when the chunk was loaded, before anybody was looked up."""
        return True

    async def child(self, child_id: str, *, lock: bool = False) -> ChildRow | None:
        """As `children.child`."""
        held = await self._one(child_id)
        return held.row if held else None

    async def statements(self, child_id: str) -> list[Statement]:
        """As `children.statements`."""
        held = await self._one(child_id)
        if held is None:
            return []
        ordered = sorted(held.said.items(), key=lambda item: item[0])
        ordered.sort(key=lambda item: item[1][0], reverse=True)
        return [said for _, (_, said) in ordered]

    async def holding(self, child_id: str, today: date) -> dict[str, date]:
        """As `children.holding`."""
        held = await self._one(child_id)
        first: dict[str, date] = {}
        for (_, code), (since, until) in held.circumstances.items() if held else ():
            if until is None or until > today:
                first[code] = min(since, first.get(code, since))
        return first

    async def insert_child(
        self, child_id: str, known: Known, statement: Statement, keys: Iterable[int], now: datetime
    ) -> None:
        """As `children.insert_child`."""
        new = Standing(Life(known.state, known.status), None, None, None)
        held = self._held[child_id] = _Held(ChildRow(child_id, 1, known, None, now, now), new)
        held.packed = self._packed[self._turn]
        if (known.description, known.unit, known.confirmed_on) == (
            statement.description,
            statement.unit,
            statement.as_of,
        ):
            held.traits = self._wanted[self._turn]
        self._changes.new.append(child_id)
        await self.put_statement(child_id, statement, (), now)
        for key in keys:
            # Nobody can have filed it before.
            self._changes.blocks[key, child_id] = None
            self._filed.setdefault(key, []).append(child_id)

    async def put_statement(self, child_id: str, statement: Statement, keys: Iterable[int], now: datetime) -> None:
        """As `children.put_statement`."""
        before = await self.statement(statement.record_id)
        if before is not None and statement.record_id in self._changes.restated:
            # Restated twice: the second time what the first changed must be there to be changed.
            await self.settle()
        held = await self._one(child_id)
        if held is None:
            raise LookupError("a statement on a child that is not there")
        if before is not None:
            # A record stays of the register that it came from.
            statement = replace(statement, register_kind=before[1].register_kind, sector=before[1].sector)
            await self._leave(before[0], statement, held)
        for code in statement.groups:
            held.circumstances.setdefault((statement.record_id, code), (statement.as_of, None))
        held.said[statement.record_id] = (now, statement)
        self._records[statement.record_id] = (child_id, statement)
        self._changes.put(child_id, statement, now, restated=before is not None)
        await self.file(child_id, keys)

    async def file(self, child_id: str, keys: Iterable[int]) -> None:
        """As `children.file`."""
        self._touched.add(child_id)
        for key in keys:
            if (key, child_id) not in self._changes.blocks:
                self._changes.blocks[key, child_id] = None
                under = self._filed.setdefault(key, [])
                if child_id not in under and child_id not in self._neighbourhood.under.get(key, ()):
                    under.append(child_id)

    async def save_child(self, child_id: str, sequence: int, known: Known, now: datetime) -> None:
        """As `children.save_child`."""
        held = await self._one(child_id)
        if held is not None and known.unit != held.row.known.unit and child_id in self._paired:
            # A pair that was queued lies where its children lived then.
            await self.settle()
            held = await self._one(child_id)
        if held is None:
            return
        self._touched.add(child_id)
        if known is not held.row.known:
            held.traits = None
        held.row = replace(held.row, sequence=sequence, known=known, changed_at=now)
        if child_id not in self._changes.new:
            self._changes.changed[child_id] = None

    async def put_revision(
        self, child_id: str, now: datetime, actor: str, cause: str, reason: str | None = None
    ) -> None:
        """As `revisions.put`."""
        held = await self._one(child_id)
        if held is not None:
            held.revisions += 1
            self._changes.revisions.append(Version(held.revisions, held.row, now, actor, cause, reason))

    async def standing(self, child_id: str) -> Standing:
        """As `lifecycle.standing`; the 16th birthday of a child of this chunk is not known before it is written."""
        held = await self._one(child_id)
        if held is None:
            raise LookupError("no such child")
        return held.standing

    async def arrive(self, child_id: str, life: Life, now: datetime, on: date, whence: str) -> None:
        """As `lifecycle.arrive`."""
        held = await self._one(child_id)
        if held is not None:
            held.standing = replace(held.standing, life=life, arrived_on=on, arrived_from=whence)
            self._changes.arrived[child_id] = (life, now, on, whence)

    async def add_history(self, child_id: str, now: datetime, kind: str, actor: str, **detail: object) -> None:
        """As `children.add_history`."""
        self._changes.history.append((child_id, now, kind, actor, detail))

    async def put_pairs(self, child_id: str, matches: Sequence[Match], now: datetime) -> None:
        """As `pairs.put_pairs`."""
        if matches:
            self._changes.pairs.append((child_id, tuple(matches)))
            self._paired.update((child_id, *(match.child_id for match in matches)))

    async def _leave(self, before: str, statement: Statement, held: _Held) -> None:
        """A record said something else before, maybe of another child: what it says no more holds no more."""
        earlier = await self._one(before)
        if earlier is None:
            return
        earlier.said.pop(statement.record_id, None)
        for place in [place for place in earlier.circumstances if place[0] == statement.record_id]:
            span = earlier.circumstances.pop(place)
            if place[1] in statement.groups:
                held.circumstances[place] = span

    async def _one(self, child_id: str) -> _Held | None:
        if child_id not in self._held:
            await self._read({child_id})
        return self._held.get(child_id)

    async def _read(self, ids: Collection[str]) -> None:
        """Read children in full, and keep others from changing them until the transaction's end."""
        values = {"ids": sorted(set(ids) - set(self._held))}
        if not values["ids"]:
            return
        connection = await self.idle()
        for place in self._places:
            lock = "" if self._rehearsal else " FOR UPDATE"
            rows = await connection.execute(
                text(
                    f"""SELECT {RECORD_COLUMNS}, {STANDING_COLUMNS} FROM {place.child}
                        WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id{lock}"""
                ),
                values,
            )
            for row in rows:
                child = record_of(row)
                self._held[child.id] = _Held(child, standing_of(row))
        # Whoever changed one since it was compared has committed by now: it is compared anew.
        self._touched |= set(values["ids"])
        for row in await connection.execute(
            text("SELECT * FROM statement WHERE child_id = ANY(CAST(:ids AS uuid[]))"), values
        ):
            said = store.statement_of(row)
            self._held[str(row.child_id)].said[said.record_id] = (row.received_at, said)
        for row in await connection.execute(
            text(
                """SELECT child_id, max(number) AS last FROM revision
                   WHERE child_id = ANY(CAST(:ids AS uuid[])) GROUP BY child_id"""
            ),
            values,
        ):
            self._held[str(row.child_id)].revisions = row.last
        for row in await connection.execute(
            text(
                """SELECT record_id, code, child_id, since, until FROM circumstance
                   WHERE child_id = ANY(CAST(:ids AS uuid[]))"""
            ),
            values,
        ):
            self._held[str(row.child_id)].circumstances[str(row.record_id), row.code] = (row.since, row.until)
