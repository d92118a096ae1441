"""Windows of noisy rules: how many came since each was opened."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.grouping import Group


async def read(connection: AsyncConnection, keys: Collection[str]) -> dict[str, Group]:
    """The windows of some keys, held until the transaction ends, so that two batches count one after the other."""
    if not keys:
        return {}
    ordered = sorted(keys)
    # What is not there cannot be locked: two replicas that open a window at the same time take turns here.
    await connection.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(key, 7)) FROM unnest(CAST(:keys AS text[])) AS t (key)"),
        {"keys": ordered},
    )
    rows = await connection.execute(
        text(
            """SELECT key, opened_at, closes_at, told, gathered FROM notice_group
               WHERE key = ANY (CAST(:keys AS text[]))"""
        ),
        {"keys": ordered},
    )
    return {row.key: Group(*row) for row in rows}


async def write(connection: AsyncConnection, groups: Collection[Group]) -> None:
    """Keep windows after what came."""
    if groups:
        await connection.execute(
            text(
                """
                INSERT INTO notice_group (key, opened_at, closes_at, told, gathered)
                VALUES (:key, :opened_at, :closes_at, :told, :gathered)
                ON CONFLICT (key) DO UPDATE SET opened_at = excluded.opened_at, closes_at = excluded.closes_at,
                    told = excluded.told, gathered = excluded.gathered
                """
            ),
            [
                {
                    "key": group.key,
                    "opened_at": group.opened_at,
                    "closes_at": group.closes_at,
                    "told": group.told,
                    "gathered": group.gathered,
                }
                for group in sorted(groups, key=lambda group: group.key)
            ],
        )


async def forget(connection: AsyncConnection, before: datetime) -> None:
    """Remove windows that closed before a time."""
    await connection.execute(text("DELETE FROM notice_group WHERE closes_at < :before"), {"before": before})
