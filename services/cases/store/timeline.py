"""The timeline of a case: one line a happening, its words sealed; appended to, never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import MERGED
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


# What a filter of the timeline shows, by the beginning of a line's kind; whatever none of them takes is an act.
CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "tasks": ("task.",),
    "deadlines": ("deadline.",),
    "documents": ("document.", "attachment."),
    "notes": ("note",),
}
# The case and all that were merged into it, each read along its own index.
_LINES = f"""{MERGED}
SELECT line.* FROM file CROSS JOIN LATERAL (
    SELECT case_id, at, kind, sector, who, who_name, data, words, version, id FROM entry
    WHERE entry.case_id = file.case_id {{conditions}} ORDER BY id DESC LIMIT :limit
) AS line ORDER BY id DESC LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines of a timeline are wanted. Empty: all, from the newest. `before`: older than that line."""

    chapter: str = ""
    sector: str = ""
    before: int | None = None


async def timeline(
    connection: AsyncConnection, case_id: str, limit: int | None = 500, always: Collection[str] = ()
) -> list[Line]:
    """What happened in a case and in those merged into it, newest first; without a limit, everything.

    In: `always`: kinds of lines that are wanted however old they are.
    """
    newest = await timeline_page(connection, case_id, LineFilter(), limit)
    older = await lines_of(connection, case_id, always) if always and len(newest) == limit else []
    return [*newest, *(line for line in older if line.id < newest[-1].id)]


async def lines_of(connection: AsyncConnection, case_id: str, kinds: Collection[str]) -> list[Line]:
    """The lines of some kinds of a case and of those merged into it, newest first, however much happened since."""
    return await _read(connection, case_id, "AND kind = ANY(:kinds)", {"kinds": list(kinds)}, None)


async def find_line(connection: AsyncConnection, case_id: str, line_id: int) -> Line | None:
    """One line of a case, or of one merged into it."""
    found = await _read(connection, case_id, "AND id = :line", {"line": line_id}, 1)
    return found[0] if found else None


async def timeline_page(connection: AsyncConnection, case_id: str, wanted: LineFilter, limit: int | None) -> list[Line]:
    """The newest lines that are wanted, of a case and of those merged into it: at most `limit`, newest first."""
    conditions = ""
    values: dict[str, Any] = {}
    if wanted.before is not None:
        conditions += " AND id < :before"
        values["before"] = wanted.before
    if wanted.sector:
        conditions += " AND sector = :sector"
        values["sector"] = wanted.sector
    if wanted.chapter:
        conditions += f" AND {_chapter(wanted.chapter)}"
    return await _read(connection, case_id, conditions, values, limit)


async def _read(
    connection: AsyncConnection, case_id: str, conditions: str, values: Mapping[str, Any], limit: int | None
) -> list[Line]:
    asked = {"case_id": case_id, "limit": limit, **values}
    rows = await connection.execute(text(_LINES.format(conditions=conditions)), asked)
    return [
        Line(**{**row, "words": SealedBox.model_validate(row["words"]) if row["words"] else None})
        for row in rows.mappings()
    ]


def _chapter(name: str) -> str:
    def begins(prefixes: Iterable[str]) -> str:
        return " OR ".join(f"kind LIKE '{prefix}%'" for prefix in prefixes)

    if name in CHAPTERS:
        return f"({begins(CHAPTERS[name])})"
    return f"NOT ({begins(prefix for prefixes in CHAPTERS.values() for prefix in prefixes)})"
