"""Times within which so many of a hundred were done: found by the database, which alone sees every single time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.margins import margin_for
from services.stats.domain.measures import HOURS
from services.stats.domain.periods import Period
from services.stats.domain.pieces import flows
from services.stats.store.answers import Answers
from services.stats.store.history import depends, kept_of
from services.stats.store.questions import Group, Question, Wanted, conditions
from services.stats.store.summing import summed, within
from shared.reference.units import UNCLASSIFIED

_SPAN: Final = "span"


class Ranked(NamedTuple):
    """What is asked: of which question, the time of which per cent; `places`: where communes are counted, by the code
    that events name them by (`questions.Question` has them as they are named); without, as they are named."""

    question: Question
    at: int
    places: tuple[tuple[str, str], ...] = ()


class Rank(NamedTuple):
    """A time in hours, and of how many it is one. `keys`: the values of what it was asked by."""

    keys: tuple[str, ...]
    hours: float
    of: int


async def rank_all(
    connection: AsyncConnection, wanted: Mapping[Ranked, Iterable[Period]], answers: Answers | None = None
) -> dict[Ranked, dict[Period, list[Rank]]]:
    """The least time that holds for so many of those counted (the nearest rank), in the order of their keys; nothing
    for nobody. Args as for `history.count_all`. Raises `MeasureError`."""
    stamps = None if answers is None else await answers.stamps(connection)
    found: dict[Ranked, dict[Period, list[Rank]]] = {}
    groups: dict[tuple[object, ...], dict[Ranked, list[Period]]] = {}
    moments = await kept_of(connection, [asked.question.as_of for asked in wanted])
    for asked, periods in wanted.items():
        group = Group.of(asked.question)
        known = found[asked] = {}
        for period in dict.fromkeys(periods):
            ranks = None
            if answers is not None and stamps is not None:
                key, changes = depends(Wanted(asked.question, period, moments[asked.question.as_of]), group, stamps)
                ranks = answers.get((key, asked.at, asked.places), changes)
            if ranks is None:
                at = (group, asked.question.as_of, _apart(asked.question), asked.places)
                groups.setdefault(at, {}).setdefault(asked, []).append(period)
            else:
                known[period] = ranks
    for of_group in groups.values():
        for asked, answered in (await _answer(connection, of_group, moments)).items():
            found[asked] |= answered
            if answers is not None and stamps is not None:
                group = Group.of(asked.question)
                for period, ranks in answered.items():
                    key, changes = depends(Wanted(asked.question, period, moments[asked.question.as_of]), group, stamps)
                    answers.keep((key, asked.at, asked.places), changes, ranks, len(ranks))
    return found


def _apart(question: Question) -> tuple[object, ...]:
    """What must be alike of questions that one query answers: everything but the one kind of time each asks for."""
    return tuple(one for one in question.where if one[0] != _SPAN or len(one[1]) != 1)


def _span_of(asked: Ranked) -> str:
    """The one kind of time that is asked for; empty: all that the question says."""
    spans = dict(asked.question.where).get(_SPAN, ())
    return spans[0] if len(spans) == 1 else ""


async def _answer(
    connection: AsyncConnection,
    asked: Mapping[Ranked, Sequence[Period]],
    moments: Mapping[datetime | None, datetime | None],
) -> dict[Ranked, dict[Period, list[Rank]]]:
    first = next(iter(asked))
    group = Group.of(first.question)
    periods = list(dict.fromkeys(period for wanted in asked.values() for period in wanted))
    pairs = [(period, moments[first.question.as_of]) for period in periods]
    pieces = flows(pairs)
    shares = sorted({one.at for one in asked})
    spans = sorted({_span_of(one) for one in asked} - {""})
    columns = (*group.by, _SPAN) if spans else group.by
    values: dict[str, Any] = {}
    rest = replace(first.question.part, where=dict(one for one in first.question.where if one[0] != _SPAN or not spans))
    where = ["TRUE", *conditions(rest, values)]
    if spans:
        values["spans"] = spans
        where.append(f"c.{_SPAN} = ANY(:spans)")
    if group.units is not None:
        values["units"] = sorted(group.units)
        where.append("c.unit = ANY(:units)")
    needed = {*columns, HOURS, *dict(first.question.where), *(() if group.units is None else ("unit",))}
    margin = margin_for(group.measured.measure, needed)
    beginning = summed(group.measured, margin, pieces, values)
    where += within(margin, pieces, values)
    if first.places:
        values |= {"named": [one for one, _ in first.places], "today": [one for _, one in first.places]}
    statement = _RANKED.format(
        summed=beginning,
        columns="".join(f", {_column(name, bool(first.places))} AS d{at}" for at, name in enumerate(columns)),
        places=_PLACES if first.places else "",
        where=" AND ".join(where),
        dims="".join(f", d{at}" for at in range(len(columns))),
        times="".join(f", min(hours) FILTER (WHERE seen * 100 >= total * {share})" for share in shares),
    )
    width = 1 + len(columns)
    told: dict[tuple[int, str], list[tuple[tuple[str, ...], Sequence[float], int]]] = {}
    for row in await connection.execute(text(statement), values):
        keys, times = tuple(row[1:width]), row[width:-1]
        at = (row[0], keys[-1] if spans else "")
        told.setdefault(at, []).append((keys[:-1] if spans else keys, times, int(row[-1])))
    return {
        one: {
            period: sorted(
                Rank(keys, times[shares.index(one.at)], of)
                for keys, times, of in told.get((periods.index(period), _span_of(one)), ())
            )
            for period in wanted
        }
        for one, wanted in asked.items()
    }


def _column(name: str, placed: bool) -> str:
    if name != "unit" or not placed:
        return f"c.{name}"
    return f"coalesce(w.today, CASE c.unit WHEN '' THEN '' ELSE '{UNCLASSIFIED}' END)"


_PLACES: Final = """LEFT JOIN unnest(CAST(:named AS text[]), CAST(:today AS text[])) AS w(named, today)
        ON w.named = c.unit"""
_RANKED: Final = """{summed}, timed AS (
    SELECT s.number, CAST(c.hours AS double precision) AS hours{columns}, CAST(sum(s.n) AS bigint) AS n
    FROM summed AS s JOIN history_cell AS c ON c.id = s.cell {places} WHERE {where}
    GROUP BY s.number, c.hours{dims} HAVING sum(s.n) <> 0
), ranked AS (
    SELECT number, hours{dims}, sum(n) OVER (PARTITION BY number{dims} ORDER BY hours) AS seen,
           sum(n) OVER (PARTITION BY number{dims}) AS total
    FROM timed
)
SELECT number{dims}{times}, max(total) FROM ranked GROUP BY number{dims}
"""
