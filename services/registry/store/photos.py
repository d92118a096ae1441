"""Photographs of children, sealed: what lies here shows nothing without the child's key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.store.children import ONE_CHILD


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph. `child_id`: the record under whose key it is sealed."""

    child_id: str
    media: str
    size: int
    sealed: bytes
    taken_on: date | None
    added_at: datetime
    added_by: str


async def put(connection: AsyncConnection, photo: Photo) -> None:
    """Keep a photograph in place of the one before."""
    await connection.execute(
        text(
            """INSERT INTO photo (child_id, media, size, sealed, taken_on, added_at, added_by)
               VALUES (CAST(:child_id AS uuid), :media, :size, :sealed, :taken_on, :added_at, :added_by)
               ON CONFLICT (child_id) DO UPDATE SET media = excluded.media, size = excluded.size,
                   sealed = excluded.sealed, taken_on = excluded.taken_on, added_at = excluded.added_at,
                   added_by = excluded.added_by"""
        ),
        {name: getattr(photo, name) for name in Photo.__dataclass_fields__},
    )


_OF_CHILD = f"""{ONE_CHILD}
SELECT {{columns}} FROM one JOIN photo ON photo.child_id = one.id ORDER BY added_at DESC LIMIT 1"""


async def find(connection: AsyncConnection, child_id: str) -> Photo | None:
    """The newest photograph of a child, of records merged into it too."""
    columns = "CAST(child_id AS text) AS child_id, media, size, sealed, taken_on, added_at, added_by"
    row = (await connection.execute(text(_OF_CHILD.format(columns=columns)), {"id": child_id})).first()
    return None if row is None else Photo(**row._mapping)


async def added_at(connection: AsyncConnection, child_id: str) -> datetime | None:
    """When the newest one was added; None: there is none."""
    row = (await connection.execute(text(_OF_CHILD.format(columns="added_at")), {"id": child_id})).first()
    return None if row is None else row.added_at


async def drop(connection: AsyncConnection, child_id: str) -> None:
    """Take all of a child's photographs away."""
    await connection.execute(
        text(f"{ONE_CHILD} DELETE FROM photo USING one WHERE photo.child_id = one.id"), {"id": child_id}
    )
