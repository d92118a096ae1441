"""Tasks between commune and sectors on a real database: the whole saga, its faults, and who sees what of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from unicodedata import normalize

import pytest

from services.cases.reading import needs_of
from shared.contracts.vocabulary import SECTORS
from shared.messaging.processing import Result
from tests.integration.cases_house import (
    NAME,
    START,
    House,
    act_on,
    concern,
    house,
    opened,
    token_of,
)
from tests.integration.cases_requests import HOUR, answer, by_id, request, task_of

__all__ = ["house"]

OFFICERS = {
    "hotline": "mai.hotline",
    "health": "duc.health",
    "education": "hoa.education",
    "police": "quang.police",
    "dolisa": "thao.dolisa",
    "justice": "khanh.justice",
    "unions": "nhung.unions",
}
# A child of whom everything is known: whatever opens too much would show some of it.
CHILD = {
    "name": NAME,
    "birth_date": "2017-03-09",
    "age": 9,
    "sex": "female",
    "number": "019317004242",
    "ethnicity": "Sán Dìu",
    "address": "Ngõ Chín Mươi",
    "hamlet": "Xóm Bảy Sáu",
    "school": "Trường Hoa Xoan",
    "grade": "Lớp Ba Tư",
    "carers": [{"name": "Lê Thị Chăm Nom", "phone": "0912000111", "relation": "bà ngoại"}],
}
MARKS = {
    "name": [NAME],
    "birth_date": ["09/03/2017", "2017-03-09"],
    "address": ["Ngõ Chín Mươi"],
    "hamlet": ["Xóm Bảy Sáu"],
    "school": ["Trường Hoa Xoan"],
    "grade": ["Lớp Ba Tư"],
    "carers": ["Lê Thị Chăm Nom", "0912000111"],
    "what_happened": ["Bị đánh nhiều lần"],
    "number": ["019317004242"],
    "ethnicity": ["Sán Dìu"],
    "reporter": ["Người Báo Tin", "0987654321"],
    "unit_text": ["Sau chợ Mới"],
}


def rule(result: Result) -> str:
    assert result.outcome == "rejected", result
    return result.violations[0].rule


async def test_a_whole_conversation_by_event_and_page(house: House) -> None:
    case_id = await opened(house)
    police = await task_of(house)
    officer, worker = await house.as_person("quang.police"), await house.as_person("lan.worker")
    assert "Chưa xem" in (await worker.get(f"/cases/c/{case_id}")).text
    house.now += HOUR
    assert (await officer.get(f"/cases/tasks/{police.id}")).status == 200
    seen = await by_id(house, police.id)
    assert seen.seen_at == house.now
    case = (await house.rows("SELECT version FROM cases"))[0]
    await officer.get(f"/cases/tasks/{police.id}")
    assert (await house.rows("SELECT count(*) FROM entry WHERE kind = 'task.seen'"))[0][0] == 1
    assert (await house.rows("SELECT version FROM cases"))[0] == case, "a look makes no form stale"
    assert (await answer(house, police.id, "question", "A-1", question="Nhà ở tổ mấy?")).outcome == "accepted"
    told = (await house.said("task.questioned"))[0]["data"]
    assert (told["state"], told["question"]["kid"]) == ("requested", f"case/{case_id}")
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert "Chờ xã, phường trả lời" in page
    assert "Nhà ở tổ mấy?" in page
    assert "Nhà ở tổ mấy?" not in str(await house.rows("SELECT entry::text FROM entry"))
    waiting = (await worker.get("/cases/tasks")).text
    assert f"/cases/c/{case_id}#task-{police.id}" in waiting
    reply = {"reply-task.task_id": police.id, "reply-task.reply": "Tổ 5, cạnh nhà văn hóa"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "reply-task", reply)).status == 303
    assert "Tổ 5, cạnh nhà văn hóa" in (await officer.get(f"/cases/tasks/{police.id}")).text
    assert (await house.said("task.replied"))[0]["data"]["reply"]["kid"] == f"case/{case_id}"
    token, _ = await token_of(officer, f"/cases/tasks/{police.id}")
    form = {"form_token": token, "answer": "done", "summary": "Đã gặp gia đình", "reason": "gõ nhầm ô"}
    assert (await officer.post(f"/cases/tasks/{police.id}", data=form)).status == 303
    assert (await by_id(house, police.id)).state == "done"
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert "Đã gặp gia đình" in page
    assert "gõ nhầm ô" not in page, "what belongs to no chosen answer is not kept"


async def test_a_proposed_date_waits_on_pages_until_the_commune_agrees_or_not(house: House) -> None:
    case_id = await opened(house)
    health = await request(house, case_id, "health", "psychological-support")
    officer, worker = await house.as_person("duc.health"), await house.as_person("lan.worker")
    token, _ = await token_of(officer, f"/cases/tasks/{health.id}")
    form = {"form_token": token, "answer": "new-date", "new_date": "2026-12-04", "date_reason": "Bác sĩ đi công tác"}
    assert (await officer.post(f"/cases/tasks/{health.id}", data=form)).status == 303
    proposed = await by_id(house, health.id)
    assert (proposed.due, proposed.awaited, proposed.pending) == (health.due, "commune", "date")
    assert "Ngành đang chờ xã, phường" in (await officer.get("/cases/")).text
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert "Bác sĩ đi công tác" in page
    assert "Đồng ý ngày 04/12/2026" in page
    agreed = await act_on(worker, f"/cases/c/{case_id}", "agree-date", {"agree-date.task_id": health.id})
    assert agreed.status == 303
    after = await by_id(house, health.id)
    assert (after.due, after.state, after.awaited) == (proposed.proposed_due, "accepted", "sector")
    assert [event["type"] for event in await house.said()][-2:] == ["task.replied", "task.accepted"]


async def test_faults_of_answers_by_event_each_have_their_outcome(house: House) -> None:
    case_id = await opened(house)
    police, worker = await task_of(house), await house.as_person("lan.worker")
    assert rule(await answer(house, "nothing", "done", "F-1")) == "task-unknown"
    assert rule(await answer(house, police.id, "done", "F-2", sector="health")) == "task-of-another-sector"
    assert rule(await answer(house, police.id, "declined", "F-3")) == "reason-missing"
    assert rule(await answer(house, police.id, "question", "F-4")) == "question-missing"
    past, beyond = (START - HOUR).isoformat(), (START + 50 * HOUR).isoformat()
    assert rule(await answer(house, police.id, "new-date", "F-5", new_date=past)) == "new-date-past"
    assert rule(await answer(house, police.id, "new-date", "F-6", new_date=beyond)) == "new-date-beyond-law"
    assert rule(await answer(house, police.id, "new-date", "F-7", new_date="mai")) == "data.new_date"
    assert rule(await answer(house, police.id, "maybe", "F-8")) == "data.answer"
    assert (await by_id(house, police.id)).answer is None, "nothing of what was refused is taken over"
    house.now += HOUR
    # A sender mends what was refused with the same id: it is no correction of anything.
    assert (await answer(house, police.id, "declined", "F-3", reason="Hết quân")).outcome == "accepted"
    assert (await by_id(house, police.id)).seen_at == house.now, "an answer before the first look is a look, too"
    assert rule(await answer(house, police.id, "done", "F-9")) == "task-closed"
    mended = await answer(house, police.id, "done", "F-3", summary="Đã làm được")
    assert (mended.outcome, (await by_id(house, police.id)).state) == ("corrected", "done")
    assert rule(await answer(house, police.id, "declined", "F-10", reason="Trái ngược")) == "task-closed"
    health = await task_of(house, "health")
    cancel = {"cancel-task.task_id": health.id, "cancel-task.reason": "Đã khám rồi"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "cancel-task", cancel)).status == 303
    assert rule(await answer(house, health.id, "done", "F-11", sector="health")) == "task-cancelled"


async def test_the_same_answer_twice_is_one(house: House) -> None:
    await opened(house)
    police = await task_of(house)
    assert (await answer(house, police.id, "accepted", "A-1")).outcome == "accepted"
    assert (await answer(house, police.id, "accepted", "A-1")).outcome == "duplicate"
    assert (await answer(house, police.id, "accepted", "A-2")).outcome == "accepted"
    assert len(await house.said("task.accepted")) == 1
    assert (await house.rows("SELECT count(*) FROM entry WHERE kind = 'task.accepted'"))[0][0] == 1


async def test_answers_out_of_order_by_hours_leave_the_later_one_standing(house: House) -> None:
    await opened(house)
    police = await task_of(house)
    house.now += 6 * HOUR
    done = await answer(house, police.id, "done", "A-2", at=START + 5 * HOUR, summary="Xong")
    late = await answer(house, police.id, "accepted", "A-1", at=START + 2 * HOUR)
    assert (done.outcome, rule(late), late.violations[0].field) == ("accepted", "answer-late", "time")
    assert "2026-11-24T06:00:00+00:00" in late.violations[0].message_en
    assert (await by_id(house, police.id)).state == "done"
    buried = await house.rows("SELECT * FROM outbox WHERE aggregatetype = 'replies.police.v1'")
    assert len(buried) == 1, "the sender is told"
    assert b"answer-late" in bytes(buried[0].payload)


async def test_one_bad_answer_between_good_ones_costs_the_good_ones_nothing(house: House) -> None:
    await house.send(*[("concern.reported", f"C-{number}", concern(danger_now="yes")) for number in range(3)])
    rows = await house.rows("SELECT id FROM task WHERE sector = 'police' ORDER BY case_id")
    results = await house.send(
        ("task.answered", "A-1", {"task_id": rows[0].id, "answer": "done"}),
        ("task.answered", "A-2", {"task_id": rows[1].id, "answer": "declined"}),
        ("task.answered", "A-3", {"task_id": "nothing", "answer": "done"}),
        ("task.answered", "A-4", {"task_id": rows[2].id, "answer": "done"}),
        sector="police",
    )
    assert [result.outcome for result in results] == ["accepted", "rejected", "rejected", "accepted"]
    states = [(await by_id(house, row.id)).state for row in rows]
    assert states == ["done", "requested", "done"]
    assert await house.rows("SELECT 1 FROM parked") == []


async def test_an_answer_to_a_merged_cases_task_reaches_what_took_its_place(house: House) -> None:
    await house.send(*[("concern.reported", f"C-{number}", concern(danger_now="no")) for number in range(3)])
    worker = await house.as_person("lan.worker")
    for row in await house.rows("SELECT id FROM concern ORDER BY code"):
        assert (await act_on(worker, f"/cases/concerns/{row.id}", "open", {})).status == 303
    first, second, third = await house.rows("SELECT id, code FROM cases ORDER BY code")
    task = await request(house, first.id, "health", "medical-examination")
    for gone, stays in ((first, second), (second, third)):
        merge = {"merge.into": stays.code, "merge.reason": "Cùng một trẻ"}
        assert (await act_on(worker, f"/cases/c/{gone.id}", "merge", merge)).status == 303
    result = await answer(house, task.id, "done", "A-1", sector="health", summary="Đã khám")
    assert result.outcome == "accepted"
    told = (await house.said("task.done"))[0]
    taker = (await house.rows("SELECT id FROM task WHERE case_id = :id", id=third.id))[0].id
    assert (told["key"], told["data"]["task_id"]) == (third.id, taker)
    officer = await house.as_person("duc.health")
    assert (
        f"/cases/tasks/{(await by_id(house, task.id)).replaced_by}"
        in (await officer.get(f"/cases/tasks/{task.id}")).text
    )
    again = await answer(house, task.id, "declined", "A-2", sector="health", reason="Nhầm")
    assert rule(again) == "task-closed"


async def test_a_task_given_to_another_sector_takes_its_words_along_and_tells_the_first(house: House) -> None:
    case_id = await opened(house)
    unions = await request(house, case_id, "unions", "home-visit")
    worker = await house.as_person("lan.worker")
    fields = {
        "reassign-task.task_id": unions.id,
        "reassign-task.sector": "dolisa",
        "reassign-task.due": "2026-12-01",
        "reassign-task.reason": "Hội phụ nữ đang bận",
        "reassign-task.instructions": "Mang theo quà",
    }
    assert (await act_on(worker, f"/cases/c/{case_id}", "reassign-task", fields)).status == 303
    told = [event for event in await house.said() if event["type"].startswith("task.")][-2:]
    assert [(event["type"], event["data"]["task_sector"]) for event in told] == [
        ("task.cancelled", "unions"),
        ("task.requested", "dolisa"),
    ]
    new = await task_of(house, "dolisa")
    page = (await (await house.as_person("thao.dolisa")).get(f"/cases/tasks/{new.id}")).text
    assert "Xin phối hợp" in page
    assert "Mang theo quà" in page
    assert "Hội phụ nữ đang bận" not in page
    first = await house.as_person("nhung.unions")
    old = (await first.get(f"/cases/tasks/{unions.id}")).text
    assert "Hội phụ nữ đang bận" in old
    assert new.id not in old, "another sector's task is none of theirs"
    assert (await first.get(f"/cases/tasks/{new.id}")).status == 404
    late = await answer(house, unions.id, "done", "A-1", sector="unions")
    assert (rule(late), new.id in late.violations[0].message_vi) == ("task-cancelled", True)


@pytest.mark.parametrize("sector", SECTORS)
async def test_a_sector_sees_its_own_tasks_and_of_the_child_only_what_it_needs(house: House, sector: str) -> None:
    report = {
        "child": CHILD,
        "reporter": {"name": "Người Báo Tin", "phone": "0987654321"},
        "unit_text": "Sau chợ Mới",
        "age": 9,
    }
    case_id = await opened(house, **report)
    kinds = {
        "hotline": "counselling",
        "health": "psychological-support",
        "education": "school-support",
        "police": "verification",
        "dolisa": "alternative-care",
        "justice": "legal-aid",
        "unions": "home-visit",
    }
    kind = kinds[sector]
    task = await request(house, case_id, sector, kind)
    officer = await house.as_person(OFFICERS[sector])
    page = (await officer.get(f"/cases/tasks/{task.id}")).text
    listed = (await officer.get("/cases/tasks")).text
    officer.headers["accept"] = "application/json"
    one = (await officer.get(f"/cases/api/tasks/{task.id}")).text
    child = (await officer.get(f"/cases/api/tasks/{task.id}/child")).text
    needs = needs_of(kind, sector)
    for field, marks in MARKS.items():
        for mark in marks:
            shown = any(known in normalize("NFC", page) for known in marks)
            if field in needs:
                assert shown or (field == "hamlet" and "address" in needs), (field, "is needed")
                assert any(known in normalize("NFC", child) for known in marks), field
            else:
                assert mark not in normalize("NFC", page + child), (field, "is not needed")
            assert mark not in normalize("NFC", one + listed), (field, "is identity")
    assert (await house.rows("SELECT purpose FROM identity_read WHERE who = :who", who=OFFICERS[sector]))[0] == (
        "task",
    )
    for other in await house.rows("SELECT id FROM task WHERE sector <> :sector", sector=sector):
        assert (await officer.get(f"/cases/tasks/{other.id}")).status == 404
        assert (await officer.get(f"/cases/api/tasks/{other.id}")).status == 404
        assert (await officer.get(f"/cases/api/tasks/{other.id}/child")).status == 404
        assert other.id not in listed
    assert (await answer(house, task.id, "done", "A-1", sector=sector)).outcome == "accepted"
    closed = (await officer.get(f"/cases/tasks/{task.id}")).text + (
        await officer.get(f"/cases/api/tasks/{task.id}/child")
    ).text
    for marks in MARKS.values():
        for mark in marks:
            assert mark not in normalize("NFC", closed), "a closed task shows no identity"


async def test_another_commune_sees_nothing_and_the_province_no_words(house: House) -> None:
    await opened(house)
    police = await task_of(house)
    stranger = await house.as_person("thuong.worker")
    assert (await stranger.get(f"/cases/tasks/{police.id}")).status == 404
    assert police.id not in (await stranger.get("/cases/tasks")).text
    stranger.headers["accept"] = "application/json"
    assert (await stranger.get("/cases/api/tasks")).json()["total"] == 0
    coordinator = await house.as_person("ha.coordinator")
    await answer(house, police.id, "question", "A-1", question="Nhà ở tổ mấy?")
    page = normalize("NFC", (await coordinator.get(f"/cases/tasks/{police.id}")).text)
    assert "Chờ xã, phường trả lời" in page, "the province sees who is awaited"
    assert NAME not in page
    assert "Nhà ở tổ mấy?" not in page
    assert "Gửi câu trả lời" not in page
    statistician = await house.as_person("tuan.statistician")
    assert (await statistician.get("/cases/tasks")).status == 403


async def test_a_task_follows_its_case_to_the_other_commune_in_every_list(house: House) -> None:
    case_id = await opened(house)
    other = next(
        iter((await house.as_person("thuong.worker")).app.state.identity.directory.person("thuong.worker").units)
    )
    worker = await house.as_person("lan.worker")
    move = {"transfer.to_unit": other, "transfer.reason": "Trẻ ở đó"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "transfer", move)).status == 303
    assert {row.unit for row in await house.rows("SELECT unit FROM task")} == {other}
    assert case_id in (await (await house.as_person("thuong.worker")).get("/cases/tasks?awaited=sector")).text
    assert case_id not in (await worker.get("/cases/tasks?awaited=sector")).text


async def test_a_conference_is_shown_to_invited_sectors_without_the_child_and_its_minutes_stay_sealed(
    house: House,
) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    call = {
        "call-conference.meets_at": "2026-11-26T14:00",
        "call-conference.place": "Phòng họp Nhà văn hóa",
        "call-conference.sectors.education": "true",
        "call-conference.sectors.police": "true",
        "call-conference.purpose": f"Bàn việc cháu {NAME}",
    }
    none = {name: value for name, value in call.items() if ".sectors." not in name}
    refused = await act_on(worker, f"/cases/c/{case_id}", "call-conference", none)
    assert refused.status == 422
    assert 'id="f-call-conference-sectors-error"' in refused.text
    assert (await act_on(worker, f"/cases/c/{case_id}", "call-conference", call)).status == 303
    told = (await house.said("meeting.called"))[0]["data"]
    assert (told["meeting"], told["meets_at"], told["sectors"]) == (
        "conference",
        "2026-11-26T14:00:00+07:00",
        ["education", "police"],
    )
    code = (await house.rows("SELECT code FROM cases"))[0].code
    invited = (await (await house.as_person("hoa.education")).get("/cases/")).text
    assert "26/11/2026 14:00" in invited
    assert code in invited
    assert "Phòng họp Nhà văn hóa" in invited
    assert NAME not in normalize("NFC", invited)
    assert "Bàn việc" not in invited
    reads = await house.rows("SELECT case_id, purpose, basis FROM identity_read WHERE who = 'hoa.education'")
    assert [tuple(read) for read in reads] == [(case_id, "meeting", "invited")], "where they meet was sealed"
    assert code not in (await (await house.as_person("khanh.justice")).get("/cases/")).text
    house.now += timedelta(days=3)
    minutes = {
        "hold-conference.held_on": "2026-11-26",
        "hold-conference.people": "Hiệu trưởng, Công an xã",
        "hold-conference.minutes": "Thống nhất cùng theo dõi",
        "hold-conference.decisions.0.what": "Xếp lớp bán trú",
        "hold-conference.decisions.0.who": "education",
        "hold-conference.decisions.0.kind": "school-support",
        "hold-conference.decisions.0.due": "2026-12-05",
        "hold-conference.decisions.1.kind": "meeting-decision",
        "hold-conference.decisions.2.what": "Thăm gia đình",
        "hold-conference.decisions.2.who": "commune",
        "hold-conference.decisions.2.kind": "meeting-decision",
    }
    light = (await worker.get(f"/cases/c/{case_id}")).text
    assert "hold-conference.minutes" not in light, "a long form is in the page of whoever comes to fill it in"
    asked_for = (await worker.get(f"/cases/c/{case_id}?act=hold-conference")).text
    assert '<details class="card" id="act-hold-conference" open>' in asked_for
    refused = await act_on(worker, f"/cases/c/{case_id}", "hold-conference", minutes)
    assert refused.status == 422
    assert 'id="f-hold-conference-decisions-2-due-error"' in refused.text, "beside the row that lacks its date"
    assert "Xếp lớp bán trú</textarea>" in refused.text
    whole = {**minutes, "hold-conference.decisions.2.due": "2026-12-06"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "hold-conference", whole)).status == 303
    assert (await house.said("meeting.held"))[0]["data"]["held_on"] == "2026-11-26"
    made = {row.sector: row for row in await house.rows("SELECT * FROM task WHERE asked_at = :now", now=house.now)}
    assert set(made) == {"education", "commune"}
    assert (made["commune"].awaited, made["education"].awaited) == ("commune", "sector")
    officer = await house.as_person("hoa.education")
    assert "Xếp lớp bán trú" in (await officer.get(f"/cases/tasks/{made['education'].id}")).text
    assert "Thống nhất" in (await worker.get(f"/cases/c/{case_id}")).text
    for secret in ("Thống nhất", "Hiệu trưởng", "Nhà văn hóa", "Xếp lớp"):
        for table in ("outbox", "conference", "entry", "task"):
            for row in await house.rows(f"SELECT {table}::text AS line, * FROM {table}"):
                payload = bytes(row.payload or b"").decode() if table == "outbox" else ""
                assert secret not in normalize("NFC", row.line + payload)
    token, _ = await token_of(worker, f"/cases/tasks/{made['commune'].id}")
    done = {"form_token": token, "answer": "done", "summary": "Đã thăm"}
    assert (await worker.post(f"/cases/tasks/{made['commune'].id}", data=done)).status == 303
    assert (await by_id(house, made["commune"].id)).state == "done"


async def test_the_api_answers_lists_and_coordinates_as_the_pages_do(house: House) -> None:
    case_id = await opened(house)
    police = await task_of(house)
    officer, worker = await house.as_person("quang.police"), await house.as_person("lan.worker")
    token, _ = await token_of(officer, f"/cases/tasks/{police.id}")
    for client in (officer, worker):
        client.headers["accept"] = "application/json"
    listed = (await officer.get("/cases/api/tasks", {"awaited": "sector"})).json()
    assert [task["id"] for task in listed["tasks"]] == [police.id]
    assert "risk" not in listed["tasks"][0]
    assert (await officer.get("/cases/api/tasks", {"sector": "health"})).json()["tasks"][0]["sector"] == "police"
    sent = {"answer": "question", "question": "Nhà ở đâu?"}
    asked = await officer.post(f"/cases/api/tasks/{police.id}/answers", json=sent, headers={"x-form-token": token})
    assert (asked.status, asked.json()["awaited"]) == (200, "commune")
    wrong = await officer.post(
        f"/cases/api/tasks/{police.id}/answers", json={"answer": "declined"}, headers={"x-form-token": token}
    )
    assert (wrong.status, wrong.json()["violations"][0]["rule"]) == (422, "reason-missing")
    one = (await worker.get(f"/cases/api/tasks/{police.id}")).json()
    assert one["said"][0]["question"] == "Nhà ở đâu?"
    assert (await worker.get(f"/cases/api/tasks/{police.id}/child")).status == 403
    case = (await worker.get(f"/cases/api/cases/{case_id}")).json()
    assert {"reply-task", "reassign-task"} <= set(case["acts"])
    worker_token, _ = await token_of(worker, "/cases/report")
    act = {"version": case["version"], "act": {"act": "reply-task", "task_id": police.id, "reply": "Tổ 5"}}
    done = await worker.post(f"/cases/api/cases/{case_id}/acts", json=act, headers={"x-form-token": worker_token})
    assert done.status == 200, done.text
    coordinator = await house.as_person("ha.coordinator")
    coordinator.headers["accept"] = "application/json"
    seen = (await coordinator.get(f"/cases/api/tasks/{police.id}")).json()
    assert (seen["said"], seen["awaited"]) == ([], "sector"), "the province sees who is awaited, and no words"


async def test_two_answers_at_once_are_taken_one_after_the_other(house: House) -> None:
    await opened(house)
    police = await task_of(house)
    results = await asyncio.gather(
        answer(house, police.id, "done", "A-1", summary="Xong"),
        answer(house, police.id, "declined", "A-2", reason="Không"),
    )
    assert sorted(result.outcome for result in results) == ["accepted", "rejected"]
