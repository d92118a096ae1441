"""What a chunk changed, and how it is written: by COPY where it is new, by one statement where it was there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry.domain.children import Known, Statement
from services.registry.domain.lifecycle import Life
from services.registry.domain.matching import Match
from services.registry.store import lifecycle, pairs
from services.registry.store.children import ChildRow, known_values, statement_values
from services.registry.store.nearby import Tables
from shared.database.copying import copy_rows

_KNOWN = (
    "unit", "birth_date", "birth_year", "name_folded", "carers_folded", "description",
    "circumstances", "confirmed_on", "sources", "conflicts",
)  # fmt: skip
# What a revision keeps of the child's columns.
_KEPT = ("unit", "birth_year", "confirmed_on", "description", "circumstances", "sources")
_REVISION = ("child_id", "number", "at", "actor", "cause", "reason", *_KEPT, "status", "state")
_STATEMENT = {
    "record_id": "record_id", "register_kind": "register_kind", "sector": "sector", "as_of": "as_of", "unit": "s_unit",
    "unit_text": "unit_text", "description": "s_description", "circumstances": "s_circumstances",
    "dropped_out": "dropped_out", "sequence": "s_sequence", "probability": "probability", "marks": "marks",
}  # fmt: skip
_TOLD_ON_AGAIN = ", ".join(
    f"{name} = excluded.{name}"
    for name in ("child_id", *_STATEMENT, "received_at")
    if name not in {"record_id", "register_kind", "sector"}
)


@dataclass(frozen=True, slots=True)
class Packed:
    """A child's columns (`known_values`), worked out before: right for as long as this very thing is known of it."""

    known: Known
    columns: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """What was known of a child until a change: the revision's number, the child before it, when, by whom and why."""

    number: int
    before: ChildRow
    at: datetime
    actor: str
    cause: str
    reason: str | None


@dataclass(slots=True)
class Changes:
    """What is held back.

    `new`, `changed`: children. `said`: each record's last statement, its child and when it was received; `restated`:
    the records that were there before. `since`: circumstances that statements told of. `arrived`: how a
    record stands that has come from another commune, when, on which day and whence.
    """

    new: list[str] = field(default_factory=list)
    changed: dict[str, None] = field(default_factory=dict)
    said: dict[str, tuple[str, Statement, datetime]] = field(default_factory=dict)
    restated: set[str] = field(default_factory=set)
    since: dict[tuple[str, str], tuple[str, Statement]] = field(default_factory=dict)
    blocks: dict[tuple[int, str], None] = field(default_factory=dict)
    history: list[tuple[str, datetime, str, str, Mapping[str, object]]] = field(default_factory=list)
    revisions: list[Version] = field(default_factory=list)
    arrived: dict[str, tuple[Life, datetime, date, str]] = field(default_factory=dict)
    pairs: list[tuple[str, tuple[Match, ...]]] = field(default_factory=list)

    def put(self, child_id: str, statement: Statement, now: datetime, *, restated: bool) -> None:
        """A statement, with the circumstances it tells of and no others."""
        record_id = statement.record_id
        if restated and record_id not in self.said:
            self.restated.add(record_id)
        for place in [(record_id, code) for (record, code) in self.since if record == record_id]:
            if place[1] not in statement.groups:
                del self.since[place]
        for code in statement.groups:
            first = self.since.get((record_id, code), (child_id, statement))[1]
            self.since[record_id, code] = (child_id, first)
        self.said[record_id] = (child_id, statement, now)


async def write(
    connection: AsyncConnection,
    changes: Changes,
    rows: Mapping[str, ChildRow],
    now: datetime,
    packed: Mapping[str, Mapping[str, Any]],
    rehearsed: Tables | None = None,
) -> int:
    """Write everything.

    Args:
        rows: the new and changed children as they are now. packed: the columns of some of them (`known_values`), by id.
        rehearsed: where new children and their keys go instead, and nothing else goes anywhere.
    Out: the version (`xmin`) that rows have which this transaction wrote.
    """
    version = (await connection.execute(text("SELECT pg_current_xact_id()::xid::text"))).scalar_one()
    place = rehearsed or Tables()
    new = [rows[child_id] for child_id in changes.new]
    await _children(connection, place.child, new, now, packed)
    fresh = set(changes.new)
    await copy_rows(connection, place.block, ("key", "child_id"), [pair for pair in changes.blocks if pair[1] in fresh])
    if rehearsed is None:
        await _update(connection, [rows[child_id] for child_id in changes.changed], now, packed)
        await _statements(connection, changes)
        await _circumstances(connection, changes)
        await _blocks(connection, [pair for pair in changes.blocks if pair[1] not in fresh])
        await _rest(connection, changes, now)
    return int(version)


