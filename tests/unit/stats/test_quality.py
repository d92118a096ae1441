"""How good records are, beside the figures: the registry's word of each day, whatever order it comes in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from services.stats.domain.cells import UnitQuality, latest_qualities
from services.stats.handlers.counting import Batch, apply
from services.stats.store.cube import Cells, Ledger
from services.stats.store.quality import Quality, quality_by_unit, quality_of
from shared.contracts.registry import QualityMeasured
from shared.database import Database
from shared.messaging.processing import Record
from tests.unit.stats.events import Event, records

TODAY = date(2026, 11, 25)


def measured(unit: str, on: date, score: float, children: int = 100, times: int = 1) -> Event:
    data = QualityMeasured(unit=unit, on=on, children=children, verified=children // 2, due=1, score=score)
    return Event(data, unit, on.toordinal() * 2000 + times)


async def take(database: Database, batch: Sequence[Record]) -> None:
    async with database.transaction() as connection:
        changed = await apply(connection, await Batch.read(batch, Cells()), Cells(), Ledger())
    assert not changed.broken


async def asked(database: Database, units: frozenset[str] | None = None) -> Quality | None:
    async with database.transaction() as connection:
        return await quality_of(connection, units, TODAY)


async def test_scores_of_communes_are_the_mean_of_their_children(database: Database) -> None:
    assert await asked(database) is None
    await take(database, records([measured("05443", TODAY, 90, 300), measured("05455", TODAY, 50, 100)]))
    found = await asked(database)
    assert found is not None
    assert (found.score, found.verified, found.children, found.measured_on) == (80.0, 0.5, 400, TODAY)
    own = await asked(database, frozenset({"05455"}))
    assert own is not None
    assert own.score == 50.0
    assert await asked(database, frozenset({"02176"})) is None


async def test_order_and_duplicates_change_nothing_and_the_last_word_of_a_day_stands(database: Database) -> None:
    days = [TODAY - timedelta(days=back) for back in range(5)]
    events = [measured("05443", day, 50 + at, times=times) for at, day in enumerate(days) for times in (1, 2)]
    events.append(measured("05443", TODAY, 99, times=3))
    told = records(events) * 2
    random.Random(5).shuffle(told)
    for at in range(0, len(told), 3):
        await take(database, told[at : at + 3])
    found = await asked(database)
    assert found is not None
    assert list(found.scores) == [54, 53, 52, 51, 99]


async def test_a_commune_that_was_not_measured_on_a_day_counts_as_it_was_before(database: Database) -> None:
    yesterday = TODAY - timedelta(days=1)
    await take(database, records([measured("05443", yesterday, 40), measured("05455", yesterday, 60)]))
    await take(database, records([measured("05443", TODAY, 80)], 5))
    found = await asked(database)
    assert found is not None
    assert list(found.scores) == [50.0, 70.0]


async def test_old_days_go_and_the_table_does_not_grow_for_ever(database: Database) -> None:
    long_ago = TODAY - timedelta(days=900)
    await take(database, records([measured("05443", long_ago, 40)]))
    await take(database, records([measured("05443", TODAY, 80)], 5))
    await take(database, records([measured("05443", TODAY + timedelta(days=1), 80)], 9))
    async with database.transaction() as connection:
        kept = await connection.exec_driver_sql("SELECT day FROM quality ORDER BY day")
        assert [row.day for row in kept] == [TODAY, TODAY + timedelta(days=1)]


async def test_the_hour_is_that_of_the_last_word_of_the_day(database: Database) -> None:
    at = datetime(2026, 11, 24, 22, 31, tzinfo=UTC)
    first, last = (
        Event(
            QualityMeasured(unit="05443", on=TODAY, measured_at=when, children=10, verified=1, due=0, score=90),
            "05443",
            TODAY.toordinal() * 2000 + times,
        )
        for times, when in ((1, at - timedelta(hours=5)), (2, at))
    )
    await take(database, records([last, first]))
    found = await asked(database)
    assert found is not None
    assert found.measured_at == at
    assert found.as_json()["measured_at"] == at.isoformat()
    async with database.transaction() as connection:
        (commune,) = await quality_by_unit(connection, None, TODAY)
    assert (commune.day, commune.at) == (TODAY, at)


def test_the_newest_of_a_day_is_taken_from_a_batch() -> None:
    one = UnitQuality("05443", TODAY, 1, 10, 5, 0, 50.0)
    later = one._replace(sequence=2, score=60.0)
    assert latest_qualities([later, one]) == [later]
