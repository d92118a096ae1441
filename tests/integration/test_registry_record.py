"""A record's sources, contradictions and history on a real database, through pages and API."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Any

import orjson

from services.registry.store import erasing
from shared.contracts.cases import CaseEvent, CaseFacts, CaseOpened, CaseServiceProvided, CaseServiceWithdrawn
from shared.contracts.envelope import Envelope
from shared.messaging.outbox import new_id
from shared.messaging.processing import Record
from tests.integration.test_registry import recorded
from tests.integration.test_registry_pages import FORM, HOME, Browser, House, registered
from tests.integration.test_registry_pages import house as _house
from tests.support import media

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
house = _house


async def corrected(browser: Browser, child_id: str, reason: str = "papers", **fields: Any) -> int:
    """A correction by the API. Out: the status."""
    _, view = await browser.json("GET", f"/registry/api/children/{child_id}")
    body = {"child": fields, "unit": view["facts"]["unit"], "version": view["version"], "reason": reason}
    return (await browser.json("PUT", f"/registry/api/children/{child_id}", body))[0]


async def at(house: House, moment: str) -> None:
    """Move what was done so far to another moment, as if it had been done then."""
    await house.rows(f"UPDATE revision SET at = '{moment}' RETURNING 1")
    await house.rows("UPDATE child SET registered_at = '2026-01-01' RETURNING 1")


async def test_a_correction_says_why_and_the_history_shows_old_and_new(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    assert await corrected(lan, child_id, reason=" ", name="Nguyễn Thị Ngọc Ánh") == 422
    assert await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh", hamlet="Tổ 3") == 204
    status, history = await lan.json("GET", f"/registry/api/children/{child_id}/history")
    assert status == 200
    (change,) = history
    assert change["fields"] == {
        "name": ["Nguyễn Thị Ngọc Anh", "Nguyễn Thị Ngọc Ánh"],
        "hamlet": [None, "Tổ 3"],
    }
    assert (change["actor"], change["cause"], change["reason"]) == ("person:lan.worker", "corrected", "papers")


async def test_a_record_is_shown_as_it_was_known_on_a_day(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh")
    await at(house, "2026-06-10T03:00:00Z")
    address = f"/registry/api/children/{child_id}"
    for day, name in (("2026-06-09", "Nguyễn Thị Ngọc Anh"), ("2026-06-10", "Nguyễn Thị Ngọc Ánh")):
        status, view = await lan.json("GET", f"{address}?on={day}")
        assert (status, view["child"]["name"]) == (200, name)
    assert (await lan.json("GET", f"{address}?on=2025-12-31"))[0] == 404
    await house.rows("UPDATE revision SET state = 'verified', at = '2026-06-10T00:00:00+07' RETURNING 1")
    _, view = await lan.json("GET", f"{address}?on=2026-06-09")
    assert (view["child"]["name"], view["facts"]["state"]) == ("Nguyễn Thị Ngọc Anh", "verified")


async def test_rosters_that_contradict_each_other_wait_for_a_person_who_says_why(house: House) -> None:
    child = {"name": "Nguyễn Thị Ngọc Anh", "birth_date": "2016-03-09", "carers": [{"name": "Lý Thị Thu Lan"}]}
    first = recorded("r1", child, unit=HOME)
    second = recorded("r2", {**child, "birth_date": "2016-09-03"}, unit=HOME)
    await house.intake.accept([first, second], "dolisa")
    (row,) = await house.rows("SELECT id FROM child")
    lan = await house.browser("lan.worker")
    address = f"/registry/api/children/{row.id}"
    _, view = await lan.json("GET", address)
    (doubt,) = view["conflicts"]
    assert doubt["field"] == "birth_date"
    other = doubt["claims"][1]
    answer = {"record_id": other["record_id"], "version": view["version"], "reason": "papers"}
    assert (await lan.json("POST", f"{address}/conflicts/sex", answer))[0] == 404
    assert (await lan.json("POST", f"{address}/conflicts/birth_date", answer))[0] == 204
    _, after = await lan.json("GET", address)
    assert (after["conflicts"], after["child"]["birth_date"]) == ([], other["value"])
    assert after["sources"]["birth_date"]["register_kind"] == "registry-page"
    _, history = await lan.json("GET", f"{address}/history")
    assert [change["cause"] for change in history] == ["settled", "told"]
    await house.intake.accept([{**second, "data": {**second["data"], "as_of": "2026-11-20"}}], "dolisa")
    assert (await lan.json("GET", address))[1]["conflicts"] == []


async def test_erasure_leaves_no_word_of_the_child(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh")
    async with house.database.transaction() as connection:
        await erasing.empty(connection, [child_id])
    for table in ("child", "statement", "revision", "history", "circumstance", "pair"):
        assert not any("Ngọc" in str(row) for row in await house.rows(f"SELECT t::text FROM {table} t"))
    assert len(await house.rows("SELECT 1 FROM child")) == 1


async def test_a_photograph_is_sealed_seen_by_whoever_sees_the_child_and_every_look_is_logged(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    address = f"/registry/children/{child_id}/photo"
    picture = media.png(5000)
    assert (await lan.get(address)).status == 404
    wrong = await upload(lan, address, media.pdf())
    assert wrong.status == 422
    assert 'id="f-file-error"' in wrong.text
    assert (await upload(lan, address, picture)).status == 303
    (row,) = await house.rows("SELECT sealed, size FROM photo")
    assert row.size == len(picture)
    assert picture[:60] not in bytes(row.sealed)
    shown = await lan.ask(address)
    assert (shown.status, shown.body, shown.headers["cache-control"]) == (200, picture, "no-store")
    thuong = await house.browser("thuong.worker")
    assert (await thuong.get(address)).status == 404
    assert (await upload(thuong, address, picture)).status == 404
    chair = await house.browser("binh.chair")
    assert (await chair.ask(address)).status == 200
    assert (await upload(chair, address, picture)).status == 403
    looks = await house.rows("SELECT who FROM access WHERE act = 'photo' ORDER BY id")
    assert [look.who for look in looks] == ["lan.worker", "binh.chair"]
    assert "/photo?at=" in (await lan.get(f"/registry/children/{child_id}")).text
    assert (await lan.post(f"{address}/drop")).status == 303
    assert await house.rows("SELECT 1 FROM photo") == []


async def upload(browser: Browser, address: str, content: bytes) -> Any:
    """Send a picture by the page's form."""
    await browser.get("/registry/")
    body, kind = media.multipart({"form_token": browser.token}, [("anh.png", content)])
    return await browser.ask(address, headers={"content-type": kind}, method="POST", body=body)


