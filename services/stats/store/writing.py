"""What writers of both ways of counting share: the numbers of cells, and columns of rows as a statement takes them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Numbers(Generic[C]):
    """The numbers of cells, and which of them the database is known to hold. One a process.

    Numbers are a function of the cell, so forgetting is harmless: a cell is then stored a second time, to no effect.

    Args:
        number_of: a cell's number. remembered: how many are kept in memory.
    """

    def __init__(self, number_of: Callable[[C], int], remembered: int) -> None:
        self._number_of = number_of
        self._remembered = remembered
        self._ids: dict[C, int] = {}
        self._stored: set[int] = set()

    def ids(self, cells: Iterable[C]) -> dict[C, int]:
        """The numbers of these cells."""
        known, found = self.known(), {}
        for cell in cells:
            number = known.get(cell)
            if number is None:
                number = known[cell] = self._number_of(cell)
            found[cell] = number
        return found

    def known(self) -> dict[C, int]:
        """The numbers in memory, to look up and to add to; emptied where they have become too many."""
        if len(self._ids) > self._remembered:
            self._ids.clear()
            self._stored.clear()
        return self._ids

    def remember(self, numbers: frozenset[int]) -> None:
        """These cells are committed."""
        self._stored |= numbers


def array_text(values: Iterable[object]) -> str:
    """An array's text: the driver would look at every element of a list. Only for what needs no quotes, or has them."""
    return "{" + ",".join(map(str, values)) + "}"
