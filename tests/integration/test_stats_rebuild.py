"""Statistics counted anew beside the live figures, on a real Kafka and PostgreSQL, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.store import shadow, snapshots
from services.stats.store.locks import Lock
from services.stats.store.reached import Partition
from services.stats.store.releases import Releases
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.rebuild import Rebuild
from services.stats.upkeep.rebuilding import Rebuilding
from services.stats.upkeep.replaying import Replay
from shared.database import Database
from shared.web.pages import utc_now
from tests.integration.stats_house import Province, expected_standing, history, province_of, wait_for
from tests.support.backends import Backend
from tests.support.backends import database as database_of
from tests.unit.stats import events as make
from tests.unit.stats.counted import cube
from tests.unit.stats.events import Event
from tests.unit.stats.made_up_figures import STATISTICIAN
from tests.unit.stats.recount import recount


@pytest.fixture
async def province(backend: Backend, fresh_database: str, topic_prefix: str) -> AsyncIterator[Province]:
    async with province_of(backend, fresh_database, topic_prefix) as province:
        yield province


@pytest.fixture
async def fresh(postgres_url: str) -> AsyncIterator[str]:
    async with database_of(postgres_url) as url:
        yield url


async def test_a_rebuild_mends_what_was_damaged_reports_it_and_live_counting_goes_on(
    province: Province, fresh: str
) -> None:
    before, during, after = history(0, 120), history(120, 40), history(160, 20)
    async with province.running():
        await province.publish(before)
        await province.all_counted()
        async with province.database.transaction() as connection:
            await connection.execute(
                text("UPDATE cube SET n = n + 5 WHERE cell = (SELECT id FROM cell WHERE kind = 2 LIMIT 1)")
            )
            await connection.execute(text("DELETE FROM fact WHERE kind = 3"))
            await connection.execute(text("UPDATE standing SET n = n + 7 WHERE measure = 2"))
            await connection.execute(text("DELETE FROM version WHERE kind = 3"))
        assert await cube(province.database) != recount(before)
        rebuild = province.rebuild()
        assert (await rebuild.start())["state"] == "running"
        running = asyncio.create_task(rebuild.run(asyncio.Event()))
        await province.publish(during)
        done = await wait_for(rebuild.state, "done", "failed")
        assert await running
        assert done["state"] == "done", done
        # The damaged cell at the least.
        assert done["differing"] >= 1
        assert any(row["counted"] - row["rebuilt"] == 5 for row in done["differences"])
        of_history = [row for row in done["differences"] if row["figure"].startswith("openings month=2026-10 ")]
        assert of_history
        assert all(row["counted"] - row["rebuilt"] == 7 for row in of_history)
        await province.publish(after)
        await province.all_counted()
    assert await cube(province.database) == recount([*before, *during, *after])
    assert await province.standing() == await expected_standing(fresh, [*before, *during, *after])


async def test_a_rebuild_of_sound_figures_finds_no_difference(province: Province) -> None:
    async with province.running():
        await province.publish(history(0, 50))
        await province.all_counted()
        rebuild = province.rebuild()
        await rebuild.start()
        assert await rebuild.run(asyncio.Event())
        done = await rebuild.state()
        assert (done["state"], done["differing"]) == ("done", 0)
        # Both ways of counting, and what statistics said of themselves.
        assert done["done"] == done["total"] >= 500


async def test_a_record_that_live_counting_passed_over_for_what_it_holds_is_passed_over_by_a_rebuild_too(
    province: Province,
) -> None:
    """Of its case what was said before holds: by then it is gathered, and nobody knows any more which record it was."""
    before, after = history(0, 30), history(30, 30)
    async with province.running():
        await province.publish([*before, make.case("k1", 4, unit="\x00"), *after])
        await province.all_counted()
        assert await province.execute("SELECT count(*) FROM dead_letter") > 0
        rebuild = province.rebuild()
        await rebuild.start()
        done = await wait_for(rebuild.state, "done", "failed")
        assert (done["state"], done["reason"], done["differing"]) == ("done", "", 0)
    assert await cube(province.database) == recount([*before, *after])


async def _released(database: Database, year: Period) -> list[tuple[tuple[str, ...], float | None, str | None]]:
    """What a replica that has just been started tells whoever sees aggregates only, of a year and of its months."""
    evaluator = Evaluator()
    door, found = Releasing(Releases(), evaluator), []
    for code in ("cases-opened", "reports-received"):
        indicator = evaluator.indicators.get(code)
        assert indicator is not None
        async with database.transaction() as connection:
            for periods, by in (([year, *year.parts("month")], ()), ([year], ("unit",)), ([year], ("sex",))):
                shown = await door.release(connection, STATISTICIAN, indicator, periods, by=by, now=utc_now())
                found += [((one.period.code, *one.keys), one.value, one.hidden) for one in shown]
    return found


async def test_what_was_released_stays_as_it_was_written_down_through_late_events_and_a_rebuild_swap(
    province: Province,
) -> None:
    """Counted anew from all events there would be three cases more, and whoever keeps both releases knows of three."""
    year = Period.parse(f"{utc_now().year - 1:04d}")
    then = datetime(year.first.year, 3, 10, tzinfo=UTC)

    def opened(first: int, count: int) -> list[Event]:
        return [make.case(f"c{number}", 1, opened_at=then, received_at=then) for number in range(first, first + count)]

    await province.publish(opened(0, 40), then)
    async with province.running():
        await province.all_counted()
        async with asyncio.timeout(120):
            while (str(year.first.year) + "-12",) not in await _rows(province, "SELECT period FROM release"):
                await asyncio.sleep(0.2)
        before = await _released(province.database, year)
        assert ((year.code,), 40.0, None) in before
        # Said at the time, delivered now.
        await province.publish(opened(40, 3), then)
        await province.all_counted()
        assert await _released(province.database, year) == before
        rebuild = province.rebuild()
        await rebuild.start()
        assert await rebuild.run(asyncio.Event())
        assert (await rebuild.state())["state"] == "done"
        assert await _released(province.database, year) == before
        evaluator = Evaluator()
        indicator = evaluator.indicators.get("cases-opened")
        assert indicator is not None
        async with province.database.transaction() as connection:
            [value] = await evaluator.values(connection, indicator, [year])
        assert value.value == 43


async def _rows(province: Province, question: str) -> list[tuple[Any, ...]]:
    async with province.database.transaction() as connection:
        return [tuple(row) for row in await connection.execute(text(question))]


async def test_a_rebuild_killed_midway_leaves_the_live_figures_and_another_one_succeeds(province: Province) -> None:
    events = history(0, 100)
    await province.count(events)
    rebuild = province.rebuild()
    rebuild.batch = 20
    await rebuild.start()
    running = asyncio.create_task(rebuild.run(asyncio.Event()))
    async with asyncio.timeout(60):
        while not await shadow_rows(province.database):
            await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await cube(province.database) == recount(events)
    # Another replica, or the same one when it is there again, begins anew without being asked.
    assert (await rebuild.state())["state"] == "running"
    stop = asyncio.Event()
    looking = asyncio.create_task(Rebuilding(province.context, province.rebuild()).rebuild_when_asked(stop))
    done = await wait_for(rebuild.state, "done", "failed")
    stop.set()
    await looking
    assert (done["state"], done["differing"]) == ("done", 0)
    assert await cube(province.database) == recount(events)


async def shadow_rows(database: Database) -> int:
    async with database.transaction() as connection:
        exists = (await connection.execute(text("SELECT to_regclass('rebuild.fact') IS NOT NULL"))).scalar()
        if not exists:
            return 0
        return int((await connection.execute(text("SELECT count(*) FROM rebuild.fact"))).scalar() or 0)


async def test_a_rebuild_refuses_where_the_first_events_are_gone(province: Province) -> None:
    events = history(0, 30)
    await province.count(events)
    assert (await province.ends())["cases.cases.v1", 0] > 1
    await province.forget_published({("cases.cases.v1", 0): 1})
    rebuild = province.rebuild()
    await rebuild.start()
    assert not await rebuild.run(asyncio.Event())
    state = await rebuild.state()
    assert (state["state"], state["reason"]) == ("failed", "history-incomplete")
    assert await cube(province.database) == recount(events)


async def test_where_the_first_events_are_gone_a_rebuild_begins_with_the_snapshot_and_counts_what_came_since(
    province: Province, fresh: str
) -> None:
    old, new = history(0, 60), history(60, 30)
    async with province.running():
        await province.publish(old)
        await province.all_counted()
        async with province.database.transaction() as connection:
            assert await snapshots.take(connection, utc_now())
        ends = await province.ends()
        await province.publish(new)
        await province.all_counted()
        await province.forget_published(ends)
        async with province.database.transaction() as connection:
            await connection.execute(text("UPDATE cube SET n = n + 5 WHERE cell = (SELECT min(cell) FROM cube)"))
            await connection.execute(
                text("UPDATE standing SET n = n + 1 WHERE cell = (SELECT min(cell) FROM standing)")
            )
        rebuild = province.rebuild()
        await rebuild.start()
        assert await rebuild.run(asyncio.Event()), await rebuild.state()
        done = await rebuild.state()
        assert (done["state"], done["differing"]) == ("done", 2)
    assert await cube(province.database) == recount([*old, *new])
    assert await province.standing() == await expected_standing(fresh, [*old, *new])


async def test_where_figures_differ_an_operator_is_asked_and_live_figures_stay_until_the_answer(
    province: Province,
) -> None:
    before, during = history(0, 40), history(40, 20)
    damage = "UPDATE cube SET n = n + 5 WHERE cell = (SELECT min(cell) FROM cube)"
    async with province.running():
        await province.publish(before)
        await province.all_counted()
        await province.execute(damage)
        rebuild = province.rebuild()
        for answer, state, reason in (("drop", "failed", "dropped"), ("swap", "done", "")):
            await rebuild.start(asks=True)
            waiting = await wait_for(rebuild.state, "waiting", "done", "failed")
            assert (waiting["state"], waiting["differing"]) == ("waiting", 1)
            assert waiting["differences"][0]["counted"] - waiting["differences"][0]["rebuilt"] == 5
            assert await cube(province.database) != recount(before)
            if answer == "swap":
                # Live counting goes on while it waits.
                await province.publish(during)
                await province.all_counted()
            await rebuild.answer(answer)
            done = await wait_for(rebuild.state, "done", "failed")
            assert (done["state"], done["reason"]) == (state, reason)
        assert await cube(province.database) == recount([*before, *during])
        # Where nothing differs nobody is asked.
        await rebuild.start(asks=True)
        assert (await wait_for(rebuild.state, "waiting", "done", "failed"))["state"] == "done"


async def test_a_damaged_snapshot_is_not_counted_from_and_one_of_damaged_figures_is_not_taken(
    province: Province,
) -> None:
    async with province.running():
        await province.publish(history(0, 30))
        await province.all_counted()
        async with province.database.transaction() as connection:
            assert await snapshots.take(connection, utc_now())
        await province.forget_published(await province.ends())
        await province.execute(
            "UPDATE snapshot.fact SET sequence = sequence + 1 WHERE ctid = (SELECT min(ctid) FROM snapshot.fact)"
        )
        rebuild = province.rebuild()
        await rebuild.start()
        failed = await wait_for(rebuild.state, "done", "failed")
        assert (failed["state"], failed["reason"]) == ("failed", "snapshot-damaged")
        taken = await province.execute("SELECT at FROM snapshot.taken")
        await province.execute("UPDATE cube SET n = n + 1 WHERE cell = (SELECT min(cell) FROM cube)")
        async with province.database.transaction() as connection:
            found = await snapshots.take(connection, utc_now())
        assert found is not None
        assert found["cube"] == 1
        assert await province.execute("SELECT at FROM snapshot.taken") == taken


async def test_after_a_schema_change_the_snapshot_of_before_it_is_counted_from(province: Province) -> None:
    old, new = history(0, 20), history(20, 10)
    async with province.running():
        await province.publish(old)
        await province.all_counted()
        async with province.database.transaction() as connection:
            assert await snapshots.take(connection, utc_now())
        await province.forget_published(await province.ends())
    # As a migration does it, which asks for a rebuild to fill what it adds.
    await province.execute("ALTER TABLE fact ADD COLUMN since text NOT NULL DEFAULT 'then'")
    async with province.running():
        await province.publish(new)
        await province.all_counted()
        rebuild = province.rebuild()
        await province.execute(shadow.ASK)
        done = await wait_for(rebuild.state, "done", "failed")
        assert (done["state"], done["differing"]) == ("done", 0)
        assert await province.execute("SELECT count(*) FROM fact WHERE since = 'then'") > 0
    assert await cube(province.database) == recount([*old, *new])


async def test_a_database_put_back_from_an_older_copy_is_rebuilt_with_all_that_was_taken_over_since(
    province: Province,
) -> None:
    old, new = history(0, 30), history(30, 30)
    tables = ("fact", "cube", "link", "alias", "progress", "version", "movement", "standing", "history_progress")
    async with province.running():
        await province.publish(old)
        await province.all_counted()
        await province.execute("CREATE SCHEMA copy")
        for table in tables:
            await province.execute(f"CREATE TABLE copy.{table} AS TABLE {table}")
        await province.publish(new)
        await province.all_counted()
        await asyncio.sleep(1)
    for table in tables:
        await province.execute(f"DELETE FROM {table}")
        await province.execute(f"INSERT INTO {table} SELECT * FROM copy.{table}")
    assert await cube(province.database) == recount(old)
    async with province.running():
        rebuild = province.rebuild()
        await rebuild.start()
        assert (await wait_for(rebuild.state, "done", "failed"))["state"] == "done"
    assert await cube(province.database) == recount([*old, *new])


async def test_a_rebuild_refuses_where_kafka_lost_its_last_records(province: Province) -> None:
    async with province.running():
        await province.publish(history(0, 10))
        await province.all_counted()
    await province.execute("""UPDATE progress SET "offset" = "offset" + 1000""")
    rebuild = province.rebuild()
    await rebuild.start()
    assert not await rebuild.run(asyncio.Event())
    state = await rebuild.state()
    assert (state["state"], state["reason"]) == ("failed", "topics-incomplete")


async def test_compacted_history_is_rebuilt_without_a_difference_and_compacted_again(province: Province) -> None:
    long_ago = datetime(2015, 3, 2, tzinfo=UTC)
    with_changes: list[Event] = [make.case(f"k{at}", number) for at in range(20) for number in range(1, 4)]
    async with province.running():
        for month in range(3):
            part = [event for event in with_changes if event.sequence == month + 1]
            await province.publish(part, long_ago + timedelta(days=9 * month))
            await province.all_counted()
        work = Compacting(province.database, utc_now, Upkeep(province.database, utc_now))
        assert await work.begin_where_due()
        await work.go_on(asyncio.Event())
        compacted = await versions(province.database)
        assert compacted < 60
        rebuild = province.rebuild()
        await rebuild.start()
        done = await wait_for(rebuild.state, "done", "failed")
        assert (done["state"], done["differing"]) == ("done", 0)
        assert await versions(province.database) == 60
        await work.go_on(asyncio.Event())
        assert await versions(province.database) == compacted
    assert not any((await Upkeep(province.database, utc_now).check() or {"": 1}).values())


async def versions(database: Database) -> int:
    async with database.transaction() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM version"))).scalar_one())


async def test_whoever_lost_its_lock_to_another_swaps_nothing(province: Province) -> None:
    events = history(0, 30)
    await province.count(events)
    first = province.rebuild()
    await first.start()
    began = asyncio.Event()
    real = Rebuild._report

    async def reports_late(self: Rebuild, *args: object) -> None:
        began.set()
        await province.execute("UPDATE rebuild SET tries = tries + 1")  # as another one that begins
        await real(self, *args)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rebuild, "_report", reports_late)
        assert not await first.run(asyncio.Event())
    assert began.is_set()
    assert await cube(province.database) == recount(events)
    assert (await first.state())["state"] == "running"


async def test_whoever_lost_its_turn_writes_nothing_more_into_the_tables_of_another_and_says_nothing_of_it(
    province: Province,
) -> None:
    events = history(0, 60)
    await province.count(events)
    first = province.rebuild()
    first.batch = 20
    await first.start()
    advances = 0
    real = Replay.advance

    async def advancing(self: Replay, targets: Mapping[Partition, int]) -> None:
        nonlocal advances
        advances += 1
        if advances == 2:
            await province.execute("UPDATE rebuild SET tries = tries + 1, done = 7")  # as another one that begins
        await real(self, targets)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replay, "advance", advancing)
        patch.setattr("services.stats.upkeep.rebuild._STATE_SECONDS", 0.0)
        assert not await first.run(asyncio.Event())
    assert advances == 2
    async with province.database.transaction() as connection:
        assert (await connection.execute(text("SELECT done FROM rebuild"))).scalar_one() == 7
    assert (await first.state())["state"] == "running"


async def test_one_that_fails_after_it_lost_its_turn_does_not_fail_the_other(province: Province) -> None:
    async with province.running():
        await province.publish(history(0, 20))
        await province.all_counted()
    first = province.rebuild()
    await first.start()

    async def breaks(*_: object) -> None:
        await province.execute("UPDATE rebuild SET tries = tries + 1")
        raise ValueError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Replay, "advance", breaks)
        assert not await first.run(asyncio.Event())
    assert (await first.state())["state"] == "running"


async def test_one_that_waits_for_an_answer_and_is_stopped_is_put_back(province: Province) -> None:
    async with province.running():
        await province.publish(history(0, 20))
        await province.all_counted()
    await province.execute("UPDATE cube SET n = n + 5 WHERE cell = (SELECT min(cell) FROM cube)")
    rebuild, stop = province.rebuild(), asyncio.Event()
    await rebuild.start(asks=True)
    running = asyncio.create_task(rebuild.run(stop))
    await wait_for(rebuild.state, "waiting", "failed")
    stop.set()
    assert not await asyncio.wait_for(running, 60)
    [(state, tries)] = await _rows(province, "SELECT state, tries FROM rebuild")
    assert (state, tries) == ("asked", 0)


async def test_no_process_is_started_for_a_rebuild_that_another_replica_is_at(province: Province) -> None:
    async with province.running():
        pass
    rebuild = province.rebuild()
    assert await rebuild.wanted() is None
    await rebuild.start()
    assert await rebuild.wanted() is not None
    async with province.database.alone(Lock.REBUILDING):
        assert await rebuild.is_asked()
        assert await rebuild.wanted() is None
    assert await rebuild.wanted() is not None
