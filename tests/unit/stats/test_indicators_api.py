"""Indicators over JSON: beside what they are compared with, as known then, of one's own communes, with the records."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.stats.domain.periods import Period
from shared.contracts.stats import FigureRecorded
from shared.database import Database
from shared.reference.calendar import LOCAL
from shared.reference.indicators import Indicators
from shared.reference.units import Units
from tests.support.visitor import Visitor
from tests.unit.stats import events as make
from tests.unit.stats.counted import record
from tests.unit.stats.events import NOW, Event
from tests.unit.stats.visiting import visitor_of

EARLIER = datetime(2026, 9, 10, tzinfo=UTC)
IDS = [f"0197a000-0000-7000-8000-00000000000{at}" for at in range(4)]


def handed(name: str, code: str, period: str, value: float) -> Event:
    data = FigureRecorded(figure_id=name, indicator=code, unit="", period=period, value=value, sector="justice")
    return Event(data, name, 1)


@pytest.fixture
async def visitor(database: Database) -> Visitor:
    cases = [
        make.case(IDS[0], 1),
        make.case(IDS[1], 1, risk="low", sex="male"),
        make.case(IDS[2], 1, unit="05455", kind="neglect"),
        make.case(IDS[3], 1, opened_at=EARLIER, status="closed", closed_at=EARLIER, outcome="safe"),
    ]
    clock = make.deadline("0197a000-0000-7000-8000-0000000000aa", IDS[0], 2, "missed")
    events = [*cases, clock, handed("m1", "child-marriages", "2025", 50), handed("m2", "child-marriages", "2026", 48)]
    await record(database, [[event.record(at) for at, event in enumerate(events)]])
    return visitor_of(database, lambda: NOW)


async def ask(visitor: Visitor, path: str, status: int = 200) -> Any:
    answer = await visitor.ask(f"/stats/api/indicators{path}", headers={"accept": "application/json"})
    assert answer.status == status, answer.body
    return json.loads(answer.body)


async def one(visitor: Visitor, path: str) -> dict[str, Any]:
    (value,) = (await ask(visitor, path))["values"]
    return dict(value)


async def test_an_indicator_comes_with_the_period_before_and_its_trend(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    found = await ask(visitor, "/cases-opened?period=2026-10&trend=3")
    assert (found["period"], found["indicator"]["name"]["en"]) == ("2026-10", "Cases opened")
    (value,) = found["values"]
    assert (value["value"], value["change"], value["hidden"]) == (3, None, None)
    # What was told later of a time before recording is shown, and nothing is compared with it.
    assert (value["before"]["value"], value["before"]["reason"]) == (None, "before-recording")
    assert [(shown["period"], shown["value"]) for shown in found["trend"]] == [
        # Nothing was recorded yet.
        ("2026-08", None),
        ("2026-09", 1),
        ("2026-10", 3),
    ]


async def test_what_it_is_broken_down_by_comes_in_the_order_in_which_people_read_it(database: Database) -> None:
    bands, risks = ["0-3", "4-5", "6-10", "11-15", "16+"], ["high", "medium", "low", "unassessed"]
    told = [(band, risk) for risk in risks[::-1] for band in bands]
    cases = [
        make.case(f"0197a000-0000-7000-8000-0000000001{at:02}", 1, age_band=band, risk=risk)
        for at, (band, risk) in enumerate(told)
    ]
    await record(database, [[event.record(at) for at, event in enumerate(cases)]])
    visitor = visitor_of(database, lambda: NOW)
    await visitor.enter("ha.coordinator")
    found = await ask(visitor, "/cases-opened?period=2026-10&by=age&by=risk&trend=2")
    wanted = [{"age": band, "risk": risk} for band in bands for risk in risks]
    assert [one["keys"] for one in found["values"]] == wanted
    assert [one["keys"] for one in found["trend"] if one["period"] == "2026-10"] == wanted


@pytest.mark.parametrize(
    ("person", "path", "reason"),
    [
        ("ha.coordinator", "/cases-opened?period=2026-10", None),
        ("ha.coordinator", "/cases-opened?period=2026-08", "before-recording"),
        ("ha.coordinator", "/deadlines-in-time?period=2026-10&unit=05455", "no-denominator"),
        ("ha.coordinator", "/assessment-median?period=2026-10", "nothing-measured"),
        ("ha.coordinator", "/assessment-median?period=2026-08", "before-recording"),
        ("ha.coordinator", "/child-marriages?period=2024", "not-reported"),
        ("tuan.statistician", "/cases-opened?period=2025", "before-recording"),
        ("tuan.statistician", "/cases-opened?period=2026-10", "not-released"),
        ("tuan.statistician", "/cases-opened?period=2026&by=sex&unit=05443", "not-offered"),
    ],
)
async def test_a_figure_that_is_not_there_says_why(
    visitor: Visitor, person: str, path: str, reason: str | None
) -> None:
    await visitor.enter(person)
    value = await one(visitor, path)
    assert value["reason"] == reason
    assert (value["value"] is None) is (reason is not None)


@pytest.mark.parametrize("person", ["ha.coordinator", "binh.chair", "tuan.statistician"])
async def test_no_figure_is_missing_without_a_reason(visitor: Visitor, person: str) -> None:
    await visitor.enter(person)
    asked = 0
    for indicator in Indicators.load().on(NOW.date()):
        for period in ("2025", "2026-08", "2026-09", "2026-10", "2026"):
            found = await ask(visitor, f"/{indicator.code}?period={period}&trend=2")
            beside = [one[name] for one in found["values"] for name in ("before", "year_before") if one[name]]
            for told in (*found["values"], *beside, *found["trend"]):
                assert (told["value"] is None) is (told["reason"] is not None), (indicator.code, told)
                asked += 1
    assert asked > 1_000


@pytest.mark.parametrize("path", ["/cases-opened", "/cases-opened/records"])
async def test_a_period_that_has_not_begun_is_refused_with_its_reason(visitor: Visitor, path: str) -> None:
    await visitor.enter("ha.coordinator")
    following = Period.containing(NOW.astimezone(LOCAL).date(), "month").last + timedelta(days=1)
    answer = await ask(visitor, f"{path}?period={following:%Y-%m}", 422)
    assert "period-not-begun" in json.dumps(answer)
    assert f"{following:%Y-%m}" in json.dumps(answer)


async def test_as_of_an_earlier_day_as_many_days_are_compared(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    then = await one(visitor, "/cases-opened?period=2026&as_of=2026-09-20")
    assert (then["before"]["last"], then["year_before"]["last"]) == ("2025-09-20", "2025-09-20")
    now = await one(visitor, "/cases-opened?period=2026")
    assert now["before"]["last"] == f"2025-{NOW.astimezone(LOCAL):%m-%d}"


async def test_a_target_set_against_the_year_before_is_worked_out(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    value = await one(visitor, "/child-marriages?period=2026")
    assert value["target"]["value"] == pytest.approx(49)
    # The year goes on: what is few enough today may be too many by its end.
    assert (value["value"], value["verdict"], value["year_before"]["value"]) == (48, "running", 50)
    assert (await one(visitor, "/child-marriages?period=2025"))["target"]["value"] is None


async def test_it_is_answered_by_dimension_by_commune_and_by_old_district(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    by_sex = (await ask(visitor, "/cases-opened?period=2026&by=sex&unit=05443"))["values"]
    assert {value["keys"]["sex"]: value["value"] for value in by_sex} == {"female": 2, "male": 1}
    district = Units.load().district("05443")
    inside = (await ask(visitor, f"/cases-opened?period=2026&by=unit&district={district}"))["values"]
    assert ("05443", 3) in [(value["keys"]["unit"], value["value"]) for value in inside]


async def test_it_is_answered_as_it_was_known_then(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    assert (await one(visitor, "/cases-opened?period=2026&as_of=2026-10-30"))["value"] is None
    assert (await one(visitor, "/cases-opened?period=2026&as_of=2026-10-31"))["value"] == 4


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ("by=clock", "by-unknown"),
        ("by=sex&by=sex", "by-unknown"),
        ("unit=99999", "unit-unknown"),
        ("district=999", "district-unknown"),
        ("as_of=soon", "as_of-unknown"),
        ("period=soon", "period-unknown"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_what_can(visitor: Visitor, query: str, rule: str) -> None:
    await visitor.enter("ha.coordinator")
    found = await ask(visitor, f"/cases-opened?{query}", 422)
    assert [violation["rule"] for violation in found["violations"]] == [rule]
    await ask(visitor, "/nothing", 404)


async def test_a_commune_sees_its_own_and_a_statistician_what_is_released(visitor: Visitor) -> None:
    await visitor.enter("lan.worker")
    assert (await one(visitor, "/cases-opened?period=2026"))["value"] == 3
    assert (await ask(visitor, "/cases-opened?period=2026&unit=05455"))["values"][0]["value"] == 0
    await visitor.enter("tuan.statistician")
    shown = await one(visitor, "/cases-opened?period=2026-10")
    assert (shown["value"], shown["numerator"], shown["hidden"]) == (None, None, "not-released")
    await ask(visitor, "/cases-opened/records?period=2026", 403)


async def test_the_records_behind_a_figure_are_those_it_counts_of_ones_own_communes(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    found = await ask(visitor, "/cases-opened/records?period=2026-10")
    assert (found["total"], [row["id"] for row in found["records"]]) == (3, IDS[:3])
    assert found["records"][0]["link"] == f"/cases/c/{IDS[0]}"
    found = await ask(visitor, f"/cases-opened/records?period=2026-10&after={IDS[1]}")
    assert (found["total"], [row["id"] for row in found["records"]]) == (3, [IDS[2]])
    found = await ask(visitor, "/cases-opened/records?period=2026&sex=male")
    assert [row["id"] for row in found["records"]] == [IDS[1]]
    found = await ask(visitor, "/cases-open/records?period=2026")
    assert [row["id"] for row in found["records"]] == IDS[:3]
    assert (await ask(visitor, "/cases-open/records?period=2026-09"))["total"] == 0
    assert (await ask(visitor, "/domestic-violence/records?period=2026"))["records"] == []
    # A clock is opened where it runs: in its case.
    found = await ask(visitor, "/deadlines-in-time/records?period=2026&part=denominator")
    assert [row["link"] for row in found["records"]] == [f"/cases/c/{IDS[0]}"]
    await ask(visitor, "/campaigns/records?period=2026", 404)
    await ask(visitor, "/cases-open/records?period=2026&after=x", 422)
    await visitor.enter("lan.worker")
    found = await ask(visitor, "/cases-opened/records?period=2026")
    assert [row["id"] for row in found["records"]] == [IDS[0], IDS[1], IDS[3]]
    assert (await ask(visitor, "/cases-opened/records?period=2026&unit=05455"))["total"] == 0


async def test_what_may_be_asked_is_listed_with_its_ground_in_law(visitor: Visitor) -> None:
    await visitor.enter("tuan.statistician")
    listed = {row["code"]: row for row in await ask(visitor, "")}
    assert listed["drowning-deaths"]["targets"][0]["change"] == -10
    assert listed["special-share"]["legal_source"]["vi"].startswith("Quyết định 23/QĐ-TTg")
    assert {"unit", "district", "sex"} <= set(listed["cases-opened"]["by"])
