"""Queries on how good records are: what rules look at, what each record breaks, scores, and lists to work through.

It must never decide whether a rule is broken: that is the domain's to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.names import fold
from services.registry.domain.quality import Facts, Judged
from services.registry.store.children import CHILD_COLUMNS, ChildRow, child_of
from shared.contracts.vocabulary import ChildDescription
from shared.database.statements import text
from shared.reference.calendar import local_day

_LIVE = "merged_into IS NULL AND status = 'active'"


@dataclass(frozen=True, slots=True)
class Assessed:
    """A record as rules look at it. `kept_up`: whether it is the record of a child of the province today."""

    child_id: str
    unit: str | None
    hamlet: str
    row: Row[Any]
    kept_up: bool

    def facts(self) -> Facts:
        """What rules look at. Raises where what is stored can no longer be read."""
        row = self.row
        said_on = {name: date.fromisoformat(source["as_of"]) for source in row.sources for name in source["fields"]}
        return Facts(
            description=ChildDescription.model_validate(row.description),
            recorded_on=local_day(row.registered_at),
            told_on=row.confirmed_on,
            unit=row.unit,
            birth_year=row.birth_year,
            circumstances=frozenset(row.circumstances),
            verified_on=row.verified_on,
            said_on=said_on,
            contradicted=frozenset(doubt["field"] for doubt in row.conflicts),
            registers=frozenset(source["register_kind"] for source in row.sources),
            pair_waiting=row.pair_waiting,
            since=tuple(row.since or ()),
            without_evidence=frozenset(row.circumstances) - frozenset(row.evidenced or ()),
        )


# The marks are taken away by the statement that reads: what was committed before is seen, what comes later stays.
_GATHER = """
WITH taken AS (DELETE FROM unsettled WHERE child_id = ANY(CAST(:ids AS uuid[])))
SELECT c.id, c.unit, c.birth_year, c.description, c.circumstances, c.confirmed_on, c.registered_at, c.verified_on,
       c.sources, c.conflicts, c.merged_into IS NULL AND c.status = 'active' AS kept_up,
       EXISTS (SELECT FROM pair WHERE low = c.id AND state = 'open')
           OR EXISTS (SELECT FROM pair WHERE high = c.id AND state = 'open') AS pair_waiting,
       k.since, k.evidenced
FROM child c CROSS JOIN LATERAL (
    SELECT array_agg(since) AS since,
           array_agg(code) FILTER (WHERE (until IS NULL OR until > :today)
                                   AND (evidence <> '' OR evidence_kind <> '')) AS evidenced
    FROM circumstance WHERE child_id = c.id) k
WHERE c.id = ANY(CAST(:ids AS uuid[]))
"""


async def gather(connection: AsyncConnection, ids: Sequence[str], today: date) -> list[Assessed]:
    """What rules look at, of records that are locked; they are taken off the list of those to be settled."""
    rows = await connection.execute(text(_GATHER), {"ids": list(ids), "today": today})
    return [Assessed(str(row.id), row.unit, fold(row.description.get("hamlet")), row, row.kept_up) for row in rows]


# What a record does not break any more goes, what it breaks is kept with the day on which that began.
_SAVE = """
WITH judged AS (
    SELECT child_id, unit, hamlet, string_to_array(rules, ',') AS rules, again_on
    FROM unnest(CAST(:ids AS uuid[]), CAST(:units AS text[]), CAST(:hamlets AS text[]), CAST(:rules AS text[]),
                CAST(:again AS date[])) AS j(child_id, unit, hamlet, rules, again_on)
), mended AS (
    DELETE FROM finding f USING judged j WHERE f.child_id = j.child_id AND f.rule <> ALL(j.rules)
), broken AS (
    INSERT INTO finding AS f (child_id, rule, unit, hamlet, since)
    SELECT j.child_id, r.rule, j.unit, j.hamlet, :today FROM judged j CROSS JOIN LATERAL unnest(j.rules) AS r(rule)
    ON CONFLICT (child_id, rule) DO UPDATE SET unit = excluded.unit, hamlet = excluded.hamlet
        WHERE (f.unit, f.hamlet) IS DISTINCT FROM (excluded.unit, excluded.hamlet)
), changed AS (
    INSERT INTO unmeasured (unit, at) SELECT DISTINCT unit, CAST(:now AS timestamptz) FROM judged
    WHERE unit IS NOT NULL)
