"""What was last said of each announced indicator, so that nothing is said twice."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Announced(NamedTuple):
    """A value of the whole province that was published, as which of its indicator's events, and when."""

    value: float
    sequence: int
    at: datetime


async def recorded(connection: AsyncConnection) -> int:
    """A number that is another one once history holds more records."""
    found = await connection.execute(text("""SELECT coalesce(sum("offset"), 0)::bigint FROM history_progress"""))
    return int(found.scalar_one())


async def announced(connection: AsyncConnection) -> dict[str, Announced]:
    """What was last published, by indicator."""
    rows = await connection.execute(text("SELECT name, value, sequence, published_at FROM indicator WHERE unit = ''"))
    return {row.name: Announced(row.value, row.sequence, row.published_at) for row in rows}


async def keep_announced(connection: AsyncConnection, indicator: str, said: Announced) -> None:
    """Keep what is published in this transaction."""
    await connection.execute(
        text(
            """INSERT INTO indicator AS i (name, unit, value, sequence, published_at)
               VALUES (:name, '', :value, :sequence, :at)
               ON CONFLICT (name, unit) DO UPDATE
               SET value = excluded.value, sequence = excluded.sequence, published_at = excluded.published_at"""
        ),
        {"name": indicator, **said._asdict()},
    )
