"""One child, one record on a real database: records parted and put together again, the queue, the pass over all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from services.registry.bulk.sweeping import MODULE, Sweeps, is_due, orders, sweep
from services.registry.desk import merging
from services.registry.domain.matching import Match
from services.registry.store import children as store
from services.registry.store import pairs, sweeps
from services.registry.store.sweeps import Sweep
from shared.apart import run_apart
from shared.database import Database
from shared.messaging.outbox import new_id, stable_id
from shared.messaging.router import Scope
from shared.privacy import Keys, PlatformKey
from tests.integration.test_registry import CHILD, MIGRATIONS, NOW, Registry, recorded

OTHER = {"name": "Nguyễn Thị Ngọc Ánh", "birth_date": "2016-03-09", "sex": "female", "carers": CHILD["carers"]}


@pytest.fixture
async def registry(fresh_database: str) -> AsyncIterator[Registry]:
    database = Database(fresh_database)
    await database.migrate(MIGRATIONS)
    yield Registry(database, Keys(b"m" * 32, PlatformKey(b"p" * 32)))
    await database.close()


async def _two_in_one(registry: Registry) -> tuple[str, str]:
    """A child on whom a second source, of another child, was put by mistake. Out: the child, the second's record."""
    await registry.send(recorded("r1", CHILD))
    await registry.send(recorded("s1", {**CHILD, "school": "Trường A"}, kind="school-roster"))
    links = await registry.events("record.linked")
    assert len({link["child_id"] for link in links}) == 1
    return links[0]["child_id"], links[1]["record_id"]


async def _ask(registry: Registry) -> None:
    async with registry.database.transaction() as connection:
        await sweeps.ask(connection, new_id(), "test", NOW)


async def _open(registry: Registry) -> list[pairs.Pair]:
    async with registry.database.transaction() as connection:
        return await pairs.open_pairs(connection, None)


async def test_a_record_of_two_children_is_parted_and_everybody_hears_of_it(registry: Registry) -> None:
    child_id, record = await _two_in_one(registry)
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        _, parted = await merging.split(scope, registry.desk, child_id, [record], "two girls", "person:a")
        await scope.flush()
    (event,) = await registry.events("child.split")
    assert (event["from_child_id"], event["child_id"], event["subject"]) == (child_id, parted, parted)
    own = [event["sequence"] for event in await registry.events() if event["subject"] == parted]
    assert own == list(range(1, len(own) + 1))
    assert (await registry.events("record.linked"))[-1]["child_id"] == parted
    async with registry.database.transaction() as connection:
        assert [said.record_id for said in await store.statements(connection, parted)] == [record]
        kept = await store.child(connection, child_id)
        assert kept is not None
        assert kept.known.description.school is None
        assert event["from_unit"] == kept.known.unit
    assert await _open(registry) == []


async def test_a_case_follows_the_child_that_its_report_was_of(registry: Registry) -> None:
    answer = await registry.described(CHILD, case_id := new_id())
    await registry.send(recorded("r1", CHILD))
    child_id = answer["child_id"]
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        report = stable_id("case", case_id)
        _, parted = await merging.split(scope, registry.desk, child_id, [report], "another child", "person:a")
        await scope.flush()
    assert (await registry.events("child.identified"))[-1]["child_id"] == parted


async def test_a_split_is_undone_and_nothing_is_lost(registry: Registry) -> None:
    child_id, record = await _two_in_one(registry)
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        split_id, parted = await merging.split(scope, registry.desk, child_id, [record], "two girls", "person:a")
        assert await merging.undo_split(scope, registry.desk, split_id, "person:a") == child_id
        with pytest.raises(merging.NotPossibleError):
            await merging.undo_split(scope, registry.desk, split_id, "person:a")
        await scope.flush()
    async with registry.database.transaction() as connection:
        assert len(await store.statements(connection, child_id)) == 2
        current = await store.current(connection, parted)
        assert current is not None
        assert current.id == child_id
    assert (await registry.events("child.merged"))[-1]["merged_id"] == parted


async def test_something_stays_and_something_goes_or_nothing_is_parted(registry: Registry) -> None:
    child_id, record = await _two_in_one(registry)
    async with registry.database.transaction() as connection:
        everything = [said.record_id for said in await store.statements(connection, child_id)]
        scope = Scope("registry", connection, NOW)
        for chosen in ([], everything, [merging.own_correction(child_id)]):
            with pytest.raises(merging.NotPossibleError):
                await merging.split(scope, registry.desk, child_id, chosen, "why", "person:a")
    assert record in everything


async def test_an_undone_merge_tells_whom_the_old_id_stands_for(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD))
    await registry.send(recorded("r2", OTHER))
    (pair,) = await _open(registry)
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        merge_id = await merging.decide(scope, registry.desk, pair.id, same=True, by="person:a")
        assert merge_id is not None
        new = await merging.undo(scope, registry.desk, merge_id, "person:a")
        await scope.flush()
    (event,) = await registry.events("child.split")
    assert (event["replaces_id"], event["child_id"]) == (pair.high, new)


