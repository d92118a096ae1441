"""The quality board: what could not be classified, with its records; and which sectors are heard, by one rule."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import text

from shared.database import Database
from tests.support import backends
from tests.support.visitor import Answer, Visitor
from tests.unit.stats import events as make
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.counted import record
from tests.unit.stats.visiting import visitor_of

NOW = datetime(2026, 11, 26, 2, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HERE, THERE = "05443", "05455"
NOBODY_KNOWS = "unclassified"


def _report(name: str, **facts: Any) -> make.Event:
    return make.concern(name, 1, received_at=NOW - DAY, **facts)


EVENTS = [
    _report("whole"),
    _report("no-commune", unit=NOBODY_KNOWS),
    _report("no-kind", kind=NOBODY_KNOWS),
    _report("no-age", age_band="unknown"),
    _report("no-age-there", unit=THERE, age_band="unknown"),
    make.incident("no-cause", 1, kind="rơi từ trên trời"),
    # Born next year: the register takes it as not known, and so is the age.
    make.child("to-be-born", 1, birth_year=2027, birth_month=1),
    # The police is heard every third day until a month ago, the hospital until yesterday.
    *(make.concern(f"police-{at}", 1, sector="police", received_at=NOW - (35 + 3 * at) * DAY) for at in range(10)),
    *(make.concern(f"health-{at}", 1, sector="health", received_at=NOW - (1 + 3 * at) * DAY) for at in range(30)),
]
HEARD = {"police": NOW - 35 * DAY, "health": NOW - DAY, "education": NOW - 2 * DAY, "justice": NOW - 200 * DAY}


@pytest.fixture(scope="module")
async def counted(postgres_url: str) -> AsyncIterator[Database]:
    async with backends.database(postgres_url) as url:
        database = Database(url, pool_size=5)
        await database.migrate(MIGRATIONS)
        await record(database, [[event.record(at, 0, NOW - DAY) for at, event in enumerate(EVENTS)]])
        async with database.transaction() as connection:
            await connection.execute(text("DELETE FROM heard"))
            for sector, at in HEARD.items():
                await connection.execute(
                    text("INSERT INTO heard (topic, partition, sector, time) VALUES ('t', 0, :sector, :at)"),
                    {"sector": sector, "at": at},
                )
        yield database
        await database.close()


@pytest.fixture
def visitor(counted: Database) -> Visitor:
    return visitor_of(counted, lambda: NOW)


def _row(page: Answer, caption: str, name: str) -> list[str]:
    """The cells of a table's row that begins with a name."""
    table = next(one for one in page.text.split("<table")[1:] if f">{caption}</caption>" in one).split("</table>")[0]
    for row in re.findall(r"<tr role=\"row\">(.*?)</tr>", table, re.DOTALL):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)
        said = [unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", cell))).strip() for cell in cells]
        if said and said[0] == name:
            return said[1:]
    raise AssertionError((caption, name, table))


_UNPLACED = "Số hồ sơ chưa rõ, theo mục"
_VOICES = "Ngành nào còn gửi tin"


async def test_what_could_not_be_classified_is_counted_shown_and_opens_to_its_records(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/quality?period=2026")
    # All, commune, kind, age, sex, outcome.
    assert _row(page, _UNPLACED, "Tin báo")[:4] == ["45", "1", "1", "2"]
    assert _row(page, _UNPLACED, "Tai nạn, thương tích")[:3] == ["1", "0", "1"]
    assert _row(page, _UNPLACED, "Trẻ em trong sổ")[:4] == ["1", "0", "–", "1"]
    for measure, field, path in (
        ("reports", "age", "/cases/concerns/"),
        ("reports", "unit", "/cases/concerns/"),
        ("reports", "kind", "/cases/concerns/"),
        ("incidents", "kind", "/cases/incidents/"),
        ("children", "age", "/registry/children/"),
    ):
        address = f"/stats/quality/records?measure={measure}&field={field}&period=2026"
        assert address in unescape(page.text)
        listed = await visitor.ask(address)
        assert listed.status == 200
        assert listed.text.count(f'href="{path}') == (2 if (measure, field) == ("reports", "age") else 1), address


async def test_of_ones_own_commune_only_what_lies_in_it_is_said(visitor: Visitor) -> None:
    await visitor.enter("lan.worker")
    page = await visitor.ask("/stats/quality?period=2026")
    assert _row(page, _UNPLACED, "Tin báo")[:3] == ["43", "1", "1"]
    assert _VOICES not in page.text
    listed = await visitor.ask("/stats/quality/records?measure=reports&field=age&period=2026")
    assert listed.text.count('href="/cases/concerns/') == 1
    for refused in ("measure=reports&field=unit", "measure=openings&field=unit"):
        assert (await visitor.ask(f"/stats/quality/records?{refused}&period=2026")).status == 403


async def test_what_there_is_not_is_not_found_and_who_sees_aggregates_only_gets_no_list(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    for asked in ("measure=reports&field=channel", "measure=nothing&field=age", "measure=children&field=kind", ""):
        assert (await visitor.ask(f"/stats/quality/records?{asked}")).status == 404
    for person in ("tuan.statistician", "duc.health", "son.operator"):
        await visitor.enter(person)
        assert _UNPLACED not in (await visitor.ask("/stats/quality?period=2026")).text
        assert (await visitor.ask("/stats/quality/records?measure=reports&field=age&period=2026")).status == 403


@pytest.mark.parametrize("person", ["ha.coordinator", "son.operator"])
async def test_a_sector_is_silent_on_the_board_by_the_rule_that_alarms(visitor: Visitor, person: str) -> None:
    await visitor.enter(person)
    page = await visitor.ask("/stats/quality?period=2026")
    assert _row(page, _VOICES, "Công an")[2].endswith("Im lặng")
    assert _row(page, _VOICES, "Y tế")[1:] == ["3,0 ngày", "✓ Có tin"]
    # Heard two days ago and hardly ever: nobody knows what is usual. Heard once, long ago: that is silence.
    assert _row(page, _VOICES, "Giáo dục")[1:] == ["–", "– Ít gửi tin, chưa rõ nhịp thường"]
    assert _row(page, _VOICES, "Tư pháp")[2].endswith("Im lặng")
    assert _row(page, _VOICES, "Đoàn thể") == ["–", "–", "– Chưa gửi tin bao giờ"]
    said = {one["sector"]: one for one in (await visitor.ask("/stats/api/sectors")).json()}
    assert (said["police"]["state"], said["police"]["last_heard"][:10]) == ("silent", "2026-10-22")
    assert (said["health"]["state"], said["health"]["usual_days"]) == ("heard", 3.0)


async def test_nobody_else_is_told_when_a_sector_was_heard(visitor: Visitor) -> None:
    for person in ("lan.worker", "binh.chair", "tuan.statistician", "duc.health"):
        await visitor.enter(person)
        assert _VOICES not in (await visitor.ask("/stats/quality?period=2026")).text
        assert (await visitor.ask("/stats/api/sectors")).status == 403
