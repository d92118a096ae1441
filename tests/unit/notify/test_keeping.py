"""How long notify remembers, as data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.reference.files import ReferenceDataError
from shared.reference.notify_keeping import NotifyKeeping, NotifyKeepingByDay
from shared.reference.notify_limits import NotifyLimits, NotifyLimitsByDay

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
KEEPING = NotifyKeepingByDay.load().on(NOW)
LIMITS = NotifyLimitsByDay.load().on(NOW)


def test_a_change_of_the_times_holds_from_its_day_on_and_not_before() -> None:
    later = replace(KEEPING, effective_from=date(2026, 7, 1), undo_hours=48)
    known = NotifyKeepingByDay([later, KEEPING])
    assert known.on(NOW).undo == timedelta(hours=KEEPING.undo_hours)
    assert known.on(datetime(2026, 6, 30, 16, 59, tzinfo=UTC)).undo_hours == KEEPING.undo_hours
    assert known.on(datetime(2026, 6, 30, 17, tzinfo=UTC)).undo == timedelta(hours=48)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"undo_hours": 0}, "more than 0"),
        ({"old_secret_hours": -1}, "more than 0"),
        ({"absence_days": "365"}, "more than 0"),
        ({"receipt_days": None}, "more than 0"),
        ({"group_days": 0}, "more than 0"),
        ({"health_days": 6}, "health_days"),
        ({"legal_source_vi": ""}, "source"),
    ],
)
def test_times_that_make_no_sense_stop_the_program_at_its_start(change: dict[str, object], problem: str) -> None:
    wrong: NotifyKeeping = replace(KEEPING, **change)  # type: ignore[arg-type]
    with pytest.raises(ReferenceDataError, match=problem):
        NotifyKeepingByDay([wrong])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"endpoints_most": 0}, "at least 1"),
        ({"absences_most": 0}, "at least 1"),
        ({"endpoints_per_day": LIMITS.endpoints_most - 1}, "in a day"),
        ({"away_ahead_days": LIMITS.away_most_days - 1}, "no later"),
    ],
)
def test_limits_of_endpoints_and_absences_fit_together(change: dict[str, object], problem: str) -> None:
    wrong: NotifyLimits = replace(LIMITS, **change)  # type: ignore[arg-type]
    with pytest.raises(ReferenceDataError, match=problem):
        NotifyLimitsByDay([wrong])
