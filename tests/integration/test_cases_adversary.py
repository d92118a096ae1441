"""People and programs with ordinary accounts who try to see, lose or spoil what is not theirs."""

from __future__ import annotations

import io
import re
import zipfile

import orjson
import pytest

from shared.reference.forms import Forms
from tests.integration.cases_house import NAME, Browser, House, concern, house, opened, token_of
from tests.integration.test_cases_access import JSON, matter
from tests.integration.test_cases_documents import attach
from tests.integration.test_cases_outsiders import act, program
from tests.integration.test_cases_tasks import task_of
from tests.support import media

__all__ = ["house"]
OTHER_CHILD = "Hoàng Bảo Ngọc"


async def begun(client: Browser) -> dict[str, str]:
    """A report that somebody has typed, with the identifier of its page."""
    token, page = await token_of(client, "/cases/report")
    found = re.search(r'name="report_id" value="([^"]+)"', page)
    assert found
    said = {"child_name": NAME, "what_happened": "Bị bỏ đói", "channel": "hotline-111", "danger_now": "no"}
    return {"form_token": token, "report_id": found.group(1), "step": "send", **said}


def machine(house: House, account: str) -> Browser:
    token = house.app.state.identity.signer.demo_token(account)
    return Browser(house.app, {}, "localhost:8600", headers={"authorization": f"Bearer {token}"})


async def test_a_report_changed_after_it_was_sent_is_refused_and_sent_once_more_it_is_a_new_one(house: House) -> None:
    client = await house.as_person("mai.hotline")
    first = await begun(client)
    sent = await client.post("/cases/report", data=first)
    assert sent.status == 303
    again = await client.post("/cases/report", data=first)
    assert (again.status, again.headers["location"]) == (303, sent.headers["location"]), "sent twice, it is one"
    # They go back in their browser and write about another child, who is in danger.
    changed = {**first, "child_name": OTHER_CHILD, "danger_now": "yes"}
    refused = await client.post("/cases/report", data=changed)
    assert refused.status == 422
    assert "Báo tin BT-2026-000001 đã gửi trước đó với nội dung khác" in refused.text
    assert OTHER_CHILD in refused.text, "what was typed stays"
    fresh = re.search(r'name="report_id" value="([^"]+)"', refused.text)
    assert fresh
    assert fresh.group(1) != first["report_id"]
    new = await client.post("/cases/report", data={**changed, "report_id": fresh.group(1)})
    assert new.status == 303
    assert [row.danger_now for row in await house.rows("SELECT danger_now FROM concern ORDER BY code")] == ["no", "yes"]
    assert len(await house.said("case.opened")) == 1


async def test_a_program_reuses_a_report_id_for_the_same_report_alone(house: House) -> None:
    client = await house.as_person("lan.worker")
    token, _ = await token_of(client, "/cases/report")
    client.headers |= {**JSON, "x-form-token": token}
    path, params = "/cases/api/concerns", {"report_id": "r-1"}
    codes = [(await client.post(path, params=params, json=concern())).json()["code"] for _ in range(2)]
    assert codes == ["BT-2026-000001"] * 2
    refused = await client.post(path, params=params, json=concern(danger_now="yes"))
    assert refused.status == 422
    assert [known["rule"] for known in refused.json()["violations"]] == ["report-sent-already"]
    assert len(await house.rows("SELECT 1 FROM concern")) == 1


@pytest.mark.parametrize(("account", "finds"), [("agency.health", True), ("agency.education", False)])
async def test_a_sectors_program_finds_what_its_sector_reported_alone(house: House, account: str, finds: bool) -> None:
    await house.send(("concern.reported", "C-1", concern()), sector="health")
    client = machine(house, account)
    for path in ("/cases/report/similar", "/cases/report"):
        answer = await client.post(path, data={"child_name": NAME, "step": "similar"})
        assert answer.status == 200
        assert ("BT-2026-000001" in answer.text) is finds


async def test_what_a_sectors_files_are_called_is_closed_with_its_task(house: House) -> None:
    case = await matter(house)
    task = await task_of(house)
    police, worker = await house.as_person("quang.police"), await house.as_person("lan.worker")
    name, caption = "anh-be-Thu.png", "Vết bầm ở lưng"
    sent = await attach(police, f"/cases/tasks/{task.id}/documents", [(name, media.png())], caption=caption)
    assert sent.status == 303
    addresses = (f"/cases/tasks/{task.id}", f"/cases/api/tasks/{task.id}")
    for address in addresses:
        assert caption in (await police.get(address)).text
    assert (await act(case, "lan.worker", "cancel-task", task_id=task.id, reason="Đã rõ sự việc")).status == 200
    for address in addresses:
        for client in (police, machine(house, "agency.police")):
            closed = (await client.get(address)).text
            assert "Đã rõ sự việc" in closed, "why it is needed no more"
            assert name not in closed
            assert caption not in closed
        assert caption in (await worker.get(address)).text, "the commune goes on reading"


async def test_a_copy_can_be_unpacked_however_long_its_files_are_called(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    path = f"/cases/c/{case_id}"
    name = "ệ" * 190 + ".png"
    assert (await attach(worker, f"{path}/documents", [(name, media.png())])).status == 303
    token, _ = await token_of(worker, f"{path}/export")
    got = await worker.post(f"{path}/export", data={"form_token": token, "purpose": "Gửi Tòa án"})
    whole = zipfile.ZipFile(io.BytesIO(got.body))
    (packed,) = [known for known in whole.namelist() if "tep-dinh-kem" in known]
    assert len(packed.rpartition("/")[2].encode()) <= 255
    assert packed.endswith("ệ.png")
    (data,) = [whole.read(known).decode() for known in whole.namelist() if known.endswith("case.json")]
    assert name in data


async def test_half_a_surrogate_pair_breaks_nothing(house: House) -> None:
    case = await matter(house)
    worker = await program(house, "lan.worker")
    version = (await house.rows("SELECT version FROM cases"))[0].version
    form = Forms.load().form("02")
    asked = next(known.code for known in form.fields if known.act is None and known.type in ("text", "long"))
    said = {
        "act": "assess-initial",
        "ratings": {row.code: "high" for row in form.rated},
        "level": "high",
        "conclusion": "Nguy cơ cao, cần theo dõi",
        "answers": {asked: "HALF"},
    }
    sealed = orjson.dumps({"version": version, "act": said}).replace(b"HALF", b"\\ud800")
    headers = {**worker.headers, "content-type": "application/json"}
    assert (await worker.ask(f"/cases/api/cases/{case.id}/acts", None, headers, "POST", sealed)).status == 422
    assert await house.rows("SELECT 1 FROM entry WHERE kind = 'risk.initial'") == []
    fields = {"child_name": r"\ud800 Thử", "what_happened": r"\udfff", "said": r"\ud800", "step": "send"}
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    body = ("".join(parts) + "--b--\r\n").encode()
    headers = {
        "content-type": "multipart/form-data; boundary=b; charset=unicode_escape",
        "x-form-token": worker.headers["x-form-token"],
        "if-match": "0",
    }
    for path, method in (("/cases/report", "POST"), ("/cases/search", "POST"), ("/cases/drafts/report/d-1", "PUT")):
        assert (await worker.ask(path, None, headers, method, body)).status < 500, path
