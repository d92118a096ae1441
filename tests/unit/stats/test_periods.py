"""Periods: their codes, days, neighbours; every code leads back to itself."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.domain.periods import SPANS, Period, Span
from shared.contracts.errors import Rejected

_DAYS = st.dates(date(1950, 1, 1), date(2150, 12, 31))
_SPANS = st.sampled_from([span for span in SPANS if span != "plan"])


@pytest.mark.parametrize(
    ("code", "first", "last"),
    [
        ("2026-11-25", date(2026, 11, 25), date(2026, 11, 25)),
        ("2026-W01", date(2025, 12, 29), date(2026, 1, 4)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2026-H1", date(2026, 1, 1), date(2026, 6, 30)),
        ("2026", date(2026, 1, 1), date(2026, 12, 31)),
        ("2026-SY", date(2026, 9, 5), date(2027, 9, 4)),
        ("2026..2030", date(2026, 1, 1), date(2030, 12, 31)),
    ],
)
def test_a_code_says_first_and_last_day(code: str, first: date, last: date) -> None:
    period = Period.parse(code)
    assert (period.first, period.last, period.code) == (first, last, code)


@given(_DAYS, _SPANS)
def test_the_period_of_a_day_holds_it_and_its_code_leads_back(day: date, span: Span) -> None:
    period = Period.containing(day, span)
    assert period.first <= day <= period.last
    assert Period.parse(period.code) == period


@given(_DAYS, _SPANS)
def test_periods_of_a_span_meet_without_a_gap(day: date, span: Span) -> None:
    period = Period.containing(day, span)
    assert period.previous.last + timedelta(days=1) == period.first
    assert period.previous.span == span


@given(_DAYS, _SPANS)
def test_the_same_part_of_the_year_before_begins_about_a_year_earlier(day: date, span: Span) -> None:
    period = Period.containing(day, span)
    assert 350 <= (period.first - period.year_before.first).days <= 380


@pytest.mark.parametrize(
    "code",
    [
        "",
        "2026-13",
        "2026-00",
        "2026-Q5",
        "2026-W54",
        "2025-W53",
        "2026-02-30",
        "1899",
        "2200",
        "2030..2026",
        "26",
        "2026\u0660",
    ],
)
def test_a_period_that_there_is_not_is_refused_by_its_forms(code: str) -> None:
    with pytest.raises(Rejected) as refused:
        Period.parse(code)
    assert refused.value.violations[0].rule == "period-unknown"


def test_a_year_falls_into_its_months() -> None:
    codes = [part.code for part in Period.parse("2026").parts("month")]
    assert codes == [f"2026-{month:02d}" for month in range(1, 13)]


def test_a_plan_is_compared_with_the_plan_before() -> None:
    assert Period.parse("2026..2030").previous.code == "2021..2025"


def test_a_trend_is_the_oldest_first() -> None:
    assert [period.code for period in Period.parse("2026-02").before(3)] == ["2025-12", "2026-01", "2026-02"]
