"""Whether everything that is counted agrees: the cube with its facts, history's sums with its versions, and both ways
of counting with each other. One difference is one too many.

Everything is compared as of one moment, while counting goes on: of a thing of which the two ways know different
events nothing is said, unless both have read the same records.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Kind
from services.stats.domain.margins import FIRST as MARGINS
from services.stats.domain.measures import MEASURES
from services.stats.store.answers import see_one_moment
from services.stats.store.compaction import EVER, kept

_CUBE: Final = """
SELECT count(*) FROM (SELECT cell, n FROM cube WHERE n <> 0) AS counted
FULL JOIN (SELECT cell, count(*) AS n FROM fact WHERE cell IS NOT NULL GROUP BY cell) AS facts USING (cell)
WHERE counted.n IS DISTINCT FROM facts.n
"""
# What stands in the end is where the last versions count.
_STANDING: Final = """
WITH last AS (
    SELECT DISTINCT ON (kind, key) cells, amounts FROM version ORDER BY kind, key, sequence DESC
), wanted AS (
    SELECT c.cell, sum(coalesce(c.amount, 1)) AS n FROM last, unnest(cells, amounts) AS c(cell, amount) GROUP BY c.cell
), summed AS (
    SELECT cell, sum(n) FILTER (WHERE months = 1) AS by_month, sum(n) FILTER (WHERE months = 12) AS by_year
    FROM standing WHERE measure < :margins GROUP BY cell
), moved AS (SELECT cell, sum(n) AS n FROM movement GROUP BY cell)
SELECT count(*) FROM wanted FULL JOIN summed USING (cell) FULL JOIN moved USING (cell)
WHERE coalesce(wanted.n, 0) <> coalesce(summed.by_month, 0) OR coalesce(wanted.n, 0) <> coalesce(summed.by_year, 0)
    OR coalesce(wanted.n, 0) <> coalesce(moved.n, 0)
"""
# What stands in margins is what their cells sum up to.
_MARGINS: Final = """
WITH wanted AS (
    SELECT margin AS cell, sum(s.n) AS n
    FROM standing AS s JOIN history_cell AS c ON c.id = s.cell, unnest(c.margins) AS margin
    WHERE s.months = 12 AND s.measure < :margins GROUP BY margin
), summed AS (
    SELECT cell, sum(n) FILTER (WHERE months = 1) AS by_month, sum(n) FILTER (WHERE months = 12) AS by_year
    FROM standing WHERE measure >= :margins GROUP BY cell
)
SELECT count(*) FROM wanted FULL JOIN summed USING (cell)
WHERE coalesce(wanted.n, 0) <> coalesce(summed.by_month, 0) OR coalesce(wanted.n, 0) <> coalesce(summed.by_year, 0)
"""
# Of each kind that both keep: the same thing in the words of the board's cell, and of history's.
_ALIKE: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.CONCERN: (
        "c.age_band, c.category, c.status, c.sector, c.channel, c.extra, c.groups",
        "h.age, h.kind, h.status, h.sector, h.channel, h.danger_now, replace(h.request, 'protection', '')",
    ),
    Kind.CASE: (
        "c.age_band, c.category, c.risk, c.status, c.extra, c.sector, c.channel, c.groups",
        """h.age, h.kind, h.risk, h.status, h.step, h.sector, h.channel,
           CASE WHEN h.environment || h.harmer = '' THEN '' ELSE h.environment || '/' || h.harmer END""",
    ),
    Kind.DEADLINE: (
        "c.age_band, c.category, c.risk, c.status, c.sector, c.channel, c.extra",
        "h.age, h.clock, h.risk, h.state, h.sector, h.channel, h.kind",
    ),
    Kind.TASK: (
        "c.age_band, c.category, c.risk, c.status, c.sector, c.extra",
        "h.age, h.task, h.risk, h.status, h.sector, h.kind",
    ),
    Kind.CHILD: ("c.date, c.groups", "h.born, h.circumstance"),
    Kind.INCIDENT: ("c.age_band, c.date, c.sector", "h.age, left(v.days[1]::text, 7), h.sector"),
    Kind.SERVICE: (
        "c.age_band, c.date, c.category, c.risk, c.sector, c.extra",
        "h.age, left(v.days[1]::text, 7), h.service, h.risk, h.sector, h.kind",
    ),
}
_UNLIKE: Final = " OR ".join(
    f"v.kind = {kind:d} AND (c.unit, c.sex, {live}) IS DISTINCT FROM (h.unit, h.sex, {kept})"
    for kind, (live, kept) in _ALIKE.items()
)
_LANES: Final = f"""
WITH caught_up AS (
    SELECT NOT EXISTS (SELECT FROM progress AS p FULL JOIN history_progress AS h USING (topic, partition)
                       WHERE p."offset" IS DISTINCT FROM h."offset" AND topic NOT LIKE 'stats.%') AS now
), v AS (
    SELECT DISTINCT ON (kind, key) kind, key, sequence, cells, days FROM version WHERE kind = ANY(:kinds)
    ORDER BY kind, key, sequence DESC
), f AS (SELECT kind, key, sequence, cell FROM fact WHERE kind = ANY(:kinds))
SELECT count(*) FROM f FULL JOIN v USING (kind, key)
    LEFT JOIN cell AS c ON c.id = f.cell LEFT JOIN history_cell AS h ON h.id = v.cells[1]
