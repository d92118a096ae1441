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
from services.stats.domain.pieces import Piece, changes, columns_of, end_of, end_of_month, flows, states
from services.stats.store.answers import Answers, Changes, Stamps
from services.stats.store.compaction import EVER, kept
from services.stats.store.figures import AGE_BAND, month_number
from shared.contracts.vocabulary import AgeBand, age_band
from shared.reference.calendar import LOCAL_OFFSET
from shared.reference.indicators import Over, Part

_CIRCUMSTANCE: Final = "circumstance"
_AGE: Final = "age"
_Where = tuple[tuple[str, tuple[str, ...]], ...]
_ByPart = dict[_Where, Counter[tuple[str, ...]]]


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
    where: _Where
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
        moment = moments[_moment(group, period, question.as_of)]
        one = Wanted(question, period, moment, _month(question, period, moment) if group.of_state else 0)
        rows = None
        if answers is not None and stamps is not None:
            rows = answers.get(*depends(one, group, stamps))
        if rows is None:
            groups.setdefault(group, []).append(one)
        else:
            found[question][period] = rows
    # What was summed up before and what is now would be of two moments, if the transaction did not see only one.
    known = _Known(answers, stamps) if answers is not None and stamps is not None and stamps.steady else None
    for group, missing in groups.items():
        for one, rows in (await _answer(connection, group, missing, known)).items():
            found[one.question][one.period] = rows
            if answers is not None and stamps is not None:
                answers.keep(*depends(one, group, stamps), rows, len(rows))
    return found


class Wanted(NamedTuple):
    """A question in one period, and the moment as of which it is answered (None: now): what was known at the asked one
    may no longer be kept. Of a state it is that of the period's end, at the latest, and `month` the one in which
    ages are told: said once, for while it is asked the month may turn."""

    question: Question
    period: Period
    moment: datetime | None
    month: int = 0


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
    """Questions that one query answers. `by`: dimensions by which is summed; `margin`: the cells that are summed;
    `aging`: whether ages are asked of those whose births are known, so that they pass."""

    measured: Measured
    by: tuple[str, ...]
    margin: Margin | None
    units: frozenset[str] | None
    aging: bool

    @classmethod
    def of(cls, question: Question) -> Self:
        """The group of a question. Raises `MeasureError`."""
        part = question.part
        measured = checked(part, question.by)
        needed = {*question.by, *part.where, *(() if question.units is None else ("unit",))}
        aging = _AGE in needed and BORN in columns(measured.measure)
        if aging:
            needed = needed - {_AGE} | {BORN}
        return cls(measured, question.by, margin_for(measured.measure, needed), question.units, aging)

    @property
    def of_state(self) -> bool:
        """Whether it is asked what stands."""
        return self.measured.over == "state"


def depends(one: Wanted, group: Group, stamps: Stamps) -> tuple[Hashable, Changes]:
    """What an answer is kept under, and what it depends on: of a state all that came before."""
    last = one.period.last
    if group.of_state and one.moment is not None:
        last = min(last, one.moment.astimezone(LOCAL_OFFSET).date())
    changes = stamps.between(group.measured.measure, date.min if group.of_state else one.period.first, last)
    return one, changes


def _month(question: Question, period: Period, moment: datetime | None) -> int:
    """The month in which ages are counted: the period's last, or that of the moment as of which it is answered."""
    last = min(period.last, (question.as_of or datetime.now(UTC)).astimezone(LOCAL_OFFSET).date())
    return month_number(last if moment is None else min(last, moment.astimezone(LOCAL_OFFSET).date()))


class _Known(NamedTuple):
    """Answers that are kept, and what the asking transaction sees."""

    answers: Answers
    stamps: Stamps


async def _answer(
    connection: AsyncConnection, group: Group, wanted: Sequence[Wanted], known: _Known | None
) -> dict[Wanted, list[Row]]:
    """Ask for what is not known."""
    parts = {one.question.where: one.question.part for one in wanted}
    if group.of_state:
        marks = {one: Mark(one.moment, one.month) for one in wanted if one.moment is not None}
        stood = await _stood(connection, group, parts, list(dict.fromkeys(marks.values())), known)
        counted = {one: stood[mark][one.question.where] for one, mark in marks.items()}
    else:
        pairs = list(dict.fromkeys((one.period, one.moment) for one in wanted))
        sums = await _summed(connection, group, list(parts.values()), flows(pairs), len(pairs))
        of_parts = dict(zip(parts, sums, strict=True))
        counted = {one: of_parts[one.question.where][pairs.index((one.period, one.moment))] for one in wanted}
    return {
        one: sorted(Row(keys, n) for keys, n in _shown(counts, one.question).items() if n)
        for one, counts in counted.items()
    }


