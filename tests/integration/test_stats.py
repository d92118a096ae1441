"""Statistics on a real Kafka and a real PostgreSQL: counted to the last record, rebuilt beside the live figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy import text

from services.stats.app import build
from services.stats.progress import Progress
from services.stats.rebuild import Rebuild
from services.stats.store import snapshots
from shared.database import Database
from shared.messaging.kafka import client_options, producer
from shared.messaging.service import Service, ServiceContext
from shared.messaging.topics import ensure_topics
from shared.privacy import Keys, PlatformKey
from shared.settings import Settings
from shared.web.pages import utc_now
from tests.support.backends import Backend
from tests.support.backends import database as database_of
from tests.unit.stats import events as make
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.events import Event
from tests.unit.stats.recount import recount
from tests.unit.stats.test_counting import cube
from tests.unit.stats.test_history import record

KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))


class Province:
    """A running stats service and the topics that it counts."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.context = ServiceContext(settings, database, KEYS, utc_now)
        self.progress = Progress(database, settings)

    def rebuild(self) -> Rebuild:
        return Rebuild(self.database, KEYS, self.settings, utc_now)

    async def publish(self, events: Sequence[Event]) -> None:
        async with producer(self.settings) as sender:
            for event in events:
                record = event.record()
                await sender.send(
                    self.settings.topic_prefix + record.topic,
                    record.value,
                    key=record.key.encode(),
                    headers=list(record.headers),
                )
            await sender.flush()

    async def all_counted(self) -> None:
        async with asyncio.timeout(30):
            while (
                any(partition.behind for partition in await self.progress.partitions()) or await self._history_behind()
            ):
                await asyncio.sleep(0.05)

    async def _history_behind(self) -> bool:
        async with self.database.transaction() as connection:
            behind = await connection.execute(
                text(
                    """SELECT EXISTS (SELECT FROM progress AS p LEFT JOIN history_progress AS h USING (topic, partition)
                                      WHERE h."offset" IS NULL OR h."offset" < p."offset")"""
                )
            )
            return bool(behind.scalar_one())

    async def standing(self) -> dict[tuple[Any, ...], int]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(text("SELECT months, first, cell, n FROM standing WHERE n <> 0"))
            return {tuple(row[:3]): row.n for row in rows}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        # A service closes its database when it stops.
        assert self.settings.database_url is not None
        own = Database(self.settings.database_url.get_secret_value())
        context = ServiceContext(self.settings, own, KEYS, utc_now)
        service = Service(build(context), context)
        await service.start()
        try:
            yield service
        finally:
            await service.stop()


@pytest.fixture
async def province(backend: Backend, fresh_database: str, topic_prefix: str) -> AsyncIterator[Province]:
    settings = backend.settings(fresh_database, topic_prefix=topic_prefix)
    await ensure_topics(settings)
    database = Database(fresh_database)
    yield Province(settings, database)
    await database.close()


def where(number: int) -> dict[str, str]:
    return {"unit": make.UNITS[number % 3], "status": "open" if number % 4 else "closed"}


def history(first: int, count: int) -> list[Event]:
    return [
        event
        for number in range(first, first + count)
        for event in (
            make.concern(f"c{number}", 1),
            make.case(f"k{number}", 1),
            make.case(f"k{number}", 2, **where(number)),
            make.deadline(f"d{number}", f"k{number}", 3, "missed", **where(number)),
            make.linked(f"r{number}", f"ch{number % 7}", 1, ("commune-roster", "school-roster")[number % 2]),
        )
    ]


