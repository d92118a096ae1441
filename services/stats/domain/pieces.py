"""How a period's sum is put together: of whole years and months, of single days, without what was not known yet.

Pure. Whole years and months are summed and kept; the other days, and what was learnt after the asked moment, come from
the movements. So an answer costs what it shows, however much history lies behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from services.stats.domain.periods import Period
from shared.reference.calendar import LOCAL_OFFSET

_DAY: Final = timedelta(days=1)
# Moments are kept by the microsecond.
_MOMENT: Final = timedelta(microseconds=1)
# Before and beyond every moment that an event of ours can have.
EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a sum: of whole months or years (`months` 1, 12) or of movements (0), between days and moments, the
    last excluded; added, or taken off. `number` says of which sum."""

    number: int
    sign: int
    months: int
    first: date
    until: date
    known_from: datetime
    known_until: datetime


# A period, and the moment as of which it is asked for (None: now).
Asked = tuple[Period, datetime | None]


def flows(asked: Sequence[Asked]) -> list[Piece]:
    """A sum each: a period's days, without what was learnt after the asked moment."""
    pieces: list[Piece] = []
    for number, (period, as_of) in enumerate(asked):
        until = period.last + _DAY
        pieces += [Piece(number, 1, *whole, EVER, NEVER) for whole in _divided(period.first, until)]
        if as_of is not None:
            # Taken off rather than added up: of a moment that is not long past it is little.
            pieces.append(Piece(number, -1, 0, period.first, until, as_of + _MOMENT, NEVER))
    return pieces


def end_of(period: Period, as_of: datetime | None) -> datetime:
    """The last moment of a period, or the asked one, where that was before."""
    end = datetime.combine(period.last + _DAY, time(), LOCAL_OFFSET) - _MOMENT
    return end if as_of is None else min(end, as_of)


def end_of_month(number: int) -> datetime:
    """The last moment of a month, which is told as months since year 0."""
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=LOCAL_OFFSET) - _MOMENT


def states(moments: Sequence[datetime]) -> list[Piece]:
    """What changed until after each of some moments, which are in their order, since the one before it: a sum's number
    is its moment's place, of equal moments the first one's."""
    pieces: list[Piece] = []
    before: datetime | None = None
    for number, moment in enumerate(moments):
        until = moment + _MOMENT
        if until != before:
            pieces += _between(number, before, until)
        before = until
    return pieces


def changes(spans: Sequence[tuple[datetime, datetime]]) -> list[Piece]:
    """A sum each: what changed after one moment, until after another."""
    return [
        piece
        for number, (after, moment) in enumerate(spans)
        for piece in _between(number, after + _MOMENT, moment + _MOMENT)
    ]


def _between(number: int, since: datetime | None, until: datetime) -> Iterator[Piece]:
    """What became known from a moment (None: ever) until another."""
    last = until.astimezone(LOCAL_OFFSET).date()
    if since is None:
        first = date.min
    else:
        first = since.astimezone(LOCAL_OFFSET).date()
        if first == last or since.astimezone(LOCAL_OFFSET).time() != time():
            yield Piece(number, 1, 0, first, first + _DAY, since, until)
            first += _DAY
    for whole in _divided(first, last):
        yield Piece(number, 1, *whole, EVER, NEVER)
    if first <= last and until.astimezone(LOCAL_OFFSET).time() != time():
        yield Piece(number, 1, 0, last, last + _DAY, EVER, until)


def _divided(first: date, until: date) -> Iterator[tuple[int, date, date]]:
    """Days, `until` excluded, as whole years, whole months and the days that are left."""
    for months, begins in ((12, _begins_year), (1, _begins_month)):
        inner = begins(first) if begins(first) == first else begins(_next(first, months))
        last = begins(until)
        if inner < last:
            yield months, inner, last
            yield from _divided(first, inner)
            yield from _divided(last, until)
            return
    if first < until:
        yield 0, first, until


def _begins_year(day: date) -> date:
    return day.replace(month=1, day=1)


def _begins_month(day: date) -> date:
    return day.replace(day=1)


def _next(day: date, months: int) -> date:
    """A day in the month or year after a day's."""
    return _begins_month(day) + months * timedelta(days=31)


def columns_of(pieces: Sequence[Piece]) -> dict[str, list[Any]]:
    """Pieces by their fields: what a query takes."""
    return {field: [getattr(piece, field) for piece in pieces] for field in Piece.__dataclass_fields__}
