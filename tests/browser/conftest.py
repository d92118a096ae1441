"""A real browser, and the gallery of the shell's parts served on a free port."""

from __future__ import annotations

import os
import shutil
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from tests.browser import gallery

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "microsoft-edge-stable")


def browser_path() -> str | None:
    """Out: the machine's own Chromium; nothing is downloaded for a test."""
    named = os.environ.get("CHROMIUM_PATH")
    return named or next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def serving(app: FastAPI, port: int) -> Iterator[None]:
    """Serve the application from a thread until the block ends."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > give_up or not thread.is_alive():
            raise RuntimeError("The gallery did not start")
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port of this machine that nobody listens on."""

    def find() -> int:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            return int(listener.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def gallery_url(free_port: Callable[[], int]) -> Iterator[str]:
    """Address of an application made by `create_app` that shows every part of the shell."""
    port = free_port()
    app, hub = gallery.build(f"http://127.0.0.1:{port}")
    with serving(app, port):
        yield f"http://127.0.0.1:{port}"
        hub.close()


@pytest.fixture(scope="module")
async def browser() -> Any:
    """Chromium without a window. Skips where the machine has none."""
    async with _chromium() as chromium:
        yield chromium


@pytest.fixture
async def keeping_browser() -> Any:
    """The same, and it keeps whole pages for "back", as people's browsers do; automated ones are told not to."""
    async with _chromium(ignore_default_args=["--disable-back-forward-cache"]) as chromium:
        yield chromium


@asynccontextmanager
async def _chromium(**options: Any) -> AsyncIterator[Any]:
    path = browser_path()
    if path is None:
        pytest.skip(f"No Chromium on this machine (looked for {', '.join(BROWSERS)}; CHROMIUM_PATH names another)")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        # The sandbox needs rights that containers and root accounts do not have; only our own pages are opened.
        chromium = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], **options)
        yield chromium
        await chromium.close()
