"""Cases that belong together: children of one family or one report. A link is kept once in each direction."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection


async def link_cases(connection: AsyncConnection, one: str, other: str, why: str, at: datetime) -> bool:
    """Two cases belong together, `why` is a code (`same-report`, `family`). Out: whether that is new."""
    made = await connection.execute(
        text(
            """INSERT INTO case_link (case_id, other_id, since, why)
               VALUES (:one, :other, :at, :why), (:other, :one, :at, :why) ON CONFLICT DO NOTHING RETURNING case_id"""
        ),
        {"one": one, "other": other, "why": why, "at": at},
    )
    return made.first() is not None


async def unlink_cases(connection: AsyncConnection, one: str, other: str) -> bool:
    """Two cases have nothing to do with each other after all. Out: whether they were linked."""
    gone = await connection.execute(
        text(
            """DELETE FROM case_link WHERE (case_id = :one AND other_id = :other)
               OR (case_id = :other AND other_id = :one) RETURNING case_id"""
        ),
        {"one": one, "other": other},
    )
    return gone.first() is not None


async def linked_cases(connection: AsyncConnection, case_id: str) -> list[RowMapping]:
    """The cases that belong to a case: id, code, unit, kind, status, step, risk, child_id, why, since; oldest first."""
    rows = await connection.execute(
        text(
            """SELECT cases.id, code, unit, kind, status, step, risk, child_id, why, since
               FROM case_link JOIN cases ON cases.id = other_id WHERE case_id = :id ORDER BY since, code"""
        ),
        {"id": case_id},
    )
    return list(rows.mappings())
