"""How figures are read: judged only where they can be compared, and the most pressing ones first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from services.stats.domain.closing import named
from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period
from services.stats.domain.reading import Reading, as_far, begun, by_unit, course_of, goal_of, reached
from shared.reference.indicators import Indicator, Part, Target

YEAR = Period.parse("2026")
TODAY = date(2026, 11, 26)
AIM = Target(2026, "province", 100, "s", "s")
SHARE = Indicator(
    code="share",
    theme="t",
    shape="ratio",
    unit="percent",
    better="higher",
    vi="share",
    en="share",
    legal_source_vi="s",
    legal_source_en="s",
    effective_from=date.min,
    numerator=Part("clocks", "period", {}),
    denominator=Part("clocks", "period", {}),
    targets=(AIM,),
)
COUNT = replace(SHARE, shape="count", unit="number", better="lower", denominator=None)


def reading(indicator: Indicator, value: float | None, **more: object) -> Reading:
    shown = None if value is None else Shown(YEAR, (), value)
    return Reading(indicator, YEAR, shown, **{"goal": AIM, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("better", "value", "over", "verdict"),
    [
        ("lower", 90, True, "met"),
        ("lower", 110, True, "missed"),
        ("lower", 90, False, "running"),
        ("lower", 110, False, "missed"),
        ("higher", 90, False, "running"),
        ("higher", 110, False, "met"),
        ("higher", 90, True, "missed"),
        ("higher", None, True, "unknown"),
    ],
)
def test_a_count_is_judged_while_its_year_goes_on_only_where_nothing_can_change_it(
    better: str, value: float | None, over: bool, verdict: str
) -> None:
    assert reading(replace(COUNT, better=better), value, over=over).verdict == verdict  # type: ignore[arg-type]


def test_a_share_is_judged_at_once_and_one_whose_target_lies_ahead_is_not_missed() -> None:
    assert reading(SHARE, 90, over=False).verdict == "missed"
    ahead = replace(AIM, year=2030)
    assert reading(SHARE, 90, goal=ahead).verdict == "running"
    assert reading(SHARE, 90, goal=replace(ahead, yearly=True)).verdict == "missed"
    assert reading(SHARE, 100, goal=ahead).verdict == "met"


def test_a_month_is_judged_by_a_years_target_only_where_it_is_the_years_end_or_law_asks_for_it_at_any_time() -> None:
    state = replace(SHARE, numerator=Part("cases", "state", {}), denominator=Part("cases", "state", {}))
    law = replace(AIM, year=2030, yearly=True)
    for indicator, code, goal, expected in (
        (SHARE, "2026-10", AIM, "running"),
        (SHARE, "2026-12", AIM, "running"),
        (state, "2026-10", AIM, "running"),
        (state, "2026-12", AIM, "missed"),
        (SHARE, "2026-10", law, "missed"),
        (SHARE, "2026-10", replace(law, change=-5, against="year-before"), "running"),
        (SHARE, "2026", AIM, "missed"),
    ):
        period = Period.parse(code)
        read = Reading(indicator, period, Shown(period, (), 90.0), goal=goal)
        assert read.verdict == expected, (code, goal)
        kept = named(indicator, period, goal)
        assert kept.verdict(90.0, period) == expected, (code, goal)


def test_what_is_to_be_reached_in_each_year_is_the_aim_of_this_one_and_of_2030_is_not_missed_now() -> None:
    law, plan = (replace(AIM, year=2030, yearly=yearly) for yearly in (True, False))
    for target, year, verdict in ((law, 2026, "missed"), (plan, 2030, "running")):
        goal = goal_of(replace(SHARE, targets=(target,)), YEAR, "province")
        assert goal is not None
        assert (goal.year, reading(SHARE, 90, goal=goal).verdict) == (year, verdict)
        assert named(SHARE, YEAR, goal).target_year == year


def test_what_moves_away_from_a_target_that_lies_ahead_is_pressing_too() -> None:
    ahead = replace(AIM, year=2030)
    worse, better = Shown(YEAR.previous, (), 95.0), Shown(YEAR.previous, (), 85.0)
    assert reading(SHARE, 90, goal=ahead, before=worse).pressing
    assert not reading(SHARE, 90, goal=ahead, before=better).pressing
    assert reading(SHARE, 90, before=better).pressing


def test_a_target_of_which_nobody_knows_the_value_judges_nothing() -> None:
    unknown = replace(AIM, value=None, change=-10, against=2020)
    assert reading(SHARE, 90, goal=unknown).verdict == "unknown"
    assert reading(SHARE, 90, goal=unknown).distance is None


def test_a_hidden_figure_is_neither_judged_nor_compared() -> None:
    hidden = Shown.without(YEAR, (), "protected")
    one = Reading(SHARE, YEAR, hidden, before=Shown(YEAR.previous, (), 5.0), goal=AIM)
    assert one.known
    assert one.verdict == "hidden"
    assert Reading(SHARE, YEAR, hidden).verdict == "untold"
    assert one.moved(one.before) is None
    assert one.course(one.before) == "neither"
    assert reading(SHARE, 5).moved(hidden) is None


def test_the_one_furthest_from_its_target_comes_first() -> None:
    near, far, met = reading(SHARE, 95), reading(SHARE, 50), reading(SHARE, 100)
    assert sorted([met, near, far], key=lambda one: one.urgency) == [far, near, met]
    low, high = reading(COUNT, 110), reading(COUNT, 300)
    assert sorted([low, high], key=lambda one: one.urgency) == [high, low]


def test_a_months_count_has_no_years_target_but_a_months_share_has() -> None:
    month = Period.parse("2026-10")
    assert goal_of(COUNT, month, "province") is None
    assert goal_of(COUNT, YEAR, "province") == AIM
    assert goal_of(SHARE, month, "province") == AIM
    assert goal_of(SHARE, month, "commune") is None


def test_what_adds_up_is_compared_with_as_many_days() -> None:
    assert as_far(YEAR.previous, YEAR, TODAY).last == date(2025, 11, 26)
    assert as_far(YEAR.previous, YEAR, date(2027, 1, 1)) == YEAR.previous
    # February has fewer days than March has reached: never beyond the earlier period's end.
    march = Period.parse("2026-03")
    assert as_far(march.previous, march, date(2026, 3, 30)).last == date(2026, 2, 28)


@pytest.mark.parametrize(
    ("known", "day"),
    [
        (None, TODAY),
        (date(2026, 11, 27), TODAY),
        (date(2026, 3, 15), date(2026, 3, 15)),
        # Its last day was over: it is whole. Of one that had not begun nothing was known.
        (date(2026, 3, 31), date(2026, 4, 1)),
        (date(2026, 5, 9), date(2026, 5, 10)),
        (date(2026, 1, 9), date(2026, 3, 1)),
    ],
)
def test_as_of_an_earlier_day_a_period_has_come_no_further(known: date | None, day: date) -> None:
    assert reached(Period.parse("2026-03"), TODAY, known) == day


@pytest.mark.parametrize(
    ("code", "first", "last", "count"),
    [
        ("2026", "2024-12", "2026-11", 24),
        ("2026-10", "2025-10", "2026-10", 13),
        ("2026-Q3", "2024-Q3", "2026-Q3", 9),
        ("2026..2030", "2026", "2026", 1),
        ("2026-SY", "2024-12", "2026-11", 24),
    ],
)
def test_a_course_ends_with_its_period_and_never_shows_what_has_not_begun(
    code: str, first: str, last: str, count: int
) -> None:
    found = course_of(Period.parse(code), TODAY)
    assert (found[0].code, found[-1].code, len(found)) == (first, last, count)


def test_a_commune_without_a_row_counted_nothing_but_has_no_share() -> None:
    rows = [Shown(YEAR, ("05443",), 3.0, 3), Shown(YEAR.previous, ("05455",), 9.0, 9)]
    found = by_unit(COUNT, YEAR, rows, ["05443", "05455"])
    assert {code: one.value for code, one in found.items()} == {"05443": 3.0, "05455": 0.0}
    assert set(by_unit(SHARE, YEAR, rows, ["05443", "05455"])) == {"05443"}


def test_where_all_are_hidden_as_one_nobodys_zero_is_told() -> None:
    found = by_unit(COUNT, YEAR, [Shown.without(YEAR, (), "protected")], ["05443", "05455"])
    assert {one.hidden for one in found.values()} == {"protected"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, None, 0, 4, 0, 5], [0, 4, 0, 5]),
        ([0, 0, 3], [0, 0, 3]),
        ([0, None, 2], [0, None, 2]),
        ([None, None, 2], [None, 2]),
        ([None, None, None], [None, None, None]),
        ([0], [0]),
        ([], []),
    ],
)
def test_a_course_begins_where_something_is_known(values: list[float | None], expected: list[float | None]) -> None:
    months = Period.parse("2026-06").before(6)
    shown = [Shown(month, (), value) for month, value in zip(months, values, strict=False)]
    assert [one.value for one in begun(shown)] == expected


def test_a_hidden_figure_is_a_beginning() -> None:
    months = Period.parse("2026-06").before(4)
    shown = [Shown(months[0], ()), Shown.without(months[1], (), "protected"), Shown(months[2], (), 8.0)]
    assert len(begun([*shown, Shown(months[3], (), 9.0)])) == 3
