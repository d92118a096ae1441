"""The in-app inbox: what a person is told, and what of it they have read.

It never shows a notice to somebody outside its audience.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Message, path_for
from services.notify.store.waking import NOTICED


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
    count: int = 1
    ladder_id: str | None = None
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which notices somebody wants to see. `about`: a publisher (`cases`). `pressing`: only those that are urgent and
    unread, or all others."""

    unread: bool = False
    urgent: bool = False
    about: str | None = None
    unit: str | None = None
    case_code: str | None = None
    pressing: bool | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return self != Filter()


EVERYTHING = Filter()
# What is pressing is found by an index of its own, however much lies under it.
_PRESSING = {
    None: "",
    True: "AND n.urgent AND r.read_at IS NULL",
    False: "AND NOT (n.urgent AND r.read_at IS NULL)",
}
_LIST = """
    SELECT n.id::text, n.event_type, n.unit, n.case_id, n.due, n.path, n.urgent, n.created_at, r.read_at,
           n.case_code, n.count, n.ladder_id::text, n.rule
    FROM notice n LEFT JOIN notice_read r ON r.notice_id = n.id AND r.person = :person
    WHERE n.audience = ANY (CAST(:audiences AS text[]))
      AND (CAST(:before AS timestamptz) IS NULL OR n.created_at < :before)
      AND (r.read_at IS NULL OR NOT CAST(:unread AS boolean))
      AND (n.urgent OR NOT CAST(:urgent AS boolean))
      AND (CAST(:about AS text) IS NULL OR starts_with(n.event_type, :about || '.'))
      AND (CAST(:unit AS text) IS NULL OR n.unit = :unit)
      AND (CAST(:case_code AS text) IS NULL OR upper(n.case_code) = upper(:case_code))
      {pressing}
    ORDER BY n.created_at DESC, n.id LIMIT :limit
"""


async def notices(
    connection: AsyncConnection,
    person: str,
    audiences: Sequence[str],
    wanted: Filter = EVERYTHING,
    *,
    before: datetime | None = None,
    limit: int = 50,
) -> list[Notice]:
    """Newest first; `before` goes on where a page ended."""
    filters = asdict(wanted)
    statement = _LIST.format(pressing=_PRESSING[filters.pop("pressing")])
    rows = await connection.execute(
        text(statement),
        {"person": person, "audiences": list(audiences), "before": before, "limit": limit, **filters},
    )
    return [Notice(*row) for row in rows]


