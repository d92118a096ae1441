"""Queries on unsure pairs, merges and their undoing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.lifecycle import HIDDEN
from services.registry.domain.matching import Match
from services.registry.store.chunked import chunked
from shared.contracts.vocabulary import RecordStatus


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records that may be one child."""

    id: int
    low: str
    high: str
    probability: float
    reasons: tuple[str, ...]
    state: str


@dataclass(frozen=True, slots=True)
class Split:
    """One record that a person said is two children: `parted` was made of some of what was said of `kept`."""

    id: str
    kept: str
    parted: str
    at: datetime
    by: str
    reason: str
    undone_at: datetime | None


@dataclass(frozen=True, slots=True)
class Merge:
    """Two records that a person said are one child."""

    id: str
    kept: str
    gone: str
    records: tuple[str, ...]
    pair_id: int | None
    at: datetime
    by: str
    undone_at: datetime | None
    # How the record that goes on stood before.
    kept_status: RecordStatus = "active"


_PUT_PAIR = """
INSERT INTO pair (low, high, probability, reasons, made_at, low_unit, high_unit)
SELECT a.id, b.id, :probability, CAST(:reasons AS text[]), :now, a.unit, b.unit
FROM child a, child b
WHERE a.id = least(CAST(:one AS uuid), CAST(:other AS uuid))
  AND b.id = greatest(CAST(:one AS uuid), CAST(:other AS uuid))
  AND a.status NOT IN ('adopted', 'withdrawn', 'erased') AND b.status NOT IN ('adopted', 'withdrawn', 'erased')
ON CONFLICT (low, high) DO UPDATE SET probability = excluded.probability, reasons = excluded.reasons,
    low_unit = excluded.low_unit, high_unit = excluded.high_unit, state = 'open', decided_at = NULL, decided_by = NULL
WHERE pair.state IN ('open', 'void')
   OR (pair.state = 'different' AND excluded.probability >= pair.probability
       AND NOT (pair.reasons @> excluded.reasons AND pair.reasons <@ excluded.reasons))
"""


@chunked
async def put_pairs(connection: AsyncConnection, child_id: str, matches: Sequence[Match], now: datetime) -> None:
    """Queue pairs for a person. One that was decided stays decided, unless what is known now speaks for one child in
    another way than when it was. Of a record that nobody finds by looking for the child, nobody is asked.
    """
    if not matches:
        return
    await connection.execute(
        text(_PUT_PAIR),
        [
            {
                "one": child_id,
                "other": match.child_id,
                "probability": match.probability,
                "reasons": list(match.reasons),
                "now": now,
            }
            for match in matches
        ],
    )


def _pair(row: Row[Any]) -> Pair:
    return Pair(row.id, str(row.low), str(row.high), row.probability, tuple(row.reasons), row.state)


# A pass may queue a pair after one of the two was closed to the eye: what is shown is looked at when it is shown.
_SHOWN = """state = 'open' AND NOT (ARRAY[low, high] && CAST(:without AS uuid[])) AND NOT EXISTS (
    SELECT 1 FROM child c WHERE c.id = ANY(ARRAY[pair.low, pair.high]) AND c.status = ANY(CAST(:hidden AS text[])))"""
# One walk along an index a commune and side, each no longer than the page: a queue that grows costs nothing more.
_OPEN_OF_UNITS = f"""
SELECT DISTINCT p.* FROM unnest(CAST(:units AS text[])) AS u(unit) CROSS JOIN LATERAL (
    (SELECT * FROM pair WHERE low_unit = u.unit AND {_SHOWN} ORDER BY probability DESC, id LIMIT :reach)
    UNION ALL
    (SELECT * FROM pair WHERE high_unit = u.unit AND {_SHOWN} ORDER BY probability DESC, id LIMIT :reach)) AS p
ORDER BY p.probability DESC, p.id LIMIT :limit OFFSET :after
"""
_OPEN = f"SELECT * FROM pair WHERE {_SHOWN} ORDER BY probability DESC, id LIMIT :limit OFFSET :after"


async def open_pairs(
    connection: AsyncConnection,
    units: Collection[str] | None,
    limit: int = 20,
    after: int = 0,
    *,
    without: Collection[str] = (),
) -> list[Pair]:
    """Pairs that wait for a person, the likeliest first; none with a record that is hidden.

    Args:
        units: only where one of the two lives in them; None: everywhere. after: how many to pass over.
        without: children whose record whoever asks must not see.
    """
    values = {"limit": limit, "after": after, "without": list(without), "hidden": sorted(HIDDEN)}
    if units is None:
        rows = await connection.execute(text(_OPEN), values)
    else:
        wanted = {**values, "units": list(units), "reach": limit + after}
        rows = await connection.execute(text(_OPEN_OF_UNITS), wanted)
    return [_pair(row) for row in rows]


