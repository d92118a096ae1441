"""Erasure by law: what this database holds of who a child is goes; that it was done, on what ground, by whom stays.

Beside a child's own tables, words of it are in files and imports, in records that once held its sources as well, and in
searches that people keep.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.imports import WORKING
from services.registry.store.packing import marks_of, packed_marks
from services.registry.store.saved import Kept
from shared.contracts.base import SealedBox

_OF_A_CHILD = (
    "revision", "photo", "finding", "child_case", "circumstance", "block", "statement", "history",
)  # fmt: skip
_FORGET = (
    "DELETE FROM verification WHERE child_id = ANY(CAST(:ids AS uuid[]))",
    """UPDATE sample_child SET answers = NULL, compared = NULL, open = 0
       WHERE child_id = ANY(CAST(:ids AS uuid[]))""",
    "DELETE FROM hold WHERE child_id = ANY(CAST(:ids AS uuid[]))",
    "DELETE FROM field_answer WHERE child_id = ANY(CAST(:ids AS uuid[]))",
    """DELETE FROM adoption_reading WHERE adoption_id IN (
           SELECT id FROM adoption WHERE old_token = ANY(CAST(:tokens AS bytea[]))
           OR new_token = ANY(CAST(:tokens AS bytea[])))""",
    """DELETE FROM adoption WHERE old_token = ANY(CAST(:tokens AS bytea[]))
       OR new_token = ANY(CAST(:tokens AS bytea[]))""",
    """UPDATE child SET status = 'erased', state = 'collected', checked_on = NULL, verified_on = NULL,
              verified_by = NULL, due_on = NULL, arrived_on = NULL, arrived_from = NULL, state_at = :now,
              changed_at = :now, sequence = sequence + 1
       WHERE id = ANY(CAST(:ids AS uuid[]))""",
    """INSERT INTO erasure (child_id, ground, at, by) SELECT id, :ground, :now, :by
       FROM unnest(CAST(:ids AS uuid[])) AS e(id) ON CONFLICT DO NOTHING""",
)


async def empty(connection: AsyncConnection, child_ids: Sequence[str]) -> None:
    """Everything goes that says who a child is (`child_ids`: of the records merged into it too).

    The empty rows of `child` stay, so that an id which others hold is never taken for an unknown one.
    """
    values = {"ids": list(child_ids)}
    for table in _OF_A_CHILD:
        await connection.execute(text(f"DELETE FROM {table} WHERE child_id = ANY(CAST(:ids AS uuid[]))"), values)
    await connection.execute(
        text("DELETE FROM pair WHERE low = ANY(CAST(:ids AS uuid[])) OR high = ANY(CAST(:ids AS uuid[]))"), values
    )
    await connection.execute(
        text(
            """UPDATE child SET unit = NULL, birth_date = NULL, birth_year = NULL, name_folded = '', carers_folded = '',
                      description = '{}', circumstances = '{}', sources = '[]', conflicts = '[]'
               WHERE id = ANY(CAST(:ids AS uuid[]))"""
        ),
        values,
    )


async def forget(
    connection: AsyncConnection, child_ids: Sequence[str], tokens: Sequence[bytes], now: datetime, ground: str, by: str
) -> None:
    """How emptied records stood and what was done with them goes, with the links (`tokens`) of their adoption; what
    stays says that it was done, on what ground, by whom."""
    values = {"ids": list(child_ids), "tokens": list(tokens), "now": now, "ground": ground, "by": by}
    for statement in _FORGET:
        await connection.execute(text(statement), values)


async def import_under_way(connection: AsyncConnection, child_ids: Sequence[str]) -> bool:
    """Whether a file that tells of a child is on its way in or out, or stopped half-way."""
    found = await connection.execute(
        text(
            """SELECT EXISTS (SELECT FROM import_record r JOIN import i ON i.id = r.import_id
                              WHERE r.child_id = ANY(CAST(:ids AS uuid[]))
                                AND i.state = ANY(CAST(:states AS text[])))"""
        ),
        {"ids": list(child_ids), "states": [*WORKING, "stopped"]},
    )
    return bool(found.scalar_one())


async def units_of(connection: AsyncConnection, child_ids: Sequence[str]) -> list[str]:
    """Every commune in which a child is known to have lived, or of which a source has told."""
    rows = await connection.execute(
        text(
            """SELECT unit FROM child WHERE id = ANY(CAST(:ids AS uuid[]))
               UNION SELECT unit FROM statement WHERE child_id = ANY(CAST(:ids AS uuid[]))
               UNION SELECT unit FROM revision WHERE child_id = ANY(CAST(:ids AS uuid[]))"""
        ),
        {"ids": list(child_ids)},
    )
    return [row.unit for row in rows if row.unit is not None]


async def forget_imports(connection: AsyncConnection, child_ids: Sequence[str], units: Collection[str]) -> None:
    """What imports remember of a child, and the keys of files that may tell of it.

    Which rows a file has is not written down (some were refused, or said nothing new): the key of every file that is
    done with goes where it came from a commune of the child or from the whole province. Such a file serves for nothing
    but the list of its refused rows.
    """
    values = {"ids": list(child_ids), "units": list(units)}
    for statement in (
        """UPDATE import SET file_key = NULL WHERE file_key IS NOT NULL
           AND state IN ('finished', 'undone', 'refused', 'discarded')
           AND (allowed IS NULL OR allowed && CAST(:units AS text[]))""",
        "DELETE FROM import_record WHERE child_id = ANY(CAST(:ids AS uuid[]))",
        # A record that an import took from this child to another: undone, it is nobody's.
        """UPDATE import_record SET before = NULL
           WHERE before IS NOT NULL AND (before->>'child_id')::uuid = ANY(CAST(:ids AS uuid[]))""",
    ):
        await connection.execute(text(statement), values)


async def forget_beside(connection: AsyncConnection, child_ids: Sequence[str], records: Sequence[str]) -> None:
    """What other records keep of a child that once was one with them: their versions of that time, why they were
    parted, what people overruled.

    The versions stay, as empty ones: what was known of the other child then cannot be told from what was not its own.
    """
    values = {"ids": list(child_ids)}
    beside = await connection.execute(
        text(
            """SELECT kept AS other, '-infinity'::timestamptz AS since, at AS until FROM split
               WHERE parted = ANY(CAST(:ids AS uuid[]))
               UNION SELECT parted, '-infinity', at FROM split WHERE kept = ANY(CAST(:ids AS uuid[]))
               UNION SELECT m.kept, m.at, m.undone_at FROM merge m JOIN child g ON g.id = m.gone
               WHERE g.merged_into = ANY(CAST(:ids AS uuid[])) AND m.undone_at IS NOT NULL
               UNION SELECT g.merged_into, m.at, m.undone_at FROM merge m JOIN child g ON g.id = m.gone
               WHERE m.kept = ANY(CAST(:ids AS uuid[])) AND m.undone_at IS NOT NULL"""
        ),
        values,
    )
    others = [row for row in beside.all() if row.other is not None and str(row.other) not in child_ids]
    for row in others:
        await connection.execute(
            text(
                """UPDATE revision SET description = '{}', sources = '[]', circumstances = '{}', birth_year = NULL,
                          unit = NULL, reason = NULL WHERE child_id = :other AND at > :since AND at <= :until"""
            ),
            {"other": row.other, "since": row.since, "until": row.until},
        )
        await connection.execute(
            text(
                """UPDATE history SET detail = detail - 'reason' WHERE child_id = :other AND kind = 'separated'
                   AND (detail->>'kept' = ANY(CAST(:ids AS text[])) OR detail->>'new' = ANY(CAST(:ids AS text[])))"""
            ),
            {"other": row.other, **values},
        )
        await _forget_overruled(connection, str(row.other), set(records))
    await connection.execute(
        text(
            """UPDATE split SET reason = '' WHERE kept = ANY(CAST(:ids AS uuid[]))
               OR parted = ANY(CAST(:ids AS uuid[]))"""
        ),
        values,
    )


async def _forget_overruled(connection: AsyncConnection, child_id: str, records: Collection[str]) -> None:
    """What the records had said when a person overruled them on another child's record."""
    rows = await connection.execute(
        text("SELECT record_id, marks FROM statement WHERE child_id = CAST(:id AS uuid) AND marks <> '{}'"),
        {"id": child_id},
    )
    for row in rows.all():
        marks = {
            name: replace(mark, against={at: said for at, said in mark.against.items() if at not in records})
            for name, mark in marks_of(row.marks).items()
        }
        await connection.execute(
            text("UPDATE statement SET marks = CAST(:marks AS jsonb) WHERE record_id = :record"),
            {"marks": packed_marks(marks), "record": row.record_id},
        )


async def saved_searches(connection: AsyncConnection) -> AsyncIterator[Kept]:
    """Every search that anybody keeps, as it is read."""
    rows = await connection.stream(text("SELECT id, wrapped, sealed FROM saved_search ORDER BY id"))
    async for row in rows:
        yield Kept(str(row.id), row.wrapped, SealedBox.model_validate(row.sealed))


async def forget_searches(connection: AsyncConnection, search_ids: Sequence[str]) -> None:
    """They are kept no more."""
    await connection.execute(
        text("DELETE FROM saved_search WHERE id = ANY(CAST(:ids AS uuid[]))"), {"ids": list(search_ids)}
    )
