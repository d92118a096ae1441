"""Cases as they are kept, with their clocks and tasks. Whoever changes a case holds its row's lock first; a concern's
lock comes before its case's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case, Clock, Member, PlannedService, Task
from services.cases.store.concerns import code_of
from services.cases.store.statements import upsert
from services.cases.store.timeline import Line, append

_CASE = tuple(field.name for field in fields(Case) if field.name not in ("clocks", "tasks", "team"))
_JSON = ("candidates", "services")
_CLOCK = tuple(field.name for field in fields(Clock))
_TASK = tuple(field.name for field in fields(Task))
_MEMBER = tuple(field.name for field in fields(Member))
_SAVE_CASE = text(upsert("cases", _CASE, ("next_moment", "next_due"), _JSON))
_SAVE_PARTS = (
    ("clocks", _CLOCK, text(upsert("deadline", _CLOCK, ("case_id",)))),
    ("tasks", _TASK, text(upsert("task", _TASK, ("case_id",)))),
    ("team", _MEMBER, text(upsert("member", _MEMBER, ("case_id",), key=("case_id", "person")))),
)


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


async def save_cases(
    connection: AsyncConnection, changed: Sequence[tuple[Case | None, Case]], lines: Sequence[Line]
) -> None:
    """Write cases and what changed of their clocks and tasks, and append to their timelines: a round trip a table.

    In: each case as it was (None: it is new) and as it is.
    """
    await connection.execute(_SAVE_CASE, [_columns(case) for _, case in changed])
    for parts, names, statement in _SAVE_PARTS:
        rows: list[dict[str, Any]] = []
        for before, case in changed:
            known = set(getattr(before, parts)) if before else set()
            rows += [
                {"case_id": case.id, **{name: getattr(part, name) for name in names}}
                for part in getattr(case, parts)
                if part not in known
            ]
        if rows:
            await connection.execute(statement, rows)
    await append(connection, lines)


def _columns(case: Case) -> dict[str, Any]:
    values = {name: getattr(case, name) for name in _CASE}
    values |= {name: orjson.dumps(getattr(case, name)).decode() for name in _JSON}
    # A clock that stands still is neither near nor missed, whatever its date.
    running = [clock.due for clock in case.clocks if clock.runs and clock.state != "paused"]
    return values | {"next_moment": case.next_moment(), "next_due": min(running, default=None)}


async def _case(connection: AsyncConnection, statement: str, values: Mapping[str, Any]) -> Case | None:
    row = (await connection.execute(text(statement), values)).mappings().one_or_none()
    return None if row is None else (await whole(connection, [row]))[0]


async def whole(connection: AsyncConnection, found: Sequence[RowMapping]) -> list[Case]:
    """Cases with their clocks, tasks and teams, in the order of their rows."""
    ids = [row["id"] for row in found]
    clocks = await _parts(connection, "deadline", "started_at, id", ids)
    tasks = await _parts(connection, "task", "asked_at, id", ids)
    team = await _parts(connection, "member", "since, person", ids)
    return [
        Case(
            **{name: row[name] for name in _CASE if name not in _JSON},
            candidates=tuple(row["candidates"]),
            services=tuple(_service(known) for known in row["services"]),
            clocks=tuple(_clock(part) for part in clocks[row["id"]]),
            tasks=tuple(Task(**{name: part[name] for name in _TASK}) for part in tasks[row["id"]]),
            team=tuple(Member(**{name: part[name] for name in _MEMBER}) for part in team[row["id"]]),
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


def _clock(row: RowMapping) -> Clock:
    return Clock(**{name: row[name] for name in _CLOCK if name != "pausable"}, pausable=tuple(row["pausable"]))


def _service(known: Mapping[str, Any]) -> PlannedService:
    days = {name: date.fromisoformat(known[name]) if known[name] else None for name in ("due", "done_on")}
    return PlannedService(**{**known, **days})
