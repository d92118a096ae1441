"""The board and its API as people and programs see them: exact, their own communes only, in both languages, live."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import StreamingResponse

from services.stats.app import build
from services.stats.handlers.counting import Counting
from services.stats.pages import board as views
from services.stats.pages import live_board
from services.stats.pages.breakdowns import RISKS, breakdowns
from services.stats.pages.live_board import Board, view_of
from services.stats.store.counts import Counts
from services.stats.views import Words
from shared.contracts.vocabulary import SECTORS
from shared.database import Database
from shared.identity import ALL_UNITS, Principal, Role
from shared.messaging.service import ServiceApp, ServiceContext
from shared.reference.terms import Terms
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.pages import Pages
from tests.support.texts import english, said_in_templates
from tests.support.visitor import Visitor
from tests.unit.stats import events as make
from tests.unit.stats.events import NOW, Event, records
from tests.unit.stats.visiting import KEYS, visitor_to

COORDINATOR = Principal("c", "C", Role.COORDINATOR, ALL_UNITS)
HISTORY: list[Event] = [
    make.concern("c1", 1, danger_now="yes"),
    make.concern("c2", 1, danger_now="no", unit="05455", kind="neglect", channel="line-18008080", sex="male"),
    make.concern("c3", 1, danger_now="no", unit="unclassified", age_band="0-3"),
    make.case("k1", 1, risk="high"),
    make.case("k2", 1, unit="05455", kind="neglect", risk="low", sex="male"),
    make.case("k3", 1, status="closed"),
    make.deadline("d1", "k1", 2, "missed", risk="high"),
    make.deadline("d2", "k2", 2, "running", unit="05455", kind="neglect", risk="low", sex="male"),
    make.child("ch1", 1, circumstances=["01", "04"]),
    make.linked("r1", "ch1", 1, "commune-roster", circumstances=["01", "04"]),
    make.linked("r2", "ch1", 1, "school-roster", dropped_out=True),
    make.linked("r3", "ch2", 1, "school-roster"),
    make.linked("r4", "ch3", 1, "commune-roster", unit="05455", circumstances=["04"]),
    make.incident("i1", 1, kind="Ngã", outcome="Khỏi"),
    make.incident("i2", 1, kind="drowning", sector="police"),
]


@pytest.fixture
def settings(migrated: Database) -> Settings:
    return Settings(environment="test", demo_users=True)


@pytest.fixture
def service(database: Database, settings: Settings) -> ServiceApp:
    return build(ServiceContext(settings, database, KEYS, lambda: NOW))


@pytest.fixture
def visitor(service: ServiceApp, settings: Settings) -> Visitor:
    return visitor_to(service, settings)


@pytest.fixture
async def counted(database: Database) -> Counting:
    counting = Counting(database, KEYS, lambda: NOW)
    await counting.count(records(HISTORY))
    return counting


async def figures(visitor: Visitor, query: str) -> dict[str, Any]:
    answer = await visitor.ask(f"/stats/api/figures?{query}", headers={"accept": "application/json"})
    assert answer.status == 200, answer.text
    found: dict[str, Any] = json.loads(answer.body)
    return found


async def test_any_measure_is_broken_down_by_any_of_its_dimensions(visitor: Visitor, counted: Counting) -> None:
    await visitor.enter("ha.coordinator")
    by_unit = await figures(visitor, "measure=concerns&by=unit&by=danger_now")
    assert by_unit["total"] == 3
    assert {(row["unit"], row["danger_now"]): row["n"] for row in by_unit["rows"]} == {
        ("05443", "yes"): 1,
        ("05455", "no"): 1,
        ("unclassified", "no"): 1,
    }
    assert (await figures(visitor, "measure=cases&status=open&risk=high&risk=low"))["total"] == 2
    assert (await figures(visitor, "measure=deadlines&by=status&kind=neglect"))["rows"] == [
        {"status": "running", "n": 1}
    ]
    # May 2016 to October 2026: ten years old.
    assert (await figures(visitor, "measure=children&by=age"))["rows"] == [{"age": "6-10", "n": 1}]
    assert (await figures(visitor, "measure=arrivals&day=2026-10-31"))["total"] == 3


async def test_incidents_are_told_by_codes_whatever_word_an_agency_sent(visitor: Visitor, counted: Counting) -> None:
    said = [("fall", "recovered"), ("Té ngã", "Ra viện"), ("Đuối nước", "Nặng"), ("rắn", "")]
    events = [make.incident(f"w{at}", 1, kind=kind, outcome=outcome) for at, (kind, outcome) in enumerate(said)]
    await counted.count(records(events, 60))
    await visitor.enter("ha.coordinator")
    by_kind = await figures(visitor, "measure=incidents&by=kind")
    assert {row["kind"]: row["n"] for row in by_kind["rows"]} == {"fall": 3, "drowning": 2, "unclassified": 1}
    assert by_kind["total"] == 6
    by_both = await figures(visitor, "measure=incidents&by=outcome&by=sector&kind=fall")
    assert by_both["rows"] == [{"outcome": "recovered", "sector": "health", "n": 3}]
    # A word of a list asks for what it means, too; a truth file keeps what hospitals wrote.
    assert (await figures(visitor, f"measure=incidents&kind={quote('Ngã')}&kind=TNGT"))["total"] == 3
    assert (await figures(visitor, "measure=incidents&outcome=serious"))["total"] == 1
    expected = json.loads((await visitor.ask("/stats/api/expect")).body)["incidents"]
    assert expected["by_cause"] == {"Ngã": 1, "Té ngã": 1, "fall": 1, "rắn": 1, "Đuối nước": 1}


async def test_a_child_in_two_circumstances_is_in_both_rows_and_once_in_the_total(
    visitor: Visitor, counted: Counting
) -> None:
    await visitor.enter("ha.coordinator")
    answer = await figures(visitor, "measure=children&by=circumstance")
    assert answer["rows"] == [{"circumstance": "01", "n": 1}, {"circumstance": "04", "n": 1}]
    assert answer["total"] == 1
    only = await figures(visitor, "measure=children&by=circumstance&circumstance=04")
    assert only["rows"] == [{"circumstance": "04", "n": 1}]


async def test_a_worker_gets_the_own_communes_figures_only(visitor: Visitor, counted: Counting) -> None:
    await visitor.enter("lan.worker")
    assert (await figures(visitor, "measure=concerns&by=unit"))["rows"] == [{"unit": "05443", "n": 1}]
    assert (await figures(visitor, "measure=concerns&unit=05455"))["total"] == 0
    assert (await visitor.ask("/stats/api/expect")).status == 403
    page = await visitor.ask("/stats/?unit=05455")
    assert Units.load().name("05455") not in page.text


@pytest.mark.parametrize("person", ["tuan.statistician", "duc.health", "son.operator"])
async def test_who_may_not_see_cases_sees_no_figure_change_from_one_to_the_next(
    visitor: Visitor, counted: Counting, person: str
) -> None:
    """Live figures are of those who may open the cases behind them: each change of one is one child."""
    await visitor.enter(person)
    for path in ("figures?measure=concerns", "figures?measure=cases&by=unit", "quality", "expect"):
        assert (await visitor.ask(f"/stats/api/{path}", headers={"accept": "application/json"})).status == 403
    assert (await visitor.ask("/stats/live")).status == 403
    page = await visitor.ask("/stats/")
    assert page.status == 200
    assert "đã công bố" in page.text
    assert not tile_values(page.text)


async def test_a_measure_or_dimension_that_there_is_not_is_refused_by_name(visitor: Visitor, counted: Counting) -> None:
    await visitor.enter("ha.coordinator")
    for query, rule in (("measure=names", "measure-unknown"), ("measure=cases&by=name", "by-unknown")):
        answer = await visitor.ask(f"/stats/api/figures?{query}", headers={"accept": "application/json"})
        assert answer.status == 422
        assert rule in answer.text
    answer = await visitor.ask("/stats/api/figures?measure=cases&c.unit=1", headers={"accept": "application/json"})
    assert "filter-unknown" in answer.text


async def test_expected_figures_have_the_shape_of_a_truth_file(visitor: Visitor, counted: Counting) -> None:
    await visitor.enter("ha.coordinator")
    assert json.loads((await visitor.ask("/stats/api/expect")).body) == {
        "children": {
            "from_commune_roster": 2,
            "by_unit": {"05443": 1, "05455": 1},
            "circumstances": {"01": 1, "04": 2},
            "in_both": 1,
            "only_school": 1,
            "distinct": 3,
            "dropped_out": 1,
        },
        "concerns": {
            "total": 3,
            "by_kind": {"neglect": 1, "violence": 2},
            "by_unit": {"05443": 1, "05455": 1, "unclassified": 1},
            "danger_now": 1,
            "by_channel": {"hotline-111": 2, "line-18008080": 1},
        },
        "incidents": {"total": 1, "by_cause": {"Ngã": 1}, "by_result": {"Khỏi": 1}},
    }


async def test_a_merge_makes_two_children_one_in_the_expected_figures(visitor: Visitor, counted: Counting) -> None:
    await counted.count(records([make.merge("ch2", "ch3", 1)], 50))
    await visitor.enter("ha.coordinator")
    children = json.loads((await visitor.ask("/stats/api/expect")).body)["children"]
    assert (children["in_both"], children["only_school"], children["distinct"]) == (2, 0, 2)


def tile_values(html: str) -> list[str]:
    return [part.split("<")[0] for part in html.split('class="tile__value">')[1:]]


async def shows(visitor: Visitor, place: int, value: str) -> None:
    """The board's tile comes to show a value: a query serves everybody who asks within a moment."""
    async with asyncio.timeout(60):
        while tile_values((await visitor.ask("/stats/")).text)[place] != value:
            await asyncio.sleep(0.02)


