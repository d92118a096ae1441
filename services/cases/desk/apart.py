"""Splits what came together where two things are about the same: the second must see what the first has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def apart(things: Sequence[T], about: Callable[[T], str]) -> Iterator[list[T]]:
    """In their order, split before each that is about the same as one before it."""
    some: dict[str, T] = {}
    for one in things:
        what = about(one)
        if what in some:
            yield list(some.values())
            some = {}
        some[what] = one
    if some:
        yield list(some.values())
