"""Intake on a real database: several children, advice, drafts that are sent, who reported, what is refused where."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.integration.cases_house import (
    NAME,
    START,
    UNIT,
    Browser,
    House,
    act_on,
    concern,
    house,
    opened,
    token_of,
)
from tests.support.visitor import Answer

__all__ = ["house"]
BROTHER = "Nguyễn Văn Thử Em"
SISTER = "Nguyễn Thị Thử Út"
REPORTER = {"name": "Phạm Văn Hàng Xóm", "phone": "0987000111", "relation": "hàng xóm"}


async def send_form(client: Browser, **fields: str) -> Answer:
    token, page = await token_of(client, "/cases/report")
    report_id = re.search(r'name="report_id" value="([^"]+)"', page)
    assert report_id
    form = {"form_token": token, "report_id": report_id.group(1), "step": "send", "danger_now": "no", **fields}
    return await client.post("/cases/report", data=form)


async def test_each_child_of_a_report_gets_a_case_a_key_and_its_siblings(house: House) -> None:
    first = await opened(house, more_children=[{"name": BROTHER, "age": 4, "sex": "male"}, {"name": SISTER}])
    told = await house.said("case.opened")
    assert len(told) == 3
    assert {event["data"]["concern_id"] for event in told} == {told[0]["data"]["concern_id"]}
    assert [event["data"]["facts"]["age_band"] for event in told] == ["6-10", "4-5", "unknown"]
    due = [event["data"]["due"] for event in await house.said("deadline.started")]
    assert due == ["2026-11-24T13:00:00Z"] * 6, "twelve hours from the receipt for each of them, to assess and to act"
    siblings = [(event["key"], event["data"]["other_case_id"]) for event in await house.said("case.sibling-linked")]
    ids = [event["data"]["case_id"] for event in told]
    assert siblings == [(ids[1], ids[0]), (ids[2], ids[0]), (ids[2], ids[1])]
    assert len(await house.rows("SELECT 1 FROM case_link WHERE why = 'same-report'")) == 6
    kids = {event["data"]["child"]["kid"] for event in await house.said("child.described")}
    assert kids == {f"case/{case_id}" for case_id in ids}
    worker = await house.as_person("lan.worker")
    pages = [(await worker.get(f"/cases/c/{case_id}")).text for case_id in ids]
    assert [[name in page for name in (NAME, BROTHER, SISTER)] for page in pages] == [
        [True, False, False],
        [False, True, False],
        [False, False, True],
    ]
    assert all("Bị đánh nhiều lần" in page for page in pages)
    codes = [row.code for row in await house.rows("SELECT code FROM cases ORDER BY code")]
    assert all(code in page for page in pages for code in codes), "each names its siblings' cases"
    async with house.database.transaction() as connection:
        await house.keys.erase(connection, f"case/{first}")
    assert NAME not in (await worker.get(f"/cases/c/{first}")).text
    assert BROTHER in (await worker.get(f"/cases/c/{ids[1]}")).text, "another child's erasure is not this one's"


async def test_what_a_sector_needs_of_a_sibling_is_of_that_sibling(house: House) -> None:
    await opened(house, more_children=[{"name": BROTHER, "age": 4}])
    brother = (await house.said("case.opened"))[1]["data"]["case_id"]
    task = (await house.rows("SELECT id FROM task WHERE case_id = :id AND sector = 'police'", id=brother))[0].id
    page = (await (await house.as_person("quang.police")).get(f"/cases/tasks/{task}")).text
    assert BROTHER in page
    assert NAME not in page


async def test_a_correction_changes_the_children_before_triage_and_never_drops_a_case_after_it(house: House) -> None:
    two = concern(more_children=[{"name": BROTHER}])
    await house.send(("concern.reported", "C-1", two))
    await house.send(("concern.reported", "C-1", concern(more_children=[{"name": SISTER}, {"name": BROTHER}])))
    await house.send(("concern.reported", "C-1", {**two, "measures_taken": "Đã báo bà ngoại"}))
    row = (await house.rows("SELECT id, children FROM concern"))[0]
    assert row.children == 2
    worker = await house.as_person("lan.worker")
    page = (await worker.get(f"/cases/concerns/{row.id}")).text
    assert BROTHER in page
    assert SISTER not in page
    assert (await act_on(worker, f"/cases/concerns/{row.id}", "open", {})).status == 303
    assert len(await house.rows("SELECT 1 FROM cases")) == 2
    await house.send(
        ("concern.reported", "C-1", concern(more_children=[{"name": BROTHER, "age": 5}, {"name": SISTER, "age": 2}]))
    )
    cases = await house.rows("SELECT id, age_band FROM cases ORDER BY code")
    assert [case.age_band for case in cases] == ["6-10", "4-5", "0-3"]
    await house.send(("concern.reported", "C-1", concern()))
    assert len(await house.rows("SELECT 1 FROM cases WHERE status = 'open'")) == 3
    assert "không còn nhắc đến trẻ này" in (await worker.get(f"/cases/c/{cases[1].id}")).text
    named_again = concern(more_children=[{"name": BROTHER, "age": 6}])
    assert (await house.send(("concern.reported", "C-1", named_again)))[0].outcome == "corrected"
    assert [row.age_band for row in await house.rows("SELECT age_band FROM cases ORDER BY code")][1] == "6-10"
    assert len(await house.rows("SELECT 1 FROM cases")) == 3


async def test_a_report_of_several_is_linked_with_or_without_cases_for_the_others(house: House) -> None:
    await opened(house)
    code = (await house.rows("SELECT code FROM cases"))[0].code
    worker = await house.as_person("lan.worker")
    for number, others, cases in ((2, "known", 1), (3, "open", 2)):
        await house.send(("concern.reported", f"C-{number}", concern(more_children=[{"name": BROTHER}])))
        waiting = (await house.rows("SELECT id FROM concern WHERE status = 'received'"))[0].id
        fields = {"link.case_code": code, "link.others": others}
        assert (await act_on(worker, f"/cases/concerns/{waiting}", "link", fields)).status == 303
        assert len(await house.rows("SELECT 1 FROM cases")) == cases
    assert len(await house.rows("SELECT 1 FROM case_link")) == 2


async def test_a_merge_of_a_siblings_case_leaves_the_report_with_the_first(house: House) -> None:
    first = await opened(house, more_children=[{"name": BROTHER}])
    await house.send(("concern.reported", "C-2", concern(danger_now="yes", child={"name": BROTHER})))
    brother, other = (event["data"]["case_id"] for event in (await house.said("case.opened"))[1:])
    code = (await house.rows("SELECT code FROM cases WHERE id = :id", id=other))[0].code
    worker = await house.as_person("lan.worker")
    merge = {"merge.into": code, "merge.reason": "Cùng một trẻ"}
    assert (await act_on(worker, f"/cases/c/{brother}", "merge", merge)).status == 303
    assert (await worker.get(f"/cases/c/{other}")).text.count(BROTHER) >= 2
    rows = await house.rows("SELECT case_id FROM concern ORDER BY code")
    assert [row.case_id for row in rows] == [first, other]


async def test_codes_that_no_list_has_are_refused_by_name_at_every_door(house: House) -> None:
    wrong = {"kinds": ["violence", "spanking"], "environment": "moon", "harmer": "ghost"}
    by_agency = await house.send(("concern.reported", "C-1", concern(**wrong)))
    named = [(known.field, known.rule) for known in by_agency[0].violations]
    assert named == [
        ("data.kinds.1", "kind-unknown"),
        ("data.environment", "environment-unknown"),
        ("data.harmer", "harmer-unknown"),
    ]
    request = await house.send(("concern.reported", "C-2", concern(request="money")))
    assert [known.field for known in request[0].violations] == ["data.request"]
    client = await house.as_person("mai.hotline")
    token, _ = await token_of(client, "/cases/report")
    by_api = await client.post(
        "/cases/api/concerns", json=concern(**wrong), headers={"x-form-token": token, "accept": "application/json"}
    )
    assert [known["rule"] for known in by_api.json()["violations"]] == [rule for _, rule in named]
    page = await send_form(client, what_happened="Nghe kể", main_kind="spanking", environment="moon", harmer="ghost")
    assert page.status == 422
    for name in ("main_kind", "environment", "harmer"):
        assert f'id="f-{name}-error"' in page.text
    assert await house.rows("SELECT 1 FROM concern") == []
    twice = await house.send(("concern.reported", "C-3", concern(kinds=["neglect", "neglect", "violence"])))
    assert twice[0].outcome == "accepted"
    assert (await house.rows("SELECT kinds FROM concern"))[0].kinds == ["neglect", "violence"]


async def test_a_question_is_answered_counted_and_may_still_prove_to_be_protection(house: House) -> None:
    client = await house.as_person("mai.hotline")
    asked = {"request": "counselling", "what_happened": "Con không chịu đi học, hỏi cách nói chuyện", "unit": UNIT}
    at_once = await send_form(client, **asked, answer="advised", answer_words="Đã hướng dẫn lắng nghe con")
    assert at_once.status == 303
    told = (await house.said("concern.answered"))[0]["data"]
    assert (told["answer"], told["facts"]["status"], told["facts"]["request"]) == ("advised", "answered", "counselling")
    assert "lắng nghe" not in str(await house.said()) + str(await house.rows("SELECT concern::text FROM concern"))
    assert "Đã hướng dẫn lắng nghe con" in (await client.get(at_once.headers["location"])).text
    await send_form(client, **asked)
    waiting = (await house.rows("SELECT id FROM concern WHERE status = 'received'"))[0].id
    worker = await house.as_person("lan.worker")
    wrong = await act_on(
        worker, f"/cases/concerns/{waiting}", "answer", {"answer.answer": "shouted", "answer.words": "x"}
    )
    assert (wrong.status, 'id="f-answer-answer-error"' in wrong.text) == (422, True)
    assert (await act_on(worker, f"/cases/concerns/{waiting}", "open", {})).status == 303
    facts = (await house.said("concern.received"))[-1]["data"]["facts"]
    assert (facts["status"], facts["request"]) == ("opened", "protection")
    half = await send_form(client, what_happened="Bị đánh", answer="advised", answer_words="Đã nghe")
    assert half.status == 422, "a report that asks for protection is not settled by an answer"
    assert 'id="f-answer-error"' in half.text
    assert len(await house.rows("SELECT 1 FROM concern")) == 2


async def test_danger_makes_a_case_of_a_question_too(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern(request="information", danger_now="yes")))
    assert len(await house.said("case.opened")) == 1


async def test_who_reported_is_known_to_intake_alone(house: House) -> None:
    client = await house.as_person("mai.hotline")
    sent = await send_form(
        client,
        what_happened="Bị đánh",
        unit=UNIT,
        child_name=NAME,
        reporter_agrees="yes",
        reporter_name=REPORTER["name"],
        reporter_phone=REPORTER["phone"],
        relation=REPORTER["relation"],
    )
    path = sent.headers["location"].split("?")[0]
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    coordinator = await house.as_person("ha.coordinator")
    assert REPORTER["name"] in (await client.get(path)).text
    assert REPORTER["name"] in (await worker.get(path)).text, "the worker may call back while the report waits"
    for other in (chair, coordinator):
        page = (await other.get(path)).text
        assert REPORTER["name"] not in page
        assert REPORTER["phone"] not in page
    assert (await act_on(worker, path, "open", {})).status == 303
    case_id = (await house.rows("SELECT id FROM cases"))[0].id
    request = {"request-task.sector": "police", "request-task.kind": "verification", "request-task.due": "2026-11-30"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "request-task", request)).status == 303
    task = (await house.rows("SELECT id FROM task"))[0].id
    worker.headers["accept"] = "application/json"
    officer = await house.as_person("quang.police")
    after = [
        (await worker.get(f"/cases/c/{case_id}")).text,
        (await worker.get(path)).text,
        (await worker.get(f"/cases/api/cases/{case_id}/identity")).text,
        (await officer.get(f"/cases/tasks/{task}")).text,
        str(await house.said()),
    ]
    for page in after:
        assert REPORTER["name"] not in page
        assert REPORTER["phone"] not in page
        # What the choices of a form say of anybody is not what was said of the reporter.
        assert REPORTER["relation"] not in re.sub(r"<option.*?</option>", "", page)
    assert REPORTER["name"] in (await client.get(path)).text


async def test_a_reporter_who_did_not_agree_is_not_written_down_and_nothing_typed_is_lost(house: House) -> None:
    client = await house.as_person("mai.hotline")
    refused = await send_form(client, what_happened="Bị bỏ đói", reporter_name="Người Giấu Tên")
    assert refused.status == 422
    assert 'id="f-reporter_name-error"' in refused.text
    assert "Bị bỏ đói</textarea>" in refused.text
    assert 'value="Người Giấu Tên"' in refused.text
    assert 'data-draft-version="1"' in refused.text, "what was refused is a draft already"
    anonymous = await send_form(client, what_happened="Bị bỏ đói")
    assert anonymous.status == 303
    assert "reporter" not in (await house.rows("SELECT said FROM concern"))[0].said


async def test_a_report_with_almost_nothing_known_is_taken_and_one_with_nothing_is_not(house: House) -> None:
    client = await house.as_person("mai.hotline")
    assert (await send_form(client, child_age="6")).status == 303
    assert (await house.rows("SELECT age_band, unit FROM concern"))[0] == ("6-10", "unclassified")
    nothing = await send_form(client)
    assert (nothing.status, 'id="f-what_happened-error"' in nothing.text) == (422, True)


async def test_a_refused_form_becomes_a_draft_and_a_sent_one_ceases_to_be_one(house: House) -> None:
    client = await house.as_person("mai.hotline")
    token, page = await token_of(client, "/cases/report")
    found = re.search(r'name="report_id" value="([^"]+)"', page)
    assert found
    form = {
        "form_token": token,
        "report_id": found.group(1),
        "child_name": NAME,
        "main_kind": "neglect",
        "child_age": "xx",
        "children": "2",
        "child2_name": BROTHER,
    }
    assert (await client.post("/cases/report", data={**form, "step": "send"})).status == 422
    start = (await client.get("/cases/")).text
    assert f"/cases/report?draft={found.group(1)}" in start
    assert NAME not in start, "the list opens nothing"
    again = (await client.get("/cases/report", {"draft": found.group(1)})).text
    assert NAME in again
    assert BROTHER in again
    assert '<option value="neglect" selected>' in again
    stranger = await house.as_person("lan.worker")
    assert NAME not in (await stranger.get("/cases/report", {"draft": found.group(1)})).text
    sent = await client.post("/cases/report", data={**form, "child_age": "7", "step": "send"})
    assert sent.status == 303
    assert await house.rows("SELECT 1 FROM draft WHERE body IS NOT NULL OR wrapped IS NOT NULL") == []
    assert "draft=" not in (await client.get("/cases/")).text
    twice = await client.post("/cases/report", data={**form, "child_age": "7", "step": "send"})
    assert twice.headers["location"] == sent.headers["location"]
    assert len(await house.rows("SELECT 1 FROM concern")) == 1


async def test_children_are_added_and_removed_without_scripts(house: House) -> None:
    client = await house.as_person("mai.hotline")
    token, _ = await token_of(client, "/cases/report")
    form = {"form_token": token, "report_id": "r-9", "children": "3", "child_name": "Một", "child2_name": "Hai"}
    form |= {"child3_name": "Ba", "child3_sex": "female", "what_happened": "Ba trẻ ở nhà một mình"}
    more = (await client.post("/cases/report", data={**form, "step": "add-child"})).text
    assert 'name="child4_name"' in more
    fewer = (await client.post("/cases/report", data={**form, "step": "drop-child-2"})).text
    assert 'name="child2_name" type="text" value="Ba"' in fewer
    assert 'name="child3_name"' not in fewer
    full = await client.post("/cases/report", data={**form, "children": "21", "step": "add-child"})
    assert (full.status, 'id="f-children-error"' in full.text) == (422, True)
    assert (await client.post("/cases/report", data={**form, "children": "22", "step": "send"})).status == 422
    assert (await client.post("/cases/report", data={**form, "step": "send"})).status == 303
    assert (await house.rows("SELECT children FROM concern"))[0].children == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("child_name", "x" * 301),
        ("child_name", "Lan\x00Anh"),
        ("what_happened", "x" * 20_001),
        ("received_at", "2027-01-01T10:00"),
        ("received_at", "hôm qua"),
        ("received_at", "0001-01-01T00:00"),
        ("child_birth_date", "31/02/2016"),
        ("child_birth_date", "2030-01-01"),
        ("child_age", "-1"),
        ("child_age", "²"),
        ("unit", "lang"),
        ("carer_phone", "9" * 301),
        ("father_job", "y" * 301),
        ("condition", "z" * 20_001),
        ("channel", "pigeon"),
        ("danger_now", "maybe"),
        ("request", "money"),
    ],
)
async def test_wrong_input_is_refused_beside_its_field_and_comes_back_as_typed(
    house: House, field: str, value: str
) -> None:
    client = await house.as_person("mai.hotline")
    refused = await send_form(client, **{"what_happened": "Một việc", "child_school": "Trường Thử", field: value})
    assert refused.status == 422
    assert f'id="f-{field}-error"' in refused.text
    assert "Trường Thử" in refused.text
    assert await house.rows("SELECT 1 FROM concern") == []


async def test_long_names_and_a_commune_without_diacritics_are_taken(house: House) -> None:
    client = await house.as_person("mai.hotline")
    name = "Nguyễn " * 28 + "Lan"
    sent = await send_form(client, child_name=name, unit="phan dinh phung", received_at="2026-11-24T07:30")
    assert sent.status == 303
    assert (await house.rows("SELECT unit FROM concern"))[0].unit == UNIT
    assert name in (await client.get(sent.headers["location"])).text


async def test_the_hotline_learns_what_became_of_its_report_and_no_more(house: House) -> None:
    client = await house.as_person("mai.hotline")
    sent = await send_form(client, child_name=NAME, unit=UNIT, what_happened="Bị đánh")
    path = sent.headers["location"].split("?")[0]
    worker = await house.as_person("lan.worker")
    assert (await act_on(worker, path, "open", {})).status == 303
    case = (await house.rows("SELECT id, code FROM cases"))[0]
    start = (await client.get("/cases/")).text
    assert "Đã mở vụ việc" in start
    assert "Tiếp nhận</span>" in start
    assert (await client.get(f"/cases/c/{case.id}")).status == 404
    await house.rows("UPDATE cases SET status = 'closed', step = 'closed', outcome = 'stable' RETURNING id")
    assert "Trẻ an toàn, ổn định" in (await client.get("/cases/")).text
    assert "Trẻ an toàn, ổn định" in (await client.get(path)).text


async def test_a_forwarded_report_keeps_why_sealed_for_who_takes_it_over(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern(unit=None, unit_text="Đâu đó")))
    waiting = (await house.rows("SELECT id FROM concern"))[0].id
    coordinator = await house.as_person("ha.coordinator")
    fields = {"forward.to_unit": UNIT, "forward.reason": "Nhà cháu ở tổ 5"}
    assert (await act_on(coordinator, f"/cases/concerns/{waiting}", "forward", fields)).status == 303
    assert "tổ 5" not in str(await house.rows("SELECT concern::text FROM concern"))
    worker = await house.as_person("lan.worker")
    assert "Nhà cháu ở tổ 5" in (await worker.get(f"/cases/concerns/{waiting}")).text


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_page_of_intake_speaks_both_languages_and_stays_small(house: House, language: str) -> None:
    await house.send(
        ("concern.reported", "C-1", concern(danger_now="yes", more_children=[{"name": BROTHER}])),
        ("concern.reported", "C-2", concern(request="counselling", more_children=[{"name": BROTHER}])),
    )
    waiting = (await house.rows("SELECT id FROM concern WHERE status = 'received'"))[0].id
    client, worker = await house.as_person("mai.hotline"), await house.as_person("lan.worker")
    refused = await send_form(client, children="21", child_name=NAME, child_age="x")
    pages = [
        await client.get("/cases/", {"lang": language}),
        await client.get("/cases/", {"lang": language, "done": "draft"}),
        await worker.get("/cases/search", {"lang": language}),
        await worker.get(f"/cases/concerns/{waiting}", {"lang": language}),
        await client.get("/cases/report", {"lang": language}),
    ]
    for page in pages:
        assert page.status == 200
        assert f'lang="{language}"' in page.text
        assert len(page.body) < 100_000
    assert refused.status == 422
    assert len(refused.body) < 100_000
    token, _ = await token_of(worker, "/cases/search")
    found = await worker.post("/cases/search", data={"form_token": token, "said": NAME}, params={"lang": language})
    assert ("Tìm thấy" if language == "vi" else "Found") in found.text


async def test_an_agencys_correction_takes_nothing_away_from_a_case_in_work(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern(danger_now="yes")))
    bare = {"received_at": START.isoformat(), "danger_now": "yes", "unit": "05455"}
    worker = await house.as_person("lan.worker")
    case_id = (await house.rows("SELECT id FROM cases"))[0].id
    verified = {"verify.confirmed": "true", "verify.findings": "Đã gặp trẻ"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "verify", verified)).status == 303
    assert [result.outcome for result in await house.send(("concern.reported", "C-1", bare))] == ["corrected"]
    page = await worker.get(f"/cases/c/{case_id}")
    assert page.status == 200, "a case that is worked on stays with its commune"
    assert NAME in page.text
    assert "Bị đánh nhiều lần" in page.text


async def test_a_report_sent_twice_at_once_is_one_report_and_one_case(house: House) -> None:
    worker = await house.as_person("lan.worker")
    token, _ = await token_of(worker, "/cases/report")
    worker.headers |= {"accept": "application/json", "x-form-token": token}
    sent = [
        worker.post("/cases/api/concerns", params={"report_id": "r-1"}, json=concern(danger_now="yes"))
        for _ in range(4)
    ]
    answers = [(await answer).json() for answer in [asyncio.create_task(one) for one in sent]]
    assert len({answer["code"] for answer in answers}) == 1
    assert len(await house.rows("SELECT 1 FROM cases")) == 1
    assert len(await house.rows("SELECT 1 FROM task")) == 2
    assert len(await house.said("case.opened")) == 1
