"""Tables and queries of the cases database. Personal words lie here sealed only; every statement is written whole.

Whoever changes a case holds its row's lock first; a concern's lock comes before its case's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any, Literal

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Actor, Case, Clock, Concern, Task
from shared.contracts.base import SealedBox

_CASE = tuple(field.name for field in fields(Case) if field.name not in ("clocks", "tasks"))
_CLOCK = tuple(field.name for field in fields(Clock))
_TASK = tuple(field.name for field in fields(Task))
_CONCERN = tuple(field.name for field in fields(Concern))
Units = frozenset[str] | Literal["all"]


def _upsert(table: str, columns: Sequence[str], more: Sequence[str] = (), json: Sequence[str] = ()) -> str:
    names = (*columns, *more)
    values = ", ".join(f"CAST(:{name} AS jsonb)" if name in json else f":{name}" for name in names)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values}) ON CONFLICT (id) DO UPDATE SET {changes}"


_SAVE_CASE = text(_upsert("cases", _CASE, ("next_moment", "next_due"), ("candidates",)))
_SAVE_CLOCK = text(_upsert("deadline", _CLOCK, ("case_id",)))
_SAVE_TASK = text(_upsert("task", _TASK, ("case_id",)))
_SAVE_CONCERN = text(
    _upsert("concern", _CONCERN, ("file_id", "kinds", "taken_in_at", "entered_by", "said", "reason"), ("kinds", "said"))
)
_SAVE_ENTRY = text(
    """INSERT INTO entry (case_id, at, kind, sector, who, who_name, data, words)
       VALUES (:case_id, :at, :kind, :sector, :who, :who_name, CAST(:data AS jsonb), CAST(:words AS jsonb))"""
)

_LOCK_OR_NUMBER = text(
    """SELECT found.*, CASE WHEN found.id IS NULL THEN nextval('concern_number') END AS number
       FROM (SELECT) AS one LEFT JOIN (SELECT * FROM concern WHERE id = :id FOR UPDATE) AS found ON true"""
)


@dataclass(frozen=True, slots=True)
class ConcernFile:
    """A concern with what its file holds beyond the coarse facts; `said` are sealed boxes by field name."""

    concern: Concern
    file_id: str
    kinds: tuple[str, ...]
    taken_in_at: datetime
    entered_by: str | None
    said: Mapping[str, SealedBox]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the timeline, its words still sealed."""

    case_id: str
    at: datetime
    kind: str
    sector: str | None
    who: str
    who_name: str
    data: Mapping[str, Any]
    words: SealedBox | None


@dataclass(frozen=True, slots=True)
class Incident:
    """An agency's incident as counted."""

    id: str
    kind: str
    outcome: str
    place: str | None
    unit: str
    sex: str
    age_band: str
    sector: str
    occurred_on: date
    sequence: int


async def next_case_code(connection: AsyncConnection, at: datetime) -> str:
    """A case's code for people, without identity: `TN-2026-000123`."""
    return _code("TN", (await connection.execute(text("SELECT nextval('case_number')"))).scalar_one(), at)


def _code(kind: Literal["TN", "BT"], number: int, at: datetime) -> str:
    return f"{kind}-{at.year}-{number:06d}"


async def lock_case(connection: AsyncConnection, case_id: str) -> Case | None:
    """A case with its clocks and tasks, its row locked until the transaction ends."""
    return await _case(connection, "SELECT * FROM cases WHERE id = :id FOR UPDATE", {"id": case_id})


async def find_case(connection: AsyncConnection, key: str) -> Case | None:
    """A case by id or code, unlocked."""
    return await _case(connection, "SELECT * FROM cases WHERE id = :key OR code = :key", {"key": key})


async def case_of_task(connection: AsyncConnection, task_id: str) -> str | None:
    """Whose task it is."""
    found = await connection.execute(text("SELECT case_id FROM task WHERE id = :id"), {"id": task_id})
    case_id: str | None = found.scalar_one_or_none()
    return case_id


async def due_cases(connection: AsyncConnection, now: datetime, limit: int) -> list[Case]:
    """Cases about which something fell due, locked; those another replica holds are left to it."""
    rows = await connection.execute(
        text(
            """SELECT * FROM cases WHERE next_moment <= :now ORDER BY next_moment LIMIT :limit
               FOR UPDATE SKIP LOCKED"""
        ),
        {"now": now, "limit": limit},
    )
    found = rows.mappings().all()
    clocks, tasks = await _parts(connection, [row["id"] for row in found])
    return [_as_case(row, clocks, tasks) for row in found]


