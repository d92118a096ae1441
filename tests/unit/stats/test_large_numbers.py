"""Sums are as large as they come: a campaign reaches more people in five years than 32 bits hold, and nothing fails."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text

from services.stats.domain.cells import Kind, key_of
from services.stats.domain.measures import Count, HistoryCell, Measure, Version
from services.stats.domain.periods import Period
from services.stats.store.checking import differences
from services.stats.store.chronicle import Chronicle, HistoryCells
from shared.database import Database
from shared.reference.indicators import Part
from tests.unit.stats import events as make
from tests.unit.stats.counted import rows_in
from tests.unit.stats.events import NOW, records
from tests.unit.stats.test_quality import asked, measured, take

MANY = 2_000_000_000
TODAY = date(2026, 11, 25)
REACHED = HistoryCell(Measure.PEOPLE_REACHED, (make.UNITS[0], "health", "campaign", "parents"))
# Whatever is no count: which of several, and when.
_NO_COUNTS = "('sequence', 'partition', 'edition', 'year', 'number', 'tries')"


async def test_people_reached_add_up_beyond_32_bits(database: Database) -> None:
    cells, chronicle = HistoryCells(), Chronicle()
    versions = [
        Version(Kind.ACTIVITY, key_of(f"a{number}"), 1, NOW, (Count(REACHED, TODAY, MANY),)) for number in range(3)
    ]
    async with database.transaction() as connection:
        ids = cells.ids([REACHED])
        await cells.store(connection, ids)
        await chronicle.record(connection, versions, ids)
    reached = Part("people-reached", "period", {})
    async with database.transaction() as connection:
        for code in ("2026-11-25", "2026-11", "2026"):
            [row] = await rows_in(connection, reached, period=Period.parse(code))
            assert row.n == 3 * MANY
    async with database.transaction() as connection:
        assert not any((await differences(connection)).values())


async def test_one_version_may_count_more_than_32_bits_hold(database: Database) -> None:
    cells, chronicle = HistoryCells(), Chronicle()
    async with database.transaction() as connection:
        ids = cells.ids([REACHED])
        await cells.store(connection, ids)
        version = Version(Kind.ACTIVITY, key_of("a"), 1, NOW, (Count(REACHED, TODAY, 2 * MANY),))
        assert await chronicle.record(connection, [version], ids) == 1


async def test_children_of_communes_add_up_beyond_32_bits(database: Database) -> None:
    await take(database, records([measured(unit, TODAY, 80, 2 * MANY) for unit in make.UNITS[:2]]))
    found = await asked(database)
    assert found is not None
    assert (found.children, found.score) == (4 * MANY, 80.0)


async def test_no_count_of_statistics_has_32_bits(database: Database) -> None:
    async with database.transaction() as connection:
        rows = await connection.execute(
            text(
                f"""SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'
                    AND udt_name IN ('int4', '_int4') AND column_name NOT IN {_NO_COUNTS}
                    AND table_name NOT IN ('inbox', 'outbox', 'parked', 'dead_letter')"""
            )
        )
        assert [tuple(row) for row in rows] == []