async def test_the_page_asks_which_source_is_right_and_lists_who_waits(house: House) -> None:
    child = {"name": "Nguyễn Thị Ngọc Anh", "birth_date": "2016-03-09", "carers": [{"name": "Lý Thị Thu Lan"}]}
    await house.intake.accept(
        [recorded("r1", child, unit=HOME), recorded("r2", {**child, "birth_date": "2016-09-03"}, unit=HOME)], "dolisa"
    )
    (row,) = await house.rows("SELECT id FROM child")
    lan, thuong = await house.browser("lan.worker"), await house.browser("thuong.worker")
    assert str(row.id) in (await lan.get("/registry/contradictions")).text
    assert str(row.id) not in (await thuong.get("/registry/contradictions")).text
    page = await lan.get(f"/registry/children/{row.id}")
    version = re.search(r'name="version" value="(\d+)"', page.text)
    records = re.findall(r'name="record" value="([^"]+)"', page.text)
    assert version is not None
    assert len(records) == 2
    assert "03/09/2016" in page.text
    said = {"field": "birth_date", "version": version.group(1)}
    address = f"/registry/children/{row.id}/settle"
    for wrong in ({"reason": "papers"}, {"record": records[1]}, {"record": records[1], "reason": "other"}):
        assert (await lan.post(address, **said, **wrong)).status == 422
    stale = await lan.post(address, **{**said, "version": "0"}, record=records[1], reason="papers")
    assert stale.status == 422
    done = await lan.post(address, **said, record=records[1], reason="papers", reason_words="giấy khai sinh")
    assert done.status == 303
    page = await lan.get(done.headers["location"])
    assert "Các nguồn nói khác nhau" not in page.text
    assert "Theo giấy tờ (khai sinh, căn cước, bảo hiểm): giấy khai sinh" in page.text
    assert str(row.id) not in (await lan.get("/registry/contradictions")).text