async def save_case(connection: AsyncConnection, before: Case | None, case: Case, lines: Sequence[Line]) -> None:
    """Write a case and what changed of its clocks and tasks, and append to its timeline."""
    values = {name: getattr(case, name) for name in _CASE}
    values["candidates"] = orjson.dumps(list(case.candidates)).decode()
    running = [clock.due for clock in case.clocks if clock.runs]
    values |= {"next_moment": case.next_moment(), "next_due": min(running, default=None)}
    await connection.execute(_SAVE_CASE, values)
    known_clocks = set(before.clocks) if before else set()
    known_tasks = set(before.tasks) if before else set()
    clocks = [{**asdict(clock), "case_id": case.id} for clock in case.clocks if clock not in known_clocks]
    tasks = [{**asdict(task), "case_id": case.id} for task in case.tasks if task not in known_tasks]
    if clocks:
        await connection.execute(_SAVE_CLOCK, clocks)
    if tasks:
        await connection.execute(_SAVE_TASK, tasks)
    if lines:
        await connection.execute(
            _SAVE_ENTRY,
            [
                {
                    "case_id": line.case_id,
                    "at": line.at,
                    "kind": line.kind,
                    "sector": line.sector,
                    "who": line.who,
                    "who_name": line.who_name,
                    "data": orjson.dumps(dict(line.data)).decode(),
                    "words": line.words.model_dump_json() if line.words else None,
                }
                for line in lines
            ],
        )


async def lock_concern(connection: AsyncConnection, concern_id: str) -> ConcernFile | None:
    """A concern's file, its row locked until the transaction ends."""
    rows = await connection.execute(text("SELECT * FROM concern WHERE id = :id FOR UPDATE"), {"id": concern_id})
    row = rows.mappings().one_or_none()
    return None if row is None else _as_file(row)


async def lock_concern_or_code(connection: AsyncConnection, concern_id: str, at: datetime) -> ConcernFile | str:
    """A concern's file, its row locked; where there is none yet, the code of a new one: `BT-2026-000123` (báo tin)."""
    rows = await connection.execute(_LOCK_OR_NUMBER, {"id": concern_id})
    row = rows.mappings().one()
    return _as_file(row) if row["id"] is not None else _code("BT", row["number"], at)


async def find_concern(connection: AsyncConnection, key: str) -> ConcernFile | None:
    """A concern's file by id or code, unlocked."""
    rows = await connection.execute(text("SELECT * FROM concern WHERE id = :key OR code = :key"), {"key": key})
    row = rows.mappings().one_or_none()
    return None if row is None else _as_file(row)


async def concerns_of(connection: AsyncConnection, case_id: str, *, lock: bool = False) -> list[ConcernFile]:
    """The reports that tell of a case, in the order of their receipt."""
    statement = "SELECT * FROM concern WHERE case_id = :id ORDER BY received_at, id" + (" FOR UPDATE" if lock else "")
    rows = await connection.execute(text(statement), {"id": case_id})
    return [_as_file(row) for row in rows.mappings()]


async def save_concern(connection: AsyncConnection, file: ConcernFile) -> None:
    """Write a concern's file."""
    values: dict[str, Any] = asdict(file.concern)
    values |= {
        "file_id": file.file_id,
        "kinds": orjson.dumps(list(file.kinds)).decode(),
        "taken_in_at": file.taken_in_at,
        "entered_by": file.entered_by,
        "said": orjson.dumps({name: box.model_dump() for name, box in file.said.items()}).decode(),
        "reason": file.reason,
    }
    await connection.execute(_SAVE_CONCERN, values)


async def waiting_concerns(connection: AsyncConnection, units: Units, limit: int) -> list[ConcernFile]:
    """Reports that wait for triage in an area: those whose danger is unknown first, then the oldest."""
    rows = await connection.execute(
        text(
            f"""SELECT * FROM concern WHERE status = 'received' {_in_units(units)}
                ORDER BY danger_now = 'no', received_at LIMIT :limit"""
        ),
        {"limit": limit, **_units(units)},
    )
    return [_as_file(row) for row in rows.mappings()]


async def concerns_entered_by(connection: AsyncConnection, who: str, limit: int) -> list[ConcernFile]:
    """What somebody wrote down, newest first."""
    rows = await connection.execute(
        text("SELECT * FROM concern WHERE entered_by = :who ORDER BY taken_in_at DESC LIMIT :limit"),
        {"who": who, "limit": limit},
    )
    return [_as_file(row) for row in rows.mappings()]


