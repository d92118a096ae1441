"""Official periods as people and programs meet them: who sees what, who takes what along, and what is refused."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi import APIRouter
from sqlalchemy import text

from services.stats.api.periods import period_routes
from services.stats.desk.freezing import Freezing
from services.stats.desk.period_reader import PeriodReader
from services.stats.desk.periods import Periods
from services.stats.domain.closing import Edition
from services.stats.exporting import FILES
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.figures.taking import Taking
from services.stats.handlers.recording import HistoryBatch, record_batch
from services.stats.pages.periods import PeriodPages
from services.stats.store.chronicle import Chronicle, HistoryCells
from services.stats.store.releases import Releases
from services.stats.upkeep.checking import Upkeep
from shared.contracts.errors import Rejected
from shared.database import Database
from shared.identity import demo_directory
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from shared.web.i18n import ZONE
from shared.web.pages import Pages
from tests.support.texts import english
from tests.support.visitor import Visitor, token_of
from tests.unit.stats import events as make
from tests.unit.stats.closed_house import KEY, MONTH, House, figure, house, opening
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.events import NOW, Event
from tests.unit.stats.made_up_figures import COORDINATOR, UNITS

OCTOBER = date(2026, 10, 10)


def _visitor(periods: Periods, now: House | SimpleNamespace) -> Visitor:
    pages = Pages("services.stats", unit_names=Units.load().names(), clock=lambda: now.now)
    reader = PeriodReader(periods, pages.texts)
    router = APIRouter(prefix="/stats")
    router.include_router(period_routes(periods, reader))
    router.include_router(PeriodPages(periods, reader, pages, lambda: now.now).router)
    directory = demo_directory(Units.load().names())
    return Visitor(
        create_app("stats", [router], pages, directory, Settings(environment="test", demo_users=True), prefix="/stats")
    )


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[House]:
    records = [opening(OCTOBER, unit) for unit in UNITS[:4] for _ in range(7)]
    async with house(fresh_database, [*records, opening(OCTOBER, UNITS[5])]) as made:
        yield made


async def _record(database: Database, events: list[Event], time: datetime) -> None:
    cells = HistoryCells()
    read = await HistoryBatch.read([event.record(at, time=time) for at, event in enumerate(events)], cells)
    assert not read.broken
    async with database.transaction() as connection:
        await record_batch(connection, read, cells, Chronicle())


async def _posted(visitor: Visitor, target: str, **form: str) -> int:
    token = token_of(await visitor.ask(target))
    return (await visitor.ask(target, {"form_token": token, **form})).status


async def test_a_coordinator_closes_a_month_by_its_page_and_sees_its_figures(desk: House) -> None:
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/periods")
    assert "Chưa có kỳ nào được chốt" in page.text
    assert f'value="{MONTH}"' in page.text
    assert 'value="2026-11"' not in page.text
    assert await _posted(visitor, "/stats/periods", period=MONTH) == 303
    assert "Đang chốt số liệu" in (await visitor.ask(f"/stats/periods/{MONTH}")).text
    await desk.periods.look_after()
    closed = await visitor.ask(f"/stats/periods/{MONTH}")
    assert closed.status == 200
    for said in (
        "Tháng 10/2026",
        "số liệu số 01/2026 (số thứ tự trong năm, không phải tháng)",
        "lưu hành nội bộ",
        "Chữ ký đúng",
        ">29<",
    ):
        assert said in closed.text
    by_unit = await visitor.ask(f"/stats/periods/{MONTH}/opened?edition=exact")
    assert Units.load().name(UNITS[0]) in by_unit.text
    assert f'value="{MONTH}"' not in (await visitor.ask("/stats/periods")).text


async def test_before_anything_was_counted_nothing_is_said_to_be_closed(
    desk: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never() -> None:
        return None

    monkeypatch.setattr(desk.periods, "beginning", never)
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    page = (await visitor.ask("/stats/periods")).text
    assert "Chưa có kỳ nào để chốt" in page
    assert "đều đã chốt" not in page


async def test_a_revision_is_made_by_the_page_and_tells_its_reason_and_changes(desk: House) -> None:
    await desk.close()
    desk.later(days=2)
    desk.province.records.append(opening(OCTOBER, known=desk.now))
    desk.later(days=1)
    await desk.periods.look_after()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    assert "số nay đã khác" in (await visitor.ask("/stats/periods")).text
    refused = await _posted(visitor, f"/stats/periods/{MONTH}", reason="late", reference="cháu Lan")
    assert refused == 422
    assert await _posted(visitor, f"/stats/periods/{MONTH}", reason="late", reference="12/BC-SYT") == 303
    await desk.periods.look_after()
    page = (await visitor.ask(f"/stats/periods/{MONTH}")).text
    for said in ("Đính chính lần 1", "12/BC-SYT", "Tin báo, hồ sơ đến sau khi chốt", ">30<"):
        assert said in page
    before = (await visitor.ask(f"/stats/periods/{MONTH}?edition=exact&revision=0")).text
    assert ">29<" in before
    assert "Đính chính lần 1, số" in before


@pytest.mark.parametrize("person", ["tuan.statistician", "duc.health", "son.operator"])
async def test_who_sees_aggregates_only_sees_the_published_edition_and_hears_of_no_other(
    desk: House, person: str
) -> None:
    await desk.close()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter(person)
    json = {"accept": "application/json"}
    assert (await visitor.ask(f"/stats/periods/{MONTH}")).status == 404
    assert (await visitor.ask("/stats/api/periods", headers=json)).json() == []
    assert (await visitor.ask(f"/stats/api/periods/{MONTH}", headers=json)).status == 404
    desk.later(days=30)
    await desk.periods.look_after()
    for query in ("?edition=exact", "?edition=exact&revision=0"):
        assert (await visitor.ask(f"/stats/periods/{MONTH}{query}")).status == 403
        assert (await visitor.ask(f"/stats/periods/{MONTH}/opened{query}")).status == 403
        assert (await visitor.ask(f"/stats/api/periods/{MONTH}/figures.csv{query}")).status == 403
        assert (await visitor.ask(f"/stats/api/periods/{MONTH}/signature{query}", headers=json)).status == 403
    page = await visitor.ask(f"/stats/periods/{MONTH}")
    assert page.status == 200
    assert "Bản công bố" in page.text
    told = (await visitor.ask(f"/stats/api/periods/{MONTH}", headers=json)).json()
    assert "editions" not in told
    assert "differs_now" not in told
    assert await _status_of_closing(visitor) == 403


async def _status_of_closing(visitor: Visitor) -> int:
    token = token_of(await visitor.ask("/stats/periods"))
    return (await visitor.ask("/stats/periods", {"form_token": token, "period": "2026-09"})).status


async def test_a_chair_sees_the_own_commune_as_it_is_and_no_other(desk: House) -> None:
    desk.province.records += [opening(OCTOBER, "05443"), opening(OCTOBER, "05446")]
    await desk.close()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("lan.worker")
    page = await visitor.ask(f"/stats/periods/{MONTH}")
    assert page.status == 200
    assert "Địa bàn của anh chị" in page.text
    own = Units.load().name("05443")
    assert own in page.text
    others = {Units.load().name(other) for other in UNITS[1:6]} - {own}
    assert [name for name in others if name in page.text] == []
    assert (await visitor.ask(f"/stats/periods/{MONTH}?edition=exact")).status == 403
    assert (await visitor.ask(f"/stats/api/periods/{MONTH}/figures.csv")).status == 403


async def test_a_worker_hears_of_revisions_what_concerns_the_own_commune_and_no_count_of_the_province(
    desk: House,
) -> None:
    """How many figures of a whole province differ by now tells of single cases in other communes."""
    await desk.close()
    desk.later(days=2)
    desk.province.records += [opening(OCTOBER, UNITS[2], known=desk.now) for _ in range(2)]
    desk.later(days=1)
    await desk.periods.look_after()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("lan.worker")
    assert "số nay đã khác" not in (await visitor.ask("/stats/periods")).text
    await desk.periods.revise(COORDINATOR, MONTH, "late", "12/BC-SYT")
    await desk.periods.look_after()
    listed, page = [(await visitor.ask(f"/stats/periods{target}")).text for target in ("", f"/{MONTH}")]
    for text_ in (listed, page):
        assert "Đính chính" not in text_
        assert "số thay đổi" not in text_
    assert "Các số được đính chính" not in page
    json = {"accept": "application/json"}
    for told in (
        (await visitor.ask(f"/stats/api/periods/{MONTH}", headers=json)).json(),
        *(await visitor.ask("/stats/api/periods", headers=json)).json(),
    ):
        assert not {"editions", "differs_now"} & told.keys()
    desk.province.records.append(opening(OCTOBER, UNITS[0], known=desk.now))
    desk.later(days=2)
    await desk.periods.revise(COORDINATOR, MONTH, "late", "13/BC-SYT")
    await desk.periods.look_after()
    own = (await visitor.ask(f"/stats/periods/{MONTH}")).text
    assert "Các số được đính chính" in own
    assert "13/BC-SYT" in own
    await visitor.enter("ha.coordinator")
    whole = (await visitor.ask(f"/stats/api/periods/{MONTH}", headers=json)).json()
    assert [one["edition"] for one in whole["editions"]] == [0, 1, 2]


async def test_a_period_before_the_platform_began_is_neither_offered_nor_closed(desk: House) -> None:
    """Its figures would be zeros that nobody counted, signed and numbered."""
    desk.province.begun = datetime(2026, 9, 15, tzinfo=ZONE)
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    page = await visitor.ask("/stats/periods")
    offered = [
        code for code in ("2026-10", "2026-09", "2026-08", "2026-Q3", "2026-Q2", "2025") if f'"{code}"' in page.text
    ]
    assert offered == ["2026-10", "2026-09", "2026-Q3"]
    token = token_of(page)
    for code in ("2026-08", "2025"):
        refused = await visitor.ask("/stats/periods", {"form_token": token, "period": code})
        assert refused.status == 422
        assert "trước ngày hệ thống bắt đầu ghi nhận số liệu (15/09/2026)" in refused.text
    with pytest.raises(Rejected) as rejected:
        await desk.periods.close(COORDINATOR, "2026-08")
    [violation] = rejected.value.violations
    assert (violation.field, violation.rule) == ("period", "period-before-beginning")
    assert "before anything was recorded on the platform (15/09/2026)" in violation.message_en
    # The month in which it began has figures.
    assert (await desk.close("2026-09")).number == "01/2026"


async def test_nothing_is_closed_before_anything_was_recorded(fresh_database: str) -> None:
    database = Database(fresh_database, pool_size=5)
    await database.migrate(MIGRATIONS)
    evaluator = Evaluator()
    made = House(database, [])
    periods = Periods(
        database,
        lambda: made.now,
        Freezing(database, evaluator, Releasing(Releases(), evaluator)),
        Taking(evaluator.count, evaluator),
        made.upkeep,
        made.is_counted,
        KEY,
    )
    with pytest.raises(Rejected) as rejected:
        await periods.close(COORDINATOR, MONTH)
    assert [one.rule for one in rejected.value.violations] == ["period-before-beginning"]
    await _record(database, [make.case("case-1", 1)], datetime(2026, 10, 30, tzinfo=ZONE))
    assert (await periods.close(COORDINATOR, MONTH)).code == MONTH
    await database.close()


async def test_a_file_is_what_is_published_unless_the_full_one_is_asked_for_by_whoever_may(desk: House) -> None:
    await desk.close()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    target = f"/stats/api/periods/{MONTH}/signed.json"
    assert (await visitor.ask(target, headers={"accept": "application/json"})).status == 422
    exact = await visitor.ask(target + "?edition=exact")
    assert Edition.read(exact.body).audience == "exact"
    assert exact.headers["content-disposition"].startswith('attachment; filename="vongtay-2026-10-exact-signed.json"')
    assert exact.headers["cache-control"] == "no-store"
    desk.later(days=30)
    await desk.periods.look_after()
    assert Edition.read((await visitor.ask(target)).body).audience == "published"
    async with desk.database.transaction() as connection:
        taken = (await connection.execute(text("SELECT edition, file, by_whom FROM period_export ORDER BY at"))).all()
    assert [tuple(row) for row in taken] == [
        (0, "signed.json", "ha.coordinator"),
        (None, "signed.json", "ha.coordinator"),
    ]


async def test_anybody_checks_the_signature_with_the_published_key_alone(desk: House) -> None:
    await desk.close()
    desk.later(days=30)
    await desk.periods.look_after()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("tuan.statistician")
    content = (await visitor.ask(f"/stats/api/periods/{MONTH}/signed.json")).body
    signed = (await visitor.ask(f"/stats/api/periods/{MONTH}/signature", headers={"accept": "application/json"})).json()
    key = load_pem_public_key((await visitor.ask("/stats/api/periods/key")).body)
    key.verify(base64.b64decode(signed["signature"]), content)  # type: ignore[union-attr, call-arg]
    assert key.public_bytes_raw() == KEY.public  # type: ignore[union-attr]


@pytest.mark.parametrize("name", list(FILES))
async def test_every_file_is_handed_out(desk: House, name: str) -> None:
    await desk.close()
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    answer = await visitor.ask(f"/stats/api/periods/{MONTH}/{name}?edition=exact")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(FILES[name].media.partition(";")[0])


@pytest.mark.parametrize("code", ["2026-09", "..%2F", "x", "2026-13"])
async def test_a_period_that_is_not_closed_is_not_found(desk: House, code: str) -> None:
    visitor = _visitor(desk.periods, desk)
    await visitor.enter("ha.coordinator")
    assert (await visitor.ask(f"/stats/periods/{code}")).status == 404
    assert (await visitor.ask(f"/stats/periods/{MONTH}/nothing")).status == 404
    assert (await visitor.ask(f"/stats/api/periods/{MONTH}/nothing.csv")).status == 404


async def test_what_is_closed_of_real_history_is_what_a_recount_gives_and_a_correction_is_a_revision(
    fresh_database: str,
) -> None:
    """Events, history, evaluating and closing together."""
    now = SimpleNamespace(now=datetime(2026, 11, 20, 9, tzinfo=ZONE))
    async with house(fresh_database, []) as made:
        evaluator = Evaluator()
        releasing = Releasing(Releases(), evaluator)

        periods = Periods(
            made.database,
            lambda: now.now,
            Freezing(made.database, evaluator, releasing),
            Taking(evaluator.count, evaluator),
            Upkeep(made.database, lambda: now.now),
            made.is_counted,
            KEY,
        )
        opened = {"opened_at": datetime(2026, 10, 5, 3, tzinfo=ZONE)}
        events = [make.case(f"case-{one}", 1, unit=("05443", "05455")[one % 2], **opened) for one in range(9)]
        events += [make.child(f"child-{one}", 1) for one in range(4)]
        await _record(made.database, events, NOW)
        await periods.close(COORDINATOR, MONTH)
        await periods.look_after()
        signed = await periods.exact(MONTH)
        assert signed is not None
        closed = signed.read()
        assert figure(closed, "cases-opened") == 9
        assert figure(closed, "cases-opened", "unit", "05443") == 5
        assert figure(closed, "children") == 4
        assert figure(closed, "reports-received") == 0
        published = await periods.published(MONTH)
        assert published is not None
        assert figure(published.read(), "children") is None
        now.now += timedelta(days=1)
        await _record(made.database, [make.case("case-0", 2, unit="05455", **opened)], now.now)
        now.now += timedelta(days=1)
        changed = {(one.indicator, one.category) for one in await periods.changes_now(closed.period)}
        assert ("cases-opened", "05455") in changed


def test_what_files_are_called_has_its_english() -> None:
    assert {*(kind.title for kind in FILES.values()), "Số lượng"} - english(("services.stats",)).keys() == set()
