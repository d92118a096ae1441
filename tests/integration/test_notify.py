"""Notify as a whole on a real database: from an event to what partners and people receive, through every failure."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import aiokafka
import pytest
import uvicorn
from aiohttp import web
from pydantic import SecretStr
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from services.notify import store
from services.notify.app import build
from services.notify.settings import NotifySettings
from services.notify.upkeep import Upkeep
from shared.contracts.base import Contract
from shared.contracts.cases import ConcernReceived, DeadlineMissed, TaskRequested
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.processing import Processor, Record
from shared.messaging.service import Service, ServiceApp, ServiceContext
from shared.messaging.topics import ensure_topics
from shared.privacy import Keys
from shared.privacy.sealing import PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.support.backends import Backend
from tests.support.receivers import MailServer, WebhookServer

UNIT = "05443"
OTHER_UNIT = next(code for code in Units.load().codes() if code > UNIT)
CASE = "0195a000-0000-7000-8000-00000000abcd"
BASE = "http://vongtay.test"
NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass
class House:
    """The notify service on a database, its worker started by hand, its clock ours."""

    database: Database
    app: ServiceApp
    context: ServiceContext
    url: str
    shift: timedelta = timedelta()
    running: list[asyncio.Task[None]] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.processor = Processor(self.app.messaging, self.database, self.context.keys, self.context.clock)

    async def hear(self, *events: tuple[str, Contract], unit: str = UNIT) -> list[str]:
        """Events of the cases service, handled as the consumer would. Out: outcomes."""
        records = []
        for number, (event_id, data) in enumerate(events):
            event = Envelope(
                event_id,
                "/services/cases",
                data.TYPE,
                CASE,
                NOW,
                data.model_dump_json().encode(),
                sequence=1,
                unit=unit,
            )
            records.append(Record("cases.cases.v1", 0, number, CASE, event.data, tuple(event.headers())))
        return [result.outcome for result in await self.processor.handle(records)]

    def start(self) -> None:
        """Start the delivery worker and the live inbox."""
        self.stop = asyncio.Event()
        deliver, _, live = self.app.background
        self.running = [asyncio.create_task(loop(self.stop)) for loop in (deliver, live)]

    async def halt(self) -> None:
        self.stop.set()
        await asyncio.gather(*self.running)
        self.running = []

    async def rows(self, sql: str, **values: Any) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(sql), values)).all())

    async def published(self, name: str) -> list[dict[str, Any]]:
        rows = await self.rows(
            "SELECT payload FROM outbox WHERE type = :type ORDER BY position", type=f"vn.vongtay.{name}"
        )
        return [json.loads(row.payload) for row in rows]

    async def states(self) -> dict[str, int]:
        rows = await self.rows("SELECT state, count(*) AS n FROM delivery GROUP BY state")
        return {row.state: row.n for row in rows}

    def client(self, person: str) -> Person:
        return Person(self.url, person)


@dataclass
class Answer:
    """An HTTP answer, read."""

    status_code: int
    text: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        return json.loads(self.text)


class Person:
    """Somebody at the pages, signed in by the demo's one-click form."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self._name = name
        self._token = ""

    async def __aenter__(self) -> Person:
        self.http = aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        page = await self.get("/identity/sign-in")
        form = {"form_token": _token(page.text), "person": self._name, "next": "/notify/"}
        assert (await self._ask("POST", "/identity/sign-in/demo", data=form)).status_code == 303
        self._token = _token((await self.get("/notify/")).text)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path)

    async def post(self, path: str, **form: Any) -> Answer:
        pairs = [("form_token", self._token)]
        for name, value in form.items():
            pairs += [(name, item) for item in (value if isinstance(value, list) else [value])]
        return await self._ask("POST", path, data=aiohttp.FormData(pairs))

    async def try_api(self, path: str, body: Any = None) -> Answer:
        return await self._ask("POST", f"/notify/api{path}", json=body, headers={"x-form-token": self._token})

    async def api(self, path: str, body: Any = None) -> Any:
        answer = await self.try_api(path, body)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        async with self.http.request(method, path, allow_redirects=False, **more) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def webhook(self, url: str, *patterns: str, units: list[str] | None = None) -> dict[str, str]:
        body = {"channel": "webhook", "name": "Đầu nhận", "target": url, "event_types": list(patterns), "units": units}
        created: dict[str, str] = await self.api("/subscriptions", body)
        return created