async def pair(connection: AsyncConnection, pair_id: int) -> Pair | None:
    """One pair, locked until the transaction's end."""
    row = (await connection.execute(text("SELECT * FROM pair WHERE id = :id FOR UPDATE"), {"id": pair_id})).first()
    return None if row is None else _pair(row)


async def pairs_of(connection: AsyncConnection, child_id: str) -> list[Pair]:
    """The open pairs that a child is part of."""
    rows = await connection.execute(
        text(
            """SELECT * FROM pair WHERE low = CAST(:id AS uuid) AND state = 'open'
               UNION ALL SELECT * FROM pair WHERE high = CAST(:id AS uuid) AND state = 'open'"""
        ),
        {"id": child_id},
    )
    return [_pair(row) for row in rows]


async def decide_pair(connection: AsyncConnection, pair_id: int, state: str, now: datetime, by: str) -> None:
    """What a person said: same, different; or void where the pair has lost its meaning."""
    await connection.execute(
        text("UPDATE pair SET state = :state, decided_at = :now, decided_by = :by WHERE id = :id"),
        {"state": state, "now": now, "by": by, "id": pair_id},
    )


async def unite(connection: AsyncConnection, gone: str, kept: str, now: datetime) -> list[str]:
    """Everything said of `gone` is said of `kept` from now. Out: the records moved."""
    both = {"gone": gone, "kept": kept, "now": now}
    moved = await connection.execute(
        text(
            """WITH said AS (
                   UPDATE statement SET child_id = CAST(:kept AS uuid) WHERE child_id = CAST(:gone AS uuid)
                   RETURNING record_id),
               seen AS (
                   UPDATE circumstance SET child_id = CAST(:kept AS uuid) WHERE child_id = CAST(:gone AS uuid)
                   RETURNING record_id)
               SELECT record_id FROM said UNION SELECT record_id FROM seen"""
        ),
        both,
    )
    records = [str(row.record_id) for row in moved]
    await connection.execute(
        text(
            """INSERT INTO block (key, child_id) SELECT key, CAST(:kept AS uuid) FROM block
               WHERE child_id = CAST(:gone AS uuid) ON CONFLICT DO NOTHING"""
        ),
        both,
    )
    await connection.execute(text("DELETE FROM block WHERE child_id = CAST(:gone AS uuid)"), both)
    await point(connection, gone, kept, now)
    return records


async def protect_like(connection: AsyncConnection, child_id: str, other: str) -> None:
    """What protects one record's identity protects from now the record that its sources have gone to, too."""
    await connection.execute(
        text(
            """UPDATE child SET protected = true FROM child other WHERE child.id = CAST(:id AS uuid)
               AND other.id = CAST(:other AS uuid) AND other.protected AND NOT child.protected"""
        ),
        {"id": child_id, "other": other},
    )


async def point(connection: AsyncConnection, gone: str, to: str, now: datetime) -> None:
    """From now the id `gone` stands for `to`."""
    await connection.execute(
        text("UPDATE child SET merged_into = CAST(:to AS uuid), changed_at = :now WHERE id = CAST(:gone AS uuid)"),
        {"gone": gone, "to": to, "now": now},
    )


async def take_back(connection: AsyncConnection, records: Sequence[str], kept: str, child_id: str) -> None:
    """What was moved to `kept` by a merge is said of `child_id`; `kept` is no longer filed under it."""
    values = {"records": list(records), "kept": kept, "child_id": child_id}
    for table in ("statement", "circumstance"):
        await connection.execute(
            text(
                f"""UPDATE {table} SET child_id = CAST(:child_id AS uuid)
                    WHERE child_id = CAST(:kept AS uuid) AND record_id = ANY(CAST(:records AS uuid[]))"""
            ),
            values,
        )
    await connection.execute(text("DELETE FROM block WHERE child_id = CAST(:kept AS uuid)"), values)


async def put_merge(connection: AsyncConnection, merge: Merge) -> None:
    """Remember a merge, so that it can be undone."""
    await connection.execute(
        text(
            """INSERT INTO merge (id, kept, gone, records, pair_id, at, by, kept_status)
               VALUES (CAST(:id AS uuid), CAST(:kept AS uuid), CAST(:gone AS uuid), CAST(:records AS uuid[]),
                       :pair_id, :at, :by, :kept_status)"""
        ),
        {
            "id": merge.id,
            "kept": merge.kept,
            "gone": merge.gone,
            "records": list(merge.records),
            "pair_id": merge.pair_id,
            "at": merge.at,
            "by": merge.by,
            "kept_status": merge.kept_status,
        },
    )