async def test_the_board_shows_the_province_and_filters_narrow_every_figure(
    visitor: Visitor, counted: Counting
) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/")
    # Open, high risk, missed, reports today, on time, tasks.
    assert tile_values(page.text) == ["2", "1", "1", "3", "0%", "0"]
    assert "Chưa xác định xã, phường" in page.text
    assert "chart-kinds" in page.text
    narrowed = await visitor.ask("/stats/?kind=neglect")
    assert tile_values(narrowed.text)[:4] == ["1", "0", "0", "1"]
    page = (await visitor.ask("/stats/?sex=male&age=6-10&unit=05455")).text
    assert tile_values(page)[:4] == ["1", "0", "0", "1"]
    # A phone folds the form away, and paper leaves it out: what is counted alone stands above the figures.
    said = page.split("Đang lọc, chỉ đếm:", 1)[1].split("</p>", 1)[0]
    assert [word in said for word in ("Nam", "6–10", "Bỏ lọc")] == [True] * 3
    assert "Đang lọc" not in (await visitor.ask("/stats/")).text


async def test_a_clock_met_too_late_is_missed_no_more_but_was_not_in_time(visitor: Visitor, counted: Counting) -> None:
    await counted.count(
        records([make.deadline("d1", "k1", 3, "met-late", risk="high"), make.deadline("d3", "k1", 4, "met")], 70)
    )
    await visitor.enter("ha.coordinator")
    values = tile_values((await visitor.ask("/stats/")).text)
    assert (values[2], values[4]) == ("0", "50%")


