"""In which turns what came together is handled: in few runs, and what has the same key never out of its order."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shared.messaging.turns import apart, in_runs

THINGS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers()), max_size=40)


def kind(thing: tuple[str, str, int]) -> str:
    return thing[0]


def key(thing: tuple[str, str, int]) -> str:
    return thing[1]


@given(THINGS)
def test_runs_hold_everything_once_and_keep_the_order_of_each_key(things: list[tuple[str, str, int]]) -> None:
    runs = in_runs(things, kind, key)
    flat = [thing for run in runs for thing in run]
    assert sorted(flat) == sorted(things)
    for one in "xyz":
        assert [thing for thing in flat if key(thing) == one] == [thing for thing in things if key(thing) == one]


@given(THINGS)
def test_a_run_is_of_one_kind_and_takes_whatever_of_it_nothing_stands_before(
    things: list[tuple[str, str, int]],
) -> None:
    runs = in_runs(things, kind, key)
    assert all(len({kind(thing) for thing in run}) == 1 for run in runs)
    for earlier, later in pairwise(runs):
        before = {key(thing) for thing in earlier}
        assert kind(later[0]) != kind(earlier[0]) or before >= {key(thing) for thing in later}


def test_cases_that_each_open_and_describe_take_two_runs() -> None:
    things = [("opened", "A", 1), ("described", "A", 2), ("opened", "B", 1), ("described", "B", 2)]
    assert [[key(thing) for thing in run] for run in in_runs(things, kind, key)] == [["A", "B"], ["A", "B"]]


def test_a_run_is_in_the_order_in_which_it_came() -> None:
    things = [("told", "A", 1), ("told", "B", 1), ("told", "A", 2), ("told", "C", 1), ("told", "B", 2)]
    assert in_runs(things, kind, key) == [things]


def test_what_is_about_the_same_is_split_before_the_second() -> None:
    assert list(apart(["a1", "b1", "a2", "a3", "c1"], lambda one: one[0])) == [["a1", "b1"], ["a2"], ["a3", "c1"]]
