"""The shell as people meet it: on a phone and on a desk, with a keyboard, in the light and in the dark."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.accessibility import barriers

WIDTHS = (360, 1280)
SCHEMES = ("light", "dark")
PAGES = ("/", "/identity/sign-in", "/nothing", "/cases")

# Contrast of every text with what is behind it, as WCAG 2.2 counts it; large or bold text needs 3, other text 4.5.
CONTRAST = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => [r, g, b]
    .map((c) => c / 255).map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility() || element.closest("svg, option, script")) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(rgba(style.color)), luminance(behind(element))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    if ((a + 0.05) / (b + 0.05) < enough) {
      poor.push(`${node.textContent.trim().slice(0, 30)}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
    }
  }
  return poor;
}
"""

# What the focus stands on: its words, and whether a ring shows it.
FOCUS = """
() => {
  const at = document.activeElement;
  const box = at.getBoundingClientRect();
  const style = getComputedStyle(at);
  return {
    tag: at.tagName,
    text: (at.textContent || at.name || "").trim().slice(0, 30),
    href: at.getAttribute("href"),
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    seen: box.width > 0 && box.bottom > 0,
  };
}
"""


async def open_page(browser: Any, url: str, path: str, width: int, scheme: str = "light", **options: Any) -> Any:
    context = await browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **options)
    page = await context.new_page()
    if path == "/cases":
        await page.goto(url + "/identity/sign-in?next=/cases")
        await page.locator("button[value='lan.worker'], input[value='lan.worker'] ~ button").first.click()
        await page.wait_for_url("**/cases")
    else:
        await page.goto(url + path)
    return page


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_a_phone_shows_every_entry_of_the_navigation(browser: Any, gallery_url: str, language: str) -> None:
    page = await open_page(browser, gallery_url, "/cases", 360)
    await page.locator(f"a[hreflang={language}]").click()
    wanted, there = await page.evaluate(
        "(({scrollWidth, clientWidth}) => [scrollWidth, clientWidth])(document.querySelector('.nav ul'))"
    )
    await page.context.close()
    assert 0 < wanted <= there


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", PAGES)
async def test_nothing_scrolls_sideways(browser: Any, gallery_url: str, path: str, width: int) -> None:
    page = await open_page(browser, gallery_url, path, width)
    wide = await page.evaluate("document.documentElement.scrollWidth")
    await page.context.close()
    assert wide <= width


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", PAGES)
async def test_every_text_stands_out(browser: Any, gallery_url: str, path: str, scheme: str) -> None:
    page = await open_page(browser, gallery_url, path, 1280, scheme)
    poor = await page.evaluate(CONTRAST)
    await page.context.close()
    assert poor == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", PAGES)
async def test_a_checker_of_accessibility_finds_nothing(browser: Any, gallery_url: str, path: str, scheme: str) -> None:
    page = await open_page(browser, gallery_url, path, 360 if scheme == "dark" else 1280, scheme)
    found = await barriers(page)
    await page.context.close()
    assert found == []


@pytest.mark.parametrize("width", WIDTHS)
async def test_a_keyboard_reaches_everything_and_shows_where_it_is(browser: Any, gallery_url: str, width: int) -> None:
    page = await open_page(browser, gallery_url, "/cases", width)
    # The page puts the focus on what is wrong with the form; a reader begins at the top.
    await page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    stops = []
    for _ in range(60):
        await page.keyboard.press("Tab")
        stop = await page.evaluate(FOCUS)
        if stop["tag"] == "BODY":
            break
        stops.append(stop)
    await page.context.close()
    texts = [stop["text"] for stop in stops]
    for wanted in ("Vụ việc", "EN", "Ghi nhận báo tin", "born", "Lưu", "Đóng vụ việc"):
        assert wanted in texts, wanted
    assert [stop["text"] for stop in stops if not (stop["ring"] and stop["seen"])] == []


async def test_the_first_stop_leads_past_the_navigation(browser: Any, gallery_url: str) -> None:
    page = await open_page(browser, gallery_url, "/", 1280)
    await page.keyboard.press("Tab")
    first = await page.evaluate(FOCUS)
    await page.keyboard.press("Enter")
    focused = await page.evaluate("document.activeElement.id")
    await page.context.close()
    assert first["href"] == "#main"
    assert first["seen"]
    assert focused == "main"


