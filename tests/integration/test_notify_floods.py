"""A flood tells nobody: of an import's children nobody is told one by one, of the past nobody at all, and operators see
how many that were. An emergency is never one of many."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pytest
from sqlalchemy import text

from shared.contracts.registry import ChildDeceased, ChildMoved, ChildRegistered, ImportFinished, VerificationDigest
from tests.integration.notify_house import (
    AGREEMENT,
    CASE,
    OTHER_UNIT,
    UNIT,
    House,
    concern,
    missed,
    succeeded,
    until,
)
from tests.support.receivers import WebhookServer

IMPORT = "0195a000-0000-7000-8000-000000000123"
SEALED = {"sealed": "A256GCM", "kid": f"child/{CASE}", "text": "AAAA"}
FACTS = {"unit": UNIT, "sex": "female"}


def registered() -> ChildRegistered:
    return ChildRegistered.model_validate({"child_id": CASE, "facts": FACTS, "child": SEALED})


def moved() -> ChildMoved:
    return ChildMoved.model_validate({"child_id": CASE, "facts": FACTS, "moved_on": "2026-03-01"})


def died() -> ChildDeceased:
    return ChildDeceased.model_validate({"child_id": CASE, "facts": FACTS, "died_on": "2026-03-01"})


def finished(unit: str | None = None, units: list[str] | None = None) -> ImportFinished:
    return ImportFinished(
        import_id=IMPORT, kind="commune-roster", unit=unit, units=units, rows=3, taken=3, rejected=0, new_children=3
    )


async def unsaid(house: House) -> dict[tuple[str, str], int]:
    rows = await house.rows("SELECT why, event_type, count FROM unsaid")
    return {(row.why, row.event_type): row.count for row in rows}


async def test_of_an_imports_children_nobody_is_told_but_partners_hear_once_that_it_is_finished(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "registry.*")
    await house.hear(("a", registered()))
    assert await house.states() == {"pending": 1}, "a single child is told"
    flood = [(f"r{number}", registered()) for number in range(40)]
    await house.hear(*flood, ("m", moved()), ("d", died()), bulk=IMPORT)
    assert await house.states() == {"pending": 1}
    assert await house.rows("SELECT 1 FROM notice") == []
    await house.hear(("done", finished()))
    house.start()
    await until(lambda: succeeded(house, 2))
    heard = [orjson.loads(one.body) for one in webhook_server.requests]
    (said,) = [one for one in heard if "import" in one["type"]]
    assert said["type"] == "vn.vongtay.registry.import.finished"
    assert (said["data"]["import_id"], said["data"]["undone"]) == (IMPORT, False)
    counted = await unsaid(house)
    assert counted[("bulk", "registry.child.registered")] == 40
    assert counted[("bulk", "registry.child.deceased")] == 1


async def test_the_same_flood_again_is_not_counted_again(house: House) -> None:
    flood = [(f"r{number}", registered()) for number in range(5)]
    await house.hear(*flood, bulk=IMPORT)
    await house.hear(*flood, bulk=IMPORT)
    assert await unsaid(house) == {("bulk", "registry.child.registered"): 5}


async def test_an_emergency_is_told_even_as_one_of_a_bulk_act(house: House, webhook_server: WebhookServer) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
    await house.hear(("e1", concern("yes")), ("e2", concern("no")), bulk=IMPORT)
    rows = await house.rows("SELECT ladder_id FROM notice")
    assert rows
    assert all(row.ladder_id for row in rows), "of what is no emergency nobody is told"
    assert len(await house.rows("SELECT 1 FROM ladder")) == 1
    assert await house.states() == {}, "a partner is not told of it one by one"


@pytest.mark.parametrize(
    ("units", "of_import", "hears"),
    [(UNIT, (None, None), True), (UNIT, (None, [UNIT]), True), (UNIT, (None, [OTHER_UNIT]), False),
     (UNIT, (OTHER_UNIT, None), False), (UNIT, (UNIT, None), True)],
)  # fmt: skip
async def test_who_hears_of_communes_hears_of_the_imports_that_may_speak_of_them(
    house: House, webhook_server: WebhookServer, units: str, of_import: tuple[str | None, list[str] | None], hears: bool
) -> None:
    async with house.database.transaction() as connection:
        await connection.execute(
            text("UPDATE agreement SET units = CAST(:units AS text[]) WHERE id = CAST(:id AS uuid)"),
            {"units": [units], "id": AGREEMENT},
        )
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "registry.*", units=[units])
    await house.hear(("done", finished(*of_import)))
    assert (await house.states() == {"pending": 1}) is hears


async def test_of_the_past_nobody_is_told_and_operators_see_how_many(
    house: House, webhook_server: WebhookServer
) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(webhook_server.url, "cases.*")
    now = house.context.clock()
    house.happened |= {"old1": now - timedelta(days=9), "old2": now - timedelta(days=9)}
    await house.hear(("old1", missed()), ("old2", concern("yes")), ("new", missed()))
    assert len({row.id for row in await house.rows("SELECT id FROM message")}) == 1
    assert await unsaid(house) == {("past", "cases.deadline.missed"): 1, ("past", "cases.concern.received"): 1}
    assert len(await house.rows("SELECT 1 FROM ladder")) == 1, "of what was missed just now; the other's would be over"
    async with house.client("son.operator") as operator:
        page = (await operator.get("/notify/queue")).text
        assert "Sự kiện không báo cho ai" in page
        assert "đến quá muộn so với lúc xảy ra" in page


async def test_a_rule_lets_its_event_live_shorter_than_its_urgency_does(house: House) -> None:
    now = house.context.clock()
    house.happened |= {"old": now - timedelta(hours=30), "new": now - timedelta(hours=10)}
    digest = VerificationDigest(unit=UNIT, on=now.date(), newly_due=3, due=9)
    await house.hear(("old", digest))
    assert await house.rows("SELECT 1 FROM notice") == []
    assert await unsaid(house) == {("past", "registry.verification.digest"): 1}
    await house.hear(("new", digest))
    assert len(await house.rows("SELECT 1 FROM notice")) == 1
