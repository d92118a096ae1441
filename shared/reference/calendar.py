"""Vietnamese working days: weekends and public holidays with Tết do not count. A day is a day in Việt Nam.

The holidays package knows the law and most years' swapped days; `data/working-days.csv` corrects it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Self
from zoneinfo import ZoneInfo

import holidays

from shared.reference.files import ReferenceDataError, day_or_none, kept, read_csv

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
# Vietnam has had one offset since 1975 and no summer time: cheaper than a zone's rules for what is asked of each event.
LOCAL_OFFSET = timezone(timedelta(hours=7))
# Swapped days of a year are known to the package only once that year has been asked for.
_YEARS = range(2015, 2041)


def local_day(moment: datetime) -> date:
    """The day in Việt Nam on which a moment (aware) falls."""
    return moment.astimezone(LOCAL).date()


def start_of(day: date) -> datetime:
    """The moment at which a day begins in Việt Nam."""
    return datetime.combine(day, time(), LOCAL)


def end_of(day: date) -> datetime:
    """The last moment of a day in Việt Nam, by the microsecond."""
    return start_of(day + timedelta(days=1)) - timedelta(microseconds=1)


class WorkCalendar:
    """Which days state offices work (Labour Code 45/2019, Art. 111(3), 112; Decision of each year on swapped days).

    Args:
        corrections: day to whether offices work that day, over what the package says.
    """

    def __init__(self, corrections: Mapping[date, bool] | None = None) -> None:
        self._holidays = holidays.country_holidays("VN", years=_YEARS)
        self._corrections = dict(corrections or {})

    @classmethod
    @kept
    def load(cls) -> Self:
        """The one calendar of the process. Raises `ReferenceDataError`."""
        corrections: dict[date, bool] = {}
        for row in read_csv("working-days.csv"):
            day = day_or_none(row["day"], "working-days.csv", row["day"])
            if day is None or row["works"] not in {"yes", "no"} or not row["legal_source"]:
                raise ReferenceDataError(f"working-days.csv: {row['day']} needs a day, yes or no, and its source")
            if day in corrections:
                raise ReferenceDataError(f"working-days.csv: {day} stands twice")
            corrections[day] = row["works"] == "yes"
        return cls(corrections)

    def is_working_day(self, day: date) -> bool:
        """Whether offices are open that day: also a Saturday worked in exchange for a longer holiday."""
        corrected = self._corrections.get(day)
        return bool(self._holidays.is_working_day(day)) if corrected is None else corrected

    def add_working_days(self, start: datetime, days: int) -> datetime:
        """The end (UTC) of the `days`-th working day after the day of `start` (aware).

        The day of `start` itself does not count; with no days, the end of it or of the next working day.
        """
        if days < 0:
            raise ValueError("days must not be negative")
        day = local_day(start)
        while days > 0:
            day += timedelta(days=1)
            days -= self.is_working_day(day)
        while not self.is_working_day(day):
            day += timedelta(days=1)
        return datetime.combine(day + timedelta(days=1), time(), LOCAL).astimezone(UTC)

    def after_pause(self, due: datetime, paused_at: datetime, resumed_at: datetime) -> datetime:
        """When a clock of working days is due that stood still: as many working days are left as when it paused.

        The day on which it runs again does not count, as the day on which it starts does not. Where nothing but the
        last day was left, that day's rest is left: the end of the day on which it runs again, or of the next working
        day. A pause within one day changes nothing, and no pause makes a clock due earlier.
        """
        stood, runs, last = (local_day(moment) for moment in (paused_at, resumed_at, due - timedelta(microseconds=1)))
        if runs <= stood:
            return due
        left = sum(self.is_working_day(stood + timedelta(days=day)) for day in range(1, (last - stood).days + 1))
        return max(due, self.add_working_days(resumed_at, left))
