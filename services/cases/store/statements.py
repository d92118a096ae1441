"""How statements are made: upserts from a dataclass's fields, and the area that somebody sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

Units = frozenset[str] | Literal["all"]

# The condition (with AND) that nobody excluded `:reader` from a case for a conflict of interest.
NOT_KEPT_OUT = """AND NOT EXISTS (SELECT 1 FROM member AS kept_out WHERE kept_out.case_id = cases.id
                  AND kept_out.person = :reader AND kept_out.state <> 'member' AND kept_out.cause = 'excluded')"""


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
