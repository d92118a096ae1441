"""Reads what anybody with a right to write may have put into Kafka: a header's name that is no UTF-8, too.

aiokafka gives up on such a record, again and again, and with it on its partition. Here names are read as far as they
are text, so that the record reaches whoever can refuse it. All else is aiokafka's own reading, a little faster, and
without its waiting for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy

_LOOKS_AGAIN_SECONDS = 1.0


class _Lenient(bytearray):
    """Bytes whose slices become text without complaint."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Lenient(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, "replace")


class _Batch:
    """A batch that is read once more, leniently, from where reading it failed."""

    def __init__(self, batch: Any, data: bytes, number: int) -> None:
        self._batch = batch
        self._data = data
        self._number = number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        done = 0
        try:
            for record in self._batch:
                yield record
                done += 1
        except (UnicodeDecodeError, CorruptRecordException):
            for place, record in enumerate(self._leniently()):
                if place >= done:
                    yield record

    def _leniently(self) -> Iterator[Any]:
        records = _MemoryRecordsPy(self._data)
        for _ in range(self._number):
            records.next_batch()
        slice_ = records._next_slice
        batch: Any = _DefaultRecordBatchPy(slice_)
        batch._maybe_uncompress()
        batch._buffer = _Lenient(batch._buffer)
        return iter(batch)


class Records:
    """aiokafka's reader of a fetched piece, whose batches read leniently where they must."""

    def __init__(self, data: bytes) -> None:
        self._records: Any = MemoryRecords(data)
        self._data = data
        self._number = 0

    def size_in_bytes(self) -> int:
        """Of the piece."""
        return int(self._records.size_in_bytes())

    def has_next(self) -> bool:
        """Whether a batch is left."""
        return bool(self._records.has_next())

    def next_batch(self) -> Any:
        """The next batch; None at the end."""
        batch = self._records.next_batch()
        self._number += 1
        return None if batch is None else _Batch(batch, self._data, self._number - 1)


def _themselves(self: Any) -> Iterator[Any]:
    """The records that are left of a piece, without the detour by which aiokafka asks for each: a quarter of its
    reading."""
    records: Iterator[Any] = self._records_iterator
    return records


# What one look at what was fetched has taken out of it, each with where its partition stood before. A look is never
# interrupted, so that it is one consumer's at a time.
_taken: list[tuple[Any, int]] = []
_getall, _fetched_records = fetcher.FetchResult.getall, fetcher.Fetcher.fetched_records


def _noting(self: Any, max_records: int | None = None) -> Any:
    before = self._assignment.state_value(self._topic_partition).position if self._assignment.active else None
    found = _getall(self, max_records)
    if found and before is not None:
        _taken.append((self, before))
    return found


async def _whole_or_not_at_all(self: Any, partitions: Any, timeout: float = 0, max_records: int | None = None) -> Any:
    """Where one partition cannot be read, aiokafka throws away what it has just taken of the others, and stands behind
    it: they go back, and come again."""
    _taken.clear()
    try:
        return await _fetched_records(self, partitions, timeout, max_records)
    except Exception:
        for result, before in _taken:
            if result._assignment.active:
                result._assignment.state_value(result._topic_partition).consumed_to(before)
        raise
    finally:
        _taken.clear()


def _until_taken(_self: Any) -> float:
    """For how long nothing more is asked for while something that was fetched is not taken yet. aiokafka asks again
    after a tenth of a second, for the partitions that had nothing; the broker lets that question wait until one of them
    has, half a second long, and whatever comes into the others meanwhile waits with it. Taking it asks at once."""
    return _LOOKS_AGAIN_SECONDS


def install() -> None:
    """Let every consumer of this process read so. Once is enough, more does no harm."""
    fetcher.FetchResult.getall = _noting
    fetcher.Fetcher.fetched_records = _whole_or_not_at_all
    fetcher.MemoryRecords = Records
    fetcher.PartitionRecords.__iter__ = _themselves
    fetcher.FetchResult.calculate_backoff = _until_taken
