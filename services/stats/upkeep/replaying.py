"""Reads topics anew, from their beginning or from where a snapshot ends, up to what the live figures hold."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

    async def read(self, records: Sequence[Record]) -> Any:
        """What `handle` takes of records; without effect."""

    async def handle(self, batch: Any) -> None:
        """Count a batch; records that were counted before change nothing."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A batch that is read: so many records, and where each partition stands once they are counted."""

    batch: Any
    ends: Mapping[Partition, int]
    count: int


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
        # Whatever happens in here, the batch still waits: counting it a second time changes nothing.
        counting = asyncio.create_task(self._counting.handle(self._taken[0].batch))
        try:
            if len(self._taken) == 1:
                await self._take(targets)
        finally:
            await counting
        taken = self._taken.popleft()
        self._next.update(taken.ends)
        self.done += taken.count

    async def _take(self, targets: Mapping[Partition, int]) -> bool:
        """Read the next batch of what lies up to the targets. Out: whether there was any."""
        if not any(self._ready(place, targets) for place in self._waiting):
            await self._fetch()
            if not self._taken:
                await self._skip_gaps(targets)
        ready = {place: count for place in self._waiting if (count := self._ready(place, targets))}
        records = [record for place, count in ready.items() for record in self._waiting[place][:count]]
        if not records:
            return False
        batch = await self._counting.read(records)
        ends = {place: self._waiting[place][count - 1].offset + 1 for place, count in ready.items()}
        for place, count in ready.items():
            del self._waiting[place][:count]
        self._taken.append(_Taken(batch, ends, len(records)))
        return True

    async def _fetch(self) -> None:
        """Get what has come, in small pieces: others wait for this process, too."""
        patience = _POLL_MS if not self._taken else 0
        left = self._batch
        while left > 0:
            fetched = await self._consumer.getmany(timeout_ms=patience, max_records=min(left, _PIECE))
            for partition, raws in fetched.items():
                records = [record_of(raw, self._prefix) for raw in raws]
                self._waiting.setdefault(self._place(partition), []).extend(records)
                left -= len(raws)
            if not fetched:
                return
            patience = 0
            await let_others_go()

    async def _skip_gaps(self, targets: Mapping[Partition, int]) -> None:
        """Offsets without a record (a transaction's marks, what retention took) count as passed. Only where nothing is
        read that is not counted yet."""
        for partition in self._partitions:
            place = self._place(partition)
            if place in targets and not self._waiting.get(place) and self._next[place] <= targets[place]:
                self._next[place] = max(self._next[place], await self._consumer.position(partition))

    def _ready(self, place: Partition, targets: Mapping[Partition, int]) -> int:
        target = targets.get(place, -1)
        return sum(1 for record in self._waiting[place] if record.offset <= target)

    def _place(self, partition: TopicPartition) -> Partition:
        return partition.topic.removeprefix(self._prefix), partition.partition
