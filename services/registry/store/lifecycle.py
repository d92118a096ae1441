"""Queries on how records stand: their states and dates, what verified them, holds, cases heard of, and what falls due.

Whatever is looked for among all children goes by a partial index on its own date. It must never decide anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.lifecycle import HIDDEN, Life
from services.registry.store.children import CHILD_COLUMNS, ONE_CHILD, ChildRow, child_of
from services.registry.store.chunked import chunked
from shared.database.statements import text
from shared.messaging.outbox import new_id

WorkList = Literal["due", "arrived", "collected", "conflicts", "growing-up", "closed"]
# Beside `state` and `status`, which a child's own columns have too.
STANDING_COLUMNS = "checked_on, verified_on, due_on, ages_out_on, verified_by, arrived_on, arrived_from"
_LIVE = "merged_into IS NULL AND status = 'active'"
_HIDDEN = ", ".join(f"'{status}'" for status in sorted(HIDDEN))
# One condition a list, each met by an index that begins with the commune.
_LISTS: dict[WorkList, tuple[str, str]] = {
    "due": (f"{_LIVE} AND state = 'due'", "due_on, id"),
    "arrived": ("merged_into IS NULL AND arrived_on IS NOT NULL", "arrived_on, id"),
    "collected": (f"{_LIVE} AND state IN ('collected', 'checked')", "state, id"),
    "conflicts": (f"merged_into IS NULL AND conflicts <> '[]' AND status NOT IN ({_HIDDEN})", "id"),
    "growing-up": (f"{_LIVE} AND ages_out_on >= :today AND ages_out_on < :until", "ages_out_on, id"),
    "closed": (
        "merged_into IS NULL AND status IN ('deceased', 'moved-away', 'withdrawn', 'aged-out')",
        "state_at DESC NULLS LAST, id",
    ),
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A record's life, with who verified it and whence it came."""

    life: Life
    verified_by: str | None
    arrived_on: date | None
    arrived_from: str | None


@chunked
async def standing(connection: AsyncConnection, child_id: str) -> Standing:
    """How a record stands. Raises LookupError."""
    rows = await connection.execute(
        text(f"SELECT state, status, {STANDING_COLUMNS} FROM child WHERE id = CAST(:id AS uuid)"),
        {"id": child_id},
    )
    row = rows.first()
    if row is None:
        raise LookupError("no such child")
    return standing_of(row)


def standing_of(row: Row[Any]) -> Standing:
    """A row with `STANDING_COLUMNS`, `state` and `status`."""
    life = Life(row.state, row.status, row.checked_on, row.verified_on, row.due_on, row.ages_out_on)
    return Standing(life, row.verified_by, row.arrived_on, row.arrived_from)


async def save(connection: AsyncConnection, child_id: str, sequence: int, life: Life, now: datetime) -> None:
    """How a record stands now, and the number of its last event. Once somebody has looked at it, it has arrived."""
    await connection.execute(
        text(
            """UPDATE child SET sequence = :sequence, state = :state, status = :status, checked_on = :checked_on,
                      verified_on = :verified_on, due_on = :due_on, state_at = :now, changed_at = :now,
                      protected = CASE :status WHEN 'adopted' THEN true
                          WHEN 'active' THEN protected AND status <> 'adopted' ELSE protected END,
                      arrived_on = CASE WHEN :state = 'collected' AND :status = 'active' THEN arrived_on END,
                      arrived_from = CASE WHEN :state = 'collected' AND :status = 'active' THEN arrived_from END
               WHERE id = CAST(:id AS uuid)"""
        ),
        {
            "id": child_id,
            "sequence": sequence,
            "state": life.state,
            "status": life.status,
            "checked_on": life.checked_on,
            "verified_on": life.verified_on,
            "due_on": life.due_on,
            "now": now,
        },
    )


@chunked
async def arrive(connection: AsyncConnection, child_id: str, life: Life, now: datetime, on: date, whence: str) -> None:
    """The record has come from another commune, which is told nothing more of it."""
    await connection.execute(
        text(
            """UPDATE child SET state = :state, checked_on = :checked_on, due_on = :due_on, state_at = :now,
                      arrived_on = :on, arrived_from = :whence WHERE id = CAST(:id AS uuid)"""
        ),
        {
            "id": child_id,
            "state": life.state,
            "checked_on": life.checked_on,
            "due_on": life.due_on,
            "now": now,
            "on": on,
            "whence": whence,
        },
    )


