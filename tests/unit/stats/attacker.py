"""The attacker: knows everything that was ever answered to one who may only see aggregates, and solves for the rest.

He audits by linear programming, as tau-ARGUS does: each hidden figure is a sum of the unknown finest cells, each answer
an equation over them. Of a hidden figure he finds the least and the most that it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from math import ceil, floor
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

Cell = Mapping[str, str]
_SLACK = 1e-6


class Attacker:
    """In: the dimensions of one measure and all their values. He is told nothing else of it."""

    def __init__(self, dimensions: Mapping[str, Sequence[str]]) -> None:
        names = list(dimensions)
        self._cells = [dict(zip(names, values, strict=True)) for values in product(*dimensions.values())]
        self._equal: dict[tuple[int, ...], int] = {}
        self._least: dict[tuple[int, ...], int] = {}
        self._matrices: dict[str, tuple[Any, Any]] = {}

    def learn(self, matches: Callable[[Cell], bool], n: int) -> None:
        """What he was answered. Raises AssertionError where one question had two answers."""
        at = self._at(matches)
        assert self._equal.setdefault(at, n) == n, "one question, two answers"

    def hears_of(self, matches: Callable[[Cell], bool]) -> None:
        """That something is counted there."""
        self._least[self._at(matches)] = 1

    def bounds(self, matches: Callable[[Cell], bool]) -> tuple[int, int]:
        """The least and the most whole number that something can be."""
        wanted = np.zeros(len(self._cells))
        wanted[list(self._at(matches))] = 1
        equal, n = self._matrix("equal", self._equal)
        least, at_least = self._matrix("least", self._least)
        found = []
        for sign in (1, -1):
            solved = linprog(
                sign * wanted,
                A_eq=equal,
                b_eq=n,
                A_ub=None if least is None else -least,
                b_ub=None if at_least is None else -at_least,
                bounds=(0, None),
                method="highs",
            )
            # Unbounded: nothing is known.
            found.append(sign * solved.fun if solved.status == 0 else np.inf)
            assert solved.status in {0, 3}, solved.message
        return ceil(found[0] - _SLACK), 10**9 if found[1] == np.inf else floor(found[1] + _SLACK)

    def _at(self, matches: Callable[[Cell], bool]) -> tuple[int, ...]:
        return tuple(at for at, cell in enumerate(self._cells) if matches(cell))

    def _matrix(self, name: str, known: Mapping[tuple[int, ...], int]) -> tuple[Any, Any]:
        if not known:
            return None, None
        made = self._matrices.get(name)
        if made is None or len(made[1]) < len(known):
            rows = [row for row, cells in enumerate(known) for _ in cells]
            columns = [cell for cells in known for cell in cells]
            ones = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(known), len(self._cells)))
            made = self._matrices[name] = (ones, np.array(list(known.values())))
        return made


def naive(counts: Mapping[str, int], least: int) -> Iterable[tuple[str, int | None]]:
    """Only small counts hidden: what he is to break."""
    for name, n in counts.items():
        yield name, None if 0 < n < least else n
