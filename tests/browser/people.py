"""People of the demo, each in a browser session of their own: they sign in, read, fill in forms, send."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

_WIDE = {"width": 1280, "height": 900}
_PHONE = {"width": 360, "height": 740}


class Somebody:
    """One person's browser.

    Args:
        page: of the session. url: of the platform. shots: where pictures of what they saw are kept, if anywhere.
    """

    def __init__(self, page: Any, url: str, name: str, shots: Path | None) -> None:
        self.page = page
        self.name = name
        self._url = url
        self._shots = shots
        self._seen = 0

    async def go(self, path: str) -> str:
        """Open a page. Out: its text."""
        await self.page.goto(self._url + path)
        return await self.text()

    async def text(self) -> str:
        """What the page says."""
        found: str = await self.page.locator("body").inner_text()
        return found

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
        """Send a form by its first button of the main kind; agree to what it asks."""
        self.page.once("dialog", lambda dialog: dialog.accept())
        async with self.page.expect_navigation():
            await form.locator('button[type="submit"]:not([name])').last.click()

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
        self._known: dict[str, Somebody] = {}

    async def __aenter__(self) -> Company:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def person(self, account: str, *, phone: bool = False) -> Somebody:
        """The person of an account, in a session of their own."""
        if account not in self._known:
            context = await self._browser.new_context(viewport=_PHONE if phone else _WIDE, locale="vi-VN")
            self._stack.push_async_callback(context.close)
            page = await context.new_page()
            somebody = Somebody(page, self._url, account, self._shots)
            await somebody.go("/identity/sign-in")
            form = page.locator("form", has=page.locator(f'input[name="person"][value="{account}"]'))
            async with page.expect_navigation():
                await form.locator("button").click()
            self._known[account] = somebody
        return self._known[account]
