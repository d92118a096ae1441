"""Statistics as people meet them: on a phone and on a desk, by keyboard, without scripts, on paper, live.

`VONGTAY_TEST_SHOTS` names a folder for pictures of what they saw.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import APIRouter

from services.stats.app import build
from services.stats.handlers.counting import Counting
from shared.contracts import cases
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.service import ServiceApp, ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.web.app import create_app
from tests.browser.people import Company, Somebody
from tests.browser.test_shell import CONTRAST, FOCUS
from tests.support.backends import Backend
from tests.unit.stats import events as make
from tests.unit.stats.counted import record, release
from tests.unit.stats.events import Event

pytestmark = pytest.mark.timeout(240)
NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))
HERE, THERE, SMALL = "05443", "05455", "05467"
KINDS, RISKS, SEXES = ("violence", "neglect", "school-violence"), ("high", "medium", "low"), ("female", "male")
PAGES = (
    "/stats",
    "/stats/province",
    "/stats/province?period=2025",
    "/stats/indicators",
    "/stats/indicators/cases-opened?period=2026",
    # Before anything was recorded.
    "/stats/indicators/cases-opened?period=2024",
    "/stats/indicators?period=2024",
    "/stats/indicators/emergency-in-time",
    "/stats/indicators/births-registered",
    "/stats/communes?indicator=cases-opened&period=2025",
    f"/stats/communes/{HERE}?period=2025",
    f"/stats/compare?unit={HERE}&unit={THERE}",
    "/stats/report",
    "/stats/report?indicator=cases-opened&indicator=reports-received&period=2026&communes=1",
    "/stats/quality",
    "/stats/periods",
)
# Each sees statistics in another way: the whole province, one commune, released figures only; and on what.
VIEWERS = (
    ("ha.coordinator", (True, False)),
    ("binh.chair", (True,)),
    ("thao.dolisa", (False,)),
    ("tuan.statistician", (True,)),
)


def happened() -> Iterator[tuple[datetime, Event]]:
    """Two years: reports and cases in three communes, more each month; one clock in four is missed."""
    for month in range(23):
        for number in range(3 + month // 3):
            at = datetime(2025 + month // 12, month % 12 + 1, 1 + number * 2, 3, tzinfo=UTC)
            unit = (HERE, HERE, THERE, SMALL if number == 3 and month % 5 == 0 else HERE)[number % 4]
            name = f"{month:02}-{number}"
            told: dict[str, Any] = {
                "unit": unit,
                "kind": KINDS[number % 3],
                "sex": SEXES[number % 2],
                "age_band": ("6-10", "11-15")[month % 2],
            }
            facts = {**told, "risk": RISKS[number % 3], "opened_at": at, "received_at": at}
            yield at, make.concern(f"report-{name}", 1, received_at=at, **told)
            yield at, make.case(f"case-{name}", 1, **facts)
            later = at + timedelta(days=1)
            state = "missed" if number % 4 == 0 else "met"
            yield later, make.deadline(f"clock-{name}", f"case-{name}", 2, state, **facts)
            yield later, make.task(f"task-{name}", f"case-{name}", 3, cases.TaskDone, **facts)
            yield later, make.incident(f"injury-{name}", 1, unit=unit, occurred_on=at.date(), kind="drowning")


@dataclass
class House:
    """Statistics behind a port, in the tests' own loop, and what counts for them."""

    url: str
    counting: Counting
    service: ServiceApp
    settings: Any
    offset: int

    async def happens(self, *events: Event) -> None:
        """Something is published, and counted."""
        await self.counting.count([event.record(self.offset + at, time=NOW) for at, event in enumerate(events)])
        self.offset += len(events)


@asynccontextmanager
async def running(service: ServiceApp, names: set[str]) -> AsyncIterator[None]:
    """Some of what a service does beside answering."""
    stop = asyncio.Event()
    loops = [asyncio.create_task(loop(stop)) for loop in service.background if loop.__name__ in names]
    assert len(loops) == len(names)
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*loops)


