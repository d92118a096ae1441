"""Verifying at home: the plain pages, and answers that come from phones, late, twice, contradicted, tampered with."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from fastapi import APIRouter

from services.registry.app import build
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.intake import Intake
from shared.messaging.outbox import new_id
from shared.messaging.processing import Processor
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.integration.test_registry_pages import HOME, Browser, House, registered

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
API = "/registry/api/field"
MET = {"name": "right", "birth_date": "right", "carers": "right"}


class Clocked(House):
    """A registry whose clock is ours."""

    now = NOW


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[Clocked]:
    database = Database(fresh_database)
    keys = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    settings = Settings(session_secret="s" * 40, demo_users=True)  # type: ignore[arg-type]
    there: list[Clocked] = []

    def clock() -> datetime:
        return there[0].now if there else NOW

    built = build(ServiceContext(settings, database, keys, clock))
    await database.migrate(built.migrations)
    router = APIRouter(prefix="/registry")
    router.include_router(built.router)
    app = create_app(
        "registry", [router], built.pages, demo_directory(Units.load().names()), settings, prefix="/registry"
    )
    there.append(Clocked(app, database, Intake(Processor(built.messaging, database, keys, clock), "registry")))
    yield there[0]
    await database.close()


async def hamlet(lan: Browser, count: int = 3) -> list[str]:
    """Children of one hamlet, written in two ways."""
    names = ["Nguyễn Thị Ngọc Anh", "Trần Văn Bình", "Lò Thị Chi", "Hoàng A Dình", "Vàng Thị Êm"]
    return [
        await registered(
            lan,
            name=names[n],
            birth_date=f"1{n}/03/201{n + 2}",
            hamlet="Xóm Núi Tân" if n else "xóm núi tân",
            school="TH Núi Tân",
        )
        for n in range(count)
    ]


async def walk(lan: Browser) -> tuple[str, dict[str, Any]]:
    """Begin a round of the hamlet. Out: its id, and what a phone downloads of it."""
    page = await lan.get("/registry/field")
    token = re.search(r'name="hamlet" value="([0-9a-f]{12})"', page.text)
    assert token is not None, page.text
    begun = await lan.post("/registry/field", kind="hamlet", unit=HOME, hamlet=token.group(1))
    assert begun.status == 303, begun.text
    list_id = begun.headers["location"].rsplit("/", 1)[1]
    status, taken = await lan.json("POST", f"{API}/lists/{list_id}/download", {})
    assert status == 200, taken
    return list_id, taken


def answer(taken: dict[str, Any], child_id: str, **over: Any) -> dict[str, Any]:
    child = next(child for child in taken["children"] if child["child_id"] == child_id)
    at = over.pop("at", NOW).isoformat()
    return {
        "id": new_id(),
        "list_id": taken["list_id"],
        "child_id": child_id,
        "version": child["version"],
        "result": "met",
        "given_at": at,
        "sent_at": at,
        "seen": child["texts"],
        "said": MET,
        "fixes": {},
        **over,
    }


async def send(browser: Browser, *answers: Any) -> list[dict[str, Any]]:
    status, said = await browser.json("POST", f"{API}/answers", {"answers": list(answers)})
    assert status == 200, said
    return list(said["outcomes"])


async def known(lan: Browser, child_id: str) -> dict[str, Any]:
    status, child = await lan.json("GET", f"/registry/api/children/{child_id}")
    assert status == 200
    return dict(child)


async def test_a_worker_goes_through_a_hamlet_with_plain_forms(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    await hamlet(lan)
    page = await lan.get("/registry/field")
    assert "Xóm Núi Tân" in page.text
    assert "3 trẻ" in page.text
    list_id, _ = await walk(lan)
    page = await lan.get(f"/registry/field/lists/{list_id}/1")
    assert "0/3" in page.text
    hidden = dict(re.findall(r'type="hidden" name="(version|answer_id)" value="([^"]+)"', page.text))
    seen = re.search(r'name="seen" value="([^"]+)"', page.text)
    assert seen is not None
    told = {**hidden, "seen": seen.group(1).replace("&#34;", '"'), "method": "home-visit"}
    nothing = await lan.post(f"/registry/field/lists/{list_id}/1", **told, result="met")
    assert nothing.status == 422
    assert "ít nhất một mục" in nothing.text
    fixed = {"said.name": "right", "said.birth_date": "wrong", "fix.birth_date": "03/2015", "said.school": "wrong"}
    done = await lan.post(f"/registry/field/lists/{list_id}/1", **told, **fixed, result="met", note="Gặp bà ngoại")
    assert done.headers["location"].startswith(f"/registry/field/lists/{list_id}/2"), done.text
    page = await lan.get(f"/registry/field/lists/{list_id}")
    assert "1/3" in page.text
    (row,) = await house.rows(
        """SELECT description, state, c.id FROM child c JOIN verification v ON v.child_id = c.id
           WHERE v.confirmed = '{name}' AND v.changed = '{birth_date,school}'"""
    )
    assert row.state == "verified"
    assert (row.description["birth_date"], row.description["birth_precision"]) == ("2015-03-01", "month")
    assert "school" not in row.description
    again = await lan.post(f"/registry/field/lists/{list_id}/2", **{**told, "answer_id": new_id(), "result": "not-met"})
    assert again.status == 303
    away = await lan.post(
        f"/registry/field/lists/{list_id}/3",
        answer_id=new_id(),
        result="moved",
        moved_to="02176",
        version="1",
    )
    assert away.headers["location"].endswith("said=done")
    assert "3/3" in (await lan.get(f"/registry/field/lists/{list_id}")).text


async def test_answers_are_taken_once_in_any_order_and_a_wrong_clock_is_set_right(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    one, two, three = await hamlet(lan)
    _, taken = await walk(lan)
    house.now = NOW + timedelta(days=30)
    # A phone whose clock is two years behind, and one that is a year ahead.
    early = answer(taken, one, given_at="2024-01-01T08:00:00+07:00", sent_at="2024-01-11T08:00:00+07:00")
    late = answer(taken, two, given_at="2027-12-20T08:00:00+07:00", sent_at="2027-12-20T09:00:00+07:00")
    before = answer(taken, three, given_at="2020-01-01T00:00:00Z", sent_at=house.now.isoformat())
    sent = [late, early, before, early]
    copies = await asyncio.gather(*(send(lan, *sent) for _ in range(3)))
    assert {said["outcome"] for copy in copies for said in copy} == {"taken"}
    rows = await house.rows("SELECT child_id, at FROM verification ORDER BY at")
    assert [(str(row.child_id), row.at) for row in rows] == [
        (three, NOW),
        (one, house.now - timedelta(days=10)),
        (two, house.now - timedelta(hours=1)),
    ]
    types = [row.type for row in await house.rows("SELECT type FROM outbox WHERE type LIKE '%verified'")]
    assert len(types) == 3


async def test_two_phones_that_contradict_each_other_are_shown_both_and_a_person_chooses(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    (child_id,) = await hamlet(lan, 1)
    _, first = await walk(lan)
    _, second = await walk(lan)
    said = {**MET, "school": "wrong"}
    (done,) = await send(lan, answer(first, child_id, said=said, fixes={"school": "TH Tân Lập"}))
    assert done["outcome"] == "taken"
    mine = answer(second, child_id, said={**said, "grade": "wrong"}, fixes={"school": "TH Quyết Thắng", "grade": "4"})
    for _ in range(2):
        (clash,) = await send(lan, mine)
        assert clash["outcome"] == "conflict"
        assert clash["clashes"] == [{"field": "school", "mine": "TH Quyết Thắng", "now": "TH Tân Lập"}]
    assert (await known(lan, child_id))["child"]["school"] == "TH Tân Lập"
    chosen = {**mine, "seen": clash["now"], "version": clash["version"]}
    (done,) = await send(lan, chosen)
    assert done["outcome"] == "taken"
    child = (await known(lan, child_id))["child"]
    assert (child["school"], child["grade"]) == ("TH Quyết Thắng", "4")
    # Both say the same: nothing to ask.
    _, third = await walk(lan)
    again = answer(second, child_id, said={"school": "wrong"}, fixes={"school": "TH  Quyết Thắng"})
    assert [one["outcome"] for one in await send(lan, again, answer(third, child_id))] == ["taken", "taken"]


async def test_what_cannot_be_taken_says_why_and_keeps_no_other_answer_back(house: Clocked) -> None:
    lan, thuong = await house.browser("lan.worker"), await house.browser("thuong.worker")
    one, two, three, four = await hamlet(lan, 4)
    list_id, taken = await walk(lan)
    for child_id, form in (
        (one, {"act": "move", "move_unit": "02176"}),
        (two, {"act": "die", "die_on": "20/11/2026", "source": "Giấy chứng tử"}),
    ):
        await lan.get(f"/registry/children/{child_id}/life")
        assert (await lan.post(f"/registry/children/{child_id}/life", **form)).status == 303
    late = answer(taken, three, at=NOW + timedelta(minutes=1))
    outcomes = await send(
        lan,
        "rubbish",
        {"id": "x"},
        answer(taken, one),
        answer(taken, two),
        {**answer(taken, three), "child_id": new_id()},
        {**answer(taken, three), "list_id": new_id()},
        answer(taken, three, said={"name": "wrong"}),
        answer(taken, three, said={"birth_date": "wrong"}, fixes={"birth_date": "31/02/2016"}),
        answer(taken, three, said={"birth_date": "wrong"}, fixes={"birth_date": "01/01/2001"}),
        answer(taken, three, said={"circumstances": "wrong"}, fixes={"circumstances": "99"}),
        answer(taken, three, method="guessing"),
        answer(taken, three, note="a\x00b"),
        answer(taken, three, result="moved", moved_to="99999"),
        late,
        answer(taken, four),
    )
    rules = [[violation["rule"] for violation in said["violations"]] for said in outcomes]
    assert [rule[:1] for rule in rules[2:]] == [
        ["not-in-area"],
        ["is-deceased"],
        ["not-in-list"],
        ["list-foreign"],
        ["fix-missing"],
        ["birth-date-invalid"],
        ["not-a-child"],
        ["circumstance-unknown"],
        ["method-unknown"],
        ["nul-character"],
        ["unit-unknown"],
        [],
        [],
    ]
    assert all(rules[:2])
    assert [said["outcome"] for said in outcomes] == ["refused"] * 13 + ["taken"] * 2
    # Another's list is nobody else's to send, open or download, nor is an id once used.
    (foreign,) = await send(thuong, answer(taken, four))
    assert foreign["violations"][0]["rule"] == "list-foreign"
    for what in ("keys", "download"):
        assert (await thuong.json("POST", f"{API}/lists/{list_id}/{what}", {}))[0] == 404
    many = [answer(taken, four) for _ in range(10_000)]
    assert (await lan.json("POST", f"{API}/answers", {"answers": many}))[0] == 422
    stored = orjson.dumps([dict(row._mapping) for row in await house.rows("SELECT detail FROM field_answer")])
    assert "Nguyễn".encode() not in stored


async def test_an_answer_follows_a_child_whose_record_was_merged(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    (one,) = await hamlet(lan, 1)
    await lan.get("/registry/register")
    form = {"name": "Nguyễn Thị Ngọc Ánh", "birth_date": "10/03/2012", "sex": "female", "unit": HOME}
    page = await lan.post("/registry/register", **form, hamlet="Xóm Núi Tân", seen=one)
    two = page.headers["location"].split("?")[0].rsplit("/", 1)[1]
    _, taken = await walk(lan)
    (pair,) = await house.rows("SELECT id FROM pair")
    status, _ = await lan.json("POST", f"/registry/api/matches/{pair.id}", {"decision": "same"})
    assert status == 200
    kept, gone = sorted((one, two))
    mine = answer(taken, gone, said={"grade": "wrong"}, fixes={"grade": "7"})
    (said,) = await send(lan, mine)
    assert (said["outcome"], said["child_id"]) == ("taken", kept)
    assert (await known(lan, kept))["child"]["grade"] == "7"
    # The one that went on says another grade by now than was read of the one that is gone.
    (said,) = await send(lan, {**mine, "id": new_id(), "fixes": {"grade": "8"}})
    assert (said["outcome"], said["child_id"], said["clashes"][0]["now"]) == ("conflict", kept, "7")


async def test_a_phone_is_given_the_lists_key_only_while_it_may_keep_the_list(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    (child_id,) = await hamlet(lan, 1)
    list_id, taken = await walk(lan)
    status, keys = await lan.json("POST", f"{API}/lists/{list_id}/keys", {})
    assert status == 200
    assert {len(base64.b64decode(keys[name])) for name in ("answers", "list")} == {16}
    assert keys["answers"] != keys["list"]
    house.now = NOW + timedelta(hours=72)
    status, later = await lan.json("POST", f"{API}/lists/{list_id}/keys", {})
    assert (later["list"], later["answers"]) == (None, keys["answers"])
    assert (await lan.json("POST", f"{API}/lists/{list_id}/download", {}))[0] == 404
    # However late: the answer is taken.
    assert (await send(lan, answer(taken, child_id)))[0]["outcome"] == "taken"
    logged = await house.rows("SELECT act FROM access WHERE act = 'field-list'")
    assert len(logged) == 1


async def test_circumstances_seen_begin_and_those_not_seen_end(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    (child_id,) = await hamlet(lan, 1)
    _, taken = await walk(lan)
    said = {"circumstances": "wrong"}
    (done,) = await send(lan, answer(taken, child_id, said=said, fixes={"circumstances": "04,13"}))
    assert done["outcome"] == "taken", done
    assert (await known(lan, child_id))["facts"]["circumstances"] == ["04", "13"]
    _, taken = await walk(lan)
    house.now += timedelta(days=1)
    (done,) = await send(lan, answer(taken, child_id, said=said, fixes={"circumstances": "13"}, at=house.now))
    assert done["outcome"] == "taken", done
    assert (await known(lan, child_id))["facts"]["circumstances"] == ["13"]


async def test_the_page_kept_on_the_phone_holds_nothing_about_anybody(house: Clocked) -> None:
    stranger = Browser(house.app, {}, "localhost:8600")
    page = await stranger.get("/registry/field/phone")
    assert page.status == 200
    lan = await house.browser("lan.worker")
    worker = await lan.get("/registry/field/worker.js")
    assert worker.headers["service-worker-allowed"] == "/registry/field"
    assert worker.headers["content-security-policy"].startswith("default-src 'none'")
    for asset in orjson.loads(worker.text.split("\n")[0].removeprefix("const CONFIG = ").rstrip(";"))["assets"]:
        assert (await stranger.get(asset)).status == 200, asset
    assert (await stranger.json("GET", f"{API}/session"))[0] == 401


async def test_a_plain_form_that_comes_too_late_shows_both_and_keeps_what_was_typed(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    (child_id,) = await hamlet(lan, 1)
    list_id, taken = await walk(lan)
    page = await lan.get(f"/registry/field/lists/{list_id}/1")
    hidden = dict(re.findall(r'type="hidden" name="(version|answer_id)" value="([^"]+)"', page.text))
    seen = orjson.dumps(taken["children"][0]["texts"]).decode()
    said = {"said.school": "wrong"}
    await send(lan, answer(taken, child_id, said={"school": "wrong"}, fixes={"school": "TH Tân Lập"}))
    mine = {**said, **hidden, "seen": seen, "fix.school": "TH Quyết Thắng", "note": "Gặp mẹ", "result": "met"}
    page = await lan.post(f"/registry/field/lists/{list_id}/1", **mine)
    for shown in ("người khác thay đổi", "TH Tân Lập", 'value="TH Quyết Thắng"', "Gặp mẹ"):
        assert shown in page.text
    hidden = dict(re.findall(r'type="hidden" name="(version|answer_id)" value="([^"]+)"', page.text))
    done = await lan.post(f"/registry/field/lists/{list_id}/1", **{**mine, **hidden})
    assert done.status == 303
    assert (await known(lan, child_id))["child"]["school"] == "TH Quyết Thắng"


async def test_hundreds_of_answers_sent_in_parts_and_again_are_each_taken_once(house: Clocked) -> None:
    lan = await house.browser("lan.worker")
    (child_id,) = await hamlet(lan, 1)
    _, taken = await walk(lan)
    many = [answer(taken, child_id, result="not-met", said={}) for _ in range(600)]
    for start in range(0, 600, 200):
        for _ in range(2):
            assert {said["outcome"] for said in await send(lan, *many[start : start + 200])} == {"taken"}
    (row,) = await house.rows("SELECT count(*) AS n FROM field_answer")
    assert row.n == 600
