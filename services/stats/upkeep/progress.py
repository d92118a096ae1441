"""How far everything published is counted: each partition's end in Kafka beside what the figures already hold.

It must never join a consumer group: asking does not move anybody's work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from services.stats.handlers.counting import TOPICS
from services.stats.handlers.recording import TOPICS as HISTORY_TOPICS
from services.stats.store.reached import Partition, reached, standing
from shared.database import Database
from shared.messaging.kafka import client_options
from shared.settings import Settings

_TRIES: Final = 40
_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Counted:
    """A partition. `next` is the first offset that is not counted yet, `end` the one that the next record will get."""

    topic: str
    partition: int
    next: int
    end: int
    time: datetime | None

    @property
    def behind(self) -> int:
        """Records that are published and not counted."""
        return max(0, self.end - self.next)


def as_json(partitions: list[Counted]) -> dict[str, Any]:
    """The answer to whoever waits until all is counted."""
    behind = sum(counted.behind for counted in partitions)
    rows = [
        asdict(counted) | {"behind": counted.behind, "time": counted.time and counted.time.isoformat()}
        for counted in partitions
    ]
    return {"counted": behind == 0, "behind": behind, "partitions": rows}


class Progress:
    """Compares Kafka's ends with the figures' positions.

    Args:
        database: statistics' own. settings: where Kafka is.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def partitions(self) -> list[Counted]:
        """Every partition of the topics that are counted. Raises `KafkaError` where the broker is away."""
        # The ends first: what is published while we look is then asked for the next time, never missed.
        bounds = await asyncio.wait_for(self._bounds(), 10)
        positions = await self._reached()
        prefix = self._settings.topic_prefix
        found = []
        for partition, (begin, end) in sorted(bounds.items()):
            topic = partition.topic.removeprefix(prefix)
            offset, time = positions.get((topic, partition.partition), (-1, None))
            found.append(Counted(topic, partition.partition, max(begin, offset + 1), end, time))
        return found

    async def history_holds_all(self) -> bool:
        """Whether history holds whatever was published when it was asked; it is given some time to get there.

        Raises `KafkaError` where the broker is away.
        """
        bounds = await asyncio.wait_for(self._bounds(HISTORY_TOPICS), 10)
        prefix = self._settings.topic_prefix
        wanted = {
            (at.topic.removeprefix(prefix), at.partition): end for at, (begin, end) in bounds.items() if end > begin
        }
        for _ in range(_TRIES):
            positions = await self._reached("history_progress")
            if all(positions.get(at, (-1, None))[0] + 1 >= end for at, end in wanted.items()):
                return True
            await asyncio.sleep(_PAUSE_SECONDS)
        return False

    async def history(self) -> dict[str, Any]:
        """How far history is behind these figures, and until when it is whole."""
        async with self._database.transaction() as connection:
            behind, time = await standing(connection)
        return {"behind": behind, "time": time and time.isoformat()}

    async def _bounds(self, topics: Sequence[str] = TOPICS) -> Mapping[TopicPartition, tuple[int, int]]:
        partitions = await partitions_of(self._settings, topics)
        if not partitions:
            return {}
        consumer = AIOKafkaConsumer(**client_options(self._settings), enable_auto_commit=False)
        await consumer.start()
        try:
            begins, ends = await asyncio.gather(
                consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
            )
        finally:
            await consumer.stop()
        return {partition: (begins[partition], ends[partition]) for partition in partitions}

    async def _reached(self, table: str = "progress") -> Mapping[Partition, tuple[int, datetime | None]]:
        async with self._database.transaction() as connection:
            return await reached(connection, table)


async def partitions_of(settings: Settings, topics: Sequence[str] = TOPICS) -> list[TopicPartition]:
    """All partitions of topics (those that are counted), those that exist, in their order."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        described = await admin.describe_topics([settings.topic_prefix + topic for topic in topics])
    finally:
        await admin.close()
    return sorted(
        TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        if not topic["error_code"]
        for partition in topic["partitions"]
    )


async def committed(
    settings: Settings, group: str, partitions: Sequence[TopicPartition]
) -> Mapping[tuple[str, int], int]:
    """The last offset that a consumer group took over, by topic and partition; asked without joining it."""
    if not partitions:
        return {}
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(settings.topic_prefix + group, partitions=list(partitions))
    finally:
        await admin.close()
    prefix = settings.topic_prefix
    return {
        (place.topic.removeprefix(prefix), place.partition): position.offset - 1
        for place, position in found.items()
        if position.offset > 0
    }
