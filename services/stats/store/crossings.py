"""Thresholds that are crossed, as whoever watches them noted it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Noted:
    """A threshold (`watch`: surge, silence, target) of something, since when it is crossed."""

    watch: str
    subject: str
    since: datetime


async def noted(connection: AsyncConnection, watches: Collection[str], seen_since: datetime) -> list[Noted]:
    """What was crossed when it was last looked at, and that was not before `seen_since`; the latest first."""
    rows = await connection.execute(
        text(
            """SELECT watch, subject, since FROM crossing WHERE watch = ANY(:watches) AND seen_at >= :since
               ORDER BY since DESC, watch, subject"""
        ),
        {"watches": list(watches), "since": seen_since},
    )
    return [Noted(row.watch, row.subject, row.since) for row in rows]
