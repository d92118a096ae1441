"""The one question that everything asks of history: how many, of what, in which period, as known at which moment.

A period's whole months and years are summed once and kept (`standing`); its other days, and what was not yet known at
the asked moment, come from the movements. So an answer costs what it shows, however much history lies behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.measures import BORN, MEASURES, Measured, columns
from services.stats.domain.periods import Period
from services.stats.store.compaction import EVER, kept
from services.stats.store.figures import month_number
from shared.contracts.vocabulary import AgeBand, age_band
from shared.reference.indicators import Over, Part

_LOCAL: Final = timezone(timedelta(hours=7))
_DAY: Final = timedelta(days=1)
# Moments are kept by the microsecond.
_MOMENT: Final = timedelta(microseconds=1)
# Beyond every moment that an event of ours can have.
_NEVER: Final = datetime(9999, 12, 31, tzinfo=UTC)
_CIRCUMSTANCE: Final = "circumstance"


class Row(NamedTuple):
    """How many. `keys`: the values of the asked dimensions, in their order; an empty one does not apply."""

    keys: tuple[str, ...]
    n: int


class MeasureError(ValueError):
    """A measure, or a dimension of it, that there is not: indicators are checked for it when they are loaded."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a sum: of whole months or years (`months` 1, 12) or of movements (0), between days and moments, the
    last excluded; added, or taken off. `number` says of which sum."""

    number: int
    sign: int
    months: int
    first: date
    until: date
    known_from: datetime
    known_until: datetime


async def count(
    connection: AsyncConnection,
    part: Part,
    *,
    period: Period,
    by: Sequence[str] = (),
    units: frozenset[str] | None = None,
    as_of: datetime | None = None,
) -> list[Row]:
    """The rows of a part in a period, in the order of their keys; see `count_periods`."""
    found = await count_periods(connection, part, [period], by, units, as_of)
    return found[period]


async def count_periods(
    connection: AsyncConnection,
    part: Part,
    periods: Sequence[Period],
    by: Sequence[str] = (),
    units: frozenset[str] | None = None,
    as_of: datetime | None = None,
) -> dict[Period, list[Row]]:
    """The rows of a part in each of several periods, by one query.

    Args:
        part: a measure, and which values of its dimensions count. by: dimensions (`unit` among them).
        units: communes that count, as their events named them; None: all.
        as_of: what was known at a moment, events of that moment included; None: what is known now.

    A part over a `period` counts what happened on its days, one over a `state` what stood at its end (of a period that
    goes on: what stands now). A child in two circumstances is in the rows of both; without that dimension it is counted
    once. Rows of nothing are left out. Raises `MeasureError`.
    """
    measured = checked(part, by)
    if not periods:
        return {}
    moments = await settled(connection, measured.over, [(period, as_of) for period in periods])
    sums = _flows(periods, moments[0]) if measured.over == "period" else _states(periods, moments)
    found = await _summed(connection, measured, part, by, units, sums.pieces)
    if measured.over == "state":
        # Each is what stood at the end before it, and what has changed since.
        for number in range(1, len(found)):
            found[number].update(found[number - 1])
    answer = {}
    for period, moment, number in zip(periods, moments, sums.numbers, strict=True):
        today = (moment or datetime.now(UTC)).astimezone(_LOCAL).date()
        month = month_number(min(period.last, today))
        counted = _shown(found[number], _asked(measured, part, by), part, by, month)
        answer[period] = sorted(Row(keys, n) for keys, n in counted.items() if n)
    return answer


def checked(part: Part, by: Sequence[str] = ()) -> Measured:
    """The measure of a part. Raises `MeasureError` where it, or a dimension, does not exist, or it is asked over what
    it is not."""
    measured = MEASURES.get(part.measure)
    if measured is None:
        raise MeasureError(f"there is no measure {part.measure}; there are {', '.join(MEASURES)}")
    if part.over != measured.over:
        raise MeasureError(f"{part.measure} is asked over a {measured.over}")
    for name in (*by, *part.where):
        if name not in measured.dimensions:
            raise MeasureError(f"{part.measure} has no {name}; it has {', '.join(measured.dimensions)}")
    if len(set(by)) < len(by):
        raise MeasureError("a dimension is named twice")
    return measured


@dataclass(frozen=True, slots=True)
class _Sums:
    """What is summed, and in which sum each period finds itself."""

    pieces: Sequence[_Piece]
    numbers: Sequence[int]


async def settled(
    connection: AsyncConnection, over: Over, asked: Sequence[tuple[Period, datetime | None]]
) -> list[datetime | None]:
    """As of which moment each question of a period is answered: as of the asked one (None: now), but where what was
    known then is no longer kept, as of the last moment before it that is."""
    wanted = [_last_moment(over, *one) for one in asked]
    moments = [moment for moment in wanted if moment is not None]
    known = dict(zip(moments, await kept(connection, moments), strict=True))
    found = []
    for (_, as_of), moment in zip(asked, wanted, strict=True):
        coarser = moment is not None and known[moment] != moment
        found.append(known[moment] if moment is not None and coarser else as_of)
    return found


def _last_moment(over: Over, period: Period, as_of: datetime | None) -> datetime | None:
    """The last moment of which has to be known: of what stands, that of its period's end, if not an earlier one."""
    if over == "period":
        return as_of
    end = datetime.combine(period.last + _DAY, time(), _LOCAL) - _MOMENT
    return end if as_of is None else min(end, as_of)


