"""Queries on searches that people keep. What they hold lies sealed; nobody reads another person's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import SealedBox


@dataclass(frozen=True, slots=True)
class Kept:
    """A search as it lies in the table: its key, wrapped, and what is sealed under it."""

    id: str
    wrapped: bytes
    sealed: SealedBox


def kid(search_id: str) -> str:
    """The name of the key under which a search is sealed."""
    return f"saved-search/{search_id}"


async def put(
    connection: AsyncConnection, search_id: str, person: str, wrapped: bytes, box: SealedBox, now: datetime
) -> None:
    """Keep a search."""
    await connection.execute(
        text(
            """INSERT INTO saved_search (id, person, wrapped, sealed, made_at)
               VALUES (CAST(:id AS uuid), :person, :wrapped, CAST(:sealed AS jsonb), :now)"""
        ),
        {"id": search_id, "person": person, "wrapped": wrapped, "sealed": box.model_dump_json(), "now": now},
    )


async def of(connection: AsyncConnection, person: str) -> list[Kept]:
    """All that a person keeps, the oldest first."""
    rows = await connection.execute(
        text("SELECT id, wrapped, sealed FROM saved_search WHERE person = :person ORDER BY made_at, id"),
        {"person": person},
    )
    return [Kept(str(row.id), row.wrapped, SealedBox.model_validate(row.sealed)) for row in rows]


async def used(connection: AsyncConnection, search_id: str, now: datetime) -> None:
    """It was asked again."""
    await connection.execute(
        text("UPDATE saved_search SET used_at = :now WHERE id = CAST(:id AS uuid)"), {"id": search_id, "now": now}
    )


async def delete(connection: AsyncConnection, person: str, search_id: str) -> bool:
    """Keep it no more. Out: whether the person kept it."""
    gone = await connection.execute(
        text("DELETE FROM saved_search WHERE id = CAST(:id AS uuid) AND person = :person RETURNING id"),
        {"id": search_id, "person": person},
    )
    return gone.first() is not None
