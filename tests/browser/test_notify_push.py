"""The inbox's button for notifications of a browser, and what the browser then shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Page

from tests.integration.notify_house import House, make_house, until
from tests.support.push import Browser as Subscribed

# No push service can be reached from here: what the browser would get from its own is handed to it.
SUBSCRIBE = """
  let known = null;
  PushManager.prototype.getSubscription = async () => known;
  PushManager.prototype.subscribe = async (wanted) => {
    window.asked = btoa(String.fromCharCode(...new Uint8Array(wanted.applicationServerKey)));
    known = { toJSON: () => (%s), unsubscribe: async () => { known = null; return true; } };
    return known;
  };
"""


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with make_house(fresh_database) as made:
        yield made


@asynccontextmanager
async def inbox_of(browser: Browser, house: House, *, permission: bool, width: int = 360) -> AsyncIterator[Page]:
    """lan.worker's inbox, open in a browser that may or may not show notifications."""
    context = await browser.new_context(viewport={"width": width, "height": 800})
    if permission:
        await context.grant_permissions(["notifications"], origin=house.url)
    page = await context.new_page()
    await page.add_init_script(SUBSCRIBE % Subscribed("https://push.example/x").to_json())
    await page.goto(f"{house.url}/identity/sign-in")
    await page.evaluate(
        """() => { const token = document.querySelector('[name=form_token]').value;
            return fetch('/identity/sign-in/demo', {method: 'POST', redirect: 'manual', body: new URLSearchParams(
                {form_token: token, person: 'lan.worker', next: '/notify/'})}); }"""
    )
    await page.goto(f"{house.url}/notify/")
    try:
        yield page
    finally:
        await context.close()  # its live page would keep the house open


async def test_a_press_subscribes_this_browser_and_another_takes_it_back(house: House, browser: Browser) -> None:
    async with inbox_of(browser, house, permission=True) as page:
        on = page.get_by_role("button", name="Bật thông báo trên máy này")
        await on.click()
        await page.get_by_text("Đã bật. Tin khẩn sẽ hiện trên máy này.").wait_for()
        assert await page.evaluate("window.asked.length") == 88  # a point of P-256: 65 bytes
        (row,) = await house.rows("SELECT channel, person, state FROM endpoint")
        assert (row.channel, row.person, row.state) == ("push", "lan.worker", "active")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 360
        await page.get_by_role("button", name="Tắt thông báo trên máy này").click()
        await page.get_by_text("Đã tắt trên máy này.").wait_for()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE state = 'deleted'"))
        assert await on.is_visible()


async def test_who_does_not_allow_it_is_told_so_and_nothing_is_kept(house: House, browser: Browser) -> None:
    async with inbox_of(browser, house, permission=False) as page:
        await page.evaluate("Notification.requestPermission = async () => 'denied'")
        await page.get_by_role("button", name="Bật thông báo trên máy này").click()
        await page.get_by_text("Trình duyệt không cho phép hiện thông báo.").wait_for()
        assert not await house.rows("SELECT 1 FROM endpoint")


async def test_a_message_is_shown_with_its_words_and_its_link(house: House, browser: Browser) -> None:
    async with inbox_of(browser, house, permission=True) as page:
        await page.evaluate("navigator.serviceWorker.ready.then(() => 1)")
        session = await page.context.new_cdp_session(page)
        known: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def registered(event: dict[str, list[dict[str, str]]]) -> None:
            for one in event["registrations"]:
                if one["scopeURL"].endswith("/notify/") and not known.done():
                    known.set_result(one["registrationId"])

        session.on("ServiceWorker.workerRegistrationUpdated", registered)
        await session.send("ServiceWorker.enable")
        link = f"{house.url}/notify/a/x"
        said = {"title": "KHẨN: Quá hạn", "body": "Hạn: 15:00", "link": link, "urgent": True}
        message = {"origin": house.url, "registrationId": await asyncio.wait_for(known, 60), "data": json.dumps(said)}
        await session.send("ServiceWorker.deliverPushMessage", message)
        shown = """navigator.serviceWorker.ready.then((it) => it.getNotifications()).then((all) =>
            all.map((one) => [one.title, one.body, one.data.link, one.requireInteraction]))"""
        async with asyncio.timeout(60):
            while not (seen := await page.evaluate(shown)):
                await asyncio.sleep(0.1)
        assert seen == [["KHẨN: Quá hạn", "Hạn: 15:00", link, True]]
