"""The one question that everything asks of history: how many, of what, in which period, as known at which moment.

A period's whole months and years are summed once and kept (`standing`); its other days, and what was not yet known at
the asked moment, come from the movements. So an answer costs what it shows, however much history lies behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.margins import Margin, margin_for
from services.stats.domain.measures import BORN, MEASURE_BITS, MEASURES, Measured, columns
from services.stats.domain.periods import Period
from services.stats.domain.pieces import Piece, columns_of, end_of, flows, states
from services.stats.store.answers import Answers, Changes, Stamps
from services.stats.store.compaction import EVER, kept
from services.stats.store.figures import AGE_BAND, month_number
from shared.contracts.vocabulary import AgeBand, age_band
from shared.reference.calendar import LOCAL_OFFSET
from shared.reference.indicators import Over, Part

_CIRCUMSTANCE: Final = "circumstance"


class Row(NamedTuple):
    """How many. `keys`: the values of the asked dimensions, in their order; an empty one does not apply."""

    keys: tuple[str, ...]
    n: int


class MeasureError(ValueError):
    """A measure, or a dimension of it, that there is not: indicators are checked for it when they are loaded."""


class Question(NamedTuple):
    """What is asked of history in one period or several: a part, the dimensions it is broken down by, the communes that
    count as events named them (None: all), and the moment as of which it was known (None: now)."""

    measure: str
    over: Over
    where: tuple[tuple[str, tuple[str, ...]], ...]
    by: tuple[str, ...] = ()
    units: frozenset[str] | None = None
    as_of: datetime | None = None

    @classmethod
    def of(
        cls,
        part: Part,
        by: Sequence[str] = (),
        units: frozenset[str] | None = None,
        as_of: datetime | None = None,
    ) -> Self:
        """The question about a part."""
        return cls(part.measure, part.over, tuple(part.where.items()), tuple(by), units, as_of)

    @property
    def part(self) -> Part:
        """What is counted."""
        return Part(self.measure, self.over, dict(self.where))


async def count_periods(
    connection: AsyncConnection,
    part: Part,
    periods: Sequence[Period],
    by: Sequence[str] = (),
    units: frozenset[str] | None = None,
    as_of: datetime | None = None,
    answers: Answers | None = None,
) -> dict[Period, list[Row]]:
    """The rows of a part in each of several periods; see `count_all`."""
    question = Question.of(part, by, units, as_of)
    return (await count_all(connection, {question: periods}, answers))[question]


async def count_all(
    connection: AsyncConnection, wanted: Mapping[Question, Iterable[Period]], answers: Answers | None = None
) -> dict[Question, dict[Period, list[Row]]]:
    """The rows that answer each question in each of its periods, in the order of their keys: what is asked of one
    measure in one way is asked by one query.

    Args:
        answers: those that are kept; without, all are asked.

    A part over a `period` counts what happened on its days, one over a `state` what stood at its end (of a period that
    goes on: what stands now). A child in two circumstances is in the rows of both; without that dimension it is counted
    once. Rows of nothing are left out. Raises `MeasureError`.
    """
    stamps = None if answers is None else await answers.stamps(connection)
    asked = [(one, Group.of(one), period) for one, periods in wanted.items() for period in dict.fromkeys(periods)]
    moments = await kept_of(connection, [_moment(group, period, one.as_of) for one, group, period in asked])
    found: dict[Question, dict[Period, list[Row]]] = {question: {} for question in wanted}
    groups: dict[Group, list[Wanted]] = {}
    for question, group, period in asked:
        one = Wanted(question, period, moments[_moment(group, period, question.as_of)])
        rows = None
        if answers is not None and stamps is not None:
            rows = answers.get(*depends(one, group, stamps))
        if rows is None:
            groups.setdefault(group, []).append(one)
        else:
            found[question][period] = rows
    for group, missing in groups.items():
        for one, rows in (await _answer(connection, group, missing)).items():
            found[one.question][one.period] = rows
            if answers is not None and stamps is not None:
                answers.keep(*depends(one, group, stamps), rows, len(rows))
    return found


class Wanted(NamedTuple):
    """A question in one period, and the moment as of which it is answered (None: now): what was known at the asked one
    may no longer be kept. Of a state it is that of the period's end, at the latest."""

    question: Question
    period: Period
    moment: datetime | None


async def kept_of(
    connection: AsyncConnection, moments: Iterable[datetime | None]
) -> dict[datetime | None, datetime | None]:
    """For each moment the last one up to it as of which there is an answer."""
    asked = list(dict.fromkeys(moment for moment in moments if moment is not None))
    found: dict[datetime | None, datetime | None] = {None: None}
    if asked:
        found |= dict(zip(asked, await kept(connection, asked), strict=True))
    return found


def _moment(group: Group, period: Period, as_of: datetime | None) -> datetime | None:
    return end_of(period, as_of) if group.of_state else as_of


