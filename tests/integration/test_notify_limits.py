"""How much somebody may have: no way of deleting and bringing back leads around it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from services.notify.store import endpoints
from shared.reference.notify_keeping import NotifyKeepingByDay
from shared.reference.notify_limits import NotifyLimits, NotifyLimitsByDay
from tests.integration.notify_house import NOW, House, Person

LIMITS: NotifyLimits = NotifyLimitsByDay.load().on(NOW)
KEEPING = NotifyKeepingByDay.load().on(NOW)
URL = "http://127.0.0.1:9/hook"


async def there(house: House) -> int:
    return len(await house.rows("SELECT 1 FROM endpoint WHERE state <> 'deleted'"))


async def fill(house: House, count: int, state: str = "active") -> None:
    """Endpoints of the partner, as if it had made them one after the other."""
    await house.rows(
        """INSERT INTO endpoint (id, channel, name, org, language, target, state, changed_at, created_at, verified_at)
           SELECT gen_random_uuid(), channel, name, org, language, target, CAST(:state AS text), changed_at, created_at,
                  verified_at
           FROM (SELECT * FROM endpoint ORDER BY created_at LIMIT 1) AS one, generate_series(1, :count)
           RETURNING 1""",
        state=state,
        count=count,
    )


async def refused(person: Person, path: str, body: Any = None) -> str:
    answer = await person.try_api(path, body)
    assert answer.status_code == 422, answer.text
    return str(answer.json()["violations"][0]["rule"])


WEBHOOK = {"channel": "webhook", "target": URL, "event_types": ["cases.*"]}


async def test_a_deleted_endpoint_comes_back_only_where_there_is_room_for_it(house: House) -> None:
    async with house.client("yen.partner") as partner:
        first = (await partner.webhook(URL, "cases.*"))["id"]
        await fill(house, LIMITS.endpoints_most - 1)
        assert await refused(partner, "/subscriptions", WEBHOOK) == "too-many"
        await partner.api(f"/subscriptions/{first}/delete")
        second = (await partner.webhook(URL, "cases.*"))["id"]
        assert await refused(partner, f"/subscriptions/{first}/restore") == "too-many"
        # Nor by another name.
        for change in ("resume", "pause"):
            assert (await partner.api(f"/subscriptions/{first}/{change}"))["state"] == "deleted"
        assert await there(house) == LIMITS.endpoints_most
        page = await partner.post(f"/notify/subscriptions/{first}/restore")
        assert page.status_code == 422
        assert f"tối đa {LIMITS.endpoints_most} đăng ký" in page.text
        await partner.api(f"/subscriptions/{second}/delete")
        assert (await partner.api(f"/subscriptions/{first}/restore"))["state"] == "active"


async def test_the_last_place_is_taken_once_however_many_ask_at_the_same_time(house: House) -> None:
    async with house.client("yen.partner") as partner:
        first = (await partner.webhook(URL, "cases.*"))["id"]
        await fill(house, LIMITS.endpoints_most - 1)
        await partner.api(f"/subscriptions/{first}/delete")
        async with house.database.transaction() as connection:
            # Somebody has counted, and is about to take it.
            held = await endpoints.held(connection, "mai-am-hy-vong", None, NOW)
            assert held.there == LIMITS.endpoints_most - 1
            asked = [asyncio.create_task(partner.try_api("/subscriptions", WEBHOOK)) for _ in range(2)]
            asked.append(asyncio.create_task(partner.try_api(f"/subscriptions/{first}/restore")))
            _, waiting = await asyncio.wait(asked, timeout=1)
            assert len(waiting) == len(asked)
        answers = await asyncio.gather(*asked)
        assert sorted(answer.status_code < 300 for answer in answers) == [False, False, True]
        assert await there(house) == LIMITS.endpoints_most


async def test_what_is_deleted_while_somebody_resumes_it_stays_deleted(house: House) -> None:
    async with house.client("yen.partner") as partner:
        first = (await partner.webhook(URL, "cases.*"))["id"]
        await partner.api(f"/subscriptions/{first}/pause")
        async with house.database.transaction() as connection:
            await endpoints.change_state(connection, first, ["paused"], "deleted", NOW)
            resuming = asyncio.create_task(partner.try_api(f"/subscriptions/{first}/resume"))
            _, waiting = await asyncio.wait([resuming], timeout=1)
            assert waiting, "it has looked, and waits for the row"
        assert (await resuming).json()["state"] == "deleted"


async def test_making_and_deleting_for_ever_ends_for_the_day(house: House) -> None:
    async with house.client("yen.partner") as partner:
        await partner.webhook(URL, "cases.*")
        await fill(house, LIMITS.endpoints_per_day - 1, "deleted")
        assert await refused(partner, "/subscriptions", WEBHOOK) == "too-many-made"
        house.shift = timedelta(hours=25)
        await partner.webhook(URL, "cases.*")


async def test_a_deletion_can_be_undone_as_long_as_the_data_says_and_no_longer(house: House) -> None:
    async with house.client("yen.partner") as partner:
        first = (await partner.webhook(URL, "cases.*"))["id"]
        deleted = await partner.post(f"/notify/subscriptions/{first}/delete")
        said = (await partner.get(deleted.headers["location"])).text
        assert f"giữ thêm {KEEPING.undo_hours} giờ" in said
        house.shift = KEEPING.undo - timedelta(minutes=1)
        assert (await partner.api(f"/subscriptions/{first}/restore"))["state"] == "active"
        await partner.api(f"/subscriptions/{first}/delete")
        house.shift += KEEPING.undo + timedelta(minutes=1)
        assert await refused(partner, f"/subscriptions/{first}/restore") == "undo-over"


async def test_absences_entered_and_ended_again_and_again_are_counted(house: House) -> None:
    async with house.client("lan.worker") as worker:

        def away(days: float) -> dict[str, str]:
            begins = house.context.clock() - timedelta(minutes=1)
            return {"begins": begins.isoformat(), "ends": (begins + timedelta(days=days)).isoformat()}

        for _ in range(LIMITS.absences_most):
            entered = await worker.api("/absences", away(5))
            gone = await worker._ask(
                "DELETE", f"/notify/api/absences/{entered['id']}", headers={"x-form-token": worker._token}
            )
            assert gone.status_code == 204
        assert await refused(worker, "/absences", away(5)) == "too-many"
        house.shift = timedelta(hours=25)
        await worker.api("/absences", away(5))


async def test_absences_that_follow_one_another_end_within_the_time_that_the_data_says(house: House) -> None:
    async with house.client("lan.worker") as worker:
        now = house.context.clock()

        def away(begins: int, ends: int) -> dict[str, str]:
            return {
                "begins": (now + timedelta(days=begins)).isoformat(),
                "ends": (now + timedelta(days=ends)).isoformat(),
            }

        await worker.api("/absences", away(0, LIMITS.away_most_days))
        last = LIMITS.away_ahead_days
        await worker.api("/absences", away(last - 10, last))
        assert await refused(worker, "/absences", away(last - 9, last + 1)) == "too-far"
