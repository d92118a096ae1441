"""Made-up events hold to their contracts, what partners receive to its schema, and every code has its words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from services.notify import views
from services.notify.domain.samples import SAMPLE_AT, payload_sample, payload_schema, sample_of
from services.notify.pages.endpoint import bars, moment_in
from services.notify.store.log import Hour
from shared.contracts.base import parse
from shared.reference.calendar import LOCAL
from shared.reference.notify_rules import heard_contracts
from tests.support.texts import english

HEARD = heard_contracts()
NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize("name", HEARD)
def test_a_made_up_event_is_one_its_contract_takes(name: str) -> None:
    parse(HEARD[name], sample_of(HEARD[name], NOW))


@pytest.mark.parametrize("name", HEARD)
def test_what_a_partner_receives_holds_to_the_schema_that_it_reads(name: str) -> None:
    schema = payload_schema(HEARD[name])
    jsonschema.Draft202012Validator.check_schema(schema)
    payload = json.loads(payload_sample(HEARD[name], "Phường Phan Đình Phùng", "https://vongtay.test"))
    jsonschema.validate(payload, schema)
    assert payload["data"].keys() <= schema["properties"]["data"]["properties"].keys()
    assert payload["timestamp"] == SAMPLE_AT.isoformat()


def test_every_code_that_pages_show_has_its_words_in_english() -> None:
    known = english(("services.notify", "shared.identity", "shared.web"))
    said = {day for _, day in views.WEEKDAYS}
    for names in (
        views.ABOUT_NAMES, views.CHANNEL_NAMES, views.FIELD_NAMES, views.ENDPOINT_WHYS, views.WAIT_WHYS,
        views.SUBSTITUTE_WHYS, views.TIMING_WHYS, views.URGENCY_NAMES, views.VALUE_NAMES, views.WHYS,
    ):  # fmt: skip
        said |= set(names.values())
    assert said - known.keys() == set()


def test_seven_days_are_twenty_eight_bars_of_which_the_highest_fills_the_picture() -> None:
    hours = [Hour(NOW - timedelta(hours=1), 30, 10, 50, 90), Hour(NOW - timedelta(days=3), 1, 0, 40, 40)]
    drawn = bars(hours, NOW, 7)
    assert len(drawn) == 28
    assert drawn[-1].begins <= NOW < drawn[-1].begins + timedelta(hours=6)
    busy = [bar for bar in drawn if bar.succeeded or bar.failed]
    assert [(bar.succeeded, bar.failed, bar.slowest_ms) for bar in busy] == [(1, 0, 40), (30, 10, 90)]
    assert busy[-1].good_high + busy[-1].bad_high == 60
    assert busy[0].good_high == 2  # what little was there is seen
    assert all(bar.good_high == bar.bad_high == 0 for bar in drawn if bar not in busy)


@pytest.mark.parametrize(("days", "hours_of_a_bar"), [(30, 24), (90, 72)])
def test_a_month_and_a_quarter_are_thirty_bars_of_whole_days(days: int, hours_of_a_bar: int) -> None:
    hours = [
        Hour(NOW, 3, 1, 100, 400),
        Hour(NOW - timedelta(hours=1), 1, 0, 20, 40),
        Hour(NOW - timedelta(days=25), 2, 0, 9, 9),
    ]
    drawn = bars(hours, NOW, days)
    assert len(drawn) == 30
    assert all(bar.begins.astimezone(LOCAL).hour == 0 for bar in drawn)
    assert drawn[-1].begins <= NOW < drawn[-1].begins + timedelta(hours=hours_of_a_bar)
    assert (drawn[-1].succeeded, drawn[-1].failed, drawn[-1].typical_ms, drawn[-1].slowest_ms) == (4, 1, 84, 400)
    assert sum(bar.succeeded for bar in drawn) == 6


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-02T15:30", NOW),
        ("", None),
        ("ngày mai", None),
        ("0001-01-01T00:00", None),
    ],
)
def test_a_moment_in_a_form_is_by_the_clocks_of_viet_nam(text: str, moment: datetime | None) -> None:
    assert moment_in(text) == moment