async def add_verification(
    connection: AsyncConnection,
    child_id: str,
    at: datetime,
    by: str,
    method: str,
    *,
    confirmed: Sequence[str],
    changed: Sequence[str],
    sample_id: str | None = None,
) -> None:
    """Remember a verification, and who the last one is of."""
    await connection.execute(
        text(
            """WITH latest AS (UPDATE child SET verified_by = :by WHERE id = CAST(:child_id AS uuid))
               INSERT INTO verification (id, child_id, at, by, kind, method, confirmed, changed, sample_id)
               VALUES (CAST(:id AS uuid), CAST(:child_id AS uuid), :at, :by, :kind, :method,
                       CAST(:confirmed AS text[]), CAST(:changed AS text[]), CAST(:sample_id AS uuid))"""
        ),
        {
            "id": new_id(),
            "child_id": child_id,
            "at": at,
            "by": by,
            "kind": "blind" if sample_id else "open",
            "method": method,
            "confirmed": list(confirmed),
            "changed": list(changed),
            "sample_id": sample_id,
        },
    )


async def verifications(connection: AsyncConnection, child_id: str, limit: int = 10) -> Sequence[Row[Any]]:
    """Rows (at, by, kind, method, confirmed, changed), the newest first."""
    rows = await connection.execute(
        text(
            """SELECT at, by, kind, method, confirmed, changed FROM verification WHERE child_id = CAST(:id AS uuid)
               ORDER BY at DESC LIMIT :limit"""
        ),
        {"id": child_id, "limit": limit},
    )
    return rows.all()


# What time does

_FALLING = f"""SELECT {CHILD_COLUMNS} FROM child WHERE {{condition}} AND id <> ALL(CAST(:spoilt AS uuid[]))
               ORDER BY {{order}} LIMIT :limit FOR UPDATE SKIP LOCKED"""
DUE = _FALLING.format(condition=f"{_LIVE} AND state = 'verified' AND due_on <= :today", order="due_on")
GROWN_UP = _FALLING.format(condition=f"{_LIVE} AND ages_out_on <= :today", order="ages_out_on")
GREW_YOUNGER = _FALLING.format(
    condition="merged_into IS NULL AND status = 'aged-out' AND ages_out_on > :today", order="ages_out_on"
)


UNSUPPORTED = _FALLING.format(condition="merged_into IS NULL AND supported_until <= :today", order="supported_until")


async def falling(
    connection: AsyncConnection, query: str, today: date, limit: int, spoilt: Collection[str]
) -> list[ChildRow]:
    """Records about which something falls due, locked; those another replica holds are left to it.

    Args:
        query: DUE, GROWN_UP, GREW_YOUNGER or UNSUPPORTED. spoilt: ids to pass over.
    """
    rows = await connection.execute(text(query), {"today": today, "limit": limit, "spoilt": list(spoilt)})
    return [child_of(row) for row in rows]


async def save_support(connection: AsyncConnection, child_id: str, sequence: int, until: date | None) -> None:
    """Until when a child counts as supported, and the number of its last event. As it is, it is not written anew."""
    await connection.execute(
        text(
            """UPDATE child SET supported_until = :until, supported = CAST(:until AS date) IS NOT NULL,
                      sequence = :sequence
               WHERE id = CAST(:id AS uuid)
                     AND (sequence <> :sequence OR supported_until IS DISTINCT FROM CAST(:until AS date))"""
        ),
        {"id": child_id, "sequence": sequence, "until": until},
    )


async def note_due(connection: AsyncConnection, unit: str, day: date) -> None:
    """Records of a commune fell due on a day: it is to be told of it once."""
    await connection.execute(
        text("INSERT INTO digest (unit, day) VALUES (:unit, :day) ON CONFLICT DO NOTHING"), {"unit": unit, "day": day}
    )


async def tell_due(connection: AsyncConnection, now: datetime, midnight: datetime) -> Sequence[Row[Any]]:
    """Communes that were not told yet of what fell due, marked as told: rows (unit, day, newly, due), `newly` since
    midnight and `due` in all. Those another replica holds are left to it."""
    rows = await connection.execute(
        text(
            """WITH untold AS (
                   SELECT unit, day FROM digest WHERE told_at IS NULL ORDER BY unit, day FOR UPDATE SKIP LOCKED
               ), told AS (
                   UPDATE digest SET told_at = :now FROM untold
                   WHERE digest.unit = untold.unit AND digest.day = untold.day RETURNING digest.unit, digest.day)
               SELECT told.unit, told.day, waiting.newly, waiting.due
               FROM told CROSS JOIN LATERAL (
                   SELECT count(*) AS due, count(*) FILTER (WHERE state_at >= :midnight) AS newly
                   FROM child c WHERE c.unit = told.unit AND c.state = 'due' AND c.status = 'active'
                       AND c.merged_into IS NULL) AS waiting ORDER BY told.unit, told.day"""
        ),
        {"now": now, "midnight": midnight},
    )
    return rows.all()


# Work lists


async def counts(
    connection: AsyncConnection, units: Collection[str] | None, today: date, until: date
) -> dict[WorkList, int]:
    """How many records each list has. `units`: of these communes; None: all. `until`: the first day not asked for."""
    found: dict[WorkList, int] = {}
    for name, (condition, _) in _LISTS.items():
        rows = await connection.execute(
            text(f"SELECT count(*) FROM child WHERE {_in(units)} AND {condition}"), _values(units, today, until)
        )
        found[name] = int(rows.scalar_one())
    return found


