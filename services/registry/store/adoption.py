"""The sealed links between an adopted child's two records. No query here can find one without its token."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import SealedBox
from shared.messaging.outbox import new_id


async def put(
    connection: AsyncConnection, adoption_id: str, old: bytes, wrapped: bytes, box: SealedBox, opens_at: datetime
) -> None:
    """A link whose new record begins at a moment."""
    await connection.execute(
        text(
            """INSERT INTO adoption (id, old_token, wrapped, sealed, opens_at)
               VALUES (CAST(:id AS uuid), :old, :wrapped, CAST(:sealed AS jsonb), :opens_at)"""
        ),
        {"id": adoption_id, "old": old, "wrapped": wrapped, "sealed": box.model_dump_json(), "opens_at": opens_at},
    )


async def take_back(connection: AsyncConnection, old: bytes) -> bool:
    """Forget a link whose new record has not begun. Out: whether there was one."""
    row = await connection.execute(
        text("DELETE FROM adoption WHERE old_token = :old AND opens_at IS NOT NULL RETURNING id"), {"old": old}
    )
    return row.first() is not None


async def waits(connection: AsyncConnection, old: Collection[bytes]) -> bool:
    """Whether the new record of one of these has not begun."""
    rows = await connection.execute(
        text(
            """SELECT EXISTS (SELECT FROM adoption
                              WHERE old_token = ANY(CAST(:old AS bytea[])) AND opens_at IS NOT NULL)"""
        ),
        {"old": list(old)},
    )
    return bool(rows.scalar_one())


async def opening(connection: AsyncConnection, now: datetime, limit: int, spoilt: Collection[str]) -> Sequence[str]:
    """Ids of links whose moment has come, locked; those another replica holds are left to it."""
    rows = await connection.execute(
        text(
            """SELECT id FROM adoption WHERE opens_at <= :now AND id <> ALL(CAST(:spoilt AS uuid[]))
               ORDER BY opens_at LIMIT :limit FOR UPDATE SKIP LOCKED"""
        ),
        {"now": now, "limit": limit, "spoilt": list(spoilt)},
    )
    return [str(row.id) for row in rows]


async def link(connection: AsyncConnection, adoption_id: str) -> Row[Any]:
    """Row (id, wrapped, sealed) of a link that there is."""
    rows = await connection.execute(
        text("SELECT id, wrapped, sealed FROM adoption WHERE id = CAST(:id AS uuid)"), {"id": adoption_id}
    )
    return rows.one()


async def opened(connection: AsyncConnection, adoption_id: str, new: bytes, box: SealedBox) -> None:
    """The new record has begun."""
    await connection.execute(
        text(
            """UPDATE adoption SET new_token = :new, sealed = CAST(:sealed AS jsonb), opens_at = NULL
               WHERE id = CAST(:id AS uuid)"""
        ),
        {"id": adoption_id, "new": new, "sealed": box.model_dump_json()},
    )


async def find(connection: AsyncConnection, token: bytes) -> Row[Any] | None:
    """Row (id, wrapped, sealed) of a link, by the token of either record."""
    rows = await connection.execute(
        text("SELECT id, wrapped, sealed FROM adoption WHERE old_token = :token OR new_token = :token"),
        {"token": token},
    )
    return rows.first()


async def log(connection: AsyncConnection, adoption_id: str, now: datetime, who: str, purpose: str, note: str) -> None:
    """Log that somebody read a link, and what for."""
    await connection.execute(
        text(
            """INSERT INTO adoption_reading (id, adoption_id, at, who, purpose, note)
               VALUES (CAST(:id AS uuid), CAST(:adoption AS uuid), :now, :who, :purpose, :note)"""
        ),
        {"id": new_id(), "adoption": adoption_id, "now": now, "who": who, "purpose": purpose, "note": note},
    )


async def readings(connection: AsyncConnection, token: bytes) -> Sequence[Row[Any]]:
    """Rows (at, who, purpose, note): who read the link of a record, the newest first."""
    rows = await connection.execute(
        text(
            """SELECT r.at, r.who, r.purpose, r.note FROM adoption_reading r JOIN adoption a ON a.id = r.adoption_id
               WHERE a.old_token = :token OR a.new_token = :token ORDER BY r.at DESC LIMIT 50"""
        ),
        {"token": token},
    )
    return rows.all()
