"""A statistics service that runs on a real Kafka and a real PostgreSQL, and the events that it counts, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from sqlalchemy import text

from services.stats.app import build
from services.stats.upkeep.progress import Progress
from services.stats.upkeep.rebuild import Rebuild
from shared.database import Database
from shared.messaging.kafka import client_options, producer
from shared.messaging.service import Service, ServiceContext
from shared.messaging.topics import ensure_topics
from shared.privacy import Keys, PlatformKey
from shared.settings import Settings
from shared.web.pages import utc_now
from tests.support.backends import Backend
from tests.unit.stats import events as make
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.counted import record
from tests.unit.stats.events import NOW, Event

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

    async def publish(self, events: Sequence[Event], at: datetime = NOW) -> None:
        """Publish events that happened at a moment."""
        async with producer(self.settings) as sender:
            for event in events:
                record = event.record(time=at)
                await sender.send(
                    self.settings.topic_prefix + record.topic,
                    record.value,
                    key=record.key.encode(),
                    headers=list(record.headers),
                )
            await sender.flush()

    async def count(self, events: Sequence[Event]) -> None:
        """Publish events and have the service count them; it is stopped then."""
        async with self.running():
            await self.publish(events)
            await self.all_counted()

    async def all_counted(self) -> None:
        async with asyncio.timeout(60):
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

    async def execute(self, statement: str) -> Any:
        """Run a statement on statistics' database. Out: the first value of its answer, where it has one."""
        async with self.database.transaction() as connection:
            result = await connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None

    async def forget_published(self, ends: dict[tuple[str, int], int]) -> None:
        """Let Kafka go of what lies before some offsets, by topic and partition."""
        prefix = self.settings.topic_prefix
        gone = {TopicPartition(prefix + topic, number): RecordsToDelete(end) for (topic, number), end in ends.items()}
        admin = AIOKafkaAdminClient(**client_options(self.settings))
        await admin.start()
        try:
            await admin.delete_records(gone)
        finally:
            await admin.close()

    async def ends(self) -> dict[tuple[str, int], int]:
        """The end of each partition."""
        return {(counted.topic, counted.partition): counted.end for counted in await self.progress.partitions()}

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


@asynccontextmanager
async def province_of(backend: Backend, url: str, prefix: str) -> AsyncIterator[Province]:
    """Statistics with a database and topics of their own."""
    settings = backend.settings(url, topic_prefix=prefix)
    await ensure_topics(settings)
    database = Database(url)
    try:
        yield Province(settings, database)
    finally:
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
    async with asyncio.timeout(60):
        while (found := await state())["state"] not in wanted:
            await asyncio.sleep(0.05)
    return dict(found)


async def expected_standing(url: str, events: Sequence[Event]) -> dict[tuple[Any, ...], int]:
    """What history must hold of events, recorded in a database of its own in one go."""
    province = Province(Settings(), Database(url))
    await province.database.migrate(MIGRATIONS)
    await record(province.database, [[event.record(offset) for offset, event in enumerate(events)]])
    found = await province.standing()
    await province.database.close()
    return found
