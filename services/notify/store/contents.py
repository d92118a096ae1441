"""What was sealed to partners and passes through here unread: where it lies, and how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.store.retention import GivenUp, giving_up, settle_given_up

_STOP = giving_up("JOIN sealed_content c ON c.message_id = d.message_id WHERE c.child_id = :child_id")


async def keep(
    connection: AsyncConnection,
    message: tuple[str, datetime],
    agreement_id: str,
    case_id: str | None,
    child_id: str | None,
) -> None:
    """Remember that a message (id and time) holds what was sealed within an agreement."""
    await connection.execute(
        text(
            """INSERT INTO sealed_content (message_id, message_at, agreement_id, case_id, child_id)
               VALUES (CAST(:id AS uuid), :at, CAST(:agreement AS uuid), :case_id, :child_id) ON CONFLICT DO NOTHING"""
        ),
        {"id": message[0], "at": message[1], "agreement": agreement_id, "case_id": case_id, "child_id": child_id},
    )


async def endpoints_of(
    connection: AsyncConnection, agreement_id: str, patterns: Sequence[str], unit: str | None
) -> list[tuple[str, str]]:
    """(endpoint, subscription) within an agreement that are told of a type in a commune."""
    rows = await connection.execute(
        text(
            """
            SELECT DISTINCT ON (e.id) e.id::text, s.id::text FROM subscription s JOIN endpoint e ON e.id = s.endpoint_id
            WHERE s.agreement_id = CAST(:agreement AS uuid) AND e.state <> 'deleted'
              AND s.patterns && CAST(:patterns AS text[])
              AND (s.units IS NULL OR CAST(:unit AS text) = ANY (s.units))
            ORDER BY e.id, s.created_at
            """
        ),
        {"agreement": agreement_id, "patterns": list(patterns), "unit": unit},
    )
    return [(row[0], row[1]) for row in rows]


async def forget(connection: AsyncConnection, *, agreement_id: str | None = None, child_id: str | None = None) -> None:
    """Remove what was sealed within an agreement or about a child, sent or not: of the log, that there was something is
    enough."""
    await connection.execute(
        text(
            """
            WITH gone AS (
                DELETE FROM sealed_content
                WHERE agreement_id = CAST(:agreement AS uuid) OR child_id = CAST(:child AS text)
                RETURNING message_id, message_at
            )
            UPDATE message SET body = convert_to('{"data":{},"type":"removed"}', 'UTF8')
            FROM gone WHERE message.id = gone.message_id AND message.at = gone.message_at
            """
        ),
        {"agreement": agreement_id, "child": child_id},
    )


async def stop_child(connection: AsyncConnection, child_id: str, now: datetime) -> list[GivenUp]:
    """Fail what waits to be delivered about a child that was erased."""
    rows = await connection.execute(_STOP, {"child_id": child_id, "reason": "erased", "now": now})
    return await settle_given_up(connection, rows.all())


async def forget_old(connection: AsyncConnection, before: datetime) -> None:
    """What is about messages that were dropped with their partition."""
    await connection.execute(text("DELETE FROM sealed_content WHERE message_at < :before"), {"before": before})
