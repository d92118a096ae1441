"""How statements are made: upserts from a dataclass's fields, and the area that somebody sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

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


def upsert(
    table: str, columns: Sequence[str], more: Sequence[str] = (), json: Sequence[str] = (), key: Sequence[str] = ("id",)
) -> str:
    """An insert of named values that overwrites the row of the same `key`. `json`: columns given as JSON text."""
    names = (*columns, *more)
    values = ", ".join(f"CAST(:{name} AS jsonb)" if name in json else f":{name}" for name in names)
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key)
    insert = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"
    return f"{insert} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def in_units(units: Units, column: str = "unit") -> str:
    """The condition (with AND) that a row lies in an area; nothing where the area is the whole province."""
    return "" if units == "all" else f"AND {column} = ANY(:units)"


def units_of(units: Units) -> dict[str, Any]:
    """The values that `in_units` needs."""
    return {} if units == "all" else {"units": sorted(units)}
