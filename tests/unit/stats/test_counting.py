"""Counts are exact whatever happens to events on their way: order, duplicates, batches, crashes, two replicas."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.stats import handlers
from services.stats.domain.cells import Kind, Said
from services.stats.handlers.counting import Batch, Counting, apply
from services.stats.handlers.decoding import READINGS, said_by
from services.stats.store.cube import Cells, Ledger
from shared.contracts import cases
from shared.contracts.base import CONTRACTS
from shared.database import Database
from shared.messaging.processing import Record
from shared.privacy import Keys, PlatformKey
from tests.unit.stats import events as make
from tests.unit.stats.conftest import empty
from tests.unit.stats.counted import count, cube, delivered, divided
from tests.unit.stats.events import NOW, Event, histories, records
from tests.unit.stats.recount import recount


@pytest.fixture
def counting(database: Database) -> Counting:
    keys = Keys(bytes(32), PlatformKey(bytes(range(32))))
    return Counting(database, keys, lambda: NOW)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
async def test_any_order_duplication_and_division_into_batches_gives_the_cube_of_a_recount(
    migrated: Database, history: list[Event], seed: int
) -> None:
    await empty(migrated)
    chance = random.Random(seed)
    await count(migrated, divided(records(delivered(history, chance)), chance))
    assert await cube(migrated) == recount(history)


def _history() -> list[Event]:
    """Reports, cases that move, records of children of whom some are merged."""
    chance = random.Random(7)
    history = [
        event
        for number in range(150)
        for event in (
            make.concern(f"c{number}", 1, unit=chance.choice(make.UNITS)),
            make.case(f"k{number}", 1, unit=chance.choice(make.UNITS)),
            make.linked(f"r{number}", f"ch{number % 40}", 1, chance.choice(["commune-roster", "school-roster"])),
            make.case(f"k{number}", 2, unit=chance.choice(make.UNITS)),
        )
    ]
    history += [make.merge(f"ch{number}", f"ch{number + 20}", 1) for number in range(20)]
    return history


async def test_two_replicas_that_get_the_same_events_in_opposite_order_count_each_once(database: Database) -> None:
    history = _history()
    forward = records(history)
    backward = forward[::-1]
    await asyncio.gather(
        *(
            count(database, [side[at : at + 37] for at in range(0, len(side), 37)])
            for side in (forward, backward, forward[200:] + forward[:200])
        )
    )
    assert await cube(database) == recount(history)


async def test_a_batch_whose_transaction_is_lost_counts_when_it_comes_again(database: Database) -> None:
    history = [make.concern("c1", 1), make.linked("r1", "ch1", 1)]
    cells, ledger = Cells(), Ledger()

    async def crash() -> None:
        async with database.transaction() as connection:
            await apply(connection, await Batch.read(records(history), cells), cells, ledger)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await crash()
    assert await cube(database) == Counter()
    async with database.transaction() as connection:
        await apply(connection, await Batch.read(records(history), cells), cells, ledger)
    assert await cube(database) == recount(history)


async def test_facts_that_are_only_kept_sum_up_to_the_cube_that_they_would_have_counted(database: Database) -> None:
    history = _history()
    cells, ledger = Cells(), Ledger(collecting=True)
    await _apply(database, records(history[:400]), cells, ledger)
    assert {word for word, *_ in await cube(database)} <= {"membership"}
    async with database.transaction() as connection:
        await ledger.derive(connection)
    assert await cube(database) == recount(history[:400])
    # Also where it was derived before, and as more comes.
    async with database.transaction() as connection:
        await ledger.derive(connection)
    await _apply(database, records(history[350:]), cells, ledger)
    assert await cube(database) == recount(history)


async def test_cells_that_the_database_holds_already_are_not_sent_again(database: Database) -> None:
    history = records(_history())
    await _apply(database, history, Cells(), Ledger())
    cells = Cells()
    async with database.transaction() as connection:
        await cells.learn(connection)
    sent = (await Batch.read(history, cells)).new_cells.values()
    # Of sets of registers there are few: they come along with every batch that says whose a record is.
    assert {cell.kind for cell in sent} == {Kind.MEMBERSHIP}


async def test_what_could_not_be_read_when_it_came_is_read_once_more_and_nothing_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = _history()
    failing = [True, True]

    def once(record: Record) -> tuple[Said, str]:
        if record.offset == 20 and failing:
            failing.pop()
            raise MemoryError
        return said_by(record)

    monkeypatch.setattr(handlers.counting, "said_by", once)
    cells = Cells()
    batch = Batch(cells)
    batch.take(records(history)[:30])
    batch.take(records(history)[30:])
    async with database.transaction() as connection:
        await apply(connection, await batch.whole(), cells, Ledger())
    assert len(batch.records) == len(history)
    assert await cube(database) == recount(history)


async def _apply(database: Database, some: Sequence[Record], cells: Cells, ledger: Ledger) -> None:
    async with database.transaction() as connection:
        await apply(connection, await Batch.read(some, cells), cells, ledger)


async def test_a_case_that_is_moved_and_reclassified_is_counted_where_it_is_now(database: Database) -> None:
    await count(database, [records([make.case("k1", 1), make.case("k1", 2, unit="05455", status="closed")])])
    assert await cube(database) == Counter({("case", "05455", "closed", ""): 1})


async def test_a_deadline_numbered_by_itself_says_nothing_about_its_case(database: Database) -> None:
    numbered_by_case = make.deadline("d1", "k1", 9, "missed", unit="05455")
    numbered_by_itself = Event(numbered_by_case.data, "d1", 9)
    await count(database, [records([make.case("k1", 3), numbered_by_itself])])
    assert await cube(database) == Counter({("case", "05443", "open", ""): 1, ("deadline", "05455", "missed"): 1})


async def test_a_record_that_proves_to_be_another_childs_takes_its_register_along(database: Database) -> None:
    history = [
        make.linked("r1", "ch1", 1, "commune-roster"),
        make.linked("r2", "ch1", 1, "school-roster"),
        make.linked("r2", "ch2", 2, "school-roster"),
    ]
    await count(database, [records(history[:2]), records(history[2:])])
    found = await cube(database)
    assert found["membership", "commune-roster"] == 1
    assert found["membership", "school-roster"] == 1
    assert found["membership", "commune-roster+school-roster"] == 0


async def test_a_broken_record_is_buried_with_its_field_and_the_rest_is_counted(
    database: Database, counting: Counting
) -> None:
    good = make.concern("c1", 1).record(0)
    broken = make.concern("c2", 1).record(1)
    assert broken.value is not None
    wrong_word = Record(broken.topic, 0, 1, broken.key, broken.value.replace(b'"yes"', b'"perhaps"'), broken.headers)
    no_number = Record(
        broken.topic, 0, 2, broken.key, broken.value, tuple(h for h in broken.headers if h[0] != "ce_sequence")
    )
    unstorable = Record(
        broken.topic, 0, 3, broken.key, broken.value.replace(b'"unit":"05443"', b'"unit":"\\u0000"'), broken.headers
    )
    last = make.concern("c3", 1).record(4)
    await counting.count([good, wrong_word, no_number, unstorable, last])
    assert await cube(database) == Counter({("concern", "05443", "yes", ""): 2, ("arrival", "05443", "2026-10-31"): 2})
    async with database.transaction() as connection:
        rows = await connection.execute(text('SELECT "offset", violations FROM dead_letter ORDER BY "offset"'))
        found = {row.offset: [violation["rule"] for violation in row.violations] for row in rows}
    assert found == {1: ["data.facts.danger_now"], 2: ["sequence-missing"], 3: ["unstorable"]}


async def test_progress_tells_how_far_each_partition_is_counted_and_when_each_sector_was_heard(
    database: Database,
) -> None:
    later = datetime(2026, 11, 1, tzinfo=UTC)
    batch = [
        make.concern("c1", 1).record(7, partition=0),
        make.concern("c2", 1, sector="police").record(4, partition=1, time=later),
        make.concern("c3", 1).record(5, partition=1, time=later + timedelta(hours=1)),
    ]
    await count(database, [batch, batch[:1]])
    async with database.transaction() as connection:
        positions = (await connection.execute(text('SELECT partition, "offset" FROM progress ORDER BY 1'))).all()
        heard = (await connection.execute(text("SELECT sector, max(time) FROM heard GROUP BY 1"))).all()
    assert [tuple(row) for row in positions] == [(0, 7), (1, 5)]
    assert {row[0]: row[1] for row in heard} == {"hotline": later + timedelta(hours=1), "police": later}


async def test_a_sector_is_heard_by_its_own_words_not_by_what_others_do_with_them(database: Database) -> None:
    later = datetime(2026, 11, 1, tzinfo=UTC)
    worked_on = [
        make.case("k1", 1, sector="police"),
        make.deadline("d1", "k1", 2, "missed", sector="police"),
        make.task("t1", "k1", 3, cases.TaskRequested, sector="police"),
        make.task("t1", "k1", 4, cases.TaskDone, sector="police"),
    ]
    said = [make.concern("c1", 1, sector="police").record(0)]
    said += [event.record(offset, time=later) for offset, event in enumerate(worked_on, 1)]
    await count(database, [said])
    async with database.transaction() as connection:
        heard = (await connection.execute(text("SELECT sector, max(time) FROM heard GROUP BY 1"))).all()
    assert {row[0]: row[1] for row in heard} == {"police": NOW, "health": later}


async def test_event_types_that_are_not_counted_pass_without_a_trace_but_move_the_offset(database: Database) -> None:
    from shared.contracts.registry import ChildIdentified

    answer = Event(ChildIdentified(case_id="k1", result="candidates", child_id=None), "k1", 1)
    await count(database, [[answer.record(3)]])
    assert await cube(database) == Counter()
    async with database.transaction() as connection:
        assert (await connection.execute(text('SELECT "offset" FROM progress'))).scalar_one() == 3


def test_every_event_about_a_case_is_counted_and_every_report() -> None:
    # What is sealed to a partner says nothing that can be counted, and travels on a topic that statistics do not read.
    told = {model.TYPE for model in CONTRACTS.values() if model.PUBLISHER == "cases" and model.TOPIC is None}
    assert told - set(READINGS) == set()


async def test_a_question_leaves_a_task_as_it_stood_unless_it_says_otherwise(database: Database) -> None:
    asked = [make.task("t1", "k1", 2, cases.TaskOverdue), make.task("t1", "k1", 3, cases.TaskQuestioned)]
    await count(database, [records([make.case("k1", 1), *asked])])
    assert (await cube(database))["task", "05443", "overdue"] == 1
    said = asked[1].data.model_copy(update={"state": "accepted"})
    await count(database, [records([Event(said, "k1", 4)], 10)])
    assert (await cube(database))["task", "05443", "accepted"] == 1
    assert sum(n for cell, n in (await cube(database)).items() if cell[0] == "task") == 1
