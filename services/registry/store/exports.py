"""Children on their way out, a chunk at a time; and the log of what left.

Every query here leaves out records that are merged, protected or closed for good.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.exporting import Filter, Kind, Leaving, Mark, Usage
from services.registry.domain.lifecycle import HIDDEN
from services.registry.store.finding import log_children
from shared.contracts.vocabulary import ChildDescription

CHUNK = 500
_COLUMNS = """id, sequence, unit, birth_year, description, circumstances, state, status, verified_on, due_on,
    confirmed_on, changed_at"""
_HIDDEN = ", ".join(f"'{status}'" for status in sorted(HIDDEN))
_MAY_LEAVE = f"merged_into IS NULL AND NOT protected AND status NOT IN ({_HIDDEN})"


@dataclass(frozen=True, slots=True)
class Within:
    """What a person may take along at all. `units`: the communes asked for, None for the whole province; `blind`:
    children that the person is to collect again without having seen what is known."""

    units: Collection[str] | None
    blind: frozenset[str] = frozenset()


def where_of(wanted: Filter, within: Within) -> tuple[str, dict[str, Any]]:
    """The condition of a filter and its values."""
    conditions, values = [_MAY_LEAVE], dict[str, Any]()
    units = within.units

    def must(condition: str, **value: Any) -> None:
        conditions.append(condition)
        values.update(value)

    if within.blind:
        must("id <> ALL(CAST(:blind AS uuid[]))", blind=sorted(within.blind))
    if units is not None:
        must("unit = ANY(CAST(:units AS text[]))", units=sorted(units))
    if wanted.hamlet:
        must("lower(description->>'hamlet') = lower(:hamlet)", hamlet=wanted.hamlet)
    if wanted.school:
        must("position(lower(:school) IN lower(description->>'school')) > 0", school=wanted.school)
    if wanted.born_from:
        must("birth_year >= :born_from", born_from=wanted.born_from)
    if wanted.born_to:
        must("birth_year <= :born_to", born_to=wanted.born_to)
    if wanted.sex:
        must("description->>'sex' = :sex", sex=wanted.sex)
    if wanted.circumstance:
        must("circumstances @> ARRAY[CAST(:circumstance AS text)]", circumstance=wanted.circumstance)
    if wanted.state:
        must("state = :state", state=wanted.state)
    if wanted.status:
        must("status = :status", status=wanted.status)
    return " AND ".join(conditions), values


def leaving_of(row: Row[Any]) -> Leaving:
    """A row of the columns above."""
    return Leaving(
        id=str(row.id),
        version=row.sequence,
        description=ChildDescription.model_validate(row.description),
        unit=row.unit,
        birth_year=row.birth_year,
        circumstances=tuple(row.circumstances),
        state=row.state,
        status=row.status,
        verified_on=row.verified_on,
        due_on=row.due_on,
        confirmed_on=row.confirmed_on,
        changed_at=row.changed_at,
    )


async def count(connection: AsyncConnection, wanted: Filter, within: Within) -> int:
    """How many children fit."""
    where, values = where_of(wanted, within)
    return int((await connection.execute(text(f"SELECT count(*) FROM child WHERE {where}"), values)).scalar_one())


async def children(
    connection: AsyncConnection, wanted: Filter, within: Within, minutes: int
) -> AsyncGenerator[Sequence[Row[Any]], None]:
    """The children that fit as they were at one moment, through a cursor, by commune, hamlet and name.

    Out: chunks of rows for `leaving_of`. `minutes`: when nobody takes the next one for so long, the database lets go.
    """
    where, values = where_of(wanted, within)
    await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{int(minutes)}min'"))
    rows = await connection.stream(
        text(
            f"""SELECT {_COLUMNS} FROM child WHERE {where}
                ORDER BY unit, lower(description->>'hamlet'), name_folded, id"""
        ).execution_options(max_row_buffer=CHUNK),
        values,
    )
    async for part in rows.partitions(CHUNK):
        yield part


async def child(connection: AsyncConnection, child_id: str) -> tuple[Leaving | None, str | None]:
    """A child that may leave, and (where the id was merged) the record that it points to."""
    found = await connection.execute(
        text(f"SELECT {_COLUMNS}, merged_into, {_MAY_LEAVE} AS may_leave FROM child WHERE id = CAST(:id AS uuid)"),
        {"id": child_id},
    )
    row = found.first()
    if row is None:
        return None, None
    if row.merged_into is not None:
        return None, str(row.merged_into)
    return (leaving_of(row), None) if row.may_leave else (None, None)


async def those(connection: AsyncConnection, ids: Sequence[str]) -> list[Leaving]:
    """Those of some children that may leave, in the order asked for."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM child WHERE id = ANY(CAST(:ids AS uuid[])) AND {_MAY_LEAVE}"), {"ids": list(ids)}
    )
    found = {leaving.id: leaving for leaving in map(leaving_of, rows)}
    return [found[child_id] for child_id in ids if child_id in found]


