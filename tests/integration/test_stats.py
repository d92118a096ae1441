"""Statistics on a real Kafka and a real PostgreSQL: counted to the last record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest
from aiokafka import AIOKafkaConsumer

from shared.messaging.kafka import client_options
from tests.integration.stats_house import Province, history, province_of
from tests.support.backends import Backend
from tests.unit.stats.counted import cube
from tests.unit.stats.recount import recount


@pytest.fixture
async def province(backend: Backend, fresh_database: str, topic_prefix: str) -> AsyncIterator[Province]:
    async with province_of(backend, fresh_database, topic_prefix) as province:
        yield province


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
        async with consumer, asyncio.timeout(60):
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
