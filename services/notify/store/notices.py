"""The in-app inbox: what a person is told, and what of it they have read.

It never shows a notice to somebody outside its audience.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Message, path_for
from shared.messaging.outbox import stable_id


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice as one person sees it."""

    id: str
    event_type: str
    unit: str | None
    case_id: str | None
    due: datetime | None
    path: str
    urgent: bool
    created_at: datetime
    read_at: datetime | None
    case_code: str | None = None


_LIST = text(
    """
    SELECT n.id::text, n.event_type, n.unit, n.case_id, n.due, n.path, n.urgent, n.created_at, r.read_at,
           n.case_code
    FROM notice n LEFT JOIN notice_read r ON r.notice_id = n.id AND r.person = :person
    WHERE n.audience = ANY (CAST(:audiences AS text[]))
      AND (CAST(:before AS timestamptz) IS NULL OR n.created_at < :before)
      AND (r.read_at IS NULL OR NOT CAST(:unread AS boolean))
    ORDER BY n.created_at DESC, n.id LIMIT :limit
    """
)


async def notices(
    connection: AsyncConnection,
    person: str,
    audiences: Sequence[str],
    *,
    unread: bool = False,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Notice]:
    """Newest first; `before` goes on where a page ended."""
    rows = await connection.execute(
        _LIST,
        {"person": person, "audiences": list(audiences), "unread": unread, "before": before, "limit": limit},
    )
    return [Notice(*row) for row in rows]


async def unread_count(connection: AsyncConnection, person: str, audiences: Sequence[str]) -> int:
    """How many notices a person has not read; counting stops at 1,000."""
    rows = await connection.execute(
        text(
            """
            SELECT count(*) FROM (
                SELECT 1 FROM notice n WHERE n.audience = ANY (CAST(:audiences AS text[]))
                AND NOT EXISTS (SELECT FROM notice_read r WHERE r.notice_id = n.id AND r.person = :person) LIMIT 1000
            ) AS unread
            """
        ),
        {"person": person, "audiences": list(audiences)},
    )
    return int(rows.scalar_one())


async def mark_read(
    connection: AsyncConnection, person: str, audiences: Sequence[str], some: Sequence[str] | None, now: datetime
) -> None:
    """Mark some notices, or all (None), as read by a person; others in the audience still see theirs as unread."""
    await connection.execute(
        text(
            """
            INSERT INTO notice_read (notice_id, person, read_at)
            SELECT n.id, :person, :now FROM notice n
            WHERE n.audience = ANY (CAST(:audiences AS text[]))
              AND (CAST(:some AS uuid[]) IS NULL OR n.id = ANY (CAST(:some AS uuid[])))
            ON CONFLICT DO NOTHING
            """
        ),
        {"person": person, "audiences": list(audiences), "some": some if some is None else list(some), "now": now},
    )


async def mark_unread(connection: AsyncConnection, person: str, some: Sequence[str]) -> None:
    """Undo `mark_read` of some notices."""
    await connection.execute(
        text("DELETE FROM notice_read WHERE person = :person AND notice_id = ANY (CAST(:some AS uuid[]))"),
        {"person": person, "some": list(some)},
    )


async def path_of(connection: AsyncConnection, audiences: Sequence[str], identifier: str) -> str | None:
    """Where a notice leads, None where it is not for these audiences."""
    rows = await connection.execute(
        text("SELECT path FROM notice WHERE id = CAST(:id AS uuid) AND audience = ANY (CAST(:audiences AS text[]))"),
        {"id": identifier, "audiences": list(audiences)},
    )
    row = rows.first()
    return str(row.path) if row else None


@dataclass(frozen=True, slots=True)
class Told:
    """A message for audiences of ours: each with whether it is urgent, and where it leads."""

    message: Message
    audiences: Mapping[str, bool]
    path: str


@dataclass(frozen=True, slots=True)
class Noticed:
    """A notice that has become durable, and of what."""

    id: str
    told: Told


_NOTICE = text(
    """
    INSERT INTO notice (id, audience, event_type, unit, case_id, due, path, urgent, created_at, case_code)
    SELECT id, audience, event_type, unit, case_id, due, path, urgent, :now, case_code
    FROM jsonb_to_recordset(CAST(:notices AS jsonb)) AS wanted (
        id uuid, audience text, event_type text, unit text, case_id text, due timestamptz, path text, urgent boolean,
        case_code text)
    ON CONFLICT (id) DO NOTHING RETURNING id::text AS id
    """
)


async def put_notices(connection: AsyncConnection, told: Sequence[Told], now: datetime) -> list[Noticed]:
    """In-app notices, one an audience; the row is the delivery. Out: the new ones, in their order."""
    wanted: dict[str, Told] = {}
    rows = []
    for one in told:
        happening = one.message.happening
        for audience, urgent in one.audiences.items():
            notice_id = stable_id("notice", happening.id, audience)
            wanted[notice_id] = one
            rows.append(
                {
                    "id": notice_id,
                    "audience": audience,
                    "event_type": happening.event_type,
                    "unit": happening.unit,
                    "case_id": happening.case_id,
                    "due": happening.due,
                    "path": path_for(audience, happening, one.path),
                    "urgent": urgent,
                    "case_code": happening.case_code,
                }
            )
    if not rows:
        return []
    kept = await connection.execute(_NOTICE, {"notices": orjson.dumps(rows).decode(), "now": now})
    fresh = {row.id for row in kept}
    return [Noticed(notice_id, one) for notice_id, one in wanted.items() if notice_id in fresh]