async def count_waiting(connection: AsyncConnection, units: Units) -> int:
    """How many reports wait for triage in an area."""
    found = await connection.execute(
        text(f"SELECT count(*) FROM concern WHERE status = 'received' {_in_units(units)}"), _units(units)
    )
    number: int = found.scalar_one()
    return number


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What a list of cases shows. Empty: everything open that the area covers."""

    status: str = "open"
    unit: str | None = None
    risk: str | None = None
    step: str | None = None
    due: str | None = None
    code: str | None = None


async def list_cases(
    connection: AsyncConnection, units: Units, wanted: CaseFilter, now: datetime, *, limit: int, offset: int = 0
) -> tuple[list[RowMapping], int]:
    """Cases of an area, most urgent first, with the number of all that match."""
    conditions = [f"TRUE {_in_units(units)}"]
    values: dict[str, Any] = {"now": now, "limit": limit, "offset": offset, **_units(units)}
    for name in ("status", "unit", "risk", "step", "code"):
        value = getattr(wanted, name)
        if value:
            conditions.append(f"{name} = :{name}")
            values[name] = value
    if wanted.due == "missed":
        conditions.append("next_due < :now")
    elif wanted.due == "today":
        conditions.append("next_due >= :now AND next_due < :now + interval '24 hours'")
    where = " AND ".join(conditions)
    rows = await connection.execute(
        text(
            f"""SELECT id, code, unit, kind, risk, status, step, sex, age_band, opened_at, next_due, identity, version,
                       (SELECT kind FROM deadline WHERE case_id = cases.id AND due = cases.next_due
                        AND state IN ('running', 'nearing', 'missed') LIMIT 1) AS due_kind
                FROM cases WHERE {where}
                ORDER BY next_due ASC NULLS LAST, opened_at DESC LIMIT :limit OFFSET :offset"""
        ),
        values,
    )
    total = (await connection.execute(text(f"SELECT count(*) FROM cases WHERE {where}"), values)).scalar_one()
    return list(rows.mappings()), total


async def case_counts(connection: AsyncConnection, units: Units, now: datetime) -> RowMapping:
    """The figures above the worklist: open, missed, due within a day, waiting for the chair."""
    rows = await connection.execute(
        text(
            f"""SELECT count(*) AS open,
                       count(*) FILTER (WHERE next_due < :now) AS missed,
                       count(*) FILTER (WHERE next_due >= :now AND next_due < :now + interval '24 hours') AS today,
                       count(*) FILTER (WHERE step = 'approval') AS approval,
                       count(*) FILTER (WHERE risk = 'high') AS high
                FROM cases WHERE status = 'open' {_in_units(units)}"""
        ),
        {"now": now, **_units(units)},
    )
    return rows.mappings().one()


async def tasks_of_sector(
    connection: AsyncConnection, sector: str, units: Units, *, answered: bool, limit: int
) -> list[RowMapping]:
    """What was asked of a sector: what waits, the most urgent first; or what was answered or cancelled, newest."""
    state = "NOT IN" if answered else "IN"
    order = "coalesce(task.cancelled_at, task.answered_at) DESC NULLS LAST" if answered else "task.due"
    rows = await connection.execute(
        text(
            f"""SELECT task.*, cases.code, cases.unit, cases.risk FROM task JOIN cases ON cases.id = task.case_id
                WHERE task.sector = :sector AND task.state {state} ('requested', 'accepted', 'overdue')
                {_in_units(units)} ORDER BY {order} LIMIT :limit"""
        ),
        {"sector": sector, "limit": limit, **_units(units)},
    )
    return list(rows.mappings())


async def timeline(connection: AsyncConnection, case_id: str) -> list[Line]:
    """Everything that happened in a case and in those merged into it, newest first."""
    rows = await connection.execute(
        text(
            """SELECT case_id, at, kind, sector, who, who_name, data, words FROM entry
               WHERE case_id = :id OR case_id IN (SELECT id FROM cases WHERE merged_into = :id)
               ORDER BY at DESC, id DESC LIMIT 500"""
        ),
        {"id": case_id},
    )
    return [
        Line(**{**row, "words": SealedBox.model_validate(row["words"]) if row["words"] else None})
        for row in rows.mappings()
    ]


async def record_read(connection: AsyncConnection, actor: Actor, file_id: str, purpose: str, at: datetime) -> None:
    """Remember who read an identity, and what for."""
    await connection.execute(
        text(
            """INSERT INTO identity_read (who, role, file_id, purpose, at)
               VALUES (:who, :role, :file_id, :purpose, :at)"""
        ),
        {"who": actor.id, "role": actor.role, "file_id": file_id, "purpose": purpose, "at": at},
    )


async def save_incident(connection: AsyncConnection, incident: Incident) -> int:
    """Write an incident, first or corrected. Out: its sequence."""
    values = asdict(incident)
    names = ", ".join(values)
    changes = ", ".join(f"{name} = excluded.{name}" for name in values if name not in ("id", "sequence"))
    found = await connection.execute(
        text(
            f"""INSERT INTO incident ({names}) VALUES ({", ".join(f":{name}" for name in values)})
                ON CONFLICT (id) DO UPDATE SET {changes}, sequence = incident.sequence + 1 RETURNING sequence"""
        ),
        values,
    )
    sequence: int = found.scalar_one()
    return sequence


async def cases_of_child(connection: AsyncConnection, child_id: str) -> list[str]:
    """The cases of a child, in an order that every transaction takes."""
    rows = await connection.execute(
        text("SELECT id FROM cases WHERE child_id = :child_id ORDER BY id"), {"child_id": child_id}
    )
    return [row.id for row in rows]


async def add_alias(connection: AsyncConnection, merged_id: str, child_id: str) -> None:
    """Two children were one: follow it from now on, also through earlier merges."""
    await connection.execute(
        text("UPDATE child_alias SET child_id = :child_id WHERE child_id = :merged_id"),
        {"child_id": child_id, "merged_id": merged_id},
    )
    await connection.execute(
        text(
            """INSERT INTO child_alias (merged_id, child_id) VALUES (:merged_id, :child_id)
               ON CONFLICT (merged_id) DO UPDATE SET child_id = excluded.child_id"""
        ),
        {"child_id": child_id, "merged_id": merged_id},
    )


async def resolved(connection: AsyncConnection, child_id: str) -> str:
    """The child's id after all merges heard of."""
    found = await connection.execute(text("SELECT child_id FROM child_alias WHERE merged_id = :id"), {"id": child_id})
    alias: str | None = found.scalar_one_or_none()
    return alias or child_id


