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
    """Runs of one kind each, in their order, and as long as the order of those with the same key allows.
    In: `kind`, `key`: of a thing."""
    waiting: dict[Hashable, deque[tuple[int, T]]] = {}
    for place, one in enumerate(things):
        waiting.setdefault(key(one), deque()).append((place, one))
    runs: list[list[T]] = []
    while waiting:
        wanted = kind(min((of_key[0] for of_key in waiting.values()), key=lambda placed: placed[0])[1])
        run: list[tuple[int, T]] = []
        for which in list(waiting):
            of_key = waiting[which]
            while of_key and kind(of_key[0][1]) == wanted:
                run.append(of_key.popleft())
            if not of_key:
                del waiting[which]
        runs.append([one for _, one in sorted(run, key=lambda placed: placed[0])])
    return runs
