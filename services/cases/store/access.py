"""Who read whose identity, and what for."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Actor


async def record_read(connection: AsyncConnection, actor: Actor, file_id: str, purpose: str, at: datetime) -> None:
    """Remember who read an identity, and what for."""
    await connection.execute(
        text(
            """INSERT INTO identity_read (who, role, file_id, purpose, at)
               VALUES (:who, :role, :file_id, :purpose, :at)"""
        ),
        {"who": actor.id, "role": actor.role, "file_id": file_id, "purpose": purpose, "at": at},
    )
