"""What was asked of sectors, in lists and figures: who is waiting for whom, and how soon sectors answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import MERGED, Units, in_units, not_kept_out, units_of
from services.cases.store.timeline import Line, as_line

# A list says how many there are up to here; beyond, nobody pages.
COUNTED = 10_000
# When a task was over: the moment by which those that wait for nobody are listed, and indexed.
_OVER = "coalesce(task.cancelled_at, task.answered_at)"
_COLUMNS = """task.id, task.case_id, task.kind, task.sector, task.state, task.asked_at, task.due, task.answered_at,
              task.cancelled_at, task.seen_at, task.accepted_at, task.responded_at, task.pending, task.proposed_due,
              task.reminded_at, task.reminders, task.waits_since, task.awaited, task.answer, task.unit"""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What a list of tasks shows. `awaited`: sector, commune, nobody; empty: everything that waits for anybody.

    `reader`: who looks; what is asked in a case from which they are kept out is not there for them.
    """

    awaited: str = ""
    sector: str | None = None
    state: str | None = None
    unit: str | None = None
    overdue: bool = False
    reader: str | None = None


async def case_of_task(connection: AsyncConnection, task_id: str) -> str | None:
    """Whose task it is."""
    found = await connection.execute(text("SELECT case_id FROM task WHERE id = :id"), {"id": task_id})
    case_id: str | None = found.scalar_one_or_none()
    return case_id


async def takes_part(connection: AsyncConnection, case_id: str, sector: str) -> bool:
    """Whether a sector has, or had, anything to do with a case or what was merged into it: it was asked, a service of
    the plan is its own, it was invited to meet, or somebody of it was let into the team."""
    found = await connection.execute(
        text(
            f"""{MERGED} SELECT EXISTS (SELECT FROM task JOIN file USING (case_id) WHERE sector = :sector)
                OR EXISTS (SELECT FROM cases JOIN file ON file.case_id = cases.id
                           WHERE services @> jsonb_build_array(jsonb_build_object('sector', CAST(:sector AS text))))
                OR EXISTS (SELECT FROM conference JOIN file USING (case_id) WHERE :sector = ANY (sectors))
                OR EXISTS (SELECT FROM entry AS asked JOIN file USING (case_id)
                           JOIN entry AS joined ON joined.case_id = asked.case_id AND joined.kind = 'team.joined'
                                                   AND joined.data->>'person' = asked.who
                           WHERE asked.kind = 'team.requested' AND asked.sector = :sector)"""
        ),
        {"case_id": case_id, "sector": sector},
    )
    known: bool = found.scalar_one()
    return known


async def place_of_task(connection: AsyncConnection, task_id: str) -> tuple[str, str] | None:
    """The task that answers for one now, and its case: itself, or what took its place when its case was merged."""
    found = await connection.execute(
        text(
            """WITH RECURSIVE way AS (
                   SELECT task.id, task.case_id, task.replaced_by, cases.status, 1 AS step
                   FROM task JOIN cases ON cases.id = task.case_id WHERE task.id = :id
                   UNION ALL
                   SELECT task.id, task.case_id, task.replaced_by, cases.status, way.step + 1
                   FROM way JOIN task ON task.id = way.replaced_by JOIN cases ON cases.id = task.case_id
                   WHERE way.status = 'merged' AND way.step < 50
               ) SELECT id, case_id FROM way ORDER BY step DESC LIMIT 1"""
        ),
        {"id": task_id},
    )
    row = found.one_or_none()
    return None if row is None else (row.id, row.case_id)


async def list_tasks(
    connection: AsyncConnection, units: Units, wanted: TaskFilter, now: datetime, *, limit: int, offset: int = 0
) -> tuple[list[RowMapping], int]:
    """Tasks of an area, the most urgent first (those that wait for nobody: the latest first); with how many there are,
    counted up to `COUNTED`."""
    conditions = [f"TRUE {in_units(units, 'task.unit')}"]
    values: dict[str, Any] = {"limit": limit, "offset": offset, "counted": COUNTED, **units_of(units)}
    if wanted.awaited:
        conditions.append("task.awaited = :awaited")
        values["awaited"] = wanted.awaited
    else:
        conditions.append("task.awaited <> 'nobody'")
    if wanted.awaited in ("sector", "commune"):
        # Said once more in the words of the partial indexes.
        conditions.append("task.awaited <> 'nobody'")
    for name in ("sector", "state", "unit"):
        value = getattr(wanted, name)
        if value:
            conditions.append(f"task.{name} = :{name}")
            values[name] = value
    if wanted.reader is not None:
        conditions.append(not_kept_out("task.case_id"))
        values["reader"] = wanted.reader
    if wanted.overdue:
        conditions.append("task.due < :now")
        values["now"] = now
    where = " AND ".join(conditions)
    order = f"{_OVER} DESC NULLS LAST, task.id" if wanted.awaited == "nobody" else "task.due, task.id"
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS}, cases.code, cases.risk FROM task JOIN cases ON cases.id = task.case_id
                WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset"""
        ),
        values,
    )
    total = await connection.execute(
        text(f"SELECT count(*) FROM (SELECT 1 FROM task WHERE {where} LIMIT :counted) AS counted"), values
    )
    return list(rows.mappings()), total.scalar_one()


async def tasks_of_sector(
    connection: AsyncConnection, sector: str, units: Units, awaited: str, reader: str, limit: int
) -> list[RowMapping]:
    """What was asked of a sector and now waits for the sector, the commune or nobody; nothing of the case but its code
    and commune, and nothing of one from which the reader is kept out."""
    order = f"{_OVER} DESC NULLS LAST" if awaited == "nobody" else "task.due"
    still = "task.awaited = 'nobody'" if awaited == "nobody" else "task.awaited <> 'nobody'"
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS}, cases.code FROM task JOIN cases ON cases.id = task.case_id
                WHERE task.sector = :sector AND task.awaited = :awaited AND {still}
                {in_units(units, "task.unit")} AND {not_kept_out("task.case_id")} ORDER BY {order} LIMIT :limit"""
        ),
        {"sector": sector, "awaited": awaited, "reader": reader, "limit": limit, **units_of(units)},
    )
    return list(rows.mappings())


