"""Queries on rounds: hamlets to choose from, a list's children in the order of the houses, answers taken once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.children import RECORD_COLUMNS, ChildRow, record_of

_LIVE = "merged_into IS NULL AND status = 'active'"
_LIST = "id, person, made_at, until, kind, unit, hamlet, children, downloaded_at"
_ANSWER = "id, list_id, person, child_id, given_at, version, outcome, detail"


@dataclass(frozen=True, slots=True)
class FieldList:
    """A round: the children in the order in which they are gone through. `until`: a phone keeps it no longer."""

    id: str
    person: str
    made_at: datetime
    until: datetime
    kind: str
    unit: str | None
    hamlet: str | None
    children: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as it is remembered. `detail`: result, note, rules; never what a field says."""

    id: str
    list_id: str
    person: str
    child_id: str
    given_at: datetime
    version: int
    outcome: str
    detail: dict[str, Any]


async def hamlets(connection: AsyncConnection, unit: str) -> list[tuple[str, int]]:
    """A commune's hamlets as they are written, each with how many children live there."""
    rows = await connection.execute(
        text(
            f"""SELECT description->>'hamlet' AS hamlet, count(*) AS children FROM child
                WHERE unit = :unit AND {_LIVE} AND description->>'hamlet' IS NOT NULL GROUP BY 1"""
        ),
        {"unit": unit},
    )
    return [(row.hamlet, row.children) for row in rows]


async def in_hamlet(connection: AsyncConnection, unit: str, written: Collection[str], limit: int) -> list[ChildRow]:
    """The children of a hamlet, however it is `written`, house by house."""
    rows = await connection.execute(
        text(
            f"""SELECT {RECORD_COLUMNS} FROM child
                WHERE unit = :unit AND {_LIVE} AND description->>'hamlet' = ANY(CAST(:written AS text[]))
                ORDER BY description->>'household', description->>'address', carers_folded, birth_year, id
                LIMIT :limit"""
        ),
        {"unit": unit, "written": list(written), "limit": limit},
    )
    return [record_of(row) for row in rows]


async def put_list(connection: AsyncConnection, made: FieldList) -> None:
    """A new round."""
    await connection.execute(
        text(
            """INSERT INTO field_list (id, person, made_at, until, kind, unit, hamlet, children)
               VALUES (CAST(:id AS uuid), :person, :made_at, :until, :kind, :unit, :hamlet,
                       CAST(:children AS uuid[]))"""
        ),
        {
            "id": made.id,
            "person": made.person,
            "made_at": made.made_at,
            "until": made.until,
            "kind": made.kind,
            "unit": made.unit,
            "hamlet": made.hamlet,
            "children": list(made.children),
        },
    )


async def find_list(connection: AsyncConnection, list_id: str) -> FieldList | None:
    """A round by id, whosever."""
    rows = await connection.execute(
        text(f"SELECT {_LIST} FROM field_list WHERE id = CAST(:id AS uuid)"), {"id": list_id}
    )
    row = rows.first()
    return None if row is None else _list(row)


async def lists_of(connection: AsyncConnection, person: str, now: datetime, limit: int = 10) -> list[FieldList]:
    """A person's rounds that go on, the newest first."""
    rows = await connection.execute(
        text(
            f"""SELECT {_LIST} FROM field_list WHERE person = :person AND until > :now
                ORDER BY made_at DESC LIMIT :limit"""
        ),
        {"person": person, "now": now, "limit": limit},
    )
    return [_list(row) for row in rows]


async def mark_downloaded(connection: AsyncConnection, list_id: str, now: datetime) -> None:
    """A phone has taken the list."""
    await connection.execute(
        text("UPDATE field_list SET downloaded_at = :now WHERE id = CAST(:id AS uuid)"), {"id": list_id, "now": now}
    )


async def claim(connection: AsyncConnection, given: Given, now: datetime) -> bool:
    """Take an answer, once: a second copy waits here for the first. False: it was taken before, or is another's."""
    rows = await connection.execute(
        text(
            """INSERT INTO field_answer AS a
                   (id, list_id, person, child_id, given_at, received_at, version, outcome, detail)
               VALUES (CAST(:id AS uuid), CAST(:list_id AS uuid), :person, CAST(:child_id AS uuid), :given_at, :now,
                       :version, :outcome, CAST(:detail AS jsonb))
               ON CONFLICT (id) DO UPDATE SET list_id = excluded.list_id, child_id = excluded.child_id,
                   given_at = excluded.given_at, received_at = excluded.received_at, version = excluded.version,
                   outcome = excluded.outcome, detail = excluded.detail
               WHERE a.outcome <> 'taken' AND a.person = excluded.person
               RETURNING id"""
        ),
        {
            "id": given.id,
            "list_id": given.list_id,
            "person": given.person,
            "child_id": given.child_id,
            "given_at": given.given_at,
            "now": now,
            "version": given.version,
            "outcome": given.outcome,
            "detail": orjson.dumps(given.detail).decode(),
        },
    )
    return rows.first() is not None


async def answer(connection: AsyncConnection, answer_id: str) -> Given | None:
    """An answer by id."""
    rows = await connection.execute(
        text(f"SELECT {_ANSWER} FROM field_answer WHERE id = CAST(:id AS uuid)"), {"id": answer_id}
    )
    row = rows.first()
    return None if row is None else _given(row)


async def taken_of(connection: AsyncConnection, list_id: str) -> list[Given]:
    """What was taken over of a round, the latest last."""
    rows = await connection.execute(
        text(
            f"""SELECT {_ANSWER} FROM field_answer WHERE list_id = CAST(:id AS uuid) AND outcome = 'taken'
                ORDER BY given_at, id"""
        ),
        {"id": list_id},
    )
    return [_given(row) for row in rows]


async def last_visits(connection: AsyncConnection, ids: Collection[str]) -> dict[str, Given]:
    """The last answer on each child, whosever."""
    rows = await connection.execute(
        text(
            f"""SELECT DISTINCT ON (child_id) {_ANSWER} FROM field_answer
                WHERE child_id = ANY(CAST(:ids AS uuid[])) AND outcome = 'taken' ORDER BY child_id, given_at DESC"""
        ),
        {"ids": list(ids)},
    )
    return {found.child_id: found for found in map(_given, rows)}


def _list(row: Row[Any]) -> FieldList:
    return FieldList(
        str(row.id),
        row.person,
        row.made_at,
        row.until,
        row.kind,
        row.unit,
        row.hamlet,
        tuple(str(child_id) for child_id in row.children),
    )


def _given(row: Row[Any]) -> Given:
    return Given(
        str(row.id),
        str(row.list_id),
        row.person,
        str(row.child_id),
        row.given_at,
        row.version,
        row.outcome,
        row.detail,
    )
