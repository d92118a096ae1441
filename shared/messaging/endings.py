"""Tells every replica of every service which sessions ended, and hears it from them: services never call each other.

Each process reads the whole of the topic, from the age of the oldest cookie that can still be good.
"""

from __future__ import annotations

import asyncio
import re
import time

import orjson
import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from shared.identity.ended import EndedSessions
from shared.identity.sessions import SESSION_SECONDS
from shared.messaging import kafka
from shared.messaging.waiting import pause
from shared.settings import Settings

SESSIONS_TOPIC = "identity.sessions.v1"
_AGAIN_SECONDS = 1.0
_LOOK_MS = 500
# Whatever else is written there is remembered by nobody.
_DIGEST = re.compile("[0-9a-f]{64}")
_LOG = structlog.get_logger(__name__)


class NoTopicError(Exception):
    """The topic is not there yet."""


class Endings:
    """One process's part.

    Args:
        settings: the broker, and the prefix of topics. ended: what is known here.
    """

    def __init__(self, settings: Settings, ended: EndedSessions) -> None:
        self._settings = settings
        self._ended = ended
        self._topic = settings.topic_prefix + SESSIONS_TOPIC
        ended.shared = True
        # Whether all was read once that had been told before this process began.
        self.caught_up = False

    async def run(self, stop: asyncio.Event) -> None:
        """Tell and hear until stopped, however often the broker is away."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                parts = [asyncio.create_task(self._hear()), asyncio.create_task(self._tell())]
                await asyncio.wait([stopping, *parts], return_when=asyncio.FIRST_COMPLETED)
                for part in parts:
                    part.cancel()
                for failed in await asyncio.gather(*parts, return_exceptions=True):
                    if isinstance(failed, Exception):
                        _LOG.warning("sessions.waiting", reason=type(failed).__name__)
                await pause(stop, _AGAIN_SECONDS)
        finally:
            stopping.cancel()

    async def _hear(self) -> None:
        # Of no group: each process reads all partitions.
        consumer = AIOKafkaConsumer(
            self._topic,
            **kafka.client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            # Where it begins is said below; nobody waits at the end for what is new before that.
            auto_offset_reset="earliest",
        )
        try:
            # In here: one that connected and was then told to end, or failed, is closed too.
            await consumer.start()
            ends = await self._begin(consumer)
            while True:
                if not self.caught_up:
                    self.caught_up = all([await consumer.position(one) >= end for one, end in ends.items()])
                for records in (
                    await consumer.getmany(timeout_ms=_LOOK_MS if self.caught_up else _LOOK_MS // 10)
                ).values():
                    for record in records:
                        self._learn(record)
        finally:
            await consumer.stop()

    async def _begin(self, consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        """Read from where the oldest session can have ended that is still good. Out: where the topic ends now."""
        partitions = list(consumer.assignment())
        if not partitions:
            raise NoTopicError(self._topic)
        since = int((time.time() - SESSION_SECONDS) * 1000)
        ends: dict[TopicPartition, int] = await consumer.end_offsets(partitions)
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
        for partition in partitions:
            place = found.get(partition)
            consumer.seek(partition, ends[partition] if place is None else place.offset)
        return ends

    def _learn(self, record: ConsumerRecord[bytes, bytes]) -> None:
        try:
            digest = orjson.loads(record.value or b"")["session"]
            if not _DIGEST.fullmatch(digest):
                raise ValueError
            self._ended.learn(digest, record.timestamp / 1000)
        except (ValueError, KeyError, TypeError):
            _LOG.error("sessions.unreadable", offset=record.offset)

    async def _tell(self) -> None:
        producer = kafka.producer(self._settings)
        try:
            await producer.start()
            while True:
                digests = await self._ended.untold()
                sent = [await producer.send(self._topic, orjson.dumps({"session": digest})) for digest in digests]
                await asyncio.gather(*sent)
                self._ended.told(digests)
        finally:
            await producer.stop()
