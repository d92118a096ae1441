"""Whose an address is: until somebody has shown that it is theirs, nothing but the proof itself is sent there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from services.notify.digests import Digests
from tests.integration.notify_house import BASE, House, Person, concern, make_house, missed, succeeded, until
from tests.support.push import push_service
from tests.support.receivers import MailServer, WebhookServer
from tests.support.smsc import sms_gateway

ADDRESS = "lan@phandinhphung.example"
NUMBER = "+84912345678"


@asynccontextmanager
async def strict_house(url: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncIterator[House]:
    """The demo's people, who must prove their addresses like anybody else."""
    monkeypatch.setenv("VONGTAY_NOTIFY_PROVE_DEMO", "true")
    async with make_house(url, **settings) as made:
        yield made


async def undisturbed(person: Person, **more: Any) -> None:
    """No quiet hours: the tests run by day and by night."""
    chosen = {"quiet_from": "00:00", "quiet_to": "00:00", **more}
    answer = await person.http.put("/notify/api/preferences", json=chosen, headers={"x-form-token": person._token})
    assert answer.status == 200


def code_in(text: str) -> str:
    found = re.search(r"\b(\d{6})\b", text)
    assert found, text
    return found[1]


async def test_an_e_mail_address_is_told_nothing_until_its_code_is_typed(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        strict_house(fresh_database, monkeypatch, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as worker,
    ):
        made = await worker.mailbox(ADDRESS, "told", "cases.deadline.missed")
        await house.hear(("e1", concern("yes")), ("e2", missed()))
        house.start()
        await until(lambda: succeeded(house, 1))
        assert len(await house.rows("SELECT 1 FROM delivery")) == 1, "nothing else waits for it either"
        (mail,) = mail_server.messages
        code = code_in(str(mail["Subject"]))
        assert f"{BASE}/notify/subscriptions/{made}" in mail.get_content()
        assert (await worker.get("/notify/api/inbox")).json()["unread"], "the inbox has it meanwhile"
        page = (await worker.get(f"/notify/subscriptions/{made}")).text
        assert "Chưa xác minh" in page
        assert "Chưa xác minh" in (await worker.get("/notify/preferences")).text
        wrong = await worker.post(f"/notify/subscriptions/{made}/verify", code=f"{(int(code) + 1) % 10**6:06d}")
        assert wrong.status_code == 422
        assert "Mã không đúng" in wrong.text
        done = await worker.post(f"/notify/subscriptions/{made}/verify", code=f"{code[:3]} {code[3:]}")
        assert done.status_code == 303
        assert "Đã xác minh nơi nhận" in (await worker.get(done.headers["location"])).text
        await house.hear(("e3", missed()))
        await until(lambda: succeeded(house, 2))
        assert len(mail_server.messages) >= 2


async def test_the_code_is_in_no_table_log_page_or_event(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        strict_house(fresh_database, monkeypatch, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as worker,
    ):
        made = await worker.mailbox(ADDRESS)
        house.start()
        await until(lambda: succeeded(house, 1))
        code = code_in(str(mail_server.messages[0]["Subject"]))
        tables = await house.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for table in tables:
            for row in await house.rows(f'SELECT to_jsonb(t)::text AS everything FROM "{table.tablename}" t'):
                assert code not in re.findall(r"(?<![0-9a-f])\d{6}(?![0-9a-f])", row.everything), table.tablename
        said = await house.rows("SELECT convert_from(body, 'UTF8') AS body FROM message")
        assert not any(code in row.body.replace(made, "") for row in said)
        (entry,) = (await worker.get(f"/notify/api/subscriptions/{made}/deliveries")).json()
        log = (await worker.get(f"/notify/deliveries/{entry['id']}")).text
        assert not re.search(rf"\b{code}\b", log)


async def test_in_an_emergency_only_proven_addresses_are_called_and_the_ladder_says_so(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sms_gateway() as gateway:
        monkeypatch.setenv("VONGTAY_NOTIFY_SMS_URL", gateway.url)
        async with (
            strict_house(fresh_database, monkeypatch, smtp_url=SecretStr(mail_server.url)) as house,
            house.client("lan.worker") as worker,
        ):
            mail = await worker.mailbox(ADDRESS)
            telephone = {"channel": "sms", "target": "0912 345 678", "event_types": ["told"]}
            await worker.api("/subscriptions", telephone)
            house.start()
            await until(lambda: succeeded(house, 2))
            await worker.api(
                f"/subscriptions/{mail}/verify", {"code": code_in(str(mail_server.messages[0]["Subject"]))}
            )
            await house.hear(("e1", concern("yes")))
            await until(lambda: succeeded(house, 3))
            assert len(gateway.texts(NUMBER)) == 1, "its code, and no emergency"
            calls = await house.rows("SELECT channels FROM ladder_call WHERE person = 'lan.worker'")
            assert {channel for row in calls for channel in row.channels} <= {"inbox", "email"}
            assert (await worker.get("/notify/api/inbox")).json()["unread"]


async def test_a_number_that_is_not_proven_acknowledges_nothing(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sms_gateway() as gateway:
        monkeypatch.setenv("VONGTAY_NOTIFY_SMS_URL", gateway.url)
        async with strict_house(fresh_database, monkeypatch) as house, house.client("lan.worker") as worker:
            telephone = {"channel": "sms", "target": "0912 345 678", "event_types": ["told"]}
            made = (await worker.api("/subscriptions", telephone))["id"]
            house.start(receipts=True)
            await until(lambda: succeeded(house, 1))
            (text,) = gateway.texts(NUMBER)
            await house.hear(("e1", concern("yes")))
            await gateway.reply(NUMBER, "OK")
            await worker.api(f"/subscriptions/{made}/verify", {"code": code_in(text)})
            assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["open"]


async def test_codes_are_not_guessed_and_addresses_not_molested(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        strict_house(fresh_database, monkeypatch, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as worker,
        house.client("thuong.worker") as other,
    ):
        made = await worker.mailbox(ADDRESS)
        house.start()
        await until(lambda: succeeded(house, 1))
        code = code_in(str(mail_server.messages[0]["Subject"]))
        wrong = f"{(int(code) + 1) % 10**6:06d}"
        for _ in range(5):
            refused = await worker.try_api(f"/subscriptions/{made}/verify", {"code": wrong})
            assert (refused.status_code, "code-wrong" in refused.text) == (422, True)
        spent = await worker.try_api(f"/subscriptions/{made}/verify", {"code": code})
        assert "code-spent" in spent.text, "not even the right one any more"
        stranger = await other.try_api(f"/subscriptions/{made}/verify", {"code": code})
        assert stranger.status_code == 404
        assert "again-too-soon" in (await worker.try_api(f"/subscriptions/{made}/proof", {})).text
        for _ in range(4):
            house.shift += timedelta(minutes=2)
            await worker.api(f"/subscriptions/{made}/proof", {})
        house.shift += timedelta(minutes=2)
        assert "address-too-often" in (await worker.try_api(f"/subscriptions/{made}/proof", {})).text
        named = {"channel": "email", "target": ADDRESS, "event_types": ["told"]}
        assert "address-too-often" in (await other.try_api("/subscriptions", named)).text, "whoever names it"
        await until(lambda: succeeded(house, 5))
        newest = code_in(str(mail_server.messages[-1]["Subject"]))
        assert newest != code
        assert "code-wrong" in (await worker.try_api(f"/subscriptions/{made}/verify", {"code": code})).text
        house.shift += timedelta(minutes=31)
        assert "code-over" in (await worker.try_api(f"/subscriptions/{made}/verify", {"code": newest})).text
        house.shift += timedelta(days=1)
        await worker.api(f"/subscriptions/{made}/proof", {})


async def test_a_browser_is_asked_by_a_push_message_and_told_only_afterwards(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        push_service() as service,
        strict_house(fresh_database, monkeypatch) as house,
        house.client("lan.worker") as worker,
    ):
        key = re.search(r'data-push-key="([^"]+)"', (await worker.get("/notify/")).text)
        assert key
        service.key = key[1]
        browser = service.browser()
        wanted = {"channel": "push", "target": browser.to_json(), "event_types": ["told"]}
        made = await worker.api("/subscriptions", wanted)
        assert made["verified"] is False
        await house.hear(("e1", concern("yes")))
        house.start()
        await until(lambda: succeeded(house, 1))
        ((_, body),) = service.requests
        said = orjson.loads(browser.read(body))
        assert said["link"] == f"{BASE}/notify/subscriptions/{made['id']}"
        await worker.api(f"/subscriptions/{made['id']}/verify", {"code": code_in(said["title"])})
        await house.hear(("e2", concern("yes").model_copy(update={"concern_id": "c2"})))
        await until(lambda: succeeded(house, 2))


async def test_a_partners_endpoint_hears_nothing_until_it_answers_its_signed_challenge(
    fresh_database: str, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with strict_house(fresh_database, monkeypatch) as house, house.client("yen.partner") as partner:
        webhook_server.status = 404
        made = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: asked(webhook_server, 1))
        row = (await partner.get(f"/notify/api/subscriptions/{made['id']}")).json()
        assert row["verified_at"] is None
        event = Webhook(made["secret"]).verify(webhook_server.requests[0].body, webhook_server.requests[0].headers)
        assert event["type"] == "vn.vongtay.notify.endpoint.challenge"
        for path in ("test", "replay"):
            body = {"since": "2026-01-01T00:00:00Z"} if path == "replay" else {}
            refused = await partner.try_api(f"/subscriptions/{made['id']}/{path}", body)
            assert "address-unverified" in refused.text
        page = await partner.post(f"/notify/subscriptions/{made['id']}/test")
        assert (page.status_code, "chưa được xác minh" in page.text) == (422, True)
        assert "Xác minh máy chủ nhận" in page.text
        code = await partner.try_api(f"/subscriptions/{made['id']}/verify", {"code": "123456"})
        assert code.status_code == 422, "a program proves itself by its answer"
        webhook_server.clear()
        house.shift += timedelta(minutes=2)
        assert (await partner.post(f"/notify/subscriptions/{made['id']}/proof")).status_code == 303
        await until(lambda: proven(house))
        await house.hear(("e2", missed()))
        await until(lambda: heard_of(webhook_server, "deadline"))
        types = {orjson.loads(one.body)["type"].removeprefix("vn.vongtay.") for one in webhook_server.requests}
        assert types == {"notify.endpoint.challenge", "cases.deadline.missed"}
        heard = [orjson.loads(one.body) for one in webhook_server.requests]
        assert sum("deadline" in one["type"] for one in heard) == 1, "what happened before is not sent afterwards"


async def test_a_partners_topic_is_the_platforms_own_and_made_up_people_come_proven(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("lan.worker") as worker:
            await worker.mailbox(ADDRESS)
            assert "Chưa xác minh" not in (await worker.get("/notify/preferences")).text
        house.start()
        await house.hear(("e1", concern("yes")))
        await until(lambda: succeeded(house, 1))
        assert [str(one["Subject"])[:5] for one in mail_server.messages] == ["KHẨN:"]


async def test_everything_somebody_gets_is_in_the_language_they_chose(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sms_gateway() as gateway:
        monkeypatch.setenv("VONGTAY_NOTIFY_SMS_URL", gateway.url)
        async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
            async with house.client("lan.worker") as worker:
                # The addresses were entered on a Vietnamese page; the choice came later.
                await worker.mailbox(ADDRESS, "cases.deadline.missed", "told")
                telephone = {"channel": "sms", "target": "0912 345 678", "event_types": ["cases.deadline.missed"]}
                await worker.api("/subscriptions", telephone)
                await undisturbed(worker, language="en")
                house.start()
                await house.hear(("e1", missed()))
                # The ladder calls over both, and what was asked for by its type comes over both besides.
                await until(lambda: succeeded(house, 4))
                asked, called = sorted(mail_server.messages, key=lambda one: str(one["Subject"]))
                assert str(asked["Subject"]).startswith("Case 0000ABCD in Phan Đình Phùng Ward missed its deadline")
                assert str(called["Subject"]) == "URGENT: A clock of protection was missed; please acknowledge"
                assert all("Look here:" in one.get_content() for one in (asked, called))
                assert "Acknowledge without signing in:" in called.get_content()
                texts = sorted(gateway.texts(NUMBER))
                assert [said.rpartition(" ")[0] for said in texts] == [
                    "Case 0000ABCD missed its deadline. Due 02/03/2026 15:00. See:",
                    "URGENT: A clock of protection was missed. Due 02/03/2026 15:00. Acknowledge:",
                ]
                page = (await worker.get("/notify/")).text
                assert 'lang="en"' in page
                await undisturbed(worker, language="en", digest="daily", digest_at="07:30")
                await house.hear(("e2", concern("no")), ("e3", concern("no")))
                house.shift += timedelta(days=1, minutes=1)
                digests = next(loop.__self__ for loop in house.app.background if loop.__name__ == "digests")
                assert isinstance(digests, Digests)
                before = len(mail_server.messages)
                await digests.once()
                await until(lambda: mailed(mail_server, before + 1))
                digest = mail_server.messages[-1]
                html = digest.get_body(("html",))
                assert html is not None
                assert 'lang="en"' in html.get_content()
                assert not re.search("thông báo|Có tin báo", html.get_content())
            async with house.client("thuong.worker") as other:
                await other.mailbox("thuong@example.org", "cases.deadline.missed")
                assert 'lang="vi"' in (await other.get("/notify/")).text


async def test_a_saved_language_is_that_of_the_pages_until_somebody_chooses_another_there(
    fresh_database: str,
) -> None:
    async with make_house(fresh_database) as house, house.client("lan.worker") as worker:
        saved = await worker.post("/notify/preferences", language="en", digest="none", channels=[])
        assert saved.headers["location"] == "/notify/preferences?done=true&lang=en"
        await worker.get(saved.headers["location"])
        assert 'lang="en"' in (await worker.get("/notify/")).text
        await worker.get("/notify/?lang=vi")
        assert 'lang="vi"' in (await worker.get("/notify/")).text


async def asked(server: WebhookServer, count: int) -> bool:
    return len(server.requests) >= count


async def heard_of(server: WebhookServer, what: str) -> bool:
    return any(what in orjson.loads(one.body)["type"] for one in server.requests)


async def mailed(server: MailServer, count: int) -> bool:
    return len(server.messages) >= count


async def proven(house: House) -> bool:
    return bool(await house.rows("SELECT 1 FROM endpoint WHERE verified_at IS NOT NULL"))