@pytest.fixture
async def statistics(
    browser: Any, backend: Backend, fresh_database: str, free_port: Callable[[], int]
) -> AsyncIterator[House]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = backend.settings(fresh_database, own_topics=True, demo_users=True, base_url=url)
    database = Database(fresh_database, pool_size=5)
    service = build(ServiceContext(settings, database, KEYS, lambda: NOW))
    await database.migrate(service.migrations)
    told = sorted(happened(), key=lambda one: one[0])
    await record(database, [[event.record(offset, time=at) for offset, (at, event) in enumerate(told)]])
    await release(database, NOW)
    counting = Counting(database, KEYS, lambda: NOW)
    await counting.count([event.record(offset, time=at) for offset, (at, event) in enumerate(told)])
    router = APIRouter(prefix="/stats")
    router.include_router(service.router)
    app = create_app("stats", [router], service.pages, demo_directory(Units.load().names()), settings, prefix="/stats")
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.02)
    async with running(service, {"live_board", "look_after_periods"}):
        yield House(url, counting, service, settings, len(told))
    server.should_exit = True
    await serving
    await database.close()


@pytest.fixture
async def company(browser: Any, statistics: House) -> AsyncIterator[Company]:
    named = os.environ.get("VONGTAY_TEST_SHOTS")
    if named:
        Path(named).mkdir(parents=True, exist_ok=True)
    async with Company(browser, statistics.url, Path(named) if named else None) as people:
        yield people
        assert people.broken() == []


@pytest.mark.parametrize(("account", "phones"), VIEWERS)
async def test_every_page_fits_stands_out_and_shuts_nobody_out(
    company: Company, account: str, phones: tuple[bool, ...]
) -> None:
    """The company's own check looks at each kind of page with axe."""
    for phone in phones:
        somebody = await company.person(account, phone=phone)
        for path in PAGES:
            said = await somebody.go(path)
            assert "Số liệu" in said, (account, path)
            await somebody.fits()
            await somebody.shot(re.sub(r"\W+", "-", path)[:40] + ("-360" if phone else "-1280"))


async def test_a_leader_finds_by_keyboard_alone_what_is_wrong_where_and_which_records(company: Company) -> None:
    leader = await company.person("ha.coordinator")
    await leader.go("/stats/province?period=2026")
    await _tab_to_link(leader, "Chỉ tiêu")
    await _enter(leader)
    assert leader.page.url.endswith("/stats/indicators")
    await leader.go("/stats/indicators/cases-opened?period=2026")
    # A period is chosen without the mouse.
    await leader.tab_to("period")
    await leader.page.keyboard.press("ArrowDown")
    await leader.tab_to("known")
    await _enter(leader)
    assert "period=2025" in leader.page.url
    # A commune's tile is a stop that shows where it is, and leads to the commune.
    await _tab_to_link(leader, "", href=f"/stats/communes/{HERE}")
    ring = await leader.page.evaluate(
        "getComputedStyle(document.activeElement.querySelector('rect') ?? document.activeElement).strokeWidth"
    )
    assert float(ring.removesuffix("px")) >= 2 or (await leader.page.evaluate(FOCUS))["ring"]
    await _enter(leader)
    assert f"/stats/communes/{HERE}" in leader.page.url
    # The records behind a figure.
    await leader.go("/stats/indicators/cases-opened?period=2026")
    await _tab_to_link(leader, "Mở hồ sơ đứng sau con số này")
    await _enter(leader)
    assert "hồ sơ" in await leader.text()
    assert await leader.page.locator(".records a").count() > 10


async def _tab_to_link(somebody: Somebody, text: str, href: str = "") -> None:
    for _ in range(400):
        at = await somebody.page.evaluate(FOCUS)
        if href and (at["href"] or "").startswith(href):
            return
        if text and at["text"].startswith(text[:30]) and at["tag"].upper() == "A" and at["seen"]:
            return
        await somebody.page.keyboard.press("Tab")
    raise AssertionError(f"The keyboard does not reach {text or href}")


async def _enter(somebody: Somebody) -> None:
    async with somebody.page.expect_navigation():
        await somebody.page.keyboard.press("Enter")