async def unread_count(connection: AsyncConnection, person: str, audiences: Sequence[str]) -> int:
    """How many notices a person has not read; counting stops at 1,000."""
    # Nearly all are read: what is, is read once, and not looked up for each notice.
    rows = await connection.execute(
        text(
            """
            WITH known AS MATERIALIZED (SELECT notice_id FROM notice_read WHERE person = :person)
            SELECT count(*) FROM (
                SELECT 1 FROM notice n WHERE n.audience = ANY (CAST(:audiences AS text[]))
                AND NOT EXISTS (SELECT FROM known WHERE known.notice_id = n.id) LIMIT 1000
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
class Wanted:
    """A notice to be written. `count`: of how many it speaks; `ladder_id`: what is to be acknowledged."""

    id: str
    audience: str
    message: Message
    path: str
    urgent: bool
    due: datetime | None
    rule: str | None = None
    count: int = 1
    ladder_id: str | None = None


# A line that speaks of several is the same row with a higher number: whoever had read it has something new to read.
_NOTICE = text(
    """
    WITH put AS (
        INSERT INTO notice (id, audience, event_type, unit, case_id, due, path, urgent, created_at, case_code, rule,
                            count, ladder_id)
        SELECT id, audience, event_type, unit, case_id, due, path, urgent, :now, case_code, rule, count, ladder_id
        FROM jsonb_to_recordset(CAST(:notices AS jsonb)) AS wanted (
            id uuid, audience text, event_type text, unit text, case_id text, due timestamptz, path text, urgent
            boolean, case_code text, rule text, count integer, ladder_id uuid)
        ON CONFLICT (id) DO UPDATE SET count = excluded.count, due = excluded.due WHERE excluded.count > notice.count
        RETURNING id, audience, xmax = 0 AS fresh
    ), unread AS (
        DELETE FROM notice_read USING put WHERE notice_read.notice_id = put.id AND NOT put.fresh
    )
    SELECT id::text AS id, fresh, CASE WHEN NOT fresh THEN pg_notify(:noticed, audience) END AS woken FROM put
    """
)


async def put_notices(connection: AsyncConnection, wanted: Sequence[Wanted], now: datetime) -> list[Wanted]:
    """In-app notices, one an audience; the row is the delivery. Out: the new ones, in their order."""
    by_id = {notice.id: notice for notice in wanted}
    if not by_id:
        return []
    rows = [_row(notice) for notice in by_id.values()]
    lines = [_line(notice) for notice in wanted if notice.count > 1]
    kept = await connection.execute(_NOTICE, {"notices": orjson.dumps(rows).decode(), "now": now, "noticed": NOTICED})
    fresh = {row.id for row in kept if row.fresh}
    if lines:
        await connection.execute(_ADD_LINES, {"lines": orjson.dumps(lines).decode(), "now": now})
    return [notice for notice in by_id.values() if notice.id in fresh]


def _row(notice: Wanted) -> dict[str, Any]:
    happening = notice.message.happening
    return {
        "id": notice.id,
        "audience": notice.audience,
        "event_type": happening.event_type,
        "unit": happening.unit,
        "case_id": happening.case_id if notice.count == 1 else None,
        "due": notice.due if notice.count == 1 else None,
        "path": _path(notice) if notice.count == 1 else f"/notify/lines/{notice.id}",
        "urgent": notice.urgent,
        "case_code": happening.case_code if notice.count == 1 else None,
        "rule": notice.rule,
        "count": notice.count,
        "ladder_id": notice.ladder_id,
    }


def _path(notice: Wanted) -> str:
    return path_for(notice.audience, notice.message.happening, notice.path)


# What one line speaks of

_ADD_LINES = text(
    """
    INSERT INTO notice_line (notice_id, message_id, case_id, case_code, due, path, at)
    SELECT notice_id, message_id, case_id, case_code, due, path, :now
    FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (
        notice_id uuid, message_id uuid, case_id text, case_code text, due timestamptz, path text)
    ON CONFLICT DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class Line:
    """One of the things of which a notice speaks together."""

    message_id: str
    case_id: str | None
    case_code: str | None
    due: datetime | None
    path: str
    at: datetime


async def find(connection: AsyncConnection, person: str, audiences: Sequence[str], identifier: str) -> Notice | None:
    """One notice; None where there is none for these audiences."""
    rows = await connection.execute(
        text(
            """SELECT n.id::text, n.event_type, n.unit, n.case_id, n.due, n.path, n.urgent, n.created_at, r.read_at,
                      n.case_code, n.count, n.ladder_id::text, n.rule
               FROM notice n LEFT JOIN notice_read r ON r.notice_id = n.id AND r.person = :person
               WHERE n.id = CAST(:id AS uuid) AND n.audience = ANY (CAST(:audiences AS text[]))"""
        ),
        {"id": identifier, "person": person, "audiences": list(audiences)},
    )
    row = rows.first()
    return Notice(*row) if row else None


async def lines(connection: AsyncConnection, identifier: str, limit: int, after: int = 0) -> list[Line]:
    """What a notice speaks of together, the most pressing first."""
    rows = await connection.execute(
        text(
            """SELECT message_id::text, case_id, case_code, due, path, at FROM notice_line
               WHERE notice_id = CAST(:id AS uuid)
               ORDER BY due NULLS LAST, at, case_code, message_id LIMIT :limit OFFSET :after"""
        ),
        {"id": identifier, "limit": limit, "after": after},
    )
    return [Line(*row) for row in rows]


def _line(notice: Wanted) -> dict[str, Any]:
    happening = notice.message.happening
    return {
        "notice_id": notice.id,
        "message_id": happening.id,
        "case_id": happening.case_id,
        "case_code": happening.case_code,
        "due": happening.due,
        "path": _path(notice),
    }
