"""How far in each partition of Kafka figures hold what was published: what the tables of progress say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A topic, without the prefix, and a partition of it.
Partition = tuple[str, int]
# Of partitions that are behind, the one whose last event is the oldest says until when all is known.
_STANDING: Final = """
SELECT coalesce(sum(greatest(p."offset" - coalesce(h."offset", -1), 0)), 0)::bigint AS behind,
       coalesce(min(h.time) FILTER (WHERE h."offset" < p."offset"), max(h.time)) AS time
FROM progress AS p LEFT JOIN history_progress AS h USING (topic, partition)
"""


async def reached(connection: AsyncConnection, progress: str) -> Mapping[Partition, tuple[int, datetime | None]]:
    """The last offset that is held, and the time of its event, by partition.

    Args:
        progress: one of the tables of progress, with its schema where that is not the live one.
    """
    rows = await connection.execute(text(f'SELECT topic, partition, "offset", time FROM {progress}'))
    return {(row.topic, row.partition): (row.offset, row.time) for row in rows}


class Standing(NamedTuple):
    """How far history is. `behind`: records that the board has counted and history has not; `time`: of the last event
    up to which all is known, None before the first."""

    behind: int
    time: datetime | None


async def standing(connection: AsyncConnection) -> Standing:
    """How far history is behind the board."""
    row = (await connection.execute(text(_STANDING))).one()
    return Standing(row.behind, row.time)
