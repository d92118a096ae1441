"""The timeline of a case: one line a happening, its words sealed; appended to, never changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.store.statements import MERGED, Table
from shared.contracts.base import SealedBox


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


def line_rows(lines: Sequence[Line]) -> tuple[Table, list[dict[str, Any]]]:
    """Lines, to be written at the end of their cases' timelines."""
    return _ENTRY, [{name: _value(getattr(line, name)) for name in _ENTRY.columns} for line in lines]


def _value(value: Any) -> Any:
    return value.model_dump() if isinstance(value, SealedBox) else value


_NAMES = tuple(field.name for field in fields(Line))
# Numbered as they are written.
_ENTRY = Table("entry", tuple(name for name in _NAMES if name != "id"), key=())
_COLUMNS = ", ".join(_NAMES)
# What a filter of the timeline shows, by the beginning of a line's kind; whatever none of them takes is an act.
CHAPTERS: Mapping[str, tuple[str, ...]] = {
    "tasks": ("task.",),
    "deadlines": ("deadline.",),
    "documents": ("document.", "attachment."),
    "notes": ("note",),
}
# The newest line of each kind, and how many there are of it: each read along its own index.
_NEWEST = f"""{MERGED}
SELECT newest.*, counted.lines FROM unnest(CAST(:kinds AS text[])) AS asked (kind)
CROSS JOIN LATERAL (
    SELECT line.* FROM file CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM entry
        WHERE entry.case_id = file.case_id AND entry.kind = asked.kind ORDER BY id DESC LIMIT 1
    ) AS line ORDER BY id DESC LIMIT 1
) AS newest
CROSS JOIN LATERAL (
    SELECT count(*) AS lines FROM file JOIN entry USING (case_id) WHERE entry.kind = asked.kind
) AS counted ORDER BY newest.id DESC"""
_OF_KIND = f"""{MERGED}
SELECT {_COLUMNS} FROM (
    SELECT entry.id FROM file JOIN entry USING (case_id) WHERE entry.kind = :kind
    ORDER BY entry.id DESC LIMIT :limit OFFSET :offset
) AS chosen JOIN entry USING (id) ORDER BY id DESC"""
# Which of its kind in its case a line is, and the one before: numbered in the index, only what is wanted is fetched.
_NUMBERED = """SELECT numbered.id AS of, numbered.number, line.*
FROM unnest(CAST(:cases AS text[]), CAST(:kinds AS text[])) AS asked (case_id, kind)
CROSS JOIN LATERAL (
    SELECT id, row_number() OVER (ORDER BY id) AS number, lag(id) OVER (ORDER BY id) AS earlier FROM entry
    WHERE entry.case_id = asked.case_id AND entry.kind = asked.kind
) AS numbered
LEFT JOIN entry AS line ON line.id = numbered.earlier WHERE numbered.id = ANY(:ids)"""
# The case and all that were merged into it, each read along its own index.
_LINES = f"""{MERGED}
SELECT line.* FROM file CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM entry WHERE entry.case_id = file.case_id {{conditions}} ORDER BY id DESC LIMIT :limit
) AS line ORDER BY id DESC LIMIT :limit"""


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Which lines of a timeline are wanted. Empty: all, from the newest. `before`: older than that line."""

    chapter: str = ""
    sector: str = ""
    before: int | None = None


async def timeline(connection: AsyncConnection, case_id: str) -> list[Line]:
    """Everything that happened in a case and in those merged into it, newest first: for its copy and its sheet."""
    return await timeline_page(connection, case_id, LineFilter(), None)


async def lines_of(connection: AsyncConnection, case_id: str, kinds: Collection[str]) -> list[Line]:
    """The lines of some kinds of a case and of those merged into it, newest first, however much happened since."""
    return await _read(connection, case_id, "AND kind = ANY(:kinds)", {"kinds": list(kinds)}, None)


async def newest_of(connection: AsyncConnection, case_id: str, kinds: Collection[str]) -> list[tuple[Line, int]]:
    """The newest line of each of some kinds, of a case and of those merged into it, with how many there are of that
    kind; the newest first."""
    rows = await connection.execute(text(_NEWEST), {"case_id": case_id, "kinds": list(kinds)})
    return [(as_line(row), row["lines"]) for row in rows.mappings()]


async def lines_of_kind(
    connection: AsyncConnection, case_id: str, kind: str, *, limit: int, offset: int
) -> tuple[list[Line], int]:
    """Some lines of one kind of a case and of those merged into it, newest first, and of how many."""
    values = {"case_id": case_id, "kind": kind}
    rows = await connection.execute(text(_OF_KIND), {**values, "limit": limit, "offset": offset})
    total = await connection.execute(
        text(f"{MERGED} SELECT count(*) FROM file JOIN entry USING (case_id) WHERE entry.kind = :kind"), values
    )
    return [as_line(row) for row in rows.mappings()], total.scalar_one()


async def numbered(connection: AsyncConnection, lines: Sequence[Line]) -> dict[int, tuple[int, Line | None]]:
    """By the id of each line: which of its kind in its case it is, 1 and on, and the line of that kind before it."""
    if not lines:
        return {}
    asked = list(dict.fromkeys((line.case_id, line.kind) for line in lines))
    values = {
        "cases": [case_id for case_id, _ in asked],
        "kinds": [kind for _, kind in asked],
        "ids": [line.id for line in lines],
    }
    rows = await connection.execute(text(_NUMBERED), values)
    return {row["of"]: (row["number"], as_line(row) if row["id"] else None) for row in rows.mappings()}


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
    return [as_line(row) for row in rows.mappings()]


def as_line(row: RowMapping) -> Line:
    """In: a row with the columns of `entry`."""
    words = row["words"]
    return Line(
        **{name: row[name] for name in _NAMES if name != "words"},
        words=SealedBox.model_validate(words) if words else None,
    )


def _chapter(name: str) -> str:
    def begins(prefixes: Iterable[str]) -> str:
        return " OR ".join(f"kind LIKE '{prefix}%'" for prefix in prefixes)

    if name in CHAPTERS:
        return f"({begins(CHAPTERS[name])})"
    return f"NOT ({begins(prefix for prefixes in CHAPTERS.values() for prefix in prefixes)})"
