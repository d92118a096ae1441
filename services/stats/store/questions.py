"""What is asked of history: how many, of what, in which period, by what; which questions go together, and which cells
they speak of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from services.stats.domain.margins import Margin, margin_for
from services.stats.domain.measures import BORN, MEASURES, Measured, columns
from services.stats.domain.periods import Period
from shared.reference.indicators import Over, Part

CIRCUMSTANCE: Final = "circumstance"
AGE: Final = "age"
# The filters of a part.
Where = tuple[tuple[str, tuple[str, ...]], ...]


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
    where: Where
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


class Wanted(NamedTuple):
    """A question in one period, and the moment as of which it is answered (None: now): what was known at the asked one
    may no longer be kept. Of a state it is that of the period's end, at the latest, and `month` the one in which
    ages are told: said once, for while it is asked the month may turn."""

    question: Question
    period: Period
    moment: datetime | None
    month: int = 0


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
        aging = AGE in needed and BORN in columns(measured.measure)
        if aging:
            needed = needed - {AGE} | {BORN}
        return cls(measured, question.by, margin_for(measured.measure, needed), question.units, aging)

    @property
    def of_state(self) -> bool:
        """Whether it is asked what stands."""
        return self.measured.over == "state"


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


def conditions(part: Part, values: dict[str, Any], age: str = "c.age") -> list[str]:
    """A part's filters as conditions on a row `c` of cells, or of sums by their columns.

    Args:
        values: those of the query, to which the filters' are added. age: the column, or expression, that tells ages.
    """
    found = []
    for name, wanted in part.where.items():
        word = f"w{len(values)}"
        values[word] = list(wanted)
        if name == CIRCUMSTANCE:
            found.append(f"string_to_array(c.circumstance, '+') && (:{word})")
        else:
            found.append(f"{age if name == AGE else f'c.{name}'} = ANY (:{word})")
    return found
