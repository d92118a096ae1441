"""Of which day, and at which moment, sources last told each record: events may come in another order than they were."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def note(connection: AsyncConnection, record_id: str, day: date, at: datetime) -> bool:
    """Note that a version of a record was told, unless a later one was before; of two of one day and one moment the one
    that comes later counts. Out: whether it was noted.

    Args:
        day: of which the record speaks. at: when its source told it, by the source's own word.
    """
    found = await connection.execute(
        text(
            """INSERT INTO told AS t (record_id, day, at) VALUES (CAST(:record_id AS uuid), :day, :at)
               ON CONFLICT (record_id) DO UPDATE SET day = excluded.day, at = excluded.at
               WHERE (t.day, t.at) <= (excluded.day, excluded.at) RETURNING 1"""
        ),
        {"record_id": record_id, "day": day, "at": at},
    )
    return found.first() is not None
