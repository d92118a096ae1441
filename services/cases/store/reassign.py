"""Cases handed from a worker who leaves to another: asked for once, done case by case, gone on with after a break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import NOT_KEPT_OUT

ReassignedState = Literal["waiting", "done", "skipped"]


@dataclass(frozen=True, slots=True)
class Reassignment:
    """Who asked for which worker's cases of a commune to go to whom, and why: a code."""

    id: str
    unit: str
    from_worker: str | None
    to_worker: str
    to_name: str
    who: str
    who_name: str
    who_role: str
    reason: str
    asked_at: datetime


_FIELDS = tuple(field.name for field in fields(Reassignment))


async def workers_of(connection: AsyncConnection, unit: str) -> list[RowMapping]:
    """Who is responsible for open cases of a commune, and for how many; `worker` is None where nobody is."""
    rows = await connection.execute(
        text(
            """SELECT worker, count(*) AS cases FROM cases
               WHERE unit = :unit AND status = 'open' GROUP BY worker ORDER BY count(*) DESC"""
        ),
        {"unit": unit},
    )
    return list(rows.mappings())


async def cases_of_worker(
    connection: AsyncConnection, unit: str, worker: str | None, reader: str, limit: int
) -> list[RowMapping]:
    """A worker's open cases in a commune, the most urgent first; for None those for which nobody is responsible; none
    from which the reader is kept out."""
    rows = await connection.execute(
        text(
            f"""SELECT id, code, kind, risk, step, next_due FROM cases
                WHERE {_theirs(worker)} AND unit = :unit AND status = 'open' {NOT_KEPT_OUT}
                ORDER BY next_due ASC NULLS LAST, opened_at LIMIT :limit"""
        ),
        {"unit": unit, "reader": reader, "limit": limit, **({"worker": worker} if worker is not None else {})},
    )
    return list(rows.mappings())


async def add_reassignment(connection: AsyncConnection, asked: Reassignment, cases: Sequence[str]) -> int:
    """Keep what is to be done: of the cases named, those that are the worker's in that commune. Asked for twice (the
    same id), it is one. Out: how many cases."""
    new = await connection.execute(
        text(
            f"""INSERT INTO reassignment ({", ".join(_FIELDS)})
                VALUES ({", ".join(f":{name}" for name in _FIELDS)})
                ON CONFLICT DO NOTHING"""
        ),
        asdict(asked),
    )
    if not new.rowcount:
        return 0
    taken = await connection.execute(
        text(
            f"""INSERT INTO reassigned (reassignment_id, case_id)
                SELECT :id, id FROM cases
                WHERE id = ANY(:cases) AND {_theirs(asked.from_worker)} AND unit = :unit AND status = 'open'"""
        ),
        {
            "id": asked.id,
            "cases": list(cases),
            "unit": asked.unit,
            **({"worker": asked.from_worker} if asked.from_worker is not None else {}),
        },
    )
    return taken.rowcount


async def find_reassignment(connection: AsyncConnection, identifier: str) -> Reassignment | None:
    """What was asked for; None where nothing was."""
    row = (
        (await connection.execute(text("SELECT * FROM reassignment WHERE id = :id"), {"id": identifier}))
        .mappings()
        .one_or_none()
    )
    return None if row is None else _as_reassignment(row)


async def next_reassigned(connection: AsyncConnection, identifier: str | None) -> tuple[Reassignment, str] | None:
    """One case that waits to be handed on, its row locked; those another replica holds are left to it.

    In: of which reassignment; None: of any. Out: the reassignment and the case; None where nothing waits.
    """
    only = "AND reassignment_id = :id" if identifier is not None else ""
    row = (
        (
            await connection.execute(
                text(
                    f"""SELECT reassigned.case_id, reassignment.* FROM reassigned
                        JOIN reassignment ON reassignment.id = reassigned.reassignment_id
                        WHERE reassigned.state = 'waiting' {only}
                        ORDER BY reassignment.asked_at, reassigned.case_id LIMIT 1
                        FOR UPDATE OF reassigned SKIP LOCKED"""
                ),
                {"id": identifier} if identifier is not None else {},
            )
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else (_as_reassignment(row), row["case_id"])


async def settle_reassigned(connection: AsyncConnection, identifier: str, case_id: str, state: ReassignedState) -> None:
    """A case was handed on, or skipped because it is not the worker's any more."""
    await connection.execute(
        text("UPDATE reassigned SET state = :state WHERE reassignment_id = :id AND case_id = :case_id"),
        {"id": identifier, "case_id": case_id, "state": state},
    )


async def reassigned_counts(connection: AsyncConnection, identifier: str) -> dict[ReassignedState, int]:
    """How many cases of a reassignment wait, are done, were skipped."""
    rows = await connection.execute(
        text("SELECT state, count(*) AS cases FROM reassigned WHERE reassignment_id = :id GROUP BY state"),
        {"id": identifier},
    )
    found: dict[ReassignedState, int] = {"waiting": 0, "done": 0, "skipped": 0}
    return found | {row.state: row.cases for row in rows}


async def skipped_of(connection: AsyncConnection, identifier: str) -> list[RowMapping]:
    """Cases that were left where they are, to be looked at by a person."""
    rows = await connection.execute(
        text(
            """SELECT cases.id, cases.code FROM reassigned JOIN cases ON cases.id = reassigned.case_id
               WHERE reassigned.reassignment_id = :id AND reassigned.state = 'skipped' ORDER BY cases.code"""
        ),
        {"id": identifier},
    )
    return list(rows.mappings())


async def unfinished(connection: AsyncConnection, unit: str) -> list[RowMapping]:
    """Reassignments of a commune that still have something to do, with how much."""
    rows = await connection.execute(
        text(
            """SELECT reassignment.id, reassignment.from_worker, reassignment.to_name, reassignment.asked_at,
                      count(*) AS waiting
               FROM reassignment JOIN reassigned ON reassigned.reassignment_id = reassignment.id
               WHERE reassignment.unit = :unit AND reassigned.state = 'waiting'
               GROUP BY reassignment.id ORDER BY reassignment.asked_at"""
        ),
        {"unit": unit},
    )
    return list(rows.mappings())


def _as_reassignment(row: RowMapping) -> Reassignment:
    return Reassignment(**{name: row[name] for name in _FIELDS})


def _theirs(worker: str | None) -> str:
    return "worker IS NULL" if worker is None else "worker = :worker"
