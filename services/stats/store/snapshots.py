"""A copy of what cannot be worked out from anything else: facts and versions, with how far they are counted.

Where Kafka has let go of the first events, a rebuild begins with it and counts what came since; sums are worked out
anew. It is taken in one transaction, while counting goes on, and only of figures that agree: a copy of what is damaged
would make every later rebuild repeat the damage. What was copied is proved before it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.store.answers import see_one_moment
from services.stats.store.checking import compared
from services.stats.store.chronicle import BELONGING, FIGURE, HISTORY_PROGRESS, VERSION
from services.stats.store.cube import ALIAS, CUBE, FACT, HEARD, LINK, LIVE, PROGRESS, QUALITY
from services.stats.store.locks import Lock, is_mine
from services.stats.store.reached import Partition, reached

SCHEMA: Final = "snapshot"
_KEPT: Final = (FACT, LINK, ALIAS, PROGRESS, HEARD, QUALITY, VERSION, BELONGING, FIGURE, HISTORY_PROGRESS)


class DamagedError(Exception):
    """A table of the snapshot is not what was copied."""


async def taken_at(connection: AsyncConnection) -> datetime | None:
    """When the last one was taken; None: there is none."""
    if not (await connection.execute(text(f"SELECT to_regclass('{SCHEMA}.proof') IS NOT NULL"))).scalar():
        return None
    found: datetime | None = (await connection.execute(text(f"SELECT at FROM {SCHEMA}.taken"))).scalar()
    return found


async def take(connection: AsyncConnection, now: datetime) -> Mapping[str, int] | None:
    """Take one in place of the last; the first thing in its transaction.

    Out: what differs, by comparison: it is taken where that is nothing at all. None: another is at it.
    """
    await see_one_moment(connection, writes=True)
    if not await is_mine(connection, Lock.SNAPSHOT):
        return None
    found = await compared(connection)
    if any(found.values()):
        return found
    await connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    await connection.execute(text(f"CREATE TABLE {SCHEMA}.proof (name text PRIMARY KEY, n bigint, digest numeric)"))
    for table in _KEPT:
        await connection.execute(text(f"CREATE TABLE {SCHEMA}.{table.name} AS TABLE {LIVE}.{table.name}"))
        n, digest = await _digest(connection, table)
        await connection.execute(
            text(f"INSERT INTO {SCHEMA}.proof VALUES (:name, :n, :digest)"),
            {"name": table.name, "n": n, "digest": digest},
        )
    await connection.execute(text(f"CREATE TABLE {SCHEMA}.taken (at timestamptz NOT NULL)"))
    await connection.execute(text(f"INSERT INTO {SCHEMA}.taken VALUES (:now)"), {"now": now})
    return found


async def _digest(connection: AsyncConnection, table: Table) -> tuple[int, Any]:
    """How many rows, and the sum of their digests: the same in whatever order they lie."""
    # Times are written in the zone of whoever asks.
    await connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
    row = await connection.execute(
        text(f"SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {SCHEMA}.{table.name} AS t")
    )
    n, digest = row.one()
    return n, digest


async def next_offsets(connection: AsyncConnection, progress: str) -> Mapping[Partition, int]:
    """The first offset that is not in the last one, by partition; of one of the tables of progress. Empty: there is
    none."""
    if await taken_at(connection) is None:
        return {}
    held = await reached(connection, f"{SCHEMA}.{progress}")
    return {at: offset + 1 for at, (offset, _) in held.items()}


async def restore(connection: AsyncConnection, schema: str, tables: Sequence[Table]) -> None:
    """Fill those of some empty tables of a schema that the last one holds, and work out the cube if it is one of them;
    history's sums are still to be derived. A column that came since keeps what it is where nobody says anything.

    Raises `DamagedError`.
    """
    for table in tables:
        if table in _KEPT:
            known = await connection.execute(
                text(f"SELECT n, digest FROM {SCHEMA}.proof WHERE name = :name"), {"name": table.name}
            )
            if tuple(known.one()) != await _digest(connection, table):
                raise DamagedError(table.name)
            names = ", ".join([f'"{name}"' for name in await _columns(connection, schema, table)])
            await connection.execute(
                text(f"INSERT INTO {schema}.{table.name} ({names}) SELECT {names} FROM {SCHEMA}.{table.name}")
            )
    if CUBE in tables:
        await connection.execute(
            text(
                f"""INSERT INTO {schema}.cube (cell, n)
                    SELECT cell, count(*) FROM {schema}.fact WHERE cell IS NOT NULL GROUP BY cell"""
            )
        )


async def _columns(connection: AsyncConnection, schema: str, table: Table) -> list[str]:
    """The columns that a table has both now and in the snapshot."""
    rows = await connection.execute(
        text(
            """SELECT column_name FROM information_schema.columns WHERE table_schema = :now AND table_name = :name
               INTERSECT
               SELECT column_name FROM information_schema.columns WHERE table_schema = :then AND table_name = :name"""
        ),
        {"now": schema, "then": SCHEMA, "name": table.name},
    )
    return sorted(row.column_name for row in rows)
