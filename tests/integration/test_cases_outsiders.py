"""Who stands outside a case or was excluded from it does not come in by its files, tasks, lists, codes and merges."""

from __future__ import annotations

from typing import Any

import pytest

from services.cases.store import CaseFilter, list_cases
from shared.identity import Principal, Role
from tests.integration.cases_house import UNIT, Browser, House, act_on, house, token_of
from tests.integration.test_cases_access import JSON, Matter, breaks, is_transferred, joins, matter
from tests.integration.test_cases_documents import attach
from tests.support import media

__all__ = ["house"]

COUSIN = "Là họ hàng của trẻ"
NUL = "Lời có \x00 ở giữa"


async def program(house: House, person: str) -> Browser:
    # A second worker of the commune: only workers merge.
    minh = Principal("minh.worker", "Đỗ Văn Minh", Role.WORKER, frozenset({UNIT}))
    house.app.state.identity.directory.people["minh.worker"] = minh
    client = await house.as_person(person)
    token, _ = await token_of(client, "/cases/access")
    client.headers |= {**JSON, "x-form-token": token}
    return client


async def filed(case: Matter) -> str:
    """A file of the case. Out: its id."""
    worker = await case.house.as_person("lan.worker")
    path = f"/cases/c/{case.id}/documents"
    assert (await attach(worker, path, [("a.png", media.png())], caption="Vết bầm")).status == 303
    return str((await case.house.rows("SELECT id FROM attachment ORDER BY added_at DESC LIMIT 1"))[0].id)


async def act(case: Matter, person: str, act: str, **fields: Any) -> Any:
    """An act on the case, by a person's program."""
    client = await program(case.house, person)
    version = (await case.house.rows("SELECT version FROM cases WHERE id = :id", id=case.id))[0].version
    body = {"version": version, "act": {"act": act, **fields}}
    return await client.post(f"/cases/api/cases/{case.id}/acts", json=body)


async def excluded(case: Matter, person: str) -> None:
    await case.must("binh.chair", "exclude-member", person=person, reason=COUSIN)


async def merged(house: House) -> tuple[Matter, Matter]:
    """Two cases, the first merged into the second."""
    gone, kept = await matter(house, 1), await matter(house, 2)
    answer = await act(gone, "minh.worker", "merge", into=kept.code, reason="Cùng một trẻ")
    assert answer.status == 200, answer.text
    return gone, kept


@pytest.mark.parametrize("way", [joins, breaks("thuong.worker")], ids=["admitted", "glass"])
async def test_who_only_looks_in_attaches_and_removes_nothing(house: House, way: Any) -> None:
    case = await matter(house)
    file = await filed(case)
    await way(case)
    client = await program(house, "thuong.worker")
    path = f"/cases/api/cases/{case.id}/documents"
    assert (await client.get(f"{path}/{file}")).status == 200
    refused = await client.post(f"{path}/{file}/removal", json={"reason": "Thử"})
    assert refused.status == 422
    assert refused.json()["violations"][0]["rule"] == "not-your-document"
    refused = await attach(client, path, [("b.png", media.png())], token="", caption="Thử")
    assert refused.status == 422
    assert len(await house.rows("SELECT 1 FROM attachment_part")) == 1


async def test_a_merged_case_is_open_to_whom_the_case_that_goes_on_is_open_to(house: House) -> None:
    first, second = await merged(house)
    third = await matter(house, 3)
    assert (await act(second, "minh.worker", "merge", into=third.code, reason="Cùng một trẻ")).status == 200
    file = await filed(third)
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE attachment SET case_id = '{first.id}'")
    await excluded(third, "lan.worker")
    client = await program(house, "lan.worker")
    kept_out = (
        f"/cases/c/{first.id}",
        f"/cases/c/{first.id}/documents",
        f"/cases/c/{first.id}/export",
        f"/cases/api/cases/{first.id}",
        f"/cases/api/cases/{first.id}/identity",
        f"/cases/api/cases/{first.id}/documents",
        f"/cases/api/cases/{first.id}/documents/{file}",
        f"/cases/api/cases/{second.id}",
    )
    for path in kept_out:
        assert (await client.get(path)).status in (404, 405), path
    assert (await client.post(f"{kept_out[6]}/removal", json={"reason": "Thử"})).status == 404
    listed = (await client.get("/cases/api/cases?status=merged")).json()["cases"]
    assert listed == []
    await is_transferred(third)
    assert (await (await program(house, "binh.chair")).get(kept_out[3])).status == 404
    assert (await (await program(house, "thuong.worker")).get(kept_out[3])).status == 200


async def test_an_exclusion_in_either_of_two_merged_cases_stands_in_the_one_that_goes_on(house: House) -> None:
    gone, kept = await matter(house, 1), await matter(house, 2)
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE cases SET worker = 'lan.worker' WHERE id = '{kept.id}'")
    await excluded(gone, "lan.worker")
    assert (await (await program(house, "lan.worker")).get(f"/cases/api/cases/{kept.id}")).status == 200
    assert (await act(gone, "minh.worker", "merge", into=kept.code, reason="Cùng một trẻ")).status == 200
    assert (await (await program(house, "lan.worker")).get(f"/cases/api/cases/{kept.id}")).status == 404
    assert (await house.rows("SELECT worker FROM cases WHERE id = :id", id=kept.id))[0].worker == "minh.worker"


