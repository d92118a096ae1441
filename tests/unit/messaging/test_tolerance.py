"""A record with a header name that is no UTF-8 is read like the others, whatever stands before and behind it."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from shared.messaging.tolerance import Records


class _Raw(str):
    """A name whose bytes on the wire are not UTF-8."""

    def encode(self, _encoding: str = "utf-8", _errors: str = "strict") -> bytes:
        return b"n\xff\xfe"


def batch(first: int, names: list[str], *, gzip: bool = False) -> bytes:
    builder = _DefaultRecordBatchBuilderPy(2, 1 if gzip else 0, 0, -1, -1, -1, 1_000_000)
    for at, name in enumerate(names):
        builder.append(at, 1_700_000_000_000, b"k", str(at).encode(), [(name, b"v")])
    built = bytearray(builder.build())
    built[0:8] = first.to_bytes(8, "big")  # the broker's part; the checksum does not cover it
    return bytes(built)


def read(data: bytes, reader: type[Any] = Records) -> list[tuple[int, bytes, str]]:
    records, found = reader(data), []
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found += [(record.offset, record.value, record.headers[0][0]) for record in one]
        assert one.next_offset == found[-1][0] + 1
    return found


@pytest.mark.parametrize("gzip", [False, True])
def test_records_around_a_broken_name_are_all_read(gzip: bool) -> None:
    data = batch(5, ["a", "b"], gzip=gzip) + batch(7, ["c", _Raw(), "đ"], gzip=gzip) + batch(10, ["e"], gzip=gzip)
    with pytest.raises((UnicodeDecodeError, CorruptRecordException)):
        read(data, MemoryRecords)
    assert read(data) == [
        (5, b"0", "a"),
        (6, b"1", "b"),
        (7, b"0", "c"),
        (8, b"1", "n��"),
        (9, b"2", "đ"),
        (10, b"0", "e"),
    ]


def test_what_is_really_corrupt_is_still_refused() -> None:
    data = bytearray(batch(0, ["a", "b"]))
    data[61] += 2  # the first record's length
    with pytest.raises(CorruptRecordException):
        list(Records(bytes(data)).next_batch())
