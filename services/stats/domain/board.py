"""What the board shows, worked out of counts that are held as a table: who in the rows, what in the columns.

However many facts there are, the table is no larger than the words of the reference data allow, and any view of it is
a few sums over it. Pure: it takes counts and adds them up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.stats.domain.cells import Kind
from shared.contracts.vocabulary import UNCLASSIFIED

_FOREMOST: Final = 15
_RUNNING: Final = frozenset({"running", "nearing", "paused"})
_UNDER_WAY: Final = frozenset({"requested", "accepted", "overdue"})
_FEW_ROWS: Final = 256
_FEW_COLUMNS: Final = 32
Vector = NDArray[np.float64]


class Who(NamedTuple):
    """Where, and of whom. `kind` is the abuse kind where one applies."""

    unit: str
    kind: str
    sex: str
    age: str


class What(NamedTuple):
    """What is counted, as far as the board tells it apart."""

    what: int
    risk: str
    status: str
    sector: str


@dataclass(slots=True)
class CommuneFigures:
    """One commune's line."""

    unit: str
    concerns: int = 0
    today: int = 0
    open: int = 0
    high: int = 0
    missed: int = 0
    children: int = 0

    @property
    def weight(self) -> tuple[int, ...]:
        """What puts it higher on the board."""
        return (self.quiet, -self.missed, -self.high, -self.open, -self.today, -self.concerns)

    @property
    def quiet(self) -> bool:
        """Whether nothing is under way there."""
        return not (self.open or self.missed or self.today)


@dataclass(slots=True)
class BoardFigures:
    """The figures of a view."""

    communes: list[CommuneFigures] = field(default_factory=list)
    cases_open: int = 0
    cases_closed: int = 0
    high: int = 0
    unassessed: int = 0
    concerns: int = 0
    today: int = 0
    missed: int = 0
    running: int = 0
    met: int = 0
    met_late: int = 0
    lapsed: int = 0
    tasks: int = 0
    tasks_overdue: int = 0
    children: int = 0
    by_kind: dict[tuple[str, str], int] = field(default_factory=dict)
    by_age: dict[tuple[str, str], int] = field(default_factory=dict)
    by_sector: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever counted here."""
        return not (self.concerns or self.cases_open or self.cases_closed or self.children)

    @property
    def foremost(self) -> tuple[list[CommuneFigures], list[CommuneFigures]]:
        """The communes that are shown at once, and those that are folded away: a phone shows few lines."""
        busy = sum(not commune.quiet for commune in self.communes)
        at = max(1, min(busy, _FOREMOST))
        return self.communes[:at], self.communes[at:]

    @property
    def most_open(self) -> int:
        """The longest bar."""
        return max((commune.open for commune in self.communes), default=0)

    @property
    def in_time(self) -> float | None:
        """The share met in time of the clocks that are settled or past; what was needed no more counts where it was
        needed no more only after it was missed."""
        settled = self.met + self.met_late + self.missed + self.lapsed
        return self.met / settled if settled else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows count. Empty: any; `units` None: all, and what lies in none. What no abuse kind applies to (children)
    drops out only with a filter by kind."""

    units: frozenset[str] | None = None
    unit: str = ""
    kind: str = ""
    sex: str = ""
    age: str = ""


class Tally:
    """Counts as a table that grows with the words it meets."""

    def __init__(self) -> None:
        self._rows: dict[Who, int] = {}
        self._columns: dict[What, int] = {}
        self._numbers: tuple[dict[str, int], ...] = tuple({} for _ in Who._fields)
        # Whole numbers as long as they are below 2**53; as floating-point ones they are added up much faster.
        self._n: Vector = np.zeros((_FEW_ROWS, _FEW_COLUMNS))
        self._words: NDArray[np.int32] = np.zeros((len(Who._fields), _FEW_ROWS), dtype=np.int32)

    def place(self, who: Who, what: What) -> tuple[int, int]:
        """The row and the column of a count."""
        row, column = self._rows.get(who), self._columns.get(what)
        if row is None:
            row = self._rows[who] = len(self._rows)
            if row == len(self._n):
                self._n = np.concatenate([self._n, np.zeros_like(self._n)])
                self._words = np.concatenate([self._words, np.zeros_like(self._words)], axis=1)
            for at, word in enumerate(who):
                self._words[at, row] = self._numbers[at].setdefault(word, len(self._numbers[at]))
        if column is None:
            column = self._columns[what] = len(self._columns)
            if column == self._n.shape[1]:
                self._n = np.concatenate([self._n, np.zeros_like(self._n)], axis=1)
        return row, column

    def add(self, place: tuple[int, int], n: int) -> None:
        """Count so many more, or fewer."""
        self._n[place] += n

    def __iter__(self) -> Iterator[tuple[tuple[Who, What], int]]:
        """Everything of which there is any."""
        rows, columns = list(self._rows), list(self._columns)
        for row, column in zip(*np.nonzero(self._n), strict=True):
            yield (rows[row], columns[column]), int(self._n[row, column])

    def figures(self, chosen: Filter, units: Sequence[str]) -> BoardFigures:
        """The figures of what a filter lets pass. `units`: communes that have a line even where nothing happened."""
        return _Sums(
            self._n[: len(self._rows), : len(self._columns)] * self._passing(chosen)[:, None],
            tuple(self._columns),
            self._words[:, : len(self._rows)],
            self._numbers,
        ).figures([unit for unit in units if chosen.unit in {"", unit}])

    def _passing(self, chosen: Filter) -> NDArray[np.bool_]:
        passing = np.ones(len(self._rows), dtype=np.bool_)
        words = self._words[:, : len(self._rows)]
        wanted = (chosen.unit, chosen.kind, chosen.sex, chosen.age)
        for at, word in enumerate(wanted):
            if word:
                passing &= words[at] == self._numbers[at].get(word, -1)
        if chosen.units is not None:
            passing &= np.isin(words[0], [number for unit, number in self._numbers[0].items() if unit in chosen.units])
        return passing


