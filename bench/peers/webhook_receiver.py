"""Endpoints of a bench: takes webhooks as cheaply as Python can, and says how many came, when, and how late: by `at` in
the data (seconds), or by the body's own timestamp.

A path that begins with `/hang` takes the request and never answers. `GET /report` gives what came since the last one.
"""

from __future__ import annotations

import asyncio
import sys
import time
from datetime import datetime
from typing import cast

import orjson
import uvloop

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_AT = b'"at":'
_TIMESTAMP = b'"timestamp":"'


class _Arrivals:
    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.count = 0
        self.hung = 0
        self.first = self.last = 0.0
        self.waits: list[float] = []


class _Taking(asyncio.Protocol):
    def __init__(self, arrivals: _Arrivals) -> None:
        self._arrivals = arrivals
        self._kept = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        kept = self._kept + data if self._kept else data
        while True:
            end = kept.find(b"\r\n\r\n")
            if end < 0:
                break
            head = kept[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 : head.find(b"\r", at) if head.find(b"\r", at) > 0 else end]) if at >= 0 else 0
            if len(kept) < end + 4 + length:
                break
            self._take(head, kept[end + 4 : end + 4 + length])
            kept = kept[end + 4 + length :]
        self._kept = kept

    def _take(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get /report"):
            self._report()
            return
        arrivals, now = self._arrivals, time.time()
        if head.startswith(b"post /hang"):
            arrivals.hung += 1
            return
        arrivals.count += 1
        arrivals.first = arrivals.first or now
        arrivals.last = now
        found = body.rfind(_AT)
        if found >= 0:
            arrivals.waits.append(now - float(body[found + len(_AT) :].split(b"}", 1)[0].split(b",", 1)[0]))
        else:
            found = body.rfind(_TIMESTAMP) + len(_TIMESTAMP)
            moment = datetime.fromisoformat(body[found : body.find(b'"', found)].decode())
            arrivals.waits.append(now - moment.timestamp())
        self._transport.write(_OK)

    def _report(self) -> None:
        arrivals = self._arrivals
        report = {
            "count": arrivals.count,
            "hung": arrivals.hung,
            "first": arrivals.first,
            "last": arrivals.last,
            "waits": arrivals.waits,
        }
        arrivals.clear()
        body = orjson.dumps(report)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


async def _main(port: int) -> None:
    arrivals = _Arrivals()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Taking(arrivals), "127.0.0.1", port, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1])))
