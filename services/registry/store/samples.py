"""Queries on blind samples: who is drawn, what the second person answered, what still waits for a person."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Sample:
    """A blind sample. `result`: what came out, once it is complete."""

    id: str
    unit: str
    made_at: datetime
    made_by: str
    second: str
    size: int
    due_on: date
    completed_at: datetime | None
    result: Mapping[str, Any] | None
    answered: int = 0
    open: int = 0


async def verified_by_others(connection: AsyncConnection, unit: str, person: str) -> list[str]:
    """Ids of a commune's verified records that a person did not verify, and that are in no sample still open."""
    rows = await connection.execute(
        text(
            """SELECT id FROM child WHERE unit = :unit AND merged_into IS NULL AND status = 'active'
                   AND state = 'verified' AND verified_by IS DISTINCT FROM :person
                   AND NOT EXISTS (SELECT FROM sample_child s JOIN sample ON sample.id = s.sample_id
                                   WHERE s.child_id = child.id AND sample.completed_at IS NULL)"""
        ),
        {"unit": unit, "person": person},
    )
    return [str(row.id) for row in rows]


async def put(connection: AsyncConnection, sample: Sample, child_ids: Sequence[str]) -> None:
    """A new sample with its children, in their order."""
    await connection.execute(
        text(
            """INSERT INTO sample (id, unit, made_at, made_by, size, second, due_on)
               VALUES (CAST(:id AS uuid), :unit, :made_at, :made_by, :size, :second, :due_on)"""
        ),
        {
            "id": sample.id,
            "unit": sample.unit,
            "made_at": sample.made_at,
            "made_by": sample.made_by,
            "size": sample.size,
            "second": sample.second,
            "due_on": sample.due_on,
        },
    )
    await connection.execute(
        text(
            """INSERT INTO sample_child (sample_id, child_id, place)
               SELECT CAST(:id AS uuid), child_id, place
               FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS d(child_id, place)"""
        ),
        {"id": sample.id, "ids": list(child_ids)},
    )


_WITH_COUNTS = """
SELECT s.*, (SELECT count(*) FROM sample_child c WHERE c.sample_id = s.id AND c.at IS NOT NULL) AS answered,
       (SELECT coalesce(sum(c.open), 0) FROM sample_child c WHERE c.sample_id = s.id AND c.open > 0) AS open
FROM sample s"""


async def sample(connection: AsyncConnection, sample_id: str, *, lock: bool = False) -> Sample | None:
    """One sample. `lock`: until the transaction's end."""
    rows = await connection.execute(
        text(f"{_WITH_COUNTS} WHERE id = CAST(:id AS uuid){' FOR UPDATE OF s' if lock else ''}"), {"id": sample_id}
    )
    row = rows.first()
    return None if row is None else _sample(row)


async def samples(connection: AsyncConnection, units: Collection[str] | None, limit: int = 50) -> list[Sample]:
    """The samples of communes (None: all), the newest first."""
    rows = await connection.execute(
        text(
            f"""{_WITH_COUNTS} WHERE {"TRUE" if units is None else "unit = ANY(CAST(:units AS text[]))"}
                ORDER BY made_at DESC LIMIT :limit"""
        ),
        {"units": list(units or ()), "limit": limit},
    )
    return [_sample(row) for row in rows]


async def asked_of(connection: AsyncConnection, person: str) -> frozenset[str]:
    """The children whom a person is to collect again and has not yet: whose record they must not see until then."""
    rows = await connection.execute(
        text(
            """SELECT c.child_id FROM sample s JOIN sample_child c ON c.sample_id = s.id
               WHERE s.second = :person AND s.completed_at IS NULL AND c.at IS NULL"""
        ),
        {"person": person},
    )
    return frozenset(str(row.child_id) for row in rows)


async def places(connection: AsyncConnection, sample_id: str) -> Sequence[Row[Any]]:
    """Rows (child_id, place, by, at, found, compared, open) of a sample, in their order."""
    rows = await connection.execute(
        text(
            """SELECT child_id, place, by, at, found, compared, open FROM sample_child
               WHERE sample_id = CAST(:id AS uuid) ORDER BY place"""
        ),
        {"id": sample_id},
    )
    return rows.all()


async def place(connection: AsyncConnection, sample_id: str, child_id: str) -> Row[Any] | None:
    """Row (child_id, place, by, at, found, answers, compared, open), locked."""
    rows = await connection.execute(
        text(
            """SELECT child_id, place, by, at, found, answers, compared, open FROM sample_child
               WHERE sample_id = CAST(:sample AS uuid) AND child_id = CAST(:child AS uuid) FOR UPDATE"""
        ),
        {"sample": sample_id, "child": child_id},
    )
    return rows.first()


async def answer(
    connection: AsyncConnection,
    sample_id: str,
    child_id: str,
    *,
    now: datetime,
    by: str,
    found: bool,
    answers: str,
    compared: Mapping[str, Mapping[str, Any]],
) -> None:
    """What the second person found, and how it stands to the record."""
    await connection.execute(
        text(
            """UPDATE sample_child SET at = :now, by = :by, found = :found, answers = CAST(:answers AS jsonb),
                      compared = CAST(:compared AS jsonb), open = :open
               WHERE sample_id = CAST(:sample AS uuid) AND child_id = CAST(:child AS uuid)"""
        ),
        {
            "sample": sample_id,
            "child": child_id,
            "now": now,
            "by": by,
            "found": found,
            "answers": answers,
            "compared": orjson.dumps(compared).decode(),
            "open": sum(not said["alike"] for said in compared.values()),
        },
    )


async def decide(
    connection: AsyncConnection, sample_id: str, child_id: str, compared: Mapping[str, Mapping[str, Any]]
) -> None:
    """A person said which of two answers is right."""
    await connection.execute(
        text(
            """UPDATE sample_child SET compared = CAST(:compared AS jsonb), open = :open
               WHERE sample_id = CAST(:sample AS uuid) AND child_id = CAST(:child AS uuid)"""
        ),
        {
            "sample": sample_id,
            "child": child_id,
            "compared": orjson.dumps(compared).decode(),
            "open": sum(not said["alike"] and said["stands"] is None for said in compared.values()),
        },
    )


async def complete(connection: AsyncConnection, sample_id: str, now: datetime, result: Mapping[str, Any]) -> None:
    """Everybody was answered for."""
    await connection.execute(
        text(
            """UPDATE sample SET completed_at = :now, result = CAST(:result AS jsonb)
               WHERE id = CAST(:id AS uuid)"""
        ),
        {"id": sample_id, "now": now, "result": orjson.dumps(result).decode()},
    )


def _sample(row: Row[Any]) -> Sample:
    return Sample(
        str(row.id),
        row.unit,
        row.made_at,
        row.made_by,
        row.second,
        row.size,
        row.due_on,
        row.completed_at,
        row.result,
        row.answered,
        int(row.open),
    )
