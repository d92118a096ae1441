"""One report's way through the whole platform: from a hospital's event to a closed case, and to all who are told.

Whoever is told learns codes and places; nobody but the commune's own people ever reads a name.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from agency.sealing import sealed
from shared.contracts.envelope import from_structured
from shared.messaging.kafka import producer
from shared.settings import Settings
from tests.support.platform import Whole, everything_in, whole
from tests.support.receivers import MailServer, WebhookServer

pytestmark = pytest.mark.timeout(240)
UNIT = "05443"
NAME, MOTHER, REPORTER = "Lò Thị Hành Trình", "Quàng Thị Mẹ Hiền", "Sùng A Người Báo"
STORY = "Bé bị bỏng nước sôi ở hai tay, kể rằng bị phạt."
PERSONAL = (NAME, MOTHER, REPORTER, STORY, "0912345678")
TRACE = "0af7651916cd43dd8448eb211c80319c"
ROWS = ("severity", "access", "care-barriers", "resists", "knows-helpers", "seeks-help")


def _event(name: str, identifier: str, sector: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": identifier,
        "source": f"/agency/{sector}/journey",
        "type": f"vn.vongtay.agency.{name}",
        "subject": identifier,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


CHILD = {"name": NAME, "birth_date": "2018-05-04", "sex": "female", "carers": [{"name": MOTHER, "relation": "mẹ"}]}


class Story:
    """The platform, and the one case that is followed."""

    def __init__(self, platform: Whole, hooks: WebhookServer, mail: MailServer) -> None:
        self.platform = platform
        self.hooks = hooks
        self.mail = mail
        self.case_id = ""

    async def case(self, role: str = "worker") -> dict[str, Any]:
        found: dict[str, Any] = await self.platform.get(f"/cases/api/cases/{self.case_id}", role)
        return found

    async def act(self, role: str, act: str, **details: Any) -> dict[str, Any]:
        """Do something to the case as it is now."""
        case = await self.case(role)
        assert act in case["acts"], (act, case["acts"], case["facts"])
        body = {"version": case["version"], "act": {"act": act, **details}}
        done: dict[str, Any] = await self.platform.post(f"/cases/api/cases/{self.case_id}/acts", body, role)
        return done

    async def figure(self, measure: str, **filters: str) -> int:
        query = "&".join(f"{name}={value}" for name, value in ({"measure": measure} | filters).items())
        return int((await self.platform.get(f"/stats/api/figures?{query}", "coordinator"))["total"])

    def heard(self, name: str) -> list[dict[str, Any]]:
        """Webhooks of an event type."""
        documents = [json.loads(request.body) for request in self.hooks.requests]
        return [document for document in documents if document["type"] == f"vn.vongtay.{name}"]


async def _until(condition: Callable[[], Awaitable[object]], what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("story")


@pytest.fixture
async def story(folder: Path, webhook_server: WebhookServer, mail_server: MailServer) -> AsyncIterator[Story]:
    env = {"VONGTAY_SMTP_URL": mail_server.url, "VONGTAY_LOG_LEVEL": "debug"}
    async with whole(folder, env) as platform:
        yield Story(platform, webhook_server, mail_server)


async def _agree(platform: Whole) -> None:
    """The province and the partner sign what the partner is told of cases."""
    today = datetime.now(UTC).date()
    terms = {
        "org": "mai-am-hy-vong", "purpose": "service", "legal_basis": "contract", "event_types": ["cases.*"],
        "valid_from": (today - timedelta(days=1)).isoformat(), "valid_until": (today + timedelta(days=9)).isoformat(),
    }  # fmt: skip
    proposed = await platform.post("/notify/api/agreements", terms, "coordinator")
    await platform.post(f"/notify/api/agreements/{proposed['id']}/accept", {}, "partner")


async def test_a_report_becomes_a_case_that_is_solved_and_told_without_a_name(story: Story) -> None:
    platform = story.platform
    await _agree(platform)
    hook = {"channel": "webhook", "target": story.hooks.url, "event_types": ["cases.*"]}
    secret = (await platform.post("/notify/api/subscriptions", hook, "partner"))["secret"]
    await platform.post("/notify/api/subscriptions", {"channel": "kafka", "event_types": ["cases.*"]}, "partner")
    mail = {"channel": "email", "target": "lan@example.org", "event_types": ["cases.case.opened"]}
    await platform.post("/notify/api/subscriptions", mail, "worker")

    async with _board(platform) as board:
        await _report(story)
        await _until(lambda: _says(story, "cases", 1, status="open"), "the case is counted")
        await _until(lambda: _true(lambda: b"event:" in bytes(board)), "the open board is sent the new figures")
    assert await story.figure("concerns", danger_now="yes") == 1
    await _work(story)
    await _until(lambda: _says(story, "cases", 0, status="open"), "the case is no longer counted as open")
    assert await story.figure("cases", status="closed") == 1

    await _until(lambda: _true(lambda: story.heard("cases.case.closed")), "the partner hears of the end")
    await _until(lambda: _true(lambda: story.mail.messages), "the worker gets a mail")
    inbox = await platform.get("/notify/api/inbox", "worker")
    assert {"cases.case.opened", "cases.concern.received", "cases.task.done"} <= {
        notice["event_type"] for notice in inbox["notices"]
    }
    assert all(notice["case_id"] in {story.case_id, None} for notice in inbox["notices"])
    await _everybody_was_told_without_a_name(story, secret, json.dumps(inbox, ensure_ascii=False))


async def _report(story: Story) -> None:
    """A hospital reports danger; cases opens a case with its twelve-hour clock, registry says who the child is."""
    platform = story.platform
    known = {"register_kind": "commune-roster", "as_of": "2026-01-01", "child": CHILD, "unit": UNIT}
    answer = await platform.post(
        "/registry/events", _event("child.recorded", "TE-1", "dolisa", known), "agency", "dolisa"
    )
    assert answer["outcome"] == "accepted"
    report = _event(
        "concern.reported",
        "BV-1",
        "health",
        {
            "received_at": (datetime.now(UTC) - timedelta(minutes=5)).isoformat(),
            "channel": "hospital",
            "reporter": {"name": REPORTER, "phone": "0912345678"},
            "child": CHILD,
            "what_happened": STORY,
            "unit": UNIT,
            "sex": "female",
            "age": 8,
            "kinds": ["violence"],
            "danger_now": "yes",
        },
    ) | {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = await platform.post("/cases/events", report, "agency", "health")
    assert answer["outcome"] == "accepted"
    [row] = (await platform.get("/cases/api/cases", "worker"))["cases"]
    story.case_id = row["id"]
    case = await story.case()
    clock = next(clock for clock in case["deadlines"] if clock["kind"] == "emergency-12h")
    due = datetime.fromisoformat(clock["due"])
    assert clock["state"] == "running"
    assert timedelta(hours=11) < due - datetime.now(UTC) < timedelta(hours=12)
    assert "56/2017" in clock["law"]

    async def identified() -> bool:
        return bool((await story.case())["facts"]["child_id"])

    await _until(identified, "the registry says who the child is")
    child = await platform.get(f"/registry/api/children/{(await story.case())['facts']['child_id']}", "worker")
    assert child["child"]["name"] == NAME


async def _work(story: Story) -> None:
    """Worker, chair and sectors do what the law asks of them, one after the other."""
    await story.act("worker", "verify", confirmed=True, findings="Đã gặp trẻ và gia đình.")
    ratings, calm = dict.fromkeys(ROWS, "medium"), dict.fromkeys(ROWS, "low")
    await story.act("worker", "assess-initial", ratings=ratings, level="high", conclusion="Nguy cơ cao")
    await story.act("chair", "decide-emergency", measure="medical-care", decision="Đưa trẻ đi điều trị ngay.")
    await story.act("worker", "assess-detailed", ratings=ratings, level="high", conclusion="Cần hỗ trợ")
    due = (datetime.now(UTC) + timedelta(days=5)).date().isoformat()
    await story.act("worker", "draft-plan", goals="An toàn", activities="Thăm hằng tuần")
    await story.act("chair", "approve-plan", number="12/QĐ-UBND")
    await story.act("worker", "request-task", kind="school-support", sector="education", due=due)

    # Education answers by HTTP, all others by Kafka with the sector's own user, sealed as its software does.
    for task in (await story.case())["tasks"]:
        for number, step in enumerate(("accepted", "done")):
            data = {"task_id": task["id"], "answer": step, "summary": STORY if step == "done" else None}
            made = _event("task.answered", f"{task['id']}-{number}", task["sector"], data)
            if task["sector"] == "education":
                await story.platform.post("/cases/events", made, "agency", "education")
            else:
                await _by_kafka(story.platform, task["sector"], made)

    async def answered() -> bool:
        return {task["state"] for task in (await story.case())["tasks"]} == {"done"}

    await _until(answered, "the sectors' answers arrive")
    await story.act("worker", "hold-review", outcome="close", findings="Trẻ ổn định", level="low", ratings=calm)
    closed = await story.act("chair", "close", outcome="stable", no_risk=True, stable=True)
    assert closed["facts"]["status"] == "closed"


async def _by_kafka(platform: Whole, sector: str, document: dict[str, Any]) -> None:
    profile = await platform.get("/identity/profile", "agency", sector)
    event = from_structured(sealed(document, base64.b64decode(profile["public_key"]), profile["key_id"]))
    async with producer(_settings(platform.access(sector))) as sender:
        topic = f"vongtay.agency.{sector}.v1"
        await sender.send_and_wait(topic, event.data, key=event.subject.encode(), headers=list(event.headers()))


def _settings(access: dict[str, str]) -> Settings:
    values: dict[str, Any] = {name.removeprefix("VONGTAY_").lower(): value for name, value in access.items()}
    values["kafka_password"] = SecretStr(values["kafka_password"])
    return Settings(environment="test", **values)


async def _everybody_was_told_without_a_name(story: Story, secret: str, inbox: str) -> None:
    for request in story.hooks.requests:
        Webhook(secret).verify(request.body, request.headers)
    opened_at = next(
        request for request in story.hooks.requests if json.loads(request.body)["type"].endswith("cases.case.opened")
    )
    assert opened_at.headers["traceparent"].split("-")[1] == TRACE
    spans = story.platform.data / "traces.jsonl"

    async def traced() -> bool:
        names = [json.loads(line)["name"] for line in spans.read_text("utf-8").splitlines() if TRACE in line]
        return {name.split(" ")[0] for name in names} >= {"cases", "registry", "notify"}

    await _until(traced, "one trace goes through cases, registry and notify")
    records: list[Any] = []

    async def on_its_topic() -> bool:
        # One after the other, since a topic keeps a case's order: the last comes after the webhook's.
        records[:] = await everything_in(story.platform.admin())
        partner = [record for record in records if record.topic == "vongtay.partner.mai-am-hy-vong.v1"]
        types = {dict(record.headers)["ce_type"] for record in partner}
        return types >= {b"vn.vongtay.cases.case.opened", b"vn.vongtay.cases.case.closed"}

    await _until(on_its_topic, "the partner's topic has the case from its beginning to its end")
    hooks = "".join(f"{request.path} {request.headers} {request.body.decode()}" for request in story.hooks.requests)
    mails = "".join(
        f"{message['Subject']} {part.get_content()}"
        for message in story.mail.messages
        for part in message.walk()
        if part.get_content_maintype() == "text"
    )
    # What an agency posts in clear is sealed before it reaches any topic.
    broker = "".join(
        f"{record.key!r} {record.headers} {(record.value or b'').decode(errors='replace')}" for record in records
    )
    places = {
        "webhooks": hooks,
        "mails": mails,
        "inbox": inbox,
        "broker": broker,
        "log": story.platform.log.read_text("utf-8"),
        "traces": spans.read_text("utf-8"),
    }
    assert all(story.case_id in places[place] for place in ("webhooks", "mails", "inbox", "broker"))
    for place, content in places.items():
        assert content, place
        for personal in PERSONAL:
            for spelled in (personal, json.dumps(personal)[1:-1]):
                assert spelled not in content, (place, personal)


class _board:  # noqa: N801 - reads like a function where it is used
    """The coordinator's open board: what its stream sends, as long as it is open."""

    def __init__(self, platform: Whole) -> None:
        self._platform = platform
        self._sent = bytearray()

    async def __aenter__(self) -> bytearray:
        token = await self._platform.token("coordinator")
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        answer = await self._opened()
        self._reading = asyncio.create_task(self._read(answer))
        await asyncio.sleep(1)
        self._sent.clear()
        return self._sent

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await self._session.close()

    async def _opened(self) -> aiohttp.ClientResponse:
        answer = await self._session.get(f"{self._platform.url}/stats/live")
        assert answer.status == 200
        return answer

    async def _read(self, answer: aiohttp.ClientResponse) -> None:
        while True:
            async for chunk in answer.content.iter_any():
                self._sent.extend(chunk)
            # A stream ends after a minute, and a page asks for the next.
            answer = await self._opened()


async def _says(story: Story, measure: str, expected: int, **filters: str) -> bool:
    return await story.figure(measure, **filters) == expected


async def _true(condition: Callable[[], object]) -> object:
    return condition()
