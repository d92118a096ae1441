"""What waits to be told collected: a person's digest, quiet night, or what was more than somebody bears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that somebody is to be told later: codes and a path, no words. `unit`: the commune that it is of;
    `places`: those that it concerns besides."""

    id: str
    person: str
    channels: tuple[str, ...]
    due_at: datetime
    why: str
    message_id: str
    event_type: str
    unit: str | None
    case_id: str | None
    case_code: str | None
    due: datetime | None
    path: str
    urgent: bool
    created_at: datetime
    places: tuple[str, ...] = ()


_NAMES = """id, person, channels, due_at, why, message_id, event_type, unit, case_id, case_code, due, path, urgent,
            created_at"""
_PUT = text(
    f"""
    INSERT INTO digest_item ({_NAMES})
    SELECT {_NAMES} FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS item (
        id uuid, person text, channels text[], due_at timestamptz, why text, message_id uuid, event_type text, unit
        text, case_id text, case_code text, due timestamptz, path text, urgent boolean, created_at timestamptz)
    ON CONFLICT (id) DO NOTHING
    """
)
# All of one person's items of one moment go together, so a person is taken whole or not at all; somebody whom others
# have is passed over.
_TAKE = text(
    """
    WITH waiting AS MATERIALIZED (
        SELECT person, min(due_at) AS since FROM digest_item WHERE due_at <= :now GROUP BY person ORDER BY since
    ), person AS MATERIALIZED (
        SELECT person FROM waiting WHERE pg_try_advisory_xact_lock(hashtextextended(person, 11)) LIMIT 1
    ), taken AS (
        SELECT id FROM digest_item JOIN person USING (person) WHERE due_at <= :now FOR UPDATE OF digest_item
    )
    DELETE FROM digest_item USING taken WHERE digest_item.id = taken.id
    RETURNING digest_item.id::text, person, channels, due_at, why, message_id::text, event_type, unit, case_id,
              case_code, due, path, urgent, created_at
    """
)


async def put(connection: AsyncConnection, items: Sequence[Item]) -> None:
    """Keep what is told later; the same again adds nothing."""
    if items:
        rows = [
            {name: getattr(item, name) for name in Item.__dataclass_fields__} | {"unit": _written(item)}
            for item in items
        ]
        await connection.execute(_PUT, {"items": orjson.dumps(rows).decode()})


async def take_due(connection: AsyncConnection, now: datetime) -> list[Item]:
    """One person's items that are due, taken out; none where nothing is due or others have them. Oldest first."""
    rows = await connection.execute(_TAKE, {"now": now})
    return sorted(map(_item, rows), key=lambda item: item.created_at)


def _item(row: Any) -> Item:
    values = dict(row._mapping)
    unit, places = _read(values.pop("unit"))
    return Item(**values | {"channels": tuple(row.channels)}, unit=unit, places=places)


def _written(item: Item) -> str | None:
    """The communes of an item as its column has them: the one that it is of, and the others after it, with spaces
    between; codes have none."""
    return " ".join((item.unit or "", *item.places)) or None


def _read(written: str | None) -> tuple[str | None, tuple[str, ...]]:
    unit, *places = (written or "").split(" ")
    return unit or None, tuple(places)


async def next_due(connection: AsyncConnection) -> datetime | None:
    """When the next digest is due."""
    rows = await connection.execute(text("SELECT min(due_at) FROM digest_item"))
    moment: datetime | None = rows.scalar_one()
    return moment