async def test_the_form_takes_the_whole_record_and_shows_it_again(house: House) -> None:
    lan = await house.browser("lan.worker")
    rich = {
        "birth_date": "03/2016",
        "ethnicity": "Tày",
        "birth_place": "Bệnh viện A",
        "birth_certificate": "12/2016",
        "health_insurance": "TE1191234567890",
        "household": "HK-7",
        "stay_unit": "02176",
        "stay_since": "01/09/2026",
        "health": "Hen suyễn",
        "disability_sight": "1",
        "disability_level": "mild",
        "carer2_name": "Nguyễn Văn Hùng",
        "carer2_relation": "cha",
    }
    child_id = await registered(lan, **rich)
    (row,) = await house.rows("SELECT birth_date, description FROM child")
    assert row.birth_date is None, "a day that nobody knows is not searched by"
    assert (row.description["ethnicity_code"], row.description["birth_precision"]) == ("02", "month")
    page = await lan.get(f"/registry/children/{child_id}")
    for text in ("tháng 3/2016", "Hen suyễn", "Nhìn", "Nhẹ", "HK-7", "Nguyễn Văn Hùng", "từ 01/09/2026"):
        assert text in page.text, text
    form = await lan.get(f"/registry/children/{child_id}/correct")
    for name in ("birth_date", "stay_since", "health_insurance", "carer2_name"):
        assert f'value="{rich[name]}"' in form.text
    # Saved as it is shown, it changes nothing but what was emptied on purpose.
    sent = {name: value for name, value in rich.items() if name != "household"}
    version = re.search(r'name="version" id="f-version" value="(\d+)"', form.text)
    assert version is not None
    values = {**FORM, **sent, "version": version.group(1), "reason": "changed"}
    assert (await lan.post(f"/registry/children/{child_id}/correct", **values)).status == 303
    _, history = await lan.json("GET", f"/registry/api/children/{child_id}/history")
    assert history[0]["fields"] == {"household": ["HK-7", None]}


async def test_one_more_carer_is_asked_for_without_a_script_and_nothing_typed_is_lost(house: House) -> None:
    lan = await house.browser("lan.worker")
    await lan.get("/registry/register")
    page = await lan.post("/registry/register", **{**FORM, "carers": "2"}, act="more-carers")
    assert page.status == 200
    assert 'name="carer3_name"' in page.text
    assert 'value="Nguyễn Thị Ngọc Anh"' in page.text
    assert await house.rows("SELECT 1 FROM child") == []


async def test_what_looks_wrong_is_said_while_somebody_types(house: House) -> None:
    lan = await house.browser("lan.worker")
    await lan.get("/registry/register")
    answer = await lan.post(
        "/registry/warnings", **{**FORM, "number": "019216000123", "age": "x", "birth_date": "32/1/2016"}
    )
    said = orjson.loads(answer.body)
    assert "birth_date" in said["errors"]
    assert "giới tính" in said["warnings"]["number"]
    chair = await house.browser("binh.chair")
    assert (await chair.post("/registry/warnings", **FORM)).status == 403


