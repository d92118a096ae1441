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
from services.notify.store import endpoints, subscriptions
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering
from shared.runtime import keys_of
from shared.settings import Settings
from tests.support.platform import Parts

CASE = "0195a000-0000-7000-8000-00000000abcd"
_FILLER = "x" * 300
_BATCH = 500


@dataclass(frozen=True)
class Arrived:
    """What came at the receivers: how many, when first and last; seconds from what a body says to its coming."""

    count: int
    hung: int
    first: float
    last: float
    waits: list[float]

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / (self.last - self.first)


class Receivers:
    """A process with endpoints on one port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def urls(self, count: int, kind: str = "e") -> list[str]:
        """So many addresses; of kind `hang` they never answer."""
        return [f"http://127.0.0.1:{self._port}/{kind}{number}" for number in range(count)]

    async def report(self) -> Arrived:
        """What came since the last one."""
        url = f"http://127.0.0.1:{self._port}/report"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return Arrived(**orjson.loads(await answer.read()))

    async def until(self, count: int, seconds: float = 300) -> Arrived:
        """Wait until so many came. Out: all of them."""
        every = [await self.report()]
        async with asyncio.timeout(seconds):
            while sum(one.count for one in every) < count:
                await asyncio.sleep(0.25)
                every.append(await self.report())
        some = [one for one in every if one.count]
        return Arrived(
            sum(one.count for one in every),
            sum(one.hung for one in every),
            some[0].first,
            some[-1].last,
            [wait for one in every for wait in one.waits],
        )


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


class Partners:
    """Endpoints in the database of a stack's notify, and what waits for them."""

    def __init__(self, stack: Parts) -> None:
        self.database = Database(stack.postgres.url("notify"))
        env = {name.removeprefix("VONGTAY_").lower(): value for name, value in stack.env.items()}
        self._vault = Vault(keys_of(Settings(**env)))  # type: ignore[arg-type]
        self._queueing = Queueing(Delivering.load())

    async def close(self) -> None:
        """Let go of the database."""
        await self.database.close()

    async def add(self, urls: Sequence[str]) -> list[str]:
        """An endpoint for each address, with secrets of their own. Out: their ids."""
        made = []
        async with self.database.transaction() as connection:
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
                    "target": self._vault.seal(url),
                    "secret": self._vault.seal(new_secret()),
                    "verified_at": datetime.now(UTC),
                    "now": datetime.now(UTC),
                }
                await endpoints.add(connection, row)
        return made

    async def subscribe(self, urls: Sequence[str], patterns: Sequence[str]) -> None:
        """An endpoint for each address, and what it is to hear of."""
        for endpoint_id in await self.add(urls):
            row = {
                "id": new_id(),
                "endpoint_id": endpoint_id,
                "patterns": list(patterns),
                "units": None,
                "sector": None,
                "agreement_id": None,
                "now": datetime.now(UTC),
            }
            async with self.database.transaction() as connection:
                await subscriptions.add(connection, row)

    async def queue(self, messages: int, targets: Sequence[str]) -> None:
        """So many messages, each to all the endpoints, durable when this returns."""
        portion = max(1, _BATCH // len(targets))
        for start in range(0, messages, portion):
            now = datetime.now(UTC)
            said, addressed = [], []
            for _ in range(min(portion, messages - start)):
                happening = Happening(timed_id(now, new_id()), "cases.case.opened", now, "05443", CASE, None, None, {})
                said.append(Message(happening, orjson.dumps(payload())))
                addressed += [Addressed(happening.id, target) for target in targets]
            async with self.database.transaction() as connection:
                scope = Scope("notify", connection, now)
                await self._queueing.queue(scope, said, addressed)
                await scope.flush()

    async def clear(self) -> None:
        """Nothing waits, and no endpoint is sent to."""
        async with self.database.transaction() as connection:
            await connection.exec_driver_sql("DELETE FROM delivery_pending")
            await connection.exec_driver_sql("UPDATE endpoint SET state = 'deleted'")
            await connection.exec_driver_sql("SELECT pg_notify('notify_changed', '')")
