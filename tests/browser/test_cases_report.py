"""Form 01 in a real browser: written by keyboard alone, kept while it is typed, and there again after the window."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from tests.integration.cases_house import NAME, UNIT, House, concern, house

__all__ = ["house"]


@pytest.fixture
async def address(house: House, free_port: Callable[[], int]) -> AsyncIterator[str]:
    """Where the house answers on a port, in the tests' own loop."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(house.app, host="127.0.0.1", port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


async def window(browser: Any, house: House, address: str, person: str = "mai.hotline") -> Any:
    """A window in which somebody is signed in."""
    cookies = (await house.as_person(person)).cookies
    context = await browser.new_context(viewport={"width": 1280, "height": 900})
    await context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
    return context


async def test_a_report_is_written_and_sent_by_keyboard_with_what_is_known_beside_it(
    browser: Any, house: House, address: str
) -> None:
    await house.send(("concern.reported", "C-1", concern()))
    context = await window(browser, house, address)
    page = await context.new_page()
    await page.goto(f"{address}/cases/report")
    keys = page.keyboard
    await keys.press("2")  # no danger now; the first field has the focus
    await keys.press("Enter")
    await keys.press("1")  # protection
    await keys.press("Enter")
    await keys.type("Bé khóc suốt đêm")
    await keys.press("Tab")
    await keys.type("phan dinh phung")
    await keys.press("Tab")
    await keys.press("Enter")
    await keys.type("thu nghiem nguyen thi")
    await page.wait_for_selector("text=BT-2026-000001")
    assert NAME not in await page.content()
    await keys.press("Control+Enter")
    await page.wait_for_url("**/cases/concerns/**")
    rows = await house.rows("SELECT unit, danger_now, request FROM concern ORDER BY code")
    assert rows[1] == (UNIT, "no", "protection")
    await context.close()


async def test_what_was_typed_survives_a_closed_window(browser: Any, house: House, address: str) -> None:
    context = await window(browser, house, address)
    page = await context.new_page()
    await page.goto(f"{address}/cases/report")
    await page.fill("#f-what_happened", "Đang nói dở thì mất điện")
    await page.wait_for_selector('[data-draft-state][data-state="saved"]')
    assert "Đã lưu lúc" in await page.inner_text("[data-draft-state]")
    await page.close()
    again = await context.new_page()
    await again.goto(f"{address}/cases/")
    await again.click("text=Ghi tiếp")
    assert await again.input_value("#f-what_happened") == "Đang nói dở thì mất điện"
    await context.close()


async def test_a_save_that_fails_says_so_and_is_tried_again(browser: Any, house: House, address: str) -> None:
    context = await window(browser, house, address)
    page = await context.new_page()
    await page.goto(f"{address}/cases/report")
    await page.route("**/cases/drafts/**", lambda route: route.abort())
    await page.fill("#f-what_happened", "Mạng chập chờn")
    await page.wait_for_selector('[data-draft-state][data-state="failed"]')
    assert "đang thử lại" in await page.inner_text("[data-draft-state]")
    await page.unroute("**/cases/drafts/**")
    await page.wait_for_selector('[data-draft-state][data-state="saved"]')
    assert len(await house.rows("SELECT 1 FROM draft WHERE body IS NOT NULL")) == 1
    await context.close()


async def test_a_second_window_on_one_draft_overwrites_nothing(browser: Any, house: House, address: str) -> None:
    context = await window(browser, house, address)
    first = await context.new_page()
    await first.goto(f"{address}/cases/report")
    await first.fill("#f-what_happened", "Một")
    await first.wait_for_selector('[data-draft-state][data-state="saved"]')
    key = (await house.rows("SELECT key FROM draft"))[0].key
    second = await context.new_page()
    await second.goto(f"{address}/cases/report?draft={key.removeprefix('report/')}")
    await second.fill("#f-what_happened", "Hai")
    await second.wait_for_selector('[data-draft-state][data-state="saved"]')
    await first.fill("#f-what_happened", "Ba")
    await first.wait_for_selector('[data-draft-state][data-state="changed"]')
    await second.reload()
    assert await second.input_value("#f-what_happened") == "Hai"
    await context.close()


@pytest.mark.parametrize("width", [360, 1280])
async def test_the_pages_of_intake_fit_their_window(browser: Any, house: House, address: str, width: int) -> None:
    await house.send(("concern.reported", "C-1", concern(more_children=[{"name": "x" * 200}])))
    waiting = (await house.rows("SELECT id FROM concern"))[0].id
    for person, paths in {
        "mai.hotline": ["/cases/", "/cases/report", "/cases/search"],
        "lan.worker": [f"/cases/concerns/{waiting}", "/cases/search"],
    }.items():
        context = await window(browser, house, address, person)
        page = await context.new_page()
        await page.set_viewport_size({"width": width, "height": 800})
        for path in paths:
            await page.goto(address + path)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        await context.close()