async def test_a_clock_needed_no_more_after_it_was_missed_was_not_in_time_and_was_not_done(
    visitor: Visitor, counted: Counting
) -> None:
    await counted.count(
        records([make.deadline("d1", "k1", 3, "lapsed", risk="high"), make.deadline("d3", "k1", 4, "met")], 70)
    )
    await visitor.enter("ha.coordinator")
    values = tile_values((await visitor.ask("/stats/")).text)
    assert (values[2], values[4]) == ("0", "50%")
    by_state = await figures(visitor, "measure=deadlines&by=status&risk=high")
    assert {row["status"]: row["n"] for row in by_state["rows"]} == {"lapsed": 1, "met": 1}


async def test_what_asks_for_advice_is_counted_apart_from_concerns(visitor: Visitor, counted: Counting) -> None:
    await counted.count(records([make.concern("c4", 1, request="counselling", status="answered", danger_now="no")], 70))
    await visitor.enter("ha.coordinator")
    assert (await figures(visitor, "measure=concerns"))["total"] == 3
    assert (await figures(visitor, "measure=arrivals"))["total"] == 3
    asked = await figures(visitor, "measure=requests&by=request&by=status")
    assert asked["rows"] == [{"request": "counselling", "status": "answered", "n": 1}]
    await shows(visitor, 3, "3")
    # The same report was a concern after all.
    await counted.count(records([make.concern("c4", 2, danger_now="no")], 80))
    assert (await figures(visitor, "measure=requests"))["total"] == 0
    await shows(visitor, 3, "4")


