"""Queries on passes over all records: what was asked for, how far it is, what is left to judge."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.children import CHILD_COLUMNS, ChildRow, child_of
from shared.database import Database
from shared.database.copying import copy_rows

State = Literal["asked", "blocking", "judging", "done", "failed"]
# Held by whoever sweeps, over its own connection: it is let go when that process dies, however it dies.
_LOCK: Final = 7_316_205
_READ: Final = 5_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """A pass: `judged` of `proposed` pairs among `children`; `sure` and `unsure` of them are in the queue."""

    id: str
    state: State
    asked_by: str
    asked_at: datetime
    changed_at: datetime
    attempts: int
    children: int
    proposed: int
    judged: int
    sure: int
    unsure: int
    reason: str

    @property
    def unfinished(self) -> bool:
        """Whether it has something left to do."""
        return self.state in {"asked", "blocking", "judging"}


def _sweep(row: Row[Any]) -> Sweep:
    values: dict[str, Any] = {name: getattr(row, name) for name in Sweep.__dataclass_fields__}
    return Sweep(**{**values, "id": str(row.id)})


def alone(database: Database) -> AbstractAsyncContextManager[bool]:
    """For as long as the block runs nobody else sweeps. Gives False where somebody does."""
    return database.alone(_LOCK)


async def latest(connection: AsyncConnection) -> Sweep | None:
    """The pass asked for last."""
    row = (await connection.execute(text("SELECT * FROM sweep ORDER BY asked_at DESC LIMIT 1"))).first()
    return None if row is None else _sweep(row)


async def ask(connection: AsyncConnection, sweep_id: str, by: str, now: datetime) -> bool:
    """Ask for a pass. Out: whether it was; False where one is asked for or runs."""
    # Two who ask in one moment ask one after the other.
    await connection.execute(text("LOCK TABLE sweep IN SHARE ROW EXCLUSIVE MODE"))
    last = await latest(connection)
    if last is not None and last.unfinished:
        return False
    await connection.execute(
        text(
            """INSERT INTO sweep (id, state, asked_by, asked_at, changed_at)
               VALUES (CAST(:id AS uuid), 'asked', :by, :now, :now)"""
        ),
        {"id": sweep_id, "by": by, "now": now},
    )
    return True


async def say(connection: AsyncConnection, sweep_id: str, now: datetime, **values: object) -> None:
    """What has changed of a pass; the names are columns."""
    changes = ", ".join(f"{name} = :{name}" for name in values)
    await connection.execute(
        text(f"UPDATE sweep SET {changes}, changed_at = :now WHERE id = CAST(:id AS uuid)"),
        {**values, "id": sweep_id, "now": now},
    )


async def everybody(connection: AsyncConnection) -> AsyncIterator[Sequence[ChildRow]]:
    """Every child whose record is kept up, in batches that are read as they are needed."""
    rows = await connection.stream(
        text(f"SELECT {CHILD_COLUMNS} FROM child WHERE merged_into IS NULL AND status = 'active'"),
        execution_options={"yield_per": _READ},
    )
    async for batch in rows.partitions():
        yield [child_of(row) for row in batch]


async def put_proposals(connection: AsyncConnection, first: int, pairs: Sequence[tuple[str, str]]) -> None:
    """Remember pairs to be judged, numbered from `first`."""
    rows = [(first + at, low, high) for at, (low, high) in enumerate(pairs)]
    await copy_rows(connection, "proposal", ("number", "low", "high"), rows)


async def forget_proposals(connection: AsyncConnection) -> None:
    """Nothing is left to judge."""
    await connection.execute(text("TRUNCATE proposal"))


async def proposals(connection: AsyncConnection, after: int, limit: int) -> list[tuple[int, str, str]]:
    """Number and the two ids of the next pairs to be judged."""
    rows = await connection.execute(
        text("SELECT number, low, high FROM proposal WHERE number > :after ORDER BY number LIMIT :limit"),
        {"after": after, "limit": limit},
    )
    return [(row.number, str(row.low), str(row.high)) for row in rows]


async def children(connection: AsyncConnection, ids: Collection[str]) -> dict[str, ChildRow]:
    """Those of the children whose records are kept up."""
    rows = await connection.execute(
        text(
            f"""SELECT {CHILD_COLUMNS} FROM child
                WHERE id = ANY(CAST(:ids AS uuid[])) AND merged_into IS NULL AND status = 'active'"""
        ),
        {"ids": list(ids)},
    )
    return {found.id: found for found in map(child_of, rows)}
