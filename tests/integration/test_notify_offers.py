"""What organisations are offered to subscribe to, and what their pages say of it: nothing outside their agreements."""

from __future__ import annotations

from typing import Any

import jsonschema
from pydantic import SecretStr

from tests.integration.notify_house import UNIT, House, Person, make_house, overdue, until
from tests.support.receivers import MailServer

AGREED = {
    "org": "mai-am-hy-vong",
    "purpose": "service",
    "legal_basis": "contract",
    "units": [UNIT],
    "valid_from": "2026-01-01",
    "valid_until": "2029-12-31",
}


async def only(house: House, *patterns: str) -> None:
    """The organisation's one agreement in force covers these types, of one commune."""
    async with house.client("ha.coordinator") as coordinator, house.client("yen.partner") as partner:
        for one in (await coordinator.get("/notify/api/agreements")).json():
            await coordinator.api(f"/agreements/{one['id']}/end", {"reason": "thay bằng bản mới"})
        if patterns:
            made: dict[str, Any] = await coordinator.api("/agreements", {**AGREED, "event_types": list(patterns)})
            await partner.api(f"/agreements/{made['id']}/accept", {})


async def test_a_form_offers_what_the_agreement_covers_and_nothing_else(house: House) -> None:
    await only(house, "cases.task.*", "cases.case.opened")
    async with house.client("yen.partner") as partner:
        form = (await partner.get("/notify/subscriptions/new")).text
        for offered in ("cases.task.*", "cases.task.overdue", "cases.case.opened"):
            assert f'name="event_types" value="{offered}"' in form
        for outside in ("cases.*", "cases.case.closed", "registry.*", "registry.child.moved"):
            assert f'value="{outside}"' not in form
        assert form.count('name="units"') == 1
        assert f'name="units" value="{UNIT}"' in form
        events = (await partner.get("/notify/events")).text
        assert events.count("Có trong thỏa thuận") == form.count('name="event_types"') - 1
        # Whatever is offered can be had.
        created = await partner.webhook("http://127.0.0.1:9/x", "cases.task.*", "cases.case.opened")
        for path in ("/notify/subscriptions", f"/notify/subscriptions/{created['id']}"):
            page = (await partner.get(path)).text
            assert "Toàn bộ địa bàn của thỏa thuận" in page
            assert page.count("Toàn tỉnh") == form.count("Toàn tỉnh")  # the account's own place


async def test_who_has_signed_for_everything_chooses_by_group(house: House) -> None:
    await only(house, "*")
    async with house.client("yen.partner") as partner:
        form = (await partner.get("/notify/subscriptions/new")).text
        for offered in ("cases.*", "registry.*", "cases.case.closed"):
            assert form.count(f'name="event_types" value="{offered}"') == 1
        # Figures as they change are for nobody outside, and so neither is their group.
        for outside in ("*", "stats.*"):
            assert f'value="{outside}"' not in form
        await partner.webhook("http://127.0.0.1:9/x", "cases.*", "registry.*")


async def test_without_an_agreement_in_force_nobody_is_led_into_a_form_that_must_fail(house: House) -> None:
    await only(house)
    async with house.client("yen.partner") as partner:
        page = (await partner.get("/notify/subscriptions/new")).text
        assert "Chưa có thỏa thuận nào đang hiệu lực" in page
        assert 'name="event_types"' not in page
        assert "Có trong thỏa thuận" not in (await partner.get("/notify/events")).text


async def test_people_are_offered_what_their_role_may_see(fresh_database: str, mail_server: MailServer) -> None:
    async with make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house:
        async with house.client("lan.worker") as worker, house.client("duc.health") as officer:
            mine, theirs = [(await one.get("/notify/subscriptions/new")).text for one in (worker, officer)]
            for pattern in ("told", "cases.*", "registry.*"):
                await worker.mailbox("lan@xa.example", pattern)
        assert 'value="cases.*"' in mine
        assert 'value="cases.case.opened"' in mine
        assert 'value="cases.task.requested"' in theirs
        assert 'value="cases.*"' not in theirs
        assert 'value="cases.case.opened"' not in theirs


async def test_what_waits_for_an_earlier_one_of_its_case_is_not_called_late(house: House) -> None:
    async with house.client("yen.partner") as partner, house.client("son.operator") as operator:
        created = await partner.webhook("http://127.0.0.1:9/x", "cases.task.*")
        path = f"/notify/subscriptions/{created['id']}"
        await partner.http.put(
            f"/notify/api{path.removeprefix('/notify')}/limits",
            json={"ordered": True},
            headers={"x-form-token": partner._token},
        )
        another = overdue(1)[1].model_copy(update={"task_id": "t9"})
        await house.hear(overdue(1), ("another", another))
        page = (await partner.get(path)).text
        assert page.count("Chờ tin trước của cùng vụ việc") == 1
        assert page.count("Đang chờ gửi") == 1
        assert "Tin của cùng một vụ việc đến lần lượt" in page
        told = (await partner.get(f"/notify/api{path.removeprefix('/notify')}/deliveries")).json()
        assert sorted((one["waits_for_earlier"], one["next_attempt_at"] is None) for one in told) == [
            (False, False),
            (True, True),
        ]
        queue = (await operator.get("/notify/queue")).text
        waits = await house.rows("SELECT count(*) FILTER (WHERE blocked) AS n, count(*) AS all FROM delivery_pending")
        assert (waits[0].n, waits[0].all) == (1, 2)
        tiles = queue[queue.index("Đến hạn gửi") : queue.index("Đã nhận (giờ này")]
        assert [part.split("<")[0].strip() for part in tiles.split('class="tile__value">')[1:]] == ["1", "1"]


async def test_a_partners_programs_learn_what_an_event_looks_like_and_how_their_endpoint_did(house: House) -> None:
    await only(house, "cases.task.*")
    async with house.client("yen.partner") as partner, house.client("duc.health") as officer:
        inside = (await partner.get("/notify/api/event-types/cases.task.requested")).json()
        assert inside["covered"] is True
        assert "instructions" in inside["sealed_fields"]
        jsonschema.validate(inside["example"], inside["schema"])
        assert (await partner.get("/notify/api/event-types/cases.case.opened")).json()["covered"] is False
        assert (await officer.get("/notify/api/event-types/cases.case.opened")).status_code == 404
        assert (await partner.get("/notify/api/event-types/cases.nothing")).status_code == 404
        created = await partner.webhook("http://127.0.0.1:9/x", "cases.task.*")
        await house.hear(overdue(1))
        house.start()
        health = f"/notify/api/subscriptions/{created['id']}/health?since=2026-01-01T00:00:00Z"
        await until(lambda: told(partner, health))
        [hour] = (await partner.get(health)).json()
        assert (hour["succeeded"], hour["failed"] > 0, hour["slowest_ms"] >= hour["typical_ms"]) == (0, True, True)
        assert (await officer.get(health)).status_code == 404


async def told(person: Person, path: str) -> bool:
    return bool((await person.get(path)).json())
