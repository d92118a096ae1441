"""Files over slow lines, from real senders through a real server: nobody waits for them, none waits for ever."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from shared.web import uploads
from tests.integration.cases_house import Browser, House, house, opened, token_of
from tests.support import media
from tests.support.media import multipart

__all__ = ["house"]


@asynccontextmanager
async def served(house: House) -> AsyncIterator[int]:
    """Out: the port of the service, as people reach it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(house.app, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield listening.getsockname()[1]
    finally:
        server.force_exit = server.should_exit = True
        await task


class Sender:
    """Sends one file over a line of its own, as fast as it is told to."""

    def __init__(self, port: int, worker: Browser, path: str, token: str, accept: str = "text/html") -> None:
        self.port = port
        body, kind = multipart({"form_token": token}, [("anh.png", media.png(600_000))])
        cookies = "; ".join(f"{name}={value}" for name, value in worker.cookies.items())
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost:8600\r\naccept: {accept}\r\ncookie: {cookies}\r\n"
            f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.sent = head.encode() + body

    async def send(self, share: float = 1.0) -> None:
        """Send so much of it, and stay on the line."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(self.sent[: int(len(self.sent) * share)])
        await self.writer.drain()

    async def finish(self) -> None:
        """Send the rest."""
        self.writer.write(self.sent[len(self.sent) // 2 :])
        await self.writer.drain()

    async def answer(self) -> bytes:
        """What comes back, its first part at least."""
        return await asyncio.wait_for(self.reader.read(64 * 1024), 60)


async def at_work(house: House) -> tuple[Browser, str, str]:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    path = f"/cases/c/{case_id}/documents"
    token, _ = await token_of(worker, path)
    return worker, path, token


async def test_senders_on_slow_lines_keep_nobody_waiting_and_arrive_in_the_end(house: House) -> None:
    worker, path, token = await at_work(house)
    async with served(house) as port:
        slow = [Sender(port, worker, path, token) for _ in range(6)]
        for sender in slow:
            await sender.send(0.5)
        quick = Sender(port, worker, path, token)
        await quick.send()
        assert b" 303 " in await quick.answer(), "six slow ones are more than are written at once"
        assert len(await house.rows("SELECT 1 FROM attachment")) == 1
        for sender in slow:
            await sender.finish()
        assert [b" 303 " in await sender.answer() for sender in slow] == [True] * 6
        for sender in (quick, *slow):
            sender.writer.close()
    assert len(await house.rows("SELECT 1 FROM attachment")) == 7


@pytest.fixture
def one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """One file is on its way in at a time, and a line that is slow is given up soon."""
    monkeypatch.setenv("VONGTAY_CASES_UPLOADS_ARRIVING", "1")
    monkeypatch.setattr(uploads, "_PATIENCE", 1.0)


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
async def test_a_line_that_brings_nothing_any_more_is_told_so_and_its_place_is_free(
    one_place: None, house: House, monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    monkeypatch.setattr(uploads, "_SLOWEST", 1_000_000)
    worker, path, token = await at_work(house)
    async with served(house) as port:
        dead = Sender(port, worker, path, token, accept)
        await dead.send(0.5)
        answer = await dead.answer()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert ("Đường truyền quá chậm".encode() in answer) or (b"too slow" in answer)
        dead.writer.close()
        assert await house.rows("SELECT 1 FROM attachment") == []
        quick = Sender(port, worker, path, token)
        await quick.send()
        assert b" 303 " in await quick.answer()
        quick.writer.close()