async def listed(
    connection: AsyncConnection,
    name: WorkList,
    units: Collection[str] | None,
    today: date,
    until: date,
    *,
    limit: int,
    after: int,
) -> list[tuple[ChildRow, Standing]]:
    """One list's records, those that waited longest first."""
    condition, order = _LISTS[name]
    rows = await connection.execute(
        text(
            f"""SELECT {CHILD_COLUMNS}, {STANDING_COLUMNS} FROM child WHERE {_in(units)} AND {condition}
                ORDER BY {order} LIMIT :limit OFFSET :after"""
        ),
        {**_values(units, today, until), "limit": limit, "after": after},
    )
    return [(child_of(row), standing_of(row)) for row in rows]


def _in(units: Collection[str] | None) -> str:
    return "TRUE" if units is None else "unit = ANY(CAST(:units AS text[]))"


def _values(units: Collection[str] | None, today: date, until: date) -> dict[str, Any]:
    return {"units": list(units or ()), "today": today, "until": until}


# Holds, cases, erasure


async def ids_of(connection: AsyncConnection, child_id: str) -> list[str]:
    """A child's id and those that were merged into it."""
    rows = await connection.execute(text(f"{ONE_CHILD} SELECT id FROM one"), {"id": child_id})
    return [str(row.id) for row in rows]


async def cases_since(connection: AsyncConnection, child_id: str, since: date) -> tuple[int, int]:
    """How many of a child's cases are open, and how many were closed on a day or later."""
    rows = await connection.execute(
        text(
            f"""{ONE_CHILD} SELECT count(*) FILTER (WHERE status = 'open') AS open,
                              count(*) FILTER (WHERE status <> 'open' AND changed_on >= :since) AS closed
                FROM child_case JOIN one ON one.id = child_case.child_id"""
        ),
        {"id": child_id, "since": since},
    )
    row = rows.one()
    return row.open, row.closed


async def holds(connection: AsyncConnection, child_id: str) -> Sequence[Row[Any]]:
    """Rows (id, reason, note, at, by): what forbids for the time being to erase a child."""
    rows = await connection.execute(
        text(
            f"""{ONE_CHILD} SELECT hold.id, reason, note, at, by FROM hold JOIN one ON one.id = hold.child_id
                WHERE lifted_at IS NULL ORDER BY at"""
        ),
        {"id": child_id},
    )
    return rows.all()


async def put_hold(connection: AsyncConnection, child_id: str, reason: str, note: str, now: datetime, by: str) -> None:
    """Somebody forbids to erase a child for the time being."""
    await connection.execute(
        text(
            """INSERT INTO hold (id, child_id, reason, note, at, by)
               VALUES (CAST(:id AS uuid), CAST(:child_id AS uuid), :reason, :note, :now, :by)"""
        ),
        {"id": new_id(), "child_id": child_id, "reason": reason, "note": note, "now": now, "by": by},
    )


async def lift_hold(connection: AsyncConnection, child_id: str, hold_id: str, now: datetime, by: str) -> None:
    """It is forbidden no more."""
    await connection.execute(
        text(
            """UPDATE hold SET lifted_at = :now, lifted_by = :by
               WHERE id = CAST(:id AS uuid) AND child_id = CAST(:child_id AS uuid) AND lifted_at IS NULL"""
        ),
        {"id": hold_id, "child_id": child_id, "now": now, "by": by},
    )


async def withdraw_statements(connection: AsyncConnection, child_id: str) -> list[tuple[str, int]]:
    """The records of a child's sources count no more, or again. Out: each with the number of the event that says so."""
    rows = await connection.execute(
        text(
            """WITH said AS (
                   UPDATE statement SET sequence = sequence + 1 WHERE child_id = CAST(:id AS uuid)
                   RETURNING record_id, sequence),
               kept AS (
                   -- Nothing that its source said: undoing an import finds the record as the import left it.
                   UPDATE import_record r SET sequence = said.sequence FROM said
                   WHERE r.child_id = CAST(:id AS uuid) AND r.record_id = said.record_id
                     AND r.sequence = said.sequence - 1)
               SELECT record_id, sequence FROM said"""
        ),
        {"id": child_id},
    )
    return [(str(row.record_id), row.sequence) for row in rows]


async def void_pairs(connection: AsyncConnection, child_id: str, now: datetime, by: str) -> None:
    """Nobody is asked any more whether a record that is closed to the eye is another's."""
    await connection.execute(
        text(
            """UPDATE pair SET state = 'void', decided_at = :now, decided_by = :by
               WHERE state = 'open' AND (low = CAST(:id AS uuid) OR high = CAST(:id AS uuid))"""
        ),
        {"id": child_id, "now": now, "by": by},
    )
