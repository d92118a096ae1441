"""Papers and copies of a case on a real database: what they say, to whom, and that their making is remembered."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import docx
import orjson
import pytest
from sqlalchemy import text

from services.cases.reading import Reader
from shared.privacy.sealing import PART
from shared.reference.forms import Forms
from tests.integration.cases_house import (
    CAPTION,
    NAME,
    House,
    assessed,
    attach,
    attached,
    concern,
    everything,
    house,
    opened,
    token_of,
)
from tests.support import media

__all__ = ["house"]


async def test_forms_are_printed_as_pdf_and_docx_and_the_printing_is_remembered(house: House) -> None:
    case_id, worker = await assessed(house)
    page = (await worker.get(f"/cases/c/{case_id}")).text
    links = re.findall(rf"/cases/c/{case_id}/forms/\d+\.(?:pdf|docx)", page)
    assert len(links) == 2
    assert len(re.findall(r"/cases/concerns/[^\"/]+/form-01\.(?:pdf|docx)", page)) == 2
    pdf, word = [await worker.get(link) for link in links]
    assert pdf.body.startswith(b"%PDF-")
    assert pdf.headers["content-type"] == "application/pdf"
    code = (await house.rows("SELECT code FROM cases"))[0].code
    assert f'filename="{code}-mau-02.pdf"' in pdf.headers["content-disposition"]
    assert f'filename="{code}-mau-02.docx"' in word.headers["content-disposition"]
    assert pdf.headers["cache-control"] == "no-store"
    read = docx.Document(io.BytesIO(word.body))
    printed = "\n".join(paragraph.text for paragraph in read.paragraphs)
    assert NAME in printed
    assert "Trẻ bị đánh, có #dấu và *sao*" in printed
    reads = await house.rows("SELECT who, file_id FROM identity_read WHERE purpose = 'print'")
    assert [(row.who, row.file_id) for row in reads] == [("lan.worker", case_id)] * 2
    for person, status in (("thuong.worker", 404), ("ha.coordinator", 403), ("quang.police", 404), ("binh.chair", 200)):
        client = await house.as_person(person)
        assert (await client.get(links[0])).status == status
    first = min(row.id for row in await house.rows("SELECT id FROM entry"))
    for wrong in (f"forms/{first}.pdf", "forms/99999999.pdf", "forms/999999999999999999999999.pdf", "forms/1.exe"):
        assert (await worker.get(f"/cases/c/{case_id}/{wrong}")).status in (404, 422)


async def test_form_01_names_the_informant_only_to_who_took_the_report(house: House) -> None:
    worker = await house.as_person("lan.worker")
    told = {
        "condition": "Sốt, có vết bầm",
        "consequence": "Có thể bị đánh lại",
        "father": {"name": "Ông Cha Thử", "age": "41", "job": "thợ hồ"},
        "mother": {"name": "Bà Mẹ Thử"},
        "family": "Cha mẹ ly thân",
        "notes": "Gọi lại buổi tối",
    }
    informant = {"name": "Bà Hàng Xóm", "phone": "0900000001", "address": "Ngõ 12"}
    said = concern(reporter=informant, danger_now="yes", details=told)
    token, _ = await token_of(worker, "/cases/report")
    client = await house.as_person("lan.worker")
    client.headers |= {"accept": "application/json", "x-form-token": token}
    client.cookies = worker.cookies
    made = await client.post("/cases/api/concerns", params={"report_id": "r-1"}, json=said)
    report = made.json()["id"]
    printed = {}
    for person in ("lan.worker", "binh.chair"):
        reader = await house.as_person(person)
        word = await reader.get(f"/cases/concerns/{report}/form-01.docx")
        assert word.status == 200
        printed[person] = "\n".join(p.text for p in docx.Document(io.BytesIO(word.body)).paragraphs)
    assert "Bà Hàng Xóm" in printed["lan.worker"]
    assert "Ngõ 12" in printed["lan.worker"]
    for hidden in informant.values():
        assert hidden not in printed["binh.chair"]
    for words in ("Sốt, có vết bầm", "Có thể bị đánh lại", "Cha mẹ ly thân", "Gọi lại buổi tối", "Bà Mẹ Thử"):
        assert words in printed["binh.chair"]
    assert "Ông Cha Thử, 41 tuổi, thợ hồ" in printed["binh.chair"]
    assert NAME in printed["binh.chair"]
    assert (await (await house.as_person("ha.coordinator")).get(f"/cases/concerns/{report}/form-01.pdf")).status == 403


async def test_every_blank_form_can_be_had_and_no_other(house: House) -> None:
    worker = await house.as_person("lan.worker")
    for code in ("01", "02", "03", "04", "05", "06", "07"):
        for ending, mark in (("pdf", b"%PDF-"), ("docx", b"PK")):
            got = await worker.get(f"/cases/forms/{code}.{ending}")
            assert got.body.startswith(mark), code
    for wrong in ("99.pdf", "02.exe", "..%2f02.pdf"):
        assert (await worker.get(f"/cases/forms/{wrong}")).status in (404, 422)


async def test_the_copy_of_a_case_holds_everything_bears_its_purpose_and_is_remembered(house: House) -> None:
    case_id, worker = await assessed(house)
    path = f"/cases/c/{case_id}"
    for name, data in (("anh.png", media.png(PART * 2)), ("bien-ban.pdf", media.pdf())):
        assert (await attach(worker, f"{path}/documents", [(name, data)], caption=CAPTION)).status == 303
    token, _ = await token_of(worker, f"{path}/export")
    assert (await worker.post(f"{path}/export", data={"form_token": token, "purpose": "  "})).status == 422
    assert await house.rows("SELECT 1 FROM entry WHERE kind = 'case.exported'") == []
    got = await worker.post(f"{path}/export", data={"form_token": token, "purpose": "Gửi Tòa án số 12"})
    code = (await house.rows("SELECT code FROM cases"))[0].code
    assert f'filename="{code}-ho-so.zip"' in got.headers["content-disposition"]
    assert got.headers["cache-control"] == "no-store"
    whole = zipfile.ZipFile(io.BytesIO(got.body))
    assert whole.testzip() is None
    names = [name.removeprefix(f"{code}/") for name in whole.namelist()]
    assert names == [
        "case.pdf",
        "case.json",
        "bieu-mau/mau-01-BT-2026-000001.pdf",
        "bieu-mau/mau-02-ban-1.pdf",
        "tep-dinh-kem/001-anh.png",
        "tep-dinh-kem/002-bien-ban.pdf",
    ]
    assert whole.read(f"{code}/tep-dinh-kem/001-anh.png") == media.png(PART * 2)
    data: dict[str, Any] = orjson.loads(whole.read(f"{code}/case.json"))
    assert data["reports"][0]["child"]["name"] == NAME
    assert data["copied"]["purpose"] == "Gửi Tòa án số 12"
    assert {line["kind"] for line in data["timeline"]} >= {"case.opened", "note", "risk.initial", "document.added"}
    assert [line["words"] for line in data["timeline"] if line["kind"] == "note"] == [
        {"text": "Đã gọi <điện> & hỏi «bà ngoại»"}
    ]
    assert len(data["deadlines"]) == len(await house.rows("SELECT 1 FROM deadline"))
    assert {clock["stood_still"] for clock in data["deadlines"]} == {"PT0S"}
    assert [task["sector"] for task in data["tasks"]] == ["health", "police"] or len(data["tasks"]) == 2
    assert [row["name"] for row in data["documents"]] == ["anh.png", "bien-ban.pdf"]
    reads = await house.rows("SELECT who FROM identity_read WHERE purpose = 'export'")
    assert [row.who for row in reads] == ["lan.worker"]
    assert "Gửi Tòa án số 12" in (await worker.get(path)).text
    assert "Gửi Tòa án" not in str(await everything(house))


async def test_a_copy_names_what_cannot_be_opened_and_goes_on(house: House) -> None:
    path, worker, file_id = await attached(house, media.png(PART))
    assert (await attach(worker, path, [("tot.pdf", media.pdf())])).status == 303
    async with house.database.transaction() as connection:
        await connection.execute(
            text("DELETE FROM attachment_part WHERE attachment_id = :id AND number = 1"), {"id": file_id}
        )
    export = path.replace("/documents", "/export")
    token, _ = await token_of(worker, export)
    got = await worker.post(export, data={"form_token": token, "purpose": "Kiểm tra"})
    whole = zipfile.ZipFile(io.BytesIO(got.body))
    names = [name.partition("/")[2] for name in whole.namelist()]
    assert "tep-dinh-kem/002-tot.pdf" in names
    assert not [name for name in names if "001-" in name]
    said = next(name for name in whole.namelist() if name.endswith("khong-mo-duoc.txt"))
    assert "không mở được" in whole.read(said).decode()


async def test_only_who_works_on_the_case_copies_it(house: House) -> None:
    case_id = await opened(house)
    for person, status in (
        ("ha.coordinator", 403),
        ("thuong.worker", 404),
        ("quang.police", 404),
        ("mai.hotline", 404),
    ):
        client = await house.as_person(person)
        assert (await client.get(f"/cases/c/{case_id}/export")).status == status
        token, _ = await token_of(client, "/cases/")
        sent = await client.post(f"/cases/c/{case_id}/export", data={"form_token": token, "purpose": "x"})
        assert sent.status == status
    assert await house.rows("SELECT 1 FROM identity_read WHERE purpose = 'export'") == []


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_the_pages_of_files_render_in_both_languages(house: House, language: str) -> None:
    path, worker, _ = await attached(house)
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    officer = await house.as_person("quang.police")
    for client, page in (
        (worker, path),
        (worker, path.replace("/documents", "/export")),
        (worker, f"/cases/tasks/{task}/documents"),
        (officer, f"/cases/tasks/{task}/documents"),
        (await house.as_person("ha.coordinator"), path),
    ):
        answer = await client.get(page, params={"lang": language})
        assert answer.status == 200, answer.text[:400]
        assert f'lang="{language}"' in answer.text
        assert len(answer.body) < 100_000


async def planned_often(house: House, case_id: str, times: int) -> None:
    """A case whose plan was drafted again and again, each time with another goal."""
    words = [(await sealed(house, case_id, {"goals": f"Mục tiêu số {number}"})) for number in range(1, times + 1)]
    data = orjson.dumps({"form": "04", "form_of": Forms.load().form("04").effective_from.isoformat()}).decode()
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO entry (case_id, at, kind, who, who_name, data, words)
                   SELECT :case_id, now(), 'plan.drafted', 'x', 'Người lập', CAST(:data AS jsonb), CAST(said AS jsonb)
                   FROM unnest(CAST(:words AS text[])) WITH ORDINALITY AS each (said, place) ORDER BY place"""
            ),
            {"case_id": case_id, "data": data, "words": words},
        )