def _token(html: str) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', html)
    assert found, "no form token in the page"
    return found[1]


@asynccontextmanager
async def make_house(url: str, **settings: Any) -> AsyncIterator[House]:
    database = Database(url, pool_size=5)
    made = Settings(environment="test", demo_users=True, base_url=BASE, database_url=SecretStr(url), **settings)
    house: House

    def clock() -> datetime:
        return datetime.now(UTC) + house.shift

    context = ServiceContext(made, database, Keys(bytes(32), PlatformKey(bytes(range(32)))), clock)
    app = build(context)
    await database.migrate(app.migrations)
    directory = demo_directory(Units.load().names())
    pages = create_app("notify", [Service(app, context).http()], app.pages, directory, made, prefix="/notify")
    server = uvicorn.Server(uvicorn.Config(pages, port=0, lifespan="off", log_level="error"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    sockets = [socket.create_server(("127.0.0.1", 0))]
    serving = asyncio.create_task(server.serve(sockets))
    house = House(database, app, context, f"http://127.0.0.1:{sockets[0].getsockname()[1]}")
    try:
        yield house
    finally:
        await house.halt()
        server.should_exit = True
        await serving
        await database.close()


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with make_house(fresh_database) as made:
        yield made


def missed(unit: str = UNIT) -> DeadlineMissed:
    return DeadlineMissed.model_validate(
        {"case_id": CASE, "facts": _facts(unit), "deadline_id": "d1", "kind": "emergency-12h", "state": "missed",
         "due": NOW, "legal_source": "56/2017"}
    )  # fmt: skip


def task(sector: str = "health") -> TaskRequested:
    return TaskRequested.model_validate(
        {"case_id": CASE, "facts": _facts(UNIT), "task_id": "t1", "task_kind": "examine", "task_sector": sector,
         "due": NOW}
    )  # fmt: skip


def concern(danger: str = "yes") -> ConcernReceived:
    facts = {
        "unit": UNIT, "sex": "female", "age_band": "6-10", "kind": "neglect", "danger_now": danger, "sector": "health",
        "channel": "hospital", "status": "received", "received_at": NOW,
    }  # fmt: skip
    return ConcernReceived.model_validate({"concern_id": "c1", "facts": facts})


def _facts(unit: str) -> dict[str, Any]:
    return {
        "unit": unit, "sex": "female", "age_band": "6-10", "kind": "neglect", "risk": "high", "status": "open",
        "step": "plan", "sector": "police", "channel": "police", "opened_at": NOW,
    }  # fmt: skip


async def until(condition: Callable[[], Awaitable[Any]], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.03)


async def test_a_partner_receives_a_signed_webhook_and_it_is_published_that_it_did(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "cases.deadline.*")
        await house.hear(("e1", missed()))
        queued = await house.published("notify.message.queued")
        assert {item["channel"] for item in queued} == {"inbox", "webhook"}
        assert not webhook_server.requests
        house.start()
        await until(lambda: _succeeded(house, 1))
        request = webhook_server.requests[0]
        event = Webhook(created["secret"]).verify(request.body, request.headers)
        assert event["type"] == "vn.vongtay.cases.deadline.missed"
        assert event["data"]["unit_name"] == "Phường Phan Đình Phùng"
        assert event["data"]["link"] == f"{BASE}/cases/c/{CASE}"
        done = [item for item in await house.published("notify.delivery.succeeded") if item["channel"] == "webhook"]
        assert done[0]["delivery_id"] == request.headers["webhook-id"]


async def _succeeded(house: House, count: int) -> bool:
    return (await house.states()).get("succeeded", 0) >= count


async def test_an_event_delivered_twice_is_sent_once(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "*")
        assert await house.hear(("e1", missed()), ("e1", missed())) == ["accepted", "duplicate"]
        # Even where the inbox has forgotten the event, the delivery's id has not.
        await house.rows("DELETE FROM inbox RETURNING 1")
        assert await house.hear(("e1", missed())) == ["accepted"]
        assert await house.states() == {"pending": 1}
        assert len([q for q in await house.published("notify.message.queued") if q["channel"] == "webhook"]) == 1


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
        created = await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        assert (await house.rows("SELECT failing_since FROM subscription"))[0].failing_since is not None
        house.shift = timedelta(minutes=1)
        await until(lambda: _succeeded(house, 1))
        first, second = webhook_server.requests
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert first.body == second.body
        row = (await partner.get(f"/notify/api/subscriptions/{created['id']}/deliveries")).json()[0]
        shown = (await partner.get(f"/notify/api/deliveries/{row['id']}")).json()
        assert [item["status"] for item in shown["tries"]] == [500, 200]
        assert len(shown["tries"][0]["response"]) == 500
        assert (await house.rows("SELECT failing_since FROM subscription"))[0].failing_since is None


async def test_retry_after_leaves_the_whole_endpoint_in_peace(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.status, webhook_server.headers = 429, {"Retry-After": "600"}
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM subscription WHERE resume_at IS NOT NULL"))
        await asyncio.sleep(0.3)
        await house.hear(("e2", missed()))
        await asyncio.sleep(0.7)
        assert len(webhook_server.requests) == 1
        webhook_server.status = 200
        house.shift = timedelta(minutes=15)
        await until(lambda: _succeeded(house, 2))


async def test_gone_switches_the_endpoint_off_and_its_owner_is_told(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.status = 410
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.published("notify.endpoint.disabled"))
        assert await house.states() == {"failed": 1}
        assert (await house.published("notify.delivery.failed"))[0]["reason"] == "gone"
        inbox = (await partner.get("/notify/api/inbox")).json()
        assert inbox["notices"][0]["event_type"] == "notify.endpoint.disabled"
        assert inbox["notices"][0]["path"] == f"/notify/subscriptions/{created['id']}"
        # What comes meanwhile waits; switched on again, it is sent, and what failed can be replayed.
        await house.hear(("e2", missed()))
        webhook_server.status = 200
        await partner.api(f"/subscriptions/{created['id']}/resume")
        await until(lambda: _succeeded(house, 1))
        replayed = await partner.api(f"/subscriptions/{created['id']}/replay", {"since": "2020-01-01T00:00:00Z"})
        assert replayed == {"replayed": 1}
        await until(lambda: _succeeded(house, 2))


async def test_an_endpoint_that_fails_for_days_is_switched_off(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.status = 500
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM subscription WHERE failing_since IS NOT NULL"))
        assert not await house.published("notify.endpoint.disabled")
        house.shift = timedelta(hours=73)
        await until(lambda: house.published("notify.endpoint.disabled"))
        assert await house.states() == {"pending": 1}


async def test_a_redirect_is_not_followed(house: House, webhook_server: WebhookServer) -> None:
    webhook_server.status, webhook_server.headers = 302, {"Location": webhook_server.url + "/elsewhere"}
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt WHERE reason = 'redirect-refused'"))
        assert [request.path for request in webhook_server.requests] == ["/hook"]


async def test_a_slow_endpoint_does_not_slow_the_others(house: House, webhook_server: WebhookServer) -> None:
    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(3)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", slow)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with house.client("yen.partner") as partner:
        await partner.webhook(f"http://127.0.0.1:{runner.addresses[0][1]}/", "*")
        await house.hear(*((f"slow-{number}", missed()) for number in range(200)))
        await partner.webhook(webhook_server.url, "*")
        house.start()
        await asyncio.sleep(0.5)
        started = asyncio.get_running_loop().time()
        await house.hear(*((f"fast-{number}", missed()) for number in range(100)))

        async def all_here() -> bool:
            return len(webhook_server.requests) == 100

        await until(all_here)
        assert asyncio.get_running_loop().time() - started < 2.5
    await house.halt()
    await runner.cleanup()


async def test_a_worker_that_dies_loses_nothing_and_what_it_held_is_not_sent_before_its_lease_ends(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()), ("e2", missed()))
        now = house.context.clock()
        async with house.database.transaction() as connection:
            held = await store.lease(connection, {created["id"]: 10}, 10, now, now + timedelta(seconds=60))
            assert len(held) == 2
        async with house.database.transaction() as connection:
            assert not await store.lease(connection, {created["id"]: 10}, 10, now, now + timedelta(seconds=60))
        house.start()
        await asyncio.sleep(0.8)
        assert not webhook_server.requests
        house.shift = timedelta(seconds=61)
        await until(lambda: _succeeded(house, 2))


async def test_two_replicas_send_each_delivery_once(
    house: House, fresh_database: str, webhook_server: WebhookServer
) -> None:
    async with make_house(fresh_database) as twin, house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "*")
        await partner.webhook(webhook_server.url + "/2", "*")
        await house.hear(*((f"e{number}", missed()) for number in range(150)))
        house.start()
        twin.start()
        await until(lambda: _succeeded(house, 300))
    identifiers = [request.headers["webhook-id"] for request in webhook_server.requests]
    assert len(identifiers) == len(set(identifiers)) == 300


async def test_a_private_address_is_refused_on_asking_and_on_connecting(
    fresh_database: str, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_ALLOW_PRIVATE", "false")
    async with make_house(fresh_database) as strict, strict.client("yen.partner") as partner:
        for url in ("https://127.0.0.1/hook", "https://[::ffff:169.254.169.254]/", webhook_server.url):
            body = {"channel": "webhook", "target": url, "event_types": ["*"]}
            answer = await partner.try_api("/subscriptions", body)
            assert answer.status_code == 422, url
        # A public name that leads to this machine is refused where it is connected to.
        created = await partner.webhook("https://localtest.vongtay.example/", "*")
        monkeypatch.setattr("aiohttp.resolver.ThreadedResolver.resolve", _to_this_machine)
        await partner.api(f"/subscriptions/{created['id']}/test")
        strict.start()
        await until(lambda: strict.rows("SELECT 1 FROM attempt WHERE reason = 'address-refused'"))


async def _to_this_machine(_self: object, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
    return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]


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
        stored = (await house.rows("SELECT subscription::text AS everything FROM subscription"))[0].everything
        assert "lan@" not in stored
        await house.hear(("e1", missed()), ("e2", missed(OTHER_UNIT)))
        house.start()
        await until(lambda: _succeeded(house, 1))
        assert len(mail_server.messages) == 1
        message = mail_server.messages[0]
        assert message["To"] == "lan@phandinhphung.example"
        assert message["Subject"] == "Vụ việc 0000ABCD tại Phường Phan Đình Phùng đã quá hạn lúc 02/03/2026 15:00"
        body = message.get_content()
        assert f"{BASE}/cases/c/{CASE}" in body
        assert "Hạn: 02/03/2026 15:00" in body
        assert not re.search(r"female|6-10|neglect|Lan", body)
        everything = await house.rows("SELECT convert_from(payload, 'UTF8') AS p FROM outbox")
        assert not any("lan@" in row.p for row in everything)


async def test_a_partners_kafka_topic_is_written_through_the_outbox_once(
    backend: Backend, fresh_database: str, topic_prefix: str
) -> None:
    kafka = {"kafka_bootstrap": backend.bootstrap, "topic_prefix": topic_prefix}
    async with make_house(fresh_database, **kafka) as house, house.client("yen.partner") as partner:
        created = await partner.api("/subscriptions", {"channel": "kafka", "event_types": ["cases.*"]})
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: _succeeded(house, 1))
        rows = await house.rows(
            "SELECT aggregatetype, payload, headers FROM outbox WHERE aggregatetype = 'partner.mai-am-hy-vong.v1'"
        )
        assert len(rows) == 1
        assert json.loads(rows[0].payload)["case_id"] == CASE
        assert rows[0].headers["ce_type"] == "vn.vongtay.cases.deadline.missed"
        assert created["secret"] is None


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
            async with asyncio.timeout(10):
                while "Có thông tin báo mới".encode() not in seen:
                    seen += await stream.content.readany()
            assert f"event: {topic[1]}".encode() in seen


async def test_a_partner_sees_its_own_endpoints_only_and_the_operator_no_address(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "*")
        page = f"/notify/subscriptions/{created['id']}"
        assert webhook_server.url in (await partner.get(page)).text
        assert created["secret"] not in (await partner.get(page)).text
    async with house.client("lan.worker") as stranger:
        assert (await stranger.get(page)).status_code == 404
        assert (await stranger.get("/notify/ops")).status_code == 403
        assert (await stranger.post(page + "/delete")).status_code == 404
    async with house.client("son.operator") as operator:
        shown = await operator.get(page)
        assert shown.status_code == 200
        assert webhook_server.url not in shown.text
        assert (await operator.get("/notify/ops")).status_code == 200
        assert (await operator.post(page + "/rotate")).status_code == 404


async def test_the_pages_walk_a_partner_from_creating_to_replaying_and_undoing(
    house: House, webhook_server: WebhookServer
) -> None:
    webhook_server.statuses = [410]
    async with house.client("yen.partner") as partner:
        wrong = await partner.post("/notify/subscriptions", channel="webhook", target="nowhere", event_types=["*"])
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
        page = (await house.rows("SELECT '/notify/subscriptions/' || id AS path FROM subscription"))[0].path
        house.start()
        assert (await partner.post(page + "/test")).status_code == 303
        await until(lambda: house.published("notify.endpoint.disabled"))
        shown = (await partner.get(page)).text
        assert "đã bị tắt" in shown
        delivery = re.search(r"/notify/deliveries/[0-9a-f-]+", shown)
        assert delivery
        assert "410" in (await partner.get(delivery[0])).text
        await partner.post(page + "/resume")
        await partner.post(delivery[0] + "/replay")
        await until(lambda: _succeeded(house, 1))
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


async def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "*")
        rotated = await partner.api(f"/subscriptions/{created['id']}/rotate")
        await partner.api(f"/subscriptions/{created['id']}/test")
        house.start()
        await until(lambda: _succeeded(house, 1))
        request = webhook_server.requests[0]
        for secret in (created["secret"], rotated["secret"]):
            Webhook(secret).verify(request.body, request.headers)
        house.shift = timedelta(hours=25)
        for act in ("pause", "resume", "test"):  # the worker looks again when something changes
            await partner.api(f"/subscriptions/{created['id']}/{act}")
        await until(lambda: _succeeded(house, 2))
        assert len(webhook_server.requests[1].headers["webhook-signature"].split()) == 1


async def test_old_deliveries_are_forgotten_and_waiting_ones_never(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        created = await partner.webhook(webhook_server.url, "*")
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: _succeeded(house, 1))
        await house.halt()
        await house.hear(("e2", missed()))
        house.shift = timedelta(days=31)
        upkeep = Upkeep(house.database, house.context.clock, timedelta(days=NotifySettings().keep_days))
        await upkeep.once(asyncio.Event())
        assert await house.states() == {"pending": 1}
        assert len(await house.rows("SELECT 1 FROM message")) == 1
        assert not await house.rows("SELECT 1 FROM attempt")
        assert not await house.rows("SELECT 1 FROM notice")
        await partner.api(f"/subscriptions/{created['id']}/delete")
        house.shift = timedelta(days=33)
        await upkeep.once(asyncio.Event())
        assert await house.states() == {"failed": 1}
        assert (await house.published("notify.delivery.failed"))[0]["reason"] == "endpoint-gone"


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
        event = Envelope("e1", "/services/cases", data.TYPE, CASE, NOW, data.model_dump_json().encode(), sequence=1)
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=backend.bootstrap)
        await producer.start()
        topics = [topic_prefix + name for name in ("partner.mai-am-hy-vong.v1", "notify.deliveries.v1")]
        consumer = aiokafka.AIOKafkaConsumer(
            *topics, bootstrap_servers=backend.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        await consumer.start()
        heard: list[tuple[str, str]] = []
        try:
            await producer.send_and_wait(
                topic_prefix + "cases.cases.v1", event.data, key=CASE.encode(), headers=event.headers()
            )
            async with asyncio.timeout(60):
                # Two queued and two succeeded to partners, the same three times in the app, and the partner's record.
                while len(heard) < 11:
                    record = await consumer.getone()
                    event_type = dict(record.headers)["ce_type"].decode().removeprefix("vn.vongtay.")
                    heard.append((record.topic.removeprefix(topic_prefix), event_type))
        finally:
            await consumer.stop()
            await producer.stop()
            await service.stop()
        assert heard.count(("partner.mai-am-hy-vong.v1", "cases.deadline.missed")) == 1
        assert heard.count(("notify.deliveries.v1", "notify.message.queued")) == 5
        assert heard.count(("notify.deliveries.v1", "notify.delivery.succeeded")) == 5
        assert len(webhook_server.requests) == 1
