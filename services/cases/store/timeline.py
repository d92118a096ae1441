"""The timeline of a case: one line a happening, its words sealed; appended to, never changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.base import SealedBox

_SAVE = text(
    """INSERT INTO entry (case_id, at, kind, sector, who, who_name, data, words, version)
       VALUES (:case_id, :at, :kind, :sector, :who, :who_name, CAST(:data AS jsonb), CAST(:words AS jsonb), :version)"""
)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the timeline, its words still sealed. `version`: the case's, after the decision it belongs to."""

    case_id: str
    at: datetime
    kind: str
    sector: str | None
    who: str
    who_name: str
    data: Mapping[str, Any]
    words: SealedBox | None
    version: int = 0
    id: int = 0


async def append(connection: AsyncConnection, lines: Sequence[Line]) -> None:
    """Write lines at the end of their cases' timelines."""
    if lines:
        await connection.execute(
            _SAVE,
            [
                {
                    "case_id": line.case_id,
                    "at": line.at,
                    "kind": line.kind,
                    "sector": line.sector,
                    "who": line.who,
                    "who_name": line.who_name,
                    "data": orjson.dumps(dict(line.data)).decode(),
                    "words": line.words.model_dump_json() if line.words else None,
                    "version": line.version,
                }
                for line in lines
            ],
        )


async def timeline(
    connection: AsyncConnection, case_id: str, limit: int | None = 500, always: Collection[str] = ()
) -> list[Line]:
    """What happened in a case and in those merged into it, newest first; without a limit, everything.

    In: `always`: kinds of lines that are wanted however old they are.
    """
    rows = await connection.execute(
        text(
            """WITH file AS (SELECT :id AS id UNION ALL SELECT id FROM cases WHERE merged_into = :id),
               newest AS (
                   SELECT * FROM entry WHERE case_id IN (SELECT id FROM file) ORDER BY at DESC, id DESC LIMIT :limit
               )
               SELECT case_id, at, kind, sector, who, who_name, data, words, version, id FROM newest
               UNION ALL
               SELECT case_id, at, kind, sector, who, who_name, data, words, version, id FROM entry
               WHERE case_id IN (SELECT id FROM file) AND kind = ANY(:always) AND id NOT IN (SELECT id FROM newest)
               ORDER BY at DESC, id DESC"""
        ),
        {"id": case_id, "limit": limit, "always": list(always)},
    )
    return [_as_line(row) for row in rows.mappings()]


async def lines_of(connection: AsyncConnection, case_id: str, kinds: Collection[str]) -> list[Line]:
    """The lines of some kinds of a case and of those merged into it, newest first, however much happened since."""
    rows = await connection.execute(
        text(
            """SELECT case_id, at, kind, sector, who, who_name, data, words, version, id FROM entry
               WHERE case_id IN (SELECT :id UNION ALL SELECT id FROM cases WHERE merged_into = :id)
               AND kind = ANY(:kinds) ORDER BY at DESC, id DESC"""
        ),
        {"id": case_id, "kinds": list(kinds)},
    )
    return [_as_line(row) for row in rows.mappings()]


async def find_line(connection: AsyncConnection, case_id: str, line_id: int) -> Line | None:
    """One line of a case, or of one merged into it."""
    rows = await connection.execute(
        text(
            """SELECT case_id, at, kind, sector, who, who_name, data, words, version, id FROM entry
               WHERE id = :line AND (case_id = :id OR case_id IN (SELECT id FROM cases WHERE merged_into = :id))"""
        ),
        {"id": case_id, "line": line_id},
    )
    row = rows.mappings().one_or_none()
    return None if row is None else _as_line(row)


def _as_line(row: RowMapping) -> Line:
    return Line(**{**row, "words": SealedBox.model_validate(row["words"]) if row["words"] else None})
