"""Up to which line of a case somebody has read, and what others wrote since; one's own acts are never news."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import Units, in_units, not_kept_out, units_of

# More than so many new lines are not counted: "99+" says as much.
MOST_COUNTED = 100
# Looks closer together than this are one visit: its marks stay while somebody works on the case.
_VISIT = "30 minutes"
_LOOK = text(
    f"""INSERT INTO last_look (person, case_id, entry_id, since_id, at)
        VALUES (:person, :case_id, :entry_id, :entry_id, :now)
        ON CONFLICT (person, case_id) DO UPDATE SET
            since_id = CASE WHEN last_look.at < excluded.at - interval '{_VISIT}'
                            THEN last_look.entry_id ELSE last_look.since_id END,
            entry_id = greatest(last_look.entry_id, excluded.entry_id), at = excluded.at
        RETURNING since_id"""
)
# A scalar for a row of cases `shown` with the person's look at it: how many lines others have written since.
FRESH = f"""(SELECT count(*) FROM (SELECT FROM entry WHERE case_id = shown.id AND id > look.entry_id
            AND who <> :person LIMIT {MOST_COUNTED}) AS fresh)"""


async def look(connection: AsyncConnection, person: str, case_id: str, entry_id: int, now: datetime) -> int:
    """Remember that somebody has seen a case up to a line.

    Out: the last line they had seen when this visit began; at the first look of all, this one.
    """
    since: int = (
        await connection.execute(_LOOK, {"person": person, "case_id": case_id, "entry_id": entry_id, "now": now})
    ).scalar_one()
    return since


async def looked(connection: AsyncConnection, person: str, case_id: str) -> int | None:
    """The last line somebody had seen when their visit began; None where they never looked."""
    found = await connection.execute(
        text("SELECT since_id FROM last_look WHERE person = :person AND case_id = :case_id"),
        {"person": person, "case_id": case_id},
    )
    since: int | None = found.scalar_one_or_none()
    return since


async def changed_cases(connection: AsyncConnection, person: str, units: Units, limit: int) -> list[RowMapping]:
    """Open cases of an area to which others added lines since somebody looked, the newest line first."""
    rows = await connection.execute(
        text(
            f"""SELECT shown.id, shown.code, shown.unit, shown.kind, shown.risk, shown.step, newest.at,
                       newest.kind AS line, newest.sector, {FRESH} AS fresh
                FROM last_look AS look JOIN cases AS shown ON shown.id = look.case_id
                CROSS JOIN LATERAL (SELECT at, kind, sector FROM entry WHERE case_id = shown.id AND id > look.entry_id
                                    AND who <> :person ORDER BY id DESC LIMIT 1) AS newest
                WHERE look.person = :person AND shown.status = 'open' {in_units(units, "shown.unit")}
                AND {not_kept_out("shown.id")}
                ORDER BY newest.at DESC LIMIT :limit"""
        ),
        {"person": person, "reader": person, "limit": limit, **units_of(units)},
    )
    return list(rows.mappings())
