"""Cases as they are kept, with their clocks and tasks. Whoever changes a case holds its row's lock first; a concern's
lock comes before its case's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from typing import Any, TypeVar

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Case, Clock, Conference, Glass, Member, PlannedService, Task
from services.cases.store.concerns import code_of
from services.cases.store.statements import Table
from shared.database.statements import text

_CASE = tuple(
    field.name
    for field in fields(Case)
    if field.name not in ("clocks", "tasks", "team", "conferences", "glasses", "survivor")
)
_JSON = ("candidates", "services")
_CLOCK = tuple(field.name for field in fields(Clock))
_TASK = tuple(field.name for field in fields(Task))
_CONFERENCE = tuple(field.name for field in fields(Conference))
_Rows = list[dict[str, Any]]
_Part = TypeVar("_Part", Clock, Task, Member, Conference, Glass)
_MEMBER = tuple(field.name for field in fields(Member))
_GLASS = tuple(field.name for field in fields(Glass))
_NUMBERS = text("SELECT nextval('case_number') FROM generate_series(1, CAST(:number AS integer))")
_CASES = Table("cases", (*_CASE, "next_moment", "next_due"))
_DEADLINE = Table("deadline", (*_CLOCK, "case_id"))
# `unit` and `awaited` are there for the lists of what waits: as the case and the task have them.
_TASKS = Table("task", (*_TASK, "case_id", "unit", "awaited"))
_TEAM = Table("member", (*_MEMBER, "case_id"), key=("case_id", "person"))
_CONFERENCES = Table("conference", (*_CONFERENCE, "case_id"))
_GLASSES = Table("glass", (*_GLASS, "case_id"))


async def next_case_codes(connection: AsyncConnection, at: datetime, number: int) -> list[str]:
    """Codes of so many new cases for people, without identity: `TN-2026-000123`."""
    if number == 0:
        return []
    rows = await connection.execute(_NUMBERS, {"number": number})
    return [code_of("TN", given, at) for given in rows.scalars()]


async def lock_case(connection: AsyncConnection, case_id: str) -> Case | None:
    """A case with its clocks and tasks, its row locked until the transaction ends."""
    return await _case(connection, "SELECT * FROM cases WHERE id = :id FOR UPDATE", {"id": case_id})


async def lock_cases(connection: AsyncConnection, case_ids: Sequence[str]) -> dict[str, Case]:
    """Those of several cases that there are, as `lock_case` gives one; their rows locked in an order that every
    transaction takes. Of one that was merged the survivor is not looked up."""
    rows = await connection.execute(
        text("SELECT * FROM cases WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": list(case_ids)}
    )
    return {case.id: case for case in await whole(connection, rows.mappings().all())}


async def find_case(connection: AsyncConnection, key: str) -> Case | None:
    """A case by id or code, unlocked."""
    return await _case(connection, "SELECT * FROM cases WHERE id = :key OR code = :key", {"key": key})


def case_rows(changed: Sequence[tuple[Case | None, Case]]) -> list[tuple[Table, _Rows]]:
    """Cases and what changed of their parts, to be written. In: each case as it was (None: it is new) and as it is."""
    parts = [
        (table, [{**row, "case_id": case.id} for before, case in changed for row in rows_of(before, case)])
        for table, rows_of in _PARTS
    ]
    return [(_CASES, [_columns(case) for _, case in changed]), *parts]


def _columns(case: Case) -> dict[str, Any]:
    values = {name: getattr(case, name) for name in _CASE}
    # A clock that stands still is neither near nor missed, whatever its date.
    running = [clock.due for clock in case.clocks if clock.runs and clock.state != "paused"]
    return values | {"next_moment": case.next_moment(), "next_due": min(running, default=None)}


def _changed(before: Sequence[_Part], after: Sequence[_Part]) -> list[_Part]:
    known = set(before)
    return [part for part in after if part not in known]


def _values(part: _Part, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(part, name) for name in names}


def _clock_rows(before: Case | None, case: Case) -> _Rows:
    return [_values(clock, _CLOCK) for clock in _changed(before.clocks if before else (), case.clocks)]


def _task_rows(before: Case | None, case: Case) -> _Rows:
    # A task lies where its case does: all go along when it moves.
    moved = before is not None and before.unit != case.unit
    tasks = case.tasks if moved else _changed(before.tasks if before else (), case.tasks)
    return [{**_values(task, _TASK), "unit": case.unit, "awaited": task.awaited} for task in tasks]


def _team_rows(before: Case | None, case: Case) -> _Rows:
    return [_values(member, _MEMBER) for member in _changed(before.team if before else (), case.team)]


def _glass_rows(before: Case | None, case: Case) -> _Rows:
    return [_values(glass, _GLASS) for glass in _changed(before.glasses if before else (), case.glasses)]


def _conference_rows(before: Case | None, case: Case) -> _Rows:
    return [_values(known, _CONFERENCE) for known in _changed(before.conferences if before else (), case.conferences)]


_PARTS: Sequence[tuple[Table, Callable[[Case | None, Case], _Rows]]] = (
    (_DEADLINE, _clock_rows),
    (_TASKS, _task_rows),
    (_TEAM, _team_rows),
    (_CONFERENCES, _conference_rows),
    (_GLASSES, _glass_rows),
)


async def _case(connection: AsyncConnection, statement: str, values: Mapping[str, Any]) -> Case | None:
    row = (await connection.execute(text(statement), values)).mappings().one_or_none()
    if row is None:
        return None
    case = (await whole(connection, [row]))[0]
    if case.merged_into is None:
        return case
    # Who sees a merged case is said by the one that goes on.
    return replace(case, survivor=await find_case(connection, case.merged_into))


async def whole(connection: AsyncConnection, found: Sequence[RowMapping]) -> list[Case]:
    """Cases with their clocks, tasks, teams and broken glasses, in the order of their rows."""
    ids = [row["id"] for row in found]
    clocks = await _parts(connection, "deadline", "started_at, id", ids)
    tasks = await _parts(connection, "task", "asked_at, id", ids)
    team = await _parts(connection, "member", "since, person", ids)
    glasses = await _parts(connection, "glass", "since, id", ids)
    conferences = await _parts(connection, "conference", "called_at, id", ids)
    return [
        Case(
            **{name: row[name] for name in _CASE if name not in _JSON},
            candidates=tuple(row["candidates"]),
            services=tuple(_service(known) for known in row["services"]),
            clocks=tuple(_clock(part) for part in clocks[row["id"]]),
            tasks=tuple(Task(**{name: part[name] for name in _TASK}) for part in tasks[row["id"]]),
            team=tuple(Member(**{name: part[name] for name in _MEMBER}) for part in team[row["id"]]),
            glasses=tuple(Glass(**{name: part[name] for name in _GLASS}) for part in glasses[row["id"]]),
            conferences=tuple(
                Conference(**{**{name: part[name] for name in _CONFERENCE}, "sectors": tuple(part["sectors"])})
                for part in conferences[row["id"]]
            ),
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
    told_at = datetime.fromisoformat(said) if (said := known.get("told_at")) else None
    return PlannedService(**{**known, **days, "told_at": told_at})
