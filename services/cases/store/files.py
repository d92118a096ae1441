"""Cases as they are kept, with their clocks and tasks. Whoever changes a case holds its row's lock first; a concern's
lock comes before its case's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case, Clock, Task
from services.cases.store.concerns import code_of
from services.cases.store.statements import upsert
from services.cases.store.timeline import Line, append

_CASE = tuple(field.name for field in fields(Case) if field.name not in ("clocks", "tasks"))
_CLOCK = tuple(field.name for field in fields(Clock))
_TASK = tuple(field.name for field in fields(Task))
_SAVE_CASE = text(upsert("cases", _CASE, ("next_moment", "next_due"), ("candidates",)))
_SAVE_CLOCK = text(upsert("deadline", _CLOCK, ("case_id",)))
_SAVE_TASK = text(upsert("task", _TASK, ("case_id",)))


async def next_case_code(connection: AsyncConnection, at: datetime) -> str:
    """A case's code for people, without identity: `TN-2026-000123`."""
    return code_of("TN", (await connection.execute(text("SELECT nextval('case_number')"))).scalar_one(), at)


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
    await append(connection, lines)


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
