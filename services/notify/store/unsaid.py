"""How many events were heard of which nobody was told, by day and by why, so that an operator sees that it was so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.reference.calendar import local_day

# One of very many of a single act (an import), or told longer after it happened than its rule lets it live.
Why = Literal["bulk", "past"]


@dataclass(frozen=True, slots=True)
class Passed:
    """Events of a type in some days."""

    why: Why
    event_type: str
    count: int
    last_at: datetime


async def count(connection: AsyncConnection, passed: Mapping[tuple[str, str], int], now: datetime) -> None:
    """Add numbers of (why, event type). One row a day: however many there are, they are one statement a batch."""
    if not passed:
        return
    # The same order everywhere, so that two replicas cannot deadlock on each other's rows.
    ordered = sorted(passed)
    await connection.execute(
        text(
            """
            INSERT INTO unsaid (day, why, event_type, count, last_at)
            SELECT :day, why, event_type, n, :now
            FROM unnest(CAST(:whys AS text[]), CAST(:types AS text[]), CAST(:counts AS integer[]))
                 AS passed (why, event_type, n)
            ON CONFLICT (day, why, event_type) DO UPDATE SET count = unsaid.count + excluded.count,
                last_at = GREATEST(unsaid.last_at, excluded.last_at)
            """
        ),
        {
            "day": local_day(now),
            "now": now,
            "whys": [why for why, _ in ordered],
            "types": [event_type for _, event_type in ordered],
            "counts": [passed[key] for key in ordered],
        },
    )


async def lately(connection: AsyncConnection, now: datetime, days: int = 7) -> list[Passed]:
    """What was passed over in the last days, the last first."""
    rows = await connection.execute(
        text(
            """SELECT why, event_type, sum(count)::bigint, max(last_at) FROM unsaid WHERE day > :since
               GROUP BY why, event_type ORDER BY max(last_at) DESC, why, event_type"""
        ),
        {"since": local_day(now) - timedelta(days=days)},
    )
    return [Passed(*row) for row in rows]


async def forget(connection: AsyncConnection, before: date) -> None:
    """Remove numbers of long ago."""
    await connection.execute(text("DELETE FROM unsaid WHERE day < :before"), {"before": before})
