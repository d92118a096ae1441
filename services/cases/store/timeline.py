"""The timeline of a case: one line a happening, its words sealed; appended to, never changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
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


async def timeline(connection: AsyncConnection, case_id: str) -> list[Line]:
    """Everything that happened in a case and in those merged into it, newest first."""
    rows = await connection.execute(
        text(
            """SELECT case_id, at, kind, sector, who, who_name, data, words, version, id FROM entry
               WHERE case_id = :id OR case_id IN (SELECT id FROM cases WHERE merged_into = :id)
               ORDER BY at DESC, id DESC LIMIT 500"""
        ),
        {"id": case_id},
    )
    return [
        Line(**{**row, "words": SealedBox.model_validate(row["words"]) if row["words"] else None})
        for row in rows.mappings()
    ]
