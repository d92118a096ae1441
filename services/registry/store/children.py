"""Children as they are stored, what sources say of them, under which keys they are found, and their erasure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.children import Known, Period, Statement
from services.registry.domain.names import fold
from services.registry.domain.traits import Traits, traits_of
from services.registry.store.chunked import chunked
from services.registry.store.packing import (
    conflicts_of,
    marks_of,
    packed_conflicts,
    packed_marks,
    packed_sources,
    sources_of,
)
from shared.contracts.vocabulary import ChildDescription, RecordStatus
from shared.database.statements import text

# A blocking key that many share (a common name in one year) costs no more than this many look-ups, and so many
# children are compared: those who share the most and the rarest keys.
PER_KEY = 80
COMPARED = 60
CHILD_COLUMNS = (
    "id, sequence, unit, birth_year, description, circumstances, confirmed_on, merged_into, registered_at, changed_at, "
    "state, status, supported"
)
# A record and those that were merged into it, as `one (id)`.
ONE_CHILD = """WITH RECURSIVE one AS (
    SELECT id FROM child WHERE id = CAST(:id AS uuid)
    UNION SELECT child.id FROM child JOIN one ON child.merged_into = one.id)"""
# For whoever looks at single records or changes them; comparing many takes the shorter list.
RECORD_COLUMNS = f"{CHILD_COLUMNS}, sources, conflicts"


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A child as stored: what is known, and the number of its last event."""

    id: str
    sequence: int
    known: Known
    merged_into: str | None
    registered_at: datetime
    changed_at: datetime

    @property
    def status(self) -> RecordStatus:
        """How the record stands."""
        return self.known.status

    @property
    def traits(self) -> Traits:
        """What tells this child apart."""
        # A stored birth year is absolute, so an age given years ago is not taken for today's.
        found = traits_of(self.known.description, self.known.unit, self.known.confirmed_on)
        return found if found.birth_date else replace(found, birth_year=self.known.birth_year)


def child_of(row: Row[Any]) -> ChildRow:
    """A row with `CHILD_COLUMNS` as a child."""
    known = Known(
        description=ChildDescription.model_validate(row.description),
        unit=row.unit,
        birth_year=row.birth_year,
        confirmed_on=row.confirmed_on,
        circumstances=tuple(row.circumstances),
        state=row.state,
        status=row.status,
        supported=row.supported,
    )
    merged = str(row.merged_into) if row.merged_into else None
    return ChildRow(str(row.id), row.sequence, known, merged, row.registered_at, row.changed_at)


def record_of(row: Row[Any]) -> ChildRow:
    """A row with `RECORD_COLUMNS` as a child, with where everything comes from."""
    found = child_of(row)
    known = replace(found.known, sources=sources_of(row.sources), conflicts=conflicts_of(row.conflicts))
    return replace(found, known=known)


@chunked
async def child(connection: AsyncConnection, child_id: str, *, lock: bool = False) -> ChildRow | None:
    """A child by id, also one that was merged; None where there is none. `lock`: until the transaction's end."""
    found = await connection.execute(
        text(f"SELECT {RECORD_COLUMNS} FROM child WHERE id = CAST(:id AS uuid){' FOR UPDATE' if lock else ''}"),
        {"id": child_id},
    )
    row = found.first()
    return None if row is None else record_of(row)


async def current(connection: AsyncConnection, child_id: str, *, lock: bool = False) -> ChildRow | None:
    """The child that an id stands for today, merges followed."""
    for _ in range(20):
        found = await child(connection, child_id, lock=lock)
        if found is None or found.merged_into is None:
            return found
        child_id = found.merged_into
    return None


async def all_current(
    connection: AsyncConnection, child_ids: Collection[str], *, lock: bool = False
) -> dict[str, ChildRow]:
    """The same of many, by the ids asked for; ids that nobody has are left out. Locked in an order that every
    transaction takes."""
    rows = await connection.execute(
        text(
            f"""SELECT {RECORD_COLUMNS} FROM child WHERE id = ANY(CAST(:ids AS uuid[]))
                ORDER BY id{" FOR UPDATE" if lock else ""}"""
        ),
        {"ids": list(child_ids)},
    )
    found = {str(row.id): record_of(row) for row in rows}
    merged = {
        child_id: await current(connection, child_id, lock=lock) for child_id, row in found.items() if row.merged_into
    }
    return found | {child_id: row for child_id, row in merged.items() if row is not None}


