"""Reports of concern as they are kept: coarse facts in clear, what was said sealed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Concern
from services.cases.store.statements import Table, Units, in_units, units_of, write
from shared.contracts.base import SealedBox
from shared.database.statements import text

_CONCERN = tuple(field.name for field in fields(Concern))
_FILE = ("file_id", "kinds", "taken_in_at", "entered_by", "said", "reason")
_CONCERNS = Table("concern", (*_CONCERN, *_FILE))
_PART = Table("concern_child", ("id", "concern_id", "position", "file_id", "case_id", "said"))
# Locked in one order, whatever order they came in; reports are numbered in the order in which they came.
_LOCK_OR_NUMBER = text(
    """SELECT found.*, CASE WHEN found.id IS NULL THEN nextval('concern_number') END AS number,
              CASE WHEN found.id IS NULL THEN ARRAY(SELECT nextval('case_number') FROM generate_series(1, cases))
              END AS case_numbers
       FROM unnest(CAST(:ids AS text[]), CAST(:cases AS integer[])) WITH ORDINALITY AS asked (asked_id, cases, place)
       LEFT JOIN (SELECT * FROM concern WHERE id = ANY(:ids) ORDER BY id FOR UPDATE) AS found ON found.id = asked_id
       ORDER BY place"""
)


@dataclass(frozen=True, slots=True)
class ConcernFile:
    """A concern with what its file holds beyond the coarse facts; `said` are sealed boxes by field name.

    `part`: where this is the report as it is about another of its children, that part's id; `file_id` and `said` are
    then that child's own, under a key of its own.
    """

    concern: Concern
    file_id: str
    kinds: tuple[str, ...]
    taken_in_at: datetime
    entered_by: str | None
    said: Mapping[str, SealedBox]
    reason: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class Codes:
    """Of a new report, for people: its own, `BT-2026-000123` (báo tin), and of the cases that it opens."""

    report: str
    cases: tuple[str, ...] = ()


async def lock_concern(connection: AsyncConnection, concern_id: str) -> ConcernFile | None:
    """A concern's file, its row locked until the transaction ends."""
    rows = await connection.execute(text("SELECT * FROM concern WHERE id = :id FOR UPDATE"), {"id": concern_id})
    row = rows.mappings().one_or_none()
    return None if row is None else _as_file(row)


async def lock_concerns_or_codes(
    connection: AsyncConnection, concerns: Mapping[str, int], at: datetime
) -> list[ConcernFile | Codes]:
    """The file of each of some concerns, their rows locked; where there is none yet, the codes of a new one. In: by id
    how many cases it opens where it is new."""
    asked = {"ids": list(concerns), "cases": list(concerns.values())}
    rows = await connection.execute(_LOCK_OR_NUMBER, asked)
    return [
        _as_file(row)
        if row["id"] is not None
        else Codes(code_of("BT", row["number"], at), tuple(code_of("TN", one, at) for one in row["case_numbers"]))
        for row in rows.mappings().all()
    ]


async def lock_report(connection: AsyncConnection, concern_id: str) -> None:
    """Let one transaction at a time take in a report that may not be there yet: sent twice at once, it is one."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:id, 0))"), {"id": concern_id})


async def find_concern(connection: AsyncConnection, key: str) -> ConcernFile | None:
    """A concern's file by id or code, or its part about one child by that part's id; unlocked."""
    rows = await connection.execute(text("SELECT * FROM concern WHERE id = :key OR code = :key"), {"key": key})
    row = rows.mappings().one_or_none()
    if row is not None:
        return _as_file(row)
    parts = await _parts(connection, "part.id = :key", {"key": key})
    return parts[0] if parts else None


async def concerns_of(connection: AsyncConnection, case_id: str, *, lock: bool = False) -> list[ConcernFile]:
    """The reports that tell of a case, whole or in their part about its child, in the order of their receipt."""
    statement = "SELECT * FROM concern WHERE case_id = :id ORDER BY received_at, id" + (" FOR UPDATE" if lock else "")
    rows = await connection.execute(text(statement), {"id": case_id})
    whole = [_as_file(row) for row in rows.mappings()]
    parts = await _parts(connection, "part.case_id = :id", {"id": case_id}, lock=lock)
    return sorted((*whole, *parts), key=lambda file: (file.concern.received_at, file.concern.id))


async def newest_concerns(
    connection: AsyncConnection, case_id: str, *, limit: int, offset: int = 0
) -> tuple[list[ConcernFile], int]:
    """Some of the reports that tell of a case, whole or in their part about its child, the last received first; and of
    how many."""
    values = {"id": case_id, "until": limit + offset}
    order = "ORDER BY received_at DESC, id DESC LIMIT :until"
    rows = await connection.execute(text(f"SELECT * FROM concern WHERE case_id = :id {order}"), values)
    whole = [_as_file(row) for row in rows.mappings()]
    parts = await _parts(connection, "part.case_id = :id", {"id": case_id})
    total = await connection.execute(text("SELECT count(*) FROM concern WHERE case_id = :id"), {"id": case_id})
    files = sorted((*whole, *parts), key=lambda file: (file.concern.received_at, file.concern.id), reverse=True)
    return files[offset : offset + limit], total.scalar_one() + len(parts)


async def parts_of(connection: AsyncConnection, concern_id: str) -> dict[int, ConcernFile]:
    """A concern's parts about its further children by their place in the report: 2 and on."""
    parts = await _parts(connection, "part.concern_id = :id", {"id": concern_id}, lock=True)
    return {place_of(part): part for part in parts}


