"""The limit of `fan-out`: the same signed requests by aiohttp from memory, in one process, with no database at all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import sys
import time

import aiohttp
import uvloop

_KEY = bytes(range(32))
_AT_ONCE = 64


async def _send(session: aiohttp.ClientSession, urls: list[str], body: bytes, numbers: list[int]) -> None:
    while numbers:
        number = numbers.pop()
        name, moment = f"msg_{number}", str(int(time.time()))
        signed = f"{name}.{moment}.".encode() + body
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": moment,
            "webhook-signature": "v1," + base64.b64encode(hmac.digest(_KEY, signed, hashlib.sha256)).decode(),
        }
        async with session.post(urls[number % len(urls)], data=body, headers=headers) as answer:
            await answer.read()


async def _main(count: int, body: bytes, urls: list[str]) -> None:
    numbers = list(range(count))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(_send(session, urls, body, numbers) for _ in range(_AT_ONCE)))
        print(count / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2].encode(), sys.argv[3:]))
