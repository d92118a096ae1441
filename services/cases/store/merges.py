"""What lies between two cases: how one was before it was merged into the other."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.ending import Merged, remembered


async def merge_of(connection: AsyncConnection, case_id: str) -> Merged | None:
    """How a case was when it was merged, by its own file; None where the file does not say enough."""
    found = await connection.execute(
        text("SELECT data FROM entry WHERE case_id = :id AND kind = 'case.merged' ORDER BY id DESC LIMIT 1"),
        {"id": case_id},
    )
    data = found.scalar_one_or_none()
    return None if data is None else remembered(data)
