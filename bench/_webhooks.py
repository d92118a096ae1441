"""What the benches of deliveries share: receivers of their own process, endpoints, and messages that wait for them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from local.folder import free_port
from services.notify.desk.queueing import Queueing
from services.notify.domain import Addressed, Happening, Message, timed_id
from services.notify.signing import Vault, new_secret
from services.notify.store import endpoints
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering

CASE = "0195a000-0000-7000-8000-00000000abcd"
_FILLER = "x" * 300
_BATCH = 500


@dataclass(frozen=True)
class Arrived:
    """What came at the receivers since the last report. `waits`: seconds from queued to received."""

    count: int
    hung: int
    seconds: float
    waits: list[float]
    different: int


class Receivers:
    """A process with endpoints on one port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def urls(self, count: int, kind: str = "e") -> list[str]:
        """So many addresses; of kind `hang` they never answer."""
        return [f"http://127.0.0.1:{self._port}/{kind}{number}" for number in range(count)]

    async def report(self) -> Arrived:
        """What came since the last one."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._port}/report") as answer,
        ):
            told = orjson.loads(await answer.read())
        return Arrived(told["count"], told["hung"], told["last"] - told["first"], told["waits"], told["different"])

    async def until(self, count: int, seconds: float = 300) -> Arrived:
        """Wait until so many came. Out: all of them."""
        total, waits, first, last, hung, different = 0, [], time.time(), 0.0, 0, 0
        began = None
        async with asyncio.timeout(seconds):
            while total < count:
                await asyncio.sleep(0.25)
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://127.0.0.1:{self._port}/report") as answer,
                ):
                    told = orjson.loads(await answer.read())
                if told["count"]:
                    began = began or told["first"]
                    last = told["last"]
                total += told["count"]
                hung += told["hung"]
                different += told["different"]
                waits += told["waits"]
        return Arrived(total, hung, last - (began or first), waits, different)


@asynccontextmanager
async def receivers() -> AsyncIterator[Receivers]:
    """Running receivers."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.peers.webhook_receiver", str(port), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield Receivers(port)
    finally:
        process.kill()
        await process.wait()


def payload(**more: Any) -> dict[str, Any]:
    """What partners receive, about as long as an event of a case is."""
    data = {"case_id": CASE, "unit": "05443", "filler": _FILLER, "at": time.time(), **more}
    return {"type": "vn.vongtay.cases.case.opened", "timestamp": datetime.now(UTC).isoformat(), "data": data}


async def add_endpoints(database: Database, vault: Vault, urls: Sequence[str], **more: Any) -> list[str]:
    """An endpoint for each address, with secrets of their own. Out: their ids."""
    made = []
    async with database.transaction() as connection:
        for number, url in enumerate(urls):
            made.append(new_id())
            row = {
                "id": made[-1],
                "channel": "webhook",
                "name": f"e{number}",
                "org": "bench",
                "person": None,
                "language": "vi",
                "ordered": False,
                "at_once": None,
                "per_second": None,
                "target": vault.seal(url),
                "secret": vault.seal(new_secret()),
                "now": datetime.now(UTC),
                **more,
            }
            await endpoints.add(connection, row)
    return made


async def queue(database: Database, messages: int, targets: Sequence[str]) -> None:
    """So many messages, each to all the endpoints, durable when this returns."""
    queueing = Queueing(Delivering.load())
    portion = max(1, _BATCH // len(targets))
    for start in range(0, messages, portion):
        now = datetime.now(UTC)
        said, addressed = [], []
        for _ in range(min(portion, messages - start)):
            happening = Happening(timed_id(now, new_id()), "cases.case.opened", now, "05443", CASE, None, None, {})
            said.append(Message(happening, orjson.dumps(payload())))
            addressed += [Addressed(happening.id, target) for target in targets]
        async with database.transaction() as connection:
            scope = Scope("notify", connection, now)
            await queueing.queue(scope, said, addressed)
            await scope.flush()
