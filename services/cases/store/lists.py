"""What people see in lists: cases of an area, and the figures above them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import NOT_KEPT_OUT, Units, in_units, units_of


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What a list of cases shows. Empty: everything open that the area covers."""

    status: str = "open"
    unit: str | None = None
    risk: str | None = None
    step: str | None = None
    due: str | None = None
    code: str | None = None
    # The account that is responsible, `none` where nobody is.
    worker: str | None = None
    # Who looks: a case from which they are kept out is not there for them.
    reader: str | None = None


async def list_cases(
    connection: AsyncConnection, units: Units, wanted: CaseFilter, now: datetime, *, limit: int, offset: int = 0
) -> tuple[list[RowMapping], int]:
    """Cases of an area, most urgent first, with the number of all that match."""
    conditions = [f"TRUE {in_units(units)}"]
    values: dict[str, Any] = {"now": now, "limit": limit, "offset": offset, **units_of(units)}
    for name in ("status", "unit", "risk", "step", "code"):
        value = getattr(wanted, name)
        if value:
            conditions.append(f"{name} = :{name}")
            values[name] = value
    if wanted.due == "missed":
        conditions.append("next_due < :now")
    elif wanted.due == "today":
        conditions.append("next_due >= :now AND next_due < :now + interval '24 hours'")
    if wanted.worker == "none":
        conditions.append("worker IS NULL")
    elif wanted.worker:
        conditions.append("worker = :worker")
        values["worker"] = wanted.worker
    if wanted.reader:
        conditions.append(f"TRUE {NOT_KEPT_OUT}")
        values["reader"] = wanted.reader
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
                FROM cases WHERE status = 'open' {in_units(units)}"""
        ),
        {"now": now, **units_of(units)},
    )
    return rows.mappings().one()
