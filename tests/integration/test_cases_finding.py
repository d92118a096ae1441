"""Finding earlier reports and cases by code, child and number: who finds what, what is remembered and forgotten."""

from __future__ import annotations

import re

import pytest

from services.cases import store
from services.cases.desk import Desk
from services.cases.upkeep import forget
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.integration.cases_house import (
    NAME,
    UNIT,
    Browser,
    House,
    act_on,
    concern,
    house,
    opened,
    token_of,
)

__all__ = ["house"]
NUMBER = "019318000123"


async def fragment(client: Browser, name: str, **more: str) -> str:
    token, _ = await token_of(client, "/cases/report")
    fields = {"form_token": token, "child_name": name, "unit": "", "child_number": "", "child_birth_date": "", **more}
    answer = await client.post("/cases/report/similar", data=fields)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.text


async def search(client: Browser, said: str) -> str:
    token, _ = await token_of(client, "/cases/search")
    answer = await client.post("/cases/search", data={"form_token": token, "said": said})
    assert answer.status == 200, answer.status
    return answer.text


@pytest.mark.parametrize("typed", [NAME, "nguyen thi thu nghiem", "Thử Nghiệm Nguyễn Thị", "NGHIỆM thử thị nguyen"])
async def test_an_earlier_report_stands_beside_the_form_without_any_identity(house: House, typed: str) -> None:
    await house.send(("concern.reported", "C-1", concern(kinds=["neglect"])))
    client = await house.as_person("mai.hotline")
    shown = await fragment(client, typed, unit="Phan Đình Phùng")
    assert "BT-2026-000001" in shown
    assert "Rất có thể cùng một trẻ" in shown
    assert "Bỏ mặc" in shown
    for secret in (NAME, "Tổ 5", "Bị đánh"):
        assert secret not in shown
    assert "BT-2026" not in await fragment(client, "Nguyễn Thị"), "two of four words are anybody"
    assert "BT-2026" not in await fragment(client, "Trần Văn Nghiệm")


async def test_the_same_number_is_sure_and_the_same_birth_date_makes_a_near_name_likely(house: House) -> None:
    child = {"name": NAME, "number": NUMBER, "birth_date": "2018-03-05"}
    await house.send(("concern.reported", "C-1", concern(child=child)))
    client = await house.as_person("mai.hotline")
    assert "Chắc chắn cùng một trẻ" in await fragment(client, "", child_number="019 318 000 123")
    assert "Rất có thể cùng một trẻ" in await fragment(client, "Nguyễn Thị Nghiệm", child_birth_date="5/3/2018")
    assert "Có thể cùng một trẻ" in await fragment(client, "Nguyễn Thị Nghiệm", child_birth_date="6/3/2018")


async def test_a_lookup_by_name_is_remembered_and_its_words_are_not(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()))
    client = await house.as_person("mai.hotline")
    await fragment(client, NAME)
    await search(client, "Không Có Ai")
    file_id = (await house.rows("SELECT file_id FROM concern"))[0].file_id
    reads = await house.rows("SELECT who, file_id FROM identity_read WHERE purpose = 'search' ORDER BY id")
    assert [(row.who, row.file_id) for row in reads] == [("mai.hotline", file_id), ("mai.hotline", "-")]
    everything = str(await house.rows("SELECT finding::text FROM finding")) + str(
        await house.rows("SELECT identity_read::text FROM identity_read")
    )
    for word in ("nguyen", "Nguyễn", "Nghiệm", "Không"):
        assert word not in everything


async def test_each_role_finds_within_what_it_may_know_of(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()), sector="health")
    health, police = await house.as_person("duc.health"), await house.as_person("quang.police")
    here, elsewhere = await house.as_person("lan.worker"), await house.as_person("thuong.worker")
    seen = [("BT-2026-000001" in await fragment(client, NAME)) for client in (health, police, here, elsewhere)]
    assert seen == [True, False, True, False]
    coordinator, hotline = await house.as_person("ha.coordinator"), await house.as_person("mai.hotline")
    found = [("BT-2026-000001" in await search(client, NAME)) for client in (here, elsewhere, coordinator, hotline)]
    assert found == [True, False, True, False]
    assert (await police.get("/cases/search")).status == 403