# OFFSET 0 keeps the planner from reading the whole table where it has no statistics yet: one look-up a child, always.
CANDIDATES = f"""
WITH hit AS MATERIALIZED (
    SELECT k.key, b.child_id FROM unnest(CAST(:keys AS bigint[])) AS k(key)
    CROSS JOIN LATERAL (SELECT child_id FROM block WHERE block.key = k.key LIMIT {PER_KEY}) b
), rarity AS (
    SELECT key, 1.0 / count(*) AS worth FROM hit GROUP BY key
), found AS MATERIALIZED (
    SELECT child_id FROM hit JOIN rarity USING (key) WHERE child_id <> ALL(CAST(:leave_out AS uuid[]))
    GROUP BY child_id ORDER BY sum(worth) DESC, child_id LIMIT {COMPARED})
SELECT c.* FROM found CROSS JOIN LATERAL (
    SELECT {CHILD_COLUMNS} FROM child WHERE child.id = found.child_id AND merged_into IS NULL OFFSET 0) c
"""


@chunked
async def candidates(connection: AsyncConnection, keys: Iterable[int], leave_out: str | None = None) -> list[ChildRow]:
    """Children filed under any of the keys: one indexed look-up a key."""
    rows = await connection.execute(
        text(CANDIDATES), {"keys": list(keys), "leave_out": [leave_out] if leave_out else []}
    )
    return [child_of(row) for row in rows]


@chunked
async def claim(connection: AsyncConnection, keys: Sequence[int], now: datetime) -> bool:
    """Claim what a new child is filed under. False: another transaction claimed some first, and has committed since.

    The unique key makes a second replica wait for the first, so that it looks again and finds the child.
    """
    rows = await connection.execute(
        text(
            """INSERT INTO claim (key, at) SELECT key, :now FROM unnest(CAST(:keys AS bigint[])) AS k(key) ORDER BY key
               ON CONFLICT DO NOTHING RETURNING key"""
        ),
        {"keys": list(keys), "now": now},
    )
    return len(rows.all()) == len(set(keys))


async def forget_claims(connection: AsyncConnection, before: datetime) -> None:
    """Drop claims of transactions that ended long ago: their children are found under their keys."""
    await connection.execute(text("DELETE FROM claim WHERE at < :before"), {"before": before})


def child_values(child_id: str, sequence: int, known: Known, now: datetime) -> dict[str, Any]:
    """A child's columns; `now` is when it changed."""
    return {"id": child_id, "sequence": sequence, "now": now, **known_values(known)}


def known_values(known: Known) -> dict[str, Any]:
    """Those of its columns that follow from what is known."""
    carers = " | ".join(fold(carer.name) for carer in known.description.carers if carer.name)
    return {
        "unit": known.unit,
        # A day that nobody knows is no birth date to search or reckon by.
        "birth_date": known.description.birth_date if known.description.birth_precision in {None, "day"} else None,
        "birth_year": known.birth_year,
        "name_folded": fold(known.description.name),
        "carers_folded": carers,
        "description": known.description.model_dump_json(exclude_none=True),
        "circumstances": list(known.circumstances),
        "confirmed_on": known.confirmed_on,
        "sources": packed_sources(known.sources),
        "conflicts": packed_conflicts(known.conflicts),
    }


def statement_values(statement: Statement) -> dict[str, Any]:
    """A statement's columns, those that a child has too under `s_`."""
    return {
        "record_id": statement.record_id,
        "register_kind": statement.register_kind,
        "sector": statement.sector,
        "as_of": statement.as_of,
        "s_unit": statement.unit,
        "unit_text": statement.unit_text,
        "s_description": statement.description.model_dump_json(exclude_unset=True),
        "s_circumstances": list(statement.circumstances),
        "dropped_out": statement.dropped_out,
        "s_sequence": statement.sequence,
        "probability": statement.probability,
        "groups": list(statement.groups),
        "marks": packed_marks(statement.marks),
    }


_INSERT_CHILD = """
new_child AS (
    INSERT INTO child (id, sequence, unit, birth_date, birth_year, name_folded, carers_folded, description,
                       circumstances, confirmed_on, sources, conflicts, registered_at, changed_at)
    VALUES (CAST(:id AS uuid), :sequence, :unit, :birth_date, :birth_year, :name_folded, :carers_folded,
            CAST(:description AS jsonb), CAST(:circumstances AS text[]), :confirmed_on,
            CAST(:sources AS jsonb), CAST(:conflicts AS jsonb), :now, :now))"""
_PUT_STATEMENT = """
put_statement AS (
    INSERT INTO statement (record_id, child_id, register_kind, sector, as_of, unit, unit_text, description,
                           circumstances, dropped_out, sequence, probability, marks, received_at)
    VALUES (CAST(:record_id AS uuid), CAST(:id AS uuid), :register_kind, :sector, :as_of, :s_unit, :unit_text,
            CAST(:s_description AS jsonb), CAST(:s_circumstances AS text[]), :dropped_out, :s_sequence, :probability,
            CAST(:marks AS jsonb), :now)
    ON CONFLICT (record_id) DO UPDATE SET
        child_id = excluded.child_id, as_of = excluded.as_of, unit = excluded.unit, unit_text = excluded.unit_text,
        description = excluded.description, circumstances = excluded.circumstances,
        dropped_out = excluded.dropped_out, sequence = excluded.sequence, probability = excluded.probability,
        marks = excluded.marks, received_at = excluded.received_at)"""
