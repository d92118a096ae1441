"""The one question that everything asks of history: how many, of what, in which period, as known at which moment.

A period's whole months and years are summed once and kept (`standing`); its other days, and what was not yet known at
the asked moment, come from the movements. So an answer costs what it shows, however much history lies behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.measures import BORN, MEASURES, Measured, columns
from services.stats.domain.periods import Period
from services.stats.store.figures import age_band_of, month_number
from shared.reference.indicators import Part

_LOCAL: Final = timezone(timedelta(hours=7))
_DAY: Final = timedelta(days=1)
# Moments are kept by the microsecond.
_MOMENT: Final = timedelta(microseconds=1)
# Before and beyond every moment that an event of ours can have.
_EVER: Final = datetime(1, 1, 1, tzinfo=UTC)
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
    """A sum that a period is made of: of whole months or years (`months` 1, 12) or of movements (0), between days
    and moments, the last excluded; added, or taken off."""

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
    now = as_of or datetime.now(UTC)
    pieces = [piece for number, period in enumerate(periods) for piece in _pieces(measured, number, period, as_of)]
    values: dict[str, Any] = {
        "measure": int(measured.measure),
        "months_of": [month_number(min(period.last, now.astimezone(_LOCAL).date())) for period in periods],
        **{field: [getattr(piece, field) for piece in pieces] for field in _Piece.__dataclass_fields__},
    }
    question = _QUESTION.format(
        where=" AND ".join(["TRUE", *conditions(measured, part, units, values)]),
        asked="".join(f", {_expression(measured, name)} AS d{at}" for at, name in enumerate(by)),
        grouping=", ".join(["c.number", *(f"d{at}" for at in range(len(by)))]),
    )
    found: dict[Period, list[Row]] = {period: [] for period in periods}
    for number, row in _by_circumstance(await connection.execute(text(question), values), part, by):
        found[periods[number]].append(row)
    return {period: sorted(rows) for period, rows in found.items()}


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


def _pieces(measured: Measured, number: int, period: Period, as_of: datetime | None) -> Iterator[_Piece]:
    after = None if as_of is None else as_of + _MOMENT
    until = period.last + _DAY
    if measured.over == "period":
        for months, first, last in _divided(period.first, until):
            yield _Piece(number, 1, months, first, last, _EVER, _NEVER)
        if after is not None:
            # What was learnt later is taken off: little, of a moment that is not long past.
            yield _Piece(number, -1, 0, period.first, until, after, _NEVER)
        return
    end = datetime.combine(until, time(), _LOCAL)
    if after is not None:
        end = min(end, after)
    day = end.astimezone(_LOCAL).date()
    year, month = day.replace(month=1, day=1), day.replace(day=1)
    yield _Piece(number, 1, 12, date.min, year, _EVER, _NEVER)
    yield _Piece(number, 1, 1, year, month, _EVER, _NEVER)
    yield _Piece(number, 1, 0, month, day + _DAY, _EVER, end)


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


def conditions(measured: Measured, part: Part, units: frozenset[str] | None, values: dict[str, Any]) -> Iterator[str]:
    """SQL for a cell `c` (with the `month` for which ages are asked) that a part counts; its `values` are added."""
    if units is not None:
        values["units"] = sorted(units)
        yield "c.unit = ANY(:units)"
    for at, (name, wanted) in enumerate(part.where.items()):
        values[f"w{at}"] = list(wanted)
        if name == _CIRCUMSTANCE:
            yield f"string_to_array(c.circumstance, '+') && :w{at}"
        else:
            yield f"{_expression(measured, name)} = ANY(:w{at})"


def _expression(measured: Measured, name: str) -> str:
    return _AGE if name == "age" and BORN in columns(measured.measure) else f"c.{name}"


def _by_circumstance(rows: Iterable[Any], part: Part, by: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Rows with their period's number; a child in several circumstances in the row of each that is asked for."""
    if _CIRCUMSTANCE not in by:
        for number, n, *keys in rows:
            yield number, Row(tuple(keys), n)
        return
    wanted, at = part.where.get(_CIRCUMSTANCE), by.index(_CIRCUMSTANCE)
    sums: Counter[tuple[int, tuple[str, ...]]] = Counter()
    for number, n, *keys in rows:
        for one in keys[at].split("+"):
            if wanted is None or one in wanted:
                sums[number, (*keys[:at], one, *keys[at + 1 :])] += n
    for (number, told), n in sums.items():
        yield number, Row(told, n)


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
), shown AS (
    SELECT summed.number, summed.n, c.*, (CAST(:months_of AS integer[]))[summed.number + 1] AS month
    FROM summed JOIN history_cell AS c ON c.id = summed.cell
)
SELECT c.number, sum(c.n)::bigint AS n{asked} FROM shown AS c WHERE {where}
GROUP BY {grouping} HAVING sum(c.n) <> 0
"""
_AGE: Final = age_band_of("c.born", "c.month")
