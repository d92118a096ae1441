"""Which case is of which child, through all merges that the registry told of."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def cases_of_child(connection: AsyncConnection, child_id: str) -> list[str]:
    """The cases of a child, in an order that every transaction takes."""
    rows = await connection.execute(
        text("SELECT id FROM cases WHERE child_id = :child_id ORDER BY id"), {"child_id": child_id}
    )
    return [row.id for row in rows]


async def add_alias(connection: AsyncConnection, merged_id: str, child_id: str) -> None:
    """Two children were one: follow it from now on, also through earlier merges."""
    await connection.execute(
        text("UPDATE child_alias SET child_id = :child_id WHERE child_id = :merged_id"),
        {"child_id": child_id, "merged_id": merged_id},
    )
    await connection.execute(
        text(
            """INSERT INTO child_alias (merged_id, child_id) VALUES (:merged_id, :child_id)
               ON CONFLICT (merged_id) DO UPDATE SET child_id = excluded.child_id"""
        ),
        {"child_id": child_id, "merged_id": merged_id},
    )


async def resolved(connection: AsyncConnection, child_id: str) -> str:
    """The child's id after all merges heard of."""
    found = await connection.execute(text("SELECT child_id FROM child_alias WHERE merged_id = :id"), {"id": child_id})
    alias: str | None = found.scalar_one_or_none()
    return alias or child_id
