"""Cases as they are kept, with their clocks and tasks. Whoever changes a case holds its row's lock first; a concern's
lock comes before its case's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case, Clock, Glass, Member, PlannedService, Task
from services.cases.store.concerns import code_of
from services.cases.store.statements import upsert
from services.cases.store.timeline import Line, append

_CASE = tuple(field.name for field in fields(Case) if field.name not in ("clocks", "tasks", "team", "glasses"))
_JSON = ("candidates", "services")
_CLOCK = tuple(field.name for field in fields(Clock))
_TASK = tuple(field.name for field in fields(Task))
_MEMBER = tuple(field.name for field in fields(Member))
_GLASS = tuple(field.name for field in fields(Glass))
_SAVE_CASE = text(upsert("cases", _CASE, ("next_moment", "next_due"), _JSON))
_SAVE_CLOCK = text(upsert("deadline", _CLOCK, ("case_id",)))
_SAVE_TASK = text(upsert("task", _TASK, ("case_id",)))
_SAVE_MEMBER = text(upsert("member", _MEMBER, ("case_id",), key=("case_id", "person")))
_SAVE_GLASS = text(upsert("glass", _GLASS, ("case_id",)))


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
    return await _whole(connection, found)


async def save_case(connection: AsyncConnection, before: Case | None, case: Case, lines: Sequence[Line]) -> None:
    """Write a case and what changed of its clocks and tasks, and append to its timeline."""
    values = {name: getattr(case, name) for name in _CASE}
    values |= {name: orjson.dumps(getattr(case, name)).decode() for name in _JSON}
    running = [clock.due for clock in case.clocks if clock.runs]
    values |= {"next_moment": case.next_moment(), "next_due": min(running, default=None)}
    await connection.execute(_SAVE_CASE, values)
    known_clocks = set(before.clocks) if before else set()
    known_tasks = set(before.tasks) if before else set()
    known_team = set(before.team) if before else set()
    clocks = [{**asdict(clock), "case_id": case.id} for clock in case.clocks if clock not in known_clocks]
    tasks = [{**asdict(task), "case_id": case.id} for task in case.tasks if task not in known_tasks]
    if clocks:
        await connection.execute(_SAVE_CLOCK, clocks)
    if tasks:
        await connection.execute(_SAVE_TASK, tasks)
    if team := [{**asdict(member), "case_id": case.id} for member in case.team if member not in known_team]:
        await connection.execute(_SAVE_MEMBER, team)
    known_glasses = set(before.glasses) if before else set()
    if glasses := [{**asdict(glass), "case_id": case.id} for glass in case.glasses if glass not in known_glasses]:
        await connection.execute(_SAVE_GLASS, glasses)
    await append(connection, lines)


async def _case(connection: AsyncConnection, statement: str, values: Mapping[str, Any]) -> Case | None:
    row = (await connection.execute(text(statement), values)).mappings().one_or_none()
    return None if row is None else (await _whole(connection, [row]))[0]


async def _whole(connection: AsyncConnection, found: Sequence[RowMapping]) -> list[Case]:
    """Cases with their clocks, tasks, teams and opened glasses, in the order of their rows."""
    ids = [row["id"] for row in found]
    clocks = await _parts(connection, "deadline", "started_at, id", ids)
    tasks = await _parts(connection, "task", "asked_at, id", ids)
    team = await _parts(connection, "member", "since, person", ids)
    glasses = await _parts(connection, "glass", "since, id", ids)
    return [
        Case(
            **{name: row[name] for name in _CASE if name not in _JSON},
            candidates=tuple(row["candidates"]),
            services=tuple(_service(known) for known in row["services"]),
            clocks=tuple(Clock(**{name: part[name] for name in _CLOCK}) for part in clocks[row["id"]]),
            tasks=tuple(Task(**{name: part[name] for name in _TASK}) for part in tasks[row["id"]]),
            team=tuple(Member(**{name: part[name] for name in _MEMBER}) for part in team[row["id"]]),
            glasses=tuple(Glass(**{name: part[name] for name in _GLASS}) for part in glasses[row["id"]]),
        )
        for row in found
    ]


async def _parts(
    connection: AsyncConnection, table: str, order: str, case_ids: Sequence[str]
) -> dict[str, list[RowMapping]]:
    parts: dict[str, list[RowMapping]] = {case_id: [] for case_id in case_ids}
    if case_ids:
        statement = text(f"SELECT * FROM {table} WHERE case_id = ANY(:ids) ORDER BY {order}")
        for row in (await connection.execute(statement, {"ids": list(case_ids)})).mappings():
            parts[row["case_id"]].append(row)
    return parts


def _service(known: Mapping[str, Any]) -> PlannedService:
    days = {name: date.fromisoformat(known[name]) if known[name] else None for name in ("due", "done_on")}
    return PlannedService(**{**known, **days})
