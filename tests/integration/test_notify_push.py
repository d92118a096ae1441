"""Web push and chat: a push service that checks who sends, a browser that decrypts, a chat with its own words."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.integration.notify_house import House, Person, concern, make_house, succeeded, until
from tests.support.push import Browser, PushService, push_service
from tests.support.receivers import WebhookServer


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    async with push_service() as made:
        yield made


async def subscribe(person: Person, service: PushService) -> Browser:
    """Press the inbox's button, as its script does."""
    key = re.search(r'data-push-key="([^"]+)"', (await person.get("/notify/")).text)
    assert key
    service.key = key[1]
    browser = service.browser()
    await person.api("/subscriptions", {"channel": "push", "target": browser.to_json(), "event_types": ["told"]})
    await undisturbed(person)
    return browser


async def undisturbed(person: Person) -> None:
    """No quiet hours: the tests run by day and by night."""
    chosen = {"quiet_from": "00:00", "quiet_to": "00:00"}
    await person.http.put("/notify/api/preferences", json=chosen, headers={"x-form-token": person._token})


async def test_a_browser_reads_what_happened_and_nobody_on_the_way_does(house: House, service: PushService) -> None:
    async with house.client("lan.worker") as worker:
        browser = await subscribe(worker, service)
        await house.hear(("e1", concern("yes")))
        house.start()
        await until(lambda: succeeded(house, 1))
        (headers, body), *_ = service.requests
        said = json.loads(browser.read(body))
        assert said["title"].startswith("KHẨN:")
        assert said["link"].startswith("http://vongtay.test/notify/a/")
        assert said["urgent"] is True
        assert "KHẨN".encode() not in body
        assert (headers["urgency"], headers["content-encoding"]) == ("high", "aes128gcm")
        assert 0 < int(headers["ttl"]) <= 12 * 3600
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,32}", headers["topic"])
        assert service.refused == 0


async def test_what_fails_is_sent_again_under_the_same_topic_with_another_key_and_salt(
    house: House, service: PushService
) -> None:
    service.statuses = [500]
    async with house.client("lan.worker") as worker:
        browser = await subscribe(worker, service)
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        house.shift = timedelta(seconds=10)
        await until(lambda: succeeded(house, 1))
        (first, one), (second, other) = service.requests
        assert first["topic"] == second["topic"]
        assert browser.read(one) == browser.read(other)
        assert one[:86] != other[:86]


async def test_a_push_service_that_asks_for_patience_has_it(house: House, service: PushService) -> None:
    service.statuses, service.headers = [429], {"retry-after": "3600"}
    async with house.client("lan.worker") as worker:
        await subscribe(worker, service)
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        (row,) = await house.rows("SELECT due_at - now() AS wait FROM delivery_pending")
        assert row.wait > timedelta(minutes=55)


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_is_gone_is_called_no_more(house: House, service: PushService, status: int) -> None:
    service.statuses = [status]
    async with house.client("lan.worker") as worker:
        await subscribe(worker, service)
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.published("notify.endpoint.disabled"))
        assert (await house.states()) == {"failed": 1}


@pytest.mark.parametrize(
    "target",
    [
        "",
        "{}",
        '{"endpoint": "https://push.example/x"}',
        '{"endpoint": "https://push.example/x", "keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
        '{"endpoint": "javascript:alert(1)", "keys": {"p256dh": "KEY", "auth": "MDEyMzQ1Njc4OWFiY2RlZg"}}',
        '{"endpoint": "https://push.example/x", "keys": {"p256dh": "KEY", "auth": "MDEy"}}',
    ],
)
async def test_what_is_no_subscription_of_a_browser_is_refused(house: House, target: str) -> None:
    key = json.loads(Browser("https://push.example/x").to_json())["keys"]["p256dh"]
    async with house.client("lan.worker") as worker:
        body = {"channel": "push", "target": target.replace("KEY", key), "event_types": ["told"]}
        assert (await worker.try_api("/subscriptions", body)).status_code == 422


async def test_the_service_worker_lies_beside_the_pages_and_partners_have_no_button(house: House) -> None:
    async with house.client("lan.worker") as worker:
        answer = await worker.get("/notify/worker.js")
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "showNotification" in answer.text
    async with house.client("yen.partner") as partner:
        assert "data-push-key" not in (await partner.get("/notify/")).text


ZALO = {"CHAT_SHAPE": "zalo-oa", "CHAT_TOKEN": "token-of-the-province"}


async def chatting(person: Person) -> None:
    await person.api("/subscriptions", {"channel": "chat", "target": "2468013579", "event_types": ["told"]})
    await undisturbed(person)


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (b'{"error":0,"message":"Success","data":{"message_id":"x","user_id":"2468013579"}}', "succeeded", None),
        (b'{"error":-213,"message":"user has not followed"}', "failed", "account-gone"),
        (b'{"error":-32,"message":"rate limit"}', "pending", "chat-busy"),
        (b'{"error":-216,"message":"access token is invalid"}', "pending", "chat--216"),
        (b"<html>oops</html>", "pending", "chat-unread"),
    ],
)
async def test_a_chat_says_in_its_answer_what_became_of_a_message(
    fresh_database: str,
    webhook_server: WebhookServer,
    monkeypatch: pytest.MonkeyPatch,
    answer: bytes,
    state: str,
    reason: str | None,
) -> None:
    webhook_server.body = answer
    for name, value in {**ZALO, "CHAT_URL": webhook_server.url}.items():
        monkeypatch.setenv(f"VONGTAY_NOTIFY_{name}", value)
    async with make_house(fresh_database) as house, house.client("lan.worker") as worker:
        await chatting(worker)
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM delivery WHERE reason IS NOT NULL OR state = 'succeeded'"))
        (row,) = await house.rows("SELECT state, reason, response FROM delivery")
        assert (row.state, row.reason) == (state, reason)
        assert "2468013579" not in (row.response or "")
        (request, *_) = webhook_server.requests
        said = json.loads(request.body)
        assert said["recipient"] == {"user_id": "2468013579"}
        assert said["message"]["text"].startswith("Có thông tin báo mới tại Phường Phan Đình Phùng.")
        assert request.headers["access_token"] == "token-of-the-province"
        (endpoint,) = await house.rows("SELECT failures FROM endpoint")
        assert endpoint.failures == (1 if state == "failed" else 0)
