"""The counts held in memory are always those of the database, however transactions overlap and tables change."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.stats.domain.board import What, Who
from services.stats.store.counts import Counts
from services.stats.store.cube import CHANNEL, LIVE
from shared.database import Database
from shared.web.i18n import ZONE
from tests.unit.stats import events as make
from tests.unit.stats.conftest import empty
from tests.unit.stats.counted import count
from tests.unit.stats.events import NOW, histories, records


async def refreshed(counts: Counts, database: Database, now: datetime = NOW) -> dict[tuple[Who, What], int]:
    async with database.transaction() as connection:
        await counts.refresh(connection, now.astimezone(ZONE))
    return dict(counts)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), size=st.integers(1, 7))
async def test_what_changed_added_to_what_was_known_is_what_there_is(
    migrated: Database, history: list[make.Event], size: int
) -> None:
    await empty(migrated)
    counts = Counts()
    read = records(history)
    for at in range(0, len(read), size):
        await count(migrated, [read[at : at + size]])
        assert await refreshed(counts, migrated) == await refreshed(Counts(), migrated)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), size=st.integers(1, 7))
async def test_each_transaction_tells_the_cells_that_it_changed_and_no_other_needs_to_be_looked_at(
    migrated: Database, history: list[make.Event], size: int
) -> None:
    await empty(migrated)
    counts, told = Counts(), Told()
    now = NOW.astimezone(ZONE)
    await refreshed(counts, migrated)
    read = records(history)
    async with told.hearing(migrated):
        for at in range(0, len(read), size):
            await count(migrated, [read[at : at + size]], announce=True)
            async with migrated.statement() as connection:
                await counts.refresh_cells(connection, now, await told.cells())
            assert dict(counts) == await refreshed(Counts(), migrated)


async def test_of_very_many_changed_cells_it_is_only_told_that_there_are_some(database: Database) -> None:
    told = Told()
    async with told.hearing(database):
        many = [make.case(f"k{at}", 1, kind=f"kind-{at}") for at in range(400)]
        await count(database, [records(many)], announce=True)
        await told.cells()
        assert told.said == [""]
        # Once more it changes nothing, and nobody is woken.
        await count(database, [records(many)], announce=True)
        await told.cells()
        assert told.said == [""]


class Told:
    """What transactions tell whoever listens."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @asynccontextmanager
    async def hearing(self, database: Database) -> AsyncIterator[None]:
        dsn = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn)
        await connection.add_listener(CHANNEL, lambda *said: self.said.append(str(said[-1])))
        self._connection = connection
        yield
        await connection.close()

    async def cells(self) -> set[int]:
        # What a connection is told comes before its next answer.
        await self._connection.execute("SELECT 1")
        return {int(cell) for said in self.said for cell in said.split(",") if cell}


async def test_a_transaction_that_ends_after_a_younger_one_is_not_missed(database: Database) -> None:
    counts = Counts()
    await count(database, [records([make.case("k1", 1)]), records([make.case("k2", 1, unit="05455")], 10)])
    one_more = text("UPDATE cube SET n = n + 1 WHERE cell = (SELECT id FROM cell WHERE kind = 2 AND unit = :unit)")
    async with database.transaction() as slow:
        await slow.execute(one_more, {"unit": "05455"})
        async with database.transaction() as quick:
            await quick.execute(one_more, {"unit": "05443"})
        before = await refreshed(counts, database)
        assert sum(before.values()) == 3
    assert sum((await refreshed(counts, database)).values()) == 4
    assert await refreshed(counts, database) == await refreshed(Counts(), database)


async def test_a_rebuilt_table_and_a_new_day_are_counted_whole(database: Database) -> None:
    counts = Counts()
    await count(database, [records([make.case("k1", 1), make.concern("c1", 1)])])
    first = await refreshed(counts, database)
    assert {what.what for _, what in first} == {1, 2, 9}
    async with database.transaction() as connection:
        # As the swap of a rebuild does it; what is in the other table is older than the last look.
        await connection.execute(text("CREATE TABLE other (LIKE cube INCLUDING ALL)"))
        await connection.execute(text("INSERT INTO other SELECT cell, n * 5 FROM cube"))
    await refreshed(counts, database)
    async with database.transaction() as connection:
        await connection.execute(text(f"DROP TABLE {LIVE}.cube"))
        await connection.execute(text("ALTER TABLE other RENAME TO cube"))
    assert await refreshed(counts, database) == {group: n * 5 for group, n in first.items()}
    tomorrow = await refreshed(counts, database, NOW + timedelta(days=1))
    assert {what.what for _, what in tomorrow} == {1, 2}
