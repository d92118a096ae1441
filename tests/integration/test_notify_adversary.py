"""What a stranger, an accident or a wrong clock would do to notifications: nothing leaks, nothing is stuck, nobody is
forgotten."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from services.notify.channels.base import notable
from services.notify.climbing import Climbing
from services.notify.desk.queueing import Queueing
from services.notify.domain import Addressed, Attempt, Happening, Message, timed_id
from shared.identity import Principal, Role
from shared.messaging.router import Scope
from shared.reference.delivering import Delivering
from tests.integration.notify_house import (
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    concern,
    loop_of,
    make_house,
    missed,
    succeeded,
    until,
)
from tests.integration.test_notify_sms import NUMBER, house_with, telephone
from tests.support.receivers import MailServer, WebhookServer
from tests.support.smsc import Gateway, sms_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with sms_gateway() as made:
        yield made


async def say(
    house: House, endpoints: list[str], count: int = 1, *, name: str = "m", urgent: bool = False, key: str | None = None
) -> None:
    """Queue so many messages for each of some endpoints, as a decider would."""
    now = house.context.clock()
    body = json.dumps({"type": "x", "timestamp": now.isoformat(), "data": {"link": "http://vongtay.test/"}}).encode()
    async with house.database.transaction() as connection:
        scope = Scope("notify", connection, now)
        messages, addressed = [], []
        for number in range(count):
            identifier = timed_id(now, "test", name, str(number))
            messages.append(Message(Happening(identifier, "cases.case.opened", now, UNIT, CASE, None, None, {}), body))
            addressed += [
                Addressed(identifier, one, order_key=key, priority="emergency" if urgent else "normal")
                for one in endpoints
            ]
        await Queueing(Delivering.load()).queue(scope, messages, addressed)
        await scope.flush()


# Answers that cannot be noted


def test_an_answer_is_kept_as_the_log_can_hold_it() -> None:
    odd = notable(Attempt("taken", 1, 2**32 - 1, "a\x00b\udcc4"))
    assert (odd.response, odd.status) == ("ab?", 2**31 - 1)
    plain = Attempt("taken", 1, 200, "được")
    assert notable(plain) == plain


async def test_a_mail_server_that_answers_in_another_alphabet_stops_nothing(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        await worker.mailbox("lan@phandinhphung.example", "cases.concern.received")
        monkeypatch.setattr("services.notify.channels.email.EmailChannel.send", _answered)
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: succeeded(house, 1))


async def _answered(*_: object) -> Attempt:
    """What the SMTP library makes of an answer that is not UTF-8."""
    return Attempt("taken", 1, 250, b"250 Da nh\xc4n\x00".decode("utf-8", "surrogateescape"))


async def test_a_status_that_no_column_holds_is_an_attempt_like_any_other(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912 345 678", "cases.concern.received")
        gateway.statuses = [0xFFFFFFF0]
        await house.hear(("e1", concern("no")))
        house.start()
        await until(lambda: house.rows("SELECT 1 FROM attempt"))
        house.shift = timedelta(seconds=10)
        await until(lambda: succeeded(house, 1))


async def test_a_result_that_cannot_be_taken_over_holds_up_no_other(
    house: House, webhook_server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("timestamp")

    async with house.client("yen.partner") as partner:
        good = (await partner.webhook(webhook_server.url, "cases.care.ended"))["id"]
        bad = (await partner.webhook(webhook_server.url, "cases.care.ended"))["id"]
    await house.rows("UPDATE endpoint SET channel = 'kafka' WHERE id = CAST(:id AS uuid) RETURNING 1", id=bad)
    monkeypatch.setattr("services.notify.channels.kafka.KafkaChannel.effect", broken)
    await say(house, [good, bad], 3)
    house.start()
    await until(lambda: succeeded(house, 3))
    await until(lambda: house.rows("SELECT 1 FROM attempt WHERE reason = 'internal' HAVING count(*) = 3"))


# People who have gone, moved, or never were entitled


async def test_who_has_no_account_any_more_is_neither_told_nor_sent_what_waited(
    fresh_database: str, mail_server: MailServer
) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        for pattern in ("cases.concern.received", "told"):
            await worker.mailbox("lan@phandinhphung.example", pattern)
        await house.hear(("e1", concern("no")))
        waiting = (await house.states())["pending"]
        await house.rows("UPDATE endpoint SET person = 'gone.worker' RETURNING 1")
        await house.hear(("e2", concern("no")))
        assert (await house.states())["pending"] == waiting
        house.start()
        await asyncio.sleep(1)
        assert not mail_server.messages
        # It does not wait for ever, and keeps no partition from being dropped.
        await house.halt()
        house.shift = timedelta(days=31)
        await house.upkeep.forget()
        assert "pending" not in await house.states()


@pytest.mark.parametrize(
    ("person", "units"), [("lan.worker", [OTHER_UNIT]), ("tuan.statistician", None), ("duc.health", [UNIT])]
)
async def test_who_has_moved_hears_no_more_of_where_they_were(
    fresh_database: str, mail_server: MailServer, person: str, units: list[str] | None
) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        await worker.mailbox("lan@phandinhphung.example", "cases.deadline.missed")
        # Their account says by now what the subscription did not say then.
        await house.rows("UPDATE endpoint SET person = :person RETURNING 1", person=person)
        await house.rows("UPDATE subscription SET units = CAST(:units AS text[]) RETURNING 1", units=units)
        await house.hear(("e1", missed((units or [UNIT])[0])))
        assert await house.states() == {}


async def test_whoever_keeps_the_platform_up_subscribes_to_no_child_and_no_case(
    fresh_database: str, mail_server: MailServer
) -> None:
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("son.operator") as operator:
        wanted = {"channel": "email", "target": "son@tinh.example", "event_types": ["cases.case.opened"]}
        assert (await operator.try_api("/subscriptions", wanted)).status_code == 422
        assert (await operator.try_api("/subscriptions", {**wanted, "event_types": ["told"]})).status_code == 201


# Answers to emergencies


async def test_one_answer_is_for_one_emergency_said_twice_or_from_a_telephone_that_two_carry(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house:
        for person in ("lan.worker", "thuong.worker"):
            async with house.client(person) as worker:
                await telephone(worker)
        other = concern("yes").model_copy(update={"concern_id": "c2"})
        other = other.model_copy(update={"facts": other.facts.model_copy(update={"unit": await _unit_of(house)})})
        await house.hear(("e1", concern("yes")))
        house.shift = timedelta(seconds=5)
        await house.hear(("e2", other))
        house.start(receipts=True)
        await until(lambda: _texts(gateway, 2))
        for _ in range(3):
            await gateway.reply(NUMBER, "OK")
        await until(lambda: house.published("notify.message.acknowledged"))
        await asyncio.sleep(0.5)
        (said,) = await house.published("notify.message.acknowledged")
        assert (said["concern_id"], said["person"]) == ("c2", "thuong.worker")


async def test_an_answer_by_sms_does_not_take_for_received_what_came_over_something_else(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        identifier = await telephone(worker)
        await house.hear(("e1", concern("yes")))
        await house.rows("UPDATE endpoint SET state = 'paused' WHERE id = CAST(:id AS uuid) RETURNING 1", id=identifier)
        house.shift = timedelta(seconds=5)
        await house.hear(("e2", concern("yes").model_copy(update={"concern_id": "c2"})))
        house.start(receipts=True)
        await until(lambda: _bound(gateway))
        await gateway.reply(NUMBER, "OK")
        await until(lambda: house.published("notify.message.acknowledged"))
        (said,) = await house.published("notify.message.acknowledged")
        assert said["concern_id"] == "c1"


async def test_a_link_of_who_has_no_account_any_more_does_nothing(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker)
        await house.hear(("e1", concern("yes")))
        (row,) = await house.rows(
            "SELECT convert_from(body, 'UTF8') AS body FROM message WHERE event_type LIKE '%called'"
        )
        path = json.loads(row.body)["data"]["acknowledge"].removeprefix("http://vongtay.test")
        assert (await worker.get(path)).status_code == 200
        await house.rows("UPDATE ladder_call SET person = 'gone.worker' RETURNING 1")
        assert (await worker.get(path)).status_code == 410
        assert (await worker.post(path)).status_code == 410
        assert not await house.published("notify.message.acknowledged")


async def test_a_receipt_from_before_a_name_was_given_again_says_nothing_of_the_new_message(
    fresh_database: str, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house_with(fresh_database, gateway, monkeypatch) as house, house.client("lan.worker") as worker:
        await telephone(worker, "0912 345 678", "cases.concern.received")
        house.start(receipts=True)
        await until(lambda: _bound(gateway))
        # The gateway counts from one again: it had given this name to a message long ago, and says it twice.
        await house.rows(
            """INSERT INTO sms_receipt (reference, state, heard_at)
               SELECT to_char(n, 'FM00000000'), 'UNDELIV', now() - interval '2 hours'
               FROM generate_series(1, 9) AS n RETURNING 1"""
        )
        await house.hear(("e1", concern("no")))
        await until(lambda: succeeded(house, 1))
        assert gateway.taken[0].reference == "00000001"
        await asyncio.sleep(2.5)
        assert await house.states() == {"succeeded": 1}


async def _bound(gateway: Gateway) -> bool:
    return gateway.binds > 0


async def _texts(gateway: Gateway, count: int) -> bool:
    return len(gateway.texts(NUMBER)) >= count


async def _unit_of(house: House) -> str:
    directory = house.context.directory
    found: Principal = next(one for one in directory.people.values() if one.id == "thuong.worker")
    assert found.role is Role.WORKER
    return next(iter(found.units))


# Slots, times off and clocks


async def test_an_emergency_waits_for_no_long_queue_of_others(fresh_database: str, mail_server: MailServer) -> None:
    taken = mail_server.handle_DATA

    async def slowly(*arguments: Any) -> str:
        await asyncio.sleep(0.03)
        return await taken(*arguments)

    mail_server.handle_DATA = slowly  # type: ignore[assignment,method-assign]
    mail = SecretStr(mail_server.url)
    async with make_house(fresh_database, smtp_url=mail) as house, house.client("lan.worker") as worker:
        endpoints = [await worker.mailbox(f"n{number}@tinh.example", "cases.care.ended") for number in range(9)]
        *noisy, pressed = endpoints
        await say(house, noisy, 60)
        house.start()
        await until(lambda: _mails(mail_server, 20))
        await say(house, [pressed], name="pressing", urgent=True)
        before = len(mail_server.recipients)
        await until(lambda: _reached(mail_server, "n8@tinh.example"))
        assert mail_server.recipients.index(["n8@tinh.example"]) - before < 60


async def _mails(server: MailServer, count: int) -> bool:
    return len(server.recipients) >= count


async def _reached(server: MailServer, address: str) -> bool:
    return [address] in server.recipients


async def test_what_waits_for_nothing_is_let_go_after_a_long_time_off_too(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        body = {"channel": "webhook", "target": webhook_server.url, "event_types": ["cases.care.ended"]}
        one = (await partner.api("/subscriptions", {**body, "ordered": True}))["id"]
    await say(house, [one], key="case-1")
    await house.rows("UPDATE delivery_pending SET blocked = true RETURNING 1")
    house.shift = timedelta(hours=3)
    await house.upkeep.unblock()
    house.start()
    await until(lambda: succeeded(house, 1))


async def test_what_was_queued_by_a_clock_that_ran_ahead_is_sent_now(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        one = (await partner.webhook(webhook_server.url, "cases.care.ended"))["id"]
    house.shift = timedelta(hours=20)
    await say(house, [one], urgent=True, name="urgent")
    await say(house, [one], name="plain")
    house.shift = timedelta()
    await house.upkeep.give_up()
    house.start()
    await until(lambda: succeeded(house, 1))
    await house.upkeep.forget()
    await until(lambda: succeeded(house, 2))


async def test_a_ladder_that_a_clock_running_ahead_put_off_climbs_step_by_step(house: House) -> None:
    climbing = loop_of(house, Climbing)
    house.shift = timedelta(days=1)
    await house.hear(("e1", concern("yes")))
    house.shift = timedelta()

    async def step() -> int:
        (row,) = await house.rows("SELECT step FROM ladder")
        return int(row.step)

    for _ in range(5):
        await climbing.once()
    assert await step() == 1
    house.shift = timedelta(minutes=16)
    for _ in range(5):
        await climbing.once()
    assert await step() == 2
