"""Since when there is anything to count: before it, that nothing was counted is no figure. Pure.

A measure begins with the first event of whoever tells of it. Who tells of several tells of all of them from then on: a
month without a closing is a month with none, once there are cases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Final

from services.stats.domain.measures import Measure
from services.stats.domain.periods import Period
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicator

_REGISTRY: Final = frozenset({Measure.CHILDREN})
_SECTORS: Final = frozenset({Measure.ACTIVITIES, Measure.PEOPLE_REACHED})
# Measures that the same service, or the same people, tell of: sectors of what they hold for many, all else in cases.
TOLD_TOGETHER: Final = (_REGISTRY, _SECTORS, frozenset(Measure) - _REGISTRY - _SECTORS)


def beginnings_of(first: Mapping[Measure, datetime]) -> dict[str, datetime]:
    """Since when each measure is counted, by its word. In: the moment of each one's first event; one that has none yet
    may still have begun, by the others that are told with it."""
    found: dict[str, datetime] = {}
    for measures in TOLD_TOGETHER:
        moments = [first[measure] for measure in measures if measure in first]
        if moments:
            found |= {measure.word: min(moments) for measure in measures}
    return found


def first_day(beginnings: Mapping[str, datetime]) -> date | None:
    """The day of the first event that was counted; None: there was none."""
    return local_day(min(beginnings.values())) if beginnings else None


def released_from(written: Collection[str], beginnings: Mapping[str, datetime], today: date) -> date:
    """The day from which on periods are released: one that ends before it never is.

    In: `written`: the codes of what is written down. As long as that is nothing, it is the day of the first event;
    then, as periods are written down in their order, the last day of the first one, for ever: an event of an earlier
    moment that is delivered later moves it no more. Where nothing was heard at all, whatever is over was over before.
    """
    if written:
        return min(Period.parse(code).last for code in written)
    return first_day(beginnings) or today


def has_begun(
    indicator: Indicator, period: Period, beginnings: Mapping[str, datetime], as_of: datetime | None = None
) -> bool:
    """Whether all that an indicator counts can have been told of by a period's end, and by the moment of asking."""
    parts = [part for part in (indicator.numerator, indicator.denominator) if part is not None]
    moments = [beginnings.get(part.measure) for part in parts]
    return all(
        moment is not None and local_day(moment) <= period.last and (as_of is None or moment <= as_of)
        for moment in moments
    )


def is_counted(indicator: Indicator, numerator: int | None, denominator: int | None) -> bool:
    """Whether a figure of a time before that counts something all the same: what happened on an earlier day was told of
    later. A part of it that is none is then none."""
    above, below = indicator.numerator, indicator.denominator
    return bool(numerator) or bool(denominator and above and below and above.measure == below.measure)
