"""Who comes, moves or leaves while notify runs is told, or not told, from then on, with nothing started again."""

from __future__ import annotations

from dataclasses import replace

from pydantic import SecretStr

from shared.identity import Directory
from tests.integration.notify_house import OTHER_UNIT, UNIT, House, make_house, overdue, succeeded, until
from tests.support.receivers import MailServer


def change(house: House, *gone: str, **units: str) -> None:
    """The directory takes over a file in which some are not, and some are elsewhere (`lan_worker="05446"`)."""
    known = dict(house.context.directory.people)
    for person, unit in units.items():
        name = person.replace("_", ".")
        known[name] = replace(known[name], units=frozenset({unit}))
    for name in gone:
        known.pop(name, None)
    assert house.context.directory.take_over(Directory(known))


async def test_who_moves_is_told_of_the_new_commune_and_no_more_of_the_old_one(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as worker,
    ):
        await worker.mailbox("lan@xa.example", "told")
        house.start()
        await house.hear(overdue(1))
        await until(lambda: succeeded(house, 1))
        change(house, lan_worker=OTHER_UNIT)
        await house.hear(overdue(2), overdue(3, OTHER_UNIT))
        await until(lambda: succeeded(house, 2))
        rows = await house.rows(
            """SELECT m.unit FROM delivery d JOIN message m ON m.id = d.message_id AND m.at = d.message_at
               ORDER BY d.created_at, m.unit"""
        )
        assert [row.unit for row in rows] == [UNIT, OTHER_UNIT]
        inbox = (await worker.get("/notify/api/inbox")).json()["notices"]
        assert {notice["unit"] for notice in inbox} == {OTHER_UNIT}


async def test_to_whom_has_left_nothing_is_sent_any_more_and_they_are_signed_out(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as worker,
        house.client("ha.coordinator") as coordinator,
    ):
        await worker.mailbox("lan@xa.example", "cases.task.overdue")
        await coordinator.mailbox("ha@tinh.example", "cases.task.overdue")
        await house.hear(overdue(1))
        change(house, "lan.worker", "yen.partner")
        house.start()
        await house.hear(overdue(2))
        await until(lambda: succeeded(house, 2))
        assert {mail["To"] for mail in mail_server.messages} == {"ha@tinh.example"}
        assert (await worker.get("/notify/api/inbox")).status_code == 401
        # Nor can an agreement be offered to an organisation for which nobody may sign.
        assert "mai-am-hy-vong" not in (await coordinator.get("/notify/agreements/new")).text