async def answered_as_of(
    connection: AsyncConnection, over: Over, period: Period, as_of: datetime | None = None
) -> datetime | None:
    """As of which moment a question of a period is answered, where what was known at the asked one is no longer kept;
    None: as of the asked one."""
    asked = end_of(period, as_of) if over == "state" else as_of
    if asked is None:
        return None
    [moment] = await kept(connection, [asked])
    # Before everything nothing was known, at any of these moments.
    return None if moment in {asked, EVER} else moment


@dataclass(frozen=True, slots=True)
class Group:
    """Questions that one query answers. `asked`: columns by which is summed; `margin`: the cells that are summed."""

    measured: Measured
    asked: tuple[str, ...]
    margin: Margin | None
    units: frozenset[str] | None

    @classmethod
    def of(cls, question: Question) -> Self:
        """The group of a question. Raises `MeasureError`."""
        part = question.part
        measured = checked(part, question.by)
        asked = _asked(measured, part, question.by)
        needed = {*asked, *(BORN if name == "age" and BORN in asked else name for name in part.where)}
        if question.units is not None:
            needed.add("unit")
        return cls(measured, asked, margin_for(measured.measure, needed), question.units)

    @property
    def of_state(self) -> bool:
        """Whether it is asked what stands."""
        return self.measured.over == "state"


def depends(one: Wanted, group: Group, stamps: Stamps) -> tuple[Hashable, Changes]:
    """What an answer is kept under, and what it depends on: of a state all that came before."""
    last = one.period.last
    if group.of_state and one.moment is not None:
        last = min(last, one.moment.astimezone(LOCAL_OFFSET).date())
    month = _month(one) if BORN in group.asked else 0
    changes = stamps.between(group.measured.measure, date.min if group.of_state else one.period.first, last)
    return (one, month), changes


def _month(one: Wanted) -> int:
    """The month in which ages are counted: the period's last, or that of the moment as of which it is answered."""
    last = min(one.period.last, (one.question.as_of or datetime.now(UTC)).astimezone(LOCAL_OFFSET).date())
    return month_number(last if one.moment is None else min(last, one.moment.astimezone(LOCAL_OFFSET).date()))


async def _answer(connection: AsyncConnection, group: Group, wanted: Sequence[Wanted]) -> dict[Wanted, list[Row]]:
    """Ask for what is not known."""
    pairs = list(dict.fromkeys((one.period, one.moment) for one in wanted))
    sums = states([moment for _, moment in pairs if moment is not None]) if group.of_state else flows(pairs)
    # What stands at one moment only can be told by age at once; of several moments each has its ages.
    months = {_month(one) for one in wanted} if group.of_state and max(sums.numbers) == 0 else set()
    month = months.pop() if BORN in group.asked and len(months) == 1 else None
    parts = {one.question.where: one.question.part for one in wanted}
    counted = dict(zip(parts, await _summed(connection, group, list(parts.values()), sums.pieces, month), strict=True))
    if group.of_state:
        for found in counted.values():
            # Each is what stood at the end before it, and what has changed since.
            for number in range(1, len(found)):
                found[number].update(found[number - 1])
    number_of = dict(zip(pairs, sums.numbers, strict=True))
    answer = {}
    for one in wanted:
        question = one.question
        told = _Told(group.asked, question.part, question.by, None if month is not None else _month(one))
        shown = _shown(counted[question.where][number_of[one.period, one.moment]], told)
        answer[one] = sorted(Row(keys, n) for keys, n in shown.items() if n)
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


def _asked(measured: Measured, part: Part, by: Sequence[str]) -> tuple[str, ...]:
    """The columns by which cells are summed: of an age the birth, from which it is worked out for each period."""
    if BORN not in columns(measured.measure):
        return tuple(by)
    names = (*by, "age") if "age" in part.where and "age" not in by else by
    return tuple(BORN if name == "age" else name for name in names)


async def _summed(
    connection: AsyncConnection, group: Group, parts: Sequence[Part], pieces: Sequence[Piece], month: int | None
) -> list[list[Counter[tuple[str, ...]]]]:
    """The sums of each part, by the asked columns; of births by age, where a month is given."""
    measure = int(group.measured.measure)
    values: dict[str, Any] = {
        "measure": measure,
        "sums": measure if group.margin is None else group.margin.number,
        **columns_of(pieces),
    }
    where = ["TRUE", *within(group.margin, pieces, values)]
    if group.units is not None:
        values["units"] = sorted(group.units)
        where.append("c.unit = ANY(:units)")
    filters = [conditions(part, group.asked, values) for part in parts]
    if len(parts) == 1:
        where += filters[0]
        filters = [[]]
    columns_ = [f"c.{name}" for name in group.asked]
    ages = ""
    if month is not None:
        columns_ = [AGE if name == BORN else f"c.{name}" for name in group.asked]
        ages = AGES
        values |= {"month": month, **births(month)}
    asked = _QUESTION.format(
        columns="".join(f", {column} AS d{at}" for at, column in enumerate(columns_)),
        sums="".join(
            f", CAST(sum(s.n) FILTER (WHERE {' AND '.join(['TRUE', *one])}) AS bigint) AS n{at}"
            for at, one in enumerate(filters)
        ),
        ages=ages,
        where=" AND ".join(where),
        grouping=", ".join(["s.number", *(f"d{at}" for at in range(len(columns_)))]),
    )
    count_of_sums = 1 + max(piece.number for piece in pieces)
    found: list[list[Counter[tuple[str, ...]]]] = [[Counter() for _ in range(count_of_sums)] for _ in parts]
    width = 1 + len(columns_)
    for row in await connection.execute(text(asked), values):
        keys = tuple(row[1:width])
        for one, n in zip(found, row[width:], strict=True):
            if n:
                one[row[0]][keys] = n
    return found


