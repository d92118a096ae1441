"""Who is told and what, on a real database: ladders, substitutes, digests, noisy rules, agreements, sealed content."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import SecretStr
from sqlalchemy import text

from services.notify.climbing import Climbing
from services.notify.desk.personal import Personal
from services.notify.digests import Digests
from services.notify.store import replays
from services.notify.tidying import Tidying
from shared.contracts.base import SealedBox
from shared.contracts.cases import CaseAssigned, CaseOpened, EmergencyMeasureDecided, TaskOverdue
from shared.contracts.envelope import Envelope
from shared.contracts.registry import ChildErased
from shared.contracts.sealed import ChildContentSealed
from shared.messaging.processing import Record
from shared.privacy.sealing import PlatformKey, seal_to_platform
from shared.reference.notify_limits import NotifyLimitsByDay
from tests.integration.notify_house import (
    AGREEMENT,
    CASE,
    NOW,
    OTHER_UNIT,
    UNIT,
    House,
    Person,
    concern,
    make_house,
    missed,
    succeeded,
    task,
    until,
)
from tests.support.receivers import MailServer, WebhookServer

FACTS = {
    "unit": UNIT, "sex": "female", "age_band": "6-10", "kind": "neglect", "risk": "high", "status": "open",
    "step": "plan", "sector": "police", "channel": "police", "opened_at": NOW,
}  # fmt: skip


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    async with make_house(fresh_database) as made:
        yield made


def loop_of(house: House, kind: type) -> Any:
    """The object behind one of the service's loops."""
    return next(loop.__self__ for loop in house.app.background if isinstance(getattr(loop, "__self__", None), kind))


def overdue(number: int, unit: str = UNIT) -> tuple[str, TaskOverdue]:
    data = {
        "case_id": f"case-{number}", "facts": {**FACTS, "unit": unit}, "task_id": f"t{number}", "task_kind": "examine",
        "task_sector": "health", "due": NOW,
    }  # fmt: skip
    return f"overdue-{unit}-{number}", TaskOverdue.model_validate(data)


async def ladder_of(person: Person) -> dict[str, Any]:
    found: list[dict[str, Any]] = (await person.get("/notify/api/emergencies")).json()
    assert len(found) == 1
    return found[0]


async def put(person: Person, path: str, body: Any) -> int:
    answer = await person._ask("PUT", f"/notify/api{path}", json=body, headers={"x-form-token": person._token})
    return answer.status_code


# Emergencies


async def test_an_emergency_climbs_until_somebody_acknowledges_it_on_its_page_and_every_step_is_published(
    house: House,
) -> None:
    climbing = loop_of(house, Climbing)
    await house.hear(("e1", concern("yes")), ("e1", concern("yes")))
    raised = await house.published("notify.escalation.raised")
    assert [(one["step"], one["role"], one["people"], one["channels"]) for one in raised] == [
        (0, "worker", 1, ["inbox"])
    ]
    # Nobody of the commune can be reached over anything but the app, so the next is called within a minute.
    house.shift += timedelta(seconds=50)
    assert await climbing.once() == 0
    house.shift += timedelta(seconds=11)
    assert await climbing.once() == 1
    async with house.client("binh.chair") as chair:
        ladder = await ladder_of(chair)
        assert (ladder["state"], ladder["step"]) == ("open", 1)
        page = await chair.get(f"/notify/emergencies/{ladder['id']}")
        assert "Tôi đã nhận và đang xử lý" in page.text
        assert "Chưa ai xác nhận đã nhận một tin khẩn" in (await chair.get("/notify/")).text
        answer = await chair.post(f"/notify/emergencies/{ladder['id']}")
        assert answer.status_code == 303
        assert "Đã có người nhận" in (await chair.get(f"/notify/emergencies/{ladder['id']}")).text
    house.shift += timedelta(hours=3)
    assert await climbing.once() == 0
    said = await house.published("notify.message.acknowledged")
    assert [(one["person"], one["how"], one["role"], one["step"]) for one in said] == [
        ("binh.chair", "page", "chair", 1)
    ]
    assert [one["step"] for one in await house.published("notify.escalation.raised")] == [0, 1]