def part_id(concern_id: str, place: int) -> str:
    """The id of a report's part about the child in a place of it: 2 and on."""
    return f"{concern_id}.{place}"


def place_of(file: ConcernFile) -> int:
    """Which of its children a report, or its part, is about: 1 and on."""
    return 1 if file.part is None else int(file.part.rpartition(".")[2])


async def save_part(connection: AsyncConnection, file: ConcernFile) -> None:
    """Write a report's part about one of its further children."""
    row = {
        "id": file.part,
        "concern_id": file.concern.id,
        "position": place_of(file),
        "file_id": file.file_id,
        "case_id": file.concern.case_id,
        "said": _said(file),
    }
    await write(connection, [(_PART, [row])])


def concern_rows(files: Sequence[ConcernFile]) -> tuple[Table, list[dict[str, Any]]]:
    """Concerns' files, to be written."""
    return _CONCERNS, [
        {
            **{name: getattr(file.concern, name) for name in _CONCERN},
            **{name: getattr(file, name) for name in _FILE},
            "said": _said(file),
        }
        for file in files
    ]


async def waiting_concerns(connection: AsyncConnection, units: Units, limit: int) -> list[ConcernFile]:
    """Reports that wait for triage in an area: those whose danger is unknown first, then the oldest."""
    rows = await connection.execute(
        text(
            f"""SELECT * FROM concern WHERE status = 'received' {in_units(units)}
                ORDER BY danger_now = 'no', received_at LIMIT :limit"""
        ),
        {"limit": limit, **units_of(units)},
    )
    return [_as_file(row) for row in rows.mappings()]


async def concerns_entered_by(connection: AsyncConnection, who: str, limit: int) -> list[ConcernFile]:
    """What somebody wrote down, newest first."""
    rows = await connection.execute(
        text("SELECT * FROM concern WHERE entered_by = :who ORDER BY taken_in_at DESC LIMIT :limit"),
        {"who": who, "limit": limit},
    )
    return [_as_file(row) for row in rows.mappings()]


async def count_waiting(connection: AsyncConnection, units: Units) -> int:
    """How many reports wait for triage in an area."""
    found = await connection.execute(
        text(f"SELECT count(*) FROM concern WHERE status = 'received' {in_units(units)}"), units_of(units)
    )
    number: int = found.scalar_one()
    return number


def code_of(kind: Literal["TN", "BT"], number: int, at: datetime) -> str:
    """A code for people, without identity: `TN-2026-000123` (a case), `BT-2026-000123` (a report, báo tin)."""
    return f"{kind}-{at.year}-{number:06d}"


async def fates_of(connection: AsyncConnection, concern_ids: Sequence[str]) -> dict[str, RowMapping]:
    """What became of reports that have a case, coarse enough to be told to a caller: step, status, outcome."""
    rows = await connection.execute(
        text(
            """SELECT concern.id, cases.step, cases.status, cases.outcome
               FROM concern JOIN cases ON cases.id = concern.case_id WHERE concern.id = ANY(:ids)"""
        ),
        {"ids": list(concern_ids)},
    )
    return {row["id"]: row for row in rows.mappings()}


async def _parts(
    connection: AsyncConnection, where: str, values: Mapping[str, Any], *, lock: bool = False
) -> list[ConcernFile]:
    statement = f"""SELECT concern.*, part.id AS part, part.file_id AS part_file, part.case_id AS part_case,
                           part.said AS part_said
                    FROM concern_child AS part JOIN concern ON concern.id = part.concern_id
                    WHERE {where} ORDER BY concern.received_at, concern.id, part.position"""
    rows = await connection.execute(text(statement + (" FOR UPDATE OF concern" if lock else "")), values)
    return [
        _as_file(
            {**row, "file_id": row["part_file"], "case_id": row["part_case"], "said": row["part_said"]}, row["part"]
        )
        for row in rows.mappings()
    ]


def _said(file: ConcernFile) -> dict[str, Any]:
    return {name: box.model_dump() for name, box in file.said.items()}


def _as_file(row: Mapping[Any, Any], part: str | None = None) -> ConcernFile:
    return ConcernFile(
        concern=Concern(**{name: row[name] for name in _CONCERN}),
        file_id=row["file_id"],
        kinds=tuple(row["kinds"]),
        taken_in_at=row["taken_in_at"],
        entered_by=row["entered_by"],
        said={name: SealedBox.model_validate(box) for name, box in row["said"].items()},
        reason=row["reason"],
        part=part,
    )
