"""What a rebuild gathers of many batches gives the figures of counting them one by one, and is written seldom."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats import handlers
from services.stats.domain.cells import Said
from services.stats.handlers.counting import Counting
from services.stats.handlers.decoding import said_by
from services.stats.handlers.gathering import Gathering, UnstorableError
from services.stats.store.cube import Ledger
from shared.database import Database
from shared.messaging.processing import Record
from shared.privacy import Keys, PlatformKey
from tests.unit.stats import events as make
from tests.unit.stats.conftest import empty
from tests.unit.stats.counted import cube, delivered
from tests.unit.stats.events import NOW, Event, histories, records
from tests.unit.stats.recount import recount

_MANY = "services.stats.handlers.gathering._MANY"


async def _ours(_: AsyncConnection) -> None:
    """The tables stay ours."""


def _gathering(database: Database, hold: Callable[[AsyncConnection], Awaitable[None]] = _ours) -> Gathering:
    keys = Keys(bytes(32), PlatformKey(bytes(range(32))))
    counting = Counting(database, keys, lambda: NOW, ledger=Ledger(collecting=True), buries=False)
    return Gathering(database, lambda: NOW, counting, hold)


async def _take(gathering: Gathering, some: Sequence[Record], piece: int = 3) -> None:
    batch = gathering.begin()
    for at in range(0, len(some), piece):
        batch.take(some[at : at + piece])
    await gathering.handle(await batch.whole())


async def _derive(database: Database, gathering: Gathering) -> None:
    async with database.transaction() as connection:
        await gathering.derive(connection)


async def _count(database: Database, table: str) -> int:
    async with database.transaction() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
async def test_any_order_duplication_and_division_gives_the_cube_of_a_recount(
    migrated: Database, history: list[Event], seed: int
) -> None:
    await empty(migrated)
    chance = random.Random(seed)
    told = delivered(history, chance)
    before, after = told[: len(told) // 2], told[len(told) // 2 :]
    gathering = _gathering(migrated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_MANY, chance.choice([1, 4, 1000]))
        for at in range(0, len(before), 7):
            await _take(gathering, records(before)[at : at + 7], chance.randrange(1, 8))
        await _derive(migrated, gathering)
        # From then on each counts as it comes.
        for at in range(0, len(after), 7):
            await _take(gathering, records(after)[at : at + 7])
    assert await cube(migrated) == recount(history)


async def test_of_each_thing_only_what_is_newest_is_written_and_not_before_there_are_many(database: Database) -> None:
    history = [make.case(f"k{number}", sequence) for sequence in (1, 2, 3) for number in range(10)]
    gathering = _gathering(database)
    for at in range(0, 30, 10):
        await _take(gathering, records(history)[at : at + 10])
    assert await _count(database, "fact") == await _count(database, "progress") == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_MANY, 11)
        await _take(gathering, records([make.case("k10", 1), make.case("k3", 4)]))
        assert await _count(database, "fact") == 11
        # What was written is let go of: two more are not many again.
        await _take(gathering, records([make.case("k11", 1), make.case("k12", 1)]))
    assert await _count(database, "fact") == 11
    await _derive(database, gathering)
    assert await _count(database, "fact") == 13
    assert await _count(database, "progress") == 1


async def test_what_comes_while_it_is_written_is_not_lost(database: Database) -> None:
    history = records([make.case(f"k{number}", 1) for number in range(30)])
    gathering = _gathering(database)
    first, second = gathering.begin(), gathering.begin()
    first.take(history[:10])
    second.take(history[10:20])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_MANY, 1)
        await gathering.handle(await first.whole())
    second.take(history[20:])
    await gathering.handle(await second.whole())
    await _derive(database, gathering)
    assert await _count(database, "fact") == 30


async def test_what_could_not_be_read_when_it_came_is_read_once_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = [make.case(f"k{number}", 1) for number in range(30)]
    failing = [True]

    def once(record: Record) -> tuple[Said, str]:
        if record.offset == 5 and failing:
            failing.pop()
            raise MemoryError
        return said_by(record)

    monkeypatch.setattr(handlers.counting, "said_by", once)
    gathering = _gathering(database)
    await _take(gathering, records(history), 10)
    assert not failing
    await _derive(database, gathering)
    assert await cube(database) == recount(history)


async def test_what_the_database_cannot_store_is_said_and_nothing_of_it_is_written(database: Database) -> None:
    good, bad = records([make.case("k1", 1), make.case("k2", 1)])
    assert bad.value is not None
    value = bad.value.replace(b'"unit":"05443"', b'"unit":"\\u0000"')
    gathering = _gathering(database)
    await _take(gathering, [good, Record(bad.topic, 0, 1, "k2", value, bad.headers)])
    with pytest.raises(UnstorableError):
        await _derive(database, gathering)
    assert await _count(database, "fact") == await _count(database, "progress") == 0


async def test_nothing_is_written_into_tables_that_became_anothers(database: Database) -> None:
    class LostError(Exception):
        pass

    async def lost(_: AsyncConnection) -> None:
        raise LostError

    gathering = _gathering(database, lost)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_MANY, 1)
        with pytest.raises(LostError):
            await _take(gathering, records([make.case("k1", 1)]))
    assert await _count(database, "fact") == 0
