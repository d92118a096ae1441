"""The worst that receivers do: each is bounded and reported, and slows down nobody beside it."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.notify_house import House, make_house, until
from tests.integration.notify_queued import endpoint, say
from tests.support.nasty import (
    Answer,
    continue_for_ever,
    cut,
    hang,
    long_head,
    nonsense,
    old,
    receiver,
    self_signed,
    trickle,
    trickle_body,
)
from tests.support.receivers import WebhookServer


@asynccontextmanager
async def beside(house: House, webhook_server: WebhookServer, url: str) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """A bad endpoint with ten deliveries, and a good one beside it that has to get its hundred meanwhile."""
    async with house.client("yen.partner") as partner:
        bad = await endpoint(partner, url)
        await say(house, bad, 10, name="bad")
        good = await endpoint(partner, webhook_server.url)
        await say(house, good, 100, name="good")
        house.start()
        began = time.monotonic()

        async def good_ones() -> bool:
            rows = await house.rows(
                "SELECT 1 FROM delivery_settled WHERE endpoint_id = CAST(:id AS uuid) HAVING count(*) = 100", id=good
            )
            return bool(rows)

        await until(good_ones)
        assert time.monotonic() - began < 3

        async def attempted() -> Any:
            return await house.rows(
                """SELECT reason, status, response, duration_ms FROM attempt WHERE delivery_id IN
                       (SELECT id FROM delivery WHERE endpoint_id = CAST(:id AS uuid))
                   UNION ALL SELECT reason, status, response, duration_ms FROM delivery_settled
                   WHERE endpoint_id = CAST(:id AS uuid)""",
                id=bad,
            )

        yield attempted


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [(trickle, "timeout", None), (hang, "timeout", None), (cut, "broken-answer", None), (old, None, 200),
     (nonsense, "broken-answer", None), (long_head, "broken-answer", None), (trickle_body, None, 200),
     (continue_for_ever, "endless-heads", None)],
)  # fmt: skip
async def test_a_receiver_that_behaves_badly_is_bounded_reported_and_slows_nobody(
    fresh_database: str,
    webhook_server: WebhookServer,
    monkeypatch: pytest.MonkeyPatch,
    answer: Answer,
    reason: str | None,
    status: int | None,
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_TIMEOUT_SECONDS", "3")
    async with (
        make_house(fresh_database) as house,
        receiver(answer) as bad,
        beside(house, webhook_server, bad.url) as attempted,
    ):
        await until(attempted)
        rows = await attempted()
        assert {(row.reason, row.status) for row in rows} == {(reason, status)}
        assert max(row.duration_ms for row in rows) < 4000
        assert all(len(row.response or "") <= 500 for row in rows)


async def test_an_answer_of_100_mb_is_read_no_further_than_it_is_kept(
    house: House, webhook_server: WebhookServer
) -> None:
    async with receiver() as bad, beside(house, webhook_server, bad.url) as attempted:
        await until(lambda: _all_of(attempted, 10))
        rows = await attempted()
        assert {row.status for row in rows} == {200}
        assert bad.sent < 10 * 30 * 1024 * 1024, "no receiver could send it all"
        assert max(row.duration_ms for row in rows) < 1000


async def _all_of(attempted: Callable[[], Awaitable[Any]], number: int) -> bool:
    return len(await attempted()) >= number


async def test_a_certificate_that_nobody_vouches_for_is_no_partner(
    house: House, webhook_server: WebhookServer, tmp_path: Path
) -> None:
    async with (
        receiver(old, self_signed(tmp_path)) as bad,
        beside(house, webhook_server, bad.url) as attempted,
    ):
        await until(attempted)
        assert {row.reason for row in await attempted()} == {"tls"}
        assert bad.requests == 0, "nothing was said to it"


async def test_names_that_nobody_answers_for_hold_nobody_else_up(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = socket.getaddrinfo

    def looked_up(host: str, *more: Any) -> Any:
        if host.endswith(".example"):
            time.sleep(2)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return known(host, *more)

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    async with house.client("yen.partner") as partner:
        for number in range(12):
            dead = await endpoint(partner, f"http://dead-{number}.example/")
            await say(house, dead, 5, name=f"dead-{number}")
    async with beside(house, webhook_server, "http://dead.example/") as attempted:
        await until(attempted)
        assert {row.reason for row in await attempted()} == {"name-not-found"}
