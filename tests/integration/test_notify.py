"""Notify towards machines: from an event to what partners receive, through every failure."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiokafka
import pytest
from aiohttp import web
from standardwebhooks.webhooks import Webhook

from services.notify.delivery.presence import Presence
from services.notify.domain.circuit import Health
from services.notify.store import deliveries, endpoints
from shared.contracts.envelope import Envelope
from shared.database.copying import driver
from shared.messaging.service import Service
from shared.messaging.topics import ensure_topics
from shared.reference.delivering import Delivering
from tests.integration.notify_house import (
    BASE,
    CASE,
    OTHER_UNIT,
    House,
    Person,
    hold_first_answer,
    make_house,
    missed,
    succeeded,
    task,
    until,
)
from tests.support.backends import Backend
from tests.support.receivers import WebhookServer


async def test_a_partner_receives_a_signed_webhook_and_it_is_published_that_it_did(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.deadline.*")
        await house.hear(("e1", missed()))
        assert {item["channel"] for item in await house.published("notify.message.queued")} == {"inbox"}
        queued = await house.published("notify.deliveries.queued")
        assert [one["channel"] for item in queued for one in item["deliveries"]] == ["webhook"]
        assert not webhook_server.requests
        house.start()
        await until(lambda: succeeded(house, 1))
        request = webhook_server.requests[0]
        event = Webhook(created["secret"]).verify(request.body, request.headers)
        assert event["type"] == "vn.vongtay.cases.deadline.missed"
        assert event["data"]["unit_name"] == "Phường Phan Đình Phùng"
        assert event["data"]["link"] == f"{BASE}/cases/c/{CASE}"
        done = (await house.published("notify.deliveries.succeeded"))[0]["deliveries"]
        assert [(one["delivery_id"], one["attempts"]) for one in done] == [(request.headers["webhook-id"], 1)]
        assert queued[0]["deliveries"][0]["delivery_id"] == request.headers["webhook-id"]


async def test_an_event_delivered_twice_is_sent_once(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
        assert await house.hear(("e1", missed()), ("e1", missed())) == ["accepted", "duplicate"]
        # Even where the inbox has forgotten the event, the delivery's id has not.
        await house.rows("DELETE FROM inbox RETURNING 1")
        assert await house.hear(("e1", missed())) == ["accepted"]
        assert await house.states() == {"pending": 1}
        assert len(await house.published("notify.deliveries.queued")) == 1


async def test_only_wanted_types_and_communes_are_queued(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.task.*")
        await partner.webhook(webhook_server.url, "cases.*", units=[OTHER_UNIT])
        await house.hear(("e1", missed()))
        assert await house.states() == {}
        await house.hear(("e2", missed(OTHER_UNIT)), ("e3", task()))
        assert await house.states() == {"pending": 2}


async def test_a_failing_endpoint_is_tried_again_with_the_same_id_and_the_log_tells_it(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.statuses, webhook_server.body = [500], "lỗi ".encode() * 400
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        assert (await house.rows("SELECT failing_since FROM endpoint"))[0].failing_since is not None
        house.shift = timedelta(minutes=1)
        await until(lambda: succeeded(house, 1))
        first, second = webhook_server.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        row = (await partner.get(f"/notify/api/subscriptions/{created['id']}/deliveries")).json()[0]
        shown = (await partner.get(f"/notify/api/deliveries/{row['id']}")).json()
        assert [item["status"] for item in shown["tries"]] == [500, 200]
        assert len(shown["tries"][0]["response"]) == 500
        assert (await house.rows("SELECT failing_since FROM endpoint"))[0].failing_since is None


async def test_a_success_right_after_a_failure_ends_the_failing(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Before the worker learns from the database how its endpoints are.
    monkeypatch.setattr("services.notify.delivery.endpoints._REFRESH_WHEN_CHANGED", 60.0)
    monkeypatch.setattr("services.notify.delivery.endpoints._REFRESH_SECONDS", 60.0)
    webhook_server.statuses = [500]
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE failing_since IS NOT NULL"))
        house.shift = timedelta(minutes=1)
        await until(lambda: succeeded(house, 1))
        assert not await house.rows("SELECT 1 FROM endpoint WHERE failing_since IS NOT NULL OR failures > 0")


async def test_retry_after_leaves_the_whole_endpoint_in_peace(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.status, webhook_server.headers = 429, {"Retry-After": "600"}
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE retry_at IS NOT NULL"))
        await asyncio.sleep(0.3)
        await house.hear(("e2", missed()))
        await asyncio.sleep(0.7)
        assert len(webhook_server.requests) == 1
        webhook_server.status = 200
        house.shift = timedelta(minutes=15)
        await until(lambda: succeeded(house, 2))


async def switched_off(house: House, partner: Person, webhook_server: WebhookServer) -> dict[str, str]:
    """An endpoint whose receiver said that it is gone, with one delivery that failed by it."""
    webhook_server.status = 410
    created = await partner.webhook(webhook_server.url, "cases.*")
    await house.hear(("e1", missed()))
    house.start()
    await until(lambda: house.published("notify.endpoint.disabled"))
    return created


async def test_gone_switches_the_endpoint_off_and_its_owner_is_told(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await switched_off(house, partner, webhook_server)
        assert await house.states() == {"failed": 1}
        assert (await house.published("notify.delivery.failed"))[0]["reason"] == "gone"
        inbox = (await partner.get("/notify/api/inbox")).json()
        assert inbox["notices"][0]["event_type"] == "notify.endpoint.disabled"
        assert inbox["notices"][0]["path"] == f"/notify/subscriptions/{created['id']}"
        # What comes meanwhile waits; switched on again, it is sent.
        await house.hear(("e2", missed()))
        webhook_server.status = 200
        await partner.api(f"/subscriptions/{created['id']}/resume")
        # What failed because of it is sent again by itself.
        await until(lambda: succeeded(house, 2))
        assert [item["missed"] for item in await house.published("notify.endpoint.restored")] == [1]
        replayed = await partner.api(f"/subscriptions/{created['id']}/replay", {"since": "2020-01-01T00:00:00Z"})
        assert replayed == {"replayed": 0}


async def test_one_that_was_deleted_while_it_was_switched_off_is_sent_what_it_missed_when_that_is_undone(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await switched_off(house, partner, webhook_server)
        await house.hear(("e2", missed()))
        await partner.api(f"/subscriptions/{created['id']}/delete")
        webhook_server.status = 200
        await partner.api(f"/subscriptions/{created['id']}/restore")
        await until(lambda: succeeded(house, 2))
        assert [item["missed"] for item in await house.published("notify.endpoint.restored")] == [1]
        rows = await house.rows("SELECT headers FROM outbox WHERE type LIKE '%notify.endpoint.%' ORDER BY position")
        assert [row.headers["ce_sequence"] for row in rows] == ["1", "2"], "whoever follows it hears of both, in order"
        # Deleted while all was well it has missed nothing, and is not said to be back.
        await partner.api(f"/subscriptions/{created['id']}/delete")
        assert (await partner.api(f"/subscriptions/{created['id']}/restore"))["state"] == "active"
        assert len(await house.published("notify.endpoint.restored")) == 1


@pytest.mark.parametrize("deleted", [False, True], ids=["switched off", "and deleted then"])
async def test_what_was_on_its_way_when_it_was_switched_off_hides_nothing_that_it_missed(
    house: House, webhook_server: WebhookServer, deleted: bool
) -> None:
    async with house.client("yen.partner") as partner:
        created = await switched_off(house, partner, webhook_server)
        if deleted:
            await partner.api(f"/subscriptions/{created['id']}/delete")
        async with house.database.transaction() as connection:
            await endpoints.note_health(connection, {created["id"]: Health()})  # a success that took its time
        webhook_server.status = 200
        await partner.api(f"/subscriptions/{created['id']}/{'restore' if deleted else 'resume'}")
        await until(lambda: succeeded(house, 1))
        assert [item["missed"] for item in await house.published("notify.endpoint.restored")] == [1]


@pytest.mark.parametrize(
    ("off", "on"),
    [(None, "resume"), ("delete", "restore"), ("pause", "resume")],
    ids=["switched off", "deleted", "paused"],
)
@pytest.mark.parametrize("back", [False, True], ids=["while it was off", "after it was back"])
async def test_an_answer_that_it_is_gone_is_not_said_of_one_that_was_brought_back_since(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, off: str | None, on: str, back: bool
) -> None:
    """`off`: how it is switched off meanwhile; None: by the answer that it is gone to another message. `back`: when
    that answer comes."""
    held = hold_first_answer(monkeypatch)
    webhook_server.status = 410
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await asyncio.wait_for(held.asked.wait(), 60)
        if off is None:
            await house.hear(("e2", missed()))
            await until(lambda: house.published("notify.endpoint.disabled"))
        else:
            await partner.api(f"/subscriptions/{created['id']}/{off}")
        if not back:
            held.answered.set()
            await until(lambda: house.rows("SELECT 1 FROM attempt"))
        webhook_server.status = 200
        await partner.api(f"/subscriptions/{created['id']}/{on}")
        held.answered.set()
        await until(lambda: succeeded(house, 2 if off is None else 1))
        assert (await partner.get(f"/notify/api/subscriptions/{created['id']}")).json()["state"] == "active"
        assert len(await house.published("notify.endpoint.disabled")) == (off is None)
        assert await house.published("notify.delivery.failed") == [] or off is None


async def test_one_that_failed_now_and_then_when_it_was_deleted_was_not_switched_off(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.status = 500
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE failing_since IS NOT NULL"))
        await partner.api(f"/subscriptions/{created['id']}/delete")
        await partner.api(f"/subscriptions/{created['id']}/restore")
        assert await house.published("notify.endpoint.restored") == []


async def test_an_endpoint_that_fails_for_days_is_switched_off(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.status = 500
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM endpoint WHERE failing_since IS NOT NULL"))
        assert not await house.published("notify.endpoint.disabled")
        house.shift = timedelta(hours=73)
        await until(lambda: house.published("notify.endpoint.disabled"))
        assert await house.states() == {"pending": 1}


async def test_a_redirect_is_not_followed(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.status, webhook_server.headers = 302, {"Location": webhook_server.url + "/elsewhere"}
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt WHERE reason = 'redirect-refused'"))
        assert [request.path for request in webhook_server.requests] == ["/hook"]


async def test_slow_endpoints_do_not_slow_the_others(
    fresh_database: str, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They alone take every slot that there is for quick ones.
    slots, at_once = 32, Delivering.load().on(datetime.now(UTC)).at_once
    monkeypatch.setenv("VONGTAY_NOTIFY_AT_ONCE", str(slots))
    over = asyncio.Event()
    asked: Counter[str] = Counter()

    async def silent(request: web.Request) -> web.Response:
        asked[request.path] += 1
        await over.wait()
        return web.Response()

    app = web.Application()
    app.router.add_post("/{number}", silent)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with make_house(fresh_database) as house:
        try:
            async with house.client("yen.partner") as partner:
                for number in range(5):
                    await partner.webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/{number}", "cases.*")
                await house.hear(*((f"slow-{number}", missed()) for number in range(40)))
                await partner.webhook(webhook_server.url, "cases.*")
                house.start()

                async def all_taken() -> bool:
                    return asked.total() >= slots

                await until(all_taken)
                await house.hear(*((f"fast-{number}", missed()) for number in range(100)))
                await until(lambda: succeeded(house, 100))
                # None that the slow ones were asked has come to an end: nobody waited for that.
                assert not await house.rows("SELECT 1 FROM attempt")
                assert max(asked.values()) <= at_once
                assert len(webhook_server.requests) == 100
        finally:
            over.set()
            await house.halt()
            await runner.cleanup()


async def test_a_worker_that_dies_loses_nothing_and_what_it_held_is_not_sent_before_its_lease_ends(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner, another_worker(house):
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()), ("e2", missed()))
        now = house.context.clock()
        async with house.database.transaction() as connection:
            held = await deliveries.lease(
                await driver(connection), {created["id"]: 10}, [], 10, now, timedelta(seconds=60)
            )
            assert len(held) == 2
        async with house.database.transaction() as connection:
            assert not await deliveries.lease(
                await driver(connection), {created["id"]: 10}, [], 10, now, timedelta(seconds=60)
            )
        house.start()
        await asyncio.sleep(0.8)
        assert not webhook_server.requests
        house.shift = timedelta(seconds=61)
        await until(lambda: succeeded(house, 2))


async def test_the_first_worker_takes_back_at_once_what_dead_ones_held(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        now = house.context.clock()
        async with house.database.transaction() as connection:
            assert await deliveries.lease(await driver(connection), {created["id"]: 1}, [], 1, now, timedelta(hours=1))
        house.start()
        await until(lambda: succeeded(house, 1))


@asynccontextmanager
async def another_worker(house: House) -> AsyncIterator[None]:
    """A worker that lives and does nothing."""
    stop = asyncio.Event()
    presence = Presence(house.database)
    holding = asyncio.create_task(presence.hold(stop))
    await presence.known(stop)
    try:
        yield
        await house.halt()
    finally:
        stop.set()
        await holding


async def test_two_replicas_send_each_delivery_once(
    house: House, fresh_database: str, webhook_server: WebhookServer
) -> None:
    async with make_house(fresh_database) as twin, house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
        await partner.webhook(webhook_server.url + "/2", "cases.*")
        await house.hear(*((f"e{number}", missed()) for number in range(150)))
        house.start()
        twin.start()
        await until(lambda: succeeded(house, 300))
    identifiers = [request.headers["webhook-id"] for request in webhook_server.requests]
    assert len(identifiers) == len(set(identifiers)) == 300


async def test_a_private_address_is_refused_on_asking_and_on_connecting(
    fresh_database: str, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_ALLOW_PRIVATE", "false")
    async with make_house(fresh_database) as strict, strict.client("yen.partner") as partner:
        for url in ("https://127.0.0.1/hook", "https://[::ffff:169.254.169.254]/", webhook_server.url):
            body = {"channel": "webhook", "target": url, "event_types": ["cases.*"]}
            answer = await partner.try_api("/subscriptions", body)
            assert answer.status_code == 422, url
        # A public name that leads to this machine is refused where it is connected to.
        created = await partner.webhook("https://localtest.vongtay.example/", "cases.*")
        monkeypatch.setattr("services.notify.channels.resolving.PooledResolver.resolve", _to_this_machine)
        await partner.api(f"/subscriptions/{created['id']}/test")
        strict.start()
        await until(lambda: strict.rows("SELECT 1 FROM attempt WHERE reason = 'address-refused'"))


async def _to_this_machine(_self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
    return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]


async def test_a_partners_kafka_topic_is_written_through_the_outbox_once(
    backend: Backend, fresh_database: str, topic_prefix: str
) -> None:
    kafka = {"kafka_bootstrap": backend.bootstrap, "topic_prefix": topic_prefix}
    async with make_house(fresh_database, **kafka) as house, house.client("yen.partner") as partner:
        created = await partner.api("/subscriptions", {"channel": "kafka", "event_types": ["cases.*"]})
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: succeeded(house, 1))
        rows = await house.rows(
            "SELECT aggregatetype, payload, headers FROM outbox WHERE aggregatetype = 'partner.mai-am-hy-vong.v1'"
        )
        assert len(rows) == 1
        assert json.loads(rows[0].payload)["case_id"] == CASE
        assert rows[0].headers["ce_type"] == "vn.vongtay.cases.deadline.missed"
        assert created["secret"] is None


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        rotated = await partner.api(f"/subscriptions/{created['id']}/rotate")
        await partner.api(f"/subscriptions/{created['id']}/test")
        house.start()
        await until(lambda: succeeded(house, 1))
        request = webhook_server.requests[0]
        for secret in (created["secret"], rotated["secret"]):
            Webhook(secret).verify(request.body, request.headers)
        house.shift = timedelta(hours=25)
        for act in ("pause", "resume", "test"):  # the worker looks again when something changes
            await partner.api(f"/subscriptions/{created['id']}/{act}")
        await until(lambda: succeeded(house, 2))
        assert len(webhook_server.requests[1].headers["webhook-signature"].split()) == 1


async def test_old_deliveries_are_forgotten_and_waiting_ones_never(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: succeeded(house, 1))
        await house.halt()
        house.shift = timedelta(days=14)
        await house.upkeep.forget()
        await house.hear(("e2", missed()))
        house.shift = timedelta(days=60)
        await house.upkeep.forget()
        assert await house.states() == {"pending": 1}
        assert len(await house.rows("SELECT 1 FROM message")) == 1
        assert not await house.rows("SELECT 1 FROM attempt")
        assert not await house.rows("SELECT 1 FROM notice")
        await partner.api(f"/subscriptions/{created['id']}/delete")
        house.shift = timedelta(days=62)
        await house.upkeep.give_up()
        assert await house.states() == {"failed": 1}
        assert (await house.published("notify.delivery.failed"))[0]["reason"] == "endpoint-gone"
        inbox = (await partner.get("/notify/api/inbox")).json()
        assert inbox["notices"][0]["event_type"] == "notify.deliveries.given-up"
        await house.upkeep.forget()
        assert await house.states() == {}


async def test_an_event_on_kafka_reaches_a_webhook_and_a_partners_topic(
    backend: Backend, fresh_database: str, topic_prefix: str, webhook_server: WebhookServer
) -> None:
    kafka = {"kafka_bootstrap": backend.bootstrap, "topic_prefix": topic_prefix}
    async with make_house(fresh_database, **kafka) as house, house.client("yen.partner") as partner:
        await ensure_topics(house.context.settings)
        await partner.webhook(webhook_server.url, "cases.*")
        await partner.api("/subscriptions", {"channel": "kafka", "event_types": ["cases.*"]})
        service = Service(house.app, house.context)
        await service.start()
        data = missed()
        now, body = datetime.now(UTC), data.model_dump_json().encode()
        event = Envelope("e1", "/services/cases", data.TYPE, CASE, now, body, sequence=1)
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=backend.bootstrap)
        await producer.start()
        topics = [topic_prefix + name for name in ("partner.mai-am-hy-vong.v1", "notify.deliveries.v1")]
        consumer = aiokafka.AIOKafkaConsumer(
            *topics, bootstrap_servers=backend.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        heard: Counter[tuple[str, str]] = Counter()
        programs: list[str] = []
        wanted = Counter(
            {
                ("partner.mai-am-hy-vong.v1", "cases.deadline.missed"): 1,
                ("notify.deliveries.v1", "notify.deliveries.queued"): 1,
                ("notify.deliveries.v1", "notify.message.queued"): 3,
                ("notify.deliveries.v1", "notify.delivery.succeeded"): 3,
            }
        )
        try:
            await producer.send_and_wait(
                topic_prefix + "cases.cases.v1", event.data, key=CASE.encode(), headers=event.headers()
            )
            async with asyncio.timeout(60):
                # What one batch took is told together, and two channels may be settled in two.
                while not (wanted <= heard and {"webhook", "kafka"} <= set(programs)):
                    record = await consumer.getone()
                    event_type = dict(record.headers)["ce_type"].decode().removeprefix("vn.vongtay.")
                    if event_type == "notify.deliveries.succeeded":
                        programs += [one["channel"] for one in json.loads(record.value)["deliveries"]]
                    else:
                        heard[record.topic.removeprefix(topic_prefix), event_type] += 1
        finally:
            await consumer.stop()
            await producer.stop()
            await service.stop()
        assert heard == wanted
        assert sorted(programs) == ["kafka", "webhook"]
        assert len(webhook_server.requests) == 1