async def test_a_circumstance_has_evidence_and_ends_for_a_reason(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    address = f"/registry/children/{child_id}/circumstances"
    begun = {"circumstance": "04-severe", "since": "01/11/2026", "evidence_kind": "disability-certificate"}
    assert (await lan.post(address, act="begin", **begun)).status == 303
    (row,) = await house.rows("SELECT code, subgroup, evidence_kind FROM circumstance")
    assert tuple(row) == ("04", "04-severe", "disability-certificate")
    unsaid = await lan.post(address, act="end", circumstance="04", until="20/11/2026")
    assert unsaid.status == 422
    done = await lan.post(address, act="end", circumstance="04", until="20/11/2026", end_reason="recorded-by-mistake")
    assert done.status == 303
    page = await lan.get(f"/registry/children/{child_id}")
    for text in ("Khuyết tật nặng", "Giấy xác nhận khuyết tật", "(Ghi nhầm)"):
        assert text in page.text
    await lan.get(f"/registry/children/{child_id}")
    assert (await lan.post(address, act="begin", **begun)).status == 303
    (row,) = await house.rows("SELECT until, end_reason, ended_by FROM circumstance")
    assert tuple(row) == (None, None, None), "it goes on: that it had ended was the mistake"


async def told(house: House, sequence: int, data: CaseEvent) -> None:
    """Cases tells something."""
    event = Envelope(
        id=new_id(),
        source="/services/cases",
        type=data.TYPE,
        subject=data.case_id,
        time=NOW,
        data=data.model_dump_json().encode(),
        sequence=sequence,
    )
    record = Record("cases.cases.v1", 0, 0, data.case_id, event.data, tuple(event.headers()))
    (result,) = await house.intake._processor.handle([record])
    assert result.outcome == "accepted"


async def test_cases_and_services_stand_on_the_page_of_whoever_may_open_them(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    case_id = new_id()
    facts = CaseFacts(
        unit="02176",
        sex="female",
        age_band="6-10",
        kind="violence",
        risk="high",
        status="open",
        step="plan",
        sector="hotline",
        channel="hotline-111",
        opened_at=datetime(2026, 11, 23, 18, 30, tzinfo=UTC),
        child_id=child_id,
    )
    given: dict[str, Any] = {
        "service_id": "s1",
        "service": "medical",
        "provided_on": NOW.date(),
        "service_sector": "health",
    }
    here = facts.model_copy(update={"unit": HOME})
    provided = CaseServiceProvided(case_id=case_id, facts=here, **given)
    await told(house, 2, provided)
    await told(house, 1, CaseOpened(case_id=case_id, facts=facts, concern_id="c", danger_now="no"))
    await told(house, 1, CaseOpened(case_id="other", facts=facts, concern_id="c", danger_now="no"))
    page = await lan.get(f"/registry/children/{child_id}")
    assert f'href="/cases/c/{case_id}"' in page.text
    assert "Khám, chữa bệnh, phục hồi" in page.text
    assert "/cases/c/other" not in page.text, "led by another commune"
    opened = await house.rows("SELECT DISTINCT opened_on FROM child_case")
    assert [row.opened_on for row in opened] == [date(2026, 11, 24)], "half past one in the night, where people live"
    ha = await house.browser("ha.coordinator")
    assert "/cases/c/other" in (await ha.get(f"/registry/children/{child_id}")).text
    await told(house, 3, CaseServiceWithdrawn(case_id=case_id, facts=here, **given))
    await told(house, 2, provided)  # once more, late
    page = await lan.get(f"/registry/children/{child_id}")
    assert f'href="/cases/c/{case_id}"' in page.text
    assert "Khám, chữa bệnh, phục hồi" not in page.text, "it was not given after all"


async def test_the_history_page_shows_a_day(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh")
    await at(house, "2026-06-10T03:00:00Z")
    address = f"/registry/children/{child_id}/history"
    was = (await lan.get(f"{address}?on=09/06/2026")).text
    assert "<b>Nguyễn Thị Ngọc Anh</b>" in was
    assert "<del>Nguyễn Thị Ngọc Anh</del>" in was
    assert "chưa có trong sổ" in (await lan.get(f"{address}?on=01/01/2020")).text
    for wrong in ("31/02/2026", "x", "31/12/9999"):
        assert (await lan.get(f"{address}?on={wrong}")).status == 422
    thuong = await house.browser("thuong.worker")
    assert (await thuong.get(address)).status == 404
