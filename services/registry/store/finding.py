"""Finding children for people: by name with slips, year, commune, carer; and the log of who looked."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import orjson
from rapidfuzz import fuzz
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.names import fold
from services.registry.store.children import CHILD_COLUMNS, ChildRow, child_of

# So many are fetched by index and then put in order; more than a screen needs, little enough to be quick.
_FETCHED = 400
_NEAR = 0.3


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody looks for. `units`: only in these communes; None: everywhere."""

    name: str = ""
    carer: str = ""
    birth_date: date | None = None
    birth_year: int | None = None
    units: Collection[str] | None = None

    @property
    def fields(self) -> list[str]:
        """Which fields were used, for the log: never what was in them."""
        said = {"name": fold(self.name), "carer": fold(self.carer), "born": self.birth_date or self.birth_year}
        return [name for name, value in said.items() if value]


def search_sql(wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """The query and its values for what somebody looks for; every condition is in an index."""
    name, carer = fold(wanted.name), fold(wanted.carer)
    year = wanted.birth_date.year if wanted.birth_date else wanted.birth_year
    conditions, order = ["merged_into IS NULL", "status NOT IN ('withdrawn', 'erased')"], []
    values: dict[str, Any] = {}
    if name:
        conditions.append("name_folded % :name")
        order.append("similarity(name_folded, :name)")
        values["name"] = name
    if carer:
        conditions.append(":carer <% carers_folded")
        order.append("word_similarity(:carer, carers_folded)")
        values["carer"] = carer
    if year:
        conditions.append("birth_year = ANY(CAST(:years AS integer[]))")
        # A year remembered wrong is a year beside.
        values["years"] = [year - 1, year, year + 1]
    if wanted.units is not None:
        conditions.append("unit = ANY(CAST(:units AS text[]))")
        values["units"] = list(wanted.units)
    ranked = f"ORDER BY {' + '.join(order)} DESC" if order else ""
    return (
        f"""SELECT {CHILD_COLUMNS}, name_folded, carers_folded FROM child
            WHERE {" AND ".join(conditions)} {ranked} LIMIT {_FETCHED}""",
        values,
    )


async def search(connection: AsyncConnection, wanted: Wanted, limit: int = 50) -> list[ChildRow]:
    """Children like the one looked for, the likeliest first; empty where nothing but the place is given."""
    if not wanted.fields:
        return []
    statement, values = search_sql(wanted)
    await connection.execute(text(f"SET LOCAL pg_trgm.similarity_threshold = {_NEAR}"))
    rows = await connection.execute(text(statement), values)
    scored = [(_score(row, wanted), child_of(row)) for row in rows]
    scored.sort(key=lambda pair: (-pair[0], pair[1].id))
    return [found for _, found in scored[:limit]]


def _score(row: Row[Any], wanted: Wanted) -> float:
    """How near a row is, 0..400."""
    name, carer, score = fold(wanted.name), fold(wanted.carer), 0.0
    if name:
        score += fuzz.token_sort_ratio(name, row.name_folded)
        # People remember the given name: it counts more than what stands before it.
        score += 40 if name.split()[-1:] == row.name_folded.split()[-1:] else 0
    if carer:
        score += fuzz.partial_ratio(carer, row.carers_folded)
    if wanted.birth_date and row.description.get("birth_date") == wanted.birth_date.isoformat():
        score += 140
    elif row.birth_year == (wanted.birth_date.year if wanted.birth_date else wanted.birth_year):
        score += 40
    return score


async def log_access(
    connection: AsyncConnection, now: datetime, who: str, act: str, child_id: str | None = None, **detail: object
) -> None:
    """Log that somebody looked: who, what, when; never what they typed."""
    await connection.execute(
        text(
            """INSERT INTO access (at, who, act, child_id, detail)
               VALUES (:now, :who, :act, CAST(:child_id AS uuid), CAST(:detail AS jsonb))"""
        ),
        {"now": now, "who": who, "act": act, "child_id": child_id, "detail": orjson.dumps(detail).decode()},
    )


async def accesses(connection: AsyncConnection, child_id: str, limit: int = 20) -> Sequence[Row[Any]]:
    """Rows (at, who, act): who looked at a child's record, the newest first."""
    found = await connection.execute(
        text(
            """SELECT at, who, act FROM access WHERE child_id = CAST(:id AS uuid) ORDER BY at DESC, id DESC
               LIMIT :limit"""
        ),
        {"id": child_id, "limit": limit},
    )
    return found.all()
