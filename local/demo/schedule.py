"""On which days something happens in the demo's province, and how much: a pilot of a few days a month, then every day.

Statistics need a whole year that is over and the one that goes on; nobody waits for seven hundred days to be played.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

# The last days, one by one.
DAYS: Final = 100
# Of the months before: reports come on the first of these days, and people work on them on all three.
PILOT_DAYS: Final = (5, 6, 13)
_PILOT_FIRST, _PILOT_LAST = 6.0, 14.0
_DAILY_FIRST, _DAILY_LAST = 1.0, 4.0


def days_ago(today: date) -> tuple[int, ...]:
    """How many days ago each day lies that is played, the earliest first: since January of last year, up to today."""
    begun = date(today.year - 1, 1, 1)
    pilot = [
        (today - date(begun.year + month // 12, month % 12 + 1, day)).days for month in range(24) for day in PILOT_DAYS
    ]
    return (*(ago for ago in pilot if ago > DAYS), *range(DAYS, -1, -1))


def is_first_of_month(day: date, ago: int) -> bool:
    """Whether a day of the pilot is the one on which a month's reports come."""
    return ago > DAYS and day.day == PILOT_DAYS[0]


def concerns_on(day: date, ago: int) -> float:
    """How many reports come on a day, about: more each month of the pilot, then more each day."""
    if ago <= DAYS:
        return _DAILY_FIRST + (_DAILY_LAST - _DAILY_FIRST) * (1 - ago / DAYS)
    if not is_first_of_month(day, ago):
        return 0.0
    today = day + timedelta(days=ago)
    months = (day.year - today.year + 1) * 12 + day.month - 1
    return _PILOT_FIRST + (_PILOT_LAST - _PILOT_FIRST) * months / 19
