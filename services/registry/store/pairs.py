"""Queries on unsure pairs, merges and their undoing."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.matching import Match
from services.registry.store.chunked import chunked


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


@chunked
async def put_pairs(connection: AsyncConnection, child_id: str, matches: Sequence[Match], now: datetime) -> None:
    """Queue unsure pairs for a person; one that was decided stays decided."""
    if not matches:
        return
    await connection.execute(
        text(
            """INSERT INTO pair (low, high, probability, reasons, made_at)
               VALUES (least(CAST(:one AS uuid), CAST(:other AS uuid)),
                       greatest(CAST(:one AS uuid), CAST(:other AS uuid)),
                       :probability, CAST(:reasons AS text[]), :now)
               ON CONFLICT (low, high) DO UPDATE SET probability = excluded.probability, reasons = excluded.reasons
               WHERE pair.state = 'open'"""
        ),
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


async def open_pairs(
    connection: AsyncConnection, units: Collection[str] | None, limit: int = 20, after: int = 0
) -> list[Pair]:
    """Pairs that wait for a person, the likeliest first.

    Args:
        units: only where one of the two lives in them; None: everywhere. after: how many to pass over.
    """
    rows = await connection.execute(
        text(
            """SELECT p.* FROM pair p JOIN child a ON a.id = p.low JOIN child b ON b.id = p.high
               WHERE p.state = 'open' AND (:everywhere OR a.unit = ANY(CAST(:units AS text[]))
                                                       OR b.unit = ANY(CAST(:units AS text[])))
               ORDER BY p.probability DESC, p.id LIMIT :limit OFFSET :after"""
        ),
        {"everywhere": units is None, "units": list(units or ()), "limit": limit, "after": after},
    )
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
            """INSERT INTO merge (id, kept, gone, records, pair_id, at, by)
               VALUES (CAST(:id AS uuid), CAST(:kept AS uuid), CAST(:gone AS uuid), CAST(:records AS uuid[]),
                       :pair_id, :at, :by)"""
        ),
        {
            "id": merge.id,
            "kept": merge.kept,
            "gone": merge.gone,
            "records": list(merge.records),
            "pair_id": merge.pair_id,
            "at": merge.at,
            "by": merge.by,
        },
    )


def _merge(row: Row[Any]) -> Merge:
    records = tuple(str(record) for record in row.records)
    return Merge(str(row.id), str(row.kept), str(row.gone), records, row.pair_id, row.at, row.by, row.undone_at)


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
