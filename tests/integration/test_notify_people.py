"""Notify towards people: e-mail, the inbox in the app, and the pages of partners and operators."""

from __future__ import annotations

import asyncio
import re
from email.message import EmailMessage

from pydantic import SecretStr

from tests.integration.notify_house import (
    BASE,
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    concern,
    make_house,
    missed,
    succeeded,
    task,
    until,
)
from tests.support.receivers import MailServer, WebhookServer


def _asked_for_and_urgent(mail_server: MailServer) -> tuple[EmailMessage, EmailMessage]:
    """A missed protection deadline is an emergency too, whose ladder calls over whatever reaches somebody."""
    urgent = [one for one in mail_server.messages if one["Subject"].startswith("KHẨN")]
    asked_for = [one for one in mail_server.messages if one not in urgent]
    assert (len(asked_for), len(urgent)) == (1, 1)
    return asked_for[0], urgent[0]


async def test_people_get_an_e_mail_that_says_what_where_and_when_and_nothing_of_the_child(
    fresh_database: str, mail_server: MailServer
) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        made = await worker.post(
            "/notify/subscriptions",
            channel="email",
            target="lan@phandinhphung.example",
            event_types=["cases.deadline.missed"],
            language="vi",
        )
        assert made.status_code == 303, made.text
        stored = (await house.rows("SELECT endpoint::text AS everything FROM endpoint"))[0].everything
        assert "lan@" not in stored
        await house.hear(("e1", missed()), ("e2", missed(OTHER_UNIT)))
        house.start()
        await until(lambda: succeeded(house, 2))
        message, _ = _asked_for_and_urgent(mail_server)
        assert message["To"] == "lan@phandinhphung.example"
        assert message["Subject"] == "Vụ việc 0000ABCD tại Phường Phan Đình Phùng đã quá hạn: 02/03/2026 15:00"
        body = message.get_content()
        assert f"{BASE}/cases/c/{CASE}" in body
        assert "Hạn: 02/03/2026 15:00" in body
        assert not re.search(r"female|6-10|neglect|Lan", body)
        everything = await house.rows("SELECT convert_from(payload, 'UTF8') AS p FROM outbox")
        assert not any("lan@" in row.p for row in everything)


async def test_who_is_told_in_the_app_and_reading_is_each_persons_own(house: House) -> None:
    await house.hear(("e1", concern("yes")), ("e2", task("health")))
    counts = {}
    for name in ("lan.worker", "thuong.worker", "binh.chair", "ha.coordinator", "duc.health", "quang.police"):
        async with house.client(name) as person:
            counts[name] = (await person.get("/notify/api/inbox")).json()["unread"]
    assert counts == {
        "lan.worker": 1,
        "thuong.worker": 0,
        "binh.chair": 1,
        "ha.coordinator": 1,
        "duc.health": 1,
        "quang.police": 0,
    }
    async with house.client("lan.worker") as worker:
        page = await worker.get("/notify/")
        assert "Có thông báo" not in page.text
        assert "Có thông tin báo mới tại Phường Phan Đình Phùng" in page.text
        notice = (await worker.get("/notify/api/inbox")).json()["notices"][0]["id"]
        await worker.post("/notify/read", notice=notice)
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 0
        await worker.post("/notify/read", undo=notice)
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 1
    async with house.client("quang.police") as stranger:
        answer = await stranger.get(f"/notify/open/{notice}")
        assert answer.headers["location"] == "/notify/"
    async with house.client("lan.worker") as worker:
        answer = await worker.get(f"/notify/open/{notice}")
        assert answer.headers["location"] == "/cases"
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 0


async def test_notices_that_say_the_same_are_one_line_read_by_one_button(house: House) -> None:
    await house.hear(*((f"e{number}", concern("yes")) for number in range(3)), ("e9", missed()))
    async with house.client("lan.worker") as worker:
        page = (await worker.get("/notify/")).text
        assert page.count("Có thông tin báo mới tại Phường Phan Đình Phùng") == 1
        assert "3 tin như vậy" in page
        alike = re.search(r'name="notice" value="(\S+ \S+ \S+)"', page)
        assert alike is not None
        await worker.post("/notify/read", notice=alike[1])
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 1
        for strange in ("x", f"{alike[1]} x", "--------------------------------"):
            assert (await worker.post("/notify/read", notice=strange)).status_code == 422
        await worker.post("/notify/read", undo=alike[1])
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 4


async def test_an_e_mail_and_a_notice_call_a_case_by_its_code(fresh_database: str, mail_server: MailServer) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        await worker.mailbox("lan@phandinhphung.example", "cases.deadline.missed")
        event = missed()
        facts = event.facts.model_copy(update={"code": "TN-2026-000328"})
        await house.hear(("e1", event.model_copy(update={"facts": facts})))
        house.start()
        await until(lambda: succeeded(house, 2))
        message, _ = _asked_for_and_urgent(mail_server)
        assert message["Subject"].startswith("Vụ việc TN-2026-000328 tại Phường Phan Đình Phùng")
        assert "Vụ việc TN-2026-000328 tại" in (await worker.get("/notify/")).text


