"""Vietnamese working days: weekends and public holidays with Tết do not count. A day is a day in Việt Nam."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo

import holidays

LOCAL = ZoneInfo("Asia/Ho_Chi_Minh")
_SATURDAY = 5


class WorkCalendar:
    """Which days offices work (Labour Code 45/2019, Art. 112)."""

    def __init__(self) -> None:
        self._holidays = holidays.country_holidays("VN")

    @classmethod
    @cache
    def load(cls) -> Self:
        """The one calendar of the process."""
        return cls()

    def is_working_day(self, day: date) -> bool:
        """Whether offices are open that day."""
        return day.weekday() < _SATURDAY and day not in self._holidays

    def add_working_days(self, start: datetime, days: int) -> datetime:
        """The end (UTC) of the `days`-th working day after the day of `start` (aware)."""
        day = start.astimezone(LOCAL).date()
        while days > 0:
            day += timedelta(days=1)
            days -= self.is_working_day(day)
        return datetime.combine(day + timedelta(days=1), time(), LOCAL).astimezone(UTC)
