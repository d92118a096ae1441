"""How history is added up: one query for all parts of a measure that are asked in one way.

A period's whole months and years are summed once and kept (the table `standing`); its other days, and what was not yet
known at the asked moment, come from the movements.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.margins import Margin
from services.stats.domain.measures import BORN, MEASURE_BITS, Measured
from services.stats.domain.pieces import Piece, columns_of
from services.stats.store.aging import AGE_OF, PASSING, Ages
from services.stats.store.questions import AGE, Group, conditions
from shared.reference.indicators import Part

# How many, by the values of the asked dimensions.
Sum = Counter[tuple[str, ...]]
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
# What parts look at is summed first, so that each looks at few combinations and not at every cell; then ages pass.
_QUESTION: Final = """{summed}, counted AS (
    SELECT s.number{cells}, sum(s.n) AS n
    FROM summed AS s JOIN history_cell AS c ON c.id = s.cell WHERE {where} GROUP BY s.number{cells}
){aged}
SELECT c.number{by}{sums} FROM {counted} AS c GROUP BY {grouping}
"""
_AGED: Final = f""", aged AS (
    SELECT coalesce(a.place, c.number) AS number{{names}}, c.n * coalesce(a.sign, 1) AS n
    FROM counted AS c {PASSING} WHERE coalesce(c.n, 0) <> 0
)"""


async def sums_of(
    connection: AsyncConnection,
    group: Group,
    parts: Sequence[Part],
    pieces: Sequence[Piece],
    count: int,
    ages: Ages | None = None,
) -> list[list[Sum]]:
    """So many sums of each part.

    Args:
        group: how the parts are asked. pieces: what each sum is made of; their `number` says of which, from 0.
        count: how many sums there are, also of nothing.
        ages: where ages are asked of those whose births are known: how old they are in each sum (`aging.passing`).
    """
    found: list[list[Sum]] = [[Counter() for _ in range(count)] for _ in parts]
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
        cells="".join(f", c.{BORN if group.aging and name == AGE else name}" for name in names),
        where=" AND ".join(where),
        aged=""
        if ages is None
        else _AGED.format(names="".join(f", {AGE_OF if name == AGE else f'c.{name}'} AS {name}" for name in names)),
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
    return Part(part.measure, part.over, {name: wanted for name, wanted in part.where.items() if name != AGE})


def within(margin: Margin | None, pieces: Sequence[Piece], values: dict[str, Any]) -> list[str]:
    """Where the cells of a margin lie, for who finds them all at once; not known where single days count besides."""
    if margin is None or any(piece.months == 0 for piece in pieces):
        return []
    first = margin.number << MEASURE_BITS
    values |= {"low": first, "high": first + (1 << MEASURE_BITS) - 1}
    return ["c.id BETWEEN :low AND :high"]


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
