"""Figures are compared with what they are made of, and a difference of one is found, wherever it is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.stats.store import snapshots
from services.stats.upkeep.checking import CHECK_EVERY, Upkeep
from shared.database import Database
from shared.telemetry import FIGURES_DIFFER
from tests.unit.stats import events as make
from tests.unit.stats.conftest import empty
from tests.unit.stats.counted import count, record
from tests.unit.stats.events import NOW, Event, histories, records

AGREED = {"cube": 0, "history": 0, "margins": 0, "past": 0, "kept": 0, "lanes": 0}
SOUND = [
    make.concern("c1", 1),
    make.case("k1", 1),
    make.task("t1", "k1", 2, make.cases.TaskRequested),
    make.deadline("d1", "k1", 3, "missed"),
    make.service("s1", "k1", 4),
    make.incident("i1", 1),
    make.child("ch1", 1, circumstances=["04", "01"]),
    make.linked("r1", "ch1", 1),
]


async def both(database: Database, history: Sequence[Event]) -> None:
    await count(database, [records(history)])
    await record(database, [records(history)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
async def test_both_ways_of_counting_agree_on_any_history_in_any_order(
    migrated: Database, history: list[Event], seed: int
) -> None:
    await empty(migrated)
    delivered = list(enumerate(history))
    random.Random(seed).shuffle(delivered)
    await count(migrated, [[event.record(offset) for offset, event in delivered]])
    await record(migrated, [[event.record(offset) for offset, event in delivered[::-1]]])
    assert await Upkeep(migrated, lambda: NOW).check() == AGREED


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("UPDATE cube SET n = n + 1 WHERE cell = (SELECT min(cell) FROM cube)", "cube"),
        ("DELETE FROM cube WHERE cell = (SELECT min(cell) FROM cube)", "cube"),
        ("UPDATE standing SET n = n - 1 WHERE months = 1 AND cell = (SELECT min(cell) FROM standing)", "history"),
        ("UPDATE standing SET n = n - 1 WHERE months = 12 AND cell = (SELECT min(cell) FROM standing)", "history"),
        ("DELETE FROM movement WHERE cell = (SELECT min(cell) FROM movement)", "history"),
        ("DELETE FROM fact WHERE kind = 2", "lanes"),
        ("DELETE FROM version WHERE kind = 5", "lanes"),
        *(
            (
                f"""UPDATE fact SET cell = (SELECT min(id) FROM cell WHERE kind = {kind} AND id <> fact.cell)
                    WHERE kind = {kind}""",
                "lanes",
            )
            for kind in (1, 2, 3, 4, 5, 7, 10)
        ),
    ],
)
async def test_a_difference_of_one_is_found(database: Database, damage: str, where: str) -> None:
    elsewhere = [
        make.concern("c1", 2, unit="05455"),
        make.case("k1", 5, unit="05455"),
        make.task("t1", "k1", 6, make.cases.TaskRequested, unit="05455"),
        make.deadline("d1", "k1", 7, "missed", unit="05455"),
        make.service("s1", "k1", 8, unit="05455"),
        make.incident("i1", 2, unit="05455"),
        make.child("ch1", 2, unit="05455"),
    ]
    await both(database, [*SOUND, *elsewhere])
    upkeep = Upkeep(database, lambda: NOW)
    assert await upkeep.check() == AGREED
    async with database.transaction() as connection:
        await connection.execute(text(damage))
    found = await upkeep.check()
    assert found is not None
    assert found[where] >= 1


async def test_history_that_is_behind_is_no_difference_but_what_both_know_must_agree(database: Database) -> None:
    await both(database, SOUND)
    await count(database, [records([make.case("k1", 9, unit="05455"), make.case("k2", 1)], 20)])
    upkeep = Upkeep(database, lambda: NOW)
    assert await upkeep.check() == AGREED
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE fact SET cell = NULL WHERE kind = 5"))
    found = await upkeep.check()
    assert found is not None
    assert found["lanes"] == 1


async def test_the_check_is_due_each_hour_and_its_last_result_is_shown_to_operators(database: Database) -> None:
    moment = NOW
    upkeep = Upkeep(database, lambda: moment)
    await both(database, SOUND)
    await upkeep.look_after()
    last = await upkeep.last_check()
    assert last is not None
    assert (last.at, last.found) == (NOW, AGREED)
    async with database.transaction() as connection:
        assert await snapshots.taken_at(connection) is not None
        await connection.execute(text("UPDATE cube SET n = n + 1 WHERE cell = (SELECT min(cell) FROM cube)"))
    await upkeep.look_after()
    assert FIGURES_DIFFER._value.get() == 0
    moment += CHECK_EVERY + timedelta(seconds=1)
    await upkeep.look_after()
    assert FIGURES_DIFFER._value.get() == 1
