"""What lies between two cases or two communes: how a case was before its merge, which cases are offered."""

from __future__ import annotations

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.ending import Merged, remembered
from services.cases.store.statements import Units, in_units, units_of


async def merge_of(connection: AsyncConnection, case_id: str) -> Merged | None:
    """How a case was when it was merged, by its own file; None where the file does not say enough."""
    found = await connection.execute(
        text("SELECT data FROM entry WHERE case_id = :id AND kind = 'case.merged' ORDER BY id DESC LIMIT 1"),
        {"id": case_id},
    )
    data = found.scalar_one_or_none()
    return None if data is None else remembered(data)


async def offered_cases(connection: AsyncConnection, units: Units, limit: int = 100) -> list[RowMapping]:
    """Cases that other communes offer to those of an area: id, code, unit, kind, risk, due; the most urgent first."""
    rows = await connection.execute(
        text(
            f"""SELECT cases.id, code, unit, kind, risk,
                       (SELECT max(due) FROM deadline WHERE case_id = cases.id AND deadline.kind = 'case-handover'
                        AND state IN ('running', 'nearing', 'missed')) AS due
                FROM cases WHERE status = 'open' AND handover_to IS NOT NULL {in_units(units, "handover_to")}
                ORDER BY due NULLS LAST, code LIMIT :limit"""
        ),
        {"limit": limit, **units_of(units)},
    )
    return list(rows.mappings())
