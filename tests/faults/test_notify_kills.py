"""What delivers is killed in the middle of a long run: each delivery arrives, hardly any twice, and in its order."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.notify.desk.queueing import Queueing
from services.notify.domain import Addressed, Happening, Message, timed_id
from services.notify.signing import Vault
from services.notify.store import endpoints
from shared.database import Database
from shared.messaging.outbox import new_id
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering
from shared.runtime import keys_of
from shared.settings import Settings
from tests.support.platform import Parts, parts
from tests.support.receivers import WebhookServer

pytestmark = pytest.mark.timeout(290)
_CASES = 50
_EACH = 40
_PLAIN = 4
_KILLS = 2
# A kill makes no more come twice than are on their way or not noted yet, however long the run is: of 100,000 deliveries
# less than one in a thousand.
_ON_THEIR_WAY = 16 + 64


async def test_kills_in_the_middle_of_a_run_lose_nothing_and_send_hardly_anything_twice(
    tmp_path: Path, webhook_server: WebhookServer
) -> None:
    async with parts(tmp_path, ("notify",)) as stack:
        replica = stack.of("notify")[0]
        await asyncio.to_thread(replica.process.stop)
        database = Database(stack.postgres.url("notify"))
        ordered = await _endpoint(stack, database, webhook_server.url + "/ordered", ordered=True)
        plain = [await _endpoint(stack, database, f"{webhook_server.url}/{number}") for number in range(_PLAIN)]
        said = await _queue(database, [ordered, *plain])
        total = _CASES * _EACH * (1 + _PLAIN)
        await stack.start(replica)
        for kill in range(_KILLS):
            await _until_some_came(webhook_server, total * (kill + 1) // (_KILLS + 2))
            await asyncio.to_thread(replica.process.kill)
            await stack.start(replica)
        await _until_some_came(webhook_server, total * 4 // 5)
        await asyncio.to_thread(stack.postgres.kill)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(stack.postgres.start)
        async with asyncio.timeout(200):
            while await _waiting(stack):
                await asyncio.sleep(0.5)
        await database.close()

    arrived = [request.headers["webhook-id"] for request in webhook_server.requests]
    assert len(set(arrived)) == total
    twice = len(arrived) - total
    assert twice <= (_KILLS + 1) * _ON_THEIR_WAY, f"{twice} came twice"
    in_order = [(request.path, request.headers["webhook-id"]) for request in webhook_server.requests]
    seen = list(dict.fromkeys(name for path, name in in_order if path.endswith("/ordered")))
    place = {name: at for at, name in enumerate(seen)}
    for case in said.values():
        places = [place[name] for name in case]
        assert places == sorted(places)
    assert Counter(arrived).most_common(1)[0][1] <= 1 + _KILLS


async def _endpoint(stack: Parts, database: Database, url: str, *, ordered: bool = False) -> str:
    env = {name.removeprefix("VONGTAY_").lower(): value for name, value in stack.env.items()}
    vault = Vault(keys_of(Settings(**env)))  # type: ignore[arg-type]
    identifier = new_id()
    row = {
        "id": identifier, "channel": "webhook", "name": "e", "org": "o", "person": None, "language": "vi",
        "ordered": ordered, "at_once": None, "per_second": None, "target": vault.seal(url), "secret": None,
        "verified_at": datetime.now(UTC), "now": datetime.now(UTC),
    }  # fmt: skip
    async with database.transaction() as connection:
        await endpoints.add(connection, row)
    return identifier


async def _queue(database: Database, targets: list[str]) -> dict[str, list[str]]:
    """So many messages of each case, for all endpoints. Out: the ordered endpoint's deliveries by case, in order."""
    queueing = Queueing(Delivering.load())
    queued: dict[str, list[str]] = {}
    for _ in range(_EACH):
        now = datetime.now(UTC)
        messages, addressed = [], []
        for case in range(_CASES):
            name = f"case-{case}"
            happening = Happening(timed_id(now, new_id()), "cases.case.opened", now, "05443", name, None, None, {})
            messages.append(Message(happening, b'{"type":"x","data":{}}'))
            addressed += [Addressed(happening.id, target, order_key=name) for target in targets]
        async with database.transaction() as connection:
            scope = Scope("notify", connection, now)
            keys = {message.id: message.happening.case_id or "" for message in messages}
            for item in await queueing.queue(scope, messages, addressed):
                if item.endpoint_id == targets[0]:
                    queued.setdefault(keys[item.message_id], []).append(item.id)
            await scope.flush()
    return queued


async def _until_some_came(server: WebhookServer, count: int) -> None:
    async with asyncio.timeout(120):
        while len(server.requests) < count:
            await asyncio.sleep(0.01)


async def _waiting(stack: Parts) -> bool:
    database = Database(stack.postgres.url("notify"))
    try:
        async with database.transaction() as connection:
            rows = await connection.exec_driver_sql("SELECT EXISTS (SELECT FROM delivery_pending)")
            return bool(rows.scalar_one())
    finally:
        await database.close()
