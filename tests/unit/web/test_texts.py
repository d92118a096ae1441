"""Texts, numbers and moments as people in Vietnam write them, and English for every one of them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.messaging.operations import OUTCOMES
from shared.web import i18n
from shared.web.errors import FORGED_FORM, PROBLEMS
from shared.web.i18n import Texts, format_due
from shared.web.navigation import NAVIGATION, ROLE_GROUPS, ROLE_NAMES, ROLE_TASKS, SECTOR_NAMES, SERVICE_NAMES
from shared.web.pages import deadline_state
from tests.support.texts import english, said_in_templates

TEXTS = Texts(("shared.identity", "shared.web"))
NOW = datetime(2026, 11, 24, 1, 30, tzinfo=UTC)


def said_in_code() -> Iterator[str]:
    yield from (entry.label for entry in NAVIGATION)
    yield from ROLE_NAMES.values()
    yield from ROLE_TASKS.values()
    yield from (title for title, _ in ROLE_GROUPS)
    yield from SECTOR_NAMES.values()
    yield from SERVICE_NAMES.values()
    yield from (text for text, _ in OUTCOMES.values())
    for problem in (*PROBLEMS.values(), FORGED_FORM):
        yield from (problem.what, problem.why, problem.now)


@pytest.mark.parametrize("package", ["shared.web", "shared.identity"])
def test_every_text_has_its_english(package: str) -> None:
    said = said_in_templates(package) | (set(said_in_code()) if package == "shared.web" else set())
    assert len(said) >= 10
    assert said - english((package,)).keys() == set()


@pytest.mark.parametrize("package", ["shared.web", "shared.identity"])
def test_no_english_is_left_over_or_misses_a_place(package: str) -> None:
    said = {*said_in_templates(package), *said_in_code(), "%(n)s phút", "%(n)s giờ", "%(n)s ngày"}
    for text, words in english((package,)).items():
        assert text in said
        for place in ("%(n)s", "%(when)s", "%(span)s", "%(minutes)s", "%(what)s", "%(version)s"):
            assert all((place in text) == (place in one) for one in words), text


@pytest.mark.parametrize(
    ("span", "vi", "en"),
    [
        (timedelta(seconds=20), "1 phút", "1 minute"),
        (timedelta(minutes=59), "59 phút", "59 minutes"),
        (timedelta(hours=1), "1 giờ", "1 hour"),
        (timedelta(hours=47, minutes=59), "47 giờ", "47 hours"),
        (timedelta(days=2), "2 ngày", "2 days"),
    ],
)
def test_a_length_of_time_is_said_in_its_largest_unit(span: timedelta, vi: str, en: str) -> None:
    assert i18n.duration_words(TEXTS, "vi", span) == vi
    assert i18n.duration_words(TEXTS, "en", span) == en


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    assert i18n.format_number("vi", 1234.5, 1) == "1.234,5"
    assert i18n.format_number("en", 1234.5, 1) == "1,234.5"
    assert i18n.format_share("vi", 0.065) == "6,5%"
    assert i18n.format_number("vi", None) == "–"


def test_moments_are_shown_in_local_time_whatever_zone_they_come_in() -> None:
    assert i18n.format_datetime(NOW) == "24/11/2026 08:30"


@pytest.mark.parametrize(
    ("due", "met", "state"),
    [
        (timedelta(hours=5), None, "open"),
        (timedelta(hours=4), None, "soon"),
        (timedelta(0), None, "soon"),
        (timedelta(seconds=-1), None, "missed"),
        (timedelta(hours=-1), timedelta(hours=-1), "met"),
        (timedelta(hours=-2), timedelta(hours=-1), "late"),
    ],
)
def test_a_deadline_met_too_late_is_never_shown_as_met(due: timedelta, met: timedelta | None, state: str) -> None:
    assert deadline_state(NOW + due, NOW, None if met is None else NOW + met) == state


@pytest.mark.parametrize(
    ("moment", "said"),
    [
        (datetime(2026, 8, 26, 17, tzinfo=UTC), "hết ngày 26/08/2026"),
        (datetime(2026, 8, 26, 16, 59, 59, tzinfo=UTC), "hết ngày 26/08/2026"),
        (datetime(2026, 8, 26, 17, 0, 1, tzinfo=UTC), "27/08/2026 00:00"),
        (datetime(2026, 8, 26, 16, 59, tzinfo=UTC), "26/08/2026 23:59"),
        (datetime(2026, 8, 26, 8, tzinfo=UTC), "26/08/2026 15:00"),
        (None, ""),
    ],
)
def test_a_deadline_at_midnight_is_the_day_that_ends_with_it(moment: datetime | None, said: str) -> None:
    assert format_due("vi", moment) == said