def within(margin: Margin | None, pieces: Sequence[Piece], values: dict[str, Any]) -> list[str]:
    """Where the cells of a margin lie, for who finds them all at once; not known where single days count besides."""
    if margin is None or any(piece.months == 0 for piece in pieces):
        return []
    first = margin.number << MEASURE_BITS
    values |= {"low": first, "high": first + (1 << MEASURE_BITS) - 1}
    return ["c.id BETWEEN :low AND :high"]


def conditions(part: Part, asked: Sequence[str], values: dict[str, Any]) -> list[str]:
    """A part's filters; their values are added to those of the query. Ages are looked at afterwards."""
    found = []
    for name, wanted in part.where.items():
        if name == "age" and BORN in asked:
            continue
        word = f"w{len(values)}"
        values[word] = list(wanted)
        column = "string_to_array(c.circumstance, '+') &&" if name == _CIRCUMSTANCE else f"c.{name} = ANY"
        found.append(f"{column} (:{word})")
    return found


@lru_cache(64)
def births(month: int) -> dict[str, list[str]]:
    """When those were born who are children in a month, and how old each is."""
    year = (month - 1) // 12
    born = [f"{one:04d}" for one in range(year - 20, year + 1)]
    born += [f"{one}-{number:02d}" for one in born for number in range(1, 13)]
    return {"births": born, "bands": [age_in(one, month) for one in born]}


class _Told(NamedTuple):
    """How sums are told: by which columns they are, of what, asked by what; `month`: in which ages are counted, None
    where they are by age already."""

    asked: tuple[str, ...]
    part: Part
    by: tuple[str, ...]
    month: int | None


def _shown(counted: Counter[tuple[str, ...]], told: _Told) -> Counter[tuple[str, ...]]:
    """Sums by the asked dimensions: births as ages in a month, and a child in several circumstances in each of them."""
    born = told.asked.index(BORN) if BORN in told.asked else None
    groups = told.by.index(_CIRCUMSTANCE) if _CIRCUMSTANCE in told.by else None
    if born is None and groups is None:
        return counted
    ages, circumstances = told.part.where.get("age"), told.part.where.get(_CIRCUMSTANCE)
    found: Counter[tuple[str, ...]] = Counter()
    for values, n in counted.items():
        keys = values
        if born is not None:
            age = values[born] if told.month is None else age_in(values[born], told.month)
            if ages is not None and age not in ages:
                continue
            keys = (*values[:born], age, *values[born + 1 :])[: len(told.by)]
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


# How old somebody is, by birth: of children it is looked up, of others worked out.
AGES: Final = """LEFT JOIN unnest(CAST(:births AS text[]), CAST(:bands AS text[])) AS a(born, age)
    ON a.born = c.born"""
AGE: Final = f"coalesce(a.age, {AGE_BAND.replace('c.date', 'c.born')})"
# Sums of months and movements are joined apart, so that each uses its own index.
SUMMED: Final = """
WITH piece AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:number AS integer[]), CAST(:sign AS integer[]), CAST(:months AS integer[]),
                         CAST(:first AS date[]), CAST(:until AS date[]),
                         CAST(:known_from AS timestamptz[]), CAST(:known_until AS timestamptz[]))
        AS t(number, sign, months, first, until, known_from, known_until)
), summed AS (
    SELECT number, cell, n FROM (
        SELECT p.number, s.cell, p.sign * s.n AS n
        FROM piece AS p JOIN standing AS s
            ON s.measure = :sums AND s.months = p.months AND s.first >= p.first AND s.first < p.until
        WHERE p.months > 0
        UNION ALL
        SELECT p.number, m.cell, p.sign * m.n
        FROM piece AS p JOIN movement AS m
            ON m.measure = :measure AND m.day >= p.first AND m.day < p.until
            AND m.at >= p.known_from AND m.at < p.known_until
        WHERE p.months = 0
    ) AS everything
)"""
_QUESTION: Final = f"""{SUMMED}
SELECT s.number{{columns}}{{sums}} FROM summed AS s JOIN history_cell AS c ON c.id = s.cell {{ages}} WHERE {{where}}
GROUP BY {{grouping}}
"""
