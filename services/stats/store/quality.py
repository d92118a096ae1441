"""How good the records behind the figures are, as the registry measured them: beside the figures, so that nobody takes
a number for more than it is. Counts of records, never who they are of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

_TREND_DAYS: Final = 180
# A day on which a commune was not measured (it is before dawn, or the registry was away) takes what it was before.
_BY_DAY: Final = """
WITH known AS (SELECT * FROM quality WHERE (:all OR unit = ANY(CAST(:units AS text[])))
    AND day BETWEEN :since AND :today),
days AS (SELECT DISTINCT day FROM known)
SELECT days.day, sum(q.score * q.children) / sum(q.children) AS score,
       sum(q.verified)::float8 / sum(q.children) AS verified, sum(q.children)::bigint AS children,
       max(q.measured_at) AS measured_at
FROM days CROSS JOIN (SELECT DISTINCT unit FROM known) AS u CROSS JOIN LATERAL (
    SELECT score, children, verified, measured_at FROM quality WHERE unit = u.unit AND day <= days.day
    ORDER BY day DESC LIMIT 1) AS q
GROUP BY days.day HAVING sum(q.children) > 0 ORDER BY days.day
"""

_BY_UNIT: Final = """
SELECT DISTINCT ON (unit) unit, score, children, verified, day, measured_at FROM quality
WHERE (:all OR unit = ANY(CAST(:units AS text[]))) AND day BETWEEN :since AND :today ORDER BY unit, day DESC
"""


@dataclass(frozen=True, slots=True)
class Quality:
    """How good records are, the mean of all children, on each day that was measured.

    `measured_at`: when a commune was last measured, which each is when its records have changed; None: not told.
    """

    days: Sequence[date]
    scores: Sequence[float]
    verified: float
    children: int
    measured_at: datetime | None = None

    @property
    def score(self) -> float:
        """The last one."""
        return self.scores[-1]

    @property
    def measured_on(self) -> date:
        """The last day that was measured."""
        return self.days[-1]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "measured_on": self.measured_on.isoformat(),
            "measured_at": None if self.measured_at is None else self.measured_at.isoformat(),
            "children": self.children,
            "score": round(self.score, 2),
            "verified": round(self.verified, 4),
            "trend": [
                {"day": day.isoformat(), "score": round(score, 2)}
                for day, score in zip(self.days, self.scores, strict=True)
            ],
        }


async def quality_of(connection: AsyncConnection, units: frozenset[str] | None, today: date) -> Quality | None:
    """Of some communes (None: all); None where nothing was measured in the last half-year."""
    rows = await connection.execute(
        text(_BY_DAY),
        _asked(units, today),
    )
    found = rows.all()
    if not found:
        return None
    last = found[-1]
    days, scores = [row.day for row in found], [row.score for row in found]
    return Quality(days, scores, last.verified, last.children, last.measured_at)


def _asked(units: frozenset[str] | None, today: date) -> dict[str, Any]:
    """Which communes and days are asked for: a day that lies ahead says nothing."""
    since = today - timedelta(days=_TREND_DAYS)
    return {"all": units is None, "units": sorted(units or ()), "since": since, "today": today}


@dataclass(frozen=True, slots=True)
class UnitQuality:
    """A commune's records as they were last measured. `verified`: how many of its children's. `at`: None: not told."""

    unit: str
    score: float
    children: int
    verified: int
    day: date
    at: datetime | None


async def quality_by_unit(connection: AsyncConnection, units: frozenset[str] | None, today: date) -> list[UnitQuality]:
    """Of each commune (None: all) that has children and was measured in the last half-year, the worst first."""
    rows = await connection.execute(
        text(_BY_UNIT),
        _asked(units, today),
    )
    found = [
        UnitQuality(row.unit, row.score, row.children, row.verified, row.day, row.measured_at)
        for row in rows
        if row.children
    ]
    return sorted(found, key=lambda one: (one.score, one.unit))


async def last_heard(connection: AsyncConnection) -> dict[str, datetime]:
    """When each sector that ever said anything last did."""
    rows = await connection.execute(text("SELECT sector, max(time) AS time FROM heard GROUP BY sector"))
    return {row.sector: row.time for row in rows}
