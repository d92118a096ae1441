"""Who is told and when, on a real database: substitutes, digests, noisy rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from structlog.testing import capture_logs

from services.notify.digests import Digests
from services.notify.store import digests
from services.notify.store.digests import Item
from shared.contracts.cases import CaseAssigned
from shared.messaging.outbox import new_id
from shared.reference.calendar import LOCAL
from tests.integration.notify_house import (
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    facts,
    loop_of,
    make_house,
    overdue,
    put,
    succeeded,
    task,
    until,
)
from tests.support.receivers import MailServer


async def test_while_somebody_is_away_a_substitute_is_told_who_may_see_it_anyway(house: House) -> None:
    now = datetime.now(UTC)
    away = {"begins": now.isoformat(), "ends": (now + timedelta(days=3)).isoformat()}
    async with house.client("lan.worker") as worker:
        offered = (await worker.get("/notify/api/substitutes")).json()
        assert [one["person"] for one in offered] == ["binh.chair"]
        refused = await worker.try_api("/absences", {**away, "substitute": "thuong.worker"})
        assert refused.status_code == 422
        await worker.api("/absences", {**away, "substitute": "binh.chair"})
    assigned = CaseAssigned.model_validate({"case_id": CASE, "facts": facts(), "worker": "lan.worker"})
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
            await officer.mailbox("duc@yte.example")
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


async def test_what_was_collected_for_a_channel_that_is_off_waits_for_it_or_comes_over_another(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        digests = loop_of(house, Digests)
        async with house.client("duc.health") as officer:
            mailbox = await officer.mailbox("duc@yte.example")
            chosen = {"digest": "daily", "digest_at": "07:30", "quiet_from": "21:00", "quiet_to": "07:00"}
            assert await put(officer, "/preferences", chosen) == 200
            note = "tin chờ nơi ấy bật lại, lâu nhất 30 ngày"
            assert note not in (await officer.get("/notify/preferences")).text
            await house.hear(("e1", task("health")))
            await officer.api(f"/subscriptions/{mailbox}/pause")
            assert note in (await officer.get("/notify/preferences")).text
            for _ in range(2):
                house.shift += timedelta(days=1, minutes=1)
                assert await digests.once()
                assert not await digests.once()
                assert await house.states() == {}
            # A telephone is there now: it does not sound at night.
            await house.rows(
                """INSERT INTO endpoint SELECT (jsonb_populate_record(endpoint, jsonb_build_object(
                       'id', gen_random_uuid(), 'channel', 'chat', 'state', 'active'))).* FROM endpoint RETURNING 1"""
            )
            await house.rows(
                """INSERT INTO subscription SELECT (jsonb_populate_record(s, jsonb_build_object(
                       'id', gen_random_uuid(), 'endpoint_id', e.id))).*
                   FROM subscription s, endpoint e WHERE e.channel = 'chat' RETURNING 1"""
            )
            await house.rows("UPDATE digest_item SET due_at = :now RETURNING 1", now=house.context.clock())
            here = house.context.clock().astimezone(LOCAL)
            house.shift += here.replace(hour=23, minute=0) + timedelta(days=1) - here
            assert await digests.once()
            rows = await house.rows("SELECT due_at, channels FROM digest_item")
            assert [(row.due_at.astimezone(LOCAL).hour, row.channels) for row in rows] == [(7, ["chat"])]
            house.shift += timedelta(hours=9)
            assert await digests.once()
            assert [row.channel for row in await house.rows(_WAITING)] == ["chat"]
            assert await house.rows("SELECT 1 FROM digest_item") == []


async def test_what_was_collected_comes_once_its_channel_is_on_again_and_no_later_than_the_inbox_has_it(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        digests = loop_of(house, Digests)
        async with house.client("duc.health") as officer:
            mailbox = await officer.mailbox("duc@yte.example")
            assert await put(officer, "/preferences", {"digest": "daily"}) == 200
            await house.hear(("e1", task("health")))
            await officer.api(f"/subscriptions/{mailbox}/pause")
            house.shift += timedelta(days=2)
            assert await digests.once()
            await officer.api(f"/subscriptions/{mailbox}/resume")
            await house.hear(("e2", task("health").model_copy(update={"task_id": "t2"})))
            house.shift += timedelta(days=1)
            assert await digests.once()
            assert [row.channel for row in await house.rows(_WAITING)] == ["email"]
            (row,) = await house.rows("SELECT convert_from(body, 'UTF8') AS body FROM message")
            assert json.loads(row.body)["data"]["count"] == 2, "both in one"
            await house.hear(("e3", task("health").model_copy(update={"task_id": "t3"})))
            await officer.api(f"/subscriptions/{mailbox}/pause")
            house.shift += timedelta(days=31)
            with capture_logs() as logs:
                assert await digests.once()
            assert await house.rows("SELECT 1 FROM digest_item") == []
            assert [one["count"] for one in logs if one["event"] == "digests.forgotten"] == [1]


_WAITING = "SELECT e.channel FROM delivery_pending d JOIN endpoint e ON e.id = d.endpoint_id"


async def test_of_what_waited_nothing_is_sent_of_a_commune_that_somebody_has_left_or_to_an_account_that_ended(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("lan.worker") as worker:
            await worker.mailbox("lan@xa.example")
        # Somebody else's mailbox, who had an account when this was collected.
        async with house.database.transaction() as connection:
            await digests.put(
                connection,
                [
                    *(_waiting("lan.worker", unit) for unit in (UNIT, OTHER_UNIT, OTHER_UNIT, None)),
                    _waiting("gone.worker", UNIT),
                ],
            )
        loop = loop_of(house, Digests)
        while await loop.once():
            pass
        house.start()
        await until(lambda: succeeded(house, 1))
        plain = mail_server.messages[0].get_body(("plain",))
        assert plain is not None
        lines = [line for line in plain.get_content().splitlines() if line.startswith("- ")]
        assert len(lines) == 2
        assert len(mail_server.messages) == 1
        assert not await house.rows("SELECT 1 FROM digest_item")
        assert len(await house.rows("SELECT 1 FROM delivery")) == 1


async def test_a_digest_that_somebody_else_has_in_hand_holds_up_nobody_elses(house: House) -> None:
    async with house.database.transaction() as connection:
        first, second = _waiting("lan.worker", UNIT), _waiting("binh.chair", UNIT)
        await digests.put(connection, [first, second])
    now = datetime.now(UTC)
    async with house.database.transaction() as slow, house.database.transaction() as other:
        assert [item.person for item in await digests.take_due(slow, now)] == ["lan.worker"]
        assert [item.person for item in await digests.take_due(other, now)] == ["binh.chair"]
        assert not await digests.take_due(other, now)


def _waiting(person: str, unit: str | None) -> Item:
    """Something that somebody is to hear of now."""
    at = datetime.now(UTC)
    return Item(
        new_id(), person, ("email",), at, "digest", new_id(), "cases.task.overdue", unit, CASE, "0000ABCD", None,
        "/cases/", False, at,
    )  # fmt: skip


async def test_an_officer_of_a_sector_is_led_to_the_task_and_not_to_a_case_that_is_closed_to_them(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("duc.health") as officer:
            await officer.mailbox("duc@yte.example")
        await house.hear(("e1", task("health")), ("e2", task("police")))
        house.start()
        await until(lambda: succeeded(house, 1))
        assert len(mail_server.messages) == 1, "another sector's task is none of theirs"
        body = mail_server.messages[0].get_content()
        assert "http://vongtay.test/cases/tasks/t1" in body
        assert f"/cases/c/{CASE}" not in body


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
            await coordinator.mailbox("ha@tinh.example")
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
