"""Tables of imports: the files, their refused rows, what each said, the mappings people saved."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.chunked import chunked
from shared.contracts.errors import Violation
from shared.database.copying import copy_rows

# States in which a machine works on it.
WORKING = ("checking", "trying", "taking", "undoing")


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One file on its way in. `counts`: what became of its rows so far; `rules`: how many rows broke each rule;
    `trial`: what a rehearsal said would become of them."""

    id: str
    who: str
    unit: str | None
    allowed: tuple[str, ...] | None
    kind: str
    digest: str
    file_name: str
    size: int
    file_key: bytes | None
    mapping: Mapping[str, Any] | None
    state: str
    made_at: datetime
    changed_at: datetime
    rows: int
    passed: int
    counts: Mapping[str, int]
    trial: Mapping[str, int] | None
    rules: Mapping[str, int]
    problem: Mapping[str, Any] | None

    @property
    def works(self) -> bool:
        """Whether a machine is at it."""
        return self.state in WORKING

    @property
    def percent(self) -> int | None:
        """How far it is; None where the end is not known yet."""
        return min(100, self.passed * 100 // self.rows) if self.rows else None


def _import(row: Row[Any]) -> ImportRow:
    values = {name: getattr(row, name) for name in ImportRow.__dataclass_fields__}
    allowed = tuple(row.allowed) if row.allowed is not None else None
    return ImportRow(**{**values, "id": str(row.id), "allowed": allowed})


async def put(connection: AsyncConnection, made: ImportRow) -> None:
    """A new file."""
    await connection.execute(
        text(
            """INSERT INTO import (id, who, unit, allowed, kind, digest, file_name, size, file_key, state, made_at,
                                   changed_at)
               VALUES (CAST(:id AS uuid), :who, :unit, CAST(:allowed AS text[]), :kind, :digest, :file_name, :size,
                       :file_key, :state, :made_at, :made_at)"""
        ),
        {
            "id": made.id,
            "who": made.who,
            "unit": made.unit,
            "allowed": list(made.allowed) if made.allowed is not None else None,
            "kind": made.kind,
            "digest": made.digest,
            "file_name": made.file_name,
            "size": made.size,
            "file_key": made.file_key,
            "state": made.state,
            "made_at": made.made_at,
        },
    )


async def find(connection: AsyncConnection, import_id: str, *, lock: bool = False) -> ImportRow | None:
    """One file; None where there is none."""
    row = await connection.execute(
        text(f"SELECT * FROM import WHERE id = CAST(:id AS uuid){' FOR UPDATE' if lock else ''}"), {"id": import_id}
    )
    found = row.first()
    return None if found is None else _import(found)


async def same_file(connection: AsyncConnection, digest: str) -> ImportRow | None:
    """The import of the very same content that holds or is under way."""
    found = await connection.execute(
        text(
            """SELECT * FROM import WHERE digest = :digest AND state NOT IN ('refused', 'discarded', 'undone')
               ORDER BY made_at DESC LIMIT 1"""
        ),
        {"digest": digest},
    )
    row = found.first()
    return None if row is None else _import(row)


async def latest(connection: AsyncConnection, units: Collection[str] | None, limit: int = 30) -> list[ImportRow]:
    """The newest files that can tell of none but these communes; None: of all."""
    rows = await connection.execute(
        text(
            """SELECT * FROM import WHERE state <> 'discarded' AND (:all OR allowed <@ CAST(:units AS text[]))
               ORDER BY made_at DESC LIMIT :limit"""
        ),
        {"all": units is None, "units": list(units or ()), "limit": limit},
    )
    return [_import(row) for row in rows]


async def waiting(connection: AsyncConnection) -> list[ImportRow]:
    """Files that a machine should be at, the longest waiting first."""
    rows = await connection.execute(
        text("SELECT * FROM import WHERE state = ANY(CAST(:states AS text[])) ORDER BY made_at LIMIT 20"),
        {"states": list(WORKING)},
    )
    return [_import(row) for row in rows]


async def old(connection: AsyncConnection, before: datetime) -> list[str]:
    """Files that still lie there although nothing has happened with them since."""
    rows = await connection.execute(
        text(
            """SELECT id FROM import WHERE file_key IS NOT NULL AND changed_at < :before
               AND state <> ALL(CAST(:states AS text[]))"""
        ),
        {"before": before, "states": list(WORKING)},
    )
    return [str(row.id) for row in rows]


async def keyless(connection: AsyncConnection, import_ids: Collection[str]) -> list[str]:
    """Of these files those that nobody can read any more."""
    rows = await connection.execute(
        text("SELECT id FROM import WHERE id = ANY(CAST(:ids AS uuid[])) AND file_key IS NULL"),
        {"ids": list(import_ids)},
    )
    return [str(row.id) for row in rows]


async def change(connection: AsyncConnection, import_id: str, now: datetime, **values: Any) -> None:
    """Set some columns; JSON ones as Python values."""
    plain = {
        name: orjson.dumps(value).decode() if isinstance(value, Mapping) else value for name, value in values.items()
    }
    given = ", ".join(
        # A mapping's columns keep their order.
        f"{name} = CAST(:{name} AS {'json' if name == 'mapping' else 'jsonb'})"
        if isinstance(values[name], Mapping)
        else f"{name} = :{name}"
        for name in values
    )
    await connection.execute(
        text(f"UPDATE import SET {given}, changed_at = :now WHERE id = CAST(:id AS uuid)"),
        {**plain, "now": now, "id": import_id},
    )


async def forget_rejects(connection: AsyncConnection, import_id: str) -> None:
    """The file is looked through again from its beginning."""
    await connection.execute(text("DELETE FROM import_reject WHERE import_id = CAST(:id AS uuid)"), {"id": import_id})


async def put_rejects(
    connection: AsyncConnection, import_id: str, rejects: Sequence[tuple[int, Sequence[Violation]]]
) -> None:
    """Rows that are refused, and why."""
    rows = [
        (import_id, row, orjson.dumps([[v.field, v.rule, v.message_vi, v.message_en] for v in violations]).decode())
        for row, violations in rejects
    ]
    await copy_rows(connection, "import_reject", ("import_id", "row", "violations"), rows)


async def rejects(
    connection: AsyncConnection, import_id: str, rule: str, after: int, limit: int = 50
) -> list[tuple[int, list[Violation]]]:
    """Refused rows behind the row `after` that broke a rule (and whatever else they broke), in the file's order."""
    rows = await connection.execute(
        text(
            """SELECT row, violations FROM import_reject WHERE import_id = CAST(:id AS uuid) AND row > :after
               AND EXISTS (SELECT FROM jsonb_array_elements(violations) AS v WHERE v->>1 = :rule)
               ORDER BY row LIMIT :limit"""
        ),
        {"id": import_id, "rule": rule, "after": after, "limit": limit},
    )
    return [(row.row, [Violation(*said) for said in row.violations]) for row in rows]


async def put_records(
    connection: AsyncConnection, import_id: str, said: Sequence[tuple[str, str, bool, int, Any]]
) -> None:
    """Remember what an import said: record, child, whether it founded it, sequence, what the record said before.

    Of a record that the file has twice, what was before the first stays.
    """
    await connection.execute(
        text("CREATE TEMPORARY TABLE IF NOT EXISTS staged_record (LIKE import_record) ON COMMIT DROP")
    )
    rows = [
        (import_id, record, child, founded, sequence, orjson.dumps(before).decode() if before is not None else None)
        for record, child, founded, sequence, before in said
    ]
    columns = ("import_id", "record_id", "child_id", "founded", "sequence", "before")
    await copy_rows(connection, "staged_record", columns, rows)
    await connection.execute(
        text(
            """INSERT INTO import_record SELECT * FROM staged_record
               ON CONFLICT (import_id, record_id) DO UPDATE SET child_id = excluded.child_id,
                   sequence = excluded.sequence, founded = import_record.founded OR excluded.founded"""
        )
    )
    await connection.execute(text("TRUNCATE staged_record"))


async def records(connection: AsyncConnection, import_id: str, limit: int) -> Sequence[Row[Any]]:
    """Some of what an import said and nobody has taken back yet."""
    found = await connection.execute(
        text(
            """SELECT record_id, child_id, founded, sequence, before FROM import_record
               WHERE import_id = CAST(:id AS uuid) ORDER BY record_id LIMIT :limit"""
        ),
        {"id": import_id, "limit": limit},
    )
    return found.all()


async def forget_records(connection: AsyncConnection, import_id: str, record_ids: Sequence[str]) -> None:
    """They were taken back, or stay."""
    await connection.execute(
        text(
            """DELETE FROM import_record
               WHERE import_id = CAST(:id AS uuid) AND record_id = ANY(CAST(:records AS uuid[]))"""
        ),
        {"id": import_id, "records": list(record_ids)},
    )


async def others_words(connection: AsyncConnection, import_id: str, children: Sequence[str]) -> set[str]:
    """Of these children, those to whom others than this import have added something: a statement, a circumstance, a
    look through the record or at the papers, a death or another end, a hold, a photograph, a case, another record that
    was one with it; and those that go on under another's id. What somebody withdrew already is nobody's word."""
    rows = await connection.execute(
        text(
            """SELECT id FROM unnest(CAST(:children AS uuid[])) AS c(id) WHERE
               EXISTS (SELECT 1 FROM statement s WHERE s.child_id = c.id AND NOT EXISTS (
                   SELECT 1 FROM import_record r WHERE r.import_id = CAST(:id AS uuid) AND r.record_id = s.record_id
                   AND r.sequence = s.sequence AND r.before IS NULL))
               OR EXISTS (SELECT 1 FROM circumstance s WHERE s.child_id = c.id AND NOT EXISTS (
                   SELECT 1 FROM import_record r WHERE r.import_id = CAST(:id AS uuid) AND r.record_id = s.record_id))
               OR EXISTS (SELECT 1 FROM child k WHERE k.id = c.id AND k.status <> 'withdrawn'
                          AND (k.status NOT IN ('active', 'aged-out') OR k.checked_on IS NOT NULL
                               OR k.merged_into IS NOT NULL))
               OR EXISTS (SELECT 1 FROM verification v WHERE v.child_id = c.id)
               OR EXISTS (SELECT 1 FROM hold h WHERE h.child_id = c.id AND h.lifted_at IS NULL)
               OR EXISTS (SELECT 1 FROM photo p WHERE p.child_id = c.id)
               OR EXISTS (SELECT 1 FROM merge m WHERE m.kept = c.id AND m.undone_at IS NULL)
               OR EXISTS (SELECT 1 FROM identification i WHERE i.child_id = c.id)"""
        ),
        {"id": import_id, "children": list(children)},
    )
    return {str(row.id) for row in rows}


async def wordless(connection: AsyncConnection, children: Sequence[str]) -> list[str]:
    """Those of some kept-up children of whom nobody says anything any more."""
    rows = await connection.execute(
        text(
            """SELECT id FROM child c WHERE id = ANY(CAST(:children AS uuid[])) AND status = 'active'
               AND merged_into IS NULL AND NOT EXISTS (SELECT 1 FROM statement s WHERE s.child_id = c.id)"""
        ),
        {"children": list(children)},
    )
    return [str(row.id) for row in rows]


async def withdraw_children(connection: AsyncConnection, children: Sequence[str], now: datetime) -> Sequence[Row[Any]]:
    """These children were never there: nothing is said of them, nobody finds them.

    Out: rows (record_id, sequence, child_id) of the statements taken back.
    """
    values = {"children": list(children), "now": now}
    gone = await connection.execute(
        text(
            """DELETE FROM statement WHERE child_id = ANY(CAST(:children AS uuid[]))
               RETURNING record_id, sequence, child_id"""
        ),
        values,
    )
    for statement in (
        "DELETE FROM circumstance WHERE child_id = ANY(CAST(:children AS uuid[]))",
        "DELETE FROM block WHERE child_id = ANY(CAST(:children AS uuid[]))",
        """UPDATE pair SET state = 'void', decided_at = :now, decided_by = 'import-undone' WHERE state = 'open'
           AND (low = ANY(CAST(:children AS uuid[])) OR high = ANY(CAST(:children AS uuid[])))""",
        """UPDATE child SET status = 'withdrawn', circumstances = '{}', sequence = sequence + 1, changed_at = :now
           WHERE id = ANY(CAST(:children AS uuid[])) AND status <> 'withdrawn'""",
    ):
        await connection.execute(text(statement), values)
    return gone.all()


async def withdraw_statement(connection: AsyncConnection, record_id: str) -> None:
    """A source's record is said no more."""
    for table in ("circumstance", "statement"):
        await connection.execute(
            text(f"DELETE FROM {table} WHERE record_id = CAST(:record_id AS uuid)"), {"record_id": record_id}
        )


async def mark_withdrawn(connection: AsyncConnection, said: Sequence[tuple[str, int]]) -> None:
    """Remember how far the records had counted."""
    await connection.execute(
        text(
            """INSERT INTO withdrawn_record (record_id, sequence)
               SELECT * FROM unnest(CAST(:records AS uuid[]), CAST(:sequences AS integer[]))
               ON CONFLICT (record_id) DO UPDATE SET sequence = excluded.sequence"""
        ),
        {"records": [record for record, _ in said], "sequences": [sequence for _, sequence in said]},
    )


async def withdrawn(connection: AsyncConnection, record_ids: Sequence[str]) -> dict[str, int]:
    """Of these records those that were withdrawn: how far they had counted."""
    rows = await connection.execute(
        text("SELECT record_id, sequence FROM withdrawn_record WHERE record_id = ANY(CAST(:records AS uuid[]))"),
        {"records": list(record_ids)},
    )
    return {str(row.record_id): row.sequence for row in rows}


@chunked
async def counted(connection: AsyncConnection, record_id: str) -> int:
    """How far a source's record had counted when it was withdrawn; 0 for one that never was."""
    found = await connection.execute(
        text("SELECT sequence FROM withdrawn_record WHERE record_id = CAST(:id AS uuid)"), {"id": record_id}
    )
    return found.scalar_one_or_none() or 0


async def follow(connection: AsyncConnection, records: Sequence[str], before: str, child_id: str) -> None:
    """People moved records from one child to another, which their sources did not: what an import remembers of having
    said them follows, so that undoing it finds them as it left them."""
    await connection.execute(
        text(
            """UPDATE import_record r SET child_id = CAST(:child_id AS uuid),
                      sequence = CASE WHEN r.sequence = s.sequence - 1 THEN s.sequence ELSE r.sequence END
               FROM statement s WHERE r.child_id = CAST(:before AS uuid) AND s.record_id = r.record_id
                 AND r.record_id = ANY(CAST(:records AS uuid[]))"""
        ),
        {"records": list(records), "before": before, "child_id": child_id},
    )


async def save_mapping(
    connection: AsyncConnection, name: str, owner: str, unit: str | None, mapping: Mapping[str, Any], now: datetime
) -> None:
    """Keep a mapping for the next file of its source; the owner's own is replaced."""
    await connection.execute(
        text(
            """INSERT INTO import_mapping (name, owner, unit, mapping, saved_at)
               VALUES (:name, :owner, :unit, CAST(:mapping AS json), :now)
               ON CONFLICT (owner, name) DO UPDATE
               SET unit = excluded.unit, mapping = excluded.mapping, saved_at = excluded.saved_at"""
        ),
        {"name": name, "owner": owner, "unit": unit, "mapping": orjson.dumps(mapping).decode(), "now": now},
    )


async def mappings(connection: AsyncConnection, owner: str, unit: str | None) -> list[Mapping[str, Any]]:
    """What a person saved, or others of the commune, the newest first."""
    rows = await connection.execute(
        text(
            """SELECT mapping FROM import_mapping WHERE owner = :owner OR (unit IS NOT NULL AND unit = :unit)
               ORDER BY saved_at DESC LIMIT 50"""
        ),
        {"owner": owner, "unit": unit},
    )
    return [row.mapping for row in rows]