WHERE CASE WHEN f.sequence = v.sequence THEN (f.cell IS NULL) <> (cardinality(v.cells) = 0) OR
               f.cell IS NOT NULL AND ({_UNLIKE})
           ELSE (SELECT now FROM caught_up) END
"""


# As of a moment: what was moved until then, and where the versions count that were the last ones by then. What happened
# is compared by its day, too; what stands has none of its own.
_PAST: Final = """
WITH known AS (
    SELECT DISTINCT ON (kind, key) cells, days, amounts FROM version WHERE at <= :moment
    ORDER BY kind, key, sequence DESC
), wanted AS (
    SELECT c.cell, coalesce(c.day, '-infinity') AS day, sum(coalesce(c.amount, 1)) AS n
    FROM known, unnest(cells, days, amounts) AS c(cell, day, amount) GROUP BY c.cell, c.day
), moved AS (
    SELECT cell, CASE WHEN measure = ANY(:states) THEN '-infinity' ELSE day END AS day, sum(n) AS n
    FROM movement WHERE at <= :moment GROUP BY 1, 2
)
SELECT count(*) FROM wanted FULL JOIN moved USING (cell, day) WHERE coalesce(wanted.n, 0) <> coalesce(moved.n, 0)
"""
# Once it is compacted nothing lies between the moments that are kept.
_BETWEEN: Final = """
SELECT count(*) FROM compaction AS c JOIN movement AS m ON c.state = 'done' AND m.at < c.every_moment_from
WHERE NOT EXISTS (SELECT FROM kept_moment AS k WHERE k.at = m.at)
"""
_STATES: Final = [int(one.measure) for one in MEASURES.values() if one.over == "state"]


class Checked(NamedTuple):
    """The last comparison: when, what differed by comparison (see `compared`), and how long it took."""

    at: datetime
    found: Mapping[str, int]
    seconds: float

    @property
    def differing(self) -> int:
        """How much differed in all."""
        return sum(self.found.values())


async def last_checked(connection: AsyncConnection) -> Checked | None:
    """The last comparison that was kept; None: there was none."""
    row = (await connection.execute(text("SELECT at, found, seconds FROM self_check"))).one_or_none()
    return None if row is None else Checked(*row)


async def keep_checked(connection: AsyncConnection, checked: Checked) -> None:
    """Keep a comparison in the place of the one before it."""
    await connection.execute(
        text(
            """INSERT INTO self_check (id, at, found, seconds)
               VALUES (true, :at, CAST(:found AS jsonb), :seconds)
               ON CONFLICT (id) DO UPDATE SET at = excluded.at, found = excluded.found, seconds = excluded.seconds"""
        ),
        {"at": checked.at, "found": orjson.dumps(checked.found).decode(), "seconds": checked.seconds},
    )


async def differences(connection: AsyncConnection) -> dict[str, int]:
    """How much does not agree, of each comparison (see `compared`). The first thing in its transaction."""
    await see_one_moment(connection)
    return await compared(connection)


async def compared(connection: AsyncConnection) -> dict[str, int]:
    """How much does not agree, of each comparison: `cube`, `history`, `margins`, `past`, `kept`, `lanes`; to one
    transaction.

    `cube`: cells whose count is not that of their facts. `history`: cells whose sums are not where the last versions
    count. `margins`: coarser cells that are not the sum of theirs. `past`: the same as of a moment, another one each
    time. `kept`: movements at moments that should be let go. `lanes`: things that board and history count differently.
    """
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "cube": (_CUBE, {}),
        "history": (_STANDING, {"margins": MARGINS}),
        "margins": (_MARGINS, {"margins": MARGINS}),
        "past": (_PAST, {"moment": await _some_moment(connection), "states": _STATES}),
        "kept": (_BETWEEN, {}),
        "lanes": (_LANES, {"kinds": [int(kind) for kind in _ALIKE]}),
    }
    return {
        name: int((await connection.execute(text(question), values)).scalar_one())
        for name, (question, values) in asked.items()
    }


async def _some_moment(connection: AsyncConnection) -> datetime:
    """Any moment as of which one may ask."""
    row = await connection.execute(text("SELECT min(at) + random() * (max(at) - min(at)) AS moment FROM movement"))
    moment: datetime | None = row.scalar()
    if moment is None:
        return EVER
    [moment] = await kept(connection, [moment])
    return moment
