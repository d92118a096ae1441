"""The delivery log: what was sent to an endpoint, what it said, and sending it again. And the operators' figures.

Every query is bounded by an index: a long history costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import DeliveryState
from services.notify.store.waking import WAKE, wake


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery with what was last said of it."""

    id: str
    event_type: str
    unit: str | None
    case_id: str | None
    state: DeliveryState
    attempts: int
    reason: str | None
    created_at: datetime
    due_at: datetime
    settled_at: datetime | None
    body: bytes
    case_code: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try."""

    at: datetime
    number: int
    outcome: str
    status: int | None
    duration_ms: int
    response: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """How an endpoint has done since a time."""

    succeeded: int
    failed: int
    waiting: int
    slowest_ms: int | None
    typical_ms: int | None


_ENTRY = """d.id::text, m.event_type, m.unit, m.case_id, d.state, d.attempts, d.reason, d.created_at, d.due_at,
            d.settled_at, m.body, m.case_code"""


async def entries(
    connection: AsyncConnection,
    subscription_id: str,
    state: DeliveryState | None = None,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Deliveries of one endpoint, newest first."""
    rows = await connection.execute(
        text(
            f"""
            SELECT {_ENTRY} FROM delivery d JOIN message m ON m.id = d.message_id
            WHERE d.subscription_id = CAST(:id AS uuid) AND (CAST(:state AS text) IS NULL OR d.state = :state)
              AND (CAST(:before AS timestamptz) IS NULL OR d.created_at < :before)
            ORDER BY d.created_at DESC, d.id LIMIT :limit
            """
        ),
        {"id": subscription_id, "state": state, "before": before, "limit": limit},
    )
    return [Entry(*row) for row in rows]


async def entry(connection: AsyncConnection, delivery_id: str) -> tuple[str, Entry] | None:
    """One delivery and its subscription's id."""
    rows = await connection.execute(
        text(
            f"""SELECT d.subscription_id::text, {_ENTRY} FROM delivery d JOIN message m ON m.id = d.message_id
                WHERE d.id = CAST(:id AS uuid)"""
        ),
        {"id": delivery_id},
    )
    row = rows.first()
    return None if row is None else (row[0], Entry(*row[1:]))


async def attempts(connection: AsyncConnection, delivery_id: str) -> list[Attempt]:
    """The tries of one delivery, in order."""
    rows = await connection.execute(
        text(
            """SELECT at, number, outcome, status, duration_ms, response, reason FROM attempt
               WHERE delivery_id = CAST(:id AS uuid) ORDER BY at"""
        ),
        {"id": delivery_id},
    )
    return [Attempt(*row) for row in rows]


async def figures(connection: AsyncConnection, subscription_id: str, now: datetime) -> Figures:
    """The last 24 hours of one endpoint, at most its last 10,000 deliveries."""
    rows = await connection.execute(
        text(
            """
            WITH recent AS (
                SELECT id, state FROM delivery WHERE subscription_id = CAST(:id AS uuid) AND created_at > :since
                ORDER BY created_at DESC LIMIT 10000
            ), timed AS (
                SELECT duration_ms FROM attempt WHERE delivery_id IN (SELECT id FROM recent LIMIT 500)
            )
            SELECT count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),
                   (SELECT count(*) FROM delivery WHERE subscription_id = CAST(:id AS uuid) AND state = 'pending'),
                   (SELECT max(duration_ms) FROM timed),
                   (SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY duration_ms) FROM timed)
            FROM recent
            """
        ),
        {"id": subscription_id, "since": now - timedelta(hours=24)},
    )
    return Figures(*rows.one())


# What is replayed gets the whole schedule again, and its id stays: a receiver that has it recognises it.
_REPLAY = """
UPDATE delivery SET state = 'pending', due_at = :now, settled_at = NULL,
       attempts = CASE WHEN state = 'pending' THEN attempts ELSE 0 END
"""


async def replay(connection: AsyncConnection, delivery_id: str, now: datetime) -> bool:
    """Send one delivery again, however it ended, or now instead of at its next try."""
    rows = await connection.execute(
        text(
            f"{_REPLAY} WHERE id = CAST(:id AS uuid) AND (state <> 'pending' OR (attempts > 0 AND due_at > :now))"
            " RETURNING 1"
        ),
        {"id": delivery_id, "now": now},
    )
    found = rows.first() is not None
    await wake(connection, WAKE)
    return found


async def replay_failed(connection: AsyncConnection, subscription_id: str, since: datetime, now: datetime) -> int:
    """Send again all that failed, or waits after a failure, of what was queued since a time. Out: how many."""
    rows = await connection.execute(
        text(
            f"""{_REPLAY} WHERE subscription_id = CAST(:id AS uuid) AND created_at >= :since
                AND (state = 'failed' OR (state = 'pending' AND attempts > 0 AND due_at > :now)) RETURNING 1"""
        ),
        {"id": subscription_id, "since": since, "now": now},
    )
    count = len(rows.all())
    await wake(connection, WAKE)
    return count


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits, for operators."""

    due: int
    waiting: int
    oldest_due: datetime | None
    succeeded: int
    failed: int


async def queue(connection: AsyncConnection, now: datetime) -> Queue:
    """Depth of the queue now, and what was settled in the last hour."""
    rows = await connection.execute(
        text(
            """
            SELECT (SELECT count(*) FROM delivery WHERE state = 'pending' AND due_at <= :now),
                   (SELECT count(*) FROM delivery WHERE state = 'pending' AND due_at > :now),
                   (SELECT min(due_at) FROM delivery WHERE state = 'pending'),
                   (SELECT count(*) FROM delivery WHERE settled_at > :since AND state = 'succeeded'),
                   (SELECT count(*) FROM delivery WHERE settled_at > :since AND state = 'failed')
            """
        ),
        {"now": now, "since": now - timedelta(hours=1)},
    )
    return Queue(*rows.one())


@dataclass(frozen=True, slots=True)
class Trouble:
    """An endpoint that fails, is disabled or lags; its address is not the operators' business."""

    id: str
    name: str
    org: str | None
    channel: str
    state: str
    failing_since: datetime | None
    waiting: int


async def troubles(connection: AsyncConnection, limit: int = 100) -> list[Trouble]:
    """Failing and disabled endpoints, and those with the longest queues."""
    rows = await connection.execute(
        text(
            """
            WITH waiting AS (
                SELECT subscription_id, count(*) AS n FROM delivery WHERE state = 'pending' GROUP BY subscription_id
            )
            SELECT s.id::text, s.name, s.org, s.channel, s.state, s.failing_since, COALESCE(w.n, 0)
            FROM subscription s LEFT JOIN waiting w ON w.subscription_id = s.id
            WHERE s.state <> 'deleted' AND (s.failing_since IS NOT NULL OR s.state = 'disabled' OR w.n > 0)
            ORDER BY (s.state = 'disabled') DESC, s.failing_since NULLS LAST, w.n DESC NULLS LAST LIMIT :limit
            """
        ),
        {"limit": limit},
    )
    return [Trouble(*row) for row in rows]
