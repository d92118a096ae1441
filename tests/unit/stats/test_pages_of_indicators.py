"""The pages of indicators as people see them: their own communes, nothing small, in both languages, no script."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import quote

import docx
import openpyxl
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats import definitions, views
from services.stats.desk.freezing import Freezing
from services.stats.domain.periods import Period
from services.stats.figures import evaluating
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.store import history
from services.stats.store.answers import Answers
from services.stats.store.releases import Releases
from services.stats.thresholds import Watching
from shared.database import Database
from shared.reference.indicators import Indicators
from shared.reference.units import Unit, Units
from tests.support import backends
from tests.support.texts import english, said_in_code, said_in_templates
from tests.support.visitor import Answer, Visitor
from tests.unit.stats import events as make
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.counted import record, release
from tests.unit.stats.visiting import visitor_of

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
HERE, THERE, SMALL = "05443", "05455", "05467"
PATHS = (
    "/stats/province",
    "/stats/indicators",
    "/stats/indicators/cases-opened",
    "/stats/indicators/abused-share",
    "/stats/indicators/emergency-in-time",
    "/stats/indicators/births-registered",
    "/stats/communes",
    f"/stats/communes/{HERE}",
    f"/stats/compare?unit={HERE}&unit={THERE}",
    "/stats/report?indicator=cases-opened&indicator=emergency-in-time&communes=1",
    "/stats/quality",
)


def opened(number: int, unit: str, year: int) -> tuple[datetime, make.Event]:
    at = datetime(year, 3, 1, tzinfo=UTC) + timedelta(days=number)
    return at, make.case(f"case-{unit}-{year}-{number}", 1, unit=unit, opened_at=at, received_at=at)


# In the year that is released: 40, 27 and 3 cases; in the one that goes on 12 and 7.
HISTORY = [
    *(opened(number, unit, 2025) for unit, n in ((HERE, 40), (THERE, 27), (SMALL, 3)) for number in range(n)),
    *(opened(number, unit, 2026) for unit, n in ((HERE, 12), (THERE, 7)) for number in range(n)),
]


@pytest.fixture(scope="module")
async def counted(postgres_url: str) -> AsyncIterator[Database]:
    """A database of its own: what is released is written down once and for all."""
    async with backends.database(postgres_url) as url:
        database = Database(url, pool_size=5)
        await database.migrate(MIGRATIONS)
        events = sorted(HISTORY, key=lambda told: told[0])
        await record(database, [[event.record(offset, 0, at) for offset, (at, event) in enumerate(events)]])
        await release(database, NOW)
        yield database
        await database.close()


@pytest.fixture
def visitor(counted: Database) -> Visitor:
    return visitor_of(counted, lambda: NOW)


def content(answer: Answer) -> str:
    """What a page says, in words; the places to choose from and what is drawn left out."""
    main = re.sub(r"<select.*?</select>|<text.*?</text>", "", answer.text.split("<main")[1], flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", main)))


@pytest.mark.parametrize("person", ["ha.coordinator", "lan.worker", "tuan.statistician", "duc.health"])
async def test_every_page_opens_for_everybody_who_sees_figures_and_breaks_no_rule_of_ours(
    visitor: Visitor, person: str
) -> None:
    await visitor.enter(person)
    for path in PATHS:
        answer = await visitor.ask(path)
        assert answer.status == 200, (path, content(answer))
        page = answer.text
        assert not re.search(r"<style|\sstyle=|<[^>]*\son\w+=\"", page), path
        assert not re.search(r"<script(?![^>]*src=)", page), path
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), path
        for image in re.findall(r"<img[^>]*>", page):
            assert re.search(r'alt="[^"]{10,}"', image), path


async def test_a_coordinator_reads_the_figure_the_change_and_each_commune(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    said = content(await visitor.ask("/stats/indicators/cases-opened?period=2026"))
    assert "chưa hết kỳ" in said
    assert re.search(r" 19 .*Năm 2025, đến 26/11 70 ", said)
    assert re.search(r"Phường Phan Đình Phùng 12 Phường Quyết Thắng 7 ", said)
    # Of which nothing was counted is zero, not missing.
    assert "Phường Gia Sàng: 0" in said


@pytest.mark.parametrize(
    ("now", "period"),
    [
        (datetime(2025, 4, 10, tzinfo=UTC), "Năm 2025"),  # Nothing is released yet, and what was before is empty.
        (datetime(2025, 8, 20, tzinfo=UTC), "Tháng 7/2025"),
        (datetime(2026, 1, 10, tzinfo=UTC), "Tháng 11/2025"),
        (datetime(2026, 1, 20, tzinfo=UTC), "Năm 2025"),
        (NOW, "Năm 2025"),
    ],
)
async def test_a_statistician_s_first_page_is_of_what_is_released(
    counted: Database, now: datetime, period: str
) -> None:
    visitor = visitor_of(counted, lambda: now)
    await visitor.enter("tuan.statistician")
    said = content(await visitor.ask("/stats/province"))
    assert f"Toàn tỉnh · {period} " in said
    assert "Trước khi hệ thống ghi nhận" not in said.split("Cần chú ý trước")[0]


async def test_a_figure_that_is_hidden_is_not_counted_as_missing(visitor: Visitor) -> None:
    await visitor.enter("tuan.statistician")
    # Of the year that goes on nothing is released yet.
    said = content(await visitor.ask("/stats/province?period=2026"))
    assert re.search(r"\b[1-9]\d* Số bị ẩn", said)
    assert "▨ Chưa đến ngày công bố ▨ Số bị ẩn" in said
    assert not re.search(r"▨ [^▨–]{5,40} – Chưa có số liệu", said)
    await visitor.enter("ha.coordinator")
    assert "Số bị ẩn" not in content(await visitor.ask("/stats/province?period=2026"))


@pytest.mark.parametrize("person", ["ha.coordinator", "lan.worker", "tuan.statistician"])
async def test_of_a_time_before_the_platform_began_pages_say_that_there_is_no_figure_and_not_that_there_was_none(
    visitor: Visitor, person: str
) -> None:
    await visitor.enter(person)
    # The first case was recorded on 1 March 2025.
    for period in ("2024", "2025-01", "2025-02"):
        said = content(await visitor.ask(f"/stats/indicators/cases-opened?period={period}"))
        assert "Trước khi hệ thống ghi nhận" in said, period
        assert not re.search(r"Phường [^:]{3,30}: 0\b", said), period
    if person == "ha.coordinator":
        said = content(await visitor.ask("/stats/indicators/cases-opened?period=2024"))
        assert "Phường Phan Đình Phùng: chưa có số liệu" in said
        assert "Phường Gia Sàng: 0" in content(await visitor.ask("/stats/indicators/cases-opened?period=2026"))
    listed = content(await visitor.ask("/stats/indicators?period=2024"))
    assert not re.search(r"Số vụ việc được mở trong kỳ 0 ", listed)
    assert (await visitor.ask("/stats/province?period=2024")).status == 200


@pytest.mark.parametrize("person", ["ha.coordinator", "tuan.statistician"])
async def test_of_a_time_before_the_platform_began_it_is_said_that_the_period_was_over_before(
    visitor: Visitor, person: str
) -> None:
    """It is not that nothing happened in it, nor that its figures are still to come."""
    await visitor.enter(person)
    early = "Kỳ này đã qua trước khi hệ thống bắt đầu ghi nhận"
    for period, told in (("2024", True), ("2025-02", True), ("2025", False)):
        for path in ("/stats/indicators/cases-opened", "/stats/indicators", "/stats/province"):
            if path == "/stats/province" and person == "ha.coordinator":
                continue
            page = content(await visitor.ask(f"{path}?period={period}"))
            assert (early in page) is told, (path, period)
            assert "Chưa có gì được ghi nhận trong kỳ này" not in page


async def test_as_of_an_earlier_day_only_what_was_known_then_is_counted(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    said = content(await visitor.ask("/stats/indicators/cases-opened?period=2026&known=2026-03-05"))
    assert "như đã biết đến hết ngày 05/03/2026" in said
    assert re.search(r"Phường Phan Đình Phùng 5 Phường Quyết Thắng 5 ", said)
    # It is compared with as many days of last year, and its course ends where knowing did.
    assert re.search(r" 10 .*Năm 2025, đến 05/03 13 ", said)
    course = said.partition("Bảng số liệu")[2].partition("Bảng số liệu")[0]
    assert "Tháng 3/2026 (chưa hết kỳ) 10 " in course
    assert "Tháng 4/2026" not in course
    whole = content(await visitor.ask("/stats/indicators/cases-opened?period=2025&known=2025-12-31"))
    assert "chưa hết kỳ" not in whole


async def test_a_worker_sees_no_other_commune_whatever_the_address_asks(visitor: Visitor) -> None:
    await visitor.enter("lan.worker")
    for path in (
        f"/stats/indicators/cases-opened?period=2025&place={THERE}",
        f"/stats/communes?indicator=cases-opened&period=2025&place={THERE}",
        f"/stats/compare?indicator=cases-opened&period=2025&unit={THERE}",
        "/stats/province?period=2025",
    ):
        said = content(await visitor.ask(path))
        assert " 27 " not in said, path
        assert " 70 " not in said, path
    assert (await visitor.ask(f"/stats/communes/{THERE}")).status == 403


@pytest.mark.parametrize("person", ["lan.worker", "binh.chair"])
async def test_whoever_has_one_commune_is_led_to_no_page_of_several(visitor: Visitor, person: str) -> None:
    await visitor.enter(person)
    for path in ("/stats/province?period=2025", "/stats/indicators?period=2025", f"/stats/communes/{HERE}", "/stats/"):
        page = (await visitor.ask(path)).text
        assert not re.search(r'href="/stats/(communes[?"]|compare)', page), path
        assert 'class="tilegrid"' not in page, path
    # What they are led to opens.
    for address in set(re.findall(r'href="(/stats[^"#]*)', (await visitor.ask("/stats/indicators?period=2025")).text)):
        assert (await visitor.ask(unescape(address))).status in {200, 307}, address
    await visitor.enter("ha.coordinator")
    page = (await visitor.ask("/stats/province?period=2025")).text
    assert "/stats/compare" in page
    assert 'class="tilegrid"' in page


async def test_a_list_of_indicators_shows_what_is_known_and_folds_away_the_rest(visitor: Visitor) -> None:
    await visitor.enter("lan.worker")
    listed, _, folded = (await visitor.ask("/stats/indicators?period=2025")).text.partition('<details class="quiet">')
    assert "/stats/indicators/cases-opened" in listed
    assert "/stats/indicators/births-registered" not in listed
    assert "/stats/indicators/births-registered" in folded
    # Before anything was counted there is nothing to list, and the page says so.
    said = content(await visitor.ask("/stats/indicators?period=2023"))
    assert "Chưa có số liệu của kỳ này" in said
    assert "phải lo" not in content(await visitor.ask("/stats/province?period=2023"))


async def test_a_source_that_nobody_compared_yet_is_marked_in_words(visitor: Visitor) -> None:
    await visitor.enter("lan.worker")
    for path in ("/stats/indicators/cases-opened", "/stats/report?indicator=cases-opened&period=2025"):
        said = content(await visitor.ask(path))
        assert "[r]" not in said, path
        assert "(chờ tỉnh đối chiếu)" in said, path
    # What was compared needs no mark.
    compared = content(await visitor.ask("/stats/indicators/special-share"))
    assert "Quyết định 23/QĐ-TTg ngày 7/1/2021" in compared
    assert "[f]" not in compared


async def test_who_sees_aggregates_only_never_reads_a_small_figure(visitor: Visitor) -> None:
    await visitor.enter("tuan.statistician")
    said = content(await visitor.ask("/stats/indicators/cases-opened?period=2025"))
    assert " 70 " in said
    assert "Phường Gia Sàng: Ẩn để bảo vệ trẻ em" in said
    for path in (
        f"/stats/communes/{SMALL}?period=2025",
        f"/stats/compare?indicator=cases-opened&period=2025&unit={SMALL}&unit={HERE}",
        f"/stats/indicators/cases-opened?period=2025&place={SMALL}",
    ):
        answer = await visitor.ask(path)
        assert "Ẩn để bảo vệ trẻ em" in content(answer), path
        figures = re.findall(r'class="is-number">\s*(?:<span>)?3(?:</span>)?\s*</td>', answer.text)
        assert not figures, path


async def test_who_sees_aggregates_only_gets_nothing_of_a_year_that_goes_on(visitor: Visitor) -> None:
    await visitor.enter("tuan.statistician")
    said = content(await visitor.ask("/stats/indicators/cases-opened?period=2026"))
    assert "Chưa đến ngày công bố" in said
    # Of the province months are released one by one; of communes nothing before the year is over.
    assert not re.search(r"Phường Phan Đình Phùng:? 12|Phường Quyết Thắng:? 7", said)


@pytest.mark.parametrize(
    "path",
    [
        f"/stats/indicators/cases-opened?period=2025&place={HERE}&by=sex",
        "/stats/indicators/cases-opened?period=2025-W10",
        f"/stats/compare?indicator=births-registered&period=2025&unit={HERE}&unit={THERE}",
    ],
)
async def test_who_asks_for_too_much_detail_reads_why_not_and_where_to_look_instead(
    visitor: Visitor, path: str
) -> None:
    await visitor.enter("tuan.statistician")
    page = (await visitor.ask(path)).text
    assert "Chia nhỏ đến mức này thì nhiều số chỉ còn vài trẻ" in page
    code = "births-registered" if "births" in path else "cases-opened"
    assert f'<a href="/stats/indicators/{code}?period=2025">Toàn tỉnh, Năm 2025</a>' in page
    assert '<a href="/stats#not-offered">' in page
    assert 'id="not-offered"' in (await visitor.ask("/stats/")).text


async def test_what_was_just_seen_stands_first_for_whoever_may_know_of_it(visitor: Visitor, counted: Database) -> None:
    gone = NOW - timedelta(days=40)
    rows = [
        ("surge", f"reports-received/{HERE}", NOW - timedelta(days=1), NOW),
        ("surge", f"reports-received/{THERE}", NOW - timedelta(days=3), NOW - timedelta(minutes=5)),
        ("surge", f"reports-received/{SMALL}", NOW - timedelta(days=9), NOW - timedelta(days=2)),  # over
        ("silence", f"unions/{gone.isoformat()}", NOW - timedelta(days=9), NOW),
    ]
    async with counted.transaction() as connection:
        for watch, subject, since, seen in rows:
            await connection.execute(
                text(
                    "INSERT INTO crossing (watch, subject, sequence, since, seen_at) VALUES (:w, :s, 1, :since, :seen)"
                ),
                {"w": watch, "s": subject, "since": since, "seen": seen},
            )
    try:
        await visitor.enter("ha.coordinator")
        page = await visitor.ask("/stats/province?period=2026")
        alerts = page.text.split('class="alerts"')[1].split("</section>")[0]
        assert alerts.count("<li>") == 3
        assert "không gửi tin nào từ ngày 17/10/2026" in alerts
        assert f"place={THERE}" in alerts
        assert Units.load().name(SMALL) not in alerts
        assert 'class="alerts"' not in (await visitor.ask("/stats/province?period=2025")).text
        await visitor.enter("lan.worker")
        alerts = (
            (await visitor.ask("/stats/province?period=2026")).text.split('class="alerts"')[1].split("</section>")[0]
        )
        assert alerts.count("<li>") == 1
        assert f"place={HERE}" in alerts
        for person in ("tuan.statistician", "duc.health", "son.operator"):
            await visitor.enter(person)
            assert 'class="alerts"' not in (await visitor.ask("/stats/province?period=2026")).text
    finally:
        async with counted.transaction() as connection:
            await connection.execute(text("DELETE FROM crossing"))


async def test_whoever_asks_history_sees_one_moment(
    visitor: Visitor, counted: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    really = history.count_all

    async def noting(connection: AsyncConnection, wanted: Any, answers: Answers | None = None) -> Any:
        seen.append((await connection.execute(text("SHOW transaction_isolation"))).scalar_one())
        return await really(connection, wanted, answers)

    for module in (history, evaluating):
        monkeypatch.setattr(module, "count_all", noting)

    def sees_one_moment() -> bool:
        found = set(seen)
        seen.clear()
        return found == {"repeatable read"}

    await visitor.enter("ha.coordinator")
    for path in (
        "/stats/province",
        "/stats/quality",
        "/stats/behind?of=open",
        "/stats/report?indicator=cases-opened",
        "/stats/api/sectors",
        "/stats/api/indicators/cases-opened?trend=3",
        "/stats/api/indicators/cases-opened/records",
    ):
        assert (await visitor.ask(path)).status == 200, path
        assert sees_one_moment(), path
    evaluator = Evaluator()
    freezing = Freezing(counted, evaluator, Releasing(Releases(), evaluator))
    wanted = [one for one in (evaluator.indicators.get("children"), evaluator.indicators.get("abused-share")) if one]
    assert await freezing.exact(wanted, Period.parse("2026-09"), NOW)
    assert sees_one_moment()
    try:
        assert await Watching(counted, lambda: NOW, Evaluator()).look() is not None
        assert sees_one_moment()
    finally:
        async with counted.transaction() as connection:
            await connection.execute(text("DELETE FROM crossing"))
            await connection.execute(text("DELETE FROM outbox"))


async def _cells(visitor: Visitor, address: str) -> str:
    """All that the first sheet of a workbook says."""
    sheet = openpyxl.load_workbook(io.BytesIO((await visitor.ask(address)).body)).worksheets[0]
    return " ".join(str(value) for row in sheet.iter_rows(values_only=True) for value in row if value is not None)


async def test_while_history_is_behind_pages_and_papers_say_how_far_it_is(visitor: Visitor, counted: Database) -> None:
    paths = (
        "/stats/province",
        "/stats/indicators/cases-opened",
        "/stats/quality",
        "/stats/communes",
        f"/stats/communes/{HERE}",
        f"/stats/compare?unit={HERE}",
        "/stats/report?indicator=cases-opened",
    )
    report = "/stats/report/report.xlsx?indicator=cases-opened"
    until = NOW - timedelta(hours=1)
    async with counted.transaction() as connection:
        for table, offset in (("progress", 9), ("history_progress", 7)):
            await connection.execute(
                text(f'INSERT INTO {table} (topic, partition, "offset", time) VALUES (:t, 77, :o, :at)'),
                {"t": "cases.cases.v1", "o": offset, "at": until},
            )
    try:
        await visitor.enter("ha.coordinator")
        for path in paths:
            said = content(await visitor.ask(path))
            assert "Đang đếm nốt, số liệu chưa đủ" in said, path
            assert "26/11/2026 08:00" in said, path
        assert "mới đếm đến những tin gửi lúc 26/11/2026 08:00" in await _cells(visitor, report)
        # As of an earlier day nothing more is to come; what was released waits for nothing.
        known = await visitor.ask("/stats/indicators/cases-opened?known=2026-06-01")
        assert "Đang đếm nốt" not in content(known)
        await visitor.enter("tuan.statistician")
        for path in paths:
            assert "Đang đếm nốt" not in content(await visitor.ask(path)), path
        assert "chưa đủ" not in await _cells(visitor, report)
    finally:
        async with counted.transaction() as connection:
            for table in ("progress", "history_progress"):
                await connection.execute(text(f"DELETE FROM {table} WHERE partition = 77"))
    await visitor.enter("ha.coordinator")
    for path in paths:
        assert "Đang đếm nốt" not in content(await visitor.ask(path)), path


async def test_a_page_says_how_its_indicator_is_counted(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    said = content(await visitor.ask("/stats/indicators/abused-share?period=2025"))
    about = said.split("Chỉ tiêu này là gì")[1]
    assert re.search(r"Tử số Vụ việc được mở.*Mẫu số Trẻ em trong sổ.*Cách tính .*Không tính .*Căn cứ", about)


async def test_a_report_of_ones_own_holds_what_was_ticked_and_of_ones_own_communes_only(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    path = "/stats/report?indicator=cases-opened&indicator=reports-received&indicator=nothing&period=2025&communes=1"
    page = await visitor.ask(path)
    assert re.findall(r'<h2 id="part-([a-z-]+)"', page.text) == ["reports-received", "cases-opened"]
    assert re.search(r"Phường Phan Đình Phùng 40 Phường Quyết Thắng 27 ", content(page))
    await visitor.enter("lan.worker")
    said = content(await visitor.ask(path))
    assert " 40 " in said
    assert " 27 " not in said
    assert " 70 " not in said
    await visitor.enter("tuan.statistician")
    said = content(await visitor.ask(path))
    assert " 70 " in said
    assert "số từ 1 đến 4" in said
    assert "Phường Gia Sàng ▨ Ẩn để bảo vệ trẻ em" in said
    many = "&".join(f"indicator=i{number}" for number in range(13))
    assert (await visitor.ask(f"/stats/report?{many}")).status == 422


async def test_a_report_of_ones_own_is_taken_along_as_its_reader_sees_it(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    query = "indicator=cases-opened&indicator=reports-received&period=2025&communes=1"
    page = await visitor.ask(f"/stats/report?{query}")
    addresses = [unescape(one) for one in re.findall(r'href="(/stats/report/[^"]*)"', page.text)]
    assert [one.partition("?")[0].rpartition("/")[2] for one in addresses] == [
        "report.docx",
        "report.pdf",
        "report.xlsx",
    ]
    word, pdf, sheet = [await visitor.ask(one) for one in addresses]
    assert pdf.body.startswith(b"%PDF")
    paper = docx.Document(io.BytesIO(word.body))
    cells = [[cell.text for cell in row.cells] for table in paper.tables for row in table.rows]
    assert ["Phường Phan Đình Phùng", "40"] in cells
    assert ["Phường Quyết Thắng", "27"] in cells
    # Its course, and its first breakdown; of what did not happen, its course alone.
    assert len(paper.inline_shapes) == 3
    head = cells[0][0]
    assert head.split("\n")[:2] == ["UBND TỈNH THÁI NGUYÊN", "SỞ Y TẾ"]
    assert "Thái Nguyên, ngày" in cells[0][1]
    assert "không phải số chính thức" in "".join(one.text for one in paper.paragraphs)
    assert "LƯU HÀNH NỘI BỘ" in paper.sections[0].footer.paragraphs[0].text
    with zipfile.ZipFile(io.BytesIO(sheet.body)) as packed:
        assert sum(name.startswith("xl/media/") for name in packed.namelist()) == 3
    book = openpyxl.load_workbook(io.BytesIO(sheet.body))
    lines = [[cell.value for cell in row] for row in book.worksheets[0].rows]
    assert ["Số vụ việc được mở trong kỳ", 70] in [line[:2] for line in lines]
    assert ["Phường Phan Đình Phùng", 40] in [[cell.value for cell in row][:2] for row in book.worksheets[2].rows]
    # Sheets are named by their indicator, columns hold their heads, numbers are numbers and read as on the page.
    assert book.sheetnames == ["Chỉ tiêu", "1. Số tin báo, tố giác đã tiếp", "2. Số vụ việc được mở trong kỳ"]
    assert all(sheet.column_dimensions[column].width >= 16 for sheet in book.worksheets for column in "ABCD")
    assert not [
        cell.coordinate
        for sheet in book.worksheets
        for row in sheet.rows
        for cell in row
        if isinstance(cell.value, str) and re.fullmatch(r"[\d.,]+%?", cell.value)
    ]
    await visitor.enter("tuan.statistician")
    book = openpyxl.load_workbook(io.BytesIO((await visitor.ask(addresses[2])).body))
    told = [cell.value for sheet in book.worksheets for row in sheet.rows for cell in row]
    assert 70 in told
    assert 3 not in told
    assert "Ẩn để bảo vệ trẻ em" in told
    assert not any("NỘI BỘ" in str(one) for one in told)
    await visitor.enter("lan.worker")
    book = openpyxl.load_workbook(io.BytesIO((await visitor.ask(addresses[2])).body))
    told = [cell.value for sheet in book.worksheets for row in sheet.rows for cell in row]
    paper = docx.Document(io.BytesIO((await visitor.ask(addresses[0])).body))
    assert paper.tables[0].rows[0].cells[0].text.startswith("ỦY BAN NHÂN DÂN\nPHƯỜNG PHAN ĐÌNH PHÙNG")
    assert 40 in told
    assert not {27, 70} & {*told}
    assert (await visitor.ask("/stats/report/report.exe?indicator=cases-opened")).status == 404


async def test_the_records_behind_a_figure_open_for_who_may_open_them_only(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/indicators/cases-opened?period=2026")
    address = re.search(r'class="button[^>]*href="(/stats/indicators/cases-opened/records[^"]*)"', page.text)
    assert address is not None
    found = await visitor.ask(unescape(address[1]))
    assert "19 hồ sơ" in content(found)
    assert found.text.count('href="/cases/c/') == 19
    await visitor.enter("tuan.statistician")
    assert "/records" not in (await visitor.ask("/stats/indicators/cases-opened?period=2026")).text
    assert (await visitor.ask(unescape(address[1]))).status == 403


async def test_each_part_and_each_commune_of_a_figure_opens_to_its_own_records(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/indicators/cases-opened?period=2026&by=sex")
    addresses = [
        unescape(one) for one in re.findall(r'href="(/stats/indicators/cases-opened/records[^"]*)"', page.text)
    ]
    found = {}
    for address in addresses:
        listed = await visitor.ask(address)
        assert listed.status == 200, address
        found[address.partition("?")[2]] = listed.text.count('href="/cases/c/')
    assert found == {
        "period=2026": 19,
        "period=2026&sex=female": 19,
        f"period=2026&unit={HERE}": 12,
        f"period=2026&unit={THERE}": 7,
    }
    of_communes = (await visitor.ask("/stats/communes?indicator=cases-opened&period=2026")).text
    assert f'/stats/indicators/cases-opened/records?period=2026&unit={HERE}"' in unescape(of_communes)
    await visitor.enter("tuan.statistician")
    for path in ("/stats/indicators/cases-opened?period=2025&by=sex", "/stats/communes?period=2025"):
        assert "/records?" not in (await visitor.ask(path)).text


async def test_a_figure_of_the_live_board_opens_to_its_records_by_the_boards_own_filters(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    for filters, n in (
        ("", 89),
        (f"&unit={HERE}", 52),
        ("&kind=violence", 89),
        ("&sex=male", 0),
        (f"&unit={SMALL}", 3),
    ):
        listed = await visitor.ask(f"/stats/behind?of=open{filters}")
        assert listed.text.count('href="/cases/c/') == n, filters
        assert (f"{n} hồ sơ" in content(listed)) == bool(n)
    assert "89 hồ sơ" in content(await visitor.ask("/stats/behind?of=high"))
    for empty in ("missed", "today", "tasks", "overdue"):
        assert "Không có hồ sơ nào" in content(await visitor.ask(f"/stats/behind?of={empty}")), empty
    assert (await visitor.ask("/stats/behind?of=closed")).status == 404
    await visitor.enter("lan.worker")
    for filters in ("", f"&unit={THERE}"):
        assert (await visitor.ask(f"/stats/behind?of=open{filters}")).text.count('href="/cases/c/') == 52
    assert (await visitor.ask("/stats/behind?of=open&unit=unclassified")).status == 403
    for person in ("tuan.statistician", "duc.health", "son.operator"):
        await visitor.enter(person)
        assert (await visitor.ask("/stats/behind?of=open")).status == 403


async def test_days_weeks_and_plans_can_be_chosen_by_whoever_sees_them(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    page = (await visitor.ask("/stats/indicators/cases-opened")).text
    for code in (
        "2026-11-26",
        "2026-11-25",
        "2026-W48",
        "2026-W47",
        "2026-10",
        "2026-Q3",
        "2026-H1",
        "2025-SY",
        "2025",
    ):
        assert f'<option value="{code}"' in page, code
    assert '<option value="2026..2030"' in page
    assert '<option value="2021..2025"' in page
    await visitor.enter("tuan.statistician")
    page = (await visitor.ask("/stats/indicators/cases-opened")).text
    assert '<option value="2026-W48"' not in page
    assert '<option value="2026-11-26"' not in page


async def test_an_address_that_makes_no_sense_is_as_if_nothing_was_asked(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    names = ("period", "place", "known", "by", "unit", "indicator", "tiles")
    bad = ["2026-13", "9999", "2026..2020", "'; DROP TABLE", "<b>", "2099", "２０２６", "0", "%00", "-1", "«»"]
    for path, word in zip(PATHS, bad, strict=True):
        query = "&".join(f"{name}={quote(word)}" for name in names)
        answer = await visitor.ask(path + ("&" if "?" in path else "?") + query)
        assert answer.status == 200, (path, word)
        assert "<b>&" not in answer.text


async def test_an_indicator_that_there_is_not_is_not_found(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    assert (await visitor.ask("/stats/indicators/nothing")).status == 404
    assert (await visitor.ask("/stats/communes/00000")).status == 403


def today(code: str) -> Unit:
    unit = Units.load().on(code, NOW.date())
    assert unit is not None
    return unit


def _longest_first(name: str) -> tuple[int, str]:
    return -len(name), name


async def test_the_pages_speak_english(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    units = Units.load()
    places = [*units.areas(), *(unit for code in units.codes() for unit in (*units.predecessors(code), today(code)))]
    # The kind of a place is said in English, its own name as it is; the longest first, for one may be part of another.
    names = re.compile("|".join(map(re.escape, sorted({place.label("en") for place in places}, key=_longest_first))))
    letters = re.compile(r"[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
    for path in PATHS:
        said = content(await visitor.ask(path + ("&" if "?" in path else "?") + "lang=en"))
        found = letters.search(names.sub("", said))
        assert found is None, (path, found.string[max(0, found.start() - 80) : found.start() + 80])


async def test_a_page_is_light_and_its_pictures_need_no_network(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    for path in PATHS:
        page = (await visitor.ask(path)).text
        assert not re.search(r"(src|href|srcset)=\"(https?:)?//", page), path
        assert len(page.encode()) < 120_000, path
        for address in re.findall(r'(?:src|srcset)="(/stats/[^"]*picture[^"]*)"', page):
            drawn = await visitor.ask(unescape(address))
            assert (drawn.status, drawn.headers["content-type"]) == (200, "image/svg+xml"), address
            assert drawn.text.startswith("<svg"), address


async def test_a_picture_is_drawn_of_what_its_reader_may_see_and_of_nothing_else(visitor: Visitor) -> None:
    await visitor.enter("lan.worker")
    path = "/stats/indicators/cases-opened/picture?period=2025&chart=chart-multiples"
    assert (await visitor.ask(path)).status == 404
    own = (
        await visitor.ask(f"/stats/compare/picture?indicator=cases-opened&period=2025&unit={HERE}&unit={THERE}")
    ).text
    assert "Phan Đình Phùng" in own
    assert "Quyết Thắng" not in own
    await visitor.enter("tuan.statistician")
    assert (await visitor.ask("/stats/indicators/nothing/picture")).status == 404
    assert (await visitor.ask("/stats/indicators/cases-opened/picture?chart=chart-none")).status == 404


REBUILDING = (views.REBUILD_REASONS, views.COMPACTION_STATES, views.ENDS_OF)


def test_every_text_has_its_english() -> None:
    said = {*said_in_templates("services.stats"), *said_in_code("services.stats", "words", "said", "self")}
    listed = (views.SEXES, views.YES_NO, views.DIMENSIONS, views.VERDICTS, views.REASONS, views.EXPLAINED, views.SPANS)
    defined = (definitions.COUNTED, definitions.LEFT_OUT, definitions.WAYS, *views.CODES.values())
    for texts in (*listed, views.UNPLACED, views.VOICES, views.LISTS, *REBUILDING, *defined):
        said |= {*texts.values()}
    assert len(said) > 150
    assert {*said, views.NOT_KNOWN, views.NOT_CLASSIFIED} - english(("services.stats", "shared.web")).keys() == set()


def test_every_dimension_has_a_name() -> None:
    assert {name for indicator in Indicators.load() for name in indicator.by} <= set(views.DIMENSIONS)