INSERT INTO assessed AS a (child_id, again_on) SELECT child_id, again_on FROM judged
ON CONFLICT (child_id) DO UPDATE SET again_on = excluded.again_on WHERE a.again_on <> excluded.again_on
"""


async def save(connection: AsyncConnection, judged: Sequence[tuple[Assessed, Judged]], now: datetime) -> None:
    """What records break now, and when to look again; their communes wait to be measured. One statement however many
    they are."""
    await connection.execute(
        text(_SAVE),
        {
            "ids": [one.child_id for one, _ in judged],
            "units": [one.unit for one, _ in judged],
            "hamlets": [one.hamlet for one, _ in judged],
            "rules": [",".join(said.broken) for _, said in judged],
            "again": [said.again_on for _, said in judged],
            "today": local_day(now),
            "now": now,
        },
    )


async def look_again(connection: AsyncConnection, ids: Sequence[str], on: date) -> None:
    """Records that could not be judged are looked at again on a day; what was found of them before stays."""
    await connection.execute(
        text(
            """INSERT INTO assessed (child_id, again_on) SELECT id, :on FROM unnest(CAST(:ids AS uuid[])) AS t(id)
               ON CONFLICT (child_id) DO UPDATE SET again_on = excluded.again_on"""
        ),
        {"ids": list(ids), "on": on},
    )


UNSETTLED = """SELECT id FROM child WHERE id IN (SELECT child_id FROM unsettled ORDER BY number LIMIT :limit)
               ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"""
TIME_HAS_COME = """SELECT c.id FROM assessed a JOIN child c ON c.id = a.child_id WHERE a.again_on <= :today
                   ORDER BY a.again_on LIMIT :limit FOR NO KEY UPDATE OF c SKIP LOCKED"""


async def waiting(connection: AsyncConnection, today: date, limit: int) -> list[str]:
    """Records to be judged, locked: those that changed, then those whose time has come. Those that another replica
    or an act holds are left to it."""
    for statement in (UNSETTLED, TIME_HAS_COME):
        rows = await connection.execute(text(statement), {"today": today, "limit": limit})
        if found := [str(row.id) for row in rows]:
            return found
    return []


async def mark_all(connection: AsyncConnection, fingerprint: str) -> bool:
    """Where the rules are others than last time, every record is to be looked at anew. Out: whether they are."""
    changed = await connection.execute(
        text("UPDATE quality_rules SET fingerprint = :now WHERE fingerprint <> :now RETURNING id"), {"now": fingerprint}
    )
    if changed.first() is None:
        return False
    await connection.execute(text("INSERT INTO unsettled (child_id) SELECT id FROM child WHERE merged_into IS NULL"))
    return True


# Scores

_COUNTED = f"""
counted AS (
    SELECT unit, count(*) AS children, count(*) FILTER (WHERE state = 'verified') AS verified,
           count(*) FILTER (WHERE state = 'due') AS due,
           avg((circumstances && CAST(:groups AS text[]))::integer) AS special,
           avg((description->>'sex' = 'male')::integer) FILTER (WHERE description->>'sex' <> 'unknown') AS male,
           avg((to_char(birth_date, 'MMDD') = '0101')::integer) FILTER (WHERE birth_date IS NOT NULL) AS january
    FROM child WHERE unit = ANY(CAST(:units AS text[])) AND {_LIVE} GROUP BY unit
), cost AS (
    SELECT * FROM unnest(CAST(:codes AS text[]), CAST(:points AS integer[])) AS p(rule, points)
), found AS (
    SELECT f.unit, f.rule, f.child_id, cost.points FROM finding f JOIN cost USING (rule)
    WHERE f.unit = ANY(CAST(:units AS text[]))
), broken AS (
    SELECT unit, jsonb_object_agg(rule, n) AS broken
    FROM (SELECT unit, rule, count(*) AS n FROM found GROUP BY unit, rule) AS r GROUP BY unit
), lost AS (
    SELECT unit, sum(points) AS points
    FROM (SELECT unit, least(100, sum(points)) AS points FROM found GROUP BY unit, child_id) AS c GROUP BY unit
), measured AS (
    SELECT u.unit, coalesce(children, 0) AS children, coalesce(verified, 0) AS verified, coalesce(due, 0) AS due,
           coalesce(broken, '{{}}') AS broken,
           coalesce(100 - coalesce(points, 0)::numeric / nullif(children, 0), 100)::real AS score,
           jsonb_strip_nulls(jsonb_build_object('special-share', round(special, 5), 'male-share', round(male, 5),
                                                'first-of-january-share', round(january, 5))) AS measures
    FROM unnest(CAST(:units AS text[])) AS u(unit) LEFT JOIN counted USING (unit) LEFT JOIN broken USING (unit)
        LEFT JOIN lost USING (unit))"""
# What changed a commune is taken away by the statement that measures it: what was committed before is in the score,
# what comes later stays and has it measured again.
_MEASURE_AND_KEEP = f"""
WITH taken AS (DELETE FROM unmeasured WHERE unit = ANY(CAST(:units AS text[]))), {_COUNTED}
INSERT INTO quality AS q (unit, day, children, verified, due, broken, score, measures, measured_at)
SELECT unit, :day, children, verified, due, broken, score, measures, :now FROM measured
ON CONFLICT (unit, day) DO UPDATE SET children = excluded.children, verified = excluded.verified, due = excluded.due,
    broken = excluded.broken, score = excluded.score, measures = excluded.measures,
    measured_at = excluded.measured_at, times = q.times + 1
