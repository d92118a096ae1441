"""Erasure by law: what this database holds of who a child is goes; that it was done, on what ground, by whom stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.children import ONE_CHILD

# `import_record` holds what a record said before a file said otherwise.
_OF_A_CHILD = (
    "revision", "photo", "finding", "child_case", "circumstance", "block", "statement", "import_record", "history",
)  # fmt: skip
_FORGET = (
    "DELETE FROM verification WHERE child_id = ANY(CAST(:ids AS uuid[]))",
    """UPDATE sample_child SET answers = NULL, compared = NULL, open = 0
       WHERE child_id = ANY(CAST(:ids AS uuid[]))""",
    # Why somebody parted two records is told in their own words, as likely as not with a name.
    "UPDATE split SET reason = '' WHERE kept = ANY(CAST(:ids AS uuid[])) OR parted = ANY(CAST(:ids AS uuid[]))",
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


async def empty(connection: AsyncConnection, child_id: str) -> Sequence[str]:
    """Everything goes that says who a child is, of the records merged into it too.

    The empty rows of `child` stay, so that an id which others hold is never taken for an unknown one. Out: the ids of
    all records emptied, whose keys are to be destroyed as well.
    """
    rows = await connection.execute(text(f"{ONE_CHILD} SELECT id FROM one"), {"id": child_id})
    ids = [str(row.id) for row in rows]
    for table in _OF_A_CHILD:
        await connection.execute(text(f"DELETE FROM {table} WHERE child_id = ANY(CAST(:ids AS uuid[]))"), {"ids": ids})
    await connection.execute(
        text("DELETE FROM pair WHERE low = ANY(CAST(:ids AS uuid[])) OR high = ANY(CAST(:ids AS uuid[]))"), {"ids": ids}
    )
    await connection.execute(
        text(
            """UPDATE child SET unit = NULL, birth_date = NULL, birth_year = NULL, name_folded = '', carers_folded = '',
                      description = '{}', circumstances = '{}', sources = '[]', conflicts = '[]'
               WHERE id = ANY(CAST(:ids AS uuid[]))"""
        ),
        {"ids": ids},
    )
    return ids


async def forget(
    connection: AsyncConnection, child_ids: Sequence[str], tokens: Sequence[bytes], now: datetime, ground: str, by: str
) -> None:
    """How emptied records stood and what was done with them goes, with the links (`tokens`) of their adoption; what
    stays says that it was done, on what ground, by whom."""
    values = {"ids": list(child_ids), "tokens": list(tokens), "now": now, "ground": ground, "by": by}
    for statement in _FORGET:
        await connection.execute(text(statement), values)
