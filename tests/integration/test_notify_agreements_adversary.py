"""What an accident or a wrong clock would do to agreements: nothing is said outside one, nothing waits for ever."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import text

from services.notify.delivery import endpoints as lanes
from services.notify.delivery.worker import Deliveries
from services.notify.domain import Attempt, Verdict
from services.notify.domain.agreements import is_key
from services.notify.store import deliveries, endpoints, replays
from services.notify.store.deliveries import Result, Target
from shared.contracts.registry import ChildErased
from shared.database.copying import driver
from tests.integration.notify_house import House, failed, loop_of, reasons, succeeded, task, until
from tests.integration.notify_partner import agreed_key, content, hear_sealed, sign
from tests.support.receivers import WebhookServer

LATER = timedelta(days=800)


async def test_what_was_sealed_is_removed_also_where_the_agreement_was_suspended_before_it_ended(
    house: House, webhook_server: WebhookServer
) -> None:
    signed, private, kid = await agreed_key(house)
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "registry.child.registered")
    await hear_sealed(house, "c1", content(signed, private, kid), datetime.now(UTC))
    async with house.client("ha.coordinator") as coordinator:
        for act in ("suspend", "end"):
            await coordinator.api(f"/agreements/{signed['id']}/{act}", {"reason": "x"})
    bodies = await house.rows("SELECT convert_from(body, 'UTF8') AS body FROM message WHERE event_type LIKE '%sealed'")
    assert bodies
    assert not any("ephemeral" in row.body for row in bodies)


async def test_nothing_goes_out_within_an_agreement_that_ran_out_while_we_were_off(
    house: House, webhook_server: WebhookServer
) -> None:
    await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.task.requested")
    await house.hear(("e1", task()))
    house.shift = LATER
    house.start()  # before anybody has noted that it is over
    await until(lambda: failed(house))
    assert await reasons(house) == [("failed", "agreement-ended")]
    assert not webhook_server.requests


async def queued_in_the_moment_of_suspension(house: House, webhook_server: WebhookServer) -> dict[str, Any]:
    """A delivery within an agreement that is suspended, as if the suspension had not seen it. Out: the agreement."""
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.task.requested")
    await house.hear(("e1", task()))
    await house.rows(
        "UPDATE agreement SET state = 'suspended' WHERE id = CAST(:id AS uuid) RETURNING 1", id=signed["id"]
    )
    return signed


async def test_what_slipped_in_while_an_agreement_was_suspended_waits_until_it_is_resumed(
    house: House, webhook_server: WebhookServer
) -> None:
    signed = await queued_in_the_moment_of_suspension(house, webhook_server)
    house.start()
    await until(lambda: failed(house))
    assert await reasons(house) == [("failed", "agreement-suspended")]
    assert not webhook_server.requests
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{signed['id']}/resume", {})
    await until(lambda: succeeded(house, 1))


@pytest.mark.parametrize("late", ["lease", "settling"])
async def test_what_a_worker_knew_before_an_agreement_was_resumed_stops_nothing_afterwards(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    """A worker may learn of it later than of what waits (`lease`), or have decided before it (`settling`)."""
    signed = await queued_in_the_moment_of_suspension(house, webhook_server)
    settler = loop_of(house, Deliveries)._settler
    resumed, decided = asyncio.Event(), asyncio.Event()
    settle = settler.settle

    async def settle_late(*given: Any) -> bool:
        decided.set()
        await resumed.wait()
        return bool(await settle(*given))

    async with house.client("ha.coordinator") as coordinator:
        if late == "settling":
            monkeypatch.setattr(settler, "settle", settle_late)
        house.start()
        if late == "settling":
            await decided.wait()
        else:
            await until(lambda: failed(house))
            monkeypatch.setattr(lanes, "_REFRESH_WHEN_CHANGED", 1.0)
        await coordinator.api(f"/agreements/{signed['id']}/resume", {})
        resumed.set()
        await until(lambda: succeeded(house, 1))
    assert len(webhook_server.requests) == 1
    assert await house.states() == {"succeeded": 1}


async def test_who_gives_a_delivery_back_holds_none_while_it_waits_for_an_endpoint(
    house: House, webhook_server: WebhookServer
) -> None:
    """Whoever holds the endpoint may want its deliveries, to give them up: each would wait for the other."""
    await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        made = await partner.webhook(webhook_server.url, "cases.task.requested")
    for name in ("e1", "e2"):
        await house.hear((name, task()))
    now = house.context.clock()
    async with house.database.transaction() as connection:
        held = await deliveries.lease(await driver(connection), {made["id"]: 2}, [], 2, now, timedelta(hours=1))
    target = Target(made["id"], webhook_server.url, (), "vi", None, now)
    attempts = (Attempt("expired", 0, reason="agreement-suspended"), Attempt("again", 1, 500, reason="http-500"))
    verdicts = (Verdict("failed", None, None), Verdict("pending", now, None))
    results = [Result(one, target, "webhook", now, *said) for one, *said in zip(held, attempts, verdicts, strict=True)]
    async with house.database.transaction() as connection:
        await endpoints.locked(connection, [made["id"]])
        settling = asyncio.create_task(loop_of(house, Deliveries)._settler.settle(results, frozenset()))
        await until(lambda: house.rows("SELECT 1 FROM pg_locks WHERE NOT granted"))
        free = await connection.execute(text("SELECT id FROM delivery_pending FOR UPDATE SKIP LOCKED"))
        assert len(free.all()) == 2
    assert await settling
    waiting = await house.rows("SELECT attempts, leased_until FROM delivery_pending ORDER BY attempts")
    assert [tuple(one) for one in waiting] == [(0, None), (1, None)]


async def test_a_long_replay_ends_with_its_agreement(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "PORTION", 1)
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.task.requested")
        await house.hear(*((f"e{number}", task()) for number in range(4)))
        house.start()
        await until(lambda: succeeded(house, 4))
        await house.halt()
        since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
        await partner.api(f"/subscriptions/{created['id']}/replay", {"since": since, "everything": True})
        await partner.api(f"/agreements/{signed['id']}/end", {"reason": "x"})
    webhook_server.clear()
    await house.upkeep.replay()
    house.start()
    await until(lambda: _said(webhook_server))
    await asyncio.sleep(0.5)
    assert [json.loads(one.body)["type"] for one in webhook_server.requests] == ["vn.vongtay.notify.agreement.ended"]


async def _said(server: WebhookServer) -> bool:
    return bool(server.requests)


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31)])
def test_a_key_with_which_everybody_could_read_is_none(point: bytes) -> None:
    assert not is_key(base64.b64encode(point).decode())
    assert is_key(base64.b64encode(X25519PrivateKey.generate().public_key().public_bytes_raw()).decode())


async def test_what_was_sealed_about_a_child_is_not_passed_on_when_its_erasure_was_heard_first(
    house: House, webhook_server: WebhookServer
) -> None:
    signed, private, kid = await agreed_key(house)
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "registry.child.registered")
    now = datetime.now(UTC)
    await hear_sealed(house, "erased", ChildErased(child_id="k1"), now)
    await hear_sealed(house, "c1", content(signed, private, kid), now)
    await hear_sealed(house, "c2", content(signed, private, kid, child_id="k2"), now)
    assert await house.states() == {"pending": 1}
    stored = await house.rows("SELECT convert_from(body, 'UTF8') AS body FROM message")
    assert len(stored) == 1


@pytest.mark.parametrize("channel", ["kafka", "webhook"])
async def test_what_was_removed_is_not_sent_again_and_holds_up_nobody(
    house: House, webhook_server: WebhookServer, channel: str
) -> None:
    signed, private, kid = await agreed_key(house)
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "registry.child.registered")
        other = await partner.webhook(webhook_server.url, "cases.task.requested")
        await house.rows(
            "UPDATE endpoint SET channel = :channel WHERE id = CAST(:id AS uuid) RETURNING 1",
            channel=channel,
            id=created["id"],
        )
        now = datetime.now(UTC)
        await hear_sealed(house, "c1", content(signed, private, kid), now)
        house.start()
        await until(lambda: succeeded(house, 1))
        await hear_sealed(house, "erased", ChildErased(child_id="k1"), now)
        webhook_server.clear()
        since = (now - timedelta(hours=1)).isoformat()
        period = {"since": since, "everything": True}
        assert (await partner.api(f"/subscriptions/{created['id']}/replay", period))["replayed"] == 0
        (one,) = await house.rows("SELECT id::text FROM delivery")
        await partner.api(f"/deliveries/{one.id}/replay", {})
        await house.hear(("e1", task()))
        await until(lambda: succeeded(house, 2))
    assert [json.loads(one.body)["type"] for one in webhook_server.requests] == ["vn.vongtay.cases.task.requested"]
    assert other["id"]
