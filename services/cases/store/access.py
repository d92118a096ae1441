"""Who read whose identity, on what ground and what for; who asks for it, and who opened it from outside the team."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal

from sqlalchemy import Row, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Actor
from services.cases.store.statements import MERGED, NOT_KEPT_OUT, Units, in_units, units_of

# By the team's grounds; by a task asked of a sector; by an invitation to meet; by having written the report; to forward
# it to its commune.
Basis = Literal["role", "request", "act", "assigned", "glass", "task", "invited", "entered", "forward"]


@dataclass(frozen=True, slots=True)
class Read:
    """One reading of an identity: of which file, of which case where there is one, what for, on what ground."""

    file_id: str
    case_id: str | None
    purpose: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class Unusual:
    """How many different children an account opened in one span, the most of all spans, and when that was."""

    who: str
    role: str
    at: datetime
    children: int


async def record_read(connection: AsyncConnection, actor: Actor, read: Read, at: datetime) -> None:
    """Remember who read an identity, on what ground and what for."""
    await record_reads(connection, actor, [read], at)


async def record_reads(connection: AsyncConnection, actor: Actor, reads: Sequence[Read], at: datetime) -> None:
    """Remember what somebody read at once, in one statement."""
    await connection.execute(
        text(
            """INSERT INTO identity_read (who, role, file_id, case_id, purpose, basis, at)
               SELECT :who, :role, file_id, case_id, purpose, basis, :at
               FROM unnest(CAST(:files AS text[]), CAST(:cases AS text[]), CAST(:purposes AS text[]),
                           CAST(:bases AS text[])) AS read (file_id, case_id, purpose, basis)"""
        ),
        {
            "who": actor.id,
            "role": actor.role,
            "files": [read.file_id for read in reads],
            "cases": [read.case_id for read in reads],
            "purposes": [read.purpose for read in reads],
            "bases": [read.basis for read in reads],
            "at": at,
        },
    )


async def reads_of_case(
    connection: AsyncConnection, case_id: str, *, limit: int, offset: int = 0
) -> tuple[list[RowMapping], int]:
    """Who read the case, also its reports before it was opened and what was merged into it; newest first, and of how
    many."""
    # Arrays, so that both sides of OR are found by their index.
    of_case = """(case_id = ANY (ARRAY(SELECT case_id FROM file))
                  OR file_id = ANY (ARRAY(SELECT file_id FROM concern JOIN file USING (case_id))))"""
    rows = await connection.execute(
        text(
            f"""{MERGED} SELECT who, role, purpose, basis, at FROM identity_read WHERE {of_case}
                ORDER BY at DESC, id DESC LIMIT :limit OFFSET :offset"""
        ),
        {"case_id": case_id, "limit": limit, "offset": offset},
    )
    counted = text(f"{MERGED} SELECT count(*) FROM identity_read WHERE {of_case}")
    total = await connection.execute(counted, {"case_id": case_id})
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
) -> list[Unusual]:
    """Accounts that opened more than `children` different children in a span of `within`: the most, and its last
    moment, since a day. A child known to the registry counts once, however many cases it has.

    A search is none: it shows coarse facts; nor is where a meeting is. Spans side by side pick the accounts to look at;
    only theirs are counted moment by moment.
    """
    rows = await connection.execute(
        text(
            """WITH spans AS (
                   SELECT who, date_bin(CAST(:within AS interval), at, TIMESTAMPTZ 'epoch') AS span,
                          count(DISTINCT coalesce(case_id, file_id)) AS reads
                   FROM identity_read
                   WHERE at > CAST(:since AS timestamptz) - CAST(:within AS interval)
                         AND purpose NOT IN ('search', 'meeting')
                   GROUP BY who, span
               ), busy AS (
                   SELECT DISTINCT who FROM (
                       SELECT who, reads + CASE WHEN lag(span) OVER earlier = span - CAST(:within AS interval)
                                                THEN lag(reads) OVER earlier ELSE 0 END AS reads
                       FROM spans WINDOW earlier AS (PARTITION BY who ORDER BY span)) AS pairs
                   WHERE reads > :children
               )
               SELECT read.who, read.role, read.at, coalesce(cases.child_id, read.case_id, read.file_id) AS child
               FROM identity_read AS read JOIN busy ON busy.who = read.who LEFT JOIN cases ON cases.id = read.case_id
               WHERE read.at > CAST(:since AS timestamptz) - CAST(:within AS interval)
                     AND read.purpose NOT IN ('search', 'meeting')
               ORDER BY read.who, read.at"""
        ),
        {"since": since, "within": within, "children": children},
    )
    found = [
        most
        for _who, reads in groupby(rows, key=attrgetter("who"))
        if (most := _most(list(reads), since, within)).children > children
    ]
    return sorted(found, key=lambda most: -most.children)


def _most(reads: Sequence[Row[Any]], since: datetime, within: timedelta) -> Unusual:
    """The most different children in a span, of one account's readings in their order."""
    most, first = Unusual(reads[0].who, reads[0].role, reads[0].at, 0), 0
    open_now: Counter[str] = Counter()
    for read in reads:
        open_now[read.child] += 1
        while reads[first].at <= read.at - within:
            gone = reads[first].child
            open_now[gone] -= 1
            if not open_now[gone]:
                del open_now[gone]
            first += 1
        if read.at > since and len(open_now) >= max(most.children, 1):
            most = Unusual(read.who, read.role, read.at, len(open_now))
    return most


async def asked_to_join(connection: AsyncConnection, units: Units, reader: str, limit: int) -> list[RowMapping]:
    """Requests that wait for a lead in an area, the oldest first; none of a case from which the reader is kept out."""
    rows = await connection.execute(
        text(
            f"""SELECT member.person, member.role, member.since, cases.id, cases.code, cases.unit
                FROM member JOIN cases ON cases.id = member.case_id
                WHERE member.state = 'asked' AND cases.merged_into IS NULL
                {in_units(units, "cases.unit")} {NOT_KEPT_OUT}
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
    """Cases that are open to an account, or asked for, by a row of the team or a broken glass; newest first.

    Of a merged case the rows of the one that goes on count: they name that one."""
    rows = await connection.execute(
        text(
            """SELECT * FROM (
                   SELECT cases.id, cases.code, cases.unit, member.state, member.how AS basis, member.since,
                          CAST(NULL AS timestamptz) AS until
                   FROM member JOIN cases ON cases.id = member.case_id
                   WHERE member.person = :person AND member.state <> 'left' AND cases.merged_into IS NULL
                   UNION ALL
                   SELECT cases.id, cases.code, cases.unit, 'member', 'glass', glass.since, glass.until
                   FROM glass JOIN cases ON cases.id = glass.case_id
                   WHERE glass.person = :person AND glass.until > :now AND cases.merged_into IS NULL
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
