"""Papers, files and copies of a case on a real database: sealed, checked, remembered, and to nobody else."""

from __future__ import annotations

import io

import docx
import orjson
import pytest
from sqlalchemy import text

from shared.privacy.sealing import PART
from tests.integration.cases_house import (
    CAPTION,
    NAME,
    SECRET_NAME,
    House,
    attach,
    attached,
    everything,
    house,
    opened,
    token_of,
)
from tests.support import media
from tests.support.media import GOOD, multipart

__all__ = ["house"]


async def test_a_file_is_kept_sealed_told_in_the_timeline_and_by_no_event(house: House) -> None:
    picture = media.png(PART * 2)
    path, worker, file_id = await attached(house, picture)
    told = await house.said()
    assert not [event for event in told if "document" in event["type"]]
    kept = await everything(house)
    for clear in (b"IHDR", b"IEND", bytes(64), SECRET_NAME.encode(), CAPTION.encode()):
        assert clear not in kept
    assert file_id.encode() not in b"".join(orjson.dumps(event["data"]) for event in told)
    row = (await house.rows("SELECT * FROM attachment"))[0]
    assert (row.media, row.kind, row.size) == ("image/png", "photo", len(picture))
    assert len(await house.rows("SELECT 1 FROM attachment_part")) == -(-len(picture) // PART)
    page = (await worker.get(path)).text
    assert SECRET_NAME in page
    assert CAPTION in page
    case_page = (await worker.get(path.removesuffix("/documents"))).text
    assert "Đính kèm tệp" in case_page
    assert SECRET_NAME in case_page
    got = await worker.get(f"{path}/{file_id}")
    assert got.body == picture
    assert got.headers["content-type"] == "image/png"
    assert got.headers["cache-control"] == "no-store"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("sandbox;")
    said = got.headers["content-disposition"]
    assert said.startswith('attachment; filename="TN-')
    assert f"filename*=UTF-8''{SECRET_NAME}" in said
    shown = await worker.get(f"{path}/{file_id}", params={"show": "1"})
    assert shown.headers["content-disposition"].startswith("inline;")
    reads = await house.rows("SELECT who, purpose FROM identity_read WHERE purpose = 'document'")
    assert [(row.who, row.purpose) for row in reads] == [("lan.worker", "document")] * 2


@pytest.mark.parametrize("kind", GOOD)
async def test_every_type_comes_back_as_it_was(house: House, kind: str) -> None:
    name, data = GOOD[kind]
    path, worker, file_id = await attached(house, data, name)
    got = await worker.get(f"{path}/{file_id}", params={"show": "1"})
    assert got.body == data
    assert got.headers["content-type"] == kind
    inline = kind in ("image/jpeg", "image/png", "image/webp")
    assert got.headers["content-disposition"].startswith("inline" if inline else "attachment")


async def test_a_player_gets_the_range_that_it_asks_for(house: House) -> None:
    sound = b"ID3\x04\x00\x00\x00\x00\x00\x00" + (b"\xff\xfb\x90\x00" + bytes(range(200)) * 2 + bytes(13)) * 1500
    path, worker, file_id = await attached(house, sound, "loi-ke.mp3")
    for asked, first, last in (
        ("bytes=0-99", 0, 99),
        (f"bytes={PART - 10}-{PART + 9}", PART - 10, PART + 9),
        ("bytes=600000-", 600_000, len(sound) - 1),
        ("bytes=-7", len(sound) - 7, len(sound) - 1),
        ("bytes=5-99999999", 5, len(sound) - 1),
    ):
        got = await worker.ask(f"{path}/{file_id}", headers={"range": asked})
        assert got.status == 206
        assert got.body == sound[first : last + 1]
        assert got.headers["content-range"] == f"bytes {first}-{last}/{len(sound)}"
    for wrong in ("bytes=9-3", "bytes=99999999-", "bytes=-0", "items=1-2", "bytes=1-2,4-5", "bytes=-"):
        got = await worker.ask(f"{path}/{file_id}", headers={"range": wrong})
        assert (got.status, len(got.body)) == (200, len(sound))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("a.png", b"")], "Tệp rỗng"),
        ([("", b"")], "Chọn một tệp"),
        ([], "Chọn một tệp"),
        ([("a.png", media.png()[:-7])], "thiếu phần cuối"),
        ([("a.jpg", media.jpeg(b"<script>alert(1)</script>"))], "loại tệp khác"),
        ([("a.jpg", media.png())], "kết thúc bằng «.jpg»"),
        ([("a.html", b"<html></html>")], "Chỉ nhận ảnh"),
        ([("../a.png", media.png())], "ký tự không dùng được"),
        ([("a\u202egnp.png", media.png())], "ký tự không dùng được"),
        ([("a.png", media.png()), ("b.png", media.png())], "Mỗi lần gửi một tệp"),
        ([("a.png", media.png()), ("a.png", media.png())], "Mỗi lần gửi một tệp"),
        ([("a.png", media.png(21 << 20))], "lớn hơn 20 MB"),
    ],
    ids=[
        "empty",
        "none",
        "no part",
        "cut",
        "two things",
        "ending",
        "page",
        "path",
        "bidi",
        "two",
        "two of one name",
        "large",
    ],
)
async def test_what_may_not_be_kept_is_refused_beside_the_field(
    house: House, files: list[tuple[str, bytes]], said: str
) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    refused = await attach(worker, f"/cases/c/{case_id}/documents", files, caption=CAPTION)
    assert refused.status == 422
    assert said in refused.text
    assert 'id="f-file-error"' in refused.text
    assert f'value="{CAPTION}"' in refused.text, "what was typed stays"
    assert await house.rows("SELECT 1 FROM attachment") == []
    assert await house.rows("SELECT 1 FROM entry WHERE kind = 'document.added'") == []


