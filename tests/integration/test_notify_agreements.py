"""Agreements on a real database: what a partner hears within one, and what is sealed to it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import text

from services.notify.store import replays
from services.notify.tidying import Tidying
from shared.contracts.base import SealedBox
from shared.contracts.envelope import Envelope
from shared.contracts.registry import ChildErased
from shared.contracts.sealed import CONTENTS_TOPIC
from shared.identity import Directory
from shared.messaging.processing import Record
from shared.privacy.sealing import PlatformKey
from tests.integration.notify_house import (
    AGREEMENT,
    OTHER_UNIT,
    House,
    loop_of,
    succeeded,
    task,
    until,
)
from tests.integration.notify_partner import TERMS, agreed_key, content, hear_sealed, sign
from tests.support.receivers import WebhookServer


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


@pytest.mark.parametrize("act", ["accept", "end"])
async def test_what_asked_for_a_signature_asks_nobody_once_it_is_given_or_not_wanted(house: House, act: str) -> None:
    asked, delete = "chờ tổ chức của anh chị ký", "hãy xóa dữ liệu đã nhận"
    async with house.client("ha.coordinator") as coordinator:
        proposed, other = [await coordinator.api("/agreements", {**TERMS, "fields": []}) for _ in range(2)]
        _add_colleague(house, "an.partner")
        for person in ("yen.partner", "an.partner"):
            async with house.client(person) as partner:
                assert (await partner.get("/notify/?only=unread")).text.count(asked) == 1, "alike, shown as one"
                assert "2 tin như vậy" in (await partner.get("/notify/?only=unread")).text
        async with house.client("yen.partner") as partner:
            said = {"reason": "không còn nhu cầu"} if act == "end" else {}
            await partner.api(f"/agreements/{proposed['id']}/{act}", said)
        for person in ("yen.partner", "an.partner"):
            async with house.client(person) as partner:
                for path in ("/notify/?only=unread", "/notify/"):
                    left = (await partner.get(path)).text
                    assert asked in left, "the other still waits"
                    assert "2 tin như vậy" not in left
        await coordinator.api(f"/agreements/{other['id']}/end", {"reason": "thôi"})
        _add_colleague(house, "tam.partner")  # to whom all of it is new
        for person in ("an.partner", "tam.partner"):
            async with house.client(person) as partner:
                left = (await partner.get("/notify/")).text
                assert (asked in left, delete in left) == (False, False), "nothing was ever received"
                assert "không cần làm gì thêm" in left
                page = (await partner.get(f"/notify/agreements/{other['id']}")).text
                assert f"{other['id']}/confirm" not in page
                refused = await partner.try_api(f"/agreements/{other['id']}/confirm", {})
                assert refused.status_code == 422
        told = (await coordinator.get("/notify/")).text
        assert ("Thỏa thuận chia sẻ dữ liệu với một tổ chức đã chấm dứt" in told, delete in told) == (True, False)


async def test_what_asked_for_deletion_asks_nobody_who_joins_once_it_is_confirmed(house: House) -> None:
    signed = await sign(house, X25519PrivateKey.generate().public_key().public_bytes_raw())
    async with house.client("yen.partner") as partner:
        await partner.api(f"/agreements/{AGREEMENT}/confirm", {})
        await partner.api(f"/agreements/{signed['id']}/end", {"reason": "thôi"})
        assert "hãy xóa dữ liệu đã nhận" in (await partner.get("/notify/")).text
        await partner.api(f"/agreements/{signed['id']}/confirm", {})
    _add_colleague(house, "tam.partner")
    async with house.client("tam.partner") as partner:
        assert "hãy xóa dữ liệu đã nhận" not in (await partner.get("/notify/")).text


def _add_colleague(house: House, name: str) -> None:
    """Another account of the demo's partner."""
    people = house.context.directory.people
    colleague = replace(people["yen.partner"], id=name)
    assert house.context.directory.take_over(Directory({**people, name: colleague}))


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
        page = f"/notify/agreements/{signed['id']}"
        assert f'action="{page}/confirm"' in (await partner.get(page)).text
        confirmed = await partner.api(f"/agreements/{signed['id']}/confirm", {})
        # Said again, it is the same, and still once in the history.
        assert await partner.api(f"/agreements/{signed['id']}/confirm", {}) == confirmed
        told = (await partner.get(page)).text
        # Once is enough, and why it ended is not why it was deleted.
        assert f'action="{page}/confirm"' not in told
        assert told.count("không còn nhu cầu") == 1
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


async def test_sealed_content_reaches_its_partner_only_and_nobody_on_the_way_can_read_it(
    house: House, webhook_server: WebhookServer
) -> None:
    signed, private, kid = await agreed_key(house)
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
    signed, private, kid = await agreed_key(house)
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


async def test_what_was_sealed_of_an_erased_child_and_put_aside_is_kept_no_more(house: House) -> None:
    signed, private, kid = await agreed_key(house)
    child, other = "0190a000-0000-7000-8000-000000000001", "0190a000-0000-7000-8000-000000000002"
    async with house.database.transaction() as connection:
        for number, child_id in ((1, child), (2, other)):
            data = content(signed, private, kid, child_id=child_id)
            event = Envelope(
                f"c{number}", "/services/registry", data.TYPE, "k1", data.event_time, data.model_dump_json().encode(),
                sequence=1,
            )  # fmt: skip
            record = Record(CONTENTS_TOPIC, 0, number, "k1", event.data, tuple(event.headers()))
            await house.processor.failures.park(connection, record, "ValueError")
    await house.hear(("gone", ChildErased(child_id=child)))
    assert [row.offset for row in await house.rows('SELECT "offset" FROM parked')] == [2]
    (letter,) = await house.rows('SELECT "offset", content, forgotten_as FROM dead_letter')
    assert tuple(letter) == (1, None, "erased")
