"""Many rows at once come out as the same rows one by one: every table, every event, on samples and made-up rows."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.registry import imports
from services.registry.desk import Desk
from services.registry.desk.quality import settle_waiting
from services.registry.domain.children import Statement
from services.registry.imports import bulk
from services.registry.imports.bulk import same_content, take_over
from services.registry.store import children as store
from services.registry.store.nearby import Memory
from shared.contracts.vocabulary import ChildDescription, Person
from shared.database import Database
from shared.messaging.outbox import stable_id
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from tests.support import backends
from tests.support.backends import Backend
from tests.unit.registry.rosters import commune_roster, school_roster

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
MIGRATIONS = Path(imports.__file__).parents[1] / "migrations"
KEYS = Keys(b"m" * 32, PlatformKey(b"p" * 32))
# Everything but ids and moments of the row itself, put in an order that does not depend on them.
_TABLES = {
    "child": "SELECT * FROM child",
    "statement": "SELECT * FROM statement",
    "circumstance": "SELECT * FROM circumstance",
    "block": "SELECT key, child_id FROM block",
    "pair": """SELECT low, high, round(probability::numeric, 4)::text AS p, reasons, state, low_unit, high_unit
               FROM pair""",
    "history": "SELECT child_id, kind, actor, detail FROM history",
    "revision": "SELECT * FROM revision",
    "finding": "SELECT * FROM finding",
    "assessed": "SELECT * FROM assessed",
    "key": "SELECT kid FROM privacy_key",
    "outbox": "SELECT aggregatetype, aggregateid, type, payload, headers FROM outbox ORDER BY position",
}


async def one_by_one(connection: AsyncConnection, said: Sequence[Statement]) -> None:
    desk, scope = Desk(KEYS), Scope("registry", connection, NOW)
    for one in said:
        earlier = await store.statement(connection, one.record_id)
        if earlier is None or (not same_content(earlier[1], one) and earlier[1].as_of <= one.as_of):
            await desk.record(scope, one, correction=True, actor="dolisa")
    await scope.flush()


async def all_at_once(database: Database, said: Sequence[Statement], size: int) -> None:
    memory = Memory(500)  # so small that it forgets
    for begin in range(0, len(said), size):
        async with database.transaction() as connection:
            await take_over(connection, KEYS, said[begin : begin + size], NOW, actor="dolisa", memory=memory)


async def contents(connection: AsyncConnection) -> dict[str, list[str]]:
    """All tables with each child's id replaced by the record that founded it."""
    founders = await connection.execute(
        text("SELECT child_id, min(record_id::text) AS record FROM statement GROUP BY child_id")
    )
    names = {str(row.child_id): f"child of {row.record}" for row in founders}
    found: dict[str, list[str]] = {}
    for table, query in _TABLES.items():
        lines = [
            _named(orjson.dumps({k: _plain(v) for k, v in row._mapping.items()}, option=orjson.OPT_SORT_KEYS), names)
            for row in await connection.execute(text(query))
        ]
        found[table] = sorted(lines)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        document = orjson.loads(value)
        if isinstance(document.get("child"), dict):
            document["child"].pop("text")  # sealed under another key each time
        document.pop("wrapped", None)
        return document
    if isinstance(value, dict):
        return {name: part for name, part in value.items() if name not in {"ce_id"}}
    return value if isinstance(value, (str, int, float, bool, list, date, datetime, type(None))) else str(value)


def _named(line: bytes, names: dict[str, str]) -> str:
    plain = line.decode()
    for place in range(len(plain) - 36, -1, -1):
        if plain[place + 8 : place + 9] == "-" and (name := names.get(plain[place : place + 36])):
            plain = plain[:place] + name + plain[place + 36 :]
    return plain


