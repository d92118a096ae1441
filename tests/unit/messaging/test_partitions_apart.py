"""A partition that cannot be read costs the others nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.errors import CorruptRecordException

from shared.messaging import tolerance

SOUND, BROKEN = TopicPartition("t", 0), TopicPartition("t", 1)


class Place:
    """Where a partition stands."""

    paused = False
    position = 0

    def consumed_to(self, position: int) -> None:
        self.position = position


class Three:
    """Three records that were fetched; or, of a broken partition, none that can be read."""

    def __init__(self, *, broken: bool) -> None:
        self.broken = broken
        self.next_fetch_offset = 0
        self._records_iterator = self._read()

    def __iter__(self) -> Any:
        return self._records_iterator

    def _read(self) -> Any:
        if self.broken:
            raise CorruptRecordException
        for offset in range(3):
            self.next_fetch_offset = offset + 1
            yield offset


async def test_what_was_taken_of_a_sound_partition_beside_a_broken_one_comes_again() -> None:
    tolerance.install()
    places = {SOUND: Place(), BROKEN: Place()}
    assignment = SimpleNamespace(active=True, state_value=places.get)

    def fetched(place: TopicPartition) -> Any:
        records = Three(broken=place is BROKEN)
        return FetchResult(place, assignment=assignment, partition_records=records, backoff=0)

    consumer: Any = SimpleNamespace(
        _records={place: fetched(place) for place in (SOUND, BROKEN)},
        _subscriptions=SimpleNamespace(reassignment_in_progress=False),
        _notify=lambda _waiting: None,
        _wait_consume_future=None,
    )
    with pytest.raises(CorruptRecordException):
        await Fetcher.fetched_records(consumer, [])
    assert places[SOUND].position == 0
    consumer._records = {SOUND: fetched(SOUND)}
    assert await Fetcher.fetched_records(consumer, []) == {SOUND: [0, 1, 2]}
    assert places[SOUND].position == 3
