"""Reports of concern as they are kept: coarse facts in clear, what was said sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Literal

import orjson
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.model import Concern
from services.cases.store.statements import Units, in_units, units_of, upsert
from shared.contracts.base import SealedBox

_CONCERN = tuple(field.name for field in fields(Concern))
_SAVE_CONCERN = text(
    upsert("concern", _CONCERN, ("file_id", "kinds", "taken_in_at", "entered_by", "said", "reason"), ("kinds", "said"))
)

_LOCK_OR_NUMBER = text(
    """SELECT found.*, CASE WHEN found.id IS NULL THEN nextval('concern_number') END AS number
       FROM (SELECT) AS one LEFT JOIN (SELECT * FROM concern WHERE id = :id FOR UPDATE) AS found ON true"""
)


@dataclass(frozen=True, slots=True)
class ConcernFile:
    """A concern with what its file holds beyond the coarse facts; `said` are sealed boxes by field name."""

    concern: Concern
    file_id: str
    kinds: tuple[str, ...]
    taken_in_at: datetime
    entered_by: str | None
    said: Mapping[str, SealedBox]
    reason: str | None = None


async def lock_concern(connection: AsyncConnection, concern_id: str) -> ConcernFile | None:
    """A concern's file, its row locked until the transaction ends."""
    rows = await connection.execute(text("SELECT * FROM concern WHERE id = :id FOR UPDATE"), {"id": concern_id})
    row = rows.mappings().one_or_none()
    return None if row is None else _as_file(row)


async def lock_concern_or_code(connection: AsyncConnection, concern_id: str, at: datetime) -> ConcernFile | str:
    """A concern's file, its row locked; where there is none yet, the code of a new one: `BT-2026-000123` (báo tin)."""
    rows = await connection.execute(_LOCK_OR_NUMBER, {"id": concern_id})
    row = rows.mappings().one()
    return _as_file(row) if row["id"] is not None else code_of("BT", row["number"], at)


async def find_concern(connection: AsyncConnection, key: str) -> ConcernFile | None:
    """A concern's file by id or code, unlocked."""
    rows = await connection.execute(text("SELECT * FROM concern WHERE id = :key OR code = :key"), {"key": key})
    row = rows.mappings().one_or_none()
    return None if row is None else _as_file(row)


async def concerns_of(connection: AsyncConnection, case_id: str, *, lock: bool = False) -> list[ConcernFile]:
    """The reports that tell of a case, in the order of their receipt."""
    statement = "SELECT * FROM concern WHERE case_id = :id ORDER BY received_at, id" + (" FOR UPDATE" if lock else "")
    rows = await connection.execute(text(statement), {"id": case_id})
    return [_as_file(row) for row in rows.mappings()]


async def save_concern(connection: AsyncConnection, file: ConcernFile) -> None:
    """Write a concern's file."""
    values: dict[str, Any] = asdict(file.concern)
    values |= {
        "file_id": file.file_id,
        "kinds": orjson.dumps(list(file.kinds)).decode(),
        "taken_in_at": file.taken_in_at,
        "entered_by": file.entered_by,
        "said": orjson.dumps({name: box.model_dump() for name, box in file.said.items()}).decode(),
        "reason": file.reason,
    }
    await connection.execute(_SAVE_CONCERN, values)


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


def _as_file(row: RowMapping) -> ConcernFile:
    return ConcernFile(
        concern=Concern(**{name: row[name] for name in _CONCERN}),
        file_id=row["file_id"],
        kinds=tuple(row["kinds"]),
        taken_in_at=row["taken_in_at"],
        entered_by=row["entered_by"],
        said={name: SealedBox.model_validate(box) for name, box in row["said"].items()},
        reason=row["reason"],
    )
