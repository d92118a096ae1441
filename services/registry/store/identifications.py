"""What cases were answered when they asked who their child is."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.statements import text


async def put(connection: AsyncConnection, case_id: str, child_id: str | None) -> int:
    """Remember what a case was answered. Out: the number of the answer, from 1."""
    row = await connection.execute(
        text(
            """INSERT INTO identification AS i (case_id, sequence, child_id)
               VALUES (:case_id, 1, CAST(:child_id AS uuid))
               ON CONFLICT (case_id) DO UPDATE SET sequence = i.sequence + 1, child_id = excluded.child_id
               RETURNING sequence"""
        ),
        {"case_id": case_id, "child_id": child_id},
    )
    return int(row.scalar_one())


async def cases_of(connection: AsyncConnection, children: Sequence[str]) -> list[tuple[str, str]]:
    """Cases that were answered by one of the children, each with which."""
    rows = await connection.execute(
        text(
            "SELECT case_id, child_id FROM identification WHERE child_id = ANY(CAST(:ids AS uuid[])) ORDER BY case_id"
        ),
        {"ids": list(children)},
    )
    return [(row.case_id, str(row.child_id)) for row in rows]