async def sealed(house: House, case_id: str, words: dict[str, str]) -> str:
    async with house.database.transaction() as connection:
        return (await house.keys.seal(connection, words, f"case/{case_id}")).model_dump_json()


async def test_a_form_filled_in_a_hundred_times_is_one_paper_with_its_earlier_versions_a_page_away(
    house: House,
) -> None:
    case_id = await opened(house)
    await planned_often(house, case_id, 101)
    worker = await house.as_person("lan.worker")
    for path in (f"/cases/c/{case_id}", f"/cases/c/{case_id}/documents"):
        page = await worker.get(path)
        assert len(page.body) < 100_000
        assert "bản 101" in page.text
        assert "100 bản trước" in page.text
        assert len(re.findall(rf"/cases/c/{case_id}/forms/\d+\.pdf", page.text)) == 1
    shown: list[str] = []
    address: str | None = f"/cases/c/{case_id}/documents?form=04"
    while address:
        page = await worker.get(address)
        shown += re.findall(r"· bản (\d+)</span></td>", page.text)
        following = re.search(r'rel="next" href="([^"]+)"', page.text)
        address = following.group(1).replace("&amp;", "&") if following else None
    assert [int(version) for version in shown] == list(range(101, 1, -1)), "all but the first, which needs no number"
    for wrong in ("form=nonsense", "form=04&page=999", "page=0", "page=x", "form=%00", "form=01&page=2"):
        assert (await worker.get(f"/cases/c/{case_id}/documents?{wrong}")).status == 200


async def test_the_timeline_opens_a_form_and_the_one_before_it_and_no_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await opened(house)
    await planned_often(house, case_id, 130)
    first = (await house.rows("SELECT max(id) AS id FROM entry WHERE case_id = :id", id=case_id))[0].id
    worker = await house.as_person("lan.worker")
    opened_lines: list[int] = []
    words = Reader.words

    async def counted(self: Reader, connection: Any, line: Any) -> Any:
        opened_lines.append(line.id)
        return await words(self, connection, line)

    monkeypatch.setattr(Reader, "words", counted)
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert opened_lines
    assert min(opened_lines) == first - 100, "a hundred are shown, and one more is what the oldest of them is beside"
    assert len(opened_lines) == len(set(opened_lines)) == 101
    assert "Lần 130" in page
    assert "<del>Mục tiêu số 129</del> <ins>Mục tiêu số 130</ins>" in page
    opened_lines.clear()
    await worker.get(f"/cases/c/{case_id}/forms/approve-plan")
    assert opened_lines == [first], "the plan that is approved is read beside it, and none before"