async def test_what_was_erased_is_found_by_nobody_and_its_tokens_go(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()))
    file_id = (await house.rows("SELECT file_id FROM concern"))[0].file_id
    client = await house.as_person("lan.worker")
    assert "BT-2026-000001" in await search(client, NAME)
    async with house.database.transaction() as connection:
        await house.keys.erase(connection, f"case/{file_id}")
    assert "BT-2026-000001" not in await search(client, NAME)
    assert "BT-2026-000001" not in await fragment(client, NAME)
    await forget(house.database, Desk(house.keys, Units.load(), Deadlines.load()), lambda: house.now)
    assert await house.rows("SELECT 1 FROM finding") == []


async def test_a_correction_of_the_name_is_found_by_the_new_name_alone(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()))
    await house.send(("concern.reported", "C-1", concern(child={"name": "Hoàng Bảo Ngọc"})))
    client = await house.as_person("lan.worker")
    assert "BT-2026-000001" in await search(client, "ngoc hoang bao")
    assert "BT-2026-000001" not in await search(client, NAME)


async def test_every_child_of_a_report_is_found_and_each_leads_to_its_own_case(house: House) -> None:
    more = [{"name": "Nguyễn Văn Em"}]
    await house.send(("concern.reported", "C-1", concern(more_children=more)))
    client = await house.as_person("lan.worker")
    assert "BT-2026-000001" in await search(client, "Em Nguyễn Văn")
    concern_id = (await house.rows("SELECT id FROM concern"))[0].id
    assert (await act_on(client, f"/cases/concerns/{concern_id}", "open", {})).status == 303
    first, second = await house.rows("SELECT id, code FROM cases ORDER BY code")
    assert f"/cases/c/{second.id}" in await search(client, "Em Nguyễn Văn")
    page = await search(client, NAME)
    assert f"/cases/c/{first.id}" in page
    assert second.code not in page


async def test_a_code_leads_to_its_case_or_report_in_ones_own_area_alone(house: House) -> None:
    case_id = await opened(house)
    code = (await house.rows("SELECT code FROM cases"))[0].code
    client, stranger = await house.as_person("lan.worker"), await house.as_person("thuong.worker")
    token, _ = await token_of(client, "/cases/search")
    for said in (code, code.lower(), f" {code} ", "TN-2026-1"):
        answer = await client.post("/cases/search", data={"form_token": token, "said": said})
        assert answer.headers["location"] == f"/cases/c/{case_id}"
    report = await client.post("/cases/search", data={"form_token": token, "said": "BT-2026-000001"})
    assert report.headers["location"].startswith("/cases/concerns/")
    assert "Không tìm thấy" in await search(stranger, code)
    for odd in ("\x00", "%' OR 1=1 --", "x" * 400, "0" * 30, "🙂", "TN-2026-999999999"):
        assert "BT-2026" not in await search(client, odd)


async def test_the_last_digits_of_a_code_lead_to_what_bears_them_in_ones_own_area_alone(house: House) -> None:
    await opened(house)
    case = (await house.rows("SELECT code FROM cases"))[0]
    coordinator = await house.as_person("ha.coordinator")
    number = str(int(case.code[-6:]))
    shown = await search(coordinator, number)
    report = (await house.rows("SELECT code FROM concern"))[0].code
    assert report[-6:] == case.code[-6:], "a report and a case bear the number: the search shows both"
    assert case.code in shown
    assert report in shown
    assert case.code not in await search(coordinator, number + "0"), "the number, not a part of it"
    stranger = await house.as_person("thuong.worker")
    assert case.code not in await search(stranger, number)
    await house.send(("concern.reported", "C-2", concern(danger_now="no")))
    other = (await house.rows("SELECT id, code FROM concern ORDER BY code DESC"))[0]
    token, _ = await token_of(coordinator, "/cases/search")
    answer = await coordinator.post("/cases/search", data={"form_token": token, "said": str(int(other.code[-6:]))})
    assert answer.headers["location"] == f"/cases/concerns/{other.id}"


