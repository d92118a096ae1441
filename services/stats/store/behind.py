"""The records behind a figure: ids of what was counted, for whoever may open the records themselves.

Statistics know ids and codes only; the service that keeps a record decides once more who opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Kind
from services.stats.domain.measures import BORN, MEASURE_BITS, Measure, columns
from services.stats.domain.periods import Period
from services.stats.domain.pieces import NEVER
from services.stats.store.aging import AGE_OF, AGES, births
from services.stats.store.answers import Answers
from services.stats.store.compaction import kept
from services.stats.store.figures import month_number
from services.stats.store.history import count_periods
from services.stats.store.questions import AGE, checked, conditions
from shared.reference.calendar import end_of, local_day
from shared.reference.indicators import Part

_CASE: Final = "/cases/c/"
# What is listed of a measure, and where it is opened: by its own id, or by that of the case it belongs to. What was
# held for many is no record of anybody.
_OPENED: Final[Mapping[Measure, tuple[Kind, str]]] = {
    Measure.REPORTS: (Kind.CONCERN, "/cases/concerns/"),
    Measure.OPENINGS: (Kind.CASE, _CASE),
    Measure.CLOSINGS: (Kind.CASE, _CASE),
    Measure.CLOCKS: (Kind.DEADLINE, _CASE),
    Measure.SERVICES: (Kind.SERVICE, _CASE),
    Measure.INCIDENTS: (Kind.INCIDENT, "/cases/incidents/"),
    Measure.CASES: (Kind.CASE, _CASE),
    Measure.TASKS: (Kind.TASK, "/cases/tasks/"),
    Measure.CHILDREN: (Kind.CHILD, "/registry/children/"),
}
# Of these the case that they belong to is opened.
_PARTS: Final = frozenset({Kind.DEADLINE, Kind.SERVICE})
_FIRST: Final = "00000000-0000-0000-0000-000000000000"
_TASK_ANSWER: Final = ("task-answer",)
# Of so many records the next ones are soon found by looking at one after the other; fewer are found by their cells.
MANY: Final = 3_000


@dataclass(frozen=True, slots=True)
class Opened:
    """Records of a page, in the order of their ids, and where each is opened. `total`: of all pages."""

    ids: tuple[str, ...]
    links: tuple[str, ...]
    total: int


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
    as_of: datetime | None,
    after: str = "",
    limit: int = 100,
    answers: Answers | None = None,
) -> Opened | None:
    """The records that a part counts in a period, a page of them; None where they have no page of their own.

    Args:
        units: communes, as records name them; None: all. as_of: as it was known then, aware; None: now.
        after: the last id of the page before. answers: those of history that are kept.

    Raises `MeasureError`.
    """
    measured = checked(part)
    found = opened(part)
    if found is None:
        return None
    kind, path = found
    counted = await count_periods(connection, part, [period], (), units, as_of, answers)
    total = sum(n for _, n in counted[period])
    if not total:
        return Opened((), (), 0)
    known = as_of or NEVER
    if measured.over == "state":
        # What was known at the period's end: an event of the next day's first moment is not.
        known = min(known, end_of(period.last).astimezone(UTC))
    [known] = await kept(connection, [known])
    first = measured.measure << MEASURE_BITS
    values: dict[str, Any] = {
        "kind": int(kind),
        "known": known,
        "first": period.first,
        "last": period.last,
        "low": first,
        "high": first + (1 << MEASURE_BITS),
        "after": after or _FIRST,
        "limit": limit,
    }
    ages = part.where.get(AGE) if BORN in columns(measured.measure) else None
    where = ["c.id >= :low", "c.id < :high", *conditions(part, values, AGE_OF if ages else "c.age")]
    if units is not None:
        where.append("c.unit = ANY(:units)")
        values["units"] = sorted(units)
    if ages is not None:
        today = local_day(as_of or datetime.now(UTC))
        month = month_number(min(period.last, today, local_day(known)) if known < NEVER else min(period.last, today))
        values |= births(month)
    cell = f"history_cell AS c {AGES if ages is not None else ''}"
    statement = _BEHIND.format(
        candidate=("version" if total >= MANY else _FEW.format(cell=cell, where=" AND ".join(where))),
        cell=cell,
        where=" AND ".join(where),
    )
    rows = (await connection.execute(text(statement), values)).all()
    return Opened(
        tuple(str(row.key) for row in rows),
        tuple(_link(kind, path, str(row.key), row.whole) for row in rows),
        total,
    )


def _link(kind: Kind, path: str, key: str, whole: object) -> str:
    """Where a record is opened; empty where it is not known of what it is a part."""
    if kind not in _PARTS:
        return path + key
    return "" if whole is None else f"{path}{whole}"


# Few are found by the cells that they count in, whatever their order.
_FEW: Final = """(SELECT kind, key, sequence, at, cells, days FROM version
    WHERE kind = :kind AND at <= :known AND cells && ARRAY(SELECT c.id FROM {cell} WHERE {where}) OFFSET 0)"""
# The version of each that was the last to be known, where it is counted.
_BEHIND: Final = """
SELECT v.key, b.whole FROM {candidate} AS v LEFT JOIN belonging AS b ON b.kind = v.kind AND b.key = v.key
WHERE v.kind = :kind AND v.key > CAST(:after AS uuid) AND v.at <= :known
    AND v.sequence = (SELECT known.sequence FROM version AS known
                      WHERE known.kind = :kind AND known.key = v.key AND known.at <= :known
                      ORDER BY known.sequence DESC LIMIT 1)
    AND EXISTS (SELECT FROM unnest(v.cells, v.days) AS s(cell, day) JOIN {cell} ON c.id = s.cell
                WHERE {where} AND (s.day IS NULL OR s.day BETWEEN :first AND :last))
ORDER BY v.key LIMIT :limit
"""
