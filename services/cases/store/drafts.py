"""What somebody began to write and has not sent: sealed under a key of its own, which lies with it and goes with it.

A draft that was sent or thrown away leaves its number only: a save that was still under way finds another number.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import SealedBox

_SAVE = text(
    """INSERT INTO draft (person, key, form, version, wrapped, body, begun_at, saved_at)
       VALUES (:person, :key, :form, :version, :wrapped, CAST(:body AS jsonb), :at, :at)
       ON CONFLICT (person, key) DO UPDATE SET version = excluded.version, wrapped = excluded.wrapped,
           body = excluded.body, saved_at = excluded.saved_at,
           begun_at = CASE WHEN draft.body IS NULL THEN excluded.begun_at ELSE draft.begun_at END
       WHERE draft.version = :before"""
)
_DISCARD = text(
    """INSERT INTO draft (person, key, form, version, begun_at, saved_at)
       VALUES (:person, :key, :form, 1, :at, :at)
       ON CONFLICT (person, key) DO UPDATE SET version = draft.version + 1, wrapped = NULL, body = NULL,
           saved_at = excluded.saved_at"""
)

_DROP_ERASED = text(
    """UPDATE draft SET version = version + 1, wrapped = NULL, body = NULL, saved_at = :at
       WHERE (person, key) IN (
           SELECT draft.person, draft.key FROM draft
           LEFT JOIN task ON starts_with(draft.key, 'task/') AND task.id = split_part(draft.key, '/', 2)
           JOIN privacy_key AS erased ON erased.wrapped IS NULL AND erased.kid = 'case/' || CASE
               WHEN starts_with(draft.key, 'case/') THEN split_part(draft.key, '/', 2) ELSE task.case_id END
           WHERE draft.body IS NOT NULL FOR UPDATE OF draft SKIP LOCKED)"""
)


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A draft as it lies. `wrapped`: its data key; None (as `body`) where it was sent or thrown away."""

    key: str
    form: str
    version: int
    begun_at: datetime
    saved_at: datetime
    wrapped: bytes | None
    body: SealedBox | None


async def find_draft(connection: AsyncConnection, person: str, key: str, *, lock: bool = False) -> DraftRow | None:
    """A person's draft by key, its row locked until the transaction ends where it is about to change."""
    statement = "SELECT * FROM draft WHERE person = :person AND key = :key" + (" FOR UPDATE" if lock else "")
    row = (await connection.execute(text(statement), {"person": person, "key": key})).mappings().one_or_none()
    return None if row is None else _row(row)


async def save_draft(connection: AsyncConnection, person: str, row: DraftRow) -> bool:
    """Write a draft over the version before it. Out: whether it was; not where another save was faster."""
    saved = await connection.execute(
        _SAVE,
        {
            "person": person,
            "key": row.key,
            "form": row.form,
            "version": row.version,
            "before": row.version - 1,
            "wrapped": row.wrapped,
            "body": None if row.body is None else row.body.model_dump_json(),
            "at": row.saved_at,
        },
    )
    return bool(saved.rowcount)


async def discard_draft(connection: AsyncConnection, person: str, key: str, form: str, at: datetime) -> None:
    """Destroy a draft's words and key; its number stays, one further."""
    await connection.execute(_DISCARD, {"person": person, "key": key, "form": form, "at": at})


async def drafts_of(connection: AsyncConnection, person: str, prefix: str, limit: int) -> list[DraftRow]:
    """A person's drafts whose key begins so, the last saved first."""
    rows = await connection.execute(
        text(
            """SELECT * FROM draft WHERE person = :person AND starts_with(key, :prefix) AND body IS NOT NULL
               ORDER BY saved_at DESC LIMIT :limit"""
        ),
        {"person": person, "prefix": prefix, "limit": limit},
    )
    return [_row(row) for row in rows.mappings()]


async def drop_drafts(connection: AsyncConnection, before: datetime) -> int:
    """Destroy some of what nobody has touched since a moment; rows that somebody holds are left for the next time.
    Out: how many."""
    gone = await connection.execute(
        text(
            """DELETE FROM draft WHERE (person, key) IN (SELECT person, key FROM draft WHERE saved_at < :before
               LIMIT 100 FOR UPDATE SKIP LOCKED)"""
        ),
        {"before": before},
    )
    return gone.rowcount


async def drop_erased_drafts(connection: AsyncConnection, at: datetime) -> int:
    """Destroy the words of drafts that belong to cases whose key was erased, and to their tasks. Out: how many."""
    gone = await connection.execute(_DROP_ERASED, {"at": at})
    return gone.rowcount


def _row(row: RowMapping) -> DraftRow:
    return DraftRow(
        key=row["key"],
        form=row["form"],
        version=row["version"],
        begun_at=row["begun_at"],
        saved_at=row["saved_at"],
        wrapped=row["wrapped"],
        body=None if row["body"] is None else SealedBox.model_validate(row["body"]),
    )
