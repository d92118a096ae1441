"""How statements are made: what writes rows of several tables at once, and the area that somebody sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import orjson
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.statements import text

Units = frozenset[str] | Literal["all"]


def not_kept_out(column: str) -> str:
    """The condition that nobody excluded `:reader` from a case, named by a column, for a conflict of interest.

    Of a merged case the one that goes on decides, as in `team.kept_out`: the merge brought it the other's exclusions,
    and whom its chair admits since sees both again.

    Those of one account are few: they are looked up once, and not for every case.
    """
    return f"""{column} NOT IN (
               WITH RECURSIVE shut AS (
                   SELECT case_id FROM member JOIN cases AS going_on ON going_on.id = case_id
                   WHERE person = :reader AND cause = 'excluded' AND state <> 'member' AND merged_into IS NULL
                   UNION SELECT merged.id FROM cases AS merged JOIN shut ON merged.merged_into = shut.case_id
               ) SELECT case_id FROM shut)"""


# The same of a row of cases, with AND.
NOT_KEPT_OUT = f"AND {not_kept_out('cases.id')}"


# A case and all that were merged into it, however often: `file`, by `:case_id`.
MERGED = """WITH RECURSIVE file (case_id) AS (
    VALUES (CAST(:case_id AS text)) UNION SELECT cases.id FROM cases JOIN file ON cases.merged_into = file.case_id
)"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as it is written to: which columns; by which of them a row is the same, and then overwritten. `key`
    empty: rows are only ever added."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ("id",)

    def once(self, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Rows of which no two are the same: the last one stands for those before it."""
        if not self.key:
            return list(rows)
        return list({tuple(row[name] for name in self.key): row for row in rows}.values())

    def insert(self) -> str:
        """The insert of the rows in the JSON array that is named as the table."""
        names = ", ".join(self.columns)
        rows = f"jsonb_populate_recordset(CAST(NULL AS {self.name}), CAST(:{self.name} AS jsonb))"
        insert = f"INSERT INTO {self.name} ({names}) SELECT {names} FROM {rows}"
        if not self.key:
            return insert
        changes = ", ".join(f"{name} = excluded.{name}" for name in self.columns if name not in self.key)
        return f"{insert} ON CONFLICT ({', '.join(self.key)}) DO UPDATE SET {changes}"


async def write(
    connection: AsyncConnection,
    rows: Sequence[tuple[Table, Sequence[Mapping[str, Any]]]],
    then: str = "SELECT NULL",
    asked: Mapping[str, Any] | None = None,
) -> Any:
    """Write rows of several tables in one round trip; of those that are the same row the last one stands. All are
    written at the same moment: none sees another, and references among them are checked at the end.

    In: rows by column name, without bytes other than in PostgreSQL's own form; `then`: what is asked with them, with
    these values, of what the statement found when it began. Out: its answer, one value (None: there is none).
    """
    inserts, values = [], dict(asked or {})
    for table, given in rows:
        if given:
            inserts.append(f"{table.name}_written AS ({table.insert()})")
            values[table.name] = dumps(table.once(given))
    if not inserts and asked is None:
        return None
    together = f"WITH {', '.join(inserts)} {then}" if inserts else then
    return (await connection.execute(text(together), values)).scalar()


def dumps(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as JSON that PostgreSQL reads. Raises `orjson.JSONEncodeError`."""
    return orjson.dumps(rows, default=_json, option=orjson.OPT_PASSTHROUGH_DATETIME).decode()


def _json(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a moment without its time zone")
        # As the driver would: a moment that no calendar has in UTC is refused here, and not when it is read.
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.days} days {value.seconds}.{value.microseconds:06d} seconds"
    raise TypeError(type(value).__name__)


def in_units(units: Units, column: str = "unit") -> str:
    """The condition (with AND) that a row lies in an area; nothing where the area is the whole province."""
    return "" if units == "all" else f"AND {column} = ANY(:units)"


def units_of(units: Units) -> dict[str, Any]:
    """The values that `in_units` needs."""
    return {} if units == "all" else {"units": sorted(units)}
