"""What is written as JSON is refused where the driver would refuse it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from services.cases.store.statements import Table, dumps

ROWS = Table("cases", ("id", "at"))


def test_moments_are_told_in_utc_and_spans_to_the_microsecond() -> None:
    row = {
        "at": datetime(2026, 11, 24, 8, 0, 0, 1, tzinfo=timezone(timedelta(hours=7))),
        "day": datetime(2026, 11, 24, tzinfo=UTC).date(),
        "stood_still": timedelta(days=2, microseconds=5),
    }
    assert orjson.loads(dumps([row])) == [
        {"at": "2026-11-24T01:00:00.000001+00:00", "day": "2026-11-24", "stood_still": "2 days 0.000005 seconds"}
    ]


@pytest.mark.parametrize(
    "value",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),
        "\ud800",
        2**64,
    ],
)
def test_what_could_not_be_read_again_is_not_written(value: object) -> None:
    with pytest.raises(orjson.JSONEncodeError):
        dumps([{"at": value}])


def test_a_moment_without_its_time_zone_is_no_moment() -> None:
    with pytest.raises(orjson.JSONEncodeError):
        dumps([{"at": datetime(2026, 11, 24)}])  # noqa: DTZ001


def test_of_rows_that_are_the_same_the_last_one_stands() -> None:
    rows = [{"id": "a", "at": 1}, {"id": "b", "at": 2}, {"id": "a", "at": 3}]
    assert ROWS.once(rows) == [{"id": "a", "at": 3}, {"id": "b", "at": 2}]
    assert Table("entry", ("at",), key=()).once(rows) == rows
