"""Consuming: FastStream batches into the processor, offsets committed only after the database has committed.

When the database is away, or nearly everything fails, it waits with growing pauses and skips nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog
from aiokafka import ConsumerRecord
from faststream import AckPolicy
from faststream.kafka import KafkaBroker

from shared.messaging.processing import Record
from shared.messaging.relay import pause

_LOG = structlog.get_logger(__name__)
MAX_RECORDS = 1000
_LONGEST_PAUSE = 15.0


class Health:
    """Whether consuming goes on, for the health page and for whoever restarts services."""

    def __init__(self) -> None:
        self.waiting_for: str | None = None


def subscribe(
    broker: KafkaBroker,
    *,
    topics: Sequence[str],
    group: str,
    prefix: str,
    handle: Callable[[Sequence[Record]], Awaitable[object]],
    stop: asyncio.Event,
    health: Health,
) -> None:
    """Consume `topics` (without prefix) in batches as consumer group `group`, until `stop`."""

    async def whole(message: Any) -> Any:
        return message

    async def unread(message: Sequence[ConsumerRecord[bytes, bytes]], original: Any) -> Any:
        # FastStream would decode every header of every record, and give up on one that is no UTF-8: whoever may write
        # to a topic could stop it for all. It gets empty stand-ins; what records hold is read in `processing`.
        parsed = await original((_empty(message[0]), _empty(message[-1])))
        parsed.raw_message = message
        return parsed

    async def consume(message: Any) -> None:
        records = [_record(raw, prefix) for raw in message.raw_message]
        if await _persist(handle, records, stop, health):
            await message.ack()

    broker.subscriber(
        *(prefix + topic for topic in topics),
        group_id=group,
        batch=True,
        max_records=MAX_RECORDS,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        parser=unread,
        decoder=whole,
    )(consume)


async def _persist(
    handle: Callable[[Sequence[Record]], Awaitable[object]],
    records: Sequence[Record],
    stop: asyncio.Event,
    health: Health,
) -> bool:
    """Handle a batch for as long as it takes. False: told to stop before it was taken over."""
    delay = 0.1
    while not stop.is_set():
        try:
            await handle(records)
        except Exception as error:  # whatever it is: a batch given up would be skipped by the next commit
            health.waiting_for = type(error).__name__
            _LOG.warning("consumer.waiting", reason=health.waiting_for, seconds=delay)
            await pause(stop, delay)
            delay = min(delay * 2, _LONGEST_PAUSE)
        else:
            health.waiting_for = None
            return True
    return False


def _empty(raw: ConsumerRecord[bytes, bytes]) -> ConsumerRecord[bytes, bytes]:
    return replace(raw, headers=(), key=None, value=b"")


def _record(raw: ConsumerRecord[bytes, bytes], prefix: str) -> Record:
    return Record(
        topic=raw.topic.removeprefix(prefix),
        partition=raw.partition,
        offset=raw.offset,
        key=(raw.key or b"").decode(errors="replace"),
        value=raw.value,
        headers=tuple(raw.headers),
    )