@pytest.fixture(autouse=True)
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that rows are decided while those just before them are being written."""
    monkeypatch.setattr(bulk, "_PART", 7)


@pytest.fixture
async def two(backend: Backend) -> AsyncIterator[tuple[Database, Database]]:
    async with fresh(backend) as one, fresh(backend) as other:
        yield one, other


@asynccontextmanager
async def fresh(backend: Backend) -> AsyncIterator[Database]:
    async with backends.database(backend.admin_url) as url:
        database = Database(url)
        await database.migrate(MIGRATIONS)
        yield database
        await database.close()


async def same(two: tuple[Database, Database], said: Sequence[Statement], size: int) -> dict[str, list[str]]:
    one, other = two
    async with one.transaction() as connection:
        await one_by_one(connection, said)
    await all_at_once(other, said, size)
    for database in two:
        async with database.transaction() as connection:
            while await settle_waiting(Scope("registry", connection, NOW)):
                pass
    async with one.transaction() as connection, other.transaction() as beside:
        expected, found = await contents(connection), await contents(beside)
    for table, lines in expected.items():
        assert lines == found[table], table
    return found


async def test_the_sample_rosters_come_out_the_same(two: tuple[Database, Database]) -> None:
    said = [statement for _, statement in commune_roster()[:700]] + school_roster()[:500]
    found = await same(two, said, 173)
    assert len(found["child"]) > 600


async def test_an_older_list_does_not_replace_what_the_source_said_later(two: tuple[Database, Database]) -> None:
    later = made_up(random.Random(2), 1)
    older = replace(
        later,
        as_of=later.as_of - timedelta(days=1),
        description=later.description.model_copy(update={"name": "Tên Ngày Trước"}),
    )
    memory = Memory(500)
    async with two[0].transaction() as connection:
        await take_over(connection, KEYS, [later], NOW, actor="dolisa", memory=memory)
    async with two[0].transaction() as connection:
        before = await contents(connection)
        (outcome,) = await take_over(connection, KEYS, [older], NOW, actor="dolisa", memory=memory)
        assert outcome.what == "superseded"
        assert await contents(connection) == before


async def test_a_row_that_cannot_be_decided_leaves_the_connection_free(
    two: tuple[Database, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = [made_up(random.Random(number), number) for number in range(40)]
    decide, done = bulk._record, 0

    async def failing(*args: Any) -> Any:
        nonlocal done
        done += 1
        if done == 12:  # the rows before are being written
            raise ConnectionError("no")
        return await decide(*args)

    monkeypatch.setattr(bulk, "_record", failing)
    with pytest.raises(ConnectionError):
        await all_at_once(two[0], said, 40)
    monkeypatch.setattr(bulk, "_record", decide)
    await all_at_once(two[0], said, 40)
    async with two[0].transaction() as connection:
        assert (await contents(connection))["statement"]


@pytest.mark.parametrize("seed", range(4))
async def test_made_up_rosters_with_twins_corrections_and_moves_come_out_the_same(
    two: tuple[Database, Database], seed: int
) -> None:
    dice = random.Random(seed)
    said = [made_up(dice, number) for number in range(300)]
    found = await same(two, said, dice.choice([7, 40, 300]))
    assert found["revision"]
    assert any('"arrived_from":"05' in line for line in found["child"])
    assert any('"conflicts":[{' in line for line in found["child"])
    assert found["pair"]


def made_up(dice: random.Random, number: int) -> Statement:
    """A row out of so few names and days that rows collide in every way: same child, twin, namesake, correction."""
    record = number if dice.random() < 0.6 else dice.randrange(number + 1)
    name = " ".join(
        dice.choice(part) for part in (("Nguyễn", "Hoàng"), ("Thị", "Văn", "Ngọc"), ("Lan", "Hùng", "Linhx"))
    )
    groups = tuple(sorted({dice.choice(("04", "01")) for _ in range(dice.randrange(3))}))
    description = ChildDescription(
        name=name,
        birth_date=None
        if dice.random() < 0.1
        else date(2015 + dice.randrange(2), dice.randrange(1, 4), dice.randrange(1, 5)),
        age=9 if dice.random() < 0.1 else None,
        sex=dice.choice(("female", "male", "unknown")),
        number=f"0192160000{dice.randrange(30):02d}" if dice.random() < 0.3 else None,
        carers=[Person(name=dice.choice(("Lý Thị Thu", "Ma Văn Bình", "Đỗ Thị Hà")))] if dice.random() < 0.8 else [],
        school=dice.choice((None, "Tiểu học Quang Trung")),
    )
    kind = dice.choice(("commune-roster", "school-roster", "health-record"))
    said = Statement(
        record_id=stable_id("made-up", str(record)),
        register_kind="commune-roster",
        sector="dolisa",
        as_of=date(2026, dice.randrange(8, 11), 1),
        description=description,
        unit=dice.choice((None, "05443", "05446")),
        circumstances=groups,
    )
    return replace(said, register_kind=kind, dropped_out=kind == "school-roster" and dice.random() < 0.3)  # type: ignore[arg-type]
