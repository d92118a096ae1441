"""A copy of what cannot be worked out from anything else: facts and versions, with how far they are counted.

Where Kafka has let go of the first events, a rebuild begins with it and counts what came since; sums are worked out
anew. It is taken in one transaction, while counting goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Table, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.store.chronicle import BELONGING, FIGURE, HISTORY_PROGRESS, VERSION
from services.stats.store.cube import ALIAS, CUBE, FACT, HEARD, LINK, LIVE, PROGRESS, QUALITY

SCHEMA: Final = "snapshot"
_KEPT: Final = (FACT, LINK, ALIAS, PROGRESS, HEARD, QUALITY, VERSION, BELONGING, FIGURE, HISTORY_PROGRESS)
# Held by whoever takes one.
_LOCK: Final = 7_316_105


async def taken_at(connection: AsyncConnection) -> datetime | None:
    """When the last one was taken; None: there is none."""
    if not (await connection.execute(text(f"SELECT to_regclass('{SCHEMA}.taken') IS NOT NULL"))).scalar():
        return None
    found: datetime | None = (await connection.execute(text(f"SELECT at FROM {SCHEMA}.taken"))).scalar()
    return found


async def take(connection: AsyncConnection, now: datetime) -> bool:
    """Take one in place of the last; the first thing in its transaction. Out: whether it was; another may be at it."""
    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    if not (await connection.execute(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})"))).scalar():
        return False
    await connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
    await connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    for table in _KEPT:
        await connection.execute(text(f"CREATE TABLE {SCHEMA}.{table.name} AS TABLE {LIVE}.{table.name}"))
    await connection.execute(text(f"CREATE TABLE {SCHEMA}.taken (at timestamptz NOT NULL)"))
    await connection.execute(text(f"INSERT INTO {SCHEMA}.taken VALUES (:now)"), {"now": now})
    return True


async def positions(connection: AsyncConnection, progress: str) -> Mapping[tuple[str, int], int]:
    """The first offset that is not in the last one, by topic and partition; of one of the tables of progress. Empty:
    there is none."""
    if await taken_at(connection) is None:
        return {}
    rows = await connection.execute(text(f'SELECT topic, partition, "offset" FROM {SCHEMA}.{progress}'))
    return {(row.topic, row.partition): row.offset + 1 for row in rows}


async def restore(connection: AsyncConnection, schema: str, tables: Sequence[Table]) -> None:
    """Fill those of some empty tables of a schema that the last one holds, and work out the cube if it is one of them;
    history's sums are still to be derived."""
    for table in tables:
        if table in _KEPT:
            await connection.execute(text(f"INSERT INTO {schema}.{table.name} SELECT * FROM {SCHEMA}.{table.name}"))
    if CUBE in tables:
        await connection.execute(
            text(
                f"""INSERT INTO {schema}.cube (cell, n)
                    SELECT cell, count(*) FROM {schema}.fact WHERE cell IS NOT NULL GROUP BY cell"""
            )
        )