def _merge(row: Row[Any]) -> Merge:
    records = tuple(str(record) for record in row.records)
    return Merge(
        str(row.id), str(row.kept), str(row.gone), records, row.pair_id, row.at, row.by, row.undone_at, row.kept_status
    )


async def merge(connection: AsyncConnection, merge_id: str) -> Merge | None:
    """One merge, locked until the transaction's end."""
    found = await connection.execute(
        text("SELECT * FROM merge WHERE id = CAST(:id AS uuid) FOR UPDATE"), {"id": merge_id}
    )
    row = found.first()
    return None if row is None else _merge(row)


async def merges_into(connection: AsyncConnection, child_id: str) -> list[Merge]:
    """Merges into a child that still hold, the newest first."""
    rows = await connection.execute(
        text("SELECT * FROM merge WHERE kept = CAST(:id AS uuid) AND undone_at IS NULL ORDER BY at DESC"),
        {"id": child_id},
    )
    return [_merge(row) for row in rows]


async def mark_undone(connection: AsyncConnection, merge_id: str, now: datetime, by: str) -> None:
    """The merge holds no more."""
    await connection.execute(
        text("UPDATE merge SET undone_at = :now, undone_by = :by WHERE id = CAST(:id AS uuid)"),
        {"now": now, "by": by, "id": merge_id},
    )


async def move_pair(connection: AsyncConnection, found: Pair, kept: str, other: str, now: datetime) -> None:
    """Queue the same question for the record that goes on."""
    await put_pairs(connection, kept, [Match(other, found.probability, found.reasons)], now)


async def settle(connection: AsyncConnection, one: str, other: str, state: str, now: datetime, by: str) -> None:
    """What two records are to each other, where they were ever compared."""
    await connection.execute(
        text(
            """UPDATE pair SET state = :state, decided_at = :now, decided_by = :by
               WHERE low = least(CAST(:one AS uuid), CAST(:other AS uuid))
                 AND high = greatest(CAST(:one AS uuid), CAST(:other AS uuid))"""
        ),
        {"one": one, "other": other, "state": state, "now": now, "by": by},
    )


async def put_split(
    connection: AsyncConnection,
    split_id: str,
    kept: str,
    parted: str,
    records: Collection[str],
    reason: str,
    now: datetime,
    by: str,
) -> None:
    """Remember a split, so that it can be undone."""
    await connection.execute(
        text(
            """INSERT INTO split (id, kept, parted, records, at, by, reason)
               VALUES (CAST(:id AS uuid), CAST(:kept AS uuid), CAST(:parted AS uuid), CAST(:records AS uuid[]),
                       :now, :by, :reason)"""
        ),
        {
            "id": split_id,
            "kept": kept,
            "parted": parted,
            "records": list(records),
            "now": now,
            "by": by,
            "reason": reason,
        },
    )


def _split(row: Row[Any]) -> Split:
    return Split(str(row.id), str(row.kept), str(row.parted), row.at, row.by, row.reason, row.undone_at)


async def split(connection: AsyncConnection, split_id: str) -> Split | None:
    """One split, locked until the transaction's end."""
    found = await connection.execute(
        text("SELECT * FROM split WHERE id = CAST(:id AS uuid) FOR UPDATE"), {"id": split_id}
    )
    row = found.first()
    return None if row is None else _split(row)


async def splits_of(connection: AsyncConnection, child_id: str) -> list[Split]:
    """Splits that still hold, of which the child is either part, the newest first."""
    rows = await connection.execute(
        text(
            """SELECT * FROM split WHERE kept = CAST(:id AS uuid) AND undone_at IS NULL
               UNION ALL SELECT * FROM split WHERE parted = CAST(:id AS uuid) AND undone_at IS NULL ORDER BY at DESC"""
        ),
        {"id": child_id},
    )
    return [_split(row) for row in rows]


async def mark_split_undone(connection: AsyncConnection, split_id: str, now: datetime, by: str) -> None:
    """The split holds no more."""
    await connection.execute(
        text("UPDATE split SET undone_at = :now, undone_by = :by WHERE id = CAST(:id AS uuid)"),
        {"now": now, "by": by, "id": split_id},
    )
