"""Who read whose identity, on what ground and what for; who asks for it, and who opened it from outside the team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Actor
from services.cases.store.statements import NOT_KEPT_OUT, Units, in_units, units_of

# By the team's grounds; by a task asked of a sector; by having written the report; to forward it to its commune.
Basis = Literal["role", "request", "act", "assigned", "glass", "task", "entered", "forward"]


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of an identity: of which file, of which case where there is one, what for, on what ground."""

    file_id: str
    case_id: str | None
    purpose: str
    basis: Basis


async def record_read(connection: AsyncConnection, actor: Actor, read: Read, at: datetime) -> None:
    """Remember who read an identity, on what ground and what for."""
    await connection.execute(
        text(
            """INSERT INTO identity_read (who, role, file_id, case_id, purpose, basis, at)
               VALUES (:who, :role, :file_id, :case_id, :purpose, :basis, :at)"""
        ),
        {
            "who": actor.id,
            "role": actor.role,
            "file_id": read.file_id,
            "case_id": read.case_id,
            "purpose": read.purpose,
            "basis": read.basis,
            "at": at,
        },
    )


async def reads_of_case(
    connection: AsyncConnection, case_id: str, *, limit: int, offset: int = 0
) -> tuple[list[RowMapping], int]:
    """Who read the case, also its reports before it was opened and what was merged into it; newest first, and of how
    many."""
    # Arrays, so that both sides of OR are found by their index.
    of_case = """(case_id = ANY (ARRAY(SELECT id FROM cases WHERE id = :id OR merged_into = :id))
                  OR file_id = ANY (ARRAY(SELECT file_id FROM concern WHERE case_id = :id)))"""
    rows = await connection.execute(
        text(
            f"""SELECT who, role, purpose, basis, at FROM identity_read WHERE {of_case}
                ORDER BY at DESC, id DESC LIMIT :limit OFFSET :offset"""
        ),
        {"id": case_id, "limit": limit, "offset": offset},
    )
    total = await connection.execute(text(f"SELECT count(*) FROM identity_read WHERE {of_case}"), {"id": case_id})
    return list(rows.mappings()), total.scalar_one()


async def reads_by(
    connection: AsyncConnection, who: str, *, limit: int, offset: int = 0
) -> tuple[list[RowMapping], int]:
    """What an account opened, newest first, and of how many."""
    rows = await connection.execute(
        text(
            """SELECT read.purpose, read.basis, read.at, read.case_id, cases.code, cases.unit
               FROM identity_read AS read LEFT JOIN cases ON cases.id = read.case_id
               WHERE read.who = :who ORDER BY read.at DESC, read.id DESC LIMIT :limit OFFSET :offset"""
        ),
        {"who": who, "limit": limit, "offset": offset},
    )
    total = await connection.execute(text("SELECT count(*) FROM identity_read WHERE who = :who"), {"who": who})
    return list(rows.mappings()), total.scalar_one()