async def test_a_stranger_neither_sees_nor_acknowledges_it_and_an_operator_only_sees(house: House) -> None:
    await house.hear(("e1", concern("yes")))
    async with house.client("son.operator") as operator:
        ladder = await ladder_of(operator)
        assert (await operator.get(f"/notify/emergencies/{ladder['id']}")).status_code == 200
        assert (await operator.post(f"/notify/emergencies/{ladder['id']}")).status_code == 404
    for name in ("thuong.worker", "duc.health", "yen.partner"):
        async with house.client(name) as stranger:
            assert (await stranger.get("/notify/api/emergencies")).json() == []
            assert (await stranger.get(f"/notify/emergencies/{ladder['id']}")).status_code == 404
            assert (await stranger.post(f"/notify/emergencies/{ladder['id']}")).status_code == 404
    assert await house.published("notify.message.acknowledged") == []


async def test_a_link_in_an_e_mail_acknowledges_once_without_a_sign_in_and_opening_it_does_not(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("binh.chair") as chair:
            wanted = {"channel": "email", "target": "binh@xa.example", "event_types": ["told"]}
            assert (await chair.post("/notify/subscriptions", **wanted)).status_code == 303
        await house.hear(("e1", concern("yes")))
        house.shift += timedelta(minutes=2)
        await loop_of(house, Climbing).once()
        house.start()
        await until(lambda: succeeded(house, 1))
        message = mail_server.messages[0]
        assert message["Subject"] == "KHẨN: Trẻ đang gặp nguy hiểm, cần anh chị xác nhận đã nhận"
        body = message.get_content()
        assert not re.search(r"female|6-10|neglect|Bình", body)
        link = re.search(r"http://vongtay.test(/notify/a/\S+)", body)
        assert link is not None
        async with house.client("quang.police") as anybody:
            for _ in range(2):
                shown = await anybody.get(link[1])
                assert "Tôi đã nhận" in shown.text
                assert shown.headers["Cache-Control"] == "no-store"
            assert await house.published("notify.message.acknowledged") == []
            assert "Đã ghi nhận" in (await anybody.post(link[1])).text
            again = await anybody.post(link[1])
            assert (again.status_code, "không dùng được nữa" in again.text) == (410, True)
            assert (await anybody.get(link[1][:-1] + "A")).status_code == 410
            assert (await anybody.get("/notify/a/" + "x" * 3000)).status_code in {404, 410, 414}
        said = await house.published("notify.message.acknowledged")
        assert [(one["person"], one["how"]) for one in said] == [("binh.chair", "link")]


async def test_a_ladder_follows_its_report_into_the_case_and_ends_when_somebody_has_acted(house: House) -> None:
    await house.hear(("e1", concern("yes")))
    opened = CaseOpened.model_validate({"case_id": CASE, "facts": FACTS, "concern_id": "c1", "danger_now": "yes"})
    await house.hear(("e2", opened))
    rows = await house.rows("SELECT state, case_id FROM ladder")
    assert [(row.state, row.case_id) for row in rows] == [("open", CASE)]
    decided = EmergencyMeasureDecided.model_validate({"case_id": CASE, "facts": FACTS, "measure": "separation"})
    await house.hear(("e3", decided))
    assert [row.state for row in await house.rows("SELECT state FROM ladder")] == ["settled"]
    ended = await house.published("notify.escalation.ended")
    assert [(one["state"], one["case_id"], one["concern_id"]) for one in ended] == [("settled", CASE, "c1")]


async def test_two_replicas_climb_a_ladder_once(house: House) -> None:
    import asyncio

    await house.hear(("e1", concern("yes")))
    house.shift += timedelta(minutes=2)
    climbing = loop_of(house, Climbing)
    taken = await asyncio.gather(*(climbing.once() for _ in range(4)))
    assert sum(taken) == 1
    assert [one["step"] for one in await house.published("notify.escalation.raised")] == [0, 1]


# People


async def test_while_somebody_is_away_a_substitute_is_told_who_may_see_it_anyway(house: House) -> None:
    now = datetime.now(UTC)
    away = {"begins": now.isoformat(), "ends": (now + timedelta(days=3)).isoformat()}
    async with house.client("lan.worker") as worker:
        offered = (await worker.get("/notify/api/substitutes")).json()
        assert [one["person"] for one in offered] == ["binh.chair"]
        refused = await worker.try_api("/absences", {**away, "substitute": "thuong.worker"})
        assert refused.status_code == 422
        await worker.api("/absences", {**away, "substitute": "binh.chair"})
    assigned = CaseAssigned.model_validate({"case_id": CASE, "facts": FACTS, "worker": "lan.worker"})
    await house.hear(("e1", assigned))
    rows = await house.rows("SELECT audience FROM notice ORDER BY audience")
    assert [row.audience for row in rows] == ["person/binh.chair", "person/lan.worker"]
    house.shift += timedelta(days=4)
    await house.hear(("e2", assigned))
    rows = await house.rows("SELECT audience FROM notice ORDER BY created_at DESC LIMIT 1")
    assert [row.audience for row in rows] == ["person/lan.worker"], "she is back"


async def test_a_digest_collects_what_is_not_urgent_into_one_e_mail(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("duc.health") as officer:
            wanted = {"channel": "email", "target": "duc@yte.example", "event_types": ["told"]}
            assert (await officer.post("/notify/subscriptions", **wanted)).status_code == 303
            assert await put(officer, "/preferences", {"digest": "daily", "digest_at": "07:30"}) == 200
            assert await put(officer, "/preferences", {"digest": "hourly"}) == 422
            assert await put(officer, "/preferences", {"quiet_from": "21:00"}) == 422
        for number in range(3):
            await house.hear((f"e{number}", task("health").model_copy(update={"task_id": f"t{number}"})))
        digests = loop_of(house, Digests)
        assert not await digests.once()
        house.shift += timedelta(days=1, minutes=1)
        assert await digests.once()
        assert not await digests.once()
        house.start()
        await until(lambda: succeeded(house, 1))
        assert len(mail_server.messages) == 1
        message = mail_server.messages[0]
        assert message["Subject"] == "3 thông báo đang chờ anh chị"
        plain = message.get_body(("plain",))
        assert plain is not None
        lines = [line for line in plain.get_content().splitlines() if line.startswith("- ")]
        assert [line.rsplit("/", 1)[1] for line in lines] == ["t0", "t1", "t2"], "a sector is led to its tasks"
        assert all("Đề nghị phối hợp trong vụ việc 0000ABCD" in line for line in lines)


async def test_an_officer_of_a_sector_is_led_to_the_task_and_not_to_a_case_that_is_closed_to_them(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("duc.health") as officer:
            wanted = {"channel": "email", "target": "duc@yte.example", "event_types": ["told"]}
            assert (await officer.post("/notify/subscriptions", **wanted)).status_code == 303
        await house.hear(("e1", task("health")), ("e2", task("police")))
        house.start()
        await until(lambda: succeeded(house, 1))
        assert len(mail_server.messages) == 1, "another sector's task is none of theirs"
        body = mail_server.messages[0].get_content()
        assert "http://vongtay.test/cases/tasks/t1" in body
        assert f"/cases/c/{CASE}" not in body


async def test_a_reply_acknowledges_the_newest_call_to_whoever_sent_it(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        await house.hear(("e1", concern("yes")))
        await house.rows("UPDATE ladder_call SET channels = '{inbox,sms}' RETURNING 1")
        personal = Personal(
            house.database,
            house.context.clock,
            (emergencies := loop_of(house, Climbing)._emergencies)._people,
            emergencies,
            NotifyLimitsByDay.load(),
        )
        assert await personal.acknowledge_by_reply(["lan.worker"], "Ai đấy?") is None
        assert await personal.acknowledge_by_reply(["thuong.worker"], "OK") is None, "nobody called her"
        taken = await personal.acknowledge_by_reply(["lan.worker"], "Đã nhận, tôi đến ngay")
        assert taken is not None
        assert await personal.acknowledge_by_reply(["lan.worker"], "OK") is None, "nothing is open any more"
        said = await house.published("notify.message.acknowledged")
        assert [(one["person"], one["how"], one["role"]) for one in said] == [("lan.worker", "reply", "worker")]


async def test_thirty_seven_overdue_tasks_are_a_few_notices_and_one_line_with_the_number(house: House) -> None:
    await house.hear(*(overdue(number) for number in range(20)))
    await house.hear(*(overdue(number) for number in range(20, 37)), overdue(0, OTHER_UNIT))
    async with house.client("ha.coordinator") as coordinator:
        notices = (await coordinator.get("/notify/api/inbox?limit=200")).json()["notices"]
        here = [notice for notice in notices if notice["unit"] == UNIT]
        assert sorted(notice["count"] for notice in here) == [1, 1, 1, 37]
        assert len(notices) == 5, "another commune's is counted apart"
        assert "37 nhiệm vụ quá hạn tại Phường Phan Đình Phùng" in (await coordinator.get("/notify/")).text
        line = next(notice for notice in here if notice["count"] == 37)
        await coordinator.post("/notify/read", notice=line["id"])
        await house.hear(overdue(40))
        after = (await coordinator.get("/notify/api/inbox?unread=true")).json()["notices"]
        assert 38 in [notice["count"] for notice in after], "what was read has grown: it is new again"


async def test_of_a_noisy_rule_people_are_called_a_few_times_and_then_once_with_the_number(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("ha.coordinator") as coordinator:
            wanted = {"channel": "email", "target": "ha@tinh.example", "event_types": ["told"]}
            assert (await coordinator.post("/notify/subscriptions", **wanted)).status_code == 303
        await house.hear(*(overdue(number) for number in range(37)))
        digests = loop_of(house, Digests)
        assert not await digests.once()
        house.shift += timedelta(minutes=61)
        assert await digests.once()
        house.start()
        await until(lambda: succeeded(house, 4))
        subjects = [message["Subject"] for message in mail_server.messages]
        assert len(subjects) == 4
        assert "34 nhiệm vụ quá hạn tại Phường Phan Đình Phùng" in subjects


async def test_a_dry_run_says_who_would_be_told_and_why_and_tells_nobody(house: House) -> None:
    data = json.loads(missed().model_dump_json())
    async with house.client("lan.worker") as worker:
        assert (await worker.try_api("/dry-run", {"type": "cases.deadline.missed", "data": data})).status_code == 403
    async with house.client("yen.partner") as partner:
        await partner.webhook("http://127.0.0.1:9/x", "cases.deadline.*")
        await partner.webhook("http://127.0.0.1:9/y", "cases.task.*")
    async with house.client("son.operator") as operator:
        run = await operator.api("/dry-run", {"type": "cases.deadline.missed", "data": data})
        assert [(rule["rule"], bool(rule["tells"])) for rule in run["rules"]] == [
            ("protection-clock-missed", True),
            ("deadline-missed", False),
        ]
        assert run["rules"][1]["why_not"] == [{"why": "exception", "field": "kind", "found": "emergency-12h"}]
        assert {one["person"] for one in run["people"]} == {"lan.worker", "binh.chair", "ha.coordinator"}
        assert [step["people"] for step in run["ladder"]] == [["lan.worker"], ["binh.chair"], ["ha.coordinator"]]
        assert sorted((one["told"], one["why_not"]) for one in run["partners"]) == [
            (False, "not-subscribed"),
            (True, None),
        ]
        for body in ({"type": "cases.nothing", "data": {}}, {"type": "cases.deadline.missed", "data": {"x": 1}}):
            assert (await operator.try_api("/dry-run", body)).status_code == 422
        preview = (await operator.get("/notify/api/templates/cases.task.overdue")).json()
        assert preview["many"] == "37 nhiệm vụ quá hạn tại Phường Phan Đình Phùng"
        assert preview["sms_plain"]["segments"] == 1
    assert await house.rows("SELECT 1 FROM notice") == []
    assert await house.rows("SELECT 1 FROM ladder") == []
    assert await house.published("notify.message.queued") == []


async def test_a_dry_run_shows_over_what_somebody_would_be_called_and_not_what_they_asked_of_another_commune(
    fresh_database: str, mail_server: MailServer
) -> None:
    data = json.loads(overdue(1)[1].model_dump_json())
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("ha.coordinator") as coordinator,
    ):
        wanted = {"channel": "email", "target": "ha@tinh.example", "event_types": ["cases.task.overdue"]}
        await coordinator.api("/subscriptions", {**wanted, "units": [OTHER_UNIT]})

        async def reachable() -> list[str]:
            run = await coordinator.api("/dry-run", {"type": "cases.task.overdue", "data": data})
            return next(list(one["reachable"]) for one in run["people"] if one["person"] == "ha.coordinator")

        assert await reachable() == []
        await coordinator.api("/subscriptions", {**wanted, "units": [UNIT]})
        assert await reachable() == ["email"]


# Agreements


TERMS = {
    "org": "mai-am-hy-vong",
    "purpose": "service",
    "legal_basis": "contract",
    "event_types": ["cases.task.*", "registry.child.registered"],
    "units": [UNIT],
    "fields": ["registry.child.registered:child.name"],
    "valid_from": "2026-01-01",
    "valid_until": "2027-06-30",
    "reference": "12/TT-SYT",
}


async def sign(house: House, public: bytes) -> dict[str, Any]:
    """The only agreement of the demo's partner: proposed, signed, and another one ended."""
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{AGREEMENT}/end", {"reason": "thay bằng thỏa thuận mới"})
        proposed = await coordinator.api("/agreements", TERMS)
    async with house.client("yen.partner") as partner:
        assert (await partner.try_api(f"/agreements/{proposed['id']}/accept", {})).status_code == 422
        body = {"public_key": base64.b64encode(public).decode()}
        signed: dict[str, Any] = await partner.api(f"/agreements/{proposed['id']}/accept", body)
    return signed


async def test_a_partner_subscribes_within_its_agreement_and_hears_nothing_outside_it(
    house: House, webhook_server: WebhookServer
) -> None:
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    assert (signed["state"], signed["accepted_by"]) == ("active", "yen.partner")
    async with house.client("yen.partner") as partner:
        body = {"channel": "webhook", "name": "x", "target": webhook_server.url, "event_types": ["cases.case.opened"]}
        refused = await partner.try_api("/subscriptions", body)
        assert refused.json()["violations"][0]["rule"] == "agreement-missing"
        await partner.webhook(webhook_server.url, "cases.task.*")
    moved = task().model_copy(update={"facts": task().facts.model_copy(update={"unit": OTHER_UNIT})})
    await house.hear(("e1", task()), ("e2", moved))
    assert await house.states() == {"pending": 1}
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{signed['id']}/suspend", {"reason": "kiểm tra"})
    assert await house.states() == {"failed": 1}
    await house.hear(("e3", task()))
    assert await house.states() == {"failed": 1}, "while it is suspended nothing is told"
    async with house.client("yen.partner") as partner:
        failed = (await house.rows("SELECT id::text AS id FROM delivery"))[0].id
        assert (await partner.try_api(f"/deliveries/{failed}/replay")).status_code == 422
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{signed['id']}/resume", {})
    assert await house.states() == {"pending": 1}


async def test_when_an_agreement_ends_deliveries_stop_and_the_partner_receives_a_retraction(
    house: House, webhook_server: WebhookServer
) -> None:
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.task.*")
    await house.hear(("e1", task()))
    house.start()
    await until(lambda: succeeded(house, 1))
    await house.halt()
    await house.hear(("e2", task()))
    async with house.client("yen.partner") as partner:
        await partner.api(f"/agreements/{signed['id']}/end", {"reason": "không còn nhu cầu"})
    await house.hear(("e3", task()))
    house.start()
    await until(lambda: succeeded(house, 2))
    bodies = [json.loads(request.body) for request in webhook_server.requests]
    assert [body["type"] for body in bodies] == ["vn.vongtay.cases.task.requested", "vn.vongtay.notify.agreement.ended"]
    assert bodies[1]["data"]["agreement_id"] == signed["id"]
    assert bodies[1]["data"]["delivered"] == 1
    assert bodies[1]["data"]["delete_by"] > datetime.now(UTC).date().isoformat()
    changed = await house.published("notify.agreement.changed")
    assert [one["state"] for one in changed if one["agreement_id"] == signed["id"]] == ["proposed", "active", "ended"]
    async with house.client("yen.partner") as partner:
        await partner.api(f"/agreements/{signed['id']}/confirm", {})
        shown = (await partner.get(f"/notify/api/agreements/{signed['id']}")).json()
        assert [act["act"] for act in shown["acts"]] == ["propose", "accept", "end", "confirm"]


@pytest.mark.parametrize("act", ["suspend", "end"])
async def test_a_replay_that_goes_on_ends_with_the_agreement_within_which_it_was_asked_for(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    monkeypatch.setattr(replays, "PORTION", 2)
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        made = await partner.webhook(webhook_server.url, "cases.task.*")
    await house.hear(*((f"e{number}", task()) for number in range(5)))
    house.start()
    await until(lambda: succeeded(house, 5))
    await house.halt()
    async with house.client("yen.partner") as partner:
        period = {"since": (house.context.clock() - timedelta(hours=1)).isoformat(), "everything": True}
        await partner.api(f"/subscriptions/{made['id']}/replay", period)
    assert await house.states() == {"pending": 2, "succeeded": 3}
    async with house.client("ha.coordinator") as coordinator:
        await coordinator.api(f"/agreements/{signed['id']}/{act}", {"reason": "kiểm tra"})
    await house.upkeep.replay()
    within = await house.rows("SELECT state FROM delivery WHERE subscription_id IS NOT NULL")
    assert sorted(row.state for row in within) == ["failed"] * 2 + ["succeeded"] * 3, "nothing more is sent again"


async def test_a_partner_finds_its_agreement_however_many_others_there_are(house: House) -> None:
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO agreement (id, org, state, purpose, legal_basis, event_types, fields, valid_from,
                                          valid_until, reference, proposed_by, changed_at, created_at, sequence)
                   SELECT gen_random_uuid(), 'org-' || n, state, purpose, legal_basis, event_types, fields, valid_from,
                          valid_until, reference, proposed_by, now() + interval '1 hour', created_at, 1
                   FROM agreement, generate_series(1, 250) AS n"""
            )
        )
    async with house.client("yen.partner") as partner:
        assert [one["id"] for one in (await partner.get("/notify/api/agreements")).json()] == [AGREEMENT]


async def test_the_page_of_an_agreement_says_what_is_shared_and_signs_and_ends_it(house: House) -> None:
    async with house.client("ha.coordinator") as coordinator:
        proposed = await coordinator.api("/agreements", TERMS)
        assert "mai-am-hy-vong" in (await coordinator.get("/notify/agreements")).text
    path = f"/notify/agreements/{proposed['id']}"
    async with house.client("yen.partner") as partner:
        page = (await partner.get(path)).text
        assert "Cung cấp dịch vụ hỗ trợ trẻ em" in page
        assert "registry.child.registered:child.name" in page
        wrong = await partner.post(f"{path}/accept", public_key="short")
        assert (wrong.status_code, "32 byte X25519" in wrong.text) == (422, True)
        assert (await partner.post(f"{path}/accept", public_key="B" * 43 + "=")).status_code == 303
        assert "Đang hiệu lực" in (await partner.get(path)).text
        assert (await partner.post(f"{path}/end", reason="")).status_code == 422
        assert (await partner.post(f"{path}/end", reason="hết nhu cầu")).status_code == 303
        assert "Xác nhận đã xóa dữ liệu" in (await partner.get(path)).text
    async with house.client("lan.worker") as worker:
        assert (await worker.get(path)).status_code == 404


async def test_an_agreement_ends_by_itself_and_strangers_never_see_it(house: House) -> None:
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("lan.worker") as worker:
        assert (await worker.get("/notify/api/agreements")).json() == []
        assert (await worker.get(f"/notify/api/agreements/{signed['id']}")).status_code == 404
        assert (await worker.try_api("/agreements", TERMS)).status_code == 422
        assert (await worker.try_api(f"/agreements/{signed['id']}/end", {"reason": "x"})).status_code == 404
    house.shift += timedelta(days=400)
    await loop_of(house, Tidying).once()
    rows = await house.rows("SELECT state, reason FROM agreement WHERE id = CAST(:id AS uuid)", id=signed["id"])
    assert [(row.state, row.reason) for row in rows] == [("ended", "expired")]


async def test_no_agreement_rests_on_consent_and_one_that_did_ends_and_is_retracted(house: House) -> None:
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    assert "Art. 19(1)" in signed["legal_ground"]["en"], "its ground is named as data"
    async with house.client("ha.coordinator") as coordinator:
        refused = await coordinator.try_api("/agreements", {**TERMS, "legal_basis": "consent"})
        assert (refused.status_code, "basis-unknown" in refused.text) == (422, True)
        page = (await coordinator.get(f"/notify/agreements/{signed['id']}")).text
        assert "không dựa trên sự đồng ý" in page
        assert "khoản 1 Điều 19" in page
        assert "sự đồng ý của trẻ" not in (await coordinator.get("/notify/agreements/new")).text.lower()
    said = [one for one in await house.published("notify.agreement.changed") if one["agreement_id"] == signed["id"]]
    assert {one["legal_basis"] for one in said} == {"contract"}
    async with house.database.transaction() as connection:
        await connection.execute(
            text("UPDATE agreement SET legal_basis = 'consent' WHERE id = CAST(:id AS uuid)"), {"id": signed["id"]}
        )
    await loop_of(house, Tidying).once()
    rows = await house.rows("SELECT state, reason FROM agreement WHERE id = CAST(:id AS uuid)", id=signed["id"])
    assert [(row.state, row.reason) for row in rows] == [("ended", "ground-ended")]
    assert (await house.published("notify.agreement.changed"))[-1]["state"] == "ended"


async def hear_sealed(house: House, event_id: str, data: Any, at: datetime) -> None:
    event = Envelope(event_id, "/services/registry", data.TYPE, "k1", at, data.model_dump_json().encode(), sequence=1)
    record = Record("sealed.contents.v1", 0, len(event_id), "k1", event.data, tuple(event.headers()))
    await house.processor.handle([record])


def content(agreement: dict[str, Any], private: X25519PrivateKey, kid: str, **more: Any) -> ChildContentSealed:
    box = seal_to_platform(b'{"child.name":"X"}', private.public_key().public_bytes_raw(), kid)
    said = {
        "agreement_id": agreement["id"], "org": agreement["org"], "event_source": "/services/registry",
        "event_id": "r1", "event_type": "registry.child.registered", "event_time": datetime.now(UTC),
        "fields": ["child.name"], "box": box, "unit": UNIT, "child_id": "k1", **more,
    }  # fmt: skip
    return ChildContentSealed.model_validate(said)


async def test_sealed_content_reaches_its_partner_only_and_nobody_on_the_way_can_read_it(
    house: House, webhook_server: WebhookServer
) -> None:
    private = X25519PrivateKey.generate()
    signed = await sign(house, private.public_key().public_bytes_raw())
    kid = next(one["kid"] for one in await house.published("notify.agreement.changed") if one.get("kid"))
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "registry.child.registered")
    now = datetime.now(UTC)
    await hear_sealed(house, "c1", content(signed, private, kid), now)
    for number, more in enumerate(
        ({"unit": OTHER_UNIT}, {"event_type": "registry.child.corrected"}, {"fields": ["child.name", "child.number"]})
    ):
        await hear_sealed(house, f"no{number}", content(signed, private, kid, **more), now)
    await hear_sealed(house, "otherkey", content(signed, private, "partner/mai-am-hy-vong/another"), now)
    assert await house.states() == {"pending": 1}
    house.start()
    await until(lambda: succeeded(house, 1))
    body = json.loads(webhook_server.requests[0].body)
    assert body["type"] == "vn.vongtay.registry.content.sealed"
    box = SealedBox.model_validate(body["data"]["sealed"])
    assert PlatformKey(private.private_bytes_raw(), kid).open(box) == b'{"child.name":"X"}'


@pytest.mark.parametrize("acts", [["end"], ["suspend", "end"]])
async def test_what_was_sealed_goes_with_its_child_and_with_its_agreement(
    house: House, webhook_server: WebhookServer, acts: list[str]
) -> None:
    private = X25519PrivateKey.generate()
    signed = await sign(house, private.public_key().public_bytes_raw())
    kid = next(one["kid"] for one in await house.published("notify.agreement.changed") if one.get("kid"))
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "registry.child.registered")
    now = datetime.now(UTC)
    await hear_sealed(house, "c1", content(signed, private, kid), now)
    await hear_sealed(house, "c2", content(signed, private, kid, child_id="k2"), now)
    await hear_sealed(house, "erased", ChildErased(child_id="k1"), now)
    rows = await house.rows("SELECT state, reason FROM delivery ORDER BY state")
    assert [(row.state, row.reason) for row in rows] == [("failed", "erased"), ("pending", None)]
    bodies = await house.rows("SELECT convert_from(body, 'UTF8') AS body FROM message")
    assert sorted("sealed" in row.body for row in bodies) == [False, True]
    async with house.client("ha.coordinator") as coordinator:
        for act in acts:
            await coordinator.api(f"/agreements/{signed['id']}/{act}", {"reason": "x"})
    bodies = await house.rows("SELECT convert_from(body, 'UTF8') AS body FROM message WHERE event_type LIKE '%sealed'")
    assert not any("ephemeral" in row.body for row in bodies)
