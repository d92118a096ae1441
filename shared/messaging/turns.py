"""In which turns what came together is handled: about different things at once, about the same one after the other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def apart(things: Sequence[T], about: Callable[[T], str]) -> Iterator[list[T]]:
    """In their order, split before each that is about the same as one before it: it must see what the first changed."""
    some: dict[str, T] = {}
    for one in things:
        what = about(one)
        if what in some:
            yield list(some.values())
            some = {}
        some[what] = one
    if some:
        yield list(some.values())


def in_runs(things: Sequence[T], kind: Callable[[T], Hashable], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Runs of one kind each, as long as the order of those with the same key allows; between keys there is none.
    In: `kind`, `key`: of a thing."""
    waiting: dict[Hashable, deque[T]] = {}
    for one in things:
        waiting.setdefault(key(one), deque()).append(one)
    runs: list[list[T]] = []
    while waiting:
        wanted = kind(next(iter(waiting.values()))[0])
        run: list[T] = []
        for which in list(waiting):
            of_key = waiting[which]
            while of_key and kind(of_key[0]) == wanted:
                run.append(of_key.popleft())
            if not of_key:
                del waiting[which]
        runs.append(run)
    return runs