async def unusual_reading(
    connection: AsyncConnection, since: datetime, within: timedelta, children: int
) -> list[RowMapping]:
    """Accounts that opened more than `children` different children in a span of `within`: the most, and its last
    moment, since a day. A child known to the registry counts once, however many cases it has.

    Spans side by side pick the accounts to look at; only theirs are counted moment by moment.
    """
    rows = await connection.execute(
        text(
            """WITH spans AS (
                   SELECT who, date_bin(CAST(:within AS interval), at, TIMESTAMPTZ 'epoch') AS span, count(*) AS reads
                   FROM identity_read WHERE at > CAST(:since AS timestamptz) - CAST(:within AS interval)
                   GROUP BY who, span
               ), busy AS (
                   SELECT who, span FROM (
                       SELECT who, span, reads + CASE WHEN lag(span) OVER earlier = span - CAST(:within AS interval)
                                                      THEN lag(reads) OVER earlier ELSE 0 END AS reads
                       FROM spans WINDOW earlier AS (PARTITION BY who ORDER BY span)) AS pairs
                   WHERE reads > :children
               )
               SELECT DISTINCT ON (read.who) read.who, read.role, read.at, opened.children
               FROM busy JOIN identity_read AS read ON read.who = busy.who AND read.at >= busy.span
                    AND read.at < busy.span + CAST(:within AS interval) AND read.at > CAST(:since AS timestamptz)
               CROSS JOIN LATERAL (
                   SELECT count(DISTINCT coalesce(cases.child_id, earlier.case_id, earlier.file_id)) AS children
                   FROM identity_read AS earlier LEFT JOIN cases ON cases.id = earlier.case_id
                   WHERE earlier.who = read.who AND earlier.at <= read.at
                         AND earlier.at > read.at - CAST(:within AS interval)) AS opened
               WHERE opened.children > :children
               ORDER BY read.who, opened.children DESC, read.at DESC"""
        ),
        {"since": since, "within": within, "children": children},
    )
    return sorted(rows.mappings(), key=lambda row: -row["children"])


async def asked_to_join(connection: AsyncConnection, units: Units, reader: str, limit: int) -> list[RowMapping]:
    """Requests that wait for a lead in an area, the oldest first; none of a case from which the reader is kept out."""
    rows = await connection.execute(
        text(
            f"""SELECT member.person, member.role, member.since, cases.id, cases.code, cases.unit
                FROM member JOIN cases ON cases.id = member.case_id
                WHERE member.state = 'asked' {in_units(units, "cases.unit")} {NOT_KEPT_OUT}
                ORDER BY member.since LIMIT :limit"""
        ),
        {"limit": limit, "reader": reader, **units_of(units)},
    )
    return list(rows.mappings())


async def glasses_of_area(
    connection: AsyncConnection, units: Units, reader: str, since: datetime, limit: int
) -> list[RowMapping]:
    """Identity opened from outside the team in an area: what waits for review first, then the newest since a day; none
    of a case from which the reader is kept out."""
    rows = await connection.execute(
        text(
            f"""SELECT glass.*, cases.code, cases.unit FROM glass JOIN cases ON cases.id = glass.case_id
                WHERE (glass.verdict IS NULL OR glass.since > :since) {in_units(units, "cases.unit")}
                {NOT_KEPT_OUT} ORDER BY glass.verdict IS NOT NULL, glass.since DESC LIMIT :limit"""
        ),
        {"since": since, "limit": limit, "reader": reader, **units_of(units)},
    )
    return list(rows.mappings())


async def open_to(connection: AsyncConnection, person: str, now: datetime) -> list[RowMapping]:
    """Cases that are open to an account, or asked for, by a row of the team or a broken glass; newest first."""
    rows = await connection.execute(
        text(
            """SELECT * FROM (
                   SELECT cases.id, cases.code, cases.unit, member.state, member.how AS basis, member.since,
                          CAST(NULL AS timestamptz) AS until
                   FROM member JOIN cases ON cases.id = member.case_id
                   WHERE member.person = :person AND member.state <> 'left'
                   UNION ALL
                   SELECT cases.id, cases.code, cases.unit, 'member', 'glass', glass.since, glass.until
                   FROM glass JOIN cases ON cases.id = glass.case_id
                   WHERE glass.person = :person AND glass.until > :now
               ) AS mine ORDER BY since DESC LIMIT 100"""
        ),
        {"person": person, "now": now},
    )
    return list(rows.mappings())


async def forget_reads(connection: AsyncConnection, before: datetime, limit: int) -> int:
    """Delete readings older than the log is kept. Out: how many (fewer than `limit`: there are no more)."""
    values: dict[str, Any] = {"before": before, "limit": limit}
    gone = await connection.execute(
        text(
            """DELETE FROM identity_read WHERE id IN
               (SELECT id FROM identity_read WHERE at < :before ORDER BY at LIMIT :limit)"""
        ),
        values,
    )
    return gone.rowcount
