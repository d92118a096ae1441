"""When offsets are told: only of what has taken effect, soon at rest, and not lost by a commit that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError

from shared.messaging import consumer
from shared.messaging.consumer import Consumer, Gathering, Health
from shared.messaging.processing import Record

MOMENT = 0.02


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "_COMMIT_SECONDS", MOMENT)


class Kafka:
    """Stands in for aiokafka's consumer: remembers what was committed."""

    def __init__(self) -> None:
        self.committed: list[dict[TopicPartition, int]] = []
        self.assigned = {TopicPartition("t", 0), TopicPartition("t", 1)}
        self.failing = 0

    def assignment(self) -> set[TopicPartition]:
        return self.assigned

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        if self.failing:
            self.failing -= 1
            raise KafkaConnectionError
        self.committed.append(offsets)


class Line:
    """A consumer whose batches take effect when they are let through."""

    def __init__(self, pace: float = 0.0, rests: float = 0.0) -> None:
        self.kafka = Kafka()
        self.stop = asyncio.Event()
        self.gate = asyncio.Event()
        self.health = Health()
        self.unreadable = self.handled = 0
        own = (self.begin, self.handle, self.stop, self.health, pace, rests)
        self.consumer: Consumer[Sequence[Record]] = Consumer("", *own)

    async def told(self) -> None:
        """Wait until what has taken effect is told."""
        await self.consumer.settled()
        await asyncio.sleep(3 * MOMENT)

    async def committed(self, ends: dict[TopicPartition, int]) -> None:
        """Wait until these offsets were told last; a test fails where they are not within a minute."""
        async with asyncio.timeout(60):
            while self.kafka.committed[-1:] != [ends]:
                await asyncio.sleep(MOMENT)

    async def failed(self) -> None:
        """Wait until no commit is to fail any more."""
        async with asyncio.timeout(60):
            while self.kafka.failing:
                await asyncio.sleep(0)

    def begin(self) -> Gathering[Sequence[Record]]:
        return Gathering(self.read)

    async def read(self, records: Sequence[Record]) -> Sequence[Record]:
        if self.unreadable:
            self.unreadable -= 1
            raise OverflowError
        return records

    async def handle(self, _batch: Sequence[Record]) -> None:
        await self.gate.wait()
        self.handled += 1

    async def give(self, partition: int, offset: int, records: int = 1) -> None:
        some = [Record("t", partition, offset + place, "", b"", ()) for place in range(records)]
        reading = self.begin()
        reading.take(some)
        ends = {TopicPartition("t", partition): offset + records}
        fetched = SimpleNamespace(records=records, reading=reading, ends=ends)
        await self.consumer.consume(SimpleNamespace(raw_message=fetched, consumer=self.kafka))


def at(**ends: int) -> dict[TopicPartition, int]:
    return {TopicPartition("t", int(name[1:])): end for name, end in ends.items()}


async def test_a_batch_that_cannot_be_read_is_waited_for_and_never_passed_over() -> None:
    line = Line()
    line.gate.set()
    line.unreadable = 2
    await line.give(0, 4)
    await line.committed(at(p0=5))
    assert line.handled == 1
    assert line.health.waiting_for is None
    assert len(line.kafka.committed) == 1


async def test_at_rest_offsets_are_told_once_the_batch_took_effect() -> None:
    line = Line()
    await line.give(0, 4)
    await asyncio.sleep(0)
    assert line.kafka.committed == []
    line.gate.set()
    await line.told()
    assert line.kafka.committed == [at(p0=5)]


async def test_in_a_rush_the_last_of_several_batches_tells_for_all() -> None:
    line = Line()
    line.gate.set()
    await line.give(0, 0)
    await line.consumer.settled()
    line.gate.clear()
    await line.give(0, 1)
    waiting = asyncio.create_task(line.give(1, 7))
    await asyncio.sleep(0)
    line.gate.set()
    await waiting
    await line.told()
    assert line.kafka.committed == [at(p0=2, p1=8)]


async def test_a_commit_that_failed_is_made_up_for_where_the_partition_is_still_ours() -> None:
    line = Line()
    line.gate.set()
    line.kafka.failing = 1
    await line.give(0, 4)
    await line.give(1, 2)
    await line.committed(at(p0=5, p1=3))
    line.kafka.failing = 1
    await line.give(0, 5)
    await line.failed()
    line.kafka.assigned = {TopicPartition("t", 1)}
    await line.give(1, 3)
    await line.committed(at(p1=4))