RETURNING *
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """How good a commune's records were when they were measured last on a day."""

    unit: str
    children: int
    verified: int
    due: int
    broken: Mapping[str, int]
    score: float
    measures: Mapping[str, float]
    day: date
    times: int
    # None: measured before the hour was kept.
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Costs:
    """What each rule costs, and which circumstances are special."""

    points: Mapping[str, int]
    groups: Sequence[str]

    def values(self, units: Sequence[str]) -> dict[str, Any]:
        """For the queries."""
        return {
            "units": list(units),
            "codes": list(self.points),
            "points": list(self.points.values()),
            "groups": list(self.groups),
        }


# Two replicas that measured the same commune at once could keep the older of their two looks.
_ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('registry.quality.measuring', 0))"


async def alone(connection: AsyncConnection) -> bool:
    """Whether this transaction may measure: no other one does until it ends."""
    return bool((await connection.execute(text(_ALONE))).scalar_one())


async def keep_measure(
    connection: AsyncConnection, units: Sequence[str], costs: Costs, now: datetime
) -> list[Measured]:
    """Measure communes and keep it for the day, in place of what was measured on it before. Only for who is `alone`."""
    values = {**costs.values(units), "day": local_day(now), "now": now}
    return [_measured(row) for row in await connection.execute(text(_MEASURE_AND_KEEP), values)]


# A child that moved away is seen by the number of those who are there; everything else, by what was judged.
TO_MEASURE = f"""
WITH now AS (SELECT unit, count(*) AS children FROM child WHERE {_LIVE} AND unit IS NOT NULL GROUP BY unit),
before AS (SELECT unit FROM quality WHERE day = (SELECT max(day) FROM quality WHERE day < :day) AND children > 0),
today AS (SELECT unit, children, measured_at FROM quality WHERE day = :day),
changed AS (SELECT unit, min(at) AS first, max(at) AS last FROM unmeasured GROUP BY unit)
SELECT unit FROM now FULL JOIN before USING (unit) FULL JOIN today USING (unit) FULL JOIN changed USING (unit)
WHERE today.unit IS NULL
   OR ((today.measured_at <= :rested) IS NOT FALSE
       AND (coalesce(now.children, 0) <> today.children OR changed.last <= :quiet OR changed.first <= :rested))
ORDER BY unit
"""


async def to_measure(connection: AsyncConnection, now: datetime, quiet: timedelta, rest: timedelta) -> list[str]:
    """Communes that were not measured today yet, or whose records have changed since; communes' sizes are read from
    one index alone.

    Args:
        quiet: so long after the last change. rest: so long after it was measured last; and a commune that changes all
            the time waits no longer than that for its quiet.
    """
    values = {"day": local_day(now), "quiet": now - quiet, "rested": now - rest}
    return [row.unit for row in await connection.execute(text(TO_MEASURE), values)]


async def thin_out(connection: AsyncConnection, before: date) -> None:
    """Of scores before a day, the first of each month stays."""
    await connection.execute(
        text("DELETE FROM quality WHERE day < :before AND extract(day FROM day) <> 1"), {"before": before}
    )


async def trend(connection: AsyncConnection, unit: str, since: date) -> list[tuple[date, float]]:
    """A commune's score by day."""
    rows = await connection.execute(
        text("SELECT day, score FROM quality WHERE unit = :unit AND day >= :since ORDER BY day"),
        {"unit": unit, "since": since},
    )
    return [(row.day, row.score) for row in rows]


