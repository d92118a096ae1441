"""Partitions of what is kept for a while: made before they are needed, dropped whole when they are too old.

A partition is never dropped while something in it has not arrived: the delivery that waits needs its message.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

# Parent tables and what their partitions' names begin with. Messages go last: by theirs the others are known.
_PARENTS: Final = {"attempt": "attempt", "delivery_settled": "delivery", "message": "message"}
_EPOCH = datetime(1970, 1, 5, tzinfo=UTC)  # a Monday
_LOCK = 7_316_033
_PATIENCE_MS = 500


def partition_of(at: datetime, days: int) -> tuple[datetime, datetime]:
    """From when to when the partition goes in which a moment lies."""
    width = timedelta(days=days)
    begins = _EPOCH + (at - _EPOCH) // width * width
    return begins, begins + width


async def ensure(connection: AsyncConnection, at: datetime, days: int) -> bool:
    """Make the partitions in which a moment lies, where they are missing; whoever writes or reads meanwhile goes on.
    Out: whether they were missing.

    Where partitions of another width cover a part of it, the new one takes the rest.
    """
    begins, ends = partition_of(at, days)
    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for known, until in await bounds(connection):
        if known <= at < until:
            return False
        begins = max(begins, until) if until <= at else begins
        ends = min(ends, known) if known > at else ends
    for parent, prefix in _PARENTS.items():
        name = f"{prefix}_{begins:%Y%m%d}"
        # Attaching takes no lock that readers or writers of the others would notice; making it in place would.
        await connection.execute(text(f"CREATE TABLE {name} (LIKE {parent} INCLUDING ALL)"))
        await connection.execute(
            text(f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES FROM ('{begins}') TO ('{ends}')")
        )
    return True


async def bounds(connection: AsyncConnection) -> list[tuple[datetime, datetime]]:
    """From when to when each partition goes, oldest first."""
    rows = await connection.execute(
        text(
            """
            SELECT (bound[1])::timestamptz, (bound[2])::timestamptz
            FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
            CROSS JOIN LATERAL regexp_match(
                pg_get_expr(relpartbound, pg_class.oid), $$FROM \\('(.*)'\\) TO \\('(.*)'\\)$$) AS bound
            WHERE inhparent = 'message'::regclass ORDER BY 1
            """
        )
    )
    return [(row[0], row[1]) for row in rows]


async def drop_before(engine: AsyncEngine, before: datetime) -> int:
    """Drop partitions that end before a time and hold nothing that waits. Out: how many.

    Each parent lets go of its partition without waiting for readers or being waited for; one that is busy is left for
    the next time.
    """
    dropped = 0
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.execute(text(f"SET lock_timeout = '{_PATIENCE_MS}ms'"))
        try:
            for begins, ends in await bounds(connection):
                if ends > before or await _holds_waiting(connection, ends):
                    break
                for parent, prefix in _PARENTS.items():
                    await _drop(connection, parent, f"{prefix}_{begins:%Y%m%d}")
                dropped += 1
        except DBAPIError:
            return dropped
        finally:
            await connection.execute(text("RESET lock_timeout"))
    return dropped


async def _holds_waiting(connection: AsyncConnection, ends: datetime) -> bool:
    rows = await connection.execute(
        text("SELECT EXISTS (SELECT FROM delivery_pending WHERE message_at < :ends)"), {"ends": ends}
    )
    return bool(rows.scalar_one())


async def _drop(connection: AsyncConnection, parent: str, name: str) -> None:
    rows = await connection.execute(
        text(
            """
            SELECT inhdetachpending FROM pg_inherits
            WHERE inhparent = CAST(:parent AS regclass) AND inhrelid = to_regclass(:name)
            """
        ),
        {"parent": parent, "name": name},
    )
    pending = rows.scalar_one_or_none()
    if pending is not None:
        # One that was interrupted is finished first.
        how = "FINALIZE" if pending else "CONCURRENTLY"
        await connection.execute(text(f"ALTER TABLE {parent} DETACH PARTITION {name} {how}"))
    await connection.execute(text(f"DROP TABLE IF EXISTS {name}"))
