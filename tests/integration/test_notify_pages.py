"""The pages of notify: what each shows, whom, and what it changes; nobody sees another's."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from shared.contracts.cases import DeadlineMissed, TaskDone
from tests.integration.notify_house import CASE, UNIT, House, Person, concern, missed, task


def coded(number: int) -> DeadlineMissed:
    """A missed deadline of another case each, of a kind that is gathered."""
    event = missed()
    facts = event.facts.model_copy(update={"code": f"TN-2026-{number:06d}"})
    changes = {"case_id": f"{CASE[:-3]}{number:03d}", "deadline_id": f"d{number}", "kind": "assessment", "facts": facts}
    return event.model_copy(update=changes)


async def test_a_line_that_speaks_of_many_opens_to_each_of_them(house: House) -> None:
    await house.hear(*((f"e{number}", coded(number)) for number in range(9)))
    async with house.client("lan.worker") as worker, house.client("thuong.worker") as stranger:
        page = (await worker.get("/notify/")).text
        assert "Xem từng việc" in page
        [line] = await house.rows(
            "SELECT id::text AS id, path FROM notice WHERE count > 1 AND audience = :a", a=f"worker/{UNIT}"
        )
        assert line.path == f"/notify/lines/{line.id}"
        opened = await worker.get(f"/notify/open/{line.id}")
        assert opened.headers["location"] == line.path
        lines = (await worker.get(line.path)).text
        assert re.findall(r"Vụ việc (TN-2026-\d+)</a>", lines) == [f"TN-2026-{number:06d}" for number in range(5, 9)]
        assert f"/cases/c/{CASE[:-3]}008" in lines
        assert (await stranger.get(line.path)).status_code == 404
        assert (await worker.get(f"{line.path}?after=50")).status_code == 200


async def test_an_inbox_is_filtered_by_what_by_place_and_by_the_code_of_a_case(house: House) -> None:
    await house.hear(("e1", coded(1)), ("e2", concern("no")))
    async with house.client("ha.coordinator") as coordinator, house.client("lan.worker") as worker:

        async def shown(person: Person, query: str) -> int:
            return (await person.get(f"/notify/?{query}")).text.count("timeline__title")

        everything = await shown(worker, "")
        assert everything == 2
        assert await shown(worker, "case=TN-2026-000001") == 1
        assert await shown(worker, "case=tn-2026-000002") == 0
        assert await shown(worker, "only=urgent") == 1
        assert await shown(worker, f"unit={UNIT}&about=cases") == 2
        assert await shown(worker, "about=stats") == 0
        assert "Xã, phường" in (await coordinator.get("/notify/")).text
        await worker.post("/notify/read")
        assert await shown(worker, "only=unread") == 0


@pytest.mark.parametrize(("language", "said"), [("vi", "Chưa xác định xã, phường"), ("en", "Commune not known")])
async def test_where_no_commune_is_known_pages_say_so_in_words(house: House, language: str, said: str) -> None:
    event = concern()
    nowhere = event.facts.model_copy(update={"unit": "unclassified"})
    await house.hear(("e1", event.model_copy(update={"facts": nowhere})))
    async with house.client("ha.coordinator") as coordinator:
        for page in ("", "emergencies"):
            shown = (await coordinator.get(f"/notify/{page}?lang={language}")).text
            assert f"· {said}" in shown
            assert "· unclassified" not in shown


async def test_what_is_over_counts_down_to_nothing(house: House) -> None:
    done = TaskDone.model_validate_json(task().model_dump_json())
    alarm = ("e3", concern())
    await house.hear(("e1", task()))
    async with house.client("lan.worker") as worker, house.client("duc.health") as sector:
        assert 'class="badge deadline' in (await sector.get("/notify/")).text
        await house.hear(("e2", done))
        page = (await worker.get("/notify/")).text
        assert "đã xong" in page
        assert 'class="badge deadline' not in page
        await house.hear(alarm)
        assert 'class="badge deadline' in (await worker.get("/notify/")).text
        ((ladder,),) = await house.rows("SELECT id::text FROM ladder")
        await worker.post(f"/notify/emergencies/{ladder}")
        for page in ("", "emergencies", f"emergencies/{ladder}"):
            assert 'class="badge deadline' not in (await worker.get(f"/notify/{page}")).text


async def test_what_came_after_the_page_was_opened_is_not_read_with_all_that_it_shows(house: House) -> None:
    await house.hear(("e1", concern("no")))
    async with house.client("lan.worker") as worker:
        page = (await worker.get("/notify/")).text
        [seen] = re.findall(r'form="mark" name="seen" value="([^"]+)"', page)
        await house.hear(("e2", missed()))
        await worker.post("/notify/read", seen=seen)
        [notice] = (await worker.get("/notify/api/inbox?unread=true")).json()["notices"]
        assert notice["event_type"] == "cases.deadline.missed"
        assert (await worker.post("/notify/read", seen="sometime")).status_code == 422


async def test_one_notice_is_marked_read_over_the_api(house: House) -> None:
    await house.hear(("e1", missed()))
    async with house.client("lan.worker") as worker:
        [notice] = (await worker.get("/notify/api/inbox")).json()["notices"]
        assert (await worker.try_api(f"/inbox/{notice['id']}/read")).status_code == 204
        assert (await worker.get("/notify/api/inbox")).json()["unread"] == 0


async def test_choosing_how_one_is_called_keeps_it_and_says_what_is_wrong(house: House) -> None:
    wanted = {"language": "en", "digest": "weekly", "digest_at": "18:15", "digest_weekday": "5", "quiet": "own",
              "quiet_from": "19:00", "quiet_to": "07:00", "channels": ["sms", "email"]}  # fmt: skip
    async with house.client("lan.worker") as worker:
        assert (await worker.post("/notify/preferences", **wanted)).status_code == 303
        kept = (await worker.get("/notify/api/preferences")).json()
        assert kept == {"language": "en", "digest": "weekly", "digest_at": "18:15", "digest_weekday": 5,
                        "quiet_from": "19:00", "quiet_to": "07:00", "channels": ["sms", "email"],
                        "plain_sms": False}  # fmt: skip
        await worker.post("/notify/preferences", **(wanted | {"quiet": "none", "digest": "none", "channels": []}))
        kept = (await worker.get("/notify/api/preferences")).json()
        assert (kept["quiet_from"], kept["quiet_to"], kept["channels"]) == ("00:00", "00:00", [])
        wrong = await worker.post("/notify/preferences", **(wanted | {"quiet_from": "lúc tối"}))
        assert wrong.status_code == 422
        assert "Thông tin chưa hợp lệ" in wrong.text


async def test_absences_are_entered_and_ended_by_whom_they_concern_and_by_nobody_else(house: House) -> None:
    at = house.context.clock() + timedelta(days=2)
    when = {"begins": at.strftime("%Y-%m-%dT08:00"), "ends": (at + timedelta(days=3)).strftime("%Y-%m-%dT17:00")}
    async with (
        house.client("binh.chair") as chair,
        house.client("lan.worker") as worker,
        house.client("thuong.worker") as other,
    ):
        assert (await chair.post("/notify/absences", person="lan.worker", **when)).status_code == 303
        [mine] = (await worker.get("/notify/api/absences")).json()
        assert mine["entered_by"] == "binh.chair"
        assert (await other.post(f"/notify/absences/{mine['id']}/end")).status_code == 404
        assert (await other.post("/notify/absences", person="lan.worker", **when)).status_code == 404
        assert (await worker.post("/notify/absences", begins="", ends="")).status_code == 422
        assert (await chair.post(f"/notify/absences/{mine['id']}/end")).status_code == 303
        assert (await worker.get("/notify/api/absences")).json() == []
        named = {"role": "worker", "unit": UNIT, "named": "thuong.worker"}
        assert (await chair.post("/notify/stand-ins", **named)).status_code == 422  # sees another commune
        assert (await worker.post("/notify/stand-ins", **(named | {"named": "lan.worker"}))).status_code == 422
        assert (await chair.post("/notify/stand-ins", **(named | {"named": "binh.chair"}))).status_code == 303


async def test_the_log_is_filtered_by_state_type_and_period_and_any_period_is_sent_again(house: House) -> None:
    async with house.client("yen.partner") as partner, house.client("son.operator") as operator:
        created = await partner.webhook("https://mai-am.example/hook", "cases.*")
        path = f"/notify/subscriptions/{created['id']}"
        await house.hear(("e1", missed()), ("e2", concern()))
        log = f"/notify/api{path.removeprefix('/notify')}/deliveries"
        assert len((await partner.get(f"{log}?event_type=cases.deadline.missed")).json()) == 1
        assert len((await partner.get(f"{log}?state=pending")).json()) == 2
        assert (await partner.get(f"{path}?since=2099-01-01T00:00")).text.count("/notify/deliveries/") == 0
        assert (await partner.get(f"{path}?until=2099-01-01T00:00&event=cases.deadline.missed")).text.count(
            "/notify/deliveries/"
        ) == 1
        assert (await partner.post(f"{path}/replay", what="everything", days="own")).status_code == 422
        done = await partner.post(f"{path}/replay", what="everything", days="own", since="2026-01-01T00:00")
        assert done.status_code == 303
        assert (await partner.post(f"{path}/limits", at_once="65")).status_code == 422
        assert (await partner.post(f"{path}/limits", at_once="3", ordered="true")).status_code == 303
        kept = (await partner.get(f"/notify/api{path.removeprefix('/notify')}")).json()
        assert (kept["at_once"], kept["per_second"], kept["ordered"]) == (3, None, True)
        # Whoever keeps the platform up sees how it does, not where it is, and does not change its limits.
        seen = (await operator.get(path)).text
        assert "mai-am.example" not in seen
        assert (await operator.post(f"{path}/limits", at_once="1")).status_code == 404
        assert (await partner.get("/notify/queue")).status_code == 403
        assert (await partner.get("/notify/dry-run")).status_code == 403


async def test_pages_are_said_in_english_too(house: House) -> None:
    await house.hear(("e1", concern()))
    async with house.client("lan.worker") as worker:
        for path, said in (
            ("/notify/", "Nobody has acknowledged"),
            ("/notify/preferences", "Emergencies are never held back"),
            ("/notify/absences", "Enter an absence"),
        ):
            page = (await worker.get(f"{path}?lang=en")).text
            assert said in page, path


async def test_an_operator_restores_an_endpoint_only_while_its_agreement_is_in_force(house: House) -> None:
    async with house.client("yen.partner") as partner, house.client("son.operator") as operator:
        created = await partner.webhook("https://mai-am.example/hook", "cases.*")
        await house.rows("UPDATE endpoint SET state = 'disabled' RETURNING 1")
        await house.rows("UPDATE agreement SET state = 'suspended' RETURNING 1")
        refused = await operator.post(f"/notify/queue/{created['id']}/restore")
        assert refused.status_code == 422
        assert "không còn hiệu lực" in refused.text
        await house.rows("UPDATE agreement SET state = 'active' RETURNING 1")
        assert (await operator.post(f"/notify/queue/{created['id']}/restore")).status_code == 303
        replays = (await partner.get(f"/notify/api/subscriptions/{created['id']}/replays")).json()
        assert [one["everything"] for one in replays] == [False]  # what it missed, not what it had
        assert (await partner.post(f"/notify/queue/{created['id']}/restore")).status_code == 403


async def test_the_api_describes_itself_and_the_pages_do_not(house: House) -> None:
    async with house.client("yen.partner") as partner:
        described = (await partner.get("/notify/openapi.json")).json()["paths"]
    assert {"get", "post"} <= set(described["/notify/api/subscriptions"])
    assert "/notify/api/agreements/{identifier}/accept" in described
    assert not [path for path in described if path in ("/notify/", "/notify/preferences", "/notify/queue")]