_PUT_BLOCKS = """
put_blocks AS (
    INSERT INTO block (key, child_id) SELECT key, CAST(:id AS uuid) FROM unnest(CAST(:keys AS bigint[])) AS k(key)
    ON CONFLICT DO NOTHING)"""
_PUT_CIRCUMSTANCES = """
INSERT INTO circumstance (record_id, code, child_id, since, sector)
SELECT CAST(:record_id AS uuid), code, CAST(:id AS uuid), :as_of, :sector
FROM unnest(CAST(:groups AS text[])) AS g(code)
ON CONFLICT (record_id, code) DO UPDATE SET child_id = excluded.child_id"""


@chunked
async def insert_child(
    connection: AsyncConnection, child_id: str, known: Known, statement: Statement, keys: Iterable[int], now: datetime
) -> None:
    """A new child, the statement that founded it, and where it is filed: one statement of SQL."""
    await _drop_withdrawn(connection, statement)
    await connection.execute(
        text(f"WITH {_INSERT_CHILD}, {_PUT_STATEMENT}, {_PUT_BLOCKS} {_PUT_CIRCUMSTANCES}"),
        {**child_values(child_id, 1, known, now), **statement_values(statement), "keys": list(keys)},
    )


@chunked
async def put_statement(
    connection: AsyncConnection, child_id: str, statement: Statement, keys: Iterable[int], now: datetime
) -> None:
    """A statement on a known child, new or corrected, with the circumstances it tells of and no others."""
    await _drop_withdrawn(connection, statement)
    await connection.execute(
        text(f"WITH {_PUT_STATEMENT}, {_PUT_BLOCKS} {_PUT_CIRCUMSTANCES}"),
        {**statement_values(statement), "id": child_id, "keys": list(keys), "now": now},
    )


async def _drop_withdrawn(connection: AsyncConnection, statement: Statement) -> None:
    """Forget circumstances that an earlier version of the statement told of and this one does not."""
    if statement.sequence > 1:
        await connection.execute(
            text(
                """DELETE FROM circumstance
                   WHERE record_id = CAST(:record_id AS uuid) AND code <> ALL(CAST(:groups AS text[]))"""
            ),
            {"record_id": statement.record_id, "groups": list(statement.groups)},
        )


@chunked
async def file(connection: AsyncConnection, child_id: str, keys: Iterable[int]) -> None:
    """File a child under further keys."""
    await connection.execute(text(f"WITH {_PUT_BLOCKS} SELECT 1"), {"id": child_id, "keys": list(keys)})


@chunked
async def save_child(connection: AsyncConnection, child_id: str, sequence: int, known: Known, now: datetime) -> None:
    """What is known now."""
    await connection.execute(
        text(
            """UPDATE child SET sequence = :sequence, unit = :unit, birth_date = :birth_date, birth_year = :birth_year,
                      name_folded = :name_folded, carers_folded = :carers_folded,
                      description = CAST(:description AS jsonb), circumstances = CAST(:circumstances AS text[]),
                      confirmed_on = :confirmed_on, sources = CAST(:sources AS jsonb),
                      conflicts = CAST(:conflicts AS jsonb), changed_at = :now
               WHERE id = CAST(:id AS uuid)"""
        ),
        child_values(child_id, sequence, known, now),
    )


def statement_of(row: Row[Any]) -> Statement:
    """A row of all columns as a statement."""
    return Statement(
        record_id=str(row.record_id),
        register_kind=row.register_kind,
        sector=row.sector,
        as_of=row.as_of,
        description=ChildDescription.model_validate(row.description),
        unit=row.unit,
        unit_text=row.unit_text,
        circumstances=tuple(row.circumstances),
        dropped_out=row.dropped_out,
        sequence=row.sequence,
        probability=row.probability,
        marks=marks_of(row.marks),
    )


@chunked
async def statements(connection: AsyncConnection, child_id: str) -> list[Statement]:
    """Everything that sources say of a child, the latest received first."""
    rows = await connection.execute(
        text("SELECT * FROM statement WHERE child_id = CAST(:id AS uuid) ORDER BY received_at DESC, record_id"),
        {"id": child_id},
    )
    return [statement_of(row) for row in rows]


@chunked
async def statement(connection: AsyncConnection, record_id: str) -> tuple[str, Statement] | None:
    """The child that a source's record is linked to, and the record."""
    found = await connection.execute(
        text("SELECT * FROM statement WHERE record_id = CAST(:id AS uuid) FOR UPDATE"), {"id": record_id}
    )
    row = found.first()
    return None if row is None else (str(row.child_id), statement_of(row))


