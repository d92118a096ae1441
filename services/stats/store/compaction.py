"""Compacts history: what was known at moments that are no longer asked for is let go, a small transaction at a time.

A moment is rounded up to the next one that is kept, in versions and in what they moved alike. So nothing that was
known at a kept moment changes, nor anything that is known now, nor the sums of months: the two may be rounded one after
the other, and whoever dies between them has lost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.measures import MEASURES, Measure
from services.stats.store.locks import Lock, wait_for
from shared.reference.history import SURELY_KEPT

# Before every moment that an event of ours can have.
EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
_STATES: Final = [int(one.measure) for one in MEASURES.values() if one.over == "state"]
_PARTS: Final = 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the work is. `state`: versions, movements, done. `versions`, `movements`: rows that it let go."""

    every_moment_from: datetime
    state: str
    versions: int
    movements: int
    started_at: datetime
    finished_at: datetime | None


async def kept(connection: AsyncConnection, moments: Sequence[datetime]) -> list[datetime]:
    """For each moment the last one up to it as of which there is an answer: itself, where it is young enough."""
    surely = datetime.now(UTC) - SURELY_KEPT
    if all(moment >= surely for moment in moments):
        return list(moments)
    rows = await connection.execute(text(_KEPT), {"moments": list(moments)})
    return [EVER if row.at is None else row.at for row in rows]


_KEPT: Final = """
SELECT CASE WHEN m.at < (SELECT every_moment_from FROM compaction)
    THEN (SELECT max(k.at) FROM kept_moment AS k WHERE k.at <= m.at) ELSE m.at END AS at
FROM unnest(CAST(:moments AS timestamptz[])) WITH ORDINALITY AS m(at, number) ORDER BY m.number
"""


async def standing(connection: AsyncConnection) -> Standing | None:
    """How far compacting is; None: it was never begun."""
    row = (
        await connection.execute(
            text("SELECT every_moment_from, state, versions, movements, started_at, finished_at FROM compaction")
        )
    ).one_or_none()
    return None if row is None else Standing(*row)


async def anything_before(connection: AsyncConnection, moment: datetime) -> bool:
    """Whether anything was known before a moment."""
    found = await connection.execute(
        text("SELECT EXISTS (SELECT FROM movement WHERE at < :moment)"), {"moment": moment}
    )
    return bool(found.scalar_one())


async def closed_at(connection: AsyncConnection) -> list[datetime]:
    """The moments as of which official periods were closed or published."""
    rows = await connection.execute(text("SELECT as_of FROM closed_period UNION SELECT as_of FROM published_period"))
    return [row.as_of for row in rows]


async def begin(connection: AsyncConnection, now: datetime, until: datetime, moments: Sequence[datetime]) -> None:
    """From here on every moment from `until` on is kept, and of those before it only `moments`; the work begins.

    A moment that was let go does not come back, whatever a new rule says. Holds the lock of whoever writes history.
    """
    await wait_for(connection, Lock.HISTORY)
    known = await standing(connection)
    values = {"moments": list(moments), "known": EVER if known is None else known.every_moment_from}
    await connection.execute(
        text("DELETE FROM kept_moment WHERE at <> ALL(CAST(:moments AS timestamptz[]))"), {"moments": list(moments)}
    )
    await connection.execute(
        text(
            """INSERT INTO kept_moment SELECT at FROM unnest(CAST(:moments AS timestamptz[])) AS m(at)
               WHERE at >= :known ON CONFLICT DO NOTHING"""
        ),
        values,
    )
    await connection.execute(text(_BEGIN), {"until": until, "now": now})


_BEGIN: Final = """
INSERT INTO compaction AS c (every_moment_from, state, kind, key, measure, at, versions, movements, started_at)
VALUES (:until, 'versions', 0, '00000000-0000-0000-0000-000000000000', 0, '0001-01-01Z', 0, 0, :now)
ON CONFLICT (id) DO UPDATE SET every_moment_from = greatest(c.every_moment_from, excluded.every_moment_from),
    state = 'versions', kind = 0, key = excluded.key, measure = 0, at = excluded.at, versions = 0, movements = 0,
    started_at = excluded.started_at, finished_at = NULL
"""

# For who put other tables into the place of these.
AGAIN: Final = """
UPDATE compaction SET state = 'versions', kind = 0, key = '00000000-0000-0000-0000-000000000000', measure = 0,
    at = '0001-01-01Z', finished_at = NULL
"""


async def step(connection: AsyncConnection, size: int, now: datetime) -> bool:
    """Do the next small part of the work. Out: whether something is left; False too where another replica is at it.

    Args:
        size: how many things are looked at, or how many movements are summed, about.
    """
    row = (
        await connection.execute(
            text("SELECT state, kind, key, measure, at, every_moment_from FROM compaction FOR UPDATE SKIP LOCKED")
        )
    ).one_or_none()
    if row is None or row.state == "done":
        return False
    if row.state == "versions":
        await _versions(connection, size)
        return True
    for measure in (int(one) for one in Measure if one >= row.measure):
        at = row.at if measure == row.measure else EVER
        found = await _next_movement(connection, measure, at, row.every_moment_from)
        if found is not None:
            await _movements(connection, measure, found, size)
            return True
    await connection.execute(text("UPDATE compaction SET state = 'done', finished_at = :now"), {"now": now})
    return False


async def _versions(connection: AsyncConnection, size: int) -> None:
    await wait_for(connection, Lock.HISTORY)
    await connection.execute(text(_VERSIONS), {"size": size})