async def test_a_commit_that_failed_is_tried_again_although_nothing_else_comes() -> None:
    line = Line()
    line.gate.set()
    line.kafka.failing = 3
    await line.give(0, 4)
    await line.committed(at(p0=5))
    line.kafka.failing = 3
    await line.give(0, 5)
    line.stop.set()
    await asyncio.wait_for(line.consumer.settled(), 60)
    assert line.kafka.committed == [at(p0=5)], "who stops does not wait for a broker that is away"


async def test_small_batches_one_after_another_are_told_together_and_a_stop_waits_until_they_are() -> None:
    line = Line()
    line.gate.set()
    for offset in range(5):
        await line.give(0, offset)
        await line.consumer.settled()
    assert line.kafka.committed == []
    line.stop.set()
    await line.consumer.settled()
    assert line.kafka.committed == [at(p0=5)]


async def test_who_comes_alone_waits_for_nobody_and_what_follows_close_behind_comes_together() -> None:
    line = Line(pace=3600)
    line.gate.set()
    first = asyncio.create_task(line.give(0, 4))
    await asyncio.sleep(MOMENT)
    assert line.handled == 1
    assert not first.done(), "the next are gathered meanwhile"
    line.stop.set()
    await asyncio.wait_for(first, 60)


async def test_a_large_batch_is_followed_by_the_next_at_once() -> None:
    line = Line(pace=3600)
    line.gate.set()
    await asyncio.wait_for(line.give(0, 0, records=500), 60)
    assert line.handled == 1


async def test_what_follows_a_batch_that_took_long_is_gathered_for_longer() -> None:
    line = Line(rests=3600)
    first = asyncio.create_task(line.give(0, 4))
    await asyncio.sleep(MOMENT)
    assert first.done(), "nothing had taken long"
    line.gate.set()
    await line.told()
    second = asyncio.create_task(line.give(0, 5))
    await asyncio.sleep(MOMENT)
    assert line.handled == 2, "who comes alone waits for nobody"
    assert not second.done(), "the next are gathered meanwhile"
    await asyncio.wait_for(second, 60)


class Pieces:
    """Stands in for aiokafka's consumer: gives one piece after another, or raises. `late`: the first comes only after
    a while."""

    def __init__(self, *pieces: list[int] | Exception, late: bool = False) -> None:
        self.pieces = list(pieces)
        self.late = late
        self.patience: list[int] = []

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        self.patience.append(timeout_ms)
        if self.late and len(self.patience) == 1:
            await asyncio.sleep(MOMENT)
        piece = self.pieces.pop(0) if self.pieces else []
        if isinstance(piece, Exception):
            raise piece
        if not piece:
            return {}
        raws = [ConsumerRecord("x.t", 0, at, 0, 0, b"k", b"{}", None, 1, 2, ()) for at in piece]
        return {TopicPartition("x.t", 0): raws}


async def test_what_lay_here_is_handed_on_with_what_has_come_since_and_what_comes_alone_waits_for_nobody() -> None:
    reader = SimpleNamespace(batch_timeout_ms=100)
    taking = SimpleNamespace(prefix="x.", begin=Line().begin)
    lay_here = Pieces([4], [5], [])
    fetched = await consumer._next_batch(reader, taking, lay_here)  # type: ignore[arg-type, var-annotated]
    assert [record.offset for record in await fetched.reading.whole()] == [4, 5]
    assert lay_here.patience == [100, consumer._FRESH_MS, 0], "a moment, once"
    alone = Pieces([4], [], late=True)
    fetched = await consumer._next_batch(reader, taking, alone)  # type: ignore[arg-type]
    assert [record.offset for record in await fetched.reading.whole()] == [4]
    assert alone.patience == [100, 0]


async def test_what_was_unpacked_before_a_piece_that_fails_is_handed_on_and_the_failure_is_told_next() -> None:
    pieces = Pieces([4, 5], [6], KafkaConnectionError(), KafkaConnectionError())
    reader = SimpleNamespace(batch_timeout_ms=1)
    taking = SimpleNamespace(prefix="x.", begin=Line().begin)
    fetched = await consumer._next_batch(reader, taking, pieces)  # type: ignore[arg-type, var-annotated]
    records = await fetched.reading.whole()
    assert [record.offset for record in records] == [4, 5, 6]
    assert fetched.records == 3
    assert records[0].topic == "t"
    assert fetched.ends == {TopicPartition("x.t", 0): 7}
    assert [raw.offset for raw in fetched] == [5, 6]
    with pytest.raises(KafkaConnectionError):
        await consumer._next_batch(reader, taking, pieces)  # type: ignore[arg-type]
    nothing = await consumer._next_batch(reader, taking, pieces)  # type: ignore[arg-type]
    assert not nothing
