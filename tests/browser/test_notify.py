"""The pages of notify in a real browser, on a phone and at a desk, by keyboard and without scripts.

`VONGTAY_TEST_SHOTS` names a folder for pictures of what people saw.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.browser.people import Company, Somebody
from tests.integration.notify_house import House, concern, make_house, missed

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with make_house(fresh_database) as made:
        yield made


@pytest.fixture
async def company(house: House, browser: Browser) -> AsyncIterator[Company]:
    shots = os.environ.get("VONGTAY_TEST_SHOTS")
    async with Company(browser, house.url, Path(shots) if shots else None) as made:
        yield made
        assert made.broken() == []


async def seen(somebody: Somebody, path: str, name: str) -> str:
    """A page is there, no wider than the window."""
    text = await somebody.go(path)
    await somebody.shot(name)
    await somebody.fits()
    return text


async def test_an_inbox_begins_with_what_must_be_acknowledged(house: House, company: Company) -> None:
    facts = missed().facts.model_copy(update={"code": "TN-2026-000328"})
    await house.hear(("e1", concern()), ("e2", missed().model_copy(update={"facts": facts})))
    worker = await company.person("lan.worker", phone=True)
    text = await seen(worker, "/notify/", "inbox")
    assert text.index("Chưa ai xác nhận") < text.index("TN-2026-000328") < text.index("Khẩn, chưa đọc")
    desk = await company.person("lan.worker")
    await seen(desk, "/notify/", "inbox-wide")
    await desk.go("/notify/?case=tn-2026-000328")
    assert await desk.page.locator(".timeline__item").count() == 1
    await desk.go("/notify/")
    first = desk.page.get_by_role("button", name="Tôi đã nhận và đang xử lý").first
    await first.focus()
    async with desk.page.expect_navigation():
        await desk.page.keyboard.press("Enter")
    assert "Đã có người nhận" in await desk.text()
    await desk.shot("acknowledged")


async def test_somebody_chooses_by_keyboard_how_they_are_called(company: Company) -> None:
    worker = await company.person("lan.worker", phone=True)
    await seen(worker, "/notify/preferences", "preferences")
    desk = await company.person("lan.worker")
    await seen(desk, "/notify/preferences", "preferences-wide")
    await desk.tab_to("digest")
    await desk.page.keyboard.press("ArrowDown")
    await desk.tab_to("digest_at")
    await desk.tab_to("quiet")
    await desk.page.keyboard.press("ArrowDown")
    await desk.tab_to("quiet_from")
    await desk.page.locator('[name="quiet_from"]').fill("20:00")
    async with desk.page.expect_navigation():
        await desk.page.keyboard.press("Enter")
    assert "Đã lưu" in await desk.text()
    checked = desk.page.locator("input:checked")
    assert await checked.evaluate_all("all => all.map((e) => e.name + '=' + e.value).filter((e) => /^(dig|qui)/.test(e))") == [
        "digest=daily", "quiet=own",
    ]  # fmt: skip
    assert await desk.page.locator('[name="quiet_from"]').input_value() == "20:00"


async def test_a_chair_names_who_stands_in_and_enters_a_workers_absence(company: Company) -> None:
    chair = await company.person("binh.chair", phone=True)
    await seen(chair, "/notify/absences", "absences")
    desk = await company.person("binh.chair")
    await seen(desk, "/notify/absences?person=lan.worker", "absences-wide")
    form = desk.page.locator("#enter form")
    await desk.fill(form, {"begins": "2031-03-02T08:00", "ends": "2031-03-05T17:00", "substitute": "binh.chair"})
    await desk.send(form)
    text = await desk.text()
    assert "Đã ghi lịch vắng mặt" in text
    assert "02/03/2031" in text
    await desk.shot("absence-entered")
    worker = await company.person("lan.worker", phone=True)
    assert "Trần Văn Bình" in await seen(worker, "/notify/absences", "absences-mine")
    async with worker.page.expect_navigation():
        await worker.page.get_by_role("button", name="Bỏ lịch này").click()
    assert "Anh chị không có lịch vắng mặt" in await worker.text()
    named = desk.page.locator('form[action="/notify/stand-ins"]').first
    await desk.fill(named, {"named": "binh.chair"})
    await desk.send(named)
    assert "Đã lưu người thay thường trực" in await desk.text()
    await worker.refused("/notify/absences?person=binh.chair")
