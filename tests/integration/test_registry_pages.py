"""The registry's pages: what each person may see and do, with nothing but HTML, and no name in any address."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from fastapi import APIRouter
from sqlalchemy import text
from starlette.responses import Response

from services.registry.app import build
from shared.database import Database
from shared.identity import demo_directory
from shared.messaging.intake import Intake
from shared.messaging.processing import Processor
from shared.messaging.service import ServiceContext
from shared.privacy import Keys, PlatformKey
from shared.reference.units import Units
from shared.settings import Settings
from shared.web.app import create_app
from tests.support.visitor import FORM_TOKEN, Answer, Visitor

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
HOME = "05443"
FORM = {
    "name": "Nguyễn Thị Ngọc Anh",
    "birth_date": "09/03/2016",
    "sex": "female",
    "unit": HOME,
    "carer1_name": "Lý Thị Thu Lan",
}


@dataclass
class Browser(Visitor):
    """Sends the form token of the page before."""

    token: str = ""

    async def get(self, path: str) -> Answer:
        page = await self.ask(path)
        if found := FORM_TOKEN.search(page.text):
            self.token = found.group(1)
        return page

    async def post(self, path: str, **values: str) -> Answer:
        return await self.ask(path, {"form_token": self.token, **values})

    async def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"content-type": "application/json", "accept": "application/json", "x-form-token": self.token}
        sent = orjson.dumps(body) if body is not None else b""
        page = await self.ask(path, headers=headers, method=method, body=sent)
        return page.status, orjson.loads(page.body) if page.body else None


@dataclass
class House:
    app: Any
    database: Database
    intake: Intake

    async def browser(self, person: str) -> Browser:
        identity = self.app.state.identity
        answer = Response()
        identity.sign_in(answer, identity.directory.person(person))
        name, _, value = answer.headers["set-cookie"].split(";")[0].partition("=")
        browser = Browser(self.app, {name: value}, "localhost:8600")
        await browser.get("/registry/")
        return browser

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.transaction() as connection:
            return list((await connection.execute(text(statement))).all())


@pytest.fixture
async def house(fresh_database: str) -> AsyncIterator[House]:
    database = Database(fresh_database)
    keys = Keys(b"m" * 32, PlatformKey(b"p" * 32))
    settings = Settings(session_secret="s" * 40, demo_users=True)  # type: ignore[arg-type]
    built = build(ServiceContext(settings, database, keys, lambda: NOW))
    await database.migrate(built.migrations)
    router = APIRouter(prefix="/registry")
    router.include_router(built.router)
    app = create_app(
        "registry", [router], built.pages, demo_directory(Units.load().names()), settings, prefix="/registry"
    )
    intake = Intake(Processor(built.messaging, database, keys, lambda: NOW), "registry")
    yield House(app, database, intake)
    await database.close()


async def registered(browser: Browser, **over: str) -> str:
    await browser.get("/registry/register")
    page = await browser.post("/registry/register", **{**FORM, **over})
    assert page.status == 303, page.text
    return page.headers["location"].split("?")[0].rsplit("/", 1)[1]


async def test_a_worker_registers_finds_corrects_and_moves_a_child(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    found = await lan.post("/registry/", name="nguyen ngoc anh", born="2016")
    assert found.status == 200
    assert "Nguyễn Thị Ngọc Anh" in found.text
    assert f"/registry/children/{child_id}" in found.text
    page = await lan.get(f"/registry/children/{child_id}?said=registered")
    assert "Lý Thị Thu Lan" in page.text
    form = await lan.get(f"/registry/children/{child_id}/correct")
    version = re.search(r'name="version" id="f-version" value="(\d+)"', form.text)
    assert version is not None
    wanted = {**FORM, "name": "Nguyễn Thị Ngọc Ánh", "version": version.group(1), "reason": "papers"}
    assert (await lan.post(f"/registry/children/{child_id}/correct", **wanted)).status == 303
    again = await lan.post(f"/registry/children/{child_id}/correct", **{**wanted, "hamlet": "Tổ 3"})
    assert again.status == 422
    assert "người khác thay đổi" in again.text
    page = await lan.get(f"/registry/children/{child_id}?lang=en")
    assert "Nguyễn Thị Ngọc Ánh" in page.text
    assert "Correct or move" in page.text
    form = await lan.get(f"/registry/children/{child_id}/correct")
    moving = {**wanted, "version": str(int(version.group(1)) + 1), "unit": "02176"}
    moved = await lan.post(f"/registry/children/{child_id}/correct", **moving)
    assert moved.headers["location"] == "/registry?said=moved"
    assert (await lan.get(f"/registry/children/{child_id}")).status == 404
    types = [
        row.type.rsplit("registry.", 1)[1]
        for row in await house.rows("SELECT type FROM outbox ORDER BY position")
        if "registry." in row.type
    ]
    assert types == [
        "child.registered",
        "record.linked",
        "child.corrected",
        "record.linked",
        "child.moved",
        "record.linked",
    ]


async def test_mistakes_are_said_beside_their_fields_and_nothing_is_saved(house: House) -> None:
    lan = await house.browser("lan.worker")
    page = await lan.post("/registry/register", name="", birth_date="31/02/2016", number="12", unit=HOME)
    assert page.status == 422
    assert 'id="f-birth_date-error"' in page.text
    assert "12 chữ số" in page.text, "a number of another form is warned of, not refused"
    page = await lan.post("/registry/register", **{**FORM, "name": "", "birth_date": "01/01/2001"})
    assert 'id="f-name-error"' in page.text
    assert 'id="f-birth_date-error"' in page.text
    assert await house.rows("SELECT 1 FROM child") == []
    assert (await lan.post("/registry/", name=" ")).status == 422


async def test_what_only_looks_like_a_number_or_an_id_is_taken_for_none(house: House) -> None:
    lan = await house.browser("lan.worker")
    for age in ("²", "9" * 5000):
        page = await lan.post("/registry/register", **{**FORM, "birth_date": "", "age": age, "carers": "²"})
        assert page.status == 422
        assert 'id="f-age-error"' in page.text
    child_id = await registered(lan)
    address = f"/registry/children/{child_id}"
    for version in ("²", "9" * 5000):
        page = await lan.post(
            f"{address}/correct", **{**FORM, "hamlet": "Tổ 3", "reason": "papers", "version": version}
        )
        assert page.status == 422, "it was made from no version"
    assert (await lan.get("/registry/contradictions?from=²")).status == 200
    await lan.get("/registry/")
    assert (await lan.post("/registry/", name=FORM["name"], after="²")).status == 200
    for no_id in ("-" * 36, f"-{child_id[1:]}"):
        for path in (f"/registry/children/{no_id}", f"/registry/samples/{no_id}", f"/registry/imports/{no_id}"):
            assert (await lan.get(path)).status == 404


async def test_a_look_alike_is_shown_before_a_second_record_is_made(house: House) -> None:
    lan = await house.browser("lan.worker")
    first = await registered(lan)
    page = await lan.post("/registry/register", **{**FORM, "name": "NGUYEN THI NGOC ANH"})
    assert page.status == 200
    assert f"/registry/children/{first}" in page.text
    assert len(await house.rows("SELECT 1 FROM child")) == 1
    anyway = await lan.post("/registry/register", **{**FORM, "name": "Nguyễn Thị Ngọc Ánh", "seen": first})
    assert anyway.status == 303
    queue = await lan.get("/registry/matches")
    assert "Hồ sơ thứ 2" in queue.text
    assert "2 hai trẻ khác nhau" in queue.text
    assert "3 để sau" not in queue.text, "there is no other pair to go on to"
    pair = re.search(r'action="(/registry/matches/\d+)"', queue.text)
    assert pair is not None
    decided = await lan.post(pair.group(1), decision="same")
    queue = await lan.get(decided.headers["location"])
    assert "Không còn cặp nào chờ" in queue.text
    assert f'href="/registry/children/{first}#doubt-name"' in queue.text, "two records, two names: somebody decides"
    assert 'id="doubt-name"' in (await lan.get(f"/registry/children/{first}")).text
    elsewhere = await (await house.browser("thuong.worker")).get(decided.headers["location"])
    assert "#doubt-name" not in elsewhere.text
    undo = re.search(r'action="(/registry/merges/[^"]+/undo)"', queue.text)
    assert undo is not None
    apart = await lan.post(undo.group(1))
    assert apart.status == 303
    assert (await lan.get(apart.headers["location"])).status == 200
    assert (await lan.post(undo.group(1))).status == 409
    assert (await lan.post(pair.group(1), decision="same")).status == 409


async def test_a_name_in_capitals_is_shown_with_its_own_and_kept_as_it_was_written(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan, name="MA THỊ HOA", carer1_name="lý thị thu")
    page = await lan.get(f"/registry/children/{child_id}")
    assert "<b>Ma Thị Hoa</b>" in page.text
    assert "Lý Thị Thu" in page.text
    assert "MA THỊ HOA" in page.text, "as the source wrote it"
    found = await lan.post("/registry/", name="Ma Thị Hoa")
    assert "<b>Ma Thị Hoa</b>" in found.text
    (row,) = await house.rows("SELECT description FROM child")
    assert row.description["name"] == "MA THỊ HOA"
    assert 'value="MA THỊ HOA"' in (await lan.get(f"/registry/children/{child_id}/correct")).text


async def test_while_a_child_is_typed_the_page_says_who_it_may_be_and_saves_nothing(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await lan.get("/registry/register")
    told = await lan.post("/registry/alike", name="nguyen thi ngoc anh", birth_date=FORM["birth_date"])
    assert told.status == 200
    assert f"/registry/children/{child_id}" in told.text
    assert (await lan.post("/registry/alike", name="nguyen thi ngoc anh")).status == 204
    assert (await lan.post("/registry/alike", name="Lò Thị Chi", birth_date="31/02/2016")).status == 204
    assert len(await house.rows("SELECT id FROM child")) == 1


async def test_all_that_is_wrong_with_a_new_child_is_said_at_once(house: House) -> None:
    lan = await house.browser("lan.worker")
    await lan.get("/registry/register")
    page = await lan.post("/registry/register", birth_date="31/02/2016", stay_since="hôm qua")
    for field in ("name", "birth_date", "stay_since"):
        assert f'href="#f-{field}"' in page.text


async def test_sub_groups_are_offered_where_they_are_recorded_and_nowhere_else(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    assert 'value="03-both-missing"' in (await lan.get(f"/registry/children/{child_id}")).text
    for page in ("/registry/", "/registry/exports", "/registry/field/phone"):
        answer = await lan.get(page)
        assert answer.status == 200
        assert "03-both-missing" not in answer.text


async def test_nobody_sees_another_commune_s_child(house: House) -> None:
    lan, thuong = await house.browser("lan.worker"), await house.browser("thuong.worker")
    child_id = await registered(lan)
    assert (await thuong.get(f"/registry/children/{child_id}")).status == 404
    assert (await thuong.get(f"/registry/children/{child_id}/correct")).status == 404
    found = await thuong.post("/registry/", name="Nguyễn Thị Ngọc Anh")
    assert child_id not in found.text
    ha = await house.browser("ha.coordinator")
    assert (await ha.get(f"/registry/children/{child_id}")).status == 200
    assert (await ha.get("/registry/register")).status == 403
    for person in ("son.operator", "tuan.statistician", "duc.health"):
        assert (await (await house.browser(person)).get(f"/registry/children/{child_id}")).status == 403


async def test_every_look_is_logged_without_a_name(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await lan.post("/registry/", name="Nguyễn Thị Ngọc Anh", carer="Lý")
    await lan.get(f"/registry/children/{child_id}")
    log = await house.rows("SELECT who, act, child_id, detail FROM access ORDER BY id")
    assert [(row.who, row.act) for row in log] == [("lan.worker", "search"), ("lan.worker", "child-page")]
    assert log[0].detail == {"fields": ["name", "carer"], "found": 1}
    assert str(log[1].child_id) == child_id
    assert "Ai đã xem hồ sơ này" in (await lan.get(f"/registry/children/{child_id}")).text


async def test_a_circumstance_begins_and_ends_on_the_page(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    address = f"/registry/children/{child_id}/circumstances"
    wrong = await lan.post(address, act="begin", circumstance="04", since="01/01/2030")
    assert wrong.status == 422
    assert 'id="f-since-error"' in wrong.text
    assert (await lan.post(address, act="begin", circumstance="04", since="01/11/2026")).status == 303
    assert (
        await lan.post(address, act="end", circumstance="04", until="20/11/2026", end_reason="recovered")
    ).status == 303
    page = await lan.get(f"/registry/children/{child_id}")
    assert "20/11/2026" in page.text
    (row,) = await house.rows("SELECT circumstances FROM child")
    assert row.circumstances == []


async def test_the_api_does_what_the_pages_do(house: House) -> None:
    lan = await house.browser("lan.worker")
    await lan.get("/registry/register")
    child = {"name": "Nguyễn Thị Ngọc Anh", "birth_date": "2016-03-09", "sex": "female"}
    status, done = await lan.json("POST", "/registry/api/children", {"child": child, "unit": HOME})
    assert (status, done["result"]) == (201, "registered")
    status, again = await lan.json("POST", "/registry/api/children", {"child": child, "unit": HOME})
    assert (again["result"], again.get("child_id")) == ("existing", done["child_id"])
    status, found = await lan.json("POST", "/registry/api/search", {"name": "ngoc anh", "birth_year": 2016})
    assert [view["child_id"] for view in found["children"]] == [done["child_id"]]
    address = f"/registry/api/children/{done['child_id']}"
    correction = {
        "child": {**child, "ethnicity": "Tày"},
        "unit": HOME,
        "version": found["children"][0]["version"],
        "reason": "papers",
    }
    assert (await lan.json("PUT", address, correction))[0] == 204
    assert (await lan.json("PUT", address, correction))[0] == 409
    status, view = await lan.json("GET", address)
    assert view["child"]["ethnicity"] == "Tày"
    status, problem = await lan.json("POST", "/registry/api/children", {"child": {"age": 20}, "unit": HOME})
    assert status == 422
    assert {violation["rule"] for violation in problem["violations"]} == {"name-missing", "not-a-child"}
    assert (await lan.json("GET", "/registry/api/matches"))[1] == {"pair": None, "more": False}


async def test_a_worker_parts_a_record_of_two_children_and_takes_it_back(house: House) -> None:
    lan = await house.browser("lan.worker")
    first = await registered(lan)
    await lan.post("/registry/register", **{**FORM, "name": "Nguyễn Thị Ngọc Ánh", "seen": first})
    queue = await lan.get(f"/registry/matches?unit={HOME}")
    pair = re.search(r'action="(/registry/matches/\d+)"', queue.text)
    assert pair is not None
    assert "khác nhau" in queue.text
    await lan.post(pair.group(1), decision="same")
    page = await lan.get(f"/registry/children/{first}/split")
    record = re.search(r'name="records" value="([^"]+)"', page.text)
    assert record is not None
    assert (await lan.post(f"/registry/children/{first}/split", records=record.group(1))).status == 422
    parted = await lan.post(f"/registry/children/{first}/split", records=record.group(1), reason="Hai bé sinh đôi")
    assert parted.status == 303
    page = await lan.get(parted.headers["location"])
    undo = re.search(r'action="(/registry/splits/[^"]+/undo)"', page.text)
    assert undo is not None
    assert (await lan.post(undo.group(1))).headers["location"] == f"/registry/children/{first}"
    assert (await lan.post(undo.group(1))).status == 409