async def test_rows_of_one_name_are_told_apart_by_sex_and_age(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern(sex="female", age=7)))
    shown = await search(await house.as_person("ha.coordinator"), NAME)
    assert "Nữ" in shown
    assert "6–10" in shown


async def test_the_same_matter_from_hospital_and_police_is_linked_by_one_button(house: House) -> None:
    await house.send(("concern.reported", "H-1", concern(danger_now="yes")), sector="health")
    case = (await house.rows("SELECT id, code FROM cases"))[0]
    await house.send(("concern.reported", "P-1", concern(channel="police")), sector="police")
    waiting = (await house.rows("SELECT id FROM concern WHERE status = 'received'"))[0].id
    worker = await house.as_person("lan.worker")
    page = (await worker.get(f"/cases/concerns/{waiting}")).text
    assert f"Gắn vào {case.code}" in page
    assert f'name="link.case_code" value="{case.code}"' in page
    linked = await act_on(worker, f"/cases/concerns/{waiting}", "link", {"link.case_code": case.code})
    assert linked.headers["location"].startswith(f"/cases/c/{case.id}")
    assert len(await house.rows("SELECT 1 FROM cases")) == 1
    assert re.search(r"Thêm một báo tin", (await worker.get(f"/cases/c/{case.id}")).text)
    found = await search(worker, NAME)
    assert found.count(f"/cases/c/{case.id}") == 1, "two reports of one case are one matter"


async def test_the_api_finds_the_same(house: House) -> None:
    case_id = await opened(house)
    client = await house.as_person("lan.worker")
    token, _ = await token_of(client, "/cases/search")
    headers = {"x-form-token": token, "accept": "application/json"}
    found = (await client.post("/cases/api/search", json={"said": NAME}, headers=headers)).json()
    assert [match["case_id"] for match in found["matches"]] == [case_id]
    assert NAME not in str(found)
    code = (await house.rows("SELECT code FROM cases"))[0].code
    by_code = (await client.post("/cases/api/search", json={"said": code}, headers=headers)).json()
    assert by_code["by_code"] == {"what": "case", "id": case_id}


async def test_a_name_that_thousands_have_asks_for_more_of_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.finding, "COMMON", 2)
    monkeypatch.setattr(store, "COMMON", 2)
    for number in range(3):
        await house.send(("concern.reported", f"C-{number}", concern(child={"name": "Nguyễn Văn An"})))
    client = await house.as_person("lan.worker")
    assert "quá nhiều người" in await search(client, "Nguyễn")


async def test_who_looks_in_their_own_area_loses_nobody_to_the_many_elsewhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (store, store.finding):
        monkeypatch.setattr(place, "MOST", 1)
    elsewhere = min(code for code in Units.load().codes() if code > UNIT)
    for number, unit in enumerate((elsewhere, UNIT, elsewhere), start=1):
        await house.send(("concern.reported", f"C-{number}", concern(unit=unit)))
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE concern SET entered_by = 'mai.hotline' WHERE code = 'BT-2026-000003'")
    for person, code in (("lan.worker", "BT-2026-000002"), ("mai.hotline", "BT-2026-000003")):
        page = await search(await house.as_person(person), NAME)
        assert re.findall(r"BT-2026-\d{6}", page) == [code]
    case_id = (await act_on(await house.as_person("lan.worker"), await _report(house), "open", {})).headers["location"]
    assert case_id.split("?")[0] in await search(await house.as_person("lan.worker"), NAME), "also once it is a case"
    assert len(re.findall(r"BT-2026-\d{6}", await search(await house.as_person("ha.coordinator"), NAME))) <= 1


async def _report(house: House) -> str:
    row = (await house.rows("SELECT id FROM concern WHERE code = 'BT-2026-000002'"))[0]
    return f"/cases/concerns/{row.id}"
