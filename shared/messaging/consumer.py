"""Consuming: FastStream batches into the processor, offsets committed only after the database has committed.

The next batch is read while the last one takes effect: Python and PostgreSQL then work at the same time. Offsets are
told twice a second at most. When the database is away, or nearly everything fails, it waits with growing pauses
and skips nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.usecase import BatchSubscriber

from shared.messaging.processing import Record
from shared.messaging.waiting import let_others_go, pause

_LOG = structlog.get_logger(__name__)
MAX_RECORDS = 4000
_FIRST_PAUSE = 0.1
_MOMENT_SECONDS = 0.001
_FRESH_MS = 10
_LONGEST_PAUSE = 15.0
_COMMIT_SECONDS = 0.5
_LONGEST_REST = 0.25
# So much is worth no waiting for more.
_PLENTY_BYTES = 1_000_000
# Unpacked and read without a pause: a millisecond or two.
_PIECE = 125
_LONGEST_KEY = 300
# A batch of so many is no small one.
_MANY = 500
Batch = TypeVar("Batch")
Read_co = TypeVar("Read_co", covariant=True)
Done = TypeVar("Done")


class Health:
    """Whether consuming goes on, for the health page and for whoever restarts services."""

    def __init__(self) -> None:
        self.waiting_for: str | None = None


class Reading(Protocol[Read_co]):
    """One batch's records becoming what takes effect; without effect itself."""

    def take(self, records: Sequence[Record]) -> None:
        """Take some more. They were unpacked a moment ago and are still at the processor's hand: who reads them now
        reads them in half the time. Must not raise: what cannot be read yet waits for `whole`."""

    async def whole(self) -> Read_co:
        """What all of them say. Asked again where it raises."""


class Gathering(Generic[Batch]):
    """Reads nothing before all is there.

    Args:
        read: makes of records what takes effect; without effect itself.
    """

    def __init__(self, read: Callable[[Sequence[Record]], Awaitable[Batch]]) -> None:
        self._read = read
        self._records: list[Record] = []

    def take(self, records: Sequence[Record]) -> None:
        """Some more."""
        self._records += records

    async def whole(self) -> Batch:
        """What all of them say."""
        return await self._read(self._records)


class Consumer(Generic[Batch]):
    """Takes over batches one after another, and reads the next while the one before is still being committed.

    Args:
        prefix: of topic names. begin: of each batch, what makes of its records what `handle` takes.
        handle: takes a batch over, whole or not at all. stop: take nothing more. health: told what is waited for.
        pace: a batch begins so many seconds after the last one at the earliest. Who comes alone waits for nobody; what
            follows close behind comes together, and costs the trouble of one.
        rests: and so many times as long after it as the last one took, a quarter of a second at most: the more there is
            to do, the larger the batches become, and the less each record costs.
    """

    def __init__(
        self,
        prefix: str,
        begin: Callable[[], Reading[Batch]],
        handle: Callable[[Batch], Awaitable[object]],
        stop: asyncio.Event,
        health: Health,
        pace: float = 0.0,
        rests: float = 0.0,
    ) -> None:
        self.prefix = prefix
        self.begin = begin
        self._handle = handle
        self._stop = stop
        self._health = health
        self._pace = pace
        self._rests = rests
        self._took = 0.0
        self._under_way: asyncio.Task[None] | None = None
        self._begun: Batch | None = None
        self._committing: asyncio.Task[None] | None = None
        self._done: dict[TopicPartition, int] = {}

    async def consume(self, message: Any) -> None:
        """FastStream's handler of a batch."""
        next_at = time.monotonic() + max(self._pace, min(self._took * self._rests, _LONGEST_REST))
        fetched: _Fetched[Batch] = message.raw_message
        # FastStream's message and its context hold each other: what it was made of is let go of now, not once the
        # collector of cycles comes by.
        message.raw_message = ()
        read = await self._until_done(fetched.reading.whole)
        await self.settled()
        if read and not self._stop.is_set():
            self._under_way = asyncio.create_task(self._take_over(read[0], fetched.ends, message.consumer))
            # It begins now, and not only once the next records are unpacked. The one before is let go of only then: a
            # hundred thousand objects take some milliseconds, in which the database would have nothing to do.
            await asyncio.sleep(0)
            self._begun = read[0]
        # In a rush it is long past: nothing waits then.
        if (seconds := next_at - time.monotonic()) > 0 and fetched.records < _MANY:
            await pause(self._stop, seconds)

    async def settled(self) -> None:
        """Wait until no batch is under way, and once stopped until its offsets are told."""
        if self._under_way is not None:
            await self._under_way
        if self._committing is not None and self._stop.is_set():
            await self._committing

    async def _take_over(self, batch: Batch, ends: Mapping[TopicPartition, int], consumer: AIOKafkaConsumer) -> None:
        began = time.monotonic()
        if await self._until_done(lambda: self._handle(batch)):
            self._done.update(ends)
        self._took = time.monotonic() - began
        # Offsets need not be told each time, which costs as much as a small batch, and nobody waits for it: what comes
        # again is found done.
        if self._stop.is_set():
            await self._commit(consumer)
        elif self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_soon(consumer))

    async def _commit_soon(self, consumer: AIOKafkaConsumer) -> None:
        delay = _COMMIT_SECONDS
        while self._done:
            await pause(self._stop, delay)
            if await self._commit(consumer):
                delay = _COMMIT_SECONDS
            elif self._stop.is_set():
                return
            else:  # nothing else may come for hours, and all that time it would look as if we were behind
                delay = min(delay * 2, _LONGEST_PAUSE)

    async def _commit(self, consumer: AIOKafkaConsumer) -> bool:
        """Tell the broker what is done. Out: whether it took it."""
        done, self._done = self._done, {}
        # Never without offsets: the consumer's own position is already that of the batch read ahead.
        still_ours = {place: end for place, end in done.items() if place in consumer.assignment()}
        try:
            if still_ours:
                await consumer.commit(still_ours)
        except KafkaError as error:
            # Whoever has the partition now gets the batch again, and finds it done. Where it is still ours, it is told
            # again.
            self._done = still_ours | self._done
            _LOG.info("consumer.offsets.lost", reason=type(error).__name__)
            return False
        return True

    async def _until_done(self, act: Callable[[], Awaitable[Done]]) -> list[Done]:
        """Read or handle a batch for as long as it takes. Out: what that gives; empty: told to stop before."""
        delay = _FIRST_PAUSE
        while not self._stop.is_set():
            try:
                done = await act()
            except Exception as error:  # whatever it is: a batch given up would be skipped by the next commit
                self._health.waiting_for = type(error).__name__
                _LOG.warning("consumer.waiting", reason=self._health.waiting_for, seconds=delay)
                await pause(self._stop, delay)
                delay = min(delay * 2, _LONGEST_PAUSE)
            else:
                if delay > _FIRST_PAUSE:
                    self._health.waiting_for = None
                return [done]
        return []


