"""Where what is known comes from, as JSON in a column and back: a source stands once, with the fields it gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import orjson

from services.registry.domain.children import Claim, Conflict, Mark, Source


def packed_sources(sources: Mapping[str, Source]) -> str:
    """For the column `sources`."""
    rows: dict[tuple[str, date], dict[str, Any]] = {}
    for name, source in sources.items():
        row = rows.setdefault(
            (source.record_id, source.as_of),
            {
                "record_id": source.record_id,
                "register_kind": source.register_kind,
                "sector": source.sector,
                "as_of": source.as_of,
                "fields": {},
            },
        )
        row["fields"][name] = [source.verified_on, source.verified_by] if source.verified_on else None
    return orjson.dumps(list(rows.values())).decode()


def sources_of(column: Iterable[Mapping[str, Any]]) -> dict[str, Source]:
    """From the column `sources`, by field."""
    found: dict[str, Source] = {}
    for row in column:
        for name, act in row["fields"].items():
            on, by = act or (None, None)
            found[name] = Source(
                record_id=row["record_id"],
                register_kind=row["register_kind"],
                sector=row["sector"],
                as_of=date.fromisoformat(row["as_of"]),
                verified_on=date.fromisoformat(on) if on else None,
                verified_by=by,
            )
    return found


def packed_conflicts(conflicts: Sequence[Conflict]) -> str:
    """For the column `conflicts`."""
    return orjson.dumps(conflicts).decode()


def conflicts_of(column: Iterable[Mapping[str, Any]]) -> tuple[Conflict, ...]:
    """From the column `conflicts`."""
    return tuple(
        Conflict(
            row["field"],
            tuple(Claim(**{**claim, "as_of": date.fromisoformat(claim["as_of"])}) for claim in row["claims"]),
        )
        for row in column
    )


def packed_marks(marks: Mapping[str, Mark]) -> str:
    """For a statement's column `marks`."""
    return orjson.dumps(marks).decode()


def marks_of(column: Mapping[str, Mapping[str, Any]]) -> dict[str, Mark]:
    """From a statement's column `marks`."""
    return {name: Mark(**{**said, "on": date.fromisoformat(said["on"])}) for name, said in column.items()}
