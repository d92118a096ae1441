"""The board's counts, held in memory and brought up to date by what changed: nothing else leaves the database.

PostgreSQL still looks at every cell of the cube to find it. It must never be a count behind: whatever a transaction
changed that the last look did not see is asked for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Kind
from services.stats.store.cube import LIVE
from services.stats.store.figures import AGE_BAND, month_number
from shared.contracts.vocabulary import AgeBand

_KINDS: Final = [int(kind) for kind in (Kind.CONCERN, Kind.CASE, Kind.DEADLINE, Kind.TASK, Kind.CHILD)]
# Of these only what asks for protection is on the board.
_REPORTS: Final = [int(Kind.CONCERN), int(Kind.ARRIVAL)]
_CLOCKED: Final = [int(Kind.DEADLINE), int(Kind.TASK)]


class Group(NamedTuple):
    """What the board tells apart: what, where, of whom. `kind` is the abuse kind where one applies."""

    what: int
    unit: str
    sex: str
    age: AgeBand
    kind: str
    risk: str
    status: str
    sector: str


class _Mark(NamedTuple):
    """How far was looked: a table (a rebuild puts another in its place), a day, and the first transaction not seen."""

    table: int
    day: date
    transaction: str


_HOLD = text(f"LOCK TABLE {LIVE}.cube IN ACCESS SHARE MODE")
_NOW = text(f"SELECT '{LIVE}.cube'::regclass::oid::bigint, pg_snapshot_xmin(pg_current_snapshot())::xid::text")
# xmin is the transaction that last wrote a row; a row's age is compared, for transaction numbers go round.
_CHANGED = f"""
SELECT q.cell, q.n, c.kind, c.unit, c.sex, CASE c.kind WHEN :child THEN {AGE_BAND} ELSE c.age_band END,
    CASE WHEN c.kind = ANY(:clocked) THEN c.extra WHEN c.kind = :child THEN '' ELSE c.category END,
    c.risk, c.status, c.sector
FROM cube q JOIN cell c ON c.id = q.cell
WHERE (c.kind = ANY(:kinds) OR c.kind = :arrival AND c.date = :today)
    AND (c.groups = '' OR c.kind <> ALL(:reports))
"""
_ALL = text(_CHANGED + " AND q.n <> 0")
_SINCE = text(_CHANGED + " AND age(q.xmin) <= age(CAST(CAST(:since AS text) AS xid))")


class Counts:
    """Every count the board shows to anybody."""

    def __init__(self) -> None:
        self._mark: _Mark | None = None
        self._cells: dict[int, tuple[Group, int]] = {}
        self._groups: Counter[Group] = Counter()

    def __iter__(self) -> Iterator[tuple[Group, int]]:
        """The groups in which anything is counted."""
        return iter(self._groups.items())

    async def refresh(self, connection: AsyncConnection, now: datetime) -> None:
        """Bring them up to date. `now`: in our zone, for today's concerns and for ages."""
        # Until this transaction ends, no rebuild puts another table in its place.
        await connection.execute(_HOLD)
        table, transaction = (await connection.execute(_NOW)).one()
        mark = _Mark(table, now.date(), transaction)
        values = {
            "kinds": _KINDS,
            "clocked": _CLOCKED,
            "reports": _REPORTS,
            "child": int(Kind.CHILD),
            "arrival": int(Kind.ARRIVAL),
            "today": mark.day.isoformat(),
            "month": month_number(mark.day),
        }
        known = self._mark
        if known is not None and (known.table, known.day) == (mark.table, mark.day):
            rows = await connection.execute(_SINCE, {**values, "since": known.transaction})
        else:
            rows = await connection.execute(_ALL, values)
            self._cells, self._groups = {}, Counter()
        for cell, n, *group in rows:
            self._count(cell, n, Group._make(group))
        self._mark = mark

    def _count(self, cell: int, n: int, group: Group) -> None:
        _, before = self._cells.get(cell, (group, 0))
        self._cells[cell] = (group, n)
        self._groups[group] += n - before
        if not self._groups[group]:
            del self._groups[group]
