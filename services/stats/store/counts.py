"""The board's counts, held in memory and brought up to date by what changed: nothing else leaves the database.

Where it is known which cells changed, only those are asked for. Where it is not, PostgreSQL looks at every cell of the
cube to find them. It must never be a count behind: whatever a transaction changed that the last look did not see is
asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.board import BoardFigures, Filter, Tally, What, Who
from services.stats.domain.cells import Kind
from services.stats.store.cube import LIVE
from services.stats.store.figures import AGE_BAND, month_number

_KINDS: Final = [int(kind) for kind in (Kind.CONCERN, Kind.CASE, Kind.DEADLINE, Kind.TASK, Kind.CHILD)]
# Of these only what asks for protection is on the board.
_REPORTS: Final = [int(Kind.CONCERN), int(Kind.ARRIVAL)]
_CLOCKED: Final = [int(Kind.DEADLINE), int(Kind.TASK)]
_STANDING: Final = [int(Kind.CASE), *_CLOCKED]


class _Mark(NamedTuple):
    """How far was looked: a table (a rebuild puts another in its place), a day, and the first transaction not seen."""

    table: int
    day: date
    transaction: str


_HOLD = text(f"LOCK TABLE {LIVE}.cube IN ACCESS SHARE MODE")
_NOW = text(f"SELECT '{LIVE}.cube'::regclass::oid::bigint, pg_snapshot_xmin(pg_current_snapshot())::xid::text")
# Risk, status and sector only of what the board shows by them: the fewer groups there are, the faster is every view.
# xmin is the transaction that last wrote a row; a row's age is compared, for transaction numbers go round.
_CHANGED = f"""
SELECT q.cell, q.n, c.unit, CASE WHEN c.kind = ANY(:clocked) THEN c.extra WHEN c.kind = :child THEN ''
        ELSE c.category END,
    c.sex, CASE c.kind WHEN :child THEN {AGE_BAND} ELSE c.age_band END,
    c.kind, CASE WHEN c.kind = :case AND c.status = 'open' THEN c.risk ELSE '' END,
    CASE WHEN c.kind = ANY(:standing) THEN c.status ELSE '' END,
    CASE WHEN c.kind = :concern THEN c.sector ELSE '' END
FROM cube q JOIN cell c ON c.id = q.cell
WHERE (c.kind = ANY(:kinds) OR c.kind = :arrival AND c.date = :today)
    AND (c.groups = '' OR c.kind <> ALL(:reports))
"""
_ALL = text(_CHANGED + " AND q.n <> 0")
_THESE = text(_CHANGED + " AND q.cell = ANY(:cells)")
_SINCE = text(_CHANGED + " AND age(q.xmin) <= age(CAST(CAST(:since AS text) AS xid))")


class Counts:
    """Every count the board shows to anybody."""

    def __init__(self) -> None:
        self._mark: _Mark | None = None
        self._cells: dict[int, tuple[tuple[int, int], int]] = {}
        self._tally = Tally()

    def __iter__(self) -> Iterator[tuple[tuple[Who, What], int]]:
        """The groups in which anything is counted."""
        return iter(self._tally)

    def figures(self, chosen: Filter, units: Sequence[str]) -> BoardFigures:
        """The figures of what a filter lets pass. `units`: communes that have a line even where nothing happened."""
        return self._tally.figures(chosen, units)

    async def refresh(self, connection: AsyncConnection, now: datetime) -> None:
        """Bring them up to date, whatever changed. `now`: in our zone, for today's concerns and for ages."""
        # Until this transaction ends, no rebuild puts another table in its place.
        await connection.execute(_HOLD)
        table, transaction = (await connection.execute(_NOW)).one()
        mark = _Mark(table, now.date(), transaction)
        known = self._mark
        if known is not None and (known.table, known.day) == (mark.table, mark.day):
            rows = await connection.execute(_SINCE, {**_values(mark.day), "since": known.transaction})
        else:
            rows = await connection.execute(_ALL, _values(mark.day))
            self._cells, self._tally = {}, Tally()
        self._count(rows)
        self._mark = mark

    def knows(self, now: datetime) -> bool:
        """Whether they were ever looked at on this day: until then no cell alone brings them up to date."""
        return self._mark is not None and self._mark.day == now.date()

    async def refresh_cells(self, connection: AsyncConnection, now: datetime, cells: Collection[int]) -> None:
        """Bring up to date what is known to have changed, in one statement. Only where `knows(now)`."""
        rows = await connection.execute(_THESE, {**_values(now.date()), "cells": list(cells)})
        self._count(rows)

    def _count(self, rows: Iterable[Sequence[Any]]) -> None:
        for cell, n, unit, kind, sex, age, what, risk, status, sector in rows:
            known = self._cells.get(cell)
            if known is None:
                place, before = self._tally.place(Who(unit, kind, sex, age), What(what, risk, status, sector)), 0
            else:
                place, before = known
            self._cells[cell] = (place, n)
            self._tally.add(place, n - before)


def _values(today: date) -> dict[str, Any]:
    return {
        "kinds": _KINDS,
        "clocked": _CLOCKED,
        "standing": _STANDING,
        "reports": _REPORTS,
        "case": int(Kind.CASE),
        "concern": int(Kind.CONCERN),
        "child": int(Kind.CHILD),
        "arrival": int(Kind.ARRIVAL),
        "today": today.isoformat(),
        "month": month_number(today),
    }