async def _case(connection: AsyncConnection, statement: str, values: Mapping[str, Any]) -> Case | None:
    row = (await connection.execute(text(statement), values)).mappings().one_or_none()
    if row is None:
        return None
    clocks, tasks = await _parts(connection, [row["id"]])
    return _as_case(row, clocks, tasks)


async def _parts(
    connection: AsyncConnection, case_ids: Sequence[str]
) -> tuple[dict[str, list[Clock]], dict[str, list[Task]]]:
    clocks: dict[str, list[Clock]] = {case_id: [] for case_id in case_ids}
    tasks: dict[str, list[Task]] = {case_id: [] for case_id in case_ids}
    if case_ids:
        values = {"ids": list(case_ids)}
        statement = text("SELECT * FROM deadline WHERE case_id = ANY(:ids) ORDER BY started_at, id")
        for row in (await connection.execute(statement, values)).mappings():
            clocks[row["case_id"]].append(Clock(**{name: row[name] for name in _CLOCK}))
        statement = text("SELECT * FROM task WHERE case_id = ANY(:ids) ORDER BY asked_at, id")
        for row in (await connection.execute(statement, values)).mappings():
            tasks[row["case_id"]].append(Task(**{name: row[name] for name in _TASK}))
    return clocks, tasks


def _as_case(row: RowMapping, clocks: Mapping[str, list[Clock]], tasks: Mapping[str, list[Task]]) -> Case:
    values = {name: row[name] for name in _CASE}
    values["candidates"] = tuple(values["candidates"])
    return Case(**values, clocks=tuple(clocks[row["id"]]), tasks=tuple(tasks[row["id"]]))


def _as_file(row: RowMapping) -> ConcernFile:
    return ConcernFile(
        concern=Concern(**{name: row[name] for name in _CONCERN}),
        file_id=row["file_id"],
        kinds=tuple(row["kinds"]),
        taken_in_at=row["taken_in_at"],
        entered_by=row["entered_by"],
        said={name: SealedBox.model_validate(box) for name, box in row["said"].items()},
        reason=row["reason"],
    )


def _in_units(units: Units) -> str:
    return "" if units == "all" else "AND unit = ANY(:units)"


def _units(units: Units) -> dict[str, Any]:
    return {} if units == "all" else {"units": sorted(units)}
