"""What had to be done and waits for nobody any more, and how a notice of it says so, whichever was heard first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import believable
from services.notify.domain.matters import SettledMatter
from services.notify.store.waking import changed_for
from shared.database.statements import text

# How what a notice or line `{of}` asks for was settled: the first time since it was asked for. What was settled then
# stays so, whatever becomes of it when it is asked for anew.
_FIRST = """SELECT s.how FROM settled_matter s
    WHERE s.matter = {of}.matter AND s.at >= {of}.happened_at ORDER BY s.at LIMIT 1"""
OF_LINE = _FIRST.format(of="l")
# Of one that speaks of several the lines are asked one by one until one waits.
HOW_SETTLED = f"""CASE WHEN n.count = 1 THEN ({_FIRST.format(of="n")})
    WHEN NOT EXISTS (SELECT FROM notice_line l WHERE l.notice_id = n.id AND NOT EXISTS ({OF_LINE}))
    THEN (SELECT min(one.how) FROM notice_line l CROSS JOIN LATERAL ({OF_LINE}) AS one WHERE l.notice_id = n.id)
    END"""


async def settle(connection: AsyncConnection, settled: Sequence[SettledMatter], now: datetime) -> None:
    """What had to be done waits for nobody any more, and whoever was told of it sees so: also who is told later, of
    what happened before."""
    if not settled:
        return
    # The same order everywhere, so that two replicas cannot deadlock on each other's rows.
    ordered = sorted(settled, key=lambda one: (one.matter, one.at))
    await connection.execute(
        text(
            """INSERT INTO settled_matter (matter, at, how)
               SELECT * FROM unnest(CAST(:matters AS text[]), CAST(:ats AS timestamptz[]), CAST(:hows AS text[]))
               ON CONFLICT DO NOTHING"""
        ),
        {
            "matters": [one.matter for one in ordered],
            "ats": [believable(one.at, now) for one in ordered],
            "hows": [one.how for one in ordered],
        },
    )
    rows = await connection.execute(
        text(
            """SELECT audience FROM notice WHERE matter = ANY (CAST(:matters AS text[]))
               UNION
               SELECT n.audience FROM notice_line l JOIN notice n ON n.id = l.notice_id
               WHERE l.matter = ANY (CAST(:matters AS text[]))"""
        ),
        {"matters": sorted({one.matter for one in ordered})},
    )
    await changed_for(connection, set(rows.scalars()))


async def forget_settled(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Remove a portion of what was settled before a time: whoever was told of it is told no more. Out: how many."""
    rows = await connection.execute(
        text(
            """DELETE FROM settled_matter WHERE (matter, at) IN (
                   SELECT matter, at FROM settled_matter WHERE at < :before LIMIT :limit) RETURNING 1"""
        ),
        {"before": before, "limit": limit},
    )
    return len(rows.all())
