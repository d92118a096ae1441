"""Who would be told, and why, on a real database: the answer is what would happen, and nothing happens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.notify.climbing import Climbing
from shared.contracts.cases import TaskRequested
from tests.integration.notify_house import (
    OTHER_UNIT,
    UNIT,
    House,
    Person,
    concern,
    loop_of,
    make_house,
    missed,
    overdue,
    put,
    task,
)
from tests.support.receivers import MailServer


async def test_a_dry_run_says_who_would_be_told_and_why_and_tells_nobody(house: House) -> None:
    data = json.loads(missed().model_dump_json())
    async with house.client("lan.worker") as worker:
        assert (await worker.try_api("/dry-run", {"type": "cases.deadline.missed", "data": data})).status_code == 403
    async with house.client("yen.partner") as partner:
        await partner.webhook("http://127.0.0.1:9/x", "cases.deadline.*")
        await partner.webhook("http://127.0.0.1:9/y", "cases.task.*")
    async with house.client("son.operator") as operator:
        run = await operator.api("/dry-run", {"type": "cases.deadline.missed", "data": data})
        assert [(rule["rule"], bool(rule["tells"])) for rule in run["rules"]] == [
            ("protection-clock-missed", True),
            ("deadline-missed", False),
        ]
        assert run["rules"][1]["why_not"] == [{"why": "exception", "field": "kind", "found": "emergency-12h"}]
        assert {one["person"] for one in run["people"]} == {"lan.worker", "binh.chair", "ha.coordinator"}
        assert [step["people"] for step in run["ladder"]] == [["lan.worker"], ["binh.chair"], ["ha.coordinator"]]
        assert sorted((one["told"], one["why_not"]) for one in run["partners"]) == [
            (False, "not-subscribed"),
            (True, None),
        ]
        for body in ({"type": "cases.nothing", "data": {}}, {"type": "cases.deadline.missed", "data": {"x": 1}}):
            assert (await operator.try_api("/dry-run", body)).status_code == 422
        preview = (await operator.get("/notify/api/templates/cases.task.overdue")).json()
        assert preview["many"] == "37 nhiệm vụ quá hạn tại Phường Phan Đình Phùng"
        assert preview["sms_plain"]["segments"] == 1
    assert await house.rows("SELECT 1 FROM notice") == []
    assert await house.rows("SELECT 1 FROM ladder") == []
    assert await house.published("notify.message.queued") == []


async def test_a_dry_run_shows_over_what_somebody_would_be_called_and_not_what_they_asked_of_another_commune(
    fresh_database: str, mail_server: MailServer
) -> None:
    data = json.loads(overdue(1)[1].model_dump_json())
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("ha.coordinator") as coordinator,
    ):
        await coordinator.mailbox("ha@tinh.example", "cases.task.overdue", units=[OTHER_UNIT])

        async def reachable() -> list[str]:
            run = await coordinator.api("/dry-run", {"type": "cases.task.overdue", "data": data})
            return next(list(one["reachable"]) for one in run["people"] if one["person"] == "ha.coordinator")

        assert await reachable() == []
        await coordinator.mailbox("ha@tinh.example", "cases.task.overdue", units=[UNIT])
        assert await reachable() == ["email"]


async def explained(house: House, folder: Path, supposed: dict[str, Any]) -> str:
    """What `vongtay notify explain` prints of an event."""
    file = folder / "event.json"
    file.write_text(json.dumps(supposed))
    command = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from local.cli import main; main()",
        "notify",
        "explain",
        str(file),
        env={**os.environ, "VONGTAY_URL": house.url, "COLUMNS": "240"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, wrong = await command.communicate()
    assert command.returncode == 0, wrong.decode()
    return out.decode()


async def test_of_several_endpoints_of_a_partner_it_says_which_is_told_which_waits_and_why_the_others_are_not(
    house: House, tmp_path: Path
) -> None:
    data = json.loads(overdue(1)[1].model_dump_json())
    async with house.client("yen.partner") as partner:
        made: dict[str, str] = {}
        for name, pattern, units in (
            ("told", "cases.task.*", None),
            ("paused", "cases.*", None),
            ("disabled", "cases.*", None),
            ("resting", "cases.*", None),
            ("unproven", "cases.*", None),
            ("elsewhere", "cases.*", [OTHER_UNIT]),
            ("other types", "cases.deadline.*", None),
            ("deleted", "cases.*", None),
        ):
            wanted = {"channel": "webhook", "target": "http://127.0.0.1:9/x", "event_types": [pattern], "units": units}
            made[name] = (await partner.api("/subscriptions", {**wanted, "name": name}))["id"]
        await partner.api(f"/subscriptions/{made['paused']}/pause")
        await partner.api(f"/subscriptions/{made['deleted']}/delete")
    for name, change in (
        ("disabled", "state = 'disabled'"),
        ("resting", "circuit = 'open'"),
        ("unproven", "verified_at = NULL"),
    ):
        await house.rows(f"UPDATE endpoint SET {change} WHERE id = CAST(:id AS uuid) RETURNING 1", id=made[name])
    async with house.client("son.operator") as operator:
        supposed = {"type": "cases.task.overdue", "data": data}
        run = await operator.api("/dry-run", supposed)
        page = (await operator.get(f"/notify/dry-run?event=cases.task.overdue&unit={UNIT}")).text
        late = {**supposed, "time": (house.context.clock() - timedelta(days=20)).isoformat()}
        past = await operator.api("/dry-run", late)
    said_by_command = await explained(house, tmp_path, supposed)
    said = {one["name"]: (one["told"], one["waits"], one["why_not"]) for one in run["partners"]}
    assert said == {
        "told": (True, None, None),
        "paused": (True, "paused", None),
        "disabled": (True, "disabled", None),
        "resting": (True, "circuit-open", None),
        "unproven": (False, None, "not-verified"),
        "elsewhere": (False, None, "unit-not-subscribed"),
        "other types": (False, None, "not-subscribed"),
    }
    assert {one["name"]: one["endpoint_id"] for one in run["partners"]} == {
        name: made[name] for name in made if name != "deleted"
    }
    assert "tin chờ: điểm nhận đang tạm dừng" in page
    assert "không báo: nơi nhận chưa được xác minh" in page
    assert {one["why_not"] for one in past["partners"] if one["name"] in {"told", "paused"}} == {"long-past"}
    for name, (_, waits, why_not) in said.items():
        row = next(line for line in said_by_command.splitlines() if made[name] in line)
        assert f" {name} " in row
        assert (f"waits: {waits}" if waits else why_not or " yes ") in row
    # It is what happens.
    await house.hear(overdue(1))
    queued = await house.rows("SELECT DISTINCT endpoint_id::text AS id FROM delivery")
    assert {row.id for row in queued} == {one["endpoint_id"] for one in run["partners"] if one["told"]}


async def test_of_several_endpoints_of_a_person_it_says_which_would_be_called_and_why_the_others_are_silent(
    fresh_database: str, mail_server: MailServer
) -> None:
    data = json.loads(overdue(1)[1].model_dump_json())
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("ha.coordinator") as coordinator,
        house.client("lan.worker") as worker,
    ):

        async def mailbox(person: Person, name: str, *patterns: str, units: list[str] | None = None) -> str:
            return await person.mailbox(f"{name}@tinh.example", *patterns, units=units)

        told = await mailbox(coordinator, "a", "told")
        elsewhere = await mailbox(coordinator, "b", "cases.task.overdue", units=[OTHER_UNIT])
        paused = await mailbox(coordinator, "c", "cases.task.overdue")
        unproven = await mailbox(coordinator, "d", "told")
        await coordinator.api(f"/subscriptions/{paused}/pause")
        await house.rows("UPDATE endpoint SET verified_at = NULL WHERE id = CAST(:id AS uuid) RETURNING 1", id=unproven)
        # Whom no rule tells of it, but who asked for it; and somebody who asked for something else.
        await mailbox(worker, "e", "cases.deadline.*")

        async def run(event: str, body: Any) -> dict[str, dict[str, Any]]:
            found = await coordinator.api("/dry-run", {"type": event, "data": body})
            return {one["person"]: one for one in found["people"]}

        ways = (await run("cases.task.overdue", data))["ha.coordinator"]["endpoints"]
        assert {one["id"]: one["why_not"] for one in ways} == {
            told: None,
            elsewhere: "unit-not-subscribed",
            paused: "paused",
            unproven: "not-verified",
        }
        assert [one["number"] for one in ways] == [1, 2, 3, 4]
        assert all((one["at"] is not None) is one["told"] for one in ways)
        page = (await coordinator.get(f"/notify/dry-run?event=cases.task.overdue&unit={UNIT}")).text
        assert "Thư điện tử (3): đang tạm dừng" in page
        # A channel that its person does not want is silent, and an emergency asks nobody.
        assert await put(coordinator, "/preferences", {"channels": ["sms"]}) == 200
        ways = (await run("cases.task.overdue", data))["ha.coordinator"]["endpoints"]
        assert next(one for one in ways if one["id"] == told)["why_not"] == "channel-not-chosen"
        emergency = json.loads(missed().model_dump_json())
        ways = (await run("cases.deadline.missed", emergency))["ha.coordinator"]["endpoints"]
        assert [one["id"] for one in ways if one["told"]] == [told, elsewhere]


async def test_who_is_told_by_their_own_subscription_only_is_named_and_it_is_what_happens(
    fresh_database: str, mail_server: MailServer
) -> None:
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("ha.coordinator") as coordinator,
        house.client("lan.worker") as worker,
    ):
        made = {}
        for name, person in (("ha.coordinator", coordinator), ("lan.worker", worker)):
            made[name] = await person.mailbox("x@tinh.example", "cases.task.requested")

        async def found(data: TaskRequested) -> dict[str, dict[str, Any]]:
            supposed = {"type": "cases.task.requested", "data": json.loads(data.model_dump_json())}
            return {one["person"]: one for one in (await coordinator.api("/dry-run", supposed))["people"]}

        here = await found(task())
        assert {name for name, one in here.items() if one["rule"] is None} == made.keys()
        assert {name for name, one in here.items() if one["inbox"]} == {"duc.health"}
        # Of another commune the worker has not asked, and is not spoken of.
        facts = task().facts.model_copy(update={"unit": OTHER_UNIT})
        there = await found(task().model_copy(update={"facts": facts}))
        assert {name for name, one in there.items() if one["rule"] is None} == {"ha.coordinator"}
        await house.hear(("t1", task()))
        queued = await house.rows("SELECT DISTINCT endpoint_id::text AS id FROM delivery")
        assert {row.id for row in queued} == set(made.values())


async def test_the_ladder_of_a_dry_run_is_climbed_as_it_says_and_calls_over_everything(
    fresh_database: str, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONGTAY_NOTIFY_SMS_URL", "smpp://vongtay:secret@127.0.0.1:9")
    async with (
        make_house(fresh_database, smtp_url=SecretStr(mail_server.url)) as house,
        house.client("lan.worker") as worker,
        house.client("binh.chair") as chair,
        house.client("ha.coordinator") as coordinator,
    ):
        await worker.mailbox("lan@xa.example")
        await chair.mailbox("binh@xa.example")
        await chair.api("/subscriptions", {"channel": "sms", "target": "0912345678", "event_types": ["told"]})
        # Who asked for the type itself has it as asked for, at once.
        await coordinator.mailbox("ha@tinh.example", "cases.concern.received")
        supposed = {"type": "cases.concern.received", "data": json.loads(concern("yes").model_dump_json())}
        run = await coordinator.api("/dry-run", supposed)
        page = (await coordinator.get(f"/notify/dry-run?event=cases.concern.received&unit={UNIT}")).text
        said = [(step["after_minutes"], step["people"], step["channels"], step["wakes"]) for step in run["ladder"]]
        assert said == [
            (0, ["lan.worker"], ["inbox", "email"], False),
            (1, ["binh.chair"], ["inbox", "sms", "email"], True),
            (30, ["ha.coordinator"], ["inbox", "email"], True),
        ]
        calls = {
            one["person"]: [(call["why"], call["channels"]) for call in one["calls"]]
            for one in run["people"]
            if one["calls"]
        }
        assert calls == {
            "lan.worker": [("emergency", ["email"])],
            "binh.chair": [("ladder", ["sms", "email"])],
            "ha.coordinator": [("ladder", ["email"]), ("at-once", ["email"])],
        }
        assert "bậc sau được gọi sớm" in page
        assert "KHAN: Tre dang gap nguy hiem" in page
        assert "URGENT: A child in danger" in page
        # It is what happens.
        await house.hear(("e1", concern("yes")))
        climbing = loop_of(house, Climbing)
        for minutes, *_ in said[1:]:
            house.shift = timedelta(minutes=minutes, seconds=-1)
            assert await climbing.once() == 0
            house.shift = timedelta(minutes=minutes, seconds=5)
            assert await climbing.once() == 1
        rows = await house.rows("SELECT person, channels FROM ladder_call ORDER BY called_at")
        assert [(row.person, sorted(row.channels)) for row in rows] == [
            (people[0], sorted(channels)) for _, people, channels, _ in said
        ]