async def answered_as_of(
    connection: AsyncConnection, over: Over, period: Period, as_of: datetime | None = None
) -> datetime | None:
    """As of which moment a question of a period is answered, where what was known at the asked one is no longer kept;
    None: as of the asked one."""
    [moment] = await settled(connection, over, [(period, as_of)])
    # Before everything nothing was known, at any of these moments.
    return None if moment in {as_of, EVER} else moment


def _flows(periods: Sequence[Period], as_of: datetime | None) -> _Sums:
    """A sum a period: its days, without what was learnt after the asked moment."""
    pieces = []
    for number, period in enumerate(periods):
        until = period.last + _DAY
        pieces += [_Piece(number, 1, *whole, EVER, _NEVER) for whole in _divided(period.first, until)]
        if as_of is not None:
            # Taken off rather than added up: of a moment that is not long past it is little.
            pieces.append(_Piece(number, -1, 0, period.first, until, as_of + _MOMENT, _NEVER))
    return _Sums(pieces, range(len(periods)))


def _states(periods: Sequence[Period], moments: Sequence[datetime | None]) -> _Sums:
    """A sum an end of a period (or the asked moment, where that was before): what changed since the end before it."""
    ends = [datetime.combine(period.last + _DAY, time(), _LOCAL) for period in periods]
    ends = [end if as_of is None else min(end, as_of + _MOMENT) for end, as_of in zip(ends, moments, strict=True)]
    marks = sorted(set(ends))
    pieces: list[_Piece] = []
    for number, (since, until) in enumerate(pairwise([None, *marks])):
        assert until is not None
        pieces += _between(number, since, until)
    return _Sums(pieces, [marks.index(end) for end in ends])


def _between(number: int, since: datetime | None, until: datetime) -> Iterator[_Piece]:
    """What became known from a moment (None: ever) until another."""
    last = until.astimezone(_LOCAL).date()
    if since is None:
        first = date.min
    else:
        first = since.astimezone(_LOCAL).date()
        if first == last or since.astimezone(_LOCAL).time() != time():
            yield _Piece(number, 1, 0, first, first + _DAY, since, until)
            first += _DAY
    for whole in _divided(first, last):
        yield _Piece(number, 1, *whole, EVER, _NEVER)
    if first <= last and until.astimezone(_LOCAL).time() != time():
        yield _Piece(number, 1, 0, last, last + _DAY, EVER, until)


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


