"""The cases service on a real database: events in, events out, clocks told once, pages that show only what they may."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from unicodedata import normalize

import orjson
import pytest

from shared.contracts.base import SealedBox
from shared.contracts.registry import ChildIdentified, ChildMerged
from shared.contracts.vocabulary import ChildDescription
from shared.reference.terms import Terms
from shared.reference.units import Units
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
    tick_once,
    token_of,
)
from tests.support.rated import ROWS

__all__ = ["house"]


async def test_danger_opens_a_case_at_once_and_names_no_child_in_clear(house: House) -> None:
    case_id = await opened(house)
    told = await house.said()
    assert [event["type"] for event in told] == [
        "case.opened",
        "child.described",
        "deadline.started",
        "deadline.started",
        "task.requested",
        "task.requested",
        "concern.received",
    ]
    assert [event["sequence"] for event in told if event["key"] == case_id] == [1, 2, 3, 4, 5, 6]
    assert told[2]["data"]["due"] == "2026-11-24T13:00:00Z"
    assert told[-1]["data"]["facts"] | {} == {
        "unit": UNIT,
        "sex": "female",
        "age_band": "6-10",
        "kind": "violence",
        "danger_now": "yes",
        "sector": "hotline",
        "channel": "hotline-111",
        "status": "opened",
        "received_at": "2026-11-24T01:00:00Z",
        "request": "protection",
    }
    assert told[1]["data"]["child"]["kid"] == f"case/{case_id}"
    for table in ("outbox", "concern", "cases", "entry", "deadline", "task"):
        for row in await house.rows(f"SELECT {table}::text AS line, * FROM {table}"):
            payload = bytes(row.payload or b"") if table == "outbox" else b""
            assert NAME not in row.line + payload.decode()
            assert "Bị đánh" not in row.line


async def test_a_report_without_danger_waits_and_its_correction_is_the_same_concern(house: House) -> None:
    first = concern()
    second = concern(kinds=["neglect"], unit=None, unit_text="Nơi không ai biết ???")
    results = await house.send(
        ("concern.reported", "C-1", first), ("concern.reported", "C-1", first), ("concern.reported", "C-1", second)
    )
    assert [result.outcome for result in results] == ["accepted", "duplicate", "corrected"]
    told = await house.said()
    assert [(event["type"], event["sequence"]) for event in told] == [("concern.received", 1), ("concern.received", 2)]
    assert told[0]["data"]["concern_id"] == told[1]["data"]["concern_id"]
    assert (told[1]["data"]["facts"]["kind"], told[1]["data"]["facts"]["unit"]) == ("neglect", "unclassified")
    assert await house.rows("SELECT 1 FROM cases") == []


async def test_a_correction_moves_a_case_at_intake_and_never_makes_a_second(house: House) -> None:
    case_id = await opened(house)
    other = next(code for code in Units.load().codes() if code != UNIT)
    await house.send(("concern.reported", "C-1", concern(danger_now="yes", unit=other, kinds=["neglect"])))
    moved = (await house.said("case.reclassified"))[0]["data"]
    assert moved["case_id"] == case_id
    assert (moved["facts"]["unit"], moved["facts"]["kind"]) == (other, "neglect")
    assert len(await house.rows("SELECT 1 FROM cases")) == 1
    assert len(await house.rows("SELECT 1 FROM task")) == 2


async def test_what_lies_in_the_future_or_too_long_ago_is_refused_by_name(house: House) -> None:
    tomorrow = START + timedelta(days=2)
    results = await house.send(
        ("concern.reported", "C-1", concern(received_at=tomorrow.isoformat())),
        (
            "incident.recorded",
            "I-1",
            {"kind": "burn", "occurred_on": tomorrow.date().isoformat(), "outcome": "minor", "unit": UNIT},
        ),
        (
            "incident.recorded",
            "I-2",
            {"kind": "burn", "occurred_on": "2026-11-01", "outcome": "minor", "unit": UNIT, "age": 200},
        ),
        ("incident.recorded", "I-3", {"kind": "burn", "occurred_on": "1926-11-01", "outcome": "minor", "unit": UNIT}),
    )
    assert [[violation.rule for violation in result.violations] for result in results] == [
        ["received-at-in-future"],
        ["occurred-on-in-future"],
        ["data.age"],
        ["occurred-on-too-old"],
    ]
    assert await house.said() == []


async def test_answers_come_by_event_and_wrong_ones_are_refused(house: House) -> None:
    await opened(house)
    police = next(row for row in await house.rows("SELECT * FROM task") if row.sector == "police")
    answer = {"task_id": police.id, "answer": "done", "summary": "Đã xác minh tại nhà"}
    wrong = await house.send(("task.answered", "A-1", answer), sector="health")
    unknown = await house.send(("task.answered", "A-2", {**answer, "task_id": "nothing"}), sector="police")
    right = await house.send(("task.answered", "A-3", answer), sector="police")
    late = await house.send(("task.answered", "A-4", {**answer, "answer": "accepted"}), sector="police")
    assert [result[0].violations[0].rule for result in (wrong, unknown, late)] == [
        "task-of-another-sector",
        "task-unknown",
        "task-closed",
    ]
    assert right[0].outcome == "accepted"
    assert (await house.said("task.done"))[0]["data"]["task_id"] == police.id
    words = await house.rows("SELECT words FROM entry WHERE kind = 'task.done'")
    assert "xác minh" not in normalize("NFC", str(words))


async def test_deadlines_are_told_once_by_many_tickers_after_a_day_off(house: House) -> None:
    for number in range(30):
        await house.send(("concern.reported", f"C-{number}", concern(danger_now="yes")))
    built = house.desk_of
    house.now = START + timedelta(days=1)
    loops = [tick_once(house, built) for _ in range(6)]
    looked = sum(await asyncio.gather(*loops))
    assert looked == 30
    told = [event["type"] for event in await house.said()]
    assert told.count("deadline.missed") == 2 * 30  # initial assessment and emergency
    assert told.count("deadline.nearing") == 0
    assert told.count("task.overdue") == 60
    assert await tick_once(house, built) == 0


async def test_the_registrys_answers_link_the_case_and_merges_are_followed(house: House) -> None:
    case_id = await opened(house)
    candidates = [
        {"child_id": "child-a", "probability": 0.8, "reasons": ["Tên"]},
        {"child_id": "child-b", "probability": 0.6, "reasons": ["Ngày sinh"]},
    ]
    await house.hear(
        ChildIdentified.model_validate(
            {"case_id": case_id, "result": "candidates", "child_id": None, "candidates": candidates}
        ),
        case_id,
    )
    worker = await house.as_person("lan.worker")
    token, page = await token_of(worker, f"/cases/c/{case_id}")
    assert "/registry/children/child-a" in page
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    answer = await worker.post(
        f"/cases/c/{case_id}",
        data={
            "form_token": token,
            "act": "choose-child",
            "version": version.group(1),
            "choose-child.child_id": "child-a",
        },
    )
    assert answer.status == 303, answer.text
    assert (await house.said("case.child-linked"))[0]["data"]["facts"]["child_id"] == "child-a"
    facts = {"unit": UNIT, "sex": "female", "birth_year": 2018, "birth_month": 1}
    await house.hear(
        ChildMerged.model_validate({"child_id": "child-z", "merged_id": "child-a", "facts": facts}), "child-z"
    )
    assert (await house.said("case.child-linked"))[-1]["data"]["facts"]["child_id"] == "child-z"


async def test_none_of_the_candidates_is_said_to_the_registry_with_the_sealed_description(house: House) -> None:
    case_id = await opened(house)
    candidates = [{"child_id": "a", "probability": 0.8, "reasons": []}]
    answer = {"case_id": case_id, "result": "candidates", "candidates": candidates}
    await house.hear(ChildIdentified.model_validate(answer), case_id)
    worker = await house.as_person("lan.worker")
    done = await act_on(worker, f"/cases/c/{case_id}", "choose-child", {"choose-child.child_id": "none-of-these"})
    assert done.status == 303, done.text
    told = (await house.said("child.chosen"))[0]["data"]
    assert "child_id" not in told
    assert told["child"]["kid"] == f"case/{case_id}"
    async with house.database.transaction() as connection:
        box = SealedBox.model_validate(told["child"])
        assert (await house.keys.open(connection, box, ChildDescription)).name == NAME
    assert "Đang tìm trong hồ sơ trẻ" in (await worker.get(f"/cases/c/{case_id}")).text


async def test_from_report_to_closing_by_pages_only(house: House) -> None:
    hotline = await house.as_person("mai.hotline")
    token, page = await token_of(hotline, "/cases/report")
    report_id = re.search(r'name="report_id" value="([^"]+)"', page)
    assert report_id
    form = {
        "form_token": token,
        "report_id": report_id.group(1),
        "danger_now": "yes",
        "what_happened": "Bị đánh nhiều lần",
        "kinds": "violence",
        "unit": UNIT,
        "child_name": NAME,
        "child_age": "8",
        "sex": "female",
        "channel": "hotline-111",
    }
    done = await hotline.post("/cases/report", data=form)
    again = await hotline.post("/cases/report", data=form)
    assert done.status == again.status == 303, done.text
    assert done.headers["location"] == again.headers["location"]
    assert len(await house.said("concern.received")) == 1
    assert NAME in (await hotline.get(done.headers["location"])).text
    case_id = (await house.said("case.opened"))[0]["data"]["case_id"]
    assert (await hotline.get(f"/cases/c/{case_id}")).status == 404

    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    path = f"/cases/c/{case_id}"
    ratings = {f"assess-initial.ratings.{row}": "medium" for row in ROWS}
    steps: list[tuple[Browser, str, dict[str, str]]] = [
        (worker, "verify", {"verify.confirmed": "true", "verify.findings": "Đúng"}),
        (
            worker,
            "assess-initial",
            {**ratings, "assess-initial.level": "high", "assess-initial.conclusion": "Nguy cơ cao"},
        ),
        (chair, "decide-emergency", {"decide-emergency.measure": "separation", "decide-emergency.decision": "Cách ly"}),
        (
            chair,
            "extend-separation",
            {"extend-separation.until": "2026-12-31", "extend-separation.reason": "Cơ quan điều tra yêu cầu"},
        ),
        (chair, "end-separation", {"end-separation.reason": "Trẻ đã an toàn"}),
        (worker, "draft-plan", {"draft-plan.goals": "An toàn", "draft-plan.activities": "Thăm hằng tuần"}),
        (chair, "approve-plan", {"approve-plan.number": "12/QĐ"}),
        (
            worker,
            "hold-review",
            {
                **{f"hold-review.ratings.{row}": "low" for row in ROWS},
                "hold-review.level": "low",
                "hold-review.outcome": "close",
                "hold-review.findings": "Trẻ ổn định",
            },
        ),
    ]
    for client, act, fields in steps:
        answer = await act_on(client, path, act, fields)
        assert answer.status == 303, (act, answer.text)
    assert (await house.said("deadline.met"))[0]["data"]["state"] == "met"
    clocks = [event["data"] for event in await house.said("deadline.started")]
    assert [(clock["kind"], clock["due"]) for clock in clocks if clock["kind"] == "separation-15d"] == [
        ("separation-15d", "2026-12-09T01:00:00Z"),
        ("separation-15d", "2026-12-31T16:59:59Z"),
    ]

    for task in await house.rows("SELECT * FROM task"):
        officer = await house.as_person("quang.police" if task.sector == "police" else "duc.health")
        token, page = await token_of(officer, f"/cases/tasks/{task.id}")
        assert NAME in page
        refused = await officer.post(f"/cases/tasks/{task.id}", data={"form_token": token, "answer": "declined"})
        assert refused.status == 422
        answered = await officer.post(
            f"/cases/tasks/{task.id}", data={"form_token": token, "answer": "done", "summary": "Xong"}
        )
        assert answered.status == 303
        assert NAME not in (await officer.get(f"/cases/tasks/{task.id}")).text

    outcome = Terms.load("case-outcomes").codes()[0]
    refused = await act_on(chair, path, "close", {"close.outcome": outcome, "close.no_risk": "true"})
    assert refused.status == 422
    assert "khoản 1 Điều 30" in refused.text
    closed = await act_on(
        chair, path, "close", {"close.outcome": outcome, "close.no_risk": "true", "close.stable": "true"}
    )
    assert closed.status == 303, closed.text
    assert (await house.said("case.closed"))[0]["data"]["facts"]["status"] == "closed"
    reopened = await act_on(worker, path, "reopen", {"reopen.reason": "Lại có dấu hiệu"})
    assert reopened.status == 303
    assert (await house.said("case.reopened"))[0]["data"]["facts"]["status"] == "open"
    sequences = [event["sequence"] for event in await house.said() if event["key"] == case_id]
    assert sequences == list(range(1, len(sequences) + 1))


async def test_identity_opens_only_to_those_who_work_on_the_case_and_is_remembered(house: House) -> None:
    case_id = await opened(house)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    coordinator = await house.as_person("ha.coordinator")
    assert NAME in (await worker.get(f"/cases/c/{case_id}")).text
    assert NAME in (await chair.get(f"/cases/c/{case_id}")).text
    seen = await coordinator.get(f"/cases/c/{case_id}")
    assert seen.status == 200
    assert NAME not in seen.text
    assert "Bị đánh" not in seen.text
    assert (await coordinator.get(f"/cases/api/cases/{case_id}/identity")).status == 403
    for person in ("thuong.worker", "mai.hotline", "quang.police"):
        stranger = await house.as_person(person)
        assert (await stranger.get(f"/cases/c/{case_id}")).status == 404
    statistician = await house.as_person("tuan.statistician")
    assert (await statistician.get("/cases/")).status == 403
    readers = {row.who for row in await house.rows("SELECT who FROM identity_read")}
    assert readers == {"lan.worker", "binh.chair"}
    education = await house.as_person("hoa.education")
    task = (await house.rows("SELECT id FROM task LIMIT 1"))[0].id
    assert (await education.get(f"/cases/tasks/{task}")).status == 404


async def test_of_two_who_saw_the_same_version_the_second_sees_both_and_chooses(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    path = f"/cases/c/{case_id}"
    token, page = await token_of(worker, path)
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    form = {"form_token": token, "act": "note", "version": version.group(1)}
    house.now = START + timedelta(days=1)
    await tick_once(house, house.desk_of)
    candidates = [{"child_id": "child-a", "probability": 0.8, "reasons": []}]
    answered = {"case_id": case_id, "result": "candidates", "child_id": None, "candidates": candidates}
    await house.hear(ChildIdentified.model_validate(answered), case_id)
    first = await worker.post(path, data={**form, "note.text": "Ghi chú thứ nhất"})
    assert first.status == 303, "what happens by itself makes no form stale: a missed deadline, the registry's answer"
    second = await worker.post(path, data={**form, "note.text": "Ghi chú thứ hai"})
    assert second.status == 409
    assert "Hồ sơ đã thay đổi từ khi anh chị mở trang" in second.text
    assert "Thông tin chưa hợp lệ" not in second.text, "nothing is wrong with what was sent"
    notice = second.text.split('id="conflict"')[1].split("</section>")[0]
    assert "Ghi chú thứ nhất" in notice
    assert "Nguyễn Thị Lan" in notice, "who did it"
    assert 'href="#act-note"' in notice, "and where what was typed stands"
    assert "Ghi chú thứ hai" in second.text


async def test_a_waiting_report_is_opened_linked_dismissed_and_forwarded(house: House) -> None:
    case_id = await opened(house)
    code = (await house.rows("SELECT code FROM cases"))[0].code
    for number in range(2, 6):
        place = {"unit": None, "unit_text": "Nơi nào đó"} if number == 5 else {}
        await house.send(("concern.reported", f"C-{number}", concern(**place)))
    waiting = {row.unit: row for row in await house.rows("SELECT * FROM concern WHERE status = 'received'")}
    ids = [row.id for row in await house.rows("SELECT id FROM concern WHERE status = 'received' AND unit = :u", u=UNIT)]
    worker, coordinator = await house.as_person("lan.worker"), await house.as_person("ha.coordinator")
    assert "BT-2026-" in (await worker.get("/cases/")).text
    opening = await act_on(worker, f"/cases/concerns/{ids[0]}", "open", {})
    linking = await act_on(worker, f"/cases/concerns/{ids[1]}", "link", {"link.case_code": code.lower()})
    dismissing = await act_on(
        worker, f"/cases/concerns/{ids[2]}", "dismiss", {"dismiss.reason": "hoax", "dismiss.words": "Đã gọi lại"}
    )
    assert [answer.status for answer in (opening, linking, dismissing)] == [303, 303, 303]
    unplaced = waiting["unclassified"].id
    assert "Nơi nào đó" in (await coordinator.get(f"/cases/concerns/{unplaced}")).text
    assert (await worker.get(f"/cases/concerns/{unplaced}")).status == 404
    moving = await act_on(
        coordinator,
        f"/cases/concerns/{unplaced}",
        "forward",
        {"forward.to_unit": UNIT, "forward.reason": "Theo lời kể"},
    )
    assert moving.status == 303
    statuses = {row.id: (row.status, row.unit) for row in await house.rows("SELECT * FROM concern")}
    assert statuses[ids[0]] == ("opened", UNIT)
    assert statuses[ids[1]] == ("linked", UNIT)
    assert statuses[ids[2]] == ("dismissed", UNIT)
    assert statuses[unplaced] == ("received", UNIT)
    assert (await house.said("concern.dismissed"))[0]["data"]["reason"] == "hoax"
    linked = [event for event in await house.said("concern.received") if event["data"]["facts"]["status"] == "linked"]
    assert linked[0]["data"]["case_id"] == case_id


async def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    ratings = {f"assess-initial.ratings.{row}": "medium" for row in ROWS if row != "severity"}
    refused = await act_on(
        worker, f"/cases/c/{case_id}", "assess-initial", {**ratings, "assess-initial.conclusion": "Đã gặp trẻ"}
    )
    assert refused.status == 422
    for name in ("ratings-severity", "level"):
        assert f'aria-describedby="f-assess-initial-{name}-error" aria-invalid="true"' in refused.text
    assert refused.text.count("autofocus data-focus") == 1
    assert '<input autofocus data-focus type="radio" name="assess-initial.ratings.severity"' in refused.text
    assert "Đã gặp trẻ</textarea>" in refused.text
    assert "Thông tin chưa hợp lệ" not in refused.text, "the error stands beside its field, not above the form"
    due = {"request-task.sector": "health", "request-task.kind": "home-visit", "request-task.due": "2026-11-01"}
    late = await act_on(worker, f"/cases/c/{case_id}", "request-task", due)
    assert 'value="2026-11-01"' in late.text
    assert 'aria-invalid="true" autofocus data-focus>' in late.text
    assert '<option value="home-visit" selected>' in late.text
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    officer = await house.as_person("quang.police")
    token, _ = await token_of(officer, f"/cases/tasks/{task}")
    declined = await officer.post(f"/cases/tasks/{task}", data={"form_token": token, "answer": "declined"})
    assert 'aria-describedby="f-reason-error" aria-invalid="true" autofocus data-focus>' in declined.text


async def test_a_cancelled_task_leaves_the_sectors_inbox_with_its_reason(house: House) -> None:
    case_id = await opened(house)
    police = next(row for row in await house.rows("SELECT * FROM task") if row.sector == "police")
    worker, officer = await house.as_person("lan.worker"), await house.as_person("quang.police")
    fields = {"cancel-task.task_id": police.id, "cancel-task.reason": "Công an xã khác đã xác minh"}
    assert (await act_on(worker, f"/cases/c/{case_id}", "cancel-task", fields)).status == 303
    told = (await house.said("task.cancelled"))[0]["data"]
    assert (told["task_id"], told["cause"], told["task_sector"]) == (police.id, "withdrawn", "police")
    assert "xác minh" not in normalize("NFC", orjson.dumps(told).decode())
    page = (await officer.get(f"/cases/tasks/{police.id}")).text
    assert "Công an xã khác đã xác minh" in page
    assert NAME not in page
    inbox = (await officer.get("/cases/")).text
    assert inbox.index("Đã trả lời hoặc đã hủy") < inbox.index(police.id)
    late = await house.send(("task.answered", "A-1", {"task_id": police.id, "answer": "done"}), sector="police")
    assert late[0].violations[0].rule == "task-cancelled"


async def test_the_api_says_the_same_as_the_pages(house: House) -> None:
    case_id = await opened(house)
    client = await house.as_person("lan.worker")
    client.headers["accept"] = "application/json"
    listed = (await client.get("/cases/api/cases")).json()
    assert [row["id"] for row in listed["cases"]] == [case_id]
    one = (await client.get(f"/cases/api/cases/{case_id}")).json()
    assert one["facts"]["risk"] == "high"
    assert "verify" in one["acts"]
    assert NAME not in str(one)
    assert NAME in str((await client.get(f"/cases/api/cases/{case_id}/identity")).json())
    token, _ = await token_of(client, f"/cases/c/{case_id}")
    act = {"version": one["version"], "act": {"act": "note", "text": "Qua API"}}
    headers = {"x-form-token": token}
    done = await client.post(f"/cases/api/cases/{case_id}/acts", json=act, headers=headers)
    assert done.json()["version"] == one["version"] + 1
    assert (await client.post(f"/cases/api/cases/{case_id}/acts", json=act, headers=headers)).status == 409
    close = {"version": one["version"] + 1, "act": {"act": "close", "outcome": "x"}}
    refused = await client.post(f"/cases/api/cases/{case_id}/acts", json=close, headers=headers)
    assert refused.status == 422
    assert refused.json()["violations"][0]["rule"] == "not-your-role"
    report = await client.post("/cases/api/concerns", params={"report_id": "r-1"}, json=concern(), headers=headers)
    assert report.status == 201
    assert report.json()["facts"]["sector"] == "dolisa"


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_page_renders_in_both_languages(house: House, language: str) -> None:
    case_id = await opened(house)
    await house.send(("concern.reported", "C-2", concern(danger_now="unknown")))
    waiting = (await house.rows("SELECT id FROM concern WHERE status = 'received'"))[0].id
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    paths = {
        "lan.worker": [
            "/cases/",
            "/cases/report",
            f"/cases/c/{case_id}",
            f"/cases/concerns/{waiting}",
            f"/cases/tasks/{task}",
        ],
        "binh.chair": ["/cases/", f"/cases/c/{case_id}", "/cases/?step=approval", "/cases/?status=closed"],
        "ha.coordinator": ["/cases/", f"/cases/c/{case_id}", "/cases/?risk=high&due=missed&unit=05443&page=2"],
        "mai.hotline": ["/cases/", "/cases/report"],
        "quang.police": ["/cases/", f"/cases/tasks/{task}"],
    }
    for person, pages in paths.items():
        client = await house.as_person(person)
        for path in pages:
            answer = await client.get(path, params={"lang": language})
            assert answer.status == 200, (person, path, answer.text[:500])
            assert f'lang="{language}"' in answer.text
            law = {"vi": "Nghị định 56/2017/NĐ-CP, khoản", "en": "Decree 56/2017/ND-CP, Art."}
            assert (law[language] in answer.text) is (f"/c/{case_id}" in path)
            assert len(answer.body) < 100_000
