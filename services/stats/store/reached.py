"""How far in each partition of Kafka figures hold what was published: what the tables of progress say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A topic, without the prefix, and a partition of it.
Partition = tuple[str, int]


async def reached(connection: AsyncConnection, progress: str) -> Mapping[Partition, tuple[int, datetime | None]]:
    """The last offset that is held, and the time of its event, by partition.

    Args:
        progress: one of the tables of progress, with its schema where that is not the live one.
    """
    rows = await connection.execute(text(f'SELECT topic, partition, "offset", time FROM {progress}'))
    return {(row.topic, row.partition): (row.offset, row.time) for row in rows}
