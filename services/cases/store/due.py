"""What falls due, for the ticker: which cases, when the next, and those whose time cannot be told.

Found by the index on `next_moment` alone, however many cases there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case
from services.cases.store.files import whole

DUE = """SELECT * FROM cases WHERE next_moment <= :now ORDER BY next_moment LIMIT :limit
          FOR UPDATE SKIP LOCKED"""
_DUE_ONE = "SELECT * FROM cases WHERE id = :id AND next_moment <= :now FOR UPDATE SKIP LOCKED"
NEXT = "SELECT min(next_moment) FROM cases"
_DUE_IDS = "SELECT id FROM cases WHERE next_moment <= :now ORDER BY next_moment LIMIT :limit"
_ATTEMPTS = "SELECT attempts FROM stuck WHERE case_id = :id"
_PUT_ASIDE = """INSERT INTO stuck (case_id, reason, attempts, since, again)
                VALUES (:id, :reason, :attempts, :now, :again)
                ON CONFLICT (case_id) DO UPDATE
                SET reason = excluded.reason, attempts = excluded.attempts, again = excluded.again"""
_LATER = "UPDATE cases SET next_moment = :again WHERE id = :id AND next_moment <= :now"
# Told after all, or something was done with it since: it is tried like any other.
_FREE = """DELETE FROM stuck USING cases
           WHERE cases.id = stuck.case_id AND cases.next_moment IS DISTINCT FROM stuck.again"""
_COUNT = "SELECT count(*) FROM stuck"
_STUCK = """SELECT code, reason, since, attempts, again FROM stuck JOIN cases ON cases.id = stuck.case_id
            ORDER BY since, code LIMIT :limit"""
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A case whose time could not be told: how often it was tried, and when it is tried again."""

    attempts: int
    again: datetime


async def due_cases(connection: AsyncConnection, now: datetime, limit: int) -> list[Case]:
    """Cases about which something fell due, locked; those another replica holds are left to it."""
    rows = await connection.execute(text(DUE), {"now": now, "limit": limit})
    return await whole(connection, rows.mappings().all())


async def due_case(connection: AsyncConnection, case_id: str, now: datetime) -> list[Case]:
    """One of them, by itself; none where it is due no more, or another replica holds it."""
    rows = await connection.execute(text(_DUE_ONE), {"id": case_id, "now": now})
    return await whole(connection, rows.mappings().all())


async def due_ids(connection: AsyncConnection, now: datetime, limit: int) -> list[str]:
    """Their ids, unlocked."""
    return list((await connection.execute(text(_DUE_IDS), {"now": now, "limit": limit})).scalars())


async def next_moment(connection: AsyncConnection) -> datetime | None:
    """When something falls due next, or fell due and has not been told."""
    found: datetime | None = (await connection.execute(text(NEXT))).scalar_one()
    return found


async def put_aside(connection: AsyncConnection, case_id: str, reason: str, now: datetime) -> Stuck | None:
    """A case whose time cannot be told is tried again later, each time twice as late; whatever is done with it in
    between is tried at once. In: `reason`: a name, never what the case says. Out: None where it is due no more: another
    replica told it.
    """
    found = (await connection.execute(text(_ATTEMPTS), {"id": case_id})).scalar_one_or_none()
    attempts = (found or 0) + 1
    again = now + min(_FIRST_WAIT * 2 ** min(attempts - 1, 30), _LONGEST_WAIT)
    later = await connection.execute(text(_LATER), {"id": case_id, "again": again, "now": now})
    if not later.rowcount:
        return None
    values = {"id": case_id, "reason": reason, "attempts": attempts, "now": now, "again": again}
    await connection.execute(text(_PUT_ASIDE), values)
    return Stuck(attempts, again)


async def count_stuck(connection: AsyncConnection) -> int:
    """How many cases there are whose time cannot be told; those of which it was told after all are forgotten."""
    await connection.execute(text(_FREE))
    count: int = (await connection.execute(text(_COUNT))).scalar_one()
    return count


async def stuck_cases(connection: AsyncConnection, limit: int) -> list[RowMapping]:
    """The cases whose time cannot be told, by code, the oldest first, with the name of what stands in the way."""
    await connection.execute(text(_FREE))
    return list((await connection.execute(text(_STUCK), {"limit": limit})).mappings())