async def latest(
    connection: AsyncConnection, day: date, earlier: date, unit: str | None = None
) -> list[tuple[Measured, float | None]]:
    """Every commune (or one) as it was measured last, not later than `day`; its score on `earlier` or soon after."""
    rows = await connection.execute(
        text(
            """SELECT q.*, was.score AS was FROM (SELECT DISTINCT unit FROM quality) AS u
               CROSS JOIN LATERAL (
                   SELECT * FROM quality e WHERE e.unit = u.unit AND e.day <= :day ORDER BY e.day DESC LIMIT 1) AS q
               LEFT JOIN LATERAL (
                   SELECT score FROM quality e WHERE e.unit = q.unit AND e.day >= :earlier AND e.day < q.day
                   ORDER BY e.day LIMIT 1) AS was ON true
               WHERE q.children > 0 AND (CAST(:unit AS text) IS NULL OR u.unit = :unit) ORDER BY q.unit"""
        ),
        {"day": day, "earlier": earlier, "unit": unit},
    )
    return [(_measured(row), row.was) for row in rows]


def _measured(row: Row[Any]) -> Measured:
    return Measured(
        row.unit,
        row.children,
        row.verified,
        row.due,
        row.broken if isinstance(row.broken, Mapping) else orjson.loads(row.broken),
        round(row.score, 2),
        row.measures if isinstance(row.measures, Mapping) else orjson.loads(row.measures),
        row.day,
        row.times,
        row.measured_at,
    )


# Lists to work through


async def counts(connection: AsyncConnection, unit: str | None) -> dict[str, int]:
    """How many records of a commune (None: of none) break each rule, now."""
    where = "unit IS NULL" if unit is None else "unit = :unit"
    rows = await connection.execute(
        text(f"SELECT rule, count(*) AS n FROM finding WHERE {where} GROUP BY rule"), {"unit": unit}
    )
    return {row.rule: row.n for row in rows}


async def hamlets(connection: AsyncConnection, unit: str | None, rule: str) -> list[tuple[str, str, int]]:
    """The hamlets of a list: folded, as one record writes it, how many records."""
    where = "unit IS NULL" if unit is None else "unit = :unit"
    rows = await connection.execute(
        text(
            f"""SELECT h.hamlet, c.description->>'hamlet' AS written, h.n FROM (
                    SELECT hamlet, count(*) AS n, min(child_id::text)::uuid AS one FROM finding
                    WHERE {where} AND rule = :rule GROUP BY hamlet) AS h JOIN child c ON c.id = h.one
                ORDER BY h.hamlet"""
        ),
        {"unit": unit, "rule": rule},
    )
    return [(row.hamlet, row.written or "", row.n) for row in rows]


def listed_sql(unit: str | None, hamlet: str | None) -> str:
    """One rule's records of a commune, in the order of hamlets, from a place on: by the index alone."""
    columns = ", ".join(f"c.{name.strip()}" for name in CHILD_COLUMNS.split(","))
    where = ["f.unit IS NULL" if unit is None else "f.unit = :unit", "f.rule = :rule"]
    if hamlet is not None:
        where.append("f.hamlet = :hamlet")
    return f"""SELECT {columns}, c.verified_on, f.since FROM finding f JOIN child c ON c.id = f.child_id
               WHERE {" AND ".join(where)} AND (f.hamlet, f.child_id) > (:after_hamlet, CAST(:after AS uuid))
               ORDER BY f.hamlet, f.child_id LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class Found:
    """A record on a list. `since`: when it was found to break the rule."""

    row: ChildRow
    since: date
    verified_on: date | None


NO_ID = "00000000-0000-0000-0000-000000000000"


async def listed(
    connection: AsyncConnection,
    unit: str | None,
    rule: str,
    *,
    hamlet: str | None,
    after: tuple[str, str],
    limit: int,
) -> list[Found]:
    """One rule's records of a commune after a place (folded hamlet, id); None: of no commune. `hamlet`: folded."""
    rows = await connection.execute(
        text(listed_sql(unit, hamlet)),
        {
            "unit": unit,
            "rule": rule,
            "hamlet": hamlet,
            "after_hamlet": after[0],
            "after": after[1],
            "limit": limit,
        },
    )
    return [Found(child_of(row), row.since, row.verified_on) for row in rows]