async def test_a_decided_pair_comes_back_only_with_new_facts(registry: Registry, tmp_path: Path) -> None:
    await registry.send(recorded("r1", CHILD))
    await registry.send(recorded("r2", OTHER))
    (pair,) = await _open(registry)
    async with registry.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        await merging.decide(scope, registry.desk, pair.id, same=False, by="person:a")
    await _ask(registry)
    assert await sweep(registry.database, lambda: NOW, tmp_path)
    assert await _open(registry) == []
    async with registry.database.transaction() as connection:
        again = Match(pair.high, pair.probability, (*pair.reasons, "number-same"))
        await pairs.put_pairs(connection, pair.low, [again], NOW)
    assert [found.id for found in await _open(registry)] == [pair.id]


async def test_a_pair_lies_in_the_queue_of_both_communes_and_moves_with_the_child(registry: Registry) -> None:
    await registry.send(recorded("r1", CHILD))
    await registry.send(recorded("r2", OTHER, unit="05665"))
    async with registry.database.transaction() as connection:
        for unit in ("02176", "05665"):
            assert len(await pairs.open_pairs(connection, [unit])) == 1
        await connection.execute(text("UPDATE child SET unit = '05707' WHERE unit = '05665'"))
        assert await pairs.open_pairs(connection, ["05665"]) == []
        assert len(await pairs.open_pairs(connection, ["05707"])) == 1


async def test_the_pass_finds_what_registration_did_not_and_merges_nothing(registry: Registry, tmp_path: Path) -> None:
    await _unseen_pair(registry)
    await _ask(registry)
    assert await sweep(registry.database, lambda: NOW, tmp_path)
    async with registry.database.transaction() as connection:
        done = await sweeps.latest(connection)
    assert done is not None
    assert (done.state, done.children, done.sure + done.unsure) == ("done", 2, 1)
    assert len(await _open(registry)) == 1
    assert await registry.count("merge") == 0
    assert await registry.count("proposal") == 0
    assert list(tmp_path.iterdir()) == []


async def test_a_pass_that_was_killed_goes_on_where_it_was(registry: Registry, tmp_path: Path) -> None:
    await _unseen_pair(registry)
    await _ask(registry)
    (tmp_path / "vongtay-pairs-left").mkdir()
    async with registry.database.transaction() as connection:
        found = await sweeps.latest(connection)
        assert found is not None
        ids = (await connection.execute(text("SELECT id FROM child ORDER BY id"))).scalars().all()
        await sweeps.put_proposals(connection, 1, [(str(ids[0]), str(ids[1]))] * 2)
        await sweeps.say(connection, found.id, NOW, state="judging", proposed=2, judged=1, attempts=1)
    assert await run_apart(MODULE, orders(registry.database, tmp_path), asyncio.Event()) == 0
    async with registry.database.transaction() as connection:
        done = await sweeps.latest(connection)
    assert done is not None
    assert (done.state, done.judged, done.sure + done.unsure) == ("done", 2, 1)
    assert list(tmp_path.iterdir()) == []


async def test_a_pass_that_somebody_asks_for_is_done_while_the_service_runs(registry: Registry, tmp_path: Path) -> None:
    await _unseen_pair(registry)
    passes = Sweeps(registry.database, lambda: NOW, tmp_path)
    stop = asyncio.Event()
    looking = asyncio.create_task(passes.sweep_when_asked(stop))
    await passes.start("ha.coordinator")
    async with asyncio.timeout(60):
        while (await passes.state())["state"] != "done":
            await asyncio.sleep(0.05)
    stop.set()
    await asyncio.wait_for(looking, 60)
    assert len(await _open(registry)) == 1


async def test_one_pass_runs_at_a_time_and_one_is_asked_for(registry: Registry, tmp_path: Path) -> None:
    async with registry.database.transaction() as connection:
        assert await sweeps.ask(connection, new_id(), "a", NOW)
        assert not await sweeps.ask(connection, new_id(), "b", NOW)
    async with sweeps.alone(registry.database) as mine:
        assert mine
        assert not await sweep(registry.database, lambda: NOW, tmp_path)
    assert await sweep(registry.database, lambda: NOW, tmp_path)


def test_a_pass_is_due_once_a_night() -> None:
    night, day = datetime(2026, 11, 24, 19, 0, tzinfo=UTC), datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    last = Sweep("x", "done", "night", night, night, 0, 0, 0, 0, 0, 0, "")
    assert is_due(None, night)
    assert not is_due(None, day)
    assert not is_due(last, night)


async def _unseen_pair(registry: Registry) -> None:
    """Two records of one child that no registration compared."""
    await registry.send(recorded("r1", CHILD))
    await registry.send(recorded("r2", {**CHILD, "name": "Trần Văn Bình", "birth_date": "2012-01-02", "carers": []}))
    async with registry.database.transaction() as connection:
        await connection.execute(text("DELETE FROM pair"))
        await connection.execute(
            text(
                """UPDATE child SET description = (SELECT description FROM child ORDER BY id LIMIT 1),
                          birth_date = '2016-03-09', birth_year = 2016"""
            )
        )
