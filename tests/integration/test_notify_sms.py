"""SMS through a gateway that speaks SMPP: texts in parts, receipts, replies, and a gateway that has too much to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.notify.channels import smpp
from services.notify.domain.sms import length_of
from services.notify.store import receipts
from services.notify.texts import MOST_OF_EMERGENCY
from tests.integration.notify_house import House, Person, concern, make_house, missed, succeeded, until
from tests.support.smsc import BAD_NUMBER, SYSTEM_ERROR, THROTTLED, Gateway, sms_gateway

NUMBER = "+84912345678"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with sms_gateway() as made:
        yield made


@asynccontextmanager
async def house_with(
    url: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> AsyncIterator[House]:
    given = {"SMS_URL": gateway.url, "SMS_SENDER": "8079", **settings}
    for name, value in given.items():
        monkeypatch.setenv(f"VONGTAY_NOTIFY_{name}", value)
    async with make_house(url) as made:
        yield made


async def telephone(person: Person, number: str = "0912 345 678", *patterns: str, **more: Any) -> str:
    """Somebody enters their number. Out: the endpoint's id."""
    body = {"channel": "sms", "target": number, "event_types": list(patterns or ["told"])}
    created = await person.api("/subscriptions", body)
    # No quiet hours: the tests run by day and by night.
    chosen = {"quiet_from": "00:00", "quiet_to": "00:00", **more}
    answer = await person.http.put("/notify/api/preferences", json=chosen, headers={"x-form-token": person._token})
    assert answer.status == 200
    return str(created["id"])


async def test_a_person_gets_an_sms_in_the_words_that_fit_and_nothing_of_the_child(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912 345 678", "cases.concern.received")
        stored = (await house.rows("SELECT endpoint::text AS everything FROM endpoint"))[0].everything
        assert "912345678" not in stored
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: succeeded(house, 1))
        (said,) = gateway.texts(NUMBER)
        assert said == "Co tin bao ve tre em. Xem: http://vongtay.test/cases"
        assert "Phan Dinh Phung" not in said
        assert length_of(said).alphabet == "gsm-7"
        assert {one.sender for one in gateway.taken} == {"8079"}
        assert all(one.registered == 1 for one in gateway.taken)
        everything = await house.rows("SELECT convert_from(payload, 'UTF8') AS p FROM outbox")
        assert not any("912345678" in row.p for row in everything)


async def test_a_text_with_all_its_marks_goes_out_in_ucs_2_parts_that_a_telephone_puts_together(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "+84 912 345 678", plain_sms=False)
        await house.hear(("e1", missed()))
        house.start()
        await until(lambda: succeeded(house, 1))
        (said,) = gateway.texts(NUMBER)
        link = said.rpartition(" ")[2]
        assert link.startswith("http://vongtay.test/notify/a/")
        # The whole of what it is about, by when, and both ways to answer: an emergency may take three parts.
        about = "KHẨN: Quá hạn bảo vệ khẩn cấp. Hạn 02/03/2026 15:00. Trả lời OK hoặc bấm: "
        assert said == f"{about}{link}"
        assert len(gateway.taken) == length_of(said).segments == MOST_OF_EMERGENCY == 3
        assert {one.data_coding for one in gateway.taken} == {8}
        assert {one.esm_class for one in gateway.taken} == {0x40}
        assert len({one.payload[3] for one in gateway.taken}) == 1
        assert [(one.payload[4], one.payload[5]) for one in gateway.taken] == [(3, 1), (3, 2), (3, 3)]


