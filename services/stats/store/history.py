"""The one question that everything asks of history: how many, of what, in which period, as known at which moment.

What does not change is added up once and kept, and what did change since is added to it. So an answer costs what it
shows, however much history lies behind it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.periods import Period
from services.stats.domain.pieces import changes, end_of, end_of_month, flows, states
from services.stats.store.aging import passing
from services.stats.store.answers import Answers, Changes, Stamps
from services.stats.store.compaction import EVER, kept
from services.stats.store.figures import month_number
from services.stats.store.questions import CIRCUMSTANCE, Group, Question, Row, Wanted, Where
from services.stats.store.summing import Sum, sums_of
from shared.reference.calendar import LOCAL_OFFSET
from shared.reference.indicators import Over, Part

# What was summed up of each part.
_ByPart = dict[Where, Sum]
# Within so many days nearly all that happened in a month has been told of.
_TOLD_DAYS: Final = 10


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
        sums = await sums_of(connection, group, list(parts.values()), flows(pairs), len(pairs))
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
    parts: Mapping[Where, Part],
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
    sums = await sums_of(connection, group, list(parts.values()), changes(spans), len(young), ages)
    for where, of_part in zip(parts, sums, strict=True):
        for (mark, _), since in zip(young, of_part, strict=True):
            found[mark][where].update(since)
    return found


async def _stood_since_ever(
    connection: AsyncConnection, group: Group, parts: Mapping[Where, Part], marks: Sequence[Mark]
) -> dict[Mark, _ByPart]:
    """What stood at each of some marks, which are in their order, summed up from the beginning."""
    moments = [mark.moment for mark in marks]
    ages = passing(tuple(mark.month for mark in marks), tuple(map(moments.index, moments))) if group.aging else None
    sums = await sums_of(connection, group, list(parts.values()), states(moments), len(marks), ages)
    for of_part in sums:
        for at in range(1, len(marks)):
            # Each is what stood at the one before it, and what has changed since.
            of_part[at].update(of_part[at - 1])
    return {mark: {where: sums[part][at] for part, where in enumerate(parts)} for at, mark in enumerate(marks)}


def base_of(mark: Mark, today: date) -> Mark | None:
    """From when on what stood at a mark is summed up anew, if it is young: from the beginning of its month, or of the
    one before, while of that things are still told."""
    months_ago = month_number(today) - mark.month
    if months_ago > 1:
        return None
    first = mark.month - (months_ago < 1 and today.day <= _TOLD_DAYS)
    return Mark(end_of_month(first - 1), mark.month)


def _kept_at(base: Mark, group: Group, parts: Mapping[Where, Part], known: _Known) -> _ByPart | None:
    """What stood at a mark, if that is kept of all parts and still true."""
    changes_ = _changes_until(base, group, known)
    found = {where: known.answers.get((group, where, base), changes_) for where in parts}
    return None if None in found.values() else found


def _keep_at(base: Mark, group: Group, counted: _ByPart, known: _Known) -> None:
    for where, counts in counted.items():
        known.answers.keep((group, where, base), _changes_until(base, group, known), counts, len(counts))


def _changes_until(base: Mark, group: Group, known: _Known) -> Changes:
    return known.stamps.between(group.measured.measure, date.min, base.moment.astimezone(LOCAL_OFFSET).date())


def _shown(counted: Sum, question: Question) -> Sum:
    """Sums by the asked dimensions: a child in several circumstances in each of them."""
    if CIRCUMSTANCE not in question.by:
        return counted
    place, wanted = question.by.index(CIRCUMSTANCE), dict(question.where).get(CIRCUMSTANCE)
    found = Sum()
    for keys, n in counted.items():
        for one in keys[place].split("+"):
            if wanted is None or one in wanted:
                found[(*keys[:place], one, *keys[place + 1 :])] += n
    return found
