"""Thresholds that are crossed, as whoever watches them noted it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

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


async def note(
    connection: AsyncConnection, watch: str, subject: str, now: datetime, stays: timedelta | None
) -> int | None:
    """Note that a threshold is crossed. Out: its number where that is new and to be told; None where it was known.

    In: `stays`: for how long it must not have been seen until it was over, and is told again; None: never.
    """
    over = None if stays is None else now - stays
    row = await connection.execute(text(_NOTE), {"watch": watch, "subject": subject, "now": now, "over": over})
    found = row.one()
    return found.sequence if found.fresh else None


# It was over where it had not been seen crossed for so long.
_NOTE: Final = """
INSERT INTO crossing AS c (watch, subject, sequence, since, seen_at) VALUES (:watch, :subject, 1, :now, :now)
ON CONFLICT (watch, subject) DO UPDATE SET
    seen_at = excluded.seen_at,
    since = CASE WHEN c.seen_at < CAST(:over AS timestamptz) THEN excluded.since ELSE c.since END,
    sequence = CASE WHEN c.seen_at < CAST(:over AS timestamptz) THEN c.sequence + 1 ELSE c.sequence END
RETURNING new.sequence, old.sequence IS DISTINCT FROM new.sequence AS fresh
"""