async def meetings_of_sector(
    connection: AsyncConnection, sector: str, units: Units, reader: str, limit: int
) -> list[RowMapping]:
    """Conferences to which a sector is invited, the next first; none about a case from which the reader is kept out."""
    rows = await connection.execute(
        text(
            f"""SELECT conference.id, conference.case_id, conference.meets_at, cases.code, cases.unit
                FROM conference JOIN cases ON cases.id = conference.case_id
                WHERE conference.state = 'called' AND :sector = ANY(conference.sectors) {in_units(units, "cases.unit")}
                AND {not_kept_out("cases.id")}
                ORDER BY conference.meets_at LIMIT :limit"""
        ),
        {"sector": sector, "reader": reader, "limit": limit, **units_of(units)},
    )
    return list(rows.mappings())


async def calls_of(connection: AsyncConnection, meetings: Mapping[str, str]) -> dict[str, Line]:
    """The lines by which conferences were called. In: conference to case. Out: by conference."""
    rows = await connection.execute(
        text(
            """SELECT asked.conference_id, called.* FROM unnest(CAST(:cases AS text[]), CAST(:ids AS text[]))
                   AS asked (case_id, conference_id)
               CROSS JOIN LATERAL (
                   SELECT * FROM entry WHERE entry.case_id = asked.case_id AND entry.kind = 'conference.called'
                   AND entry.data->>'conference_id' = asked.conference_id ORDER BY id DESC LIMIT 1) AS called"""
        ),
        {"cases": list(meetings.values()), "ids": list(meetings)},
    )
    return {row["conference_id"]: as_line(row) for row in rows.mappings()}


async def sector_figures(connection: AsyncConnection, units: Units, now: datetime, since: datetime) -> list[RowMapping]:
    """Each sector in one line: what waits for it and for communes now, how much of it is overdue, and how many hours it
    took to its first answer to what it was asked `since` (median, and what nine of ten stay under)."""
    rows = await connection.execute(
        text(
            f"""SELECT sector,
                       count(*) FILTER (WHERE awaited = 'sector') AS sector_awaited,
                       count(*) FILTER (WHERE awaited = 'commune') AS commune_awaited,
                       count(*) FILTER (WHERE awaited = 'sector' AND due < :now) AS overdue,
                       count(*) FILTER (WHERE asked_at >= :since) AS asked,
                       count(responded_at) FILTER (WHERE asked_at >= :since) AS answered,
                       percentile_cont(0.5) WITHIN GROUP (
                           ORDER BY extract(epoch FROM responded_at - asked_at) / 3600
                       ) FILTER (WHERE asked_at >= :since AND responded_at IS NOT NULL) AS median,
                       percentile_cont(0.9) WITHIN GROUP (
                           ORDER BY extract(epoch FROM responded_at - asked_at) / 3600
                       ) FILTER (WHERE asked_at >= :since AND responded_at IS NOT NULL) AS p90
                FROM task WHERE (awaited <> 'nobody' OR asked_at >= :since) {in_units(units)}
                GROUP BY sector ORDER BY sector"""
        ),
        {"now": now, "since": since, **units_of(units)},
    )
    return list(rows.mappings())


# Said in the words of the partial index `entry_task`.
_OF_TASK = "data->>'task_id' = {task} AND data->>'task_id' IS NOT NULL"


async def task_lines(connection: AsyncConnection, case_id: str, task_id: str, limit: int = 200) -> list[Line]:
    """The newest lines about one task, newest first."""
    rows = await connection.execute(
        text(
            f"""SELECT * FROM entry WHERE {_OF_TASK.format(task=":task_id")} AND case_id = :case_id
                ORDER BY id DESC LIMIT :limit"""
        ),
        {"case_id": case_id, "task_id": task_id, "limit": limit},
    )
    return [as_line(row) for row in rows.mappings()]


async def last_said(connection: AsyncConnection, case_id: str, asked: Mapping[str, str]) -> dict[str, Line]:
    """The newest line of one kind about each of some tasks of a case. In: task to kind. Out: by task."""
    rows = await connection.execute(
        text(
            f"""SELECT asked.task_id, said.* FROM unnest(CAST(:tasks AS text[]), CAST(:kinds AS text[]))
                    AS asked (task_id, kind)
                CROSS JOIN LATERAL (
                    SELECT * FROM entry WHERE {_OF_TASK.format(task="asked.task_id")} AND entry.kind = asked.kind
                    AND entry.case_id = :case_id ORDER BY id DESC LIMIT 1) AS said"""
        ),
        {"case_id": case_id, "tasks": list(asked), "kinds": list(asked.values())},
    )
    return {row["task_id"]: as_line(row) for row in rows.mappings()}