async def test_a_receipt_says_that_a_telephone_has_it_and_only_all_parts_together_do(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", plain_sms=False)
        await house.hear(("e1", missed()))
        house.start(receipts=True)
        await until(lambda: succeeded(house, 1))
        first, second, third = (one.reference for one in gateway.taken)
        await gateway.receipt(first)
        await until(lambda: _arrived(house, 1))
        await gateway.receipt(second)
        await until(lambda: _arrived(house, 2))
        assert not await house.rows("SELECT 1 FROM delivery_settled WHERE response = 'DELIVRD'")
        await gateway.receipt(third, "ENROUTE")
        await gateway.receipt(third, by_parameter=True)
        await until(lambda: house.rows("SELECT 1 FROM delivery_settled WHERE response = 'DELIVRD'"))
        assert gateway.acknowledged == 4
        assert not await house.rows("SELECT 1 FROM sms_part")
        assert not await house.published("notify.delivery.failed")


@pytest.mark.parametrize("state", ["UNDELIV", "EXPIRED", "REJECTD", "DELETED"])
async def test_who_waited_in_vain_is_told_that_an_sms_never_arrived(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", "cases.concern.received")
        await house.hear(("e1", concern("no")))
        house.start(receipts=True)
        await until(lambda: succeeded(house, 1))
        await gateway.receipt(gateway.taken[0].reference, state)
        await until(lambda: house.published("notify.delivery.failed"))
        (failed,) = await house.published("notify.delivery.failed")
        assert failed["reason"] == "sms-undelivered"
        assert (await house.states()) == {"failed": 1}
        page = (await worker.get("/notify/")).text
        assert "Có tin đã không gửi được" in page
        # The gateway says it twice: nobody is told twice.
        await gateway.receipt(gateway.taken[0].reference, state)
        await asyncio.sleep(1.5)
        assert len(await house.published("notify.delivery.failed")) == 1


async def test_a_receipt_that_comes_before_we_noted_the_delivery_is_kept_until_then(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", "cases.concern.received")
        house.start(receipts=True)
        await until(lambda: _bound(gateway))
        await gateway.receipt("00000002")
        await until(lambda: house.rows("SELECT 1 FROM sms_receipt"))
        await house.hear(("e1", concern("no")))
        await until(lambda: house.rows("SELECT 1 FROM delivery_settled WHERE response = 'DELIVRD'"))


async def test_receipts_of_two_parts_that_two_replicas_take_at_once_are_one_text_that_arrived(
    fresh_database: str,
) -> None:
    async with make_house(fresh_database) as house:
        now = house.context.clock()
        async with house.database.transaction() as connection:
            await connection.execute(
                text(
                    """INSERT INTO sms_part (reference, delivery_id, message_at, sent_at)
                       SELECT reference, '0195a000-0000-7000-8000-00000000abcd', :now, :now
                       FROM unnest(ARRAY['first', 'second']) AS reference"""
                ),
                {"now": now},
            )
            await receipts.hear(connection, "first", "DELIVRD", now)
        async with house.database.transaction() as one:
            assert await receipts.settle(one, now) == []
            async with house.database.transaction() as other:
                await receipts.hear(other, "second", "DELIVRD", now)
            async with house.database.transaction() as other:
                assert await receipts.settle(other, now) == []
        async with house.database.transaction() as connection:
            assert await receipts.settle(connection, now) == [receipts.Outcome(True)]


async def test_a_session_that_ends_for_a_reason_that_nobody_foresaw_is_followed_by_another(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_event: object) -> None:
        raise RuntimeError

    async with house_with(fresh_database, gateway, monkeypatch) as house:
        house.start(receipts=True)
        await until(lambda: _bound(gateway))
        with monkeypatch.context() as patch:
            patch.setattr(smpp, "meaning", broken)
            await gateway.receipt("00000002")
            await until(lambda: _bound(gateway, 2))
        await gateway.receipt("00000002")
        await until(lambda: house.rows("SELECT 1 FROM sms_receipt"))


async def test_a_busy_gateway_is_left_in_peace_and_spoken_to_again_within_the_attempt(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.statuses = [THROTTLED, THROTTLED]
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", "cases.concern.received")
        await house.hear(("e1", concern("no")))
        house.start()
        began = asyncio.get_running_loop().time()
        await until(lambda: succeeded(house, 1))
        assert asyncio.get_running_loop().time() - began > 1.4  # half a second, then one
        assert gateway.asked - len(gateway.taken) == 2
        assert not await house.rows("SELECT 1 FROM attempt")


async def test_the_agreed_rate_is_kept(fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = {"SMS_PER_SECOND": "5"}
    async with house_with(fresh_database, gateway, monkeypatch, **slow) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", "cases.concern.received")
        await house.hear(*((f"e{number}", concern("no")) for number in range(6)))
        house.start()
        await until(lambda: _bound(gateway))
        began = asyncio.get_running_loop().time()
        await until(lambda: succeeded(house, 6))
        assert asyncio.get_running_loop().time() - began > 0.9


async def test_a_number_that_there_is_not_is_switched_off_and_its_owner_told(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.refused = {NUMBER}
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", "cases.concern.received")
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.published("notify.endpoint.disabled"))
        (row,) = await house.rows("SELECT reason, status FROM delivery_settled")
        assert (row.reason, row.status) == ("number-refused", BAD_NUMBER)


async def test_a_gateway_that_fails_or_is_away_says_nothing_of_the_number_and_nothing_is_lost(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.statuses = [SYSTEM_ERROR]
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912345678", "cases.concern.received")
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        (row,) = await house.rows("SELECT reason FROM attempt")
        assert row.reason == "smpp-0x08"
        (endpoint,) = await house.rows("SELECT failures, circuit FROM endpoint")
        assert (endpoint.failures, endpoint.circuit) == (0, "closed")
        await gateway.cut()
        house.shift = timedelta(seconds=10)
        await until(lambda: succeeded(house, 1))
        assert gateway.binds == 2


async def test_an_answer_ok_acknowledges_an_emergency(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker)
        await house.hear(("e1", concern("yes")))
        house.start(receipts=True)
        await until(lambda: _texts(gateway))
        (text,) = gateway.texts(NUMBER)
        assert "/notify/a/" in text
        (one, *_) = gateway.taken
        assert one.valid_until.endswith("000+")
        await gateway.reply("+84900000000", "OK")
        await gateway.reply(NUMBER, "gì vậy")
        await asyncio.sleep(0.5)
        assert not await house.published("notify.message.acknowledged")
        await gateway.reply(NUMBER, "OK tôi đi ngay")
        await until(lambda: house.published("notify.message.acknowledged"))
        (said,) = await house.published("notify.message.acknowledged")
        assert (said["how"], said["person"]) == ("reply", "lan.worker")


@pytest.mark.parametrize("number", ["", "12345", "0212345678", "+1 202 555 0100", "0912345678x", "091234567"])
async def test_what_is_no_mobile_number_of_viet_nam_is_refused(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        answer = await worker.try_api("/subscriptions", {"channel": "sms", "target": number, "event_types": ["told"]})
        assert answer.status_code == 422
        assert "address-invalid" in answer.text


async def _bound(gateway: Gateway, times: int = 1) -> bool:
    return gateway.binds >= times


async def _arrived(house: House, parts: int) -> bool:
    return len(await house.rows("SELECT 1 FROM sms_part WHERE state = 'DELIVRD'")) == parts


async def _texts(gateway: Gateway) -> bool:
    return bool(gateway.texts(NUMBER))