@dataclass(frozen=True, slots=True)
class _Sums:
    """The counts that passed a filter, what each column counts, and by number which words stand for each row."""

    n: Vector
    columns: tuple[What, ...]
    words: NDArray[np.int32]
    numbers: tuple[dict[str, int], ...]

    def figures(self, units: Sequence[str]) -> BoardFigures:
        reports = self._of(Kind.CONCERN)
        risks = {column.risk for column in self.columns if column.what == Kind.CASE and column.status == "open"}
        opened = {risk: self._of(Kind.CASE, "open", risk) for risk in risks}
        figures = BoardFigures(
            concerns=_sum(reports),
            today=_sum(self._of(Kind.ARRIVAL)),
            cases_open=_sum(self._of(Kind.CASE, "open")),
            cases_closed=_sum(self._of(Kind.CASE, "closed")),
            high=_sum(self._of(Kind.CASE, "open", "high")),
            unassessed=_sum(self._of(Kind.CASE, "open", "unassessed")),
            missed=_sum(self._of(Kind.DEADLINE, "missed")),
            running=sum(_sum(self._of(Kind.DEADLINE, status)) for status in _RUNNING),
            met=_sum(self._of(Kind.DEADLINE, "met")),
            met_late=_sum(self._of(Kind.DEADLINE, "met-late")),
            lapsed=_sum(self._of(Kind.DEADLINE, "lapsed")),
            tasks=sum(_sum(self._of(Kind.TASK, status)) for status in _UNDER_WAY),
            tasks_overdue=_sum(self._of(Kind.TASK, "overdue")),
            children=_sum(self._of(Kind.CHILD)),
            by_kind={(kind, risk): n for risk, column in opened.items() for kind, n in self._by(1, column).items()},
            by_age=self._by_age_and_sex(reports),
            by_sector=self._by_sector(),
        )
        figures.communes = self._communes(units, reports)
        return figures

    def _communes(self, units: Sequence[str], reports: Vector) -> list[CommuneFigures]:
        found = {unit: CommuneFigures(unit) for unit in units}
        for unit in self._by(0, np.abs(self.n).sum(axis=1)):
            found.setdefault(unit, CommuneFigures(unit))
        for name, column in (
            ("concerns", reports),
            ("today", self._of(Kind.ARRIVAL)),
            ("open", self._of(Kind.CASE, "open")),
            ("high", self._of(Kind.CASE, "open", "high")),
            ("missed", self._of(Kind.DEADLINE, "missed")),
            ("children", self._of(Kind.CHILD)),
        ):
            for unit, n in self._by(0, column).items():
                setattr(found[unit], name, n)
        # What lies in no commune comes first: somebody has to place it.
        return sorted(found.values(), key=lambda one: (one.unit != UNCLASSIFIED, one.weight, one.unit))

    def _of(self, what: Kind, status: str = "", risk: str = "") -> Vector:
        """A count of each row, over all columns of what is meant."""
        wanted = [
            at
            for at, column in enumerate(self.columns)
            if column.what == what and status in {"", column.status} and risk in {"", column.risk}
        ]
        summed: Vector = self.n[:, wanted].sum(axis=1)
        return summed

    def _by(self, dimension: int, column: Vector) -> dict[str, int]:
        sums = np.bincount(self.words[dimension], weights=column, minlength=len(self.numbers[dimension]))
        return {word: int(n) for word, n in zip(self.numbers[dimension], sums, strict=True) if n}

    def _by_age_and_sex(self, column: Vector) -> dict[tuple[str, str], int]:
        sexes, ages = self.numbers[2], self.numbers[3]
        both = self.words[3] * len(sexes) + self.words[2]
        sums = np.bincount(both, weights=column, minlength=len(ages) * len(sexes))
        pairs = [(age, sex) for age in ages for sex in sexes]
        return {pair: int(n) for pair, n in zip(pairs, sums, strict=True) if n}

    def _by_sector(self) -> dict[str, int]:
        sums = self.n.sum(axis=0)
        return {
            column.sector: int(n)
            for column, n in zip(self.columns, sums, strict=True)
            if column.what == Kind.CONCERN and n
        }


def _sum(column: Vector) -> int:
    return int(column.sum())
