"""Every change of what is known of a child: what had been known until then, when it changed, through whom and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.children import Known, Revision
from services.registry.store.chunked import chunked_as
from services.registry.store.packing import sources_of
from shared.contracts.vocabulary import ChildDescription

_PUT = text(
    """INSERT INTO revision (child_id, number, at, actor, cause, reason, unit, birth_year, confirmed_on, description,
                             circumstances, sources, status, state)
       SELECT id, 1 + coalesce((SELECT max(number) FROM revision WHERE child_id = child.id), 0), :now, :actor, :cause,
              :reason, unit, birth_year, confirmed_on, description, circumstances, sources, status, state
       FROM child WHERE id = CAST(:id AS uuid)"""
)
_COLUMNS = """number, at, actor, cause, reason, unit, birth_year, confirmed_on, description, circumstances, sources,
    status, state"""


@chunked_as("put_revision")
async def put(
    connection: AsyncConnection, child_id: str, now: datetime, actor: str, cause: str, reason: str | None = None
) -> None:
    """Keep what `child` holds now, which is about to change. The child must be locked."""
    await connection.execute(_PUT, {"id": child_id, "now": now, "actor": actor, "cause": cause, "reason": reason})


async def of_child(connection: AsyncConnection, child_id: str, limit: int = 200) -> list[Revision]:
    """A child's changes, the newest first."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM revision WHERE child_id = CAST(:id AS uuid)
                ORDER BY number DESC LIMIT :limit"""
        ),
        {"id": child_id, "limit": limit},
    )
    return [_revision(row) for row in rows]


async def following(connection: AsyncConnection, child_id: str, moment: datetime) -> Revision | None:
    """The first change at a moment or later: what was known until then is its `before`. None: nothing changed since."""
    rows = await connection.execute(
        text(
            f"""SELECT {_COLUMNS} FROM revision WHERE child_id = CAST(:id AS uuid) AND at >= :moment
                ORDER BY at, number LIMIT 1"""
        ),
        {"id": child_id, "moment": moment},
    )
    row = rows.first()
    return None if row is None else _revision(row)


def _revision(row: Row[Any]) -> Revision:
    known = Known(
        description=ChildDescription.model_validate(row.description),
        unit=row.unit,
        birth_year=row.birth_year,
        confirmed_on=row.confirmed_on,
        circumstances=tuple(row.circumstances),
        sources=sources_of(row.sources),
        state=row.state,
        status=row.status,
    )
    return Revision(row.number, row.at, row.actor, row.cause, row.reason, known)
