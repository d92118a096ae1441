"""Which case is of which child, through all merges that the registry told of."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.statements import text


async def cases_of_child(connection: AsyncConnection, child_id: str) -> list[str]:
    """The cases of a child, in an order that every transaction takes."""
    rows = await connection.execute(
        text("SELECT id FROM cases WHERE child_id = :child_id ORDER BY id"), {"child_id": child_id}
    )
    return [row.id for row in rows]


async def add_alias(connection: AsyncConnection, merged_id: str, child_id: str, said_at: datetime) -> None:
    """The registry said at a moment whom an id stands for from now on. What was said later and heard before stays."""
    await connection.execute(
        text(
            """INSERT INTO child_alias AS known (merged_id, child_id, said_at) VALUES (:merged_id, :child_id, :said_at)
               ON CONFLICT (merged_id) DO UPDATE SET child_id = excluded.child_id, said_at = excluded.said_at
               WHERE known.said_at <= excluded.said_at"""
        ),
        {"child_id": child_id, "merged_id": merged_id, "said_at": said_at},
    )


async def resolved(connection: AsyncConnection, child_id: str) -> str:
    """The child's id after all merges heard of, and the undoing of some: step by step, as either changes one."""
    return (await resolved_all(connection, [child_id]))[child_id]


async def resolved_all(connection: AsyncConnection, child_ids: Collection[str]) -> dict[str, str]:
    """As `resolved`, of several children."""
    if not child_ids:
        return {}
    found = await connection.execute(
        text(
            """WITH RECURSIVE one AS (
                   SELECT asked, asked AS id, 0 AS step FROM unnest(CAST(:ids AS text[])) AS asked
                   UNION ALL SELECT asked, a.child_id, step + 1 FROM child_alias a JOIN one ON one.id = a.merged_id
                   WHERE step < 20)
               SELECT DISTINCT ON (asked) asked, id FROM one ORDER BY asked, step DESC"""
        ),
        {"ids": sorted(set(child_ids))},
    )
    return {row.asked: row.id for row in found}