class Mark(NamedTuple):
    """What stood at a moment; ages are told as those of a month."""

    moment: datetime
    month: int


async def _stood(
    connection: AsyncConnection,
    group: Group,
    parts: Mapping[_Where, Part],
    marks: Sequence[Mark],
    known: _Known | None,
) -> dict[Mark, _ByPart]:
    """What stood at each mark, by the filters of each part.

    What changes is nearly always young, and much more stood before: so of a young mark that is kept, and only what
    changed since is asked for.
    """
    today = datetime.now(LOCAL_OFFSET).date()
    found: dict[Mark, _ByPart] = {}
    young: list[tuple[Mark, Mark]] = []
    whole, bases = set(marks), set[Mark]()
    for mark in marks:
        base = base_of(mark, today)
        if known is None or base is None:
            continue
        kept_ = _kept_at(base, group, parts, known)
        if kept_ is None:
            bases.add(base)
        else:
            found[mark] = {where: counts.copy() for where, counts in kept_.items()}
            young.append((mark, base))
            whole.remove(mark)
    for mark, counted in (await _stood_since_ever(connection, group, parts, sorted(whole | bases))).items():
        found[mark] = counted
        if known is not None and mark in bases:
            _keep_at(mark, group, counted, known)
    ages = passing(tuple(mark.month for mark, _ in young), range(len(young)), apart=True) if group.aging else None
    spans = [(base.moment, mark.moment) for mark, base in young]
    sums = await _summed(connection, group, list(parts.values()), changes(spans), len(young), ages)
    for where, of_part in zip(parts, sums, strict=True):
        for (mark, _), since in zip(young, of_part, strict=True):
            found[mark][where].update(since)
    return found


async def _stood_since_ever(
    connection: AsyncConnection, group: Group, parts: Mapping[_Where, Part], marks: Sequence[Mark]
) -> dict[Mark, _ByPart]:
    """What stood at each of some marks, which are in their order, summed up from the beginning."""
    moments = [mark.moment for mark in marks]
    ages = passing(tuple(mark.month for mark in marks), tuple(map(moments.index, moments))) if group.aging else None
    sums = await _summed(connection, group, list(parts.values()), states(moments), len(marks), ages)
    for of_part in sums:
        for at in range(1, len(marks)):
            # Each is what stood at the one before it, and what has changed since.
            of_part[at].update(of_part[at - 1])
    return {mark: {where: sums[part][at] for part, where in enumerate(parts)} for at, mark in enumerate(marks)}


# Within so many days nearly all that happened in a month has been told of.
_TOLD_DAYS: Final = 10


def base_of(mark: Mark, today: date) -> Mark | None:
    """From when on what stood at a mark is summed up anew, if it is young: from the beginning of its month, or of the
    one before, while of that things are still told."""
    months_ago = month_number(today) - mark.month
    if months_ago > 1:
        return None
    first = mark.month - (months_ago < 1 and today.day <= _TOLD_DAYS)
    return Mark(end_of_month(first - 1), mark.month)


def _kept_at(base: Mark, group: Group, parts: Mapping[_Where, Part], known: _Known) -> _ByPart | None:
    """What stood at a mark, if that is kept of all parts and still true."""
    changes_ = _changes_until(base, group, known)
    found = {where: known.answers.get((group, where, base), changes_) for where in parts}
    return None if None in found.values() else found


def _keep_at(base: Mark, group: Group, counted: _ByPart, known: _Known) -> None:
    for where, counts in counted.items():
        known.answers.keep((group, where, base), _changes_until(base, group, known), counts, len(counts))


def _changes_until(base: Mark, group: Group, known: _Known) -> Changes:
    return known.stamps.between(group.measured.measure, date.min, base.moment.astimezone(LOCAL_OFFSET).date())


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


