"""Forgetting what was settled long ago, and giving up what waits for endpoints that are gone.

It never removes what still waits to be delivered to somebody.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


async def forget(connection: AsyncConnection, before: datetime, limit: int = 5000) -> int:
    """Remove what was settled, logged or noticed before a time, a portion at once. Out: how many deliveries."""
    rows = await connection.execute(
        text(
            """
            WITH old AS (
                SELECT id FROM delivery WHERE settled_at < :before ORDER BY settled_at LIMIT :limit
            ), log AS (DELETE FROM attempt USING old WHERE attempt.delivery_id = old.id)
            DELETE FROM delivery USING old WHERE delivery.id = old.id RETURNING 1
            """
        ),
        {"before": before, "limit": limit},
    )
    count = len(rows.all())
    for statement in (
        """DELETE FROM message WHERE id IN (
               SELECT id FROM message WHERE created_at < :before
               AND NOT EXISTS (SELECT FROM delivery WHERE delivery.message_id = message.id) LIMIT :limit)""",
        "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE created_at < :before LIMIT :limit)",
    ):
        await connection.execute(text(statement), {"before": before, "limit": limit})
    return count


_GIVE_UP = text(
    """
    UPDATE delivery SET state = 'failed', settled_at = :now, reason = 'endpoint-gone', sequence = delivery.sequence + 1
    FROM subscription AS s
    WHERE s.id = delivery.subscription_id AND delivery.state = 'pending'
      AND ((s.state = 'deleted' AND s.changed_at < :deleted_before)
        OR (s.state = 'disabled' AND s.changed_at < :disabled_before))
    RETURNING delivery.id::text AS id, s.id::text AS subscription_id, s.channel, delivery.attempts, delivery.sequence,
              (SELECT event_type FROM message WHERE message.id = delivery.message_id) AS event_type
    """
)


async def give_up(
    connection: AsyncConnection, deleted_before: datetime, disabled_before: datetime, now: datetime
) -> list[Any]:
    """Fail what waits for endpoints that are deleted or disabled since before a time. Out: the rows."""
    rows = await connection.execute(
        _GIVE_UP, {"deleted_before": deleted_before, "disabled_before": disabled_before, "now": now}
    )
    return list(rows.all())