async def wait_for(state: Callable[[], Any], *wanted: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while (found := await state())["state"] not in wanted:
            await asyncio.sleep(0.05)
    return dict(found)


async def test_what_is_published_is_counted_and_said_as_indicators(province: Province) -> None:
    events = history(0, 60)
    async with province.running():
        await province.publish(events)
        await province.all_counted()
        assert await cube(province.database) == recount(events)
        topic = province.settings.topic_prefix + "stats.indicators.v1"
        consumer = AIOKafkaConsumer(topic, **client_options(province.settings), auto_offset_reset="earliest")
        wanted = {"cases-open": 45, "cases-high-risk": 45}
        said: dict[str, float] = {}
        async with consumer, asyncio.timeout(20):
            while {name: said.get(name) for name in wanted} != wanted:
                record = await consumer.getone()
                data = orjson.loads(record.value)
                said[data["indicator"]] = data["value"]


async def test_two_replicas_and_a_restart_count_each_event_once(province: Province) -> None:
    events = history(0, 80)
    async with province.running(), province.running():
        await province.publish(events[:200])
        await asyncio.sleep(0.2)
    async with province.running():
        await province.publish(events[200:])
        await province.all_counted()
    assert await cube(province.database) == recount(events)


async def expected_standing(url: str, events: Sequence[Event]) -> dict[tuple[Any, ...], int]:
    """What history must hold of events, recorded in a database of its own in one go."""
    province = Province(Settings(), Database(url))
    await province.database.migrate(MIGRATIONS)
    await record(province.database, [[event.record(offset) for offset, event in enumerate(events)]])
    found = await province.standing()
    await province.database.close()
    return found


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


async def test_a_rebuild_killed_midway_leaves_the_live_figures_and_another_one_succeeds(province: Province) -> None:
    events = history(0, 100)
    async with province.running():
        await province.publish(events)
        await province.all_counted()
    rebuild = province.rebuild()
    rebuild.batch = 20
    await rebuild.start()
    running = asyncio.create_task(rebuild.run(asyncio.Event()))
    async with asyncio.timeout(20):
        while not await shadow_rows(province.database):
            await asyncio.sleep(0.005)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    state = await rebuild.state()
    assert (state["state"], state["reason"]) == ("failed", "interrupted")
    assert await cube(province.database) == recount(events)
    await rebuild.start()
    assert await rebuild.run(asyncio.Event())
    assert (await rebuild.state())["state"] == "done"
    assert await cube(province.database) == recount(events)


async def shadow_rows(database: Database) -> int:
    async with database.transaction() as connection:
        exists = (await connection.execute(text("SELECT to_regclass('rebuild.fact') IS NOT NULL"))).scalar()
        if not exists:
            return 0
        return int((await connection.execute(text("SELECT count(*) FROM rebuild.fact"))).scalar() or 0)


async def test_a_rebuild_refuses_where_the_first_events_are_gone(province: Province) -> None:
    events = history(0, 30)
    async with province.running():
        await province.publish(events)
        await province.all_counted()
    admin = AIOKafkaAdminClient(**client_options(province.settings))
    await admin.start()
    partition = TopicPartition(province.settings.topic_prefix + "cases.cases.v1", 0)
    ends = {counted.partition: counted.end for counted in await province.progress.partitions()}
    assert ends[0] > 1
    await admin.delete_records({partition: RecordsToDelete(1)})
    await admin.close()
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
        ends = {(counted.topic, counted.partition): counted.end for counted in await province.progress.partitions()}
        await province.publish(new)
        await province.all_counted()
        admin = AIOKafkaAdminClient(**client_options(province.settings))
        await admin.start()
        prefix = province.settings.topic_prefix
        gone = {TopicPartition(prefix + topic, number): RecordsToDelete(end) for (topic, number), end in ends.items()}
        await admin.delete_records(gone)
        await admin.close()
        async with province.database.transaction() as connection:
            await connection.execute(text("UPDATE cube SET n = n + 5 WHERE cell = (SELECT min(cell) FROM cube)"))
            await connection.execute(text("DELETE FROM movement"))
        rebuild = province.rebuild()
        await rebuild.start()
        assert await rebuild.run(asyncio.Event()), await rebuild.state()
        done = await rebuild.state()
        assert (done["state"], done["differing"]) == ("done", 1)
    assert await cube(province.database) == recount([*old, *new])
    assert await province.standing() == await expected_standing(fresh, [*old, *new])
