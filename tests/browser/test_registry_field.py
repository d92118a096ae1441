"""Verifying at home in a real browser: a list is taken along, the network goes, and nothing that was typed is lost.

`VONGTAY_TEST_SHOTS` names a folder for pictures of what the worker saw.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from sqlalchemy import text

from services.registry.app import build
from services.registry.desk import Desk
from services.registry.domain.children import Statement
from services.registry.store import children as store
from shared.contracts.vocabulary import ChildDescription
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.browser.conftest import serving
from tests.browser.people import Company, Somebody

pytestmark = pytest.mark.timeout(180)
HOME, HAMLET = "05443", "Xóm Núi Tân"
NAMES = ("Nguyễn Thị Ngọc Anh", "Trần Văn Bình", "Lò Thị Chi", "Hoàng A Dình", "Vàng Thị Êm", "Sùng A Phử")
# Every byte that lies in the databases of the page, and in its caches.
ON_DEVICE = """async () => {
    const found = [];
    const done = (asked) => new Promise((then) => { asked.onsuccess = () => then(asked.result); });
    for (const { name } of await indexedDB.databases()) {
        const database = await done(indexedDB.open(name));
        for (const store of database.objectStoreNames) {
            for (const row of await done(database.transaction(store).objectStore(store).getAll())) {
                found.push(name + JSON.stringify(row) + new TextDecoder().decode(row.data));
            }
        }
        database.close();
    }
    for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const request of await cache.keys()) {
            found.push(await (await cache.match(request, { ignoreVary: true })).text());
        }
    }
    return found;
}"""


@dataclass
class Village:
    """The registry behind a port, its children, and a second hand that changes records."""

    url: str
    database: Database
    desk: Desk
    children: list[str]

    async def correct(self, child_id: str, **changes: str | None) -> None:
        async with self.database.transaction() as connection:
            scope = Scope("registry", connection, datetime.now(UTC))
            row = await store.child(connection, child_id)
            assert row is not None
            wanted = row.known.description.model_copy(update=changes)
            await self.desk.correct(
                scope, child_id, wanted, None, version=row.sequence, actor="person:x", reason="family"
            )
            await scope.flush()

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(statement))).all())


@pytest.fixture
async def village(browser: Any, fresh_database: str, free_port: Callable[[], int]) -> AsyncIterator[Village]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    # The server has a loop of its own, and so connections of its own.
    keys, served, ours = Keys(b"m" * 32, PlatformKey(b"p" * 32)), Database(fresh_database), Database(fresh_database)
    settings = Settings(session_secret="s" * 40, demo_users=True, base_url=url)  # type: ignore[arg-type]
    built = build(ServiceContext(settings, served, keys, lambda: datetime.now(UTC)))
    await ours.migrate(built.migrations)
    desk = Desk(keys)
    ids = []
    for number, name in enumerate(NAMES):
        child = {
            "name": name,
            "birth_date": f"2014-05-1{number}",
            "hamlet": HAMLET,
            "school": "TH Núi Tân",
            "grade": "4",
        }
        child["address"] = f"Nhà số {number + 1}"
        described = ChildDescription.model_validate({**child, "carers": [{"name": "Lý Thị Lan", "relation": "mẹ"}]})
        said = Statement(new_id(), "commune-roster", "dolisa", datetime.now(UTC).date(), described, HOME)
        async with ours.transaction() as connection:
            scope = Scope("registry", connection, datetime.now(UTC))
            ids.append(await desk.register(scope, said))
            await scope.flush()
    router = APIRouter(prefix="/registry")
    router.include_router(built.router)
    app = create_app(
        "registry", [router], built.pages, demo_directory(Units.load().names()), settings, prefix="/registry"
    )
    with serving(app, port):
        yield Village(url, ours, desk, ids)
    await ours.close()


@pytest.fixture
async def company(browser: Any, village: Village) -> AsyncIterator[Company]:
    named = os.environ.get("VONGTAY_TEST_SHOTS")
    if named:
        Path(named).mkdir(parents=True, exist_ok=True)
    async with Company(browser, village.url, Path(named) if named else None) as people:
        yield people
        assert [said for said in people.broken() if "ERR_INTERNET_DISCONNECTED" not in said] == []


async def take_list(worker: Somebody) -> None:
    """Choose the hamlet and take its list along."""
    await worker.go("/registry/field")
    await worker.fits()
    await worker.shot("choose")
    await worker.press(worker.page.get_by_role("button", name=HAMLET))
    await worker.fits()
    await worker.shot("list")
    await worker.page.get_by_role("button", name="Tải danh sách về máy").click()
    await worker.page.wait_for_url("**/registry/field/phone")
    await worker.page.get_by_text("0/6").wait_for()


async def reload_alone(worker: Somebody) -> None:
    await worker.page.reload()
    await worker.page.get_by_text("Không có mạng").wait_for()


async def say(worker: Somebody, **said: str) -> None:
    """Choose per field, by the words on screen."""
    for name, word in said.items():
        await worker.page.locator(f'[data-asked="{name}"]').get_by_text(word, exact=True).click()


async def record(worker: Somebody, button: str = "Ghi, sang trẻ tiếp theo") -> None:
    """Press a button of the form and wait until another child, or the list, is on screen."""
    before = worker.page.url
    await worker.page.get_by_role("button", name=button).last.click()
    await worker.page.wait_for_function("before => location.href !== before", arg=before)
    await asyncio.sleep(0.15)


async def test_a_hamlet_is_gone_through_without_a_network(company: Company, village: Village) -> None:
    worker = await company.person("lan.worker", phone=True)
    context = worker.page.context
    await take_list(worker)
    await worker.fits()
    await worker.shot("device")
    for lies in await worker.page.evaluate(ON_DEVICE):
        assert not any(word in lies for word in (*NAMES, "Núi Tân", "Lý Thị Lan"))
    await context.set_offline(True)
    await reload_alone(worker)
    await worker.page.get_by_role("link", name="Đi tiếp").click()
    await worker.page.get_by_role("heading", name=NAMES[0]).wait_for()
    await worker.fits()
    await worker.shot("child")
    await record(worker, "Tất cả đều đúng, sang trẻ tiếp theo")
    await reload_alone(worker)
    await worker.page.get_by_role("heading", name=NAMES[1]).wait_for()
    await worker.page.get_by_text("1/6").wait_for()
    await say(worker, name="Đúng", birth_date="Đúng", school="Sai", grade="Sai")
    await worker.page.locator('[name="fix.school"]').fill("TH Quyết Thắng")
    # What the server would refuse is said at the family's door: "wrong", and yet the same.
    await worker.page.get_by_role("button", name="Ghi, sang trẻ tiếp theo").last.click()
    await worker.page.locator('[data-asked="grade"]').get_by_text("vẫn như cũ").wait_for()
    assert await worker.page.evaluate("document.activeElement.name") == "fix.grade"
    await worker.page.locator('[name="fix.grade"]').fill("5")
    await worker.fits()
    await worker.shot("correcting")
    await record(worker)
    await worker.page.locator('[name="note"]').fill("Cả nhà đi nương")
    await record(worker, "Không gặp")
    await say(worker, name="Đúng", hamlet="Đúng", carers="Chưa rõ")
    await record(worker)
    await say(worker, address="Sai")
    await worker.page.locator('[name="fix.address"]').fill("Nhà số 55")
    await record(worker)
    await worker.page.get_by_text("5/6").wait_for()
    await worker.page.close()
    # The tab is closed: whoever picks up the phone without a network and a sign-in opens nothing.
    worker.page = await context.new_page()
    worker.page.on("dialog", lambda dialog: dialog.accept())
    await worker.page.goto(village.url + "/registry/field")
    await worker.page.get_by_text("Danh sách đang khóa").first.wait_for()
    shown = await worker.page.content()
    assert not any(word in shown for word in (*NAMES, "Cả nhà đi nương"))
    await worker.shot("locked")
    # Meanwhile somebody else corrects the second child's school.
    await village.correct(village.children[1], school="TH Tân Lập")
    await context.set_offline(False)
    await worker.page.get_by_text("Đã gửi 4 câu trả lời").wait_for()
    await worker.page.get_by_text("TH Tân Lập").wait_for()
    await worker.fits()
    await worker.shot("conflict")
    rows = await village.rows("SELECT confirmed, changed FROM verification ORDER BY at")
    assert len(rows) == 3
    assert rows[-1].changed == ["address"]
    part = worker.page.locator(".problem")
    await part.locator('input[value="mine"]').check()
    await part.get_by_role("button", name="Gửi theo lựa chọn").click()
    await worker.page.get_by_text("Đã gửi 1 câu trả lời").wait_for()
    (row,) = await village.rows(
        f"SELECT description FROM child WHERE id = '{village.children[1]}' AND state = 'verified'"
    )
    assert (row.description["school"], row.description["grade"]) == ("TH Quyết Thắng", "5")
    outcomes = await village.rows("SELECT outcome FROM field_answer")
    assert [row.outcome for row in outcomes] == ["taken"] * 5
    # Of who was sent, only that they are done is left; the last child goes, and with it the list.
    left = "".join(await worker.page.evaluate(ON_DEVICE))
    assert "vongtay-field-lists{" in left
    assert "vongtay-field-answers{" not in left
    await worker.page.get_by_role("link", name="Đi tiếp").click()
    await worker.page.get_by_role("heading", name=NAMES[5]).wait_for()
    await record(worker, "Tất cả đều đúng, sang trẻ tiếp theo")
    await worker.page.get_by_text("Trên máy này không có danh sách nào").wait_for()


async def test_what_is_not_known_is_never_right_and_can_be_added(company: Company, village: Village) -> None:
    for child_id in village.children[:2]:
        await village.correct(child_id, school=None, grade=None)
    worker = await company.person("lan.worker", phone=True)
    await take_list(worker)
    await worker.page.get_by_role("link", name="Đi tiếp").click()
    (listed,) = await village.rows("SELECT id FROM field_list")
    for place, address in enumerate((None, f"/registry/field/lists/{listed.id}/2")):
        if address is not None:
            await worker.go(address)
        await worker.page.get_by_role("heading", name=NAMES[place]).wait_for()
        school = worker.page.locator('[data-asked="school"]')
        assert await school.locator(".choice").all_inner_texts() == ["Bổ sung", "Chưa rõ"]
        circumstances = worker.page.locator('[data-asked="circumstances"]').locator(".choice")
        assert "Đúng" in await circumstances.all_inner_texts(), "none recorded: that may be right"
        await say(worker, school="Bổ sung")
        await worker.page.locator('[name="fix.school"]').fill("TH Núi Tân")
        await worker.fits()
        await worker.shot("adding")
        await record(worker)
    await asyncio.sleep(0.5)
    added = await village.rows("SELECT changed FROM verification")
    assert [row.changed for row in added] == [["school"], ["school"]]


async def test_signing_out_takes_the_list_from_the_device_and_keeps_what_was_not_sent(
    company: Company, village: Village
) -> None:
    worker = await company.person("lan.worker", phone=True)
    context = worker.page.context
    await take_list(worker)
    await context.set_offline(True)
    await worker.page.get_by_role("link", name="Đi tiếp").click()
    await worker.page.get_by_role("heading", name=NAMES[0]).wait_for()
    await record(worker, "Tất cả đều đúng, sang trẻ tiếp theo")
    # Out from another page of the platform.
    await context.route("**/registry/api/field/answers", lambda route: route.abort())
    await context.set_offline(False)
    await worker.go("/registry/field")
    await worker.page.locator("details.account summary").click()
    async with worker.page.expect_navigation():
        await worker.page.get_by_role("button", name="Đăng xuất").click()
    left = "".join(await worker.page.evaluate(ON_DEVICE))
    assert "vongtay-field-lists{" not in left
    assert "vongtay-field-answers{" in left
    await context.unroute("**/registry/api/field/answers")
    await worker.go("/registry/field/phone")
    await worker.page.locator("[data-line]", has_text="chưa đăng nhập").wait_for()
    # Another person on the same phone is told, and can neither open nor send it.
    await sign_in(worker, "thuong.worker")
    await worker.go("/registry/field/phone")
    await worker.page.locator("[data-line]", has_text="1 câu trả lời chưa gửi của người khác").wait_for()
    assert await village.rows("SELECT 1 FROM field_answer") == []
    await sign_in(worker, "lan.worker")
    await worker.go("/registry/field/phone")
    await worker.page.locator("[data-line]", has_text="Đã gửi 1 câu trả lời").wait_for()
    assert len(await village.rows("SELECT 1 FROM verification")) == 1


async def sign_in(worker: Somebody, account: str) -> None:
    await worker.go("/identity/sign-in")
    form = worker.page.locator("form", has=worker.page.locator(f'input[name="person"][value="{account}"]'))
    async with worker.page.expect_navigation():
        await form.locator("button").click()


async def test_the_plain_pages_are_walked_by_keyboard_and_fit_both_screens(company: Company, village: Village) -> None:
    for phone in (True, False):
        worker = await company.person("lan.worker", phone=phone)
        await worker.go("/registry/field")
        await worker.press(worker.page.get_by_role("button", name=HAMLET))
        await worker.press(worker.page.get_by_role("link", name="Bắt đầu"))
        await worker.fits()
        await worker.tab_to("said.name")
        await worker.page.keyboard.press("Space")
        await worker.shot("plain")
        small = await worker.page.evaluate(
            """[...document.querySelectorAll("main form button:not(.hidden), main .choice")]
                .filter((e) => e.offsetParent && e.getBoundingClientRect().height < 44).length"""
        )
        assert small == 0
        async with worker.page.expect_navigation():
            await worker.page.locator('[name="method"]').focus()
            await worker.page.get_by_role("button", name="Ghi, sang trẻ tiếp theo").last.press("Enter")
        assert "/2?said=taken" in worker.page.url
    assert len(await village.rows("SELECT 1 FROM verification WHERE confirmed = '{name}'")) == 2


async def test_nothing_is_left_empty_under_what_stands_side_by_side_on_a_childs_page(
    company: Company, village: Village
) -> None:
    worker = await company.person("lan.worker")
    await worker.page.set_viewport_size({"width": 1280, "height": 900})
    await worker.go(f"/registry/children/{village.children[0]}")
    await worker.shot("child-1280")
    box = """() => {
        const of = (found) => found.getBoundingClientRect();
        const file = document.querySelector(".file");
        const cards = [...file.querySelectorAll(".card")].map(of);
        const [known, seen] = ["known", "circumstances"].map((name) => of(document.getElementById(name)));
        return {
            cards: cards.length,
            empty: of(file).bottom - Math.max(...cards.map((card) => card.bottom)),
            beside: known.top === seen.top && known.right < seen.left,
        };
    }"""
    seen = await worker.page.evaluate(box)
    assert seen["cards"] >= 3
    assert seen["beside"]
    assert abs(seen["empty"]) < 1