async def test_what_is_pressed_on_a_phone_is_large_enough(browser: Any, gallery_url: str) -> None:
    page = await open_page(browser, gallery_url, "/cases", 360)
    # WCAG 2.2, 2.5.8: 24 by 24 CSS pixels, but for links inside sentences.
    small = await page.evaluate(
        """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, summary")]
        .filter((e) => e.checkVisibility() && !e.closest("p, li > a:only-child, .skip") && !e.matches(".skip"))
        .map((e) => [e.textContent.trim() || e.name, (e.closest("label") ?? e).getBoundingClientRect()])
        .filter(([, box]) => box.height < 24 || box.width < 24).map(([text]) => text)"""
    )
    await page.context.close()
    assert small == []


async def test_the_page_obeys_its_own_policy_and_reports_no_error(browser: Any, gallery_url: str) -> None:
    page = await open_page(browser, gallery_url, "/", 1280)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if gallery_url not in request.url else None)
    await page.goto(gallery_url + "/identity/sign-in?next=/cases")
    await page.locator("input[value='lan.worker'] ~ button").click()
    await page.locator("[data-live-state='live']").wait_for()
    await page.context.close()
    assert said == []
    assert foreign == []


async def test_an_open_page_asks_again_unnoticed_and_ends_once_its_reader_signed_out_elsewhere(
    browser: Any, gallery_url: str
) -> None:
    """A stream that nobody looked at again would show figures to whoever is signed out, or may see less by now."""
    page = await open_page(browser, gallery_url, "/cases", 1280)
    streams: list[int] = []
    page.on("response", lambda answer: streams.append(answer.status) if "/cases/live" in answer.url else None)
    await page.locator("[data-live-state='live']").wait_for()
    await page.evaluate(
        """() => {
          window.states = [];
          new MutationObserver((changes) => window.states.push(...changes.map((one) => one.target.dataset.liveState)))
            .observe(document.querySelector("[data-live-state]"), {attributeFilter: ["data-live-state"]});
        }"""
    )
    await page.wait_for_timeout(5000)
    assert streams.count(200) >= 2
    assert await page.evaluate("window.states") == []
    other = await page.context.new_page()
    await other.goto(gallery_url + "/cases")
    await other.locator("details.account summary").click()
    await other.locator("form[action='/identity/sign-out'] button").click()
    await other.wait_for_url("**/identity/sign-in")
    await page.locator("[data-live-state='lost']").wait_for(timeout=60_000)
    assert streams[-1] == 401
    await page.context.close()


@pytest.mark.parametrize("steps", [1, 3])
async def test_whoever_presses_back_after_somebody_signed_out_sees_nothing_of_theirs(
    keeping_browser: Any, gallery_url: str, steps: int
) -> None:
    page = await open_page(keeping_browser, gallery_url, "/cases", 1280)
    for path in ("/components", "/cases"):
        await page.goto(gallery_url + path)
    name = await page.locator("details.account summary").inner_text()
    assert name.strip()
    copied = await page.context.cookies()
    await page.locator("details.account summary").click()
    await page.locator("form[action='/identity/sign-out'] button").click()
    await page.wait_for_url("**/identity/sign-in")
    for _ in range(steps):
        await page.go_back()
    await page.wait_for_url("**/identity/sign-in**")
    assert name.strip() not in await page.content()
    # Nor does a copy of the cookie from before.
    await page.context.add_cookies(copied)
    await page.goto(gallery_url + "/cases")
    await page.wait_for_url("**/identity/sign-in**")
    await page.context.close()


async def test_without_scripts_the_page_still_tells_everything(browser: Any, gallery_url: str) -> None:
    page = await open_page(browser, gallery_url, "/cases", 360, java_script_enabled=False)
    shown = await page.locator("main").inner_text()
    state = await page.locator(".live-state").inner_text()
    await page.context.close()
    assert "VT-2026-00417" in shown
    assert re.search(r"Số liệu lúc 24/11/2026 08:30", state)


async def test_on_paper_only_the_content_remains(browser: Any, gallery_url: str) -> None:
    page = await open_page(browser, gallery_url, "/cases", 1280, "dark")
    await page.emulate_media(media="print", color_scheme="dark")
    shown = {name: await page.locator(name).first.is_visible() for name in (".top", ".foot", ".crumbs", "h1", ".table")}
    paper = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    poor = await page.evaluate(CONTRAST)
    await page.context.close()
    assert shown == {".top": False, ".foot": False, ".crumbs": False, "h1": True, ".table": True}
    assert paper == "rgb(255, 255, 255)"
    assert poor == []