def _asked(measured: Measured, part: Part, by: Sequence[str]) -> tuple[str, ...]:
    """The columns by which cells are summed: of an age the birth, from which it is worked out for each period."""
    if BORN not in columns(measured.measure):
        return tuple(by)
    names = (*by, "age") if "age" in part.where and "age" not in by else by
    return tuple(BORN if name == "age" else name for name in names)


async def _summed(
    connection: AsyncConnection,
    measured: Measured,
    part: Part,
    by: Sequence[str],
    units: frozenset[str] | None,
    pieces: Sequence[_Piece],
) -> list[Counter[tuple[str, ...]]]:
    """The sums, by the asked columns."""
    asked = _asked(measured, part, by)
    values: dict[str, Any] = {
        "measure": int(measured.measure),
        **{field: [getattr(piece, field) for piece in pieces] for field in _Piece.__dataclass_fields__},
    }
    question = _QUESTION.format(
        where=" AND ".join(["TRUE", *_conditions(part, asked, units, values)]),
        asked="".join(f", c.{name} AS d{at}" for at, name in enumerate(asked)),
        grouping=", ".join(["s.number", *(f"d{at}" for at in range(len(asked)))]),
    )
    found: list[Counter[tuple[str, ...]]] = [Counter() for _ in range(1 + max(piece.number for piece in pieces))]
    for number, n, *keys in await connection.execute(text(question), values):
        found[number][tuple(keys)] = n
    return found


def _conditions(
    part: Part, asked: Sequence[str], units: frozenset[str] | None, values: dict[str, Any]
) -> Iterator[str]:
    if units is not None:
        values["units"] = sorted(units)
        yield "c.unit = ANY(:units)"
    for at, (name, wanted) in enumerate(part.where.items()):
        if name == "age" and BORN in asked:
            continue
        values[f"w{at}"] = list(wanted)
        column = "string_to_array(c.circumstance, '+') &&" if name == _CIRCUMSTANCE else f"c.{name} = ANY"
        yield f"{column} (:w{at})"


def _shown(
    counted: Counter[tuple[str, ...]], asked: Sequence[str], part: Part, by: Sequence[str], month: int
) -> Counter[tuple[str, ...]]:
    """Sums by the asked dimensions: births as ages in a month, and a child in several circumstances in each of them."""
    born = asked.index(BORN) if BORN in asked else None
    groups = by.index(_CIRCUMSTANCE) if _CIRCUMSTANCE in by else None
    if born is None and groups is None:
        return counted
    ages, circumstances = part.where.get("age"), part.where.get(_CIRCUMSTANCE)
    found: Counter[tuple[str, ...]] = Counter()
    for told, n in counted.items():
        keys = told
        if born is not None:
            age = age_in(told[born], month)
            if ages is not None and age not in ages:
                continue
            keys = (*told[:born], age, *told[born + 1 :])[: len(by)]
        if groups is None:
            found[keys] += n
            continue
        for one in keys[groups].split("+"):
            if circumstances is None or one in circumstances:
                found[(*keys[:groups], one, *keys[groups + 1 :])] += n
    return found


