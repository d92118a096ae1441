"""Who was called about an emergency stands in the case, and what an agreement names is sealed for its partner alone."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.contracts.base import SealedBox
from shared.contracts.envelope import Envelope
from shared.contracts.notify import AgreementChanged, EscalationEnded, EscalationRaised, MessageAcknowledged
from shared.messaging.processing import Record
from shared.messaging.router import OWN_TOPIC
from shared.privacy.sealing import PlatformKey
from tests.integration.cases_house import (
    START,
    UNIT,
    House,
    concern,
    hold_first_writing,
    house,  # noqa: F401
    opened,
    waits_for_a_lock,
)

KID = "partner/mai-am/0123456789abcdef"


async def hear(house: House, data: Any, sequence: int) -> str:  # noqa: F811
    """An event of notify, on the topic of its decisions."""
    house.offsets += 1
    event = Envelope(
        f"n{house.offsets}", "/services/notify", data.TYPE, "l1", house.now, data.model_dump_json().encode(), sequence
    )
    record = Record("notify.decisions.v1", 0, house.offsets, "l1", event.data, tuple(event.headers()))
    return (await house.processor.handle([record]))[0].outcome


def raised(step: int, role: str, **more: Any) -> EscalationRaised:
    said = {
        "ladder_id": "l1", "ladder": "child-in-danger", "event_type": "cases.concern.received", "unit": UNIT,
        "step": step, "at": START + timedelta(minutes=15 * step), "role": role, "people": 1,
        "channels": ["inbox", "sms"], **more,
    }  # fmt: skip
    return EscalationRaised.model_validate(said)


async def kinds(house: House) -> list[str]:  # noqa: F811
    rows = await house.rows("SELECT kind FROM entry WHERE kind LIKE 'called.%' ORDER BY id")
    return [row.kind for row in rows]


async def test_the_whole_ladder_stands_in_the_case_in_its_order_once(house: House) -> None:  # noqa: F811
    case_id = await opened(house)
    for _ in range(2):
        assert await hear(house, raised(0, "worker", case_id=case_id), 1) == "accepted"
    await hear(house, raised(1, "chair", case_id=case_id, people=0, channels=[]), 2)
    taken = MessageAcknowledged.model_validate(
        {**raised(1, "chair", case_id=case_id).model_dump(), "how": "link", "person": "binh.chair"}
    )
    await hear(house, taken, 3)
    assert await kinds(house) == ["called.raised", "called.raised", "called.acknowledged"]
    worker = await house.as_person("lan.worker")
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert page.count("Gọi người có trách nhiệm về tin khẩn") == 2
    assert "trong ứng dụng, SMS" in page
    assert "Không có ai để gọi" in page
    assert "Đã có người nhận tin khẩn" in page
    assert "bằng đường dẫn trong tin nhắn" in page


async def test_what_was_said_of_a_report_comes_into_its_case_when_it_is_opened(house: House) -> None:  # noqa: F811
    await house.send(("concern.reported", "C-1", concern(danger_now="no")))
    received = (await house.said("concern.received"))[0]["data"]
    assert received.get("case_id") is None
    concern_id = received["concern_id"]
    await hear(house, raised(0, "worker", concern_id=concern_id), 1)
    ended = EscalationEnded.model_validate(
        {**raised(0, "worker", concern_id=concern_id).model_dump(), "state": "exhausted"}
    )
    await hear(house, ended, 2)
    assert await kinds(house) == []
    await open_case(house, concern_id)
    assert await kinds(house) == ["called.raised", "called.exhausted"]


async def test_what_is_said_while_the_report_gets_its_case_stands_in_the_case(
    house: House,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await house.send(("concern.reported", "C-1", concern(danger_now="no")))
    concern_id = (await house.said("concern.received"))[0]["data"]["concern_id"]
    written, go_on = hold_first_writing(monkeypatch)
    opening = asyncio.create_task(open_case(house, concern_id))
    await written.wait()
    heard = asyncio.create_task(hear(house, raised(0, "worker", concern_id=concern_id), 1))
    await waits_for_a_lock(house)
    go_on.set()
    await opening
    assert await heard == "accepted"
    assert await kinds(house) == ["called.raised"]


async def open_case(house: House, concern_id: str) -> None:  # noqa: F811
    worker = await house.as_person("lan.worker")
    token = (await worker.get(f"/cases/concerns/{concern_id}")).text.split('name="form_token" value="')[1].split('"')[0]
    worker.headers |= {"accept": "application/json", "x-form-token": token}
    listed = (await worker.get("/cases/api/concerns")).json()["concerns"]
    shown = next(one for one in listed if one["id"] == concern_id)
    body = {"version": shown["version"], "act": {"act": "open"}}
    done = await worker.post(f"/cases/api/concerns/{concern_id}/acts", json=body)
    assert done.status == 200, done.text


def agreement(public: bytes, sequence: int, **more: Any) -> AgreementChanged:
    said = {
        "agreement_id": "a1", "org": "mai-am", "state": "active", "purpose": "service",
        "event_types": ["cases.task.*"], "units": [UNIT], "fields": ["cases.task.requested:instructions"],
        "public_key": base64.b64encode(public).decode(), "kid": KID, "valid_from": START.date(),
        "valid_until": START.date() + timedelta(days=30), "at": START, **more,
    }  # fmt: skip
    return AgreementChanged.model_validate(said)


async def test_an_agreed_field_is_sealed_for_the_partner_alone_and_no_other_and_nothing_after_the_end(
    house: House,  # noqa: F811
) -> None:
    private = X25519PrivateKey.generate()
    await hear(house, agreement(private.public_key().public_bytes_raw(), 2), 2)
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    token = (await worker.get(f"/cases/c/{case_id}")).text.split('name="form_token" value="')[1].split('"')[0]
    worker.headers |= {"accept": "application/json", "x-form-token": token}
    version = (await worker.get(f"/cases/api/cases/{case_id}")).json()["version"]
    act = {
        "act": "request-task", "kind": "medical-examination", "sector": "health",
        "instructions": "Khám tay trái của cháu", "due": (START + timedelta(days=2)).date().isoformat(),
    }  # fmt: skip
    done = await worker.post(f"/cases/api/cases/{case_id}/acts", json={"version": version, "act": act})
    assert done.status == 200, done.text
    contents = house.desk_of.batches[0]
    assert contents.topics == [OWN_TOPIC["cases"]]

    async def seal() -> list[dict[str, Any]]:
        rows = await house.rows("SELECT * FROM outbox WHERE aggregatetype = 'cases.cases.v1' ORDER BY position")
        records = [
            Record("cases.cases.v1", 0, number, row.aggregateid, bytes(row.payload),
                   tuple((name, value.encode()) for name, value in row.headers.items()))
            for number, row in enumerate(rows)
        ]  # fmt: skip
        reading = contents.begin()
        reading.take(records)
        await contents.handle(await reading.whole())
        sealed = await house.rows("SELECT * FROM outbox WHERE aggregatetype = 'sealed.contents.v1' ORDER BY position")
        return [orjson.loads(row.payload) for row in sealed]

    found = await seal()
    assert [(one["event_type"], one["fields"], one["org"]) for one in found] == [
        ("cases.task.requested", ["instructions"], "mai-am")
    ]
    box = SealedBox.model_validate(found[0]["box"])
    assert orjson.loads(PlatformKey(private.private_bytes_raw(), KID).open(box)) == {
        "instructions": "Khám tay trái của cháu"
    }
    for row in await house.rows("SELECT payload FROM outbox WHERE payload IS NOT NULL"):
        assert "Khám tay trái".encode() not in bytes(row.payload)
    ids = await house.rows("SELECT DISTINCT id FROM outbox WHERE aggregatetype = 'sealed.contents.v1'")
    await seal()
    again = await house.rows("SELECT DISTINCT id FROM outbox WHERE aggregatetype = 'sealed.contents.v1'")
    assert {row.id for row in ids} == {row.id for row in again}, "read again, it is the same event again"
    await hear(house, agreement(private.public_key().public_bytes_raw(), 3, state="ended"), 3)
    await hear(house, agreement(private.public_key().public_bytes_raw(), 2), 2)
    before = len(await seal())
    assert len(await seal()) == before, "an agreement that has ended stays ended, whatever is heard late"
