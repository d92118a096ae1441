"""Working days of Việt Nam, and clocks of the law on them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reference.calendar import LOCAL, WorkCalendar
from shared.reference.deadlines import DeadlineRule, Deadlines
from shared.reference.files import ReferenceDataError

CALENDAR = WorkCalendar.load()
DEADLINES = Deadlines.load()
INSTANT = timedelta(microseconds=1)
# First and last day off of each year's Tết, as announced (2027: by the law's rule).
TET = {
    2020: (date(2020, 1, 23), date(2020, 1, 29)),
    2021: (date(2021, 2, 10), date(2021, 2, 16)),
    2022: (date(2022, 1, 31), date(2022, 2, 4)),
    2023: (date(2023, 1, 20), date(2023, 1, 26)),
    2024: (date(2024, 2, 8), date(2024, 2, 14)),
    2025: (date(2025, 1, 27), date(2025, 1, 31)),
    2026: (date(2026, 2, 16), date(2026, 2, 20)),
    2027: (date(2027, 2, 4), date(2027, 2, 10)),
}
# First day of the lunar year by the Vietnamese calendar, which may differ from the Chinese one (2030).
LUNAR = [date(2028, 1, 26), date(2029, 2, 13), date(2030, 2, 2)]

moments = st.datetimes(datetime(2018, 1, 1), datetime(2032, 12, 31)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001


def at(year: int, month: int, day: int, hour: int = 9) -> datetime:
    return datetime(year, month, day, hour, tzinfo=LOCAL)


def last_day(due: datetime) -> date:
    return (due - INSTANT).astimezone(LOCAL).date()


@pytest.mark.parametrize("year", TET)
def test_no_day_of_tet_is_a_working_day_and_work_begins_after(year: int) -> None:
    first, last = TET[year]
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    assert not any(CALENDAR.is_working_day(day) for day in days)
    before, after = first - timedelta(days=1), last + timedelta(days=1)
    assert CALENDAR.is_working_day(before) == (before.weekday() < 5)
    assert CALENDAR.is_working_day(after) == (after.weekday() < 5)


@pytest.mark.parametrize("day", LUNAR)
def test_the_lunar_new_year_is_free_by_the_vietnamese_calendar(day: date) -> None:
    assert not any(CALENDAR.is_working_day(day + timedelta(days=number)) for number in range(-1, 4))


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2025, 5, 2), False),  # swapped with 26 April
        (date(2025, 4, 26), True),
        (date(2026, 1, 2), False),  # swapped with 10 January
        (date(2026, 1, 10), True),
        (date(2026, 8, 31), False),  # swapped with 22 August
        (date(2026, 8, 22), True),
        (date(2026, 4, 27), False),  # instead of Sunday the 26th, Hùng Kings' day
        (date(2026, 9, 1), False),
        (date(2026, 9, 2), False),
        (date(2026, 11, 23), True),
        (date(2026, 11, 24), False),  # Vietnam Cultural Day
        (date(2026, 11, 21), False),  # a Saturday as others
    ],
)
def test_swapped_and_compensating_days(day: date, works: bool) -> None:
    assert CALENDAR.is_working_day(day) is works


@given(moments, st.integers(0, 40))
def test_a_clock_of_working_days_never_ends_on_a_day_off(start: datetime, days: int) -> None:
    assert CALENDAR.is_working_day(last_day(CALENDAR.add_working_days(start, days)))


@given(moments, st.integers(1, 40))
def test_exactly_so_many_working_days_lie_between(start: datetime, days: int) -> None:
    first, last = start.astimezone(LOCAL).date(), last_day(CALENDAR.add_working_days(start, days))
    between = (first + timedelta(days=number) for number in range(1, (last - first).days + 1))
    assert sum(CALENDAR.is_working_day(day) for day in between) == days


@given(moments, st.integers(0, 20), st.integers(0, 20))
def test_more_days_never_end_earlier(start: datetime, fewer: int, more: int) -> None:
    low, high = sorted((fewer, more))
    assert CALENDAR.add_working_days(start, low) <= CALENDAR.add_working_days(start, high)


def test_five_working_days_over_tet_end_after_it() -> None:
    # Thursday 12 February 2026; 13 is the first day, then Tết to the 22nd, then 23-26.
    assert CALENDAR.add_working_days(at(2026, 2, 12), 5) == datetime(2026, 2, 26, 17, tzinfo=UTC)


def test_the_day_of_the_start_is_the_day_in_viet_nam() -> None:
    # 18:00 UTC on Sunday is already Monday in Việt Nam.
    assert last_day(CALENDAR.add_working_days(datetime(2026, 10, 4, 18, tzinfo=UTC), 1)) == date(2026, 10, 6)


def test_days_cannot_be_negative() -> None:
    with pytest.raises(ValueError, match="negative"):
        CALENDAR.add_working_days(at(2026, 2, 12), -1)


def test_the_twelve_hours_run_through_nights_and_holidays() -> None:
    received = at(2026, 2, 16, 20)  # the eve of Tết
    clock = DEADLINES.start("emergency-12h", received)
    assert clock.due == received + timedelta(hours=12)
    assert received < clock.nearing_at < clock.due
    assert "26(3)" in clock.legal_source


@given(moments, st.sampled_from(DEADLINES.kinds()))
def test_every_clock_warns_before_it_ends(start: datetime, kind: str) -> None:
    clock = DEADLINES.start(kind, start)
    assert start < clock.due
    assert clock.nearing_at <= clock.due


def test_a_clock_says_its_law_in_the_readers_language_as_it_was_when_it_started() -> None:
    received = at(2026, 2, 16)
    assert (
        DEADLINES.legal_source("emergency-12h", received) == "Nghị định 56/2017/NĐ-CP, khoản 3 Điều 26, khoản 2 Điều 31"
    )
    assert DEADLINES.legal_source("emergency-12h", received, "en") == "Decree 56/2017/ND-CP, Art. 26(3), 31(2)"
    assert DEADLINES.start("emergency-12h", received).legal_source == "Decree 56/2017/ND-CP, Art. 26(3), 31(2)"
    rules = Deadlines([LATER, replace(RULE, legal_source_vi="luật cũ")], CALENDAR)
    assert rules.legal_source("k", at(2023, 12, 31)) == "luật cũ"
    assert rules.legal_source("k", at(2024, 1, 2)) == "luật"


def test_clocks_are_named_in_both_languages() -> None:
    for kind in DEADLINES.kinds():
        assert DEADLINES.label(kind) != DEADLINES.label(kind, "en") != kind
    assert DEADLINES.label("nobody-knows") == "nobody-knows"


RULE = DeadlineRule("k", "vi", "en", "receipt", 1, "luật", "law", date(2020, 1, 1), date(2024, 1, 1), hours=12)
LATER = replace(RULE, effective_from=date(2024, 1, 1), effective_to=None, hours=8)


def test_a_change_of_law_leaves_running_clocks_alone() -> None:
    rules = Deadlines([LATER, RULE], CALENDAR)
    before, after = at(2023, 12, 31), at(2024, 1, 1)
    assert rules.start("k", before).due == before + timedelta(hours=12)
    assert rules.start("k", after).due == after + timedelta(hours=8)


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ([replace(RULE, hours=None)], "either hours or working_days"),
        ([replace(RULE, working_days=2)], "either hours or working_days"),
        ([replace(RULE, hours=0)], "longer than nothing"),
        ([replace(RULE, nearing=12)], "between its start and its end"),
        ([replace(RULE, legal_source_vi="")], "legal source"),
        ([replace(RULE, legal_source_en="")], "legal source"),
        ([replace(RULE, effective_to=date(2019, 1, 1))], "ends before"),
        ([RULE, replace(LATER, effective_from=date(2023, 1, 1))], "in force at once"),
        ([replace(RULE, effective_to=None), LATER], "in force at once"),
        ([RULE, replace(LATER, effective_from=date(2024, 2, 1))], "no rule from"),
    ],
)
def test_deadlines_that_contradict_themselves_are_not_loaded(rules: list[DeadlineRule], says: str) -> None:
    with pytest.raises(ReferenceDataError, match=says):
        Deadlines(rules, CALENDAR)