def subscribe(
    broker: KafkaBroker, consumer: Consumer[Any], *, topics: Sequence[str], group: str, gathers: float = 0.0
) -> None:
    """Let a consumer take over `topics` (full names) in batches as consumer group `group`.

    Args:
        gathers: for how many seconds the broker may gather records, so that many cost the trouble of one.
    """

    async def whole(message: Any) -> Any:
        return message

    async def stand_ins(message: _Fetched[Any], original: Any) -> Any:
        # FastStream would decode every header of every record, and give up on one that is no UTF-8: whoever may write
        # to a topic could stop it for all. It gets empty stand-ins; what records hold is read in `processing`.
        return await original(message)

    subscriber = broker.subscriber(
        *topics,
        group_id=group,
        batch=True,
        max_records=MAX_RECORDS,
        fetch_max_wait_ms=round(gathers * 1000) or 500,
        fetch_min_bytes=_PLENTY_BYTES if gathers else 1,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.MANUAL,
        parser=stand_ins,
        decoder=whole,
    )
    subscriber(consumer.consume)
    subscriber.get_msg = partial(_next_batch, subscriber, consumer)  # type: ignore[method-assign]


class _Fetched(tuple[ConsumerRecord[bytes, bytes], ...], Generic[Batch]):
    """What FastStream takes for a batch: empty stand-ins for its first and its last record. Beside them how many
    records there are, what reads them (each partition's in their order), and where each partition stands after them."""

    records: int
    reading: Reading[Batch]
    ends: dict[TopicPartition, int]


async def _next_batch(self: BatchSubscriber, taking: Consumer[Batch], consumer: AIOKafkaConsumer) -> _Fetched[Batch]:
    """What is there, or nothing after a while. FastStream's own sleeps as long again after it waited in vain, and what
    came meanwhile would wait for it.

    Unpacked in pieces, so that nobody else waits for a batch, and each is read while the processor has it at hand.
    """
    patience = self.batch_timeout_ms
    asked = time.monotonic()
    until = asked + patience / 1000
    reading, count = taking.begin(), 0
    ends: dict[TopicPartition, int] = {}
    stand_ins: list[ConsumerRecord[bytes, bytes]] = []
    while (left := MAX_RECORDS - count) > 0:
        try:
            found = await consumer.getmany(timeout_ms=patience, max_records=min(left, _PIECE))
        except Exception:
            if not count:
                raise
            break  # what was fetched before comes no second time; the next call says the same
        if not found:
            break
        for place, raws in found.items():
            reading.take([record_of(raw, taking.prefix) for raw in raws])
            count += len(raws)
            ends[place] = raws[-1].offset + 1
            stand_ins = [*stand_ins[:1], _empty(raws[-1])]
        # What lay here was fetched when the batch before began; what has come since is a moment away.
        lay_here = patience == self.batch_timeout_ms and time.monotonic() - asked < _MOMENT_SECONDS
        patience = _FRESH_MS if lay_here else 0
        await let_others_go()
    if not count:
        await asyncio.sleep(until - time.monotonic())
    fetched: _Fetched[Batch] = _Fetched(stand_ins)
    fetched.records, fetched.reading, fetched.ends = count, reading, ends
    return fetched


def _empty(raw: ConsumerRecord[bytes, bytes]) -> ConsumerRecord[bytes, bytes]:
    return replace(raw, headers=(), key=None, value=b"")


def record_of(raw: ConsumerRecord[bytes, bytes], prefix: str) -> Record:
    """A record as the services know it: its topic without the deployment's prefix, its key as text not too long."""
    headers = raw.headers
    for _, value in headers:
        if value is None:
            headers = [(name, value or b"") for name, value in headers]
            break
    key = _text(raw.key or b"")
    return Record(raw.topic.removeprefix(prefix), raw.partition, raw.offset, key, raw.value, tuple(headers))


def _text(key: bytes) -> str:
    # U+0000 may be in a key, and in no text of the database; an index takes no text of any length.
    text = key.decode(errors="replace").replace("\x00", "\ufffd")
    if len(text) <= _LONGEST_KEY:
        return text
    return f"{text[:_LONGEST_KEY]}…{hashlib.sha256(key).hexdigest()}"
