"""How old somebody is whose birth is known, in the month of each sum: children grow, and nobody tells of that."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from services.stats.store.figures import AGE_BAND
from shared.contracts.vocabulary import AgeBand, age_band

# How old somebody is, by birth: of children it is looked up, of others worked out.
AGES: Final = """LEFT JOIN unnest(CAST(:births AS text[]), CAST(:bands AS text[])) AS a(born, age)
    ON a.born = c.born"""
AGE_OF: Final = f"coalesce(a.age, {AGE_BAND.replace('c.date', 'c.born')})"
# A full join is never made by looking at all ages for each of what is counted, however little of that is expected.
PASSING: Final = """FULL JOIN unnest(CAST(:age_numbers AS integer[]), CAST(:births AS text[]),
        CAST(:age_places AS integer[]), CAST(:bands AS text[]), CAST(:age_signs AS integer[]))
    AS a(number, born, place, age, sign) ON a.number = c.number AND a.born = c.born"""


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


@lru_cache(10_000)
def age_in(born: str, month: int) -> AgeBand:
    """The age band, in a month, of who was born in the month (or year) of `born`."""
    if not born:
        return "unknown"
    year, _, of_year = born.partition("-")
    if not of_year:
        return age_band((month - 1) // 12 - int(year))
    return age_band((month - int(year) * 12 - int(of_year)) // 12)