async def _summed(
    connection: AsyncConnection,
    group: Group,
    parts: Sequence[Part],
    pieces: Sequence[Piece],
    count: int,
    ages: Ages | None = None,
) -> list[list[Counter[tuple[str, ...]]]]:
    """So many sums of each part, by the asked dimensions; where births are known, with their ages."""
    found: list[list[Counter[tuple[str, ...]]]] = [[Counter() for _ in range(count)] for _ in parts]
    if not pieces:
        return found
    values: dict[str, Any] = {} if ages is None else dict(ages.values)
    beginning = summed(group.measured, group.margin, pieces, values)
    where = ["TRUE", *within(group.margin, pieces, values)]
    if group.units is not None:
        values["units"] = sorted(group.units)
        where.append("c.unit = ANY(:units)")
    names = tuple(dict.fromkeys((*group.by, *(name for part in parts for name in part.where))))
    if len(parts) == 1:
        # Of one part what does not count need not be summed; an age is known only afterwards.
        where += conditions(_without_age(parts[0]) if group.aging else parts[0], values)
    filters = [f" FILTER (WHERE {' AND '.join(['TRUE', *conditions(part, values)])})" for part in parts]
    asked = _QUESTION.format(
        summed=beginning,
        cells="".join(f", c.{BORN if group.aging and name == _AGE else name}" for name in names),
        where=" AND ".join(where),
        aged=""
        if ages is None
        else _AGED.format(names="".join(f", {AGE if name == _AGE else f'c.{name}'} AS {name}" for name in names)),
        counted="counted" if ages is None else "aged",
        by="".join(f", c.{name}" for name in group.by),
        sums="".join(f", CAST(sum(c.n){one} AS bigint)" for one in filters),
        grouping=", ".join(str(1 + at) for at in range(1 + len(group.by))),
    )
    width = 1 + len(group.by)
    for row in await connection.execute(text(asked), values):
        keys = tuple(row[1:width])
        for one, n in zip(found, row[width:], strict=True):
            if n:
                one[row[0]][keys] = n
    return found


def _without_age(part: Part) -> Part:
    return Part(part.measure, part.over, {name: wanted for name, wanted in part.where.items() if name != _AGE})


def within(margin: Margin | None, pieces: Sequence[Piece], values: dict[str, Any]) -> list[str]:
    """Where the cells of a margin lie, for who finds them all at once; not known where single days count besides."""
    if margin is None or any(piece.months == 0 for piece in pieces):
        return []
    first = margin.number << MEASURE_BITS
    values |= {"low": first, "high": first + (1 << MEASURE_BITS) - 1}
    return ["c.id BETWEEN :low AND :high"]


def conditions(part: Part, values: dict[str, Any], age: str = "c.age") -> list[str]:
    """A part's filters; their values are added to those of the query. `age`: where ages are told."""
    found = []
    for name, wanted in part.where.items():
        word = f"w{len(values)}"
        values[word] = list(wanted)
        if name == _CIRCUMSTANCE:
            found.append(f"string_to_array(c.circumstance, '+') && (:{word})")
        else:
            found.append(f"{age if name == _AGE else f'c.{name}'} = ANY (:{word})")
    return found


@lru_cache(64)
def births(month: int) -> dict[str, Any]:
    """When those were born who are children in a month, and how old each is; `month` itself, for all others."""
    born = _born_in(month, month)
    return {"month": month, "births": born, "bands": [age_in(one, month) for one in born]}