async def test_without_scripts_every_figure_and_picture_is_there(browser: Any, statistics: House) -> None:
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{statistics.url}/identity/sign-in")
    await page.locator("form", has=page.locator('input[value="ha.coordinator"]')).locator("button").click()
    for path in PAGES:
        await page.goto(statistics.url + path)
        assert await page.locator("main h1").count() == 1, path
        assert await page.locator("main").inner_text(), path
    await page.goto(f"{statistics.url}/stats")
    assert await page.locator(".bars tbody tr").count() > 3
    await page.goto(f"{statistics.url}/stats/indicators/cases-opened?period=2026")
    assert await page.locator(".tilegrid a.spot").count() == 92
    assert await page.locator(".chart__picture img").count() >= 3
    drawn = await page.locator(".chart__picture img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert all(width > 200 for width in drawn)
    await page.locator(".chart__data summary").first.click()
    assert await page.locator(".chart__data table").first.is_visible()
    await context.close()


CUT_OFF = """() => [...document.querySelectorAll('.table-wrap')]
    .filter((one) => one.scrollHeight > one.clientHeight + 1 && getComputedStyle(one).overflowY !== 'visible')
    .map((one) => one.innerText.slice(0, 60))"""


async def test_on_paper_stand_the_figures_and_no_way_to_press_anything(company: Company) -> None:
    leader = await company.person("ha.coordinator")
    paths = ("/stats/province?period=2026", "/stats/indicators/cases-opened?period=2026", "/stats")
    for path in (*paths, "/stats/report?period=2026&indicator=cases-opened"):
        await leader.go(path)
        await leader.page.emulate_media(media="print")
        for gone in (".tabs", ".filters", ".top"):
            assert not await leader.page.locator(gone).first.is_visible(), (path, gone)
        assert await leader.page.evaluate(CONTRAST) == [], path
        tables = leader.page.locator(".charts .chart__data table")
        assert all([await one.is_visible() for one in await tables.all()]), path
        # Nobody scrolls paper: a table stands there to its last row.
        assert await leader.page.evaluate(CUT_OFF) == [], path
        assert not await leader.page.get_by_text("Ctrl+P").is_visible(), path
        paper = await leader.page.pdf(format="A4", print_background=False)
        assert paper.startswith(b"%PDF")
        await leader.page.emulate_media(media="screen")


SHIFTS = """() => {
    window.shifted = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifted += entry.value;
    }).observe({ type: "layout-shift", buffered: false });
}"""


async def test_the_board_follows_and_nothing_jumps(company: Company, statistics: House) -> None:
    leader = await company.person("ha.coordinator")
    await leader.go("/stats")
    page = leader.page
    await page.locator("[data-live-state='live']").wait_for()
    await page.locator("#other-communes > summary").click()
    await page.locator("#other-communes a").nth(3).scroll_into_view_if_needed()
    await page.wait_for_timeout(600)  # a shift that follows a click is the click's
    await page.evaluate(SHIFTS)
    at = await page.evaluate("scrollY")
    before = int(await page.locator(".tile__value").first.inner_text())
    kinds = page.locator("#chart-kinds + table tbody")
    was = await kinds.inner_text()
    for number in range(3):
        await statistics.happens(make.case(f"new-{number}", 1, unit=HERE, risk="high", opened_at=NOW))
    await page.wait_for_function(
        "was => Number(document.querySelector('.tile__value').innerText) === was + 3", arg=before
    )
    await page.wait_for_function(
        "was => document.querySelector('#chart-kinds + table tbody').innerText !== was", arg=was
    )
    assert await page.locator("#other-communes").evaluate("e => e.open")
    assert await page.evaluate("scrollY") == at
    assert await page.evaluate("window.shifted") < 0.02


async def test_a_phone_shows_what_needs_attention_first_and_the_rest_when_asked(
    company: Company, statistics: House
) -> None:
    units = Units.load().codes()[:12]
    await statistics.happens(*(make.case(f"many-{unit}", 1, unit=unit, risk="high", opened_at=NOW) for unit in units))
    phone = await company.person("ha.coordinator", phone=True)
    await phone.go("/stats")
    page = phone.page
    lines = page.locator(".board-lines tbody tr")
    shown = page.locator(".board-lines tbody tr >> visible=true")
    assert await lines.count() > 10
    assert await shown.count() == 5
    assert not await page.locator(".filters").is_visible()
    await page.locator("[data-live-state='live']").wait_for()
    # By keyboard alone; and a live figure neither waits for whoever stands there nor folds it again.
    await page.locator("#all-communes").focus()
    await page.keyboard.press("Space")
    assert await shown.count() == await lines.count()
    before = await lines.first.inner_text()
    await statistics.happens(*(make.case(f"more-{n}", 1, unit=HERE, risk="high", opened_at=NOW) for n in range(3)))
    await page.wait_for_function("was => document.querySelector('.board-lines tbody tr').innerText !== was", arg=before)
    assert await shown.count() == await lines.count()
    assert await page.evaluate("document.activeElement.id") == "all-communes"
    await phone.fits()
    await phone.shot("unfolded-360")
    await page.emulate_media(media="print")
    await page.locator("#all-communes").evaluate("box => { box.checked = false }")
    assert await shown.count() == await lines.count()
    desk = await company.person("ha.coordinator")
    await desk.go("/stats")
    assert await desk.page.locator(".board-lines tbody tr >> visible=true").count() == await lines.count()
    assert await desk.page.locator(".filters").is_visible()
    assert not await desk.page.locator("#all-communes").is_visible()


async def test_a_month_is_closed_reported_and_its_files_taken_along(company: Company, statistics: House) -> None:
    leader = await company.person("ha.coordinator")
    await leader.go("/stats/periods")
    form = leader.page.locator("form", has=leader.page.locator('select[name="period"]'))
    await leader.fill(form, {"period": "2026-10"})
    await leader.send(form)
    assert "Tháng 10/2026" in await leader.text()
    said = await leader.reads("/stats/periods/2026-10", "Chữ ký đúng", "lưu hành nội bộ")
    assert "Đang chốt số liệu" not in said
    await leader.fits()
    await leader.shot("closed")
    for file, begins in (("report.docx", b"PK"), ("report.xlsx", b"PK"), ("report.pdf", b"%PDF")):
        paper = await leader.download(f"/stats/api/periods/2026-10/{file}?edition=exact")
        assert paper.startswith(begins), file
    by_dimension = leader.page.locator('a[href*="/stats/periods/2026-10/cases-opened"]')
    await leader.press(by_dimension.first)
    await leader.fits()
    # A commune sees its own of it; who sees aggregates only waits for what is published.
    phone = await company.person("binh.chair", phone=True)
    assert "Địa bàn của anh chị" in await phone.go("/stats/periods/2026-10")
    await phone.fits()
    await (await company.person("tuan.statistician")).refused("/stats/periods/2026-10?edition=exact")
    # Closed on that day, it cannot be revised on the same; the page says so in words.
    await leader.go("/stats/periods/2026-10")
    form = leader.page.locator("form", has=leader.page.locator('select[name="reason"]'))
    await leader.fill(form, {"reason": "late", "reference": "12/BC-SYT"})
    await leader.send(form)
    assert "đính chính được từ ngày mai" in await leader.text()
    assert await leader.page.locator('[name="reference"]').input_value() == "12/BC-SYT"


async def test_who_may_see_aggregates_only_reads_why_a_figure_is_not_there(company: Company) -> None:
    statistician = await company.person("tuan.statistician", phone=True)
    said = await statistician.go("/stats/indicators/cases-opened?period=2025")
    assert "Ẩn để bảo vệ trẻ em" in said
    assert await statistician.page.locator("a", has_text="Vì sao có số bị ẩn").count() >= 1
    assert await statistician.page.locator('a[href*="/records"]').count() == 0
    said = await statistician.go("/stats")
    assert "Số liệu trực tiếp chỉ dành cho" in said
    assert "Số từ 1 đến 4 có thể chỉ ra một trẻ" in said
