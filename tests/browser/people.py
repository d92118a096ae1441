"""People of the demo, each in a browser session of their own: they sign in, read, fill in forms, send."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.support.accessibility import barriers

_WIDE = {"width": 1280, "height": 900}
_PHONE = {"width": 360, "height": 740}
_PATIENCE = 60.0
# What tells two pages of one kind apart in an address.
_WHICH = re.compile(r"[0-9a-f-]{32,}|\d{4,}(?:-[\dQHSY]+)?|\?.*")
# What stands beyond the window's edge, to be told.
_WIDER = """[...document.querySelectorAll("main *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 9).map((e) => e.outerHTML.slice(0, 160))"""


class Somebody:
    """One person's browser.

    Args:
        page: of the session. url: of the platform. shots: where pictures of what they saw are kept, if anywhere.
        checked: the kinds of pages at which somebody of the company has looked already.
    """

    def __init__(self, page: Any, url: str, name: str, shots: Path | None, checked: set[str] | None = None) -> None:
        self.page = page
        self.name = name
        # What went wrong on their pages, unseen: scripts that broke, what the content policy refused.
        self.broken: list[str] = []
        self._url = url
        self._shots = shots
        self._checked = set() if checked is None else checked
        self._phone = page.viewport_size == _PHONE
        self._seen = 0
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("console", self._heard)
        page.set_default_timeout(_PATIENCE * 1000)
        page.on("dialog", lambda dialog: dialog.accept())

    def _heard(self, message: Any) -> None:
        # A page that is refused is an answer like another.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.broken.append(message.text)

    async def go(self, path: str) -> str:
        """Open a page. Out: its text."""
        await self.page.goto(self._url + path)
        await self._check()
        return await self.text()

    async def _check(self) -> None:
        """The first page of each kind that anybody sees is looked at for what would keep somebody out of it."""
        kind = _WHICH.sub("", self.page.url.removeprefix(self._url)) + (" (phone)" if self._phone else "")
        if kind not in self._checked:
            self._checked.add(kind)
            self.broken += [f"{kind}: {found}" for found in await barriers(self.page)]

    async def text(self) -> str:
        """What the page says."""
        found: str = await self.page.locator("body").inner_text()
        return found

    async def reads(self, path: str, *said: str) -> str:
        """Open a page, again and again until it says all of this. Out: its text. Raises `AssertionError` in the end."""
        end = time.monotonic() + _PATIENCE
        while True:
            text = await self.go(path)
            missing = [one for one in said if one not in text]
            if not missing:
                return text
            assert time.monotonic() < end, (self.name, path, missing, text)
            await asyncio.sleep(0.3)

    async def refused(self, path: str) -> None:
        """A page is not there for them."""
        answer = await self.page.goto(self._url + path)
        assert answer.status in (403, 404), (self.name, path, answer.status)

    async def press(self, link: Any) -> str:
        """Follow a link. Out: the text of where it leads."""
        async with self.page.expect_navigation():
            await link.click()
        await self._check()
        return await self.text()

    async def fill(self, form: Any, fields: Mapping[str, str]) -> None:
        """Fill in a form's fields by name: a text, a choice's value, a radio button's or box's value."""
        for name, value in fields.items():
            field = form.locator(f'[name="{name}"]')
            kind = await field.first.evaluate("e => e.tagName === 'INPUT' ? e.type : e.tagName")
            if kind in ("radio", "checkbox"):
                await form.locator(f'[name="{name}"][value="{value}"]').check()
            elif kind == "SELECT":
                await field.first.select_option(value)
            else:
                await field.first.fill(value)

    async def send(self, form: Any) -> None:
        """Send a form by its last button that has no name; agree to what it asks."""
        async with self.page.expect_navigation():
            await form.locator('button[type="submit"]:not([name])').last.click()
        await self._check()

    async def act(self, path: str, act: str, fields: Mapping[str, str] | None = None) -> str:
        """Do something on a page of a case or report: open its fold, fill it in, send. Out: what the page says then."""
        await self.try_to(path, act, fields)
        assert self.page.url.endswith(f"?done={act}"), (self.name, act, await self.text())
        return await self.text()

    async def try_to(self, path: str, act: str, fields: Mapping[str, str] | None = None) -> str:
        """The same, whatever comes of it."""
        await self.go(f"{path}?act={act}")
        form = self.page.locator("form", has=self.page.locator(f'input[name="act"][value="{act}"]'))
        fold = self.page.locator("details", has=form).last
        if not await fold.evaluate("e => e.open"):
            await fold.locator("summary").first.click()
        await self.fill(form, _named(act, fields))
        await self.send(form)
        return await self.text()

    async def law_form(self, case: str, act: str, fields: Mapping[str, str]) -> str:
        """Fill in a form of the law and send it. Out: what the case's page says then."""
        await self.go(f"{case}/forms/{act}")
        form = self.page.locator("form.law-form")
        await self.fill(form, _named(act, fields))
        await self.send(form)
        assert self.page.url.endswith(f"?done={act}"), (self.name, act, await self.text())
        return await self.text()

    async def about_task(self, case: str, kind: str, act: str, fields: Mapping[str, str] | None = None) -> str:
        """Do something about a task that waits, beside it on the case's page. In: the name of the task's kind."""
        await self.go(case)
        task = self.page.locator("article.task", has_text=kind)
        rare = task.locator(f'a[href*="act={act}&"]')
        if await rare.count():
            await self.press(rare)
        inside = self.page.locator(f'input[name="act"][value="{act}"]')
        form, fold = task.locator("form", has=inside), task.locator("details", has=inside)
        if await fold.count() and not await fold.evaluate("e => e.open"):
            await fold.locator("summary").click()
        await self.fill(form, _named(act, fields))
        await self.send(form)
        assert self.page.url.endswith(f"?done={act}"), (self.name, act, await self.text())
        return await self.text()

    async def answer(self, case_code: str, kind: str, fields: Mapping[str, str]) -> str:
        """A sector answers a task: found on its day, by the case's code and the name of the task's kind."""
        await self.reads("/cases/", case_code)
        line = self.page.locator("tr", has_text=case_code).filter(has_text=kind)
        before = await self.press(line.get_by_role("link").first)
        form = self.page.locator("form.answer")
        await self.fill(form, fields)
        await self.send(form)
        assert self.page.url.endswith("?done=answer"), (self.name, kind, await self.text())
        return before

    async def tab_to(self, name: str) -> None:
        """Go on by keyboard to a field. Raises `AssertionError` where no key leads there."""
        for _ in range(80):
            if await self.page.evaluate("document.activeElement.name") == name:
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"The keyboard does not reach {name}")

    async def download(self, address: str) -> bytes:
        """A paper, as it is downloaded."""
        answer = await self.page.request.get(self._url + address)
        assert answer.ok, (self.name, address, answer.status)
        found: bytes = await answer.body()
        return found

    async def fits(self) -> None:
        """Nothing on the page is wider than the window."""
        wide, window = await self.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        assert wide <= window, (self.name, self.page.url, wide, window, await self.page.evaluate(_WIDER))

    async def shot(self, what: str) -> None:
        """Keep a picture of the page as it is."""
        if self._shots is not None:
            self._seen += 1
            name = f"{self.name}-{self._seen:02d}-{what}.png"
            await self.page.screenshot(path=self._shots / name, full_page=True)


class Company:
    """Everybody who takes part, signed in once each."""

    def __init__(self, browser: Any, url: str, shots: Path | None = None) -> None:
        self._browser = browser
        self._url = url
        self._shots = shots
        self._stack = AsyncExitStack()
        self._known: dict[tuple[str, bool], Somebody] = {}
        self._checked: set[str] = set()

    async def __aenter__(self) -> Company:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def person(self, account: str, *, phone: bool = False) -> Somebody:
        """The person of an account, in a session of their own; the one with a phone also has a desk."""
        if (account, phone) not in self._known:
            context = await self._browser.new_context(viewport=_PHONE if phone else _WIDE, locale="vi-VN")
            self._stack.push_async_callback(context.close)
            page = await context.new_page()
            somebody = Somebody(page, self._url, account, self._shots, self._checked)
            await somebody.go("/identity/sign-in")
            form = page.locator("form", has=page.locator(f'input[name="person"][value="{account}"]'))
            async with page.expect_navigation():
                await form.locator("button").click()
            self._known[account, phone] = somebody
        return self._known[account, phone]

    def broken(self) -> list[str]:
        """What went wrong unseen on anybody's pages."""
        return [f"{somebody.name}: {said}" for somebody in self._known.values() for said in somebody.broken]


def _named(act: str, fields: Mapping[str, str] | None) -> dict[str, str]:
    return {f"{act}.{name}": value for name, value in (fields or {}).items()}
