"""A form of the law in a real browser: what it lacks and adds up to while somebody types, rows, drafts, a phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from tests.integration.cases_house import House, act_on, concern, house
from tests.support.rated import ROWS

__all__ = ["house"]
FORM = "assess-initial"


@pytest.fixture
async def form_page(house: House, browser: Any, free_port: Callable[[], int]) -> AsyncIterator[Any]:
    """Form 02 of a case, open before its worker on a phone."""
    await house.send(("concern.reported", "C-1", concern()))
    worker = await house.as_person("lan.worker")
    row = (await house.rows("SELECT id FROM concern"))[0]
    await act_on(worker, f"/cases/concerns/{row.id}", "open", {})
    case_id = (await house.rows("SELECT id FROM cases"))[0].id
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(house.app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    address = f"http://127.0.0.1:{port}"
    context = await browser.new_context(viewport={"width": 360, "height": 780}, locale="vi-VN")
    name, value = next(iter(worker.cookies.items()))
    await context.add_cookies([{"name": name, "value": value, "url": address}])
    page = await context.new_page()
    broken: list[str] = []
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.on("console", lambda message: broken.append(message.text) if message.type == "error" else None)
    await page.goto(f"{address}/cases/c/{case_id}/forms/{FORM}")
    yield page
    await context.close()
    server.should_exit = True
    await serving
    assert broken == []


async def test_what_is_missing_and_what_rows_add_up_to_follow_every_keystroke(form_page: Any) -> None:
    missing = form_page.locator("[data-missing]")
    assert "Còn thiếu 8 mục:" in await missing.inner_text()
    await missing.get_by_role("link", name="Kết luận và lý do").click()
    assert await form_page.evaluate("document.activeElement.name || location.hash") in (
        f"{FORM}.conclusion",
        f"#f-{FORM}-conclusion",
    )
    for row in ROWS:
        await form_page.check(f'[name="{FORM}.ratings.{row}"][value=high]')
    totals = await form_page.locator("[data-totals]").inner_text()
    assert "Gợi ý từ tổng điểm: Trung bình" in totals
    assert "Còn thiếu 2 mục: Kết luận mức độ nguy cơ, Kết luận và lý do" in await missing.inner_text()
    await form_page.check(f'[name="{FORM}.level"][value=high]')
    await form_page.fill(f'[name="{FORM}.conclusion"]', "Nguy cơ cao")
    assert not await missing.is_visible()
    await form_page.fill(f'[name="{FORM}.answers.urgent-needs.0.provider"]', "Hội Phụ nữ")
    assert "Nhu cầu trước mắt và nơi đáp ứng 1: Nhu cầu" in await missing.inner_text()


async def test_a_row_is_added_in_place_and_what_is_typed_is_there_after_a_lost_tab(form_page: Any) -> None:
    await form_page.get_by_role("button", name="Thêm dòng").click()
    second = f"{FORM}.answers.urgent-needs.1.need"
    assert await form_page.evaluate("document.activeElement.name") == second
    await form_page.keyboard.type("Chăn ấm")
    await form_page.wait_for_selector('[data-draft-state][data-state="saved"]')
    await form_page.reload()
    assert await form_page.input_value(f'[name="{second}"]') == "Chăn ấm"
    assert "Tiếp tục bản nháp" in await form_page.locator("[data-draft-state]").inner_text()


async def test_enter_in_a_field_sends_the_form_and_the_page_fits_a_phone(form_page: Any) -> None:
    assert await form_page.evaluate("document.documentElement.scrollWidth") == 360
    for row in ROWS:
        await form_page.check(f'[name="{FORM}.ratings.{row}"][value=medium]')
    await form_page.check(f'[name="{FORM}.level"][value=medium]')
    await form_page.fill(f'[name="{FORM}.conclusion"]', "Trẻ cần được theo dõi thêm tại nhà.")
    await form_page.focus(f'[name="{FORM}.answers.assessor"]')
    async with form_page.expect_navigation():
        await form_page.keyboard.press("Enter")
    assert form_page.url.endswith(f"?done={FORM}")