async def test_an_open_inbox_shows_a_new_notice_without_asking(house: House) -> None:
    house.start()
    await asyncio.sleep(0.3)
    async with house.client("lan.worker") as worker:
        page = (await worker.get("/notify/")).text
        topic = re.search(r'data-topic="([^"]+)"', page)
        assert topic
        async with worker.http.get("/notify/live") as stream:
            await asyncio.sleep(0.2)
            await house.hear(("e1", concern("no")))
            seen = b""
            async with asyncio.timeout(60):
                while "Có thông tin báo mới".encode() not in seen:
                    seen += await stream.content.readany()
            assert f"event: {topic[1]}".encode() in seen


async def test_a_partner_sees_its_own_endpoints_only_and_the_operator_no_address(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.*")
        page = f"/notify/subscriptions/{created['id']}"
        assert webhook_server.url in (await partner.get(page)).text
        assert created["secret"] not in (await partner.get(page)).text
    async with house.client("lan.worker") as stranger:
        assert (await stranger.get(page)).status_code == 404
        assert (await stranger.get("/notify/queue")).status_code == 403
        assert (await stranger.post(page + "/delete")).status_code == 404
    async with house.client("son.operator") as operator:
        shown = await operator.get(page)
        assert shown.status_code == 200
        assert webhook_server.url not in shown.text
        assert (await operator.get("/notify/queue")).status_code == 200
        assert (await operator.post(page + "/rotate")).status_code == 404


async def test_whoever_keeps_the_platform_up_sees_how_it_was_sent_and_neither_what_was_said_nor_what_was_answered(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.status, webhook_server.body = 400, "Không đọc được: Nguyễn Thị Mai".encode()
    async with house.client("yen.partner") as partner, house.client("son.operator") as operator:
        created = await partner.webhook(webhook_server.url, "cases.*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        [line] = (await operator.get(f"/notify/api/subscriptions/{created['id']}/deliveries")).json()
        assert line["event_type"] == "cases.deadline.missed"
        path = f"/deliveries/{line['id']}"
        own = (await partner.get(f"/notify/api{path}")).json()
        seen = (await operator.get(f"/notify/api{path}")).json()
        sent = webhook_server.requests[0].body
        assert own["request"] == sent.decode()
        assert own["tries"][0]["response"] == webhook_server.body.decode()
        # What mending needs is there, in the same words for both.
        unread = {"request": None, "tries": [{**own["tries"][0], "response": None}]}
        assert seen == {**own, **unread}
        assert seen["request_size"] == len(sent)
        assert seen["tries"][0]["response_size"] == len(webhook_server.body)
        assert (seen["tries"][0]["status"], seen["tries"][0]["reason"]) == (400, "http-400")
        headers = webhook_server.requests[0].headers
        assert seen["request_headers"]["webhook-id"] == headers["webhook-id"]
        assert seen["request_headers"]["content-length"] == headers["content-length"]
        assert not any("signature" in name for name in seen["request_headers"])
        # And the page says no more.
        mine = (await partner.get(f"/notify{path}")).text
        theirs = (await operator.get(f"/notify{path}")).text
        for words in ("event_id", "Nguyễn Thị Mai"):
            assert words in mine
            assert words not in theirs
        assert webhook_server.url not in theirs
        assert f"{len(sent)} byte" in theirs
        assert "webhook-id" in theirs
        assert "chỉ dành cho người của tổ chức nhận" in theirs
        assert "chỉ dành cho người của tổ chức nhận" not in mine


async def test_the_pages_walk_a_partner_from_creating_to_replaying_and_undoing(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.statuses = [410]
    async with house.client("yen.partner") as partner:
        wanted = {"channel": "webhook", "target": "nowhere", "event_types": ["cases.*"]}
        wrong = await partner.post("/notify/subscriptions", **wanted)
        assert wrong.status_code == 422
        assert "https://" in wrong.text
        made = await partner.post(
            "/notify/subscriptions",
            channel="webhook",
            target=webhook_server.url,
            event_types=["cases.*"],
            units=[UNIT],
        )
        assert made.status_code == 201
        assert "whsec_" in made.text
        assert made.headers["cache-control"] == "no-store"
        page = (await house.rows("SELECT '/notify/subscriptions/' || id AS path FROM endpoint"))[0].path
        house.start()
        assert (await partner.post(page + "/test")).status_code == 303
        await until(lambda: house.published("notify.endpoint.disabled"))
        shown = (await partner.get(page)).text
        assert "đã bị tắt" in shown
        delivery = re.search(r"/notify/deliveries/[0-9a-f-]+", shown)
        assert delivery
        assert "410" in (await partner.get(delivery[0])).text
        await partner.post(page + "/resume")
        await until(lambda: succeeded(house, 1))
        await partner.post(delivery[0] + "/replay")
        await until(lambda: house.rows("SELECT 1 FROM attempt HAVING count(*) = 2"))
        gone = await partner.post(page + "/delete")
        listed = (await partner.get(gone.headers["location"])).text
        assert "Hoàn tác" in listed
        await partner.post(page + "/restore")
        assert "Hoạt động" in (await partner.get(page)).text


async def test_an_english_page_is_english(house: House) -> None:
    async with house.client("yen.partner") as partner:
        page = (await partner.get("/notify/subscriptions/new?lang=en")).text
        assert "Add a subscription" in page
        assert "A legal deadline was missed" in page
