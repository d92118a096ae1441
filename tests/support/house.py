"""A service of one handler, on a real broker and database, for the tests of how events come in and leave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from fastapi import APIRouter
from sqlalchemy import text

from agency.sealing import sealed
from shared.contracts.agency import ConcernReported
from shared.contracts.base import TYPE_PREFIX
from shared.contracts.envelope import from_structured
from shared.contracts.registry import ChildIdentified
from shared.database import Database
from shared.messaging import kafka
from shared.messaging.router import Received, Router, Scope
from shared.messaging.service import Service, ServiceApp, ServiceContext
from shared.messaging.topics import ensure_topics
from shared.privacy import Keys, PlatformKey
from shared.settings import Settings
from shared.web.pages import Pages

NAME = "Nguyễn Thị Niêm Phong"
TOPIC = "agency.health.v1"
CONCERN = f"{TYPE_PREFIX}agency.concern.reported"
MIGRATION = """
from alembic import op
from shared.messaging.tables import create_messaging

revision = "test0001"
down_revision = None


def upgrade() -> None:
    create_messaging(op.get_bind())
    op.execute("CREATE TABLE effect (place bigserial PRIMARY KEY, id text, key text, danger text, correction boolean)")
"""


@dataclass
class House:
    """A service whose handler writes down what it was given, and fails where it is told to. What another service tells
    it is `held` until `gate` is open."""

    settings: Settings
    database: Database
    keys: Keys
    migrations: Path
    failing: set[str] = field(default_factory=set)
    fails_all: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: int = 0
    service: Service | None = None
    seconds: float = 20

    def build(self) -> Service:
        """A replica, not started."""
        router = Router("cases")

        @router.handles(ConcernReported)
        async def on_concern(received: Received[ConcernReported], scope: Scope) -> None:
            event = received.event
            if self.fails_all or event.subject in self.failing:
                raise ZeroDivisionError(NAME)
            await scope.connection.execute(
                text("INSERT INTO effect (id, key, danger, correction) VALUES (:id, :key, :danger, :correction)"),
                {
                    "id": event.id,
                    "key": event.subject,
                    "danger": received.data.danger_now,
                    "correction": received.correction,
                },
            )

        @router.handles(ChildIdentified)
        async def on_identified(_received: Received[ChildIdentified], _scope: Scope) -> None:
            self.held += 1
            await self.gate.wait()

        context = ServiceContext(self.settings, self.database, self.keys, lambda: datetime.now(UTC))
        return Service(ServiceApp(APIRouter(), Pages(), router, self.migrations), context)

    async def start(self) -> None:
        self.service = self.build()
        await self.service.start()

    def running(self) -> Service:
        assert self.service is not None
        return self.service

    async def publish(self, *events: dict[str, Any] | tuple[str, bytes]) -> None:
        """Send to the health sector's topic as its own software would: sealed. A pair is a key and raw rubbish."""
        async with kafka.producer(self.settings) as sender:
            for event in events:
                await self.send(sender, event)

    async def send(self, sender: AIOKafkaProducer, event: dict[str, Any] | tuple[str, bytes]) -> None:
        name = self.settings.topic_prefix + TOPIC
        if isinstance(event, tuple):
            await sender.send_and_wait(name, event[1], key=event[0].encode())
            return
        platform = self.keys.platform
        made = from_structured(sealed(event, platform.public, platform.kid))
        await sender.send_and_wait(name, made.data, key=made.subject.encode(), headers=list(made.headers()))

    async def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.database.transaction() as connection:
            return [tuple(row) for row in await connection.execute(text(sql), values)]

    async def until(self, sql: str, expected: list[tuple[Any, ...]]) -> None:
        """Wait until a question has this answer; fail with what it has instead."""
        end = time.monotonic() + self.seconds
        while (found := await self.rows(sql)) != expected:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.05)

    async def quiet(self) -> None:
        """Wait until all that was published is taken over and nothing waits to leave."""
        end = time.monotonic() + self.seconds
        while True:
            status = await self.running().status()
            if status["lag"] == 0 and status["outbox"] == 0:
                return
            assert time.monotonic() < end, status
            await asyncio.sleep(0.05)


def event(identifier: str, *, key: str = "", danger: str = "no") -> dict[str, Any]:
    """A report of concern as its sender writes it."""
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": "/agency/health/test",
        "type": CONCERN,
        "subject": key or identifier,
        "time": "2026-11-01T08:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "received_at": "2026-11-01T08:00:00Z",
            "child": {"name": NAME},
            "what_happened": f"{NAME} bị thương.",
            "danger_now": danger,
        },
    }


@asynccontextmanager
async def opened(settings: Settings, folder: Path) -> AsyncIterator[House]:
    """A house with its topics and tables, its service not started; closed afterwards. `folder` keeps its migration."""
    assert settings.database_url is not None
    migrations = folder / "migrations"
    migrations.mkdir()
    (migrations / "0001_test.py").write_text(MIGRATION, "utf-8")
    await ensure_topics(settings)
    database = Database(settings.database_url.get_secret_value())
    await database.migrate(migrations)
    house = House(settings, database, Keys(b"m" * 32, PlatformKey(b"p" * 32)), migrations)
    try:
        yield house
    finally:
        if house.service is not None:
            await house.service.stop()
        await database.close()