async def _children(
    connection: AsyncConnection,
    table: str,
    rows: Sequence[ChildRow],
    now: datetime,
    packed: Mapping[str, Mapping[str, Any]],
) -> None:
    columns = ("id", "sequence", *_KNOWN, "registered_at", "changed_at")
    values = [packed.get(row.id) or known_values(row.known) for row in rows]
    written = (
        (row.id, row.sequence, *map(known.__getitem__, _KNOWN), row.registered_at, now)
        for row, known in zip(rows, values, strict=True)
    )
    await copy_rows(connection, table, columns, written)


async def _update(
    connection: AsyncConnection, rows: Sequence[ChildRow], now: datetime, packed: Mapping[str, Mapping[str, Any]]
) -> None:
    if not rows:
        return
    await _stage(connection, "child")
    await _children(connection, "staged_child", rows, now, packed)
    taken_over = ", ".join(f"{name} = s.{name}" for name in ("sequence", *_KNOWN, "changed_at"))
    await connection.execute(text(f"UPDATE child SET {taken_over} FROM staged_child s WHERE child.id = s.id"))


async def _statements(connection: AsyncConnection, changes: Changes) -> None:
    columns = (*_STATEMENT, "child_id", "received_at")
    fresh: list[tuple[Any, ...]] = []
    again: list[tuple[Any, ...]] = []
    for record_id, (child_id, said, received) in changes.said.items():
        values = statement_values(said)
        row = (*(values[key] for key in _STATEMENT.values()), child_id, received)
        (again if record_id in changes.restated else fresh).append(row)
    await copy_rows(connection, "statement", columns, fresh)
    if again:
        await _stage(connection, "statement")
        await copy_rows(connection, "staged_statement", columns, again)
        await connection.execute(
            text(
                f"""INSERT INTO statement SELECT * FROM staged_statement
                    ON CONFLICT (record_id) DO UPDATE SET {_TOLD_ON_AGAIN}"""
            )
        )


async def _circumstances(connection: AsyncConnection, changes: Changes) -> None:
    withdrawn = [
        {"record_id": record_id, "groups": list(changes.said[record_id][1].groups)} for record_id in changes.restated
    ]
    if withdrawn:
        await connection.execute(
            text(
                """DELETE FROM circumstance
                   WHERE record_id = CAST(:record_id AS uuid) AND code <> ALL(CAST(:groups AS text[]))"""
            ),
            withdrawn,
        )
    told = [
        {"record_id": record_id, "code": code, "child_id": child_id, "since": said.as_of, "sector": said.sector}
        for (record_id, code), (child_id, said) in changes.since.items()
    ]
    if told:
        await connection.execute(
            text(
                """INSERT INTO circumstance (record_id, code, child_id, since, sector)
                   VALUES (CAST(:record_id AS uuid), :code, CAST(:child_id AS uuid), :since, :sector)
                   ON CONFLICT (record_id, code) DO UPDATE SET child_id = excluded.child_id"""
            ),
            told,
        )


async def _blocks(connection: AsyncConnection, filed: Sequence[tuple[int, str]]) -> None:
    if filed:
        await connection.execute(
            text(
                """INSERT INTO block (key, child_id)
                   SELECT key, child_id FROM unnest(CAST(:keys AS bigint[]), CAST(:ids AS uuid[])) AS f(key, child_id)
                   ON CONFLICT DO NOTHING"""
            ),
            {"keys": [key for key, _ in filed], "ids": [child_id for _, child_id in filed]},
        )


async def _rest(connection: AsyncConnection, changes: Changes, now: datetime) -> None:
    history = [
        (child_id, at, kind, actor, orjson.dumps(detail).decode())
        for child_id, at, kind, actor, detail in changes.history
    ]
    await copy_rows(connection, "history", ("child_id", "at", "kind", "actor", "detail"), history)
    await copy_rows(connection, "revision", _REVISION, [_revision(version) for version in changes.revisions])
    for child_id, (life, at, on, whence) in changes.arrived.items():
        await lifecycle.arrive(connection, child_id, life, at, on, whence)
    for child_id, matches in changes.pairs:
        await pairs.put_pairs(connection, child_id, matches, now)


def _revision(version: Version) -> tuple[Any, ...]:
    row = version.before
    values = known_values(row.known)
    return (
        row.id, version.number, version.at, version.actor, version.cause, version.reason,
        *(values[name] for name in _KEPT), row.known.status, row.known.state,
    )  # fmt: skip


async def _stage(connection: AsyncConnection, table: str) -> None:
    await connection.execute(
        text(f"CREATE TEMPORARY TABLE IF NOT EXISTS staged_{table} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP")
    )
    await connection.execute(text(f"TRUNCATE staged_{table}"))
