"""Svix as a peer: its own server, built beforehand from its repository, on PostgreSQL.

Its queue is in Redis, which keeps it, as its documentation and its own compose file have it: with the same options for
Redis as there. Or it is in memory: faster, and gone with the process.

`VONGTAY_BENCH_SVIX` names the binary; without it the peer is left out. It builds from its repository with cargo, once
the patch of `hyper` and what needs it are dropped, and `omniqueue` is taken from crates.io. None of its code is here.
`redis-server` is the machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from local.folder import free_port

_SECRET = "for-a-bench-on-this-machine-only"
_AT_ONCE = 32
_KEPT = ("--save", "60", "500", "--appendonly", "yes", "--appendfsync", "everysec")


def binary() -> Path | None:
    """The server, if there is one."""
    named = os.environ.get("VONGTAY_BENCH_SVIX")
    return Path(named) if named else None


class Svix:
    """A running server with one application."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._app = ""

    async def subscribe(self, urls: list[str]) -> None:
        """One endpoint for each address."""
        async with aiohttp.ClientSession(headers=self._headers) as session:
            self._app = (await self._post(session, "/api/v1/app", {"name": "bench"}))["id"]
            for url in urls:
                await self._post(session, f"/api/v1/app/{self._app}/endpoint", {"url": url, "version": 1})

    async def send(self, count: int, payload: dict[str, object]) -> None:
        """So many messages to all of them, by many clients at once."""
        numbers = iter(range(count))
        path = f"/api/v1/app/{self._app}/msg"
        async with aiohttp.ClientSession(headers=self._headers) as session:

            async def client() -> None:
                for _ in numbers:
                    await self._post(session, path, {"eventType": "case.opened", "payload": payload})

            await asyncio.gather(*(client() for _ in range(_AT_ONCE)))

    async def _post(self, session: aiohttp.ClientSession, path: str, body: object) -> dict[str, str]:
        async with session.post(self._url + path, json=body) as answer:
            answer.raise_for_status()
            found: dict[str, str] = await answer.json()
            return found


def redis() -> Path | None:
    """The machine's Redis, if there is one."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


@asynccontextmanager
async def kept(program: Path, folder: Path) -> AsyncIterator[dict[str, str]]:
    """Redis that keeps a queue in a folder, until the end of the block. Out: the settings by which Svix uses it."""
    folder.mkdir()
    port = free_port()
    command = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *_KEPT)
    with (folder / "redis.log").open("wb") as output:
        process = await asyncio.create_subprocess_exec(str(program), *command, stdout=output, stderr=output)
        try:
            yield {"SVIX_QUEUE_TYPE": "redis", "SVIX_REDIS_DSN": f"redis://127.0.0.1:{port}"}
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have given up by itself: its log says why
                process.terminate()
            await process.wait()


@asynccontextmanager
async def running(program: Path, dsn: str, log: Path, queue: Mapping[str, str]) -> AsyncIterator[Svix]:
    """The server, until the end of the block. In: `queue`, the settings of where its queue is."""
    port = free_port()
    env = {
        **os.environ,
        "SVIX_DB_DSN": dsn,
        "SVIX_JWT_SECRET": _SECRET,
        **queue,
        "SVIX_CACHE_TYPE": "memory",
        "SVIX_WHITELIST_SUBNETS": '["127.0.0.1/32"]',
        "SVIX_LOG_LEVEL": "info",
        "SVIX_LISTEN_ADDRESS": f"127.0.0.1:{port}",
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(program), "--run-migrations", env=env, stdout=output, stderr=output
        )
        try:
            token = await _output(program, env, "jwt", "generate")
            await _until_it_answers(f"http://127.0.0.1:{port}")
            yield Svix(f"http://127.0.0.1:{port}", token.strip().split()[-1])
        finally:
            with contextlib.suppress(ProcessLookupError):  # it may have given up by itself: its log says why
                process.kill()
            await process.wait()


async def _output(program: Path, env: dict[str, str], *words: str) -> str:
    process = await asyncio.create_subprocess_exec(str(program), *words, env=env, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode()


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(url + "/api/v1/health") as answer:
                    if answer.status < 300:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