async def told_by(connection: AsyncConnection, child_id: str, sector: str) -> bool:
    """Whether a sector's own systems have told of a child. What people wrote on pages and took in from files, and what
    a case said, counts for a sector and is not told by its systems."""
    found = await connection.execute(
        text(
            """SELECT 1 FROM statement JOIN told USING (record_id)
               WHERE child_id = CAST(:id AS uuid) AND sector = :sector LIMIT 1"""
        ),
        {"id": child_id, "sector": sector},
    )
    return found.first() is not None


async def wait_for_others(connection: AsyncConnection, name: str) -> None:
    """Until the transaction's end, nobody else who waits for the same name goes on."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": name})


async def usage(connection: AsyncConnection, who: str, since: datetime, given_up: datetime) -> Usage:
    """What an account took along since a moment. A file still on its way counts whole, unless it began before
    `given_up`: then no process can be sending it any more."""
    found = await connection.execute(
        text(
            """SELECT count(*) AS exports, coalesce(sum(
                   CASE WHEN finished_at IS NULL AND at >= :given_up THEN children ELSE sent END), 0) AS children
               FROM export WHERE who = :who AND at >= :since"""
        ),
        {"who": who, "since": since, "given_up": given_up},
    )
    row = found.one()
    return Usage(row.exports, int(row.children))


async def begin(
    connection: AsyncConnection, mark: Mark, kind: Kind, fields: Sequence[str], wanted: Filter, children: int
) -> None:
    """Log that an export begins, before anything of it leaves."""
    await connection.execute(
        text(
            """INSERT INTO export (id, who, name, at, kind, purpose, fields, filter, children, watermark)
               VALUES (CAST(:id AS uuid), :who, :name, :at, :kind, :purpose, CAST(:fields AS text[]),
                       CAST(:filter AS jsonb), :children, :watermark)"""
        ),
        {
            "id": mark.export_id,
            "who": mark.account,
            "name": mark.name,
            "at": mark.at,
            "kind": kind,
            "purpose": mark.purpose,
            "fields": list(fields),
            "filter": orjson.dumps({name: value for name, value in asdict(wanted).items() if value}).decode(),
            "children": children,
            "watermark": mark.text(),
        },
    )


async def log_readings(
    connection: AsyncConnection, export_id: str, who: str, now: datetime, ids: Sequence[str]
) -> None:
    """Each child of a chunk was read, and the chunk leaves now."""
    await log_children(connection, now, who, "export", ids, export=export_id)
    await connection.execute(
        text("UPDATE export SET sent = sent + :more WHERE id = CAST(:id AS uuid)"), {"more": len(ids), "id": export_id}
    )


async def finish(connection: AsyncConnection, export_id: str, now: datetime) -> None:
    """Everything of an export has left."""
    await connection.execute(
        text("UPDATE export SET finished_at = :now WHERE id = CAST(:id AS uuid)"), {"now": now, "id": export_id}
    )


async def exports(
    connection: AsyncConnection, who: str | None, limit: int, before: datetime | None = None
) -> Sequence[Row[Any]]:
    """What left, the newest first. `who`: by one account only."""
    conditions = ["true"]
    if who is not None:
        conditions.append("who = :who")
    if before is not None:
        conditions.append("at < :before")
    found = await connection.execute(
        text(
            f"""SELECT id, who, name, at, kind, purpose, fields, filter, children, sent, finished_at FROM export
                WHERE {" AND ".join(conditions)} ORDER BY at DESC LIMIT :limit"""
        ),
        {"limit": limit} | ({"who": who} if who is not None else {}) | ({"before": before} if before else {}),
    )
    return found.all()
