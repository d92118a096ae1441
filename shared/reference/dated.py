"""Lists of which each entry is in force from its own day on, until the next one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Protocol, TypeVar


class Dated(Protocol):
    """An entry with its first day."""

    @property
    def effective_from(self) -> date: ...


D = TypeVar("D", bound=Dated)


def in_order(entries: Iterable[D]) -> list[D]:
    """The entries as `in_force` wants them."""
    return sorted(entries, key=lambda entry: entry.effective_from)


def in_force(entries: Sequence[D], day: date) -> D:
    """In: entries in their order, at least one. Out: the one in force on a day; before the first, the first."""
    return next((entry for entry in reversed(entries) if entry.effective_from <= day), entries[0])
