"""Clocks that stand still, and clocks that a commune has made shorter for itself."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.reference import deadlines
from shared.reference.calendar import LOCAL, WorkCalendar
from shared.reference.deadlines import DeadlineRule, Deadlines, LocalRule
from shared.reference.files import ReferenceDataError

CALENDAR = WorkCalendar.load()
LAW = DeadlineRule("k", "vi", "en", "receipt", 1, "luật", "law", date(2020, 1, 1), hours=12)
DAYS = replace(LAW, kind="d", hours=None, working_days=5)
MAY_PAUSE = replace(
    DAYS, kind="p", pausable=("flood",), pause_days=30, pause_source_vi="luật dừng", pause_source_en="pausing law"
)
OWN = LocalRule("05443", "k", 1, "Quyết định 1", "Decision 1", date(2026, 1, 1), hours=8)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def made(*local: LocalRule, laws: tuple[DeadlineRule, ...] = (LAW, DAYS, MAY_PAUSE)) -> Deadlines:
    return Deadlines(laws, CALENDAR, local, ["flood"], ["05443", "05455"], "19")


def at(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=LOCAL)  # type: ignore[arg-type, misc]


def test_a_communes_own_clock_is_shorter_and_names_its_decision() -> None:
    rules, start = made(OWN), at(2026, 3, 2, 9)
    own, other = rules.start("k", start, "05443"), rules.start("k", start, "05455")
    assert (own.due - start, own.set_by, own.legal_source) == (timedelta(hours=8), "05443", "Decision 1")
    assert (other.due - start, other.set_by, other.legal_source) == (timedelta(hours=12), None, "law")
    assert rules.start("k", start).due == other.due
    assert rules.legal_source("k", start, "vi", "05443") == "Quyết định 1"
    assert rules.legal_source("k", start, "vi", None) == "luật"


def test_a_communes_own_clock_counts_while_its_decision_is_in_force() -> None:
    rules = made(replace(OWN, effective_to=date(2026, 6, 1)))
    assert rules.start("k", at(2025, 12, 31, 23, 59), "05443").set_by is None
    assert rules.start("k", at(2026, 5, 31, 23, 59), "05443").set_by == "05443"
    assert rules.start("k", at(2026, 6, 1), "05443").set_by is None


def test_of_the_communes_and_the_provinces_clock_the_shorter_counts() -> None:
    rules, start = made(OWN, replace(OWN, unit="19", hours=6)), at(2026, 3, 2, 9)
    assert rules.start("k", start, "05443").set_by == "19"
    assert rules.start("k", start, "unclassified").due - start == timedelta(hours=6)
    rules = made(OWN, replace(OWN, unit="19", hours=10))
    assert rules.start("k", start, "05443").set_by == "05443"
    assert rules.start("k", start, "05455").set_by == "19"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (replace(OWN, hours=13), "must be shorter"),
        (replace(OWN, hours=12), "must be shorter"),
        (replace(OWN, hours=None, working_days=1, nearing=1), "must be shorter"),
        (replace(OWN, kind="d", hours=None, working_days=5), "must be shorter"),
        (replace(OWN, kind="d", hours=121), "must be shorter"),
        (replace(OWN, unit="99999"), "no such commune or province"),
        (replace(OWN, kind="nobody-knows"), "no such clock"),
        (replace(OWN, legal_source_vi=""), "needs the decision"),
        (replace(OWN, effective_to=date(2026, 1, 1)), "ends before"),
        (replace(OWN, nearing=8), "between its start and its end"),
        (replace(OWN, hours=None), "either hours or working_days"),
    ],
)
def test_a_longer_or_doubtful_local_clock_stops_the_program_and_names_its_row(row: LocalRule, says: str) -> None:
    with pytest.raises(ReferenceDataError, match=says) as refused:
        made(row)
    assert f"local-deadlines.yaml: {row.unit}, {row.kind}, from 2026-01-01" in str(refused.value)


def test_two_decisions_of_one_commune_are_not_in_force_at_once() -> None:
    later = replace(OWN, effective_from=date(2026, 6, 1), hours=6)
    with pytest.raises(ReferenceDataError, match="another of its rules"):
        made(OWN, later)
    rules = made(replace(OWN, effective_to=date(2026, 6, 1)), later)
    assert rules.start("k", at(2026, 6, 1), "05443").due == at(2026, 6, 1) + timedelta(hours=6)


def test_a_local_clock_must_be_shorter_than_a_law_that_comes_later_too() -> None:
    laws = (replace(LAW, effective_to=date(2027, 1, 1)), replace(LAW, effective_from=date(2027, 1, 1), hours=4))
    with pytest.raises(ReferenceDataError, match="shorter than the law's of 2027-01-01"):
        made(OWN, laws=laws)
    assert made(replace(OWN, effective_to=date(2027, 1, 1)), laws=laws)


@given(
    moments,
    st.sampled_from([OWN, replace(OWN, kind="d", hours=119.0), replace(OWN, kind="d", hours=None, working_days=4)]),
)
def test_no_local_clock_ever_ends_after_the_laws(start: datetime, own: LocalRule) -> None:
    rules = made(replace(own, effective_from=date(2024, 1, 1)))
    assert rules.start(own.kind, start, "05443").due <= rules.start(own.kind, start).due


def test_why_and_how_long_a_clock_may_stand_still_comes_with_it() -> None:
    rules, start = made(replace(OWN, kind="p")), at(2026, 3, 2, 9)
    clock = rules.start("p", start)
    assert (clock.pausable, clock.pause_days, clock.working_days) == (("flood",), 30, True)
    shorter = rules.start("p", start, "05443")
    assert (shorter.pausable, shorter.working_days) == (("flood",), False)
    assert rules.start("k", start).pausable == ()
    assert rules.pause_source("p", start) == "luật dừng"
    assert rules.pause_source("k", start) == ""


@pytest.mark.parametrize(
    ("law", "says"),
    [
        (replace(MAY_PAUSE, pausable=("whim",)), "whim is no reason to pause"),
        (replace(MAY_PAUSE, pause_days=0), "how many days at most, or neither"),
        (replace(MAY_PAUSE, pausable=()), "how many days at most, or neither"),
        (replace(MAY_PAUSE, pause_source_en=""), "source of its pausing"),
    ],
)
def test_a_clock_that_may_stand_still_says_why_how_long_and_by_what_law(law: DeadlineRule, says: str) -> None:
    with pytest.raises(ReferenceDataError, match=says):
        made(laws=(law,))


def test_no_clock_that_protects_a_child_now_or_limits_a_right_may_stand_still() -> None:
    loaded = deadlines.Deadlines.load()
    pausing = {kind for kind in loaded.kinds() if loaded.start(kind, at(2026, 3, 2)).pausable}
    assert pausing == {"detailed-assessment-5wd", "plan-approval", "alternative-care-handover", "case-handover"}


def end_of(*day: int) -> datetime:
    return datetime.combine(date(*day) + timedelta(days=1), time(), LOCAL).astimezone(UTC)


@pytest.mark.parametrize(
    ("due", "paused", "resumed", "then"),
    [
        # Monday to Wednesday: two working days stood still, from Friday to Tuesday.
        (end_of(2026, 10, 9), at(2026, 10, 5, 15), at(2026, 10, 7, 8), end_of(2026, 10, 13)),
        # Within one day nothing is gained.
        (end_of(2026, 10, 9), at(2026, 10, 5, 8), at(2026, 10, 5, 17), end_of(2026, 10, 9)),
        # A week-end is no working time: Friday evening to Sunday changes nothing.
        (end_of(2026, 10, 13), at(2026, 10, 9, 18), at(2026, 10, 11, 9), end_of(2026, 10, 13)),
        # On the last day: its rest is left, on the day when it runs again, or on the next working day.
        (end_of(2026, 10, 8), at(2026, 10, 8, 10), at(2026, 10, 9, 10), end_of(2026, 10, 9)),
        (end_of(2026, 10, 9), at(2026, 10, 9, 10), at(2026, 10, 10, 10), end_of(2026, 10, 12)),
        # Over Tết, 14 to 22 February 2026: no day of it is worked, so none of it stood still.
        (end_of(2026, 2, 24), at(2026, 2, 13, 9), at(2026, 2, 23, 9), end_of(2026, 2, 25)),
    ],
)
def test_a_clock_of_working_days_stands_still_by_working_time(
    due: datetime, paused: datetime, resumed: datetime, then: datetime
) -> None:
    assert CALENDAR.after_pause(due, paused, resumed) == then


@given(moments, st.integers(1, 15), st.floats(0, 1), st.timedeltas(timedelta(0), timedelta(days=40)))
def test_after_a_pause_as_many_working_days_are_left_as_before(
    start: datetime, days: int, share: float, pause: timedelta
) -> None:
    due = CALENDAR.add_working_days(start, days)
    paused = start + (due - start) * share * 0.999
    resumed = paused + pause
    then = CALENDAR.after_pause(due, paused, resumed)

    def left(since: datetime, until: datetime) -> int:
        first, last = since.astimezone(LOCAL).date(), (until - timedelta(seconds=1)).astimezone(LOCAL).date()
        return sum(CALENDAR.is_working_day(first + timedelta(days=day)) for day in range(1, (last - first).days + 1))

    assert then >= due
    assert then > resumed
    assert left(resumed, then) in (left(paused, due), left(paused, due) + 1)
    # One more only where the last day's rest is given back on the next working day.
    assert left(resumed, then) == left(paused, due) or left(paused, due) == 0