async def test_whom_the_chair_admits_again_after_a_merge_sees_both_files_and_finds_both_in_lists(house: House) -> None:
    gone, kept = await matter(house, 1), await matter(house, 2)
    await joins(gone)
    await joins(kept)
    await excluded(gone, "thuong.worker")
    assert (await act(gone, "minh.worker", "merge", into=kept.code, reason="Cùng một trẻ")).status == 200
    client = await program(house, "thuong.worker")
    # The exclusion of one of the two wins over the membership of the other.
    for case in (gone, kept):
        assert (await client.get(f"/cases/api/cases/{case.id}")).status == 404
    door = (await client.get("/cases/access")).text
    assert gone.code not in door
    assert kept.code not in door
    await kept.must("binh.chair", "admit-member", person="thuong.worker")
    for case in (gone, kept):
        assert (await client.get(f"/cases/api/cases/{case.id}")).status == 200
    async with house.database.transaction() as connection:
        wanted = CaseFilter("merged", reader="thuong.worker")
        listed = (await list_cases(connection, "all", wanted, house.now, limit=10, order="opened")).rows
    assert [row.code for row in listed] == [gone.code]
    assert kept.code in (await client.get("/cases/access")).text
    # Parted again, each file's own decision stands.
    assert (await act(gone, "minh.worker", "undo-merge", reason="Hai trẻ khác nhau")).status == 200
    client = await program(house, "thuong.worker")
    assert (await client.get(f"/cases/api/cases/{gone.id}")).status == 404
    assert (await client.get(f"/cases/api/cases/{kept.id}")).status == 200


async def test_an_exclusion_made_after_a_merge_goes_back_with_the_case_that_is_taken_out_again(house: House) -> None:
    gone, kept = await merged(house)
    await excluded(kept, "lan.worker")
    assert (await act(gone, "minh.worker", "undo-merge", reason="Hai trẻ khác nhau")).status == 200
    client = await program(house, "lan.worker")
    for case in (gone, kept):
        assert (await client.get(f"/cases/api/cases/{case.id}")).status == 404


async def test_an_excluded_officer_finds_neither_the_task_nor_the_child_nor_its_files(house: House) -> None:
    case = await matter(house)
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    client = await program(house, "quang.police")
    assert case.code in (await client.get("/cases/tasks")).text
    await excluded(case, "quang.police")
    row = (await house.rows("SELECT state, cause FROM member WHERE person = 'quang.police'"))[0]
    assert tuple(row) == ("left", "excluded")
    api = f"/cases/api/tasks/{task}"
    for path in (f"/cases/tasks/{task}", api, f"{api}/child", f"{api}/documents"):
        assert (await client.get(path)).status == 404, path
    refused = await client.post(f"{api}/answers", json={"answer": "accepted"})
    assert refused.status == 422
    assert refused.json()["violations"][0]["rule"] == "task-unknown"
    assert (await attach(client, f"{api}/documents", [("a.png", media.png())], token="")).status == 404
    assert case.code not in (await client.get("/cases/tasks")).text
    assert (await client.get("/cases/api/tasks")).json()["tasks"] == []


async def test_the_commune_s_task_list_hides_what_its_reader_is_kept_out_of(house: House) -> None:
    case = await matter(house)
    client = await program(house, "lan.worker")
    assert case.code in (await client.get("/cases/tasks?awaited=sector")).text
    await excluded(case, "lan.worker")
    assert case.code not in (await client.get("/cases/tasks?awaited=sector")).text
    assert (await client.get("/cases/api/tasks")).json()["total"] == 0


async def test_a_code_of_a_case_that_the_actor_is_excluded_from_is_unknown(house: House) -> None:
    hidden, own = await matter(house, 1), await matter(house, 2)
    await excluded(hidden, "lan.worker")
    for name, fields in (("link-sibling", "other"), ("merge", "into")):
        said = []
        for code in (hidden.code, "TN-2026-999999"):
            answer = await act(own, "lan.worker", name, **{fields: code, "reason": "Thử"})
            assert answer.status == 422
            said.append(answer.json()["violations"])
        assert said[0] == said[1]
        assert said[0][0]["rule"] == "case-unknown"


async def test_excluding_who_broke_the_glass_closes_it(house: House) -> None:
    case = await matter(house)
    await breaks("thuong.worker")(case)
    client = await program(house, "thuong.worker")
    assert (await client.get(f"/cases/api/cases/{case.id}/identity")).status == 200
    door = (await (await house.as_person("binh.chair")).get(f"/cases/c/{case.id}/access")).text
    assert '<option value="thuong.worker"' in door
    await excluded(case, "thuong.worker")
    assert (await client.get(f"/cases/api/cases/{case.id}/identity")).status == 404
    again = await case.does("thuong.worker", "break-glass", purpose="new-report", reason="Lý do đủ dài để mở")
    assert again.status == 404


async def test_a_text_that_cannot_be_kept_is_refused_beside_its_field(house: House) -> None:
    case = await matter(house)
    file = await filed(case)
    worker = await program(house, "lan.worker")
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    answers = [
        await act(case, "lan.worker", "note", text=NUL),
        await case.does("thuong.worker", "request-access", reason=NUL),
        await worker.post(f"/cases/api/cases/{case.id}/documents/{file}/removal", json={"reason": NUL}),
        await attach(worker, f"/cases/api/cases/{case.id}/documents", [("b.png", media.png())], token="", caption=NUL),
        await worker.post(f"/cases/api/tasks/{task}/answers", json={"answer": "question", "question": NUL}),
    ]
    for answer in answers:
        assert answer.status == 422, answer.text
        assert answer.json()["violations"][0]["rule"] == "nul-character", answer.text
    page = await act_on(await house.as_person("lan.worker"), f"/cases/c/{case.id}", "note", {"note.text": NUL})
    assert page.status == 422