async def test_cases_are_broken_down_by_where_it_happened_and_who_did_it(visitor: Visitor, counted: Counting) -> None:
    await counted.count(
        records([make.case("k1", 5, environment="family", harmer="parent"), make.case("k2", 5, harmer="stranger")], 70)
    )
    await visitor.enter("ha.coordinator")
    rows = (await figures(visitor, "measure=cases&by=environment&by=harmer"))["rows"]
    assert rows == [
        {"environment": "", "harmer": "", "n": 1},
        {"environment": "", "harmer": "stranger", "n": 1},
        {"environment": "family", "harmer": "parent", "n": 1},
    ]
    assert (await figures(visitor, "measure=cases&environment=family"))["total"] == 1


async def test_services_given_to_children_are_counted_by_month_and_sector(visitor: Visitor, counted: Counting) -> None:
    await counted.count(
        records([make.service("s1", "k1", 5), make.service("s2", "k1", 6, "legal"), make.service("s1", "k1", 7)], 70)
    )
    await visitor.enter("ha.coordinator")
    rows = (await figures(visitor, "measure=services&by=service&by=sector&by=month"))["rows"]
    assert rows == [
        {"service": "legal", "sector": "health", "month": "2026-10", "n": 1},
        {"service": "medical", "sector": "health", "month": "2026-10", "n": 1},
    ]


async def test_the_board_can_be_narrowed_to_every_kind_of_the_reference_data(
    visitor: Visitor, counted: Counting
) -> None:
    await counted.count(
        records([make.case(f"n{at}", 1, kind=kind) for at, kind in enumerate(Terms.load("case-kinds").codes())], 70)
    )
    await visitor.enter("ha.coordinator")
    page = (await visitor.ask("/stats/")).text
    for code in Terms.load("case-kinds").codes():
        assert f'<option value="{code}"' in page
        assert Terms.load("case-kinds").label(code) in page[page.index("chart-kinds") :]


async def test_an_open_page_goes_on_after_the_database_was_away(
    board: Board, counted: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_board, "_IDLE_SECONDS", 3600.0)

    def broken() -> Any:
        raise ConnectionError

    request = Request({"type": "http", "headers": [], "query_string": b"", "method": "GET", "path": "/"})
    answer = board.stream(request, view_of(COORDINATOR, "vi"))
    assert isinstance(answer, StreamingResponse)
    stream = aiter(answer.body_iterator)
    stop = asyncio.Event()
    async with asyncio.timeout(60):
        await anext(stream)
        real, board._database = board._database, SimpleNamespace(transaction=broken, engine=board._database.engine)  # type: ignore[assignment]
        with pytest.raises(ConnectionError):
            await board.live_board(stop)
        board._database = real
        running = asyncio.create_task(board.live_board(stop))
        seen = b""
        while b"/tiles" not in seen:
            seen += bytes(await anext(stream))
        stop.set()
        await running