async def test_a_body_that_is_no_form_is_refused_and_never_a_failure(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    path = f"/cases/c/{case_id}/documents"
    token, _ = await token_of(worker, path)
    good, kind = multipart({"form_token": token}, [("a.png", media.png())])
    bodies = [
        (good[: len(good) // 2], kind),
        (b"no form at all", kind),
        (good, "multipart/form-data"),
        (good, "text/plain"),
        (good.replace(b'name="file"', b'name="file'), kind),
        (good.replace(b"a.png", b"\xff\xfe.png"), kind),
        multipart({"form_token": token, **{f"f{n}": "x" for n in range(50)}}, [("a.png", media.png())]),
        multipart({"form_token": token, "caption": "x" * 20_000}, [("a.png", media.png())]),
    ]
    for body, content_type in bodies:
        headers = {"content-type": content_type, "x-form-token": token}
        answer = await worker.ask(path, headers=headers, method="POST", body=body)
        assert answer.status in (303, 422), (body[:60], answer.text[:300])
    assert len(await house.rows("SELECT 1 FROM attachment")) <= 1


async def test_a_file_without_our_forms_token_is_not_taken(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    path = f"/cases/c/{case_id}/documents"
    assert (await attach(worker, path, [("a.png", media.png())], token="f" * 64)).status == 403
    body, kind = multipart({}, [("a.png", media.png())])
    assert (await worker.ask(path, headers={"content-type": kind}, method="POST", body=body)).status == 403
    token, _ = await token_of(worker, path)
    body, kind = multipart({"form_token": token}, [("a.png", media.png())])
    foreign = {"content-type": kind, "origin": "https://elsewhere.example"}
    assert (await worker.ask(path, headers=foreign, method="POST", body=body)).status == 403
    late, kind = multipart({}, [("a.png", media.png())])
    tail, _ = multipart({"form_token": token}, [])
    behind = late.replace(b"--gioi-han--\r\n", b"") + tail
    assert (await worker.ask(path, headers={"content-type": kind}, method="POST", body=behind)).status == 403
    assert await house.rows("SELECT 1 FROM attachment") == []


async def test_a_case_holds_only_so_many_files(house: House) -> None:
    path, worker, _ = await attached(house)
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO attachment SELECT id || n, case_id, task_id, media, kind, size, added_at, added_by,
                   added_by_name, sector, removed_at, kid, words FROM attachment, generate_series(2, 200) AS n"""
            )
        )
    refused = await attach(worker, path, [("b.png", media.png())])
    assert refused.status == 422
    assert "nhiều nhất là 200" in refused.text


@pytest.mark.parametrize("harm", ["swapped", "cut", "lost", "changed", "other-file", "size"])
async def test_a_part_that_was_moved_cut_or_changed_is_never_given_out(house: House, harm: str) -> None:
    path, worker, file_id = await attached(house, media.png(PART * 3))
    other = media.png(PART * 3 + 1)
    assert (await attach(worker, path, [("b.png", other)])).status == 303
    statements = {
        "swapped": """UPDATE attachment_part SET number = CASE number WHEN 1 THEN 2 ELSE 1 END + 100
                      WHERE attachment_id = :id AND number IN (1, 2);
                      UPDATE attachment_part SET number = number - 100 WHERE number > 100""",
        "cut": """DELETE FROM attachment_part WHERE attachment_id = :id AND number = 3;
                  UPDATE attachment SET size = 262144 * 3 WHERE id = :id""",
        "lost": "DELETE FROM attachment_part WHERE attachment_id = :id AND number = 1",
        "changed": """UPDATE attachment_part SET sealed = set_byte(sealed, 500, 1 # get_byte(sealed, 500))
                      WHERE number = 2""",
        "other-file": """UPDATE attachment_part SET sealed = (SELECT sealed FROM attachment_part
                         WHERE attachment_id <> :id AND number = 1) WHERE attachment_id = :id AND number = 1""",
        "size": "UPDATE attachment SET size = size - 1 WHERE id = :id",
    }
    async with house.database.transaction() as connection:
        for statement in statements[harm].split(";"):
            values = {"id": file_id} if ":id" in statement else {}
            await connection.execute(text(statement), values)
    refused = await worker.get(f"{path}/{file_id}")
    assert refused.status == 422
    assert "đã hỏng hoặc bị sửa" in refused.text
    assert b"IHDR" not in refused.body


async def test_an_erased_case_says_so_and_opens_nothing(house: House) -> None:
    path, worker, file_id = await attached(house)
    case_id = path.split("/")[3]
    async with house.database.transaction() as connection:
        await house.keys.erase(connection, f"case/{case_id}")
    page = await worker.get(path)
    assert page.status == 200
    assert "đã xóa theo yêu cầu" in page.text
    assert SECRET_NAME not in page.text
    assert (await worker.get(f"{path}/{file_id}")).status == 410
    assert (await attach(worker, path, [("b.png", media.png())])).status == 422
    token, _ = await token_of(worker, path)
    gone = await worker.post(f"{path}/{file_id}/remove", data={"form_token": token, "reason": "Xóa"})
    export = path.replace("/documents", "/export")
    copy = await worker.post(export, data={"form_token": token, "purpose": "Thử"})
    for refused in (gone, copy):
        assert refused.status == 422
        assert "đã được xóa theo yêu cầu" in refused.text
    sheet = await worker.get(path.replace("/documents", "/sheet.docx"))
    printed = "\n".join(paragraph.text for paragraph in docx.Document(io.BytesIO(sheet.body)).paragraphs)
    assert "Thông tin cá nhân đã được xóa theo yêu cầu." in printed
    assert NAME not in printed
    client = await house.as_person("lan.worker")
    client.headers["accept"] = "application/json"
    listed = (await client.get(f"/cases/api/cases/{case_id}/documents")).json()["documents"]
    assert [(row["name"], row["erased"]) for row in listed] == [(None, True)]


async def test_a_removed_file_is_destroyed_and_its_line_stays_with_the_reason(house: House) -> None:
    path, worker, file_id = await attached(house)
    token, _ = await token_of(worker, path)
    silent = await worker.post(f"{path}/{file_id}/remove", data={"form_token": token, "reason": " "})
    assert silent.status == 422
    assert "Nêu lý do" in silent.text
    gone = await worker.post(f"{path}/{file_id}/remove", data={"form_token": token, "reason": "Chụp nhầm trẻ khác"})
    assert gone.status == 303
    assert await house.rows("SELECT 1 FROM attachment_part") == []
    assert (await worker.get(f"{path}/{file_id}")).status == 404
    again = await worker.post(f"{path}/{file_id}/remove", data={"form_token": token, "reason": "x"})
    assert again.status == 404
    case_page = (await worker.get(path.removesuffix("/documents"))).text
    assert "Gỡ tệp đính kèm" in case_page
    assert "Chụp nhầm trẻ khác" in case_page
    assert "Chụp nhầm" not in str(await everything(house))
    kinds = [row.kind for row in await house.rows("SELECT kind FROM entry WHERE kind LIKE 'document.%' ORDER BY id")]
    assert kinds == ["document.added", "document.removed"]


async def test_only_who_works_on_the_case_opens_its_files(house: House) -> None:
    path, _, file_id = await attached(house)
    statuses = {}
    for person in ("binh.chair", "thuong.worker", "ha.coordinator", "quang.police", "mai.hotline", "tuan.statistician"):
        client = await house.as_person(person)
        statuses[person] = (await client.get(f"{path}/{file_id}")).status
    assert statuses == {
        "binh.chair": 200,
        "thuong.worker": 404,
        "ha.coordinator": 403,
        "quang.police": 404,
        "mai.hotline": 404,
        "tuan.statistician": 404,
    }
    coordinator = await house.as_person("ha.coordinator")
    page = (await coordinator.get(path)).text
    assert SECRET_NAME not in page
    assert CAPTION not in page
    token, _ = await token_of(coordinator, "/cases/")
    assert (await attach(coordinator, path, [("b.png", media.png())], token=token)).status == 422
    assert (await coordinator.get(path.removesuffix("/documents"))).status == 200


async def test_a_sector_attaches_to_its_own_open_task_and_sees_nothing_else(house: House) -> None:
    path, worker, case_file = await attached(house)
    tasks = {row.sector: row.id for row in await house.rows("SELECT id, sector FROM task")}
    officer, other = await house.as_person("duc.health"), await house.as_person("quang.police")
    mine, theirs = (f"/cases/tasks/{tasks[sector]}/documents" for sector in ("health", "police"))
    assert (await officer.get(f"/cases/tasks/{tasks['health']}")).text.count(mine) == 1
    assert (await attach(officer, mine, [("phieu-kham.pdf", media.pdf())], caption="Phiếu khám")).status == 303
    file_id = next(row.id for row in await house.rows("SELECT id FROM attachment WHERE task_id IS NOT NULL"))
    page = (await officer.get(mine)).text
    assert "phieu-kham.pdf" in page
    assert SECRET_NAME not in page
    assert (await officer.get(f"{mine}/{file_id}")).body == media.pdf()
    assert (await officer.get(f"{mine}/{case_file}")).status == 404
    assert (await officer.get(f"{path}/{case_file}")).status == 404
    assert (await other.get(f"{mine}/{file_id}")).status == 404
    assert (await other.get(mine)).status == 404
    assert "phieu-kham.pdf" not in (await other.get(theirs)).text
    token, _ = await token_of(other, theirs)
    assert (await attach(other, mine, [("x.pdf", media.pdf())], token=token)).status == 404
    listed = (await worker.get(path)).text
    assert "phieu-kham.pdf" in listed
    assert (await worker.get(f"{path}/{file_id}")).body == media.pdf()
    answer = {"task_id": tasks["health"], "answer": "done", "summary": "Đã khám"}
    await house.send(("task.answered", "A-1", answer), sector="health")
    assert (await officer.get(f"{mine}/{file_id}")).status == 404
    closed = (await officer.get(mine)).text
    assert "Phiếu khám" not in closed
    token, _ = await token_of(officer, "/cases/")
    late = await attach(officer, mine, [("y.pdf", media.pdf())], token=token)
    assert late.status == 422
    assert "không còn mở" in late.text


async def test_machines_attach_list_open_and_remove_by_the_same_rules(house: House) -> None:
    case_id = await opened(house)
    client = await house.as_person("lan.worker")
    token, _ = await token_of(client, f"/cases/c/{case_id}")
    client.headers |= {"accept": "application/json", "x-form-token": token}
    path = f"/cases/api/cases/{case_id}/documents"
    made = await attach(client, path, [("a.png", media.png())], token="", caption=CAPTION)
    assert made.status == 201
    assert made.json()["media"] == "image/png"
    listed = (await client.get(path)).json()["documents"]
    assert [(row["name"], row["caption"]) for row in listed] == [("a.png", CAPTION)]
    assert (await client.get(f"{path}/{listed[0]['id']}")).body == media.png()
    refused = await attach(client, path, [("a.jpg", media.png())], token="")
    assert refused.status == 422
    assert refused.json()["violations"][0]["rule"] == "extension-mismatch"
    removed = await client.post(f"{path}/{listed[0]['id']}/removal", json={"reason": "Nhầm"})
    assert removed.json() == {"id": listed[0]["id"], "removed": True}
    assert (await client.get(path)).json()["documents"] == []
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    officer = await house.as_person("quang.police")
    token, _ = await token_of(officer, f"/cases/tasks/{task}")
    officer.headers |= {"accept": "application/json", "x-form-token": token}
    mine = f"/cases/api/tasks/{task}/documents"
    assert (await attach(officer, mine, [("a.pdf", media.pdf())], token="")).status == 201
    assert [row["name"] for row in (await officer.get(mine)).json()["documents"]] == ["a.pdf"]
