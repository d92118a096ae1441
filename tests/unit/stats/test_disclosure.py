"""Which figures are hidden with which: held against one who knows the rule and tries every province there may be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

import pytest

from services.stats.domain.disclosure import (
    Hub,
    Member,
    Partition,
    Soundness,
    Spoke,
    Table,
    sound,
    sound_for_insiders,
)
from services.stats.domain.periods import Period
from shared.reference.disclosure import Disclosure, Rule
from shared.reference.files import ReferenceDataError
from shared.reference.indicators import Indicators
from tests.unit.stats.attacker import Attacker
from tests.unit.stats.made_up_figures import disclosure

LEAST = 5
NAMES = ("a", "b", "c", "d")
YEAR = Period.parse("2026")
ALL = ("all",)
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _worlds(total: int, places: int = len(NAMES)) -> Iterator[tuple[int, ...]]:
    """Every way to divide so many."""
    if places == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _worlds(total - first, places - 1):
            yield (first, *rest)


def _shown(world: Sequence[int], soundness: Soundness) -> tuple[int | None, ...]:
    table = Table({(ALL, name): n for name, n in zip(NAMES, world, strict=True)}, NAMES, soundness)
    return _told(Spoke(table, LEAST).add(frozenset({ALL})), dict(zip(NAMES, world, strict=True)))


def _told(partition: Partition | None, counts: Mapping[str, int]) -> tuple[int | None, ...]:
    alone = {value for block in partition or () if len(block) == 1 for value in block}
    return tuple(n if name in alone else None for name, n in counts.items())


@pytest.mark.parametrize("total", range(LEAST, 15))
def test_who_knows_the_rule_and_the_total_cannot_tell_what_a_small_one_is(total: int) -> None:
    """Of all provinces in which the same is shown, the hidden figure is not the same."""
    alike = defaultdict(list)
    for world in _worlds(total):
        alike[_shown(world, sound)].append(world)
    for shown, worlds in alike.items():
        for at in range(len(NAMES)):
            _held(shown, at, worlds)


def _held(shown: Sequence[int | None], at: int, worlds: Sequence[Sequence[int]]) -> None:
    """A hidden figure that may be small may also be another."""
    found = {world[at] for world in worlds}
    assert shown[at] is not None or len(found) > 1 or not 0 < min(found) < LEAST, (shown, worlds)


@pytest.mark.parametrize("total", range(LEAST, 21, 3))
def test_who_knows_one_of_them_as_well_cannot_tell_that_another_is_small(total: int) -> None:
    """The own figure, the total, and that none of the hidden is zero, leave a small one as large as a shown one."""
    for world in _worlds(total):
        shown = _shown(world, sound_for_insiders)
        hidden = [n for n, one in zip(world, shown, strict=True) if one is None]
        if len(hidden) == len(NAMES):
            # Nothing is shown, so any of them may be zero.
            continue
        for own in range(len(hidden)):
            others = [*hidden[:own], *hidden[own + 1 :]]
            if min(others) < LEAST:
                assert sum(others) - (len(others) - 1) >= LEAST - 1, (world, shown)
                assert len(others) > 1, (world, shown)


def test_nothing_is_hidden_where_nothing_is_small() -> None:
    """What need not be hidden is shown, and so is zero."""
    assert _shown((0, 5, 17, 0), sound) == (0, 5, 17, 0)
    assert _shown((0, 0, 0, 0), sound_for_insiders) == (0, 0, 0, 0)


def test_few_are_hidden_together() -> None:
    """One small figure costs one other, two where whoever knows one of them must learn nothing."""
    assert _shown((3, 40, 50, 60), sound).count(None) == 2
    assert _shown((3, 40, 50, 60), sound_for_insiders).count(None) == 3


@pytest.mark.parametrize("members", [(1, 1), (2, 3), (4, 4), (1, 1, 1, 1, 1), (4, 4, 4), (2, 5), (1, -1, 9), (3,)])
def test_small_ones_that_press_one_another_are_not_hidden_by_each_other(members: tuple[int, ...]) -> None:
    """Three that make twelve are four each."""
    assert not sound(map(Member, members), LEAST)


def test_a_parts_table_is_hidden_where_what_the_whole_has_besides_is_small() -> None:
    """Girls in all cases less girls in cases of abuse are the girls of the other kinds."""
    counts = {(("abuse",), "f"): 28, (("abuse",), "m"): 15, (("rest",), "f"): 2, (("rest",), "m"): 5}
    spoke = Spoke(Table(counts, ("f", "m")), LEAST)
    assert spoke.add(frozenset({("abuse",), ("rest",)})) is not None
    assert spoke.add(frozenset({("abuse",)})) is None


def test_tables_of_two_parts_agree_so_that_no_third_gives_one_back() -> None:
    """Cases there less those of school violence are the two of abuse, where nothing else ever happened."""
    counts = {
        **{(("abuse",), name): n for name, n in zip(NAMES, (2, 8, 30, 30), strict=True)},
        **{(("school",), name): n for name, n in zip(NAMES, (10, 10, 30, 30), strict=True)},
        **{(("rest",), name): 0 for name in NAMES},
    }
    parts = ("abuse", "school", "rest")
    spoke, attacker = Spoke(Table(counts, NAMES), LEAST), Attacker({"part": parts, "name": NAMES})
    for chosen in ({*parts}, {"abuse"}, {"school"}):
        partition = spoke.add(frozenset((part,) for part in chosen))
        assert partition is not None
        for block in partition:
            n = sum(m for (cell, name), m in counts.items() if cell[0] in chosen and name in block)
            attacker.learn(lambda cell, c=chosen, b=block: cell["part"] in c and cell["name"] in b, n)
    low, high = attacker.bounds(lambda cell: cell == {"part": "abuse", "name": "a"})
    assert low <= 2 <= high
    assert low < high


def test_a_total_is_hidden_where_what_another_has_besides_is_small() -> None:
    """All cases less those of abuse are those of the other kinds."""
    hub = Hub({("abuse",): 28, ("other",): 2}, LEAST)
    assert hub.add(frozenset({("abuse",), ("other",)}))
    assert not hub.add(frozenset({("abuse",)}))
    assert not hub.add(frozenset({("other",)}))


def test_crossing_sets_are_released_where_each_part_of_them_counts_enough() -> None:
    """Drownings, deaths by injury, and those who drowned: what two say of one must be no few."""
    cells = {("drowning", "fatal"): 3, ("drowning", "minor"): 20, ("fall", "fatal"): 9, ("fall", "minor"): 90}
    drowning, fatal = (frozenset(cell for cell in cells if word in cell) for word in ("drowning", "fatal"))
    few, many = Hub(cells, LEAST), Hub({**cells, ("drowning", "fatal"): 6}, LEAST)
    assert [few.add(frozenset(cells)), few.add(drowning), few.add(fatal)] == [True, True, False]
    assert [many.add(frozenset(cells)), many.add(drowning), many.add(fatal)] == [True, True, True]


def test_a_table_within_another_shows_none_of_what_the_other_hides() -> None:
    """A kind that is hidden beside a small one is not shown by another indicator that has it, too."""
    cells = {("few",): 4, ("as few",): 4, ("a",): 30, ("b",): 40, ("c",): 50}
    hub = Hub(cells, LEAST)
    assert hub.add(frozenset(cells))
    whole = hub.add_table({cell[0]: frozenset({cell}) for cell in cells})
    assert whole is not None
    beside = next(block for block in whole if len(block) > 1) - {"few", "as few"}
    within = hub.add_table({name: frozenset({(name,)}) for name in ("a", "b", "c")})
    assert within is None or not any(block <= beside for block in within)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 2},
        {"settle_days": -1},
        {"effective_from": date(2026, 3, 1)},
        {"measures": {"openings": {"base": "week"}}},
        {"measures": {"openings": {"base": "year", "of": "x"}}},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_as_it_is_loaded(wrong: dict[str, object]) -> None:
    """A province's own rule is looked at before anything is shown by it."""
    with pytest.raises(ReferenceDataError):
        disclosure(**wrong)


def test_the_shipped_rule_names_indicators_and_measures_that_there_are() -> None:
    """A word misspelt in it would release what it means to keep, or keep what it means to release."""
    indicators = Indicators.load()
    measures = {part.measure for one in indicators for part in (one.numerator, one.denominator) if part}
    rule: Rule = Disclosure.load().on(NOW)
    assert all(indicators.get(code) for code in rule.monthly)
    assert {*rule.measures, *rule.open_measures} == measures
    assert {flow for measure in measures for flow in rule.balance(measure)} <= measures
