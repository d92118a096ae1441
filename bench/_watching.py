"""Pages that are open on one board, in a process of their own: `python -m bench._watching HOST PORT PATH TOKEN COUNT`.

It says `open` once all are open; told a number of reports, it waits until every page shows it and says after how many
seconds the last did, and how many pieces pages were sent. It reads as a browser does, and throws away what it read.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time

_SHOWN = re.compile(rb'class="tile__value">([\d.]+)<')
_AT_ONCE = 50
_TAIL = 4096


class Page:
    """One open page: the first figure of its tiles that it shows, and since when."""

    def __init__(self) -> None:
        self.shown = -1
        self.since = 0.0
        self.pieces = 0

    async def watch(self, host: str, port: int, path: str, token: str) -> None:
        """Read one stream after the other: each ends after a minute, and a browser asks for the next at once."""
        while await self._read(host, port, path, token):
            pass

    async def _read(self, host: str, port: int, path: str, token: str) -> bool:
        """Read a stream to its end. Out: whether the page was told to ask again."""
        reader, writer = await asyncio.open_connection(host, port)
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(request.encode())
        status = await reader.readline()
        if b" 200 " not in status:
            raise AssertionError(status.decode())
        kept = b""
        try:
            while piece := await reader.read(65536):
                self.pieces += 1
                kept += piece
                if found := _SHOWN.search(kept, max(0, kept.rfind(b"/tiles"))):
                    number = int(found[1].replace(b".", b""))
                    if number != self.shown:
                        self.shown, self.since = number, time.perf_counter()
                kept = kept[-_TAIL:]
        finally:
            writer.close()
        return b"event: again" in kept


async def main(host: str, port: int, path: str, token: str, count: int) -> None:
    """Open them all, then answer what is asked on the standard input."""
    pages = [Page() for _ in range(count)]
    tasks: list[asyncio.Task[None]] = []
    for at, page in enumerate(pages, 1):
        tasks.append(asyncio.create_task(page.watch(host, port, path, token)))
        if at % _AT_ONCE == 0:
            await asyncio.sleep(0.1)
    while not all(page.pieces for page in pages):
        await _none_ended(tasks)
        await asyncio.sleep(0.05)
    print("open", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        began, wanted = time.perf_counter(), int(line)
        while any(page.shown != wanted for page in pages):
            await _none_ended(tasks)
            await asyncio.sleep(0.01)
        last = max(max(page.since for page in pages) - began, 0.0)
        print(json.dumps({"seconds": last, "pieces": sum(page.pieces for page in pages)}), flush=True)
    for task in tasks:
        task.cancel()


async def _none_ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if task.done():
            await task
            raise AssertionError("a stream ended")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])))
