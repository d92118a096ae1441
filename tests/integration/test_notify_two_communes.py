"""What concerns two communes (a case that moves, an offer, a merge) is told to whoever asked for either: at once,
collected or by whoever stands in, and to nobody of a third; on a real database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from services.notify.digests import Digests
from shared.contracts.base import Contract
from shared.contracts.cases import CaseMerged, CaseTransferred, HandoverOffered
from shared.contracts.registry import ChildMerged, ChildMoved
from shared.reference.units import Units
from tests.integration.notify_house import (
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    facts,
    loop_of,
    make_house,
    put,
    succeeded,
    until,
)
from tests.support.receivers import MailServer, WebhookServer

THIRD = next(code for code in Units.load().codes() if code not in {UNIT, OTHER_UNIT})
_CHILD = {"child_id": CASE, "facts": {"unit": OTHER_UNIT, "sex": "female"}}


def transferred(code: str | None = None) -> CaseTransferred:
    """A case that one commune led and another leads now."""
    return CaseTransferred.model_validate(
        {"case_id": CASE, "facts": {**facts(OTHER_UNIT), "code": code}, "from_unit": UNIT}
    )


def offered() -> HandoverOffered:
    return HandoverOffered.model_validate({"case_id": CASE, "facts": facts(UNIT), "to_unit": OTHER_UNIT})


@pytest.mark.parametrize(
    "event",
    [
        transferred(),
        offered(),
        CaseMerged.model_validate(
            {"case_id": CASE, "facts": facts(UNIT), "into_case_id": "c2", "into_unit": OTHER_UNIT}
        ),
        ChildMoved.model_validate({**_CHILD, "from_unit": UNIT, "moved_on": "2026-03-01"}),
        ChildMerged.model_validate({**_CHILD, "merged_id": "k2", "merged_unit": UNIT}),
    ],
    ids=lambda event: event.TYPE.removeprefix("vn.vongtay."),
)
async def test_who_asked_for_either_commune_is_told_and_nobody_of_a_third_as_the_dry_run_says(
    fresh_database: str, mail_server: MailServer, event: Contract
) -> None:
    kind = event.TYPE.removeprefix("vn.vongtay.")
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as here,
        house.client("thuong.worker") as there,
        house.client("ha.coordinator") as coordinator,
    ):
        told = {
            await here.mailbox("lan@xa.example", kind),
            await there.mailbox("thuong@xa.example", kind),
            await coordinator.mailbox("here@tinh.example", kind, units=[UNIT]),
            await coordinator.mailbox("there@tinh.example", kind, units=[OTHER_UNIT]),
        }
        await coordinator.mailbox("third@tinh.example", kind, units=[THIRD])
        run = await coordinator.api("/dry-run", {"type": kind, "data": json.loads(event.model_dump_json())})
        said = {way["id"] for one in run["people"] for way in one["endpoints"] if way["told"]}
        await house.hear(("e1", event))
        # What the house tells of a child that moved is collected for her.
        queued = await house.rows(
            """SELECT endpoint_id::text AS id FROM delivery
               UNION SELECT id::text FROM endpoint WHERE person IN (SELECT person FROM digest_item)"""
        )
        assert {row.id for row in queued} == told
        assert said == told


async def test_who_works_in_neither_commune_is_told_nothing_whatever_they_asked_for(
    fresh_database: str, mail_server: MailServer
) -> None:
    third = CaseTransferred.model_validate({"case_id": CASE, "facts": facts(THIRD), "from_unit": OTHER_UNIT})
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as here,
    ):
        await here.mailbox("lan@xa.example", "cases.case.*")
        await house.rows("UPDATE subscription SET units = NULL RETURNING 1")
        await house.hear(("e1", third))
        assert await house.states() == {}


async def test_what_waits_for_a_digest_reaches_both_communes_but_nobody_who_has_left_them(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        for name, address in (("lan.worker", "lan@xa.example"), ("thuong.worker", "thuong@xa.example")):
            async with house.client(name) as person:
                await person.mailbox(address, "cases.case.transferred")
                assert await put(person, "/preferences", {"digest": "daily"}) == 200
        await house.hear(("e1", transferred("TN-1")))
        # What was collected for whoever has come here from one of these communes since.
        await house.hear(("e2", transferred("TN-2").model_copy(update={"from_unit": THIRD})))
        await house.rows("UPDATE digest_item SET person = 'lan.worker' WHERE case_code = 'TN-2' RETURNING 1")
        house.shift += timedelta(days=2)
        loop = loop_of(house, Digests)
        while await loop.once():
            pass
        house.start()
        await until(lambda: succeeded(house, 2))
        read = {mail["To"]: _text(mail) for mail in mail_server.messages}
        assert read.keys() == {"lan@xa.example", "thuong@xa.example"}
        assert all("TN-1" in text for text in read.values())
        assert not any("TN-2" in text for text in read.values())


async def test_who_stands_in_where_a_case_is_offered_is_of_that_commune(house: House) -> None:
    now = datetime.now(UTC)
    async with house.client("thuong.worker") as there:
        await there.api("/absences", {"begins": now.isoformat(), "ends": (now + timedelta(days=3)).isoformat()})
    await house.rows(
        """INSERT INTO stand_in (role, unit, person, set_by, changed_at)
           VALUES ('worker', :here, 'binh.chair', 'binh.chair', now()), ('worker', :there, 'ha.coordinator', 'x', now())
           RETURNING 1""",
        here=UNIT,
        there=OTHER_UNIT,
    )
    await house.hear(("e1", offered()))
    rows = await house.rows("SELECT audience FROM notice WHERE audience LIKE 'person/%'")
    assert [row.audience for row in rows] == ["person/ha.coordinator"]


async def test_a_partner_of_either_commune_is_told_within_its_agreement_and_one_of_a_third_is_not(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        for unit in (UNIT, OTHER_UNIT, THIRD):
            await partner.webhook(f"{webhook_server.url}/{unit}", "cases.case.transferred", units=[unit])
    await house.hear(("e1", transferred()))
    rows: list[Any] = await house.rows(
        "SELECT s.units FROM delivery d JOIN subscription s ON s.id = d.subscription_id ORDER BY s.units"
    )
    assert [row.units for row in rows] == sorted([[UNIT], [OTHER_UNIT]])


def _text(mail: Any) -> str:
    plain = mail.get_body(("plain",))
    return str(plain.get_content())