@chunked
async def holding(connection: AsyncConnection, child_id: str, today: date) -> dict[str, date]:
    """The circumstances that hold today, each with its first day."""
    rows = await connection.execute(
        text(
            """SELECT code, min(since) AS since FROM circumstance
               WHERE child_id = CAST(:id AS uuid) AND (until IS NULL OR until > :today) GROUP BY code"""
        ),
        {"id": child_id, "today": today},
    )
    return {row.code: row.since for row in rows}


@dataclass(frozen=True, slots=True)
class Observation:
    """A circumstance seen on a child."""

    record_id: str
    code: str
    since: date
    until: date | None
    sector: str
    evidence: str | None
    subgroup: str | None = None
    evidence_kind: str | None = None
    end_reason: str | None = None
    ended_by: str | None = None

    @property
    def period(self) -> Period:
        """When it holds."""
        return Period(self.code, self.since, self.until)


async def observed_child(connection: AsyncConnection, record_id: str) -> str | None:
    """The child of whom a source's observation tells; None where there is no such observation."""
    found = await connection.execute(
        text("SELECT child_id FROM circumstance WHERE record_id = CAST(:id AS uuid) LIMIT 1"), {"id": record_id}
    )
    child_id = found.scalar_one_or_none()
    return None if child_id is None else str(child_id)


async def put_circumstance(connection: AsyncConnection, child_id: str, seen: Observation) -> None:
    """A circumstance, new or told anew: why it had ended before is said no more."""
    await connection.execute(
        text("DELETE FROM circumstance WHERE record_id = CAST(:record_id AS uuid) AND code <> :code"),
        {"record_id": seen.record_id, "code": seen.code},
    )
    await connection.execute(
        text(
            """INSERT INTO circumstance (record_id, code, child_id, since, until, sector, evidence, subgroup,
                                         evidence_kind)
               VALUES (CAST(:record_id AS uuid), :code, CAST(:id AS uuid), :since, :until, :sector, :evidence,
                       :subgroup, :evidence_kind)
               ON CONFLICT (record_id, code) DO UPDATE SET child_id = excluded.child_id, since = excluded.since,
                   until = excluded.until, evidence = excluded.evidence, subgroup = excluded.subgroup,
                   evidence_kind = excluded.evidence_kind, end_reason = NULL, ended_by = NULL"""
        ),
        {
            "record_id": seen.record_id,
            "code": seen.code,
            "id": child_id,
            "since": seen.since,
            "until": seen.until,
            "sector": seen.sector,
            "evidence": seen.evidence,
            "subgroup": seen.subgroup,
            "evidence_kind": seen.evidence_kind,
        },
    )


async def end_circumstance(
    connection: AsyncConnection, child_id: str, code: str, until: date, reason: str | None = None, by: str | None = None
) -> None:
    """End a circumstance, whoever told of it, and remember why and through whom."""
    await connection.execute(
        text(
            """UPDATE circumstance SET until = greatest(since, :until), end_reason = :reason, ended_by = :by
               WHERE child_id = CAST(:id AS uuid) AND code = :code AND (until IS NULL OR until > :until)"""
        ),
        {"id": child_id, "code": code, "until": until, "reason": reason, "by": by},
    )


async def circumstances(connection: AsyncConnection, child_id: str) -> list[Observation]:
    """Every circumstance ever told of, the newest first."""
    rows = await connection.execute(
        text(
            """SELECT CAST(record_id AS text) AS record_id, code, since, until, sector, evidence, subgroup,
                      evidence_kind, end_reason, ended_by
               FROM circumstance WHERE child_id = CAST(:id AS uuid) ORDER BY since DESC, code"""
        ),
        {"id": child_id},
    )
    return [Observation(**row._mapping) for row in rows]


@chunked
async def add_history(
    connection: AsyncConnection, child_id: str, now: datetime, kind: str, actor: str, **detail: object
) -> None:
    """Remember what was done to a child's record, by a sector or a person."""
    await connection.execute(
        text(
            """INSERT INTO history (child_id, at, kind, actor, detail)
               VALUES (CAST(:id AS uuid), :now, :kind, :actor, CAST(:detail AS jsonb))"""
        ),
        {"id": child_id, "now": now, "kind": kind, "actor": actor, "detail": orjson.dumps(detail).decode()},
    )


async def history(connection: AsyncConnection, child_id: str, limit: int = 100) -> Sequence[Row[Any]]:
    """Rows (at, kind, actor, detail), the newest first."""
    found = await connection.execute(
        text(
            """SELECT at, kind, actor, detail FROM history WHERE child_id = CAST(:id AS uuid)
               ORDER BY at DESC, id DESC LIMIT :limit"""
        ),
        {"id": child_id, "limit": limit},
    )
    return found.all()