async def test_an_open_board_leaves_the_database_as_long_alone_as_it_worked_on_everything(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much changes: the database counts in a process of its own, which is not what ours was busy for."""
    asked, stop = 0.4, asyncio.Event()
    rests: list[float] = []

    async def at_length(*_: Any) -> None:
        await asyncio.sleep(asked)

    async def rest(_stop: asyncio.Event, seconds: float) -> None:
        rests.append(seconds)
        stop.set()

    monkeypatch.setattr(Counts, "refresh", at_length)
    monkeypatch.setattr(board, "_publish", lambda: 30.0)
    monkeypatch.setattr(live_board, "pause", rest)
    request = Request({"type": "http", "headers": [], "query_string": b"", "method": "GET", "path": "/"})
    board.stream(request, view_of(COORDINATOR, "vi"))
    await asyncio.wait_for(board.live_board(stop), 60)
    assert [asked <= seconds <= 1 for seconds in rests] == [True]


async def test_an_invented_filter_is_no_filter(visitor: Visitor, counted: Counting) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/?kind=%3Cscript%3E&unit=99999")
    assert tile_values(page.text)[0] == "2"
    assert "<script>alert" not in page.text


async def test_what_is_divided_goes_along_with_the_table(board: Board, visitor: Visitor, counted: Counting) -> None:
    view = view_of(COORDINATOR, "vi")
    part = board.part("table", view, await board.figures(view))
    numbers = re.search(r"Bạo lực<svg.*?</svg></th>(.*?)</tr>", part, re.DOTALL)
    assert numbers is not None
    # High, medium, low, not assessed: each said, not only drawn.
    assert re.findall(r">(\d+)<", numbers[1]) == ["1", "0", "0", "0"]
    # The page shows the same at first.
    await visitor.enter("ha.coordinator")
    assert numbers[0] in (await visitor.ask("/stats/")).text


@given(st.dictionaries(st.sampled_from(SECTORS), st.integers(0, 10**6)))
def test_no_bar_is_longer_than_its_ground(by_sector: dict[str, int]) -> None:
    words = Words(Pages("services.stats").texts, "vi")
    by_kind = {("violence", risk): n for risk, n in zip(RISKS, by_sector.values(), strict=False)}
    for one in breakdowns(words, by_kind, {}, by_sector):
        assert sum(sum(row.numbers) for row in one.rows) == sum(by_sector.values()) or one.id == "chart-kinds"
        for row in one.rows:
            assert any(row.numbers)
            assert sum(stretch.length for stretch in row.bar) <= 100.1
            assert [stretch.part for stretch in row.bar] == [
                part for (part, _), n in zip(one.parts, row.numbers, strict=True) if n
            ]


async def test_an_empty_board_says_what_happens_next(visitor: Visitor, database: Database) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/")
    assert "Chưa có tin báo nào được đếm" in page.text
    assert "chart-kinds" not in page.text


async def test_the_board_speaks_english(visitor: Visitor, counted: Counting) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/?lang=en")
    assert "Open cases by kind and risk" in page.text
    said = page.text.split("<main")[1]
    assert "Phan Đình Phùng Ward" in said
    assert not re.search("Vụ việc|Xã |Phường ", said)


async def test_a_partner_has_no_board(visitor: Visitor) -> None:
    await visitor.enter("yen.partner")
    assert (await visitor.ask("/stats/")).status == 403


async def test_only_an_operator_rebuilds(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    assert (await visitor.ask("/stats/ops/rebuild")).status == 403
    await visitor.enter("son.operator")
    assert json.loads((await visitor.ask("/stats/ops/rebuild")).body)["state"] == "idle"


@pytest.fixture
def board(database: Database) -> Board:
    units = Units.load()
    return Board(database, Pages("services.stats", unit_names=units.names()), lambda: NOW, units.codes())


async def test_a_change_reaches_the_open_page_of_whom_it_concerns_and_nobody_else(
    board: Board, counted: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_board, "_IDLE_SECONDS", 3600.0)  # it looks because it heard of it

    def opened(view: views.View) -> AsyncIterator[bytes]:
        request = Request({"type": "http", "headers": [], "query_string": b"", "method": "GET", "path": "/"})
        answer = board.stream(request, view)
        assert isinstance(answer, StreamingResponse)
        return aiter(answer.body_iterator)  # type: ignore[arg-type]  # the hub gives bytes

    everywhere = opened(view_of(COORDINATOR, "vi"))
    elsewhere = opened(view_of(Principal("w", "W", Role.WORKER, frozenset({"05455"})), "vi"))
    stop = asyncio.Event()
    async with asyncio.timeout(60):
        assert b"event: beat" in await anext(everywhere)
        assert b"event: beat" in await anext(elsewhere)
        running = asyncio.create_task(board.live_board(stop))
        for stream in (everywhere, elsewhere):
            seen = b""
            while b"/tiles" not in seen or b"/table" not in seen:
                seen += await anext(stream)
        await counted.count(records([make.case("k9", 1, risk="high")], 60))
        news = b""
        while b"/tiles" not in news:
            news += await anext(everywhere)
        assert tile_values(news.decode())[:2] == ["3", "2"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(elsewhere), 0.6)
        stop.set()
        await running


def test_every_text_has_its_english() -> None:
    said = said_in_templates("services.stats")
    assert len(said) > 20
    assert {*said, *views.SEXES.values()} - english(("services.stats", "shared.web")).keys() == set()
