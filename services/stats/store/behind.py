"""The records behind a figure: ids of what was counted, for whoever may open the records themselves.

Statistics know ids and codes only; the service that keeps a record decides once more who opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Kind
from services.stats.domain.measures import MEASURE_BITS, Measure
from services.stats.domain.periods import Period
from services.stats.store.figures import month_number
from services.stats.store.history import checked, conditions
from shared.reference.indicators import Part
from shared.web.i18n import ZONE

# What is listed of a measure, and where it is opened; of the other measures nothing can be opened by itself.
_OPENED: Final[Mapping[Measure, tuple[Kind, str]]] = {
    Measure.REPORTS: (Kind.CONCERN, "/cases/concerns/"),
    Measure.OPENINGS: (Kind.CASE, "/cases/c/"),
    Measure.CLOSINGS: (Kind.CASE, "/cases/c/"),
    Measure.CASES: (Kind.CASE, "/cases/c/"),
    Measure.TASKS: (Kind.TASK, "/cases/tasks/"),
    Measure.CHILDREN: (Kind.CHILD, "/registry/children/"),
}
_TASK_ANSWER: Final = ("task-answer",)


@dataclass(frozen=True, slots=True)
class Opened:
    """Records of a page, in the order of their ids. `total`: of all pages. `path`: where each is opened, by its id."""

    ids: tuple[str, ...]
    total: int
    path: str


def opened(part: Part) -> tuple[Kind, str] | None:
    """Which records lie behind a part, and where they are opened; None: they have no page of their own. Raises
    `MeasureError` for a part that there is not."""
    measure = checked(part).measure
    if measure is Measure.SPANS:
        answers = part.where.get("span") == _TASK_ANSWER
        return _OPENED[Measure.TASKS] if answers else _OPENED[Measure.CASES]
    return _OPENED.get(measure)


async def behind(
    connection: AsyncConnection,
    part: Part,
    period: Period,
    *,
    units: frozenset[str] | None,
    as_of: datetime,
    after: str = "",
    limit: int = 100,
) -> Opened | None:
    """The records that a part counts in a period, a page of them; None where they have no page of their own.

    Args:
        units: communes, as records name them; None: all. as_of: as it was known then, aware.
        after: the last id of the page before.

    Raises `MeasureError`.
    """
    measured = checked(part)
    found = opened(part)
    if found is None:
        return None
    kind, path = found
    last = datetime.combine(period.last + timedelta(days=1), time.min, ZONE).astimezone(UTC)
    # Of a state what was known at the period's end: an event of the next day's first moment is not.
    known = as_of if measured.over == "period" else min(as_of, last - timedelta(microseconds=1))
    first_cell = measured.measure << MEASURE_BITS
    values: dict[str, Any] = {
        "kind": int(kind),
        "known": known,
        "first": period.first,
        "last": period.last,
        "low": first_cell,
        "high": first_cell + (1 << MEASURE_BITS),
        "month": month_number(min(period.last, as_of.astimezone(ZONE).date())),
        "after": after or "00000000-0000-0000-0000-000000000000",
        "limit": limit,
    }
    where = " AND ".join(["TRUE", *conditions(measured, part, units, values)])
    rows = (await connection.execute(text(_BEHIND.format(where=where)), values)).all()
    return Opened(tuple(str(row.key) for row in rows if row.key is not None), rows[0].total, path)


_BEHIND: Final = """
WITH wanted AS MATERIALIZED (
    SELECT c.id FROM (
        SELECT h.*, CAST(:month AS integer) AS month FROM history_cell AS h WHERE h.id >= :low AND h.id < :high
    ) AS c WHERE {where}
), last AS (
    SELECT DISTINCT ON (key) key, cells, days FROM version WHERE kind = :kind AND at <= :known
    ORDER BY key, sequence DESC
), counted AS (
    SELECT DISTINCT last.key FROM last, unnest(last.cells, last.days) AS c(cell, day) JOIN wanted ON wanted.id = c.cell
    WHERE c.day IS NULL OR c.day BETWEEN :first AND :last
), page AS (
    SELECT key FROM counted WHERE key > CAST(:after AS uuid) ORDER BY key LIMIT :limit
)
SELECT page.key, (SELECT count(*) FROM counted) AS total FROM (SELECT) AS one LEFT JOIN page ON true ORDER BY page.key
"""