def _born_in(first: int, last: int) -> list[str]:
    """When those were born who may be children in one of some months, by the month or the year."""
    years = [f"{one:04d}" for one in range((first - 1) // 12 - 20, (last - 1) // 12 + 1)]
    return years + [f"{one}-{number:02d}" for one in years for number in range(1, 13)]


class Ages(NamedTuple):
    """How those who were counted in a sum count by age in it and in later ones: what a query takes."""

    values: dict[str, Any]


@lru_cache(64)
def passing(months: tuple[int, ...], numbers: Sequence[int], *, apart: bool = False) -> Ages:
    """How old who was born when is in the month of each sum, and from when on another age.

    Args:
        months: of each sum that is told. numbers: the one in which those are counted who came between it and the one
            before; itself, but of equal moments the first one.
        apart: no sum is a part of the next one.

    Out: rows of who counts in which sum, born when, is told in which place, of which age, added or taken off. Who was
    born before or after all of them has one age in all.
    """
    rows: list[tuple[int, str, int, str, int]] = []
    for born in _born_in(min(months, default=1), max(months, default=1)):
        bands = [age_in(born, month) for month in months]
        passed = [at for at in range(1, len(bands)) if bands[at] != bands[at - 1]]
        for number in dict.fromkeys(numbers):
            rows.append((number, born, number, bands[number], 1))
            for at in () if apart else passed:
                if at > number:
                    rows += [(number, born, at, bands[at - 1], -1), (number, born, at, bands[at], 1)]
    names = ("age_numbers", "births", "age_places", "bands", "age_signs")
    columns_ = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in names]
    return Ages({"month": max(months, default=1), **dict(zip(names, columns_, strict=True))})


def _shown(counted: Counter[tuple[str, ...]], question: Question) -> Counter[tuple[str, ...]]:
    """Sums by the asked dimensions: a child in several circumstances in each of them."""
    if _CIRCUMSTANCE not in question.by:
        return counted
    place, wanted = question.by.index(_CIRCUMSTANCE), dict(question.where).get(_CIRCUMSTANCE)
    found: Counter[tuple[str, ...]] = Counter()
    for keys, n in counted.items():
        for one in keys[place].split("+"):
            if wanted is None or one in wanted:
                found[(*keys[:place], one, *keys[place + 1 :])] += n
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
# A full join is never made by looking at all ages for each of what is counted, however little of that is expected.
_PASSING: Final = """FULL JOIN unnest(CAST(:age_numbers AS integer[]), CAST(:births AS text[]),
        CAST(:age_places AS integer[]), CAST(:bands AS text[]), CAST(:age_signs AS integer[]))
    AS a(number, born, place, age, sign) ON a.number = c.number AND a.born = c.born"""
# Sums of months and movements are joined apart, so that each uses its own index; each piece looks up its own months.
_SUMMED: Final = """
WITH piece AS MATERIALIZED (
    SELECT * FROM unnest(CAST(:number AS integer[]), CAST(:sign AS integer[]), CAST(:months AS integer[]),
                         CAST(:first AS date[]), CAST(:until AS date[]),
                         CAST(:known_from AS timestamptz[]), CAST(:known_until AS timestamptz[]))
        AS t(number, sign, months, first, until, known_from, known_until)
), summed AS ({pieces})"""
_MONTHS: Final = """
    SELECT p.number, s.cell, p.sign * s.n AS n
    FROM piece AS p CROSS JOIN LATERAL (
        SELECT cell, n FROM standing
        WHERE measure = :sums AND months = p.months AND first >= p.first AND first < p.until OFFSET 0
    ) AS s
    WHERE p.months > 0
"""
_DAYS: Final = """
    SELECT p.number, m.cell, p.sign * m.n AS n
    FROM piece AS p JOIN movement AS m
        ON m.measure = :measure AND m.day >= p.first AND m.day < p.until
        AND m.at >= p.known_from AND m.at < p.known_until
    WHERE p.months = 0
"""


def summed(measured: Measured, margin: Margin | None, pieces: Sequence[Piece], values: dict[str, Any]) -> str:
    """What begins a query over pieces: `summed`, by sum and cell. `values`: what the query takes, to be added to."""
    values |= columns_of(pieces)
    found = []
    if any(piece.months for piece in pieces):
        values["sums"] = int(measured.measure if margin is None else margin.number)
        found.append(_MONTHS)
    if any(not piece.months for piece in pieces):
        values["measure"] = int(measured.measure)
        found.append(_DAYS)
    return _SUMMED.format(pieces=" UNION ALL ".join(found))


# What parts look at is summed first, so that each looks at few combinations and not at every cell; then ages pass.
_QUESTION: Final = """{summed}, counted AS (
    SELECT s.number{cells}, sum(s.n) AS n
    FROM summed AS s JOIN history_cell AS c ON c.id = s.cell WHERE {where} GROUP BY s.number{cells}
){aged}
SELECT c.number{by}{sums} FROM {counted} AS c GROUP BY {grouping}
"""
_AGED: Final = f""", aged AS (
    SELECT coalesce(a.place, c.number) AS number{{names}}, c.n * coalesce(a.sign, 1) AS n
    FROM counted AS c {_PASSING} WHERE coalesce(c.n, 0) <> 0
)"""
