"""As of which moments of the past statistics still answer. Pure.

Of what is young, every moment; of what is older, chosen ones. Between two of these, what was known at the earlier one
is the answer; what happened between them is known from the later one on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Final, cast

from services.stats.domain.periods import Period, Span
from shared.reference.calendar import end_of, local_day, start_of
from shared.reference.history import Fineness

# Long before any platform of ours: what is said to be older is known from the first moment that is kept.
FIRST_DAY: Final = date(2000, 1, 1)
_DAY: Final = timedelta(days=1)


def every_moment_from(rule: Fineness, now: datetime) -> datetime:
    """From when on every moment is kept: the beginning of a month, so that it moves once a month."""
    return start_of(_month_of(now, rule.every_moment_days))


def kept_moments(rule: Fineness, now: datetime, besides: Iterable[datetime]) -> list[datetime]:
    """The moments before `every_moment_from` as of which one can ask, in their order.

    Args:
        besides: moments that are kept whatever their age.
    """
    until = every_moment_from(rule, now)
    daily_from = _month_of(now, rule.every_day_days)
    found = {moment for moment in besides if moment < until}
    for span in rule.ends_of:
        period = Period.containing(FIRST_DAY, cast(Span, span))
        while end_of(period.last) < until:
            found.add(end_of(period.last))
            period = Period.containing(period.last + _DAY, cast(Span, span))
    found.update(end_of(day) for day in _days(daily_from, until.date()))
    return sorted(found)


def _month_of(now: datetime, days_back: int) -> date:
    return (local_day(now) - timedelta(days=days_back)).replace(day=1)


def _days(first: date, until: date) -> Iterator[date]:
    while first < until:
        yield first
        first += _DAY
