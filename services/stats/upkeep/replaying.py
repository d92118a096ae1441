"""Reads topics anew, from their beginning or from where a snapshot ends, up to what the live figures hold."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition

from services.stats.store.reached import Partition
from shared.messaging.consumer import record_of
from shared.messaging.processing import Record
from shared.messaging.waiting import let_others_go

_POLL_MS: Final = 200
_PIECE: Final = 125


class Counts(Protocol):
    """Whoever takes records: the board's counting, or history's."""

    def begin(self) -> Any:
        """Begin a batch: what makes of records what `handle` takes (`consumer.Reading`)."""

    async def handle(self, batch: Any) -> None:
        """Count a batch; records that were counted before change nothing."""


@dataclass(slots=True)
class _Taken:
    """A batch: what it was given so far (so many records), where each partition stands once they are counted, and
    whether it is whole."""

    batch: Any
    ends: dict[Partition, int] = field(default_factory=dict)
    count: int = 0
    whole: bool = False


class Replay:
    """Counts each partition up to a target, never beyond it: so both sides hold the same records when they are
    compared, and every difference between them is a real one.

    Args:
        consumer: nobody else's, of no group. partitions: all that are read. counting: takes the records.
        prefix: of topic names. batch: how many records are taken at once, at most.
    """

    def __init__(
        self,
        consumer: AIOKafkaConsumer,
        partitions: Sequence[TopicPartition],
        counting: Counts,
        prefix: str,
        batch: int,
    ) -> None:
        self._consumer = consumer
        self._partitions = partitions
        self._counting = counting
        self._prefix = prefix
        self._batch = batch
        self._next: dict[Partition, int] = {}
        self._waiting: dict[Partition, list[Record]] = {}
        self._begins: dict[Partition, int] = {}
        self._taken: deque[_Taken] = deque()
        self._counted: _Taken | None = None
        self.done = 0

    async def begin(self) -> bool:
        """Go to the beginning. Out: whether that is the first record there ever was."""
        begins = await self._consumer.beginning_offsets(self._partitions) if self._partitions else {}
        for partition, offset in begins.items():
            self._consumer.seek(partition, offset)
            self._begins[self._place(partition)] = self._next[self._place(partition)] = offset
        return not any(self._begins.values())

    async def holds(self, targets: Mapping[Partition, int]) -> bool:
        """Whether Kafka has what lies up to the targets: what it lost would be waited for without end."""
        ends = await self._consumer.end_offsets(self._partitions) if self._partitions else {}
        known = {self._place(partition): end for partition, end in ends.items()}
        return all(target < known.get(place, 0) for place, target in targets.items())

    def go_on(self, positions: Mapping[Partition, int]) -> bool:
        """Go to where a snapshot ends. Out: whether Kafka has everything since; a partition that the snapshot does not
        know had no record then."""
        for partition in self._partitions:
            place = self._place(partition)
            first = positions.get(place, 0)
            if first < self._begins[place]:
                return False
            self._consumer.seek(partition, first)
            self._begins[place] = self._next[place] = first
        return True

    def reached(self, targets: Mapping[Partition, int]) -> bool:
        """Whether every record up to the targets (each the last offset that counts) is counted."""
        return all(self._next.get(place, target + 1) > target for place, target in targets.items())

    def total(self, targets: Mapping[Partition, int]) -> int:
        """How many offsets lie between the beginning and the targets."""
        return sum(max(0, target + 1 - self._begins.get(place, target + 1)) for place, target in targets.items())

    async def advance(self, targets: Mapping[Partition, int]) -> None:
        """Count one batch of what lies up to the targets. Meanwhile the next one is read: Python and PostgreSQL then
        work at the same time."""
        if not self._taken and not await self._take(targets):
            return
        first = self._taken[0]
        await _finish(first)
        # Whatever happens in here, the batch still waits: counting it a second time changes nothing.
        counting = asyncio.create_task(self._counting.handle(first.batch))
        try:
            # The one before is let go of only now, for a batch is a hundred thousand objects: the database would wait.
            await asyncio.sleep(0)
            self._counted = None
            if len(self._taken) == 1:
                await self._take(targets)
        finally:
            await counting
        self._counted = self._taken.popleft()
        self._next.update(first.ends)
        self.done += first.count

    async def _take(self, targets: Mapping[Partition, int]) -> bool:
        """Read the next batch of what lies up to the targets. Out: whether there was any."""
        ahead = bool(self._taken)
        # It stands among the taken from its first record on: who is interrupted in here has lost none.
        taken = _Taken(self._counting.begin())
        self._taken.append(taken)
        try:
            if not self._hand_over(taken, targets):
                await self._fetch(taken, targets, 0 if ahead else _POLL_MS)
                if not ahead:
                    await self._skip_gaps(targets)
        finally:
            if not taken.count:
                self._taken.pop()
        if taken.count:
            await _finish(taken)
        return bool(taken.count)

    def _hand_over(self, taken: _Taken, targets: Mapping[Partition, int]) -> bool:
        """Of what waits, what lies up to the targets. Out: whether there was any."""
        found = False
        for place, waiting in self._waiting.items():
            if ready := _up_to(waiting, targets.get(place, -1)):
                taken.batch.take(waiting[:ready])
                taken.ends[place] = waiting[ready - 1].offset + 1
                taken.count += ready
                del waiting[:ready]
                found = True
        return found

    async def _fetch(self, taken: _Taken, targets: Mapping[Partition, int], patience: int) -> None:
        """Get what has come and hand it over, in small pieces: others wait for this process, too. `patience`: for so
        many milliseconds anything may come."""
        left = self._batch
        while left > 0:
            fetched = await self._consumer.getmany(timeout_ms=patience, max_records=min(left, _PIECE))
            if not fetched:
                return
            for partition, raws in fetched.items():
                waiting = self._waiting.setdefault(self._place(partition), [])
                waiting += [record_of(raw, self._prefix) for raw in raws]
                left -= len(raws)
            self._hand_over(taken, targets)
            patience = 0
            await let_others_go()

    async def _skip_gaps(self, targets: Mapping[Partition, int]) -> None:
        """Offsets without a record (a transaction's marks, what retention took) count as passed. Only where nothing is
        read that is not counted yet."""
        taken = {place for one in self._taken for place in one.ends}
        for partition in self._partitions:
            place = self._place(partition)
            if place in taken or self._waiting.get(place):
                continue
            if place in targets and self._next[place] <= targets[place]:
                self._next[place] = max(self._next[place], await self._consumer.position(partition))

    def _place(self, partition: TopicPartition) -> Partition:
        return partition.topic.removeprefix(self._prefix), partition.partition


async def _finish(taken: _Taken) -> None:
    if not taken.whole:
        await taken.batch.whole()
        taken.whole = True


def _up_to(records: Sequence[Record], target: int) -> int:
    """How many of a partition's records, which are in their order, lie up to an offset."""
    if records and records[-1].offset <= target:
        return len(records)
    return bisect_right(records, target, key=lambda record: record.offset)
