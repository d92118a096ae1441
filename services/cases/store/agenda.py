"""What waits for somebody in an area today: cases by their nearest clock, decisions, sectors that await a word.

Every statement starts from the area's open cases, which are few, and never from what was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import Units, in_units, not_kept_out, units_of

# Why a case is on the list -> which open cases, the most urgent reason first; `:now` and the area are given.
_REASONS: Final = {
    "missed": "next_due < :now",
    "today": "next_due >= :now AND next_due < :now + interval '24 hours'",
    "approval": "step = 'approval'",
    "closing": "step = 'review' AND review = 'close'",
    "candidates": "identity = 'candidates'",
}
REASONS: Final = tuple(_REASONS)
_COLUMNS: Final = "id, code, unit, kind, risk, step, identity, verified, review, next_due, handover_to"
# Its running clocks, the soonest first: of what kind, and until when.
_CLOCKS: Final = "coalesce(running.kinds, '{}') AS clocks, coalesce(running.dues, '{}') AS dues"
_RUNNING: Final = """CROSS JOIN LATERAL (
    SELECT array_agg(kind ORDER BY due, id) AS kinds, array_agg(due ORDER BY due, id) AS dues
    FROM deadline WHERE case_id = shown.id AND state IN ('running', 'nearing', 'missed')
) AS running"""


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose work: an area's as `reader` sees it, or of it only what they are responsible for."""

    units: Units
    reader: str
    mine: bool = False

    def condition(self, table: str = "cases") -> str:
        """With AND: that a row of cases is of these."""
        mine = f" AND {table}.worker = :reader" if self.mine else ""
        return f"{in_units(self.units, f'{table}.unit')}{mine} AND {not_kept_out(f'{table}.id')}"

    def values(self) -> dict[str, Any]:
        """What the condition needs."""
        return units_of(self.units) | {"reader": self.reader}


async def cases_waiting(
    connection: AsyncConnection, whose: Whose, reasons: Sequence[str], now: datetime, limit: int
) -> list[RowMapping]:
    """Open cases that wait for one of `REASONS`, at most `limit` a reason, each once, for its most urgent one."""
    parts = " UNION ALL ".join(
        f"""(SELECT id, {REASONS.index(reason)} AS place FROM cases
             WHERE status = 'open' AND {_REASONS[reason]} {whose.condition()} ORDER BY next_due, id LIMIT :limit)"""
        for reason in reasons
    )
    rows = await connection.execute(
        text(
            f"""WITH due AS (SELECT id, min(place) AS place FROM ({parts}) AS part GROUP BY id)
                SELECT {", ".join(f"shown.{name.strip()}" for name in _COLUMNS.split(","))}, due.place, {_CLOCKS}
                FROM due JOIN cases AS shown ON shown.id = due.id {_RUNNING}
                ORDER BY due.place, shown.next_due NULLS LAST, shown.id"""
        ),
        {"now": now, "limit": limit, **whose.values()},
    )
    return list(rows.mappings())


async def handovers_to(connection: AsyncConnection, whose: Whose, limit: int) -> list[RowMapping]:
    """Cases that another commune offers to the area."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS}, {_CLOCKS}
                FROM cases AS shown {_RUNNING} WHERE status = 'open' AND handover_to IS NOT NULL
                {in_units(whose.units, "handover_to")} AND {not_kept_out("id")} ORDER BY next_due, id LIMIT :limit"""
        ),
        {"limit": limit, "reader": whose.reader, **units_of(whose.units)},
    )
    return list(rows.mappings())


async def tasks_waiting(connection: AsyncConnection, whose: Whose, limit: int) -> list[RowMapping]:
    """Tasks about which the commune has to say something, the oldest date first.

    A sector asks or proposes a date; it is late; or it declined and nobody was asked the same since.
    """
    rows = await connection.execute(
        text(
            f"""SELECT task.id, task.case_id, task.kind, task.sector, task.state, task.due, task.pending,
                       task.proposed_due, task.reminded_at, cases.code, cases.unit, cases.risk
                FROM cases JOIN task ON task.case_id = cases.id
                WHERE cases.status = 'open' {whose.condition()}
                AND (task.pending IS NOT NULL OR task.state IN ('declined', 'overdue'))
                AND (task.pending IS NULL OR task.state IN ('requested', 'accepted', 'overdue'))
                AND (task.state <> 'declined' OR NOT EXISTS (
                    SELECT FROM task AS later WHERE later.case_id = task.case_id AND later.kind = task.kind
                    AND later.asked_at > task.asked_at))
                ORDER BY task.pending IS NULL, task.due, task.id LIMIT :limit"""
        ),
        {"limit": limit, **whose.values()},
    )
    return list(rows.mappings())
