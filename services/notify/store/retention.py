"""Forgetting what was settled long ago, and giving up what waits for endpoints that are gone or has come too late.

It never removes what still waits to be delivered to somebody.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import ChannelName
from services.notify.store import deliveries
from services.notify.store.waking import WAKE, wake

# Replicas' clocks differ by less.
_SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A delivery that will not be attempted any more."""

    id: str
    endpoint_id: str
    channel: ChannelName
    event_type: str
    case_id: str | None
    attempts: int
    sequence: int
    reason: str


_GIVE_UP = """
WITH gone AS (
    DELETE FROM delivery_pending WHERE id IN (SELECT d.id FROM delivery_pending d {which} {locked}) RETURNING *
), settled AS (
    INSERT INTO delivery_settled (id, endpoint_id, subscription_id, message_id, message_at, state, urgency, order_key,
        position, attempts, sequence, lease, created_at, due_at, expires_at, body, settled_at, reason)
    SELECT id, endpoint_id, subscription_id, message_id, message_at, 'failed', urgency, order_key, position,
           attempts, sequence + 1, lease, created_at, due_at, expires_at, body, :now, :reason
    FROM gone
    RETURNING id, endpoint_id, message_id, message_at, attempts, sequence, order_key
)
SELECT settled.id::text, endpoint_id::text, channel, event_type, case_id, attempts, settled.sequence,
       CAST(:reason AS text), order_key
FROM settled JOIN endpoint ON endpoint.id = endpoint_id
JOIN message ON message.id = message_id AND message.at = message_at
"""


def giving_up(which: str, *, portion: bool = False, by: str = "") -> TextClause:
    """A statement that fails what waits; its rows are for `settle_given_up`.

    In: `which`, joins and conditions on `delivery_pending d`. `portion`: at most `:limit` of it, and nothing that
    others hold. `by`: what is joined and must stay as it is until then, of a portion: of what others are changing
    nothing is given up. It takes `:now` and `:reason`.
    """
    locked = "LIMIT :limit FOR UPDATE OF d SKIP LOCKED" if portion else "ORDER BY d.id FOR UPDATE OF d"
    if by:
        locked += f" FOR SHARE OF {by} SKIP LOCKED"
    return text(_GIVE_UP.format(which=which, locked=locked))


# Endpoints that were deleted, switched off or paused before a time.
_OF_THE_GONE = giving_up(
    """
    JOIN endpoint e ON e.id = d.endpoint_id
    WHERE (e.state = 'deleted' AND e.changed_at < :deleted_before)
       OR (e.state IN ('disabled', 'paused') AND e.changed_at < :off_before)
    """,
    portion=True,
    by="e",
)
# What nobody can send: its channel is switched off here, or its person has no account any more.
_UNSENDABLE = giving_up(
    """
    JOIN endpoint e ON e.id = d.endpoint_id
    WHERE d.due_at < :off_before AND d.leased_until IS NULL AND (
        e.channel <> ALL (CAST(:channels AS text[])) OR e.person <> ALL (CAST(:people AS text[])))
    """,
    portion=True,
)
# A worker that has one of them in its hands finishes it.
_EXPIRED = giving_up("WHERE d.expires_at <= :now AND (d.leased_until IS NULL OR d.leased_until <= :now)", portion=True)


async def give_up(
    connection: AsyncConnection, deleted_before: datetime, off_before: datetime, now: datetime, limit: int
) -> list[GivenUp]:
    """Fail a portion of what waits for endpoints that are deleted, or off, since before a time."""
    rows = await connection.execute(
        _OF_THE_GONE,
        {
            "deleted_before": deleted_before,
            "off_before": off_before,
            "now": now,
            "limit": limit,
            "reason": "endpoint-gone",
        },
    )
    return await settle_given_up(connection, rows.all())


async def give_up_unsendable(
    connection: AsyncConnection,
    channels: Collection[str],
    people: Collection[str],
    off_before: datetime,
    now: datetime,
    limit: int,
) -> list[GivenUp]:
    """Fail a portion of what was due before a time, over a channel or to a person that there is no more."""
    rows = await connection.execute(
        _UNSENDABLE,
        {
            "channels": sorted(channels),
            "people": sorted(people),
            "off_before": off_before,
            "now": now,
            "limit": limit,
            "reason": "endpoint-gone",
        },
    )
    return await settle_given_up(connection, rows.all())


async def expire(connection: AsyncConnection, now: datetime, limit: int) -> list[GivenUp]:
    """Fail a portion of what has waited too long to be worth sending, at whatever endpoint."""
    rows = await connection.execute(_EXPIRED, {"now": now, "limit": limit, "reason": "expired"})
    return await settle_given_up(connection, rows.all())


async def settle_given_up(connection: AsyncConnection, rows: Sequence[Any]) -> list[GivenUp]:
    """In: the rows of `giving_up`. Out: what they say; what waited behind them is let go."""
    await deliveries.release(connection, sorted({(row[1], row[8]) for row in rows if row[8] is not None}))
    return [GivenUp(*row[:8]) for row in rows]


async def forget_notices(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Remove a portion of what was noticed before a time. Out: how many."""
    rows = await connection.execute(
        text(
            """DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE created_at < :before LIMIT :limit)
               RETURNING 1"""
        ),
        {"before": before, "limit": limit},
    )
    return len(rows.all())


async def forget_beside(connection: AsyncConnection, before: datetime) -> None:
    """Remove finished replays and hours of endpoints from before a time: there are few."""
    await connection.execute(text("DELETE FROM replay WHERE finished_at < :before"), {"before": before})
    await connection.execute(text("DELETE FROM endpoint_hour WHERE hour < :before"), {"before": before})


async def believe_now(connection: AsyncConnection, now: datetime, *, urgent: bool) -> int:
    """What was queued in a future that a wrong clock told is due now. In: `urgent`: of emergencies only, which are few.
    Out: how many."""
    rows = await connection.execute(
        text(
            f"""UPDATE delivery_pending SET due_at = :now
                WHERE {"urgency = 0 AND" if urgent else ""} NOT blocked AND due_at > :soon AND created_at > :soon
                  AND attempts = 0 RETURNING 1"""
        ),
        {"now": now, "soon": now + _SOON},
    )
    if found := len(rows.all()):
        await wake(connection, WAKE)
    return found


async def believe_clock(connection: AsyncConnection, latest: datetime) -> int:
    """What is due later than any schedule makes it, for a clock was wrong then, is due by the latest. Out: how many."""
    rows = await connection.execute(
        text(
            """UPDATE delivery_pending SET due_at = :latest
               WHERE due_at > :latest AND attempts > 0 RETURNING 1"""
        ),
        {"latest": latest},
    )
    await connection.execute(
        text("UPDATE endpoint SET retry_at = :latest WHERE retry_at > :latest"), {"latest": latest}
    )
    return len(rows.all())
