"""Files attached to cases: what they are lies in clear, their words and their bytes sealed. No event tells of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.cases.domain.attachments import Attachment
from services.cases.store.statements import MERGED
from shared.contracts.base import SealedBox

_COLUMNS = tuple(field.name for field in fields(Attachment))
_SAVE = text(
    f"""INSERT INTO attachment ({", ".join(_COLUMNS)}, kid, words)
        VALUES ({", ".join(f":{name}" for name in _COLUMNS)}, :kid, CAST(:words AS jsonb))"""
)
_SAVE_PART = text("INSERT INTO attachment_part (attachment_id, number, sealed) VALUES (:id, :number, :sealed)")


@dataclass(frozen=True, slots=True)
class AttachmentFile:
    """An attachment with the key it is sealed under and its sealed words (name, caption)."""

    attachment: Attachment
    kid: str
    words: SealedBox


async def save_attachment(connection: AsyncConnection, file: AttachmentFile, parts: Iterable[bytes]) -> None:
    """Write a file with its sealed parts."""
    values: dict[str, Any] = asdict(file.attachment)
    await connection.execute(_SAVE, {**values, "kid": file.kid, "words": file.words.model_dump_json()})
    for number, sealed in enumerate(parts):  # one by one: a batch would hold them all once more
        await connection.execute(_SAVE_PART, {"id": file.attachment.id, "number": number, "sealed": sealed})


async def remove_attachment(connection: AsyncConnection, attachment_id: str, at: datetime) -> None:
    """Destroy a file's bytes; that it was there stays."""
    await connection.execute(text("DELETE FROM attachment_part WHERE attachment_id = :id"), {"id": attachment_id})
    await connection.execute(
        text("UPDATE attachment SET removed_at = :at WHERE id = :id"), {"id": attachment_id, "at": at}
    )


async def attachments_of(connection: AsyncConnection, case_id: str) -> list[AttachmentFile]:
    """The files of a case and of those merged into it, oldest first, without those that were removed."""
    rows = await connection.execute(
        text(
            f"""{MERGED} SELECT attachment.* FROM attachment JOIN file USING (case_id)
                WHERE removed_at IS NULL ORDER BY added_at, id"""
        ),
        {"case_id": case_id},
    )
    return [_as_file(row) for row in rows.mappings()]


async def attachments_of_task(connection: AsyncConnection, task_id: str) -> list[AttachmentFile]:
    """The files of a task, oldest first, without those that were removed."""
    rows = await connection.execute(
        text("SELECT * FROM attachment WHERE task_id = :id AND removed_at IS NULL ORDER BY added_at, id"),
        {"id": task_id},
    )
    return [_as_file(row) for row in rows.mappings()]


async def newest_attachments(
    connection: AsyncConnection, case_id: str, *, limit: int, offset: int = 0
) -> tuple[list[AttachmentFile], int]:
    """Some files of a case and of those merged into it, newest first, without those that were removed; of how many."""
    there = "FROM attachment JOIN file USING (case_id) WHERE removed_at IS NULL"
    rows = await connection.execute(
        text(f"{MERGED} SELECT attachment.* {there} ORDER BY added_at DESC, id DESC LIMIT :limit OFFSET :offset"),
        {"case_id": case_id, "limit": limit, "offset": offset},
    )
    total = await connection.execute(text(f"{MERGED} SELECT count(*) {there}"), {"case_id": case_id})
    return [_as_file(row) for row in rows.mappings()], total.scalar_one()


async def find_attachment(connection: AsyncConnection, attachment_id: str) -> AttachmentFile | None:
    """A file by id, removed or not."""
    rows = await connection.execute(text("SELECT * FROM attachment WHERE id = :id"), {"id": attachment_id})
    row = rows.mappings().one_or_none()
    return None if row is None else _as_file(row)


async def attachment_is_of(connection: AsyncConnection, attachment_id: str, case_id: str) -> bool:
    """Whether a file belongs to a case, or to one merged into it."""
    found = await connection.execute(
        text(f"""{MERGED} SELECT 1 FROM attachment JOIN file USING (case_id) WHERE attachment.id = :id"""),
        {"id": attachment_id, "case_id": case_id},
    )
    return found.first() is not None


async def count_attachments(connection: AsyncConnection, case_id: str) -> int:
    """How many files a case holds."""
    found = await connection.execute(
        text("SELECT count(*) FROM attachment WHERE case_id = :id AND removed_at IS NULL"), {"id": case_id}
    )
    number: int = found.scalar_one()
    return number


async def sealed_part(connection: AsyncConnection, attachment_id: str, number: int) -> bytes | None:
    """One sealed part of a file."""
    found = await connection.execute(
        text("SELECT sealed FROM attachment_part WHERE attachment_id = :id AND number = :number"),
        {"id": attachment_id, "number": number},
    )
    sealed: bytes | None = found.scalar_one_or_none()
    return sealed


def _as_file(row: RowMapping) -> AttachmentFile:
    return AttachmentFile(
        Attachment(**{name: row[name] for name in _COLUMNS}), row["kid"], SealedBox.model_validate(row["words"])
    )
