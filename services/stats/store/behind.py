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
from services.stats.domain.measures import BORN, MEASURE_BITS, Measure, Measured, columns
from services.stats.domain.periods import Period
from services.stats.store.compaction import kept
from services.stats.store.figures import month_number
from services.stats.store.history import age_in, checked
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
_FIRST: Final = "00000000-0000-0000-0000-000000000000"
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
    [known] = await kept(connection, [known])
    month = month_number(min(period.last, known.astimezone(ZONE).date()))
    values = {
        "cells": await _cells(connection, measured, part, units, month),
        "kind": int(kind),
        "known": known,
        "first": period.first,
        "last": period.last,
        "after": after or _FIRST,
        "limit": limit,
    }
    rows = (await connection.execute(text(_BEHIND), values)).all()
    return Opened(tuple(str(row.key) for row in rows if row.key is not None), rows[0].total, path)


async def _cells(
    connection: AsyncConnection, measured: Measured, part: Part, units: frozenset[str] | None, month: int
) -> list[int]:
    """The numbers of the cells that a part counts; ages are those of a month."""
    first = measured.measure << MEASURE_BITS
    values: dict[str, Any] = {"low": first, "high": first + (1 << MEASURE_BITS)}
    where = ["id >= :low", "id < :high"]
    if units is not None:
        where.append("unit = ANY(:units)")
        values["units"] = sorted(units)
    ages = part.where.get("age") if BORN in columns(measured.measure) else None
    for at, (name, wanted) in enumerate(part.where.items()):
        if name != "age" or ages is None:
            column = "string_to_array(circumstance, '+') &&" if name == "circumstance" else f"{name} = ANY"
            where.append(f"{column} (:w{at})")
            values[f"w{at}"] = list(wanted)
    rows = await connection.execute(text(f"SELECT id, born FROM history_cell WHERE {' AND '.join(where)}"), values)
    return [row.id for row in rows if ages is None or age_in(row.born, month) in ages]


# Of the versions that are counted, those after which nothing was known.
_BEHIND: Final = """
WITH candidate AS (
    SELECT v.key, v.sequence FROM version AS v CROSS JOIN LATERAL unnest(v.cells, v.days) AS c(cell, day)
    JOIN unnest(CAST(:cells AS bigint[])) AS wanted(cell) ON wanted.cell = c.cell
    WHERE v.kind = :kind AND v.at <= :known AND (c.day IS NULL OR c.day BETWEEN :first AND :last)
), counted AS MATERIALIZED (
    SELECT DISTINCT key FROM candidate AS c WHERE NOT EXISTS (
        SELECT FROM version AS later
        WHERE later.kind = :kind AND later.key = c.key AND later.sequence > c.sequence AND later.at <= :known
    )
), page AS (
    SELECT key FROM counted WHERE key > CAST(:after AS uuid) ORDER BY key LIMIT :limit
)
SELECT page.key, (SELECT count(*) FROM counted) AS total FROM (SELECT) AS one LEFT JOIN page ON true ORDER BY page.key
"""