@lru_cache(10_000)
def age_in(born: str, month: int) -> AgeBand:
    """The age band, in a month, of who was born in the month (or year) of `born`."""
    if not born:
        return "unknown"
    year, _, of_year = born.partition("-")
    if not of_year:
        return age_band((month - 1) // 12 - int(year))
    return age_band((month - int(year) * 12 - int(of_year)) // 12)


class Standing(NamedTuple):
    """How far history is. `behind`: records that the board has counted and history has not; `time`: of the last event
    up to which all is known, None before the first."""

    behind: int
    time: datetime | None


async def standing(connection: AsyncConnection) -> Standing:
    """How far history is behind the board."""
    row = (await connection.execute(text(_STANDING))).one()
    return Standing(row.behind, row.time)


# Of partitions that are behind, the one whose last event is the oldest says until when all is known.
_STANDING: Final = """
SELECT coalesce(sum(greatest(p."offset" - coalesce(h."offset", -1), 0)), 0)::bigint AS behind,
       coalesce(min(h.time) FILTER (WHERE h."offset" < p."offset"), max(h.time)) AS time
FROM progress AS p LEFT JOIN history_progress AS h USING (topic, partition)
"""


class Handed(NamedTuple):
    """A figure as it was handed in. `unit`: empty for the whole province. `period`: the one it was handed in for, which
    lies in the asked one. `weight`: of how many it is a mean, 0 where nobody says. `at`: when it was said."""

    unit: str
    period: str
    value: float
    weight: int
    sector: str
    at: datetime


async def reported(
    connection: AsyncConnection,
    indicator: str,
    periods: Sequence[Period],
    *,
    units: frozenset[str] | None = None,
    as_of: datetime | None = None,
) -> dict[Period, list[Handed]]:
    """What was handed in for an indicator of shape `reported`: for each period one figure a unit, in their order.

    It is the figure of the very period, else the last one of a period within it (of a year its last month's); of
    several of one period the one that was said last. Args: as for `count_periods`.
    """
    rows = await connection.execute(
        text(_REPORTED),
        {
            "indicator": indicator,
            "known": _NEVER if as_of is None else as_of,
            "all": units is None,
            "units": sorted(units or ()),
            "codes": [period.code for period in periods],
            "firsts": [period.first for period in periods],
            "lasts": [period.last for period in periods],
        },
    )
    found: dict[Period, list[Handed]] = {period: [] for period in periods}
    for number, *told in rows:
        found[periods[number - 1]].append(Handed(*told))
    return found


# A figure is what its last event made of it; one that was corrected to be another indicator's is here no more.
_REPORTED: Final = """
WITH known AS (
    SELECT DISTINCT ON (f.key) f.* FROM figure AS f
    WHERE f.key IN (SELECT key FROM figure WHERE indicator = :indicator) AND f.at <= :known
    ORDER BY f.key, f.sequence DESC
)
SELECT DISTINCT ON (p.number, k.unit) p.number, k.unit, k.period, k.value, k.weight, k.sector, k.at
FROM unnest(CAST(:codes AS text[]), CAST(:firsts AS date[]), CAST(:lasts AS date[])) WITH ORDINALITY
    AS p(code, first, last, number)
JOIN known AS k ON k.indicator = :indicator AND k.first >= p.first AND k.last <= p.last
WHERE :all OR k.unit = ANY(:units)
ORDER BY p.number, k.unit, k.period = p.code DESC, k.last DESC, k.first, k.at DESC, k.key
"""


# Sums of months and movements are joined apart, so that each uses its own index.
_QUESTION: Final = """
WITH piece AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:number AS integer[]), CAST(:sign AS integer[]), CAST(:months AS integer[]),
                         CAST(:first AS date[]), CAST(:until AS date[]),
                         CAST(:known_from AS timestamptz[]), CAST(:known_until AS timestamptz[]))
        AS t(number, sign, months, first, until, known_from, known_until)
), summed AS (
    SELECT number, cell, sum(n) AS n FROM (
        SELECT p.number, s.cell, p.sign * s.n AS n
        FROM piece AS p JOIN standing AS s
            ON s.measure = :measure AND s.months = p.months AND s.first >= p.first AND s.first < p.until
        WHERE p.months > 0
        UNION ALL
        SELECT p.number, m.cell, p.sign * m.n
        FROM piece AS p JOIN movement AS m
            ON m.measure = :measure AND m.day >= p.first AND m.day < p.until
            AND m.at >= p.known_from AND m.at < p.known_until
        WHERE p.months = 0
    ) AS everything GROUP BY number, cell HAVING sum(n) <> 0
)
SELECT s.number, sum(s.n)::bigint AS n{asked} FROM summed AS s JOIN history_cell AS c ON c.id = s.cell WHERE {where}
GROUP BY {grouping} HAVING sum(s.n) <> 0
"""