# A version that was seen at no kept moment is let go; the last one, by which everything later is told apart, never.
# Where it was seen it is the moment of its own, not of a later one (a version that a later one hides was never seen).
_VERSIONS: Final = """
WITH work AS (SELECT kind, key, every_moment_from FROM compaction),
batch AS MATERIALIZED (
    SELECT DISTINCT v.kind, v.key FROM version AS v
    WHERE (v.kind, v.key) > ((SELECT kind FROM work), (SELECT key FROM work))
        AND v.at < (SELECT every_moment_from FROM work)
    ORDER BY v.kind, v.key LIMIT :size
), shown AS (
    SELECT kind, key, v.sequence, v.at, min(v.at) OVER later AS since
    FROM batch JOIN version AS v USING (kind, key)
    WINDOW later AS (PARTITION BY kind, key ORDER BY v.sequence DESC)
), rounded AS (
    SELECT *, coalesce(CASE WHEN since < (SELECT every_moment_from FROM work)
        THEN (SELECT min(k.at) FROM kept_moment AS k WHERE k.at >= since) END, since) AS moment
    FROM shown
), lasting AS (
    SELECT *, lead(moment) OVER (PARTITION BY kind, key ORDER BY sequence) AS until FROM rounded
), dropped AS (
    DELETE FROM version AS v USING lasting AS l
    WHERE v.kind = l.kind AND v.key = l.key AND v.sequence = l.sequence
        AND l.until = l.moment AND l.moment < (SELECT every_moment_from FROM work)
    RETURNING 1
), moved AS (
    UPDATE version AS v SET at = l.moment FROM lasting AS l
    WHERE v.kind = l.kind AND v.key = l.key AND v.sequence = l.sequence
        AND (l.until IS NULL OR l.moment < l.until) AND v.at < l.moment
), last AS (SELECT kind, key FROM batch ORDER BY kind DESC, key DESC LIMIT 1)
UPDATE compaction AS c SET
    kind = coalesce((SELECT kind FROM last), c.kind), key = coalesce((SELECT key FROM last), c.key),
    state = CASE WHEN EXISTS (SELECT FROM last) THEN c.state ELSE 'movements' END,
    versions = c.versions + (SELECT count(*) FROM dropped)
"""


@dataclass(frozen=True, slots=True)
class _Unrounded:
    """A movement that is not rounded yet: between which two kept moments it lies, and its cell."""

    after: datetime
    moment: datetime
    cell: int


async def _next_movement(connection: AsyncConnection, measure: int, at: datetime, until: datetime) -> _Unrounded | None:
    values = {"measure": measure, "at": at, "until": until, "ever": EVER}
    row = (await connection.execute(text(_NEXT), values)).one_or_none()
    return None if row is None else _Unrounded(*row)


_NEXT: Final = """
SELECT coalesce((SELECT max(k.at) FROM kept_moment AS k WHERE k.at < m.at), :ever) AS after,
    (SELECT min(k.at) FROM kept_moment AS k WHERE k.at > m.at) AS moment, m.cell
FROM movement AS m
WHERE m.measure = :measure AND m.at > :at AND m.at < :until
    AND NOT EXISTS (SELECT FROM kept_moment AS k WHERE k.at = m.at)
ORDER BY m.at LIMIT 1
"""


async def _movements(connection: AsyncConnection, measure: int, found: _Unrounded, size: int) -> None:
    """Round and sum up some movements, those up to one or several kept moments; where much lies before the first of
    these, those of one part of the cells."""
    values = {"measure": measure, "after": found.after, "moment": found.moment, "size": size}
    row = (await connection.execute(text(_HOW_FAR), values)).one()
    parts = min(_PARTS, 1 + row.rows // max(1, size)) if row.last == found.moment else 1
    told = values | {"last": row.last, "states": _STATES, "parts": parts, "part": found.cell % _PARTS % parts}
    # Where a part is left, the next one begins here, too.
    await connection.execute(text(_SUM), told | {"at": row.last if parts == 1 else found.after})


# The last kept moment up to which there are no more movements than wanted, and how many there are up to the first.
_HOW_FAR: Final = """
SELECT greatest(CAST(:moment AS timestamptz), (SELECT max(k.at) FROM kept_moment AS k WHERE k.at < coalesce(
        (SELECT m.at FROM movement AS m WHERE m.measure = :measure AND m.at > :after ORDER BY m.at
         OFFSET CAST(:size AS integer) LIMIT 1), 'infinity'))) AS last,
    (SELECT count(*) FROM movement WHERE measure = :measure AND at > :after AND at <= :moment) AS rows
"""
# What stands has changed on the day of the moment from which it is known; what happened keeps its day.
_SUM: Final = f"""
WITH taken AS (
    DELETE FROM movement WHERE measure = :measure AND at > :after AND at <= :last AND cell % {_PARTS} % :parts = :part
    RETURNING cell, day, at, n
), rounded AS (
    SELECT cell, day, (SELECT min(k.at) FROM kept_moment AS k WHERE k.at >= taken.at) AS moment, n FROM taken
), net AS (
    SELECT cell, moment, CASE WHEN :measure = ANY(CAST(:states AS integer[]))
        THEN (moment AT TIME ZONE 'Asia/Ho_Chi_Minh')::date ELSE day END AS on_day, sum(n) AS n
    FROM rounded GROUP BY cell, moment, on_day HAVING sum(n) <> 0
), summed AS (
    INSERT INTO movement (measure, cell, day, at, n) SELECT :measure, cell, on_day, moment, n FROM net RETURNING 1
)
UPDATE compaction SET measure = :measure, at = :at,
    movements = movements + (SELECT count(*) FROM taken) - (SELECT count(*) FROM summed)
"""
