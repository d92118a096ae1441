"""Forms on their pages: prefilled, kept while typed, told what they lack; plans whose services are asked for."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from unicodedata import normalize

import pytest
from sqlalchemy import text

from shared.reference.files import lay_over
from tests.integration.cases_house import NAME, START, Browser, House, act_on, concern, house, opened, token_of
from tests.integration.cases_matter import matter
from tests.support.rated import ROWS
from tests.support.visitor import Answer

__all__ = ["house"]


def initial(level: str = "medium", **changes: str) -> dict[str, str]:
    return {
        **{f"assess-initial.ratings.{row}": "medium" for row in ROWS},
        "assess-initial.level": level,
        "assess-initial.conclusion": "Trẻ cần được theo dõi thêm tại nhà.",
        **changes,
    }


def plan(**changes: str) -> dict[str, str]:
    return {
        "draft-plan.goals": "Trẻ được an toàn",
        "draft-plan.services.0.kind": "medical",
        "draft-plan.services.0.sector": "health",
        "draft-plan.services.0.what-for": "Khám vết bầm ở tay",
        "draft-plan.services.0.due": "2026-12-10",
        **changes,
    }


async def fill(client: Browser, case_id: str, act: str, fields: dict[str, str]) -> Answer:
    """Send a form from its own page."""
    return await act_on(client, f"/cases/c/{case_id}/forms/{act}", act, fields)


async def done(client: Browser, case_id: str, act: str, fields: dict[str, str]) -> None:
    answer = await fill(client, case_id, act, fields)
    assert answer.status == 303, answer.text


@pytest.fixture
async def waiting(house: House) -> str:
    """A case without danger, opened by the worker."""
    await house.send(("concern.reported", "C-1", concern()))
    worker = await house.as_person("lan.worker")
    row = (await house.rows("SELECT id FROM concern"))[0]
    assert (await act_on(worker, f"/cases/concerns/{row.id}", "open", {})).status == 303
    return str((await house.said("case.opened"))[0]["data"]["case_id"])


async def test_a_form_begins_with_what_the_file_knows_and_lists_what_it_lacks(house: House, waiting: str) -> None:
    worker = await house.as_person("lan.worker")
    case_page = (await worker.get(f"/cases/c/{waiting}")).text
    assert f'href="/cases/c/{waiting}/forms/assess-initial"' in case_page
    page = (await worker.get(f"/cases/c/{waiting}/forms/assess-initial")).text
    assert 'name="assess-initial.answers.assessed-on" type="date" value="2026-11-24"' in page
    assert 'value="Tổ 5, phố Thử"' in page
    assert "Bị đánh nhiều lần</textarea>" in page
    assert "Còn thiếu 8 mục:" in page
    assert '<a href="#f-assess-initial-ratings-severity">Mức độ trẻ bị tổn hại</a>' in page
    assert '<a href="#f-assess-initial-level">' in page
    assert 'name="assess-initial.form_of" value="2017-07-01"' in page
    reads = await house.rows("SELECT DISTINCT purpose FROM identity_read WHERE who = 'lan.worker' ORDER BY 1")
    assert "form" in [row.purpose for row in reads]


async def test_a_form_sent_is_in_the_timeline_under_its_own_labels_and_sealed(house: House, waiting: str) -> None:
    worker = await house.as_person("lan.worker")
    more = {
        "assess-initial.answers.urgent-measures.safe-place": "true",
        "assess-initial.answers.urgent-measures.medical-care": "true",
        "assess-initial.answers.urgent-needs.0.need": "Chỗ ngủ an toàn",
        "assess-initial.answers.urgent-needs.2.need": "Quần áo ấm",
        "assess-initial.answers.urgent-needs.2.provider": "Hội Phụ nữ",
    }
    await done(worker, waiting, "assess-initial", initial(**more))
    page = (await worker.get(f"/cases/c/{waiting}")).text
    assert "Nhu cầu: Quần áo ấm; Nơi đáp ứng: Hội Phụ nữ" in page
    assert "Bố trí nơi tạm trú an toàn; Chăm sóc y tế khẩn cấp" in page
    line = (await house.rows("SELECT data::text AS data, words::text AS words FROM entry WHERE kind = 'risk.initial'"))[
        0
    ]
    assert '"form": "02"' in line.data
    assert "an toàn" not in normalize("NFC", line.data + line.words)
    coordinator = await house.as_person("ha.coordinator")
    seen = (await coordinator.get(f"/cases/c/{waiting}")).text
    assert "Kết luận mức độ nguy cơ: Trung bình" in seen
    assert "Quần áo ấm" not in seen


async def test_a_refused_form_keeps_everything_and_names_each_fault_beside_its_field(
    house: House, waiting: str
) -> None:
    worker = await house.as_person("lan.worker")
    await done(worker, waiting, "assess-initial", initial())
    wrong = plan(
        **{"draft-plan.services.0.due": "mai", "draft-plan.services.4.what-for": "Học bơi", "draft-plan.goals": ""}
    )
    refused = await fill(worker, waiting, "draft-plan", wrong)
    assert refused.status == 422
    for said in (
        'id="f-draft-plan-services-0-due-error"',
        "Mục «Xong trước ngày» không phải là ngày",
        'id="f-draft-plan-services-1-kind-error"',
        "Học bơi</textarea>",
        "Khám vết bầm ở tay</textarea>",
        "Mục «Mục tiêu» còn trống.",
        '<a href="#f-draft-plan-goals">Mục tiêu</a>',
    ):
        assert said in refused.text, said
    assert refused.text.count("autofocus data-focus") == 1
    kept = (await worker.get(f"/cases/c/{waiting}/forms/draft-plan")).text
    assert "Học bơi</textarea>" in kept, "what was refused is kept as a draft"
    assert "Có bản nháp" in (await worker.get(f"/cases/c/{waiting}")).text
    await done(worker, waiting, "draft-plan", plan())
    assert await house.rows("SELECT 1 FROM draft WHERE body IS NOT NULL") == [], "sent, it is kept no more"


async def test_without_scripts_a_row_is_added_and_a_draft_kept_by_buttons(
    house: House, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await house.as_person("lan.worker")
    await done(worker, waiting, "assess-initial", initial())
    path = f"/cases/c/{waiting}/forms/draft-plan"
    assert 'name="draft-plan.services.1.kind"' not in (await worker.get(path)).text
    more = await act_on(worker, path, "draft-plan", plan(more="services"))
    assert more.status == 200
    assert 'name="draft-plan.services.2.kind"' in more.text
    assert "Khám vết bầm ở tay</textarea>" in more.text
    monkeypatch.setattr("services.cases.desk.drafts._LONGEST", 10)
    long = await act_on(worker, path, "draft-plan", {"draft-plan.goals": "Dài quá", "keep": "1"})
    assert "Bản nháp quá dài." in long.text
    assert "Dài quá" in long.text, "what was typed stands in the page"
    monkeypatch.undo()
    kept = await act_on(worker, path, "draft-plan", {"draft-plan.goals": "Chưa xong", "keep": "1"})
    assert (kept.status, kept.headers["location"]) == (303, path)
    page = (await worker.get(path)).text
    assert "Chưa xong</textarea>" in page
    assert "Tiếp tục bản nháp" in page


async def test_the_same_form_again_is_a_version_that_says_what_it_changed(house: House, waiting: str) -> None:
    worker = await house.as_person("lan.worker")
    await done(worker, waiting, "assess-initial", initial(**{"assess-initial.answers.child-condition": "Gầy, sợ hãi"}))
    page = (await worker.get(f"/cases/c/{waiting}/forms/assess-initial")).text
    assert "Gầy, sợ hãi</textarea>" in page
    assert "Lần trước: Trung bình" in page
    assert not re.search(r'name="assess-initial\.(level|ratings[^"]*)" value="[a-z]+" checked', page), "rated anew"
    await done(
        worker,
        waiting,
        "assess-initial",
        initial("high", **{"assess-initial.answers.child-condition": "Đã đi học lại"}),
    )
    shown = (await worker.get(f"/cases/c/{waiting}")).text
    assert "Lần 2" in shown
    assert "<del>Gầy, sợ hãi</del> <ins>Đã đi học lại</ins>" in shown
    assert "<del>Trung bình</del> <ins>Cao</ins>" in shown
    assert shown.count("Gầy, sợ hãi") == 2, "the first version stays readable"


async def test_the_second_of_two_keeps_what_was_typed_and_sees_what_changed_since(house: House, waiting: str) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    path = f"/cases/c/{waiting}/forms/assess-initial"
    token, page = await token_of(worker, path)
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    house.now = START + timedelta(minutes=5)
    await act_on(chair, f"/cases/c/{waiting}", "note", {"note.text": "Đã gọi cho nhà trường"})
    form = {"form_token": token, "act": "assess-initial", "version": version.group(1), **initial()}
    form["assess-initial.conclusion"] = "Viết rất lâu mới xong, không được mất."
    late = await worker.post(path, data=form)
    assert late.status == 409
    assert "Thông tin chưa hợp lệ" not in late.text
    news = late.text[late.text.index('id="conflict"') : late.text.index("<form class")]
    assert "Đã gọi cho nhà trường" in news
    assert "Mở vụ việc" not in news, "only what came after"
    assert "Viết rất lâu mới xong, không được mất.</textarea>" in late.text
    again = re.search(r'name="version" value="(\d+)"', late.text)
    assert again
    assert (await worker.post(path, data={**form, "version": again.group(1)})).status == 303


async def test_whoever_acts_too_late_on_the_case_page_sees_what_changed_there(house: House, waiting: str) -> None:
    worker = await house.as_person("lan.worker")
    token, page = await token_of(worker, f"/cases/c/{waiting}")
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    await act_on(worker, f"/cases/c/{waiting}", "note", {"note.text": "Ghi chú thứ nhất"})
    form = {"form_token": token, "act": "note", "version": version.group(1), "note.text": "Ghi chú thứ hai"}
    late = (await worker.post(f"/cases/c/{waiting}", data=form)).text
    news = late[late.index('id="conflict"') : late.index("</section>", late.index('id="conflict"'))]
    assert "Ghi chú thứ nhất" in news
    assert "Mở vụ việc" not in news


async def test_a_program_gets_the_same_refusal_with_field_rule_and_label(house: House, waiting: str) -> None:
    worker = await house.as_person("lan.worker")
    token, _ = await token_of(worker, f"/cases/c/{waiting}")
    worker.headers |= {"accept": "application/json", "x-form-token": token}
    rated = {"ratings": dict.fromkeys(ROWS, "medium"), "level": "medium", "conclusion": "Cần theo dõi thêm tại nhà."}
    version = (await worker.get(f"/cases/api/cases/{waiting}")).json()["version"]
    for answers, field, rule in (
        ({"assessed-on": "mai"}, "answers.assessed-on", "not-a-day"),
        ({"urgent-needs": [{"provider": "Hội"}]}, "answers.urgent-needs.0.need", "answer-missing"),
        ({"height": 3}, "answers.height", "field-unknown"),
    ):
        act = {"version": version, "act": {"act": "assess-initial", **rated, "answers": answers}}
        refused = await worker.post(f"/cases/api/cases/{waiting}/acts", json=act)
        assert refused.status == 422
        assert [(known["field"], known["rule"]) for known in refused.json()["violations"]] == [(field, rule)]
    act = {"version": version, "act": {"act": "assess-initial", **rated, "answers": {"assessed-on": "2026-11-24"}}}
    assert (await worker.post(f"/cases/api/cases/{waiting}/acts", json=act)).status == 200


async def test_a_draft_that_is_taken_up_later_tells_what_changed_since_it_was_begun(house: House, waiting: str) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    path = f"/cases/c/{waiting}/forms/assess-initial"
    await act_on(worker, path, "assess-initial", {"assess-initial.conclusion": "Đang viết", "keep": "1"})
    assert 'id="news"' not in (await worker.get(path)).text
    await act_on(chair, f"/cases/c/{waiting}", "note", {"note.text": "Đã gọi cho nhà trường"})
    page = (await worker.get(path)).text
    assert 'id="news"' in page
    assert "Đang viết</textarea>" in page


async def test_an_act_that_is_not_open_says_why_with_the_law(house: House, waiting: str) -> None:
    worker = await house.as_person("lan.worker")
    page = await worker.get(f"/cases/c/{waiting}/forms/approve-plan")
    assert page.status == 422
    assert "khoản 4 Điều 28" in page.text
    assert "<form class" not in page.text
    assert (await worker.get(f"/cases/c/{waiting}/forms/note")).status == 404
    stranger = await house.as_person("thuong.worker")
    assert (await stranger.get(f"/cases/c/{waiting}/forms/assess-initial")).status == 404
    coordinator = await house.as_person("ha.coordinator")
    refused = await coordinator.get(f"/cases/c/{waiting}/forms/assess-initial")
    assert NAME not in refused.text
    assert "Bị đánh" not in refused.text


async def test_an_approved_plan_asks_the_sector_in_the_plans_words_and_its_event_says_it_was_given(
    house: House, waiting: str
) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    await done(worker, waiting, "assess-initial", initial())
    await done(worker, waiting, "draft-plan", plan())
    assert await house.rows("SELECT 1 FROM task") == []
    decision = (await chair.get(f"/cases/c/{waiting}/forms/approve-plan")).text
    assert "Trẻ được an toàn</dd>" in decision, "the chair reads the plan where it is decided"
    assert "Dịch vụ: Khám, chữa bệnh, phục hồi; Để làm gì: Khám vết bầm ở tay; Ngành thực hiện: Y tế" in decision
    await done(chair, waiting, "approve-plan", {"approve-plan.number": "12/QĐ"})
    task = (await house.rows("SELECT * FROM task"))[0]
    assert (task.kind, task.sector) == ("medical-examination", "health")
    officer = await house.as_person("duc.health")
    assert "Khám vết bầm ở tay" in (await officer.get(f"/cases/tasks/{task.id}")).text
    given = {"case_id": waiting, "service": "medical", "provided_on": "2026-11-24", "provider": "Trạm y tế xã"}
    told = [
        (await house.send(("service.provided", name, {**given, **changes}), sector="health"))[0]
        for name, changes in (
            ("S-1", {}),
            ("S-2", {"case_id": "nothing"}),
            ("S-3", {"service": "magic"}),
            ("S-4", {"provided_on": "2026-11-30"}),
            ("S-5", {"service": "legal"}),
        )
    ]
    stranger = await house.send(("service.provided", "S-6", given), sector="education")
    assert [violation.rule for violation in stranger[0].violations] == ["sector-not-involved"]
    assert "education" not in str(await house.rows("SELECT services FROM cases"))
    assert [known.violations[0].rule if known.violations else known.outcome for known in told] == [
        "accepted",
        "case-unknown",
        "service-kind",
        "provided-on-in-future",
        "accepted",
    ]
    events = [event["data"] for event in await house.said("service.provided")]
    assert [(event["service"], event["service_sector"]) for event in events] == [
        ("medical", "health"),
        ("legal", "health"),
    ]
    page = (await worker.get(f"/cases/c/{waiting}")).text
    assert "Trạm y tế xã" in page
    assert "Đã thực hiện ngày 24/11/2026" in page
    review = (await worker.get(f"/cases/c/{waiting}/forms/hold-review")).text
    assert 'name="hold-review.answers.results.0.what" type="text" value="Khám, chữa bệnh, phục hồi"' in review
    assert "Đã thực hiện ngày 24/11/2026</textarea>" in review
    assert "đã có" in page
    await house.send(("service.provided", "S-1", {**given, "provided_on": "2026-11-20"}), sector="health")
    services = (await house.rows("SELECT services FROM cases"))[0].services
    assert [(known["kind"], known["done_on"], known["planned"]) for known in services] == [
        ("medical", "2026-11-20", True),
        ("legal", "2026-11-24", False),
    ]


async def test_only_a_sector_that_has_to_do_with_the_case_says_that_a_service_was_given(house: House) -> None:
    case = await matter(house)

    async def said(sector: str, name: str) -> str:
        given = {"case_id": case.id, "service": "legal", "provided_on": "2026-11-24"}
        result = (await house.send(("service.provided", name, given), sector=sector))[0]
        return result.violations[0].rule if result.violations else result.outcome

    strangers = ("education", "justice", "unions", "hotline")
    assert {await said(sector, "S-1") for sector in strangers} == {"sector-not-involved"}
    assert await house.said("service.provided") == []
    assert await said("police", "S-1") == "accepted", "it was asked"
    await case.must("hoa.education", "request-access", reason="Cô giáo chủ nhiệm của trẻ")
    assert await said("education", "S-2") == "sector-not-involved", "asking to join is not belonging"
    await case.must("lan.worker", "admit-member", person="hoa.education")
    assert await said("education", "S-3") == "accepted"
    meeting = {
        "call-conference.meets_at": "2026-11-26T08:00",
        "call-conference.place": "Phòng họp",
        "call-conference.purpose": "Bàn việc học",
        "call-conference.sectors.justice": "true",
    }
    worker = await house.as_person("lan.worker")
    assert (await act_on(worker, f"/cases/c/{case.id}", "call-conference", meeting)).status == 303
    assert await said("justice", "S-4") == "accepted", "it was invited to meet about the child"
    assert await said("unions", "S-5") == "sector-not-involved"
    await house.send(("concern.reported", "C-2", concern(danger_now="yes")))
    other = (await house.rows("SELECT code FROM cases WHERE id <> :id", id=case.id))[0].code
    merge = {"merge.into": other, "merge.reason": "Cùng một trẻ"}
    assert (await act_on(worker, f"/cases/c/{case.id}", "merge", merge)).status == 303
    assert await said("education", "S-6") == "accepted", "what was merged is part of the case that goes on"


async def test_a_service_given_for_a_closed_case_is_refused_and_for_a_merged_one_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await opened(house)
    await house.send(("concern.reported", "C-2", concern(danger_now="yes")))
    rows = await house.rows("SELECT id, code FROM cases ORDER BY code")
    gone, stays = (row for row in rows if row.id == case_id), (row for row in rows if row.id != case_id)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    merge = {"merge.into": (survivor := next(stays)).code, "merge.reason": "Cùng một trẻ"}
    assert (await act_on(worker, f"/cases/c/{next(gone).id}", "merge", merge)).status == 303
    given = {"case_id": case_id, "service": "legal", "provided_on": "2026-11-24"}
    assert (await house.send(("service.provided", "S-1", given), sector="health"))[0].outcome == "accepted"
    assert (await house.said("service.provided"))[0]["data"]["case_id"] == survivor.id
    path = f"/cases/c/{survivor.id}"
    await act_on(worker, path, "verify", {"verify.confirmed": "false", "verify.findings": "Không có"})
    assert (await act_on(chair, path, "close", {"close.outcome": "unfounded"})).status == 303
    late = await house.send(("service.provided", "S-2", given), sector="health")
    assert late[0].violations[0].rule == "case-closed"


async def test_the_needs_meeting_has_its_minutes(house: House, waiting: str) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    await done(worker, waiting, "assess-initial", initial())
    assert "hold-needs-meeting" not in (await worker.get(f"/cases/c/{waiting}")).text
    minutes = {
        "hold-needs-meeting.held_on": "2026-11-24",
        "hold-needs-meeting.answers.chair": "Chủ tịch xã",
        "hold-needs-meeting.answers.attendees.0.name": "Cô giáo chủ nhiệm",
        "hold-needs-meeting.answers.needs": "Được học tiếp",
        "hold-needs-meeting.answers.decisions": "Nhà trường kèm cặp",
    }
    await done(chair, waiting, "hold-needs-meeting", minutes)
    assert (await house.said("meeting.held"))[0]["data"]["held_on"] == "2026-11-24"
    assert "Họ và tên: Cô giáo chủ nhiệm" in (await worker.get(f"/cases/c/{waiting}")).text


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[None]:
    """A province with a field and a service kind of its own. Before the house: its desk reads what is laid over."""
    (tmp_path / "forms.yaml").write_text(
        '"03":\n  fields:\n    distance:\n      vi: Khoảng cách đến trường (km)\n'
        "      en: Distance to school (km)\n      type: number\n",
        "utf-8",
    )
    (tmp_path / "terms.yaml").write_text(
        'service-kinds:\n  codes:\n    swimming: {vi: "Dạy bơi an toàn", en: "Safe swimming", sector: education,'
        " task: mentoring}\n",
        "utf-8",
    )
    lay_over(tmp_path)
    yield
    lay_over(None)


async def test_a_province_adds_a_field_and_a_service_kind_and_sees_both_without_code(own: None, house: House) -> None:
    await opened(house)
    case_id = (await house.rows("SELECT id FROM cases"))[0].id
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    await done(worker, case_id, "assess-initial", initial())
    page = (await worker.get(f"/cases/c/{case_id}/forms/assess-detailed")).text
    assert "Khoảng cách đến trường (km)</label>" in page
    assert '<a href="#f-assess-detailed-answers-distance">Khoảng cách đến trường (km)</a>' in page
    fields = {name.replace("initial", "detailed"): text for name, text in initial().items()}
    refused = await fill(worker, case_id, "assess-detailed", {**fields, "assess-detailed.answers.distance": "xa"})
    assert "Mục «Khoảng cách đến trường (km)» phải là số" in refused.text
    assert (
        "Mục «Khoảng cách đến trường (km)» còn trống" in (await fill(worker, case_id, "assess-detailed", fields)).text
    )
    await done(worker, case_id, "assess-detailed", {**fields, "assess-detailed.answers.distance": "2,5"})
    shown = (await worker.get(f"/cases/c/{case_id}")).text
    assert "<dt>Khoảng cách đến trường (km)</dt><dd>2,5</dd>" in shown
    assert "Distance to school (km)" in (await worker.get(f"/cases/c/{case_id}", {"lang": "en"})).text
    assert (
        ">Dạy bơi an toàn</option>" in (await worker.get(f"/cases/c/{case_id}/forms/draft-plan", {"lang": "vi"})).text
    )
    swim = {"draft-plan.services.0.kind": "swimming", "draft-plan.services.0.sector": "education"}
    await done(worker, case_id, "draft-plan", plan(**swim))
    await done(chair, case_id, "approve-plan", {})
    task = (await house.rows("SELECT kind FROM task WHERE sector = 'education'"))[0]
    assert task.kind == "mentoring"
    assert ">Dạy bơi an toàn · Giáo dục</option>" in (await worker.get(f"/cases/c/{case_id}")).text


@pytest.mark.parametrize("language", ["vi", "en"])
async def test_every_form_is_rendered_in_both_languages_and_stays_light(
    house: House, waiting: str, language: str
) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    seen: set[str] = set()

    async def look(client: Browser, *acts: str) -> None:
        for act in acts:
            page = await client.get(f"/cases/c/{waiting}/forms/{act}", {"lang": language})
            assert page.status == 200, (act, page.text)
            assert f'lang="{language}"' in page.text
            assert len(page.body) < 100_000
            seen.add(act)

    await look(worker, "assess-initial")
    await look(chair, "decide-emergency")
    await done(worker, waiting, "assess-initial", initial())
    await look(worker, "assess-detailed", "draft-plan")
    await look(chair, "hold-needs-meeting")
    await done(worker, waiting, "draft-plan", plan())
    await look(chair, "approve-plan")
    await done(chair, waiting, "approve-plan", {})
    await look(worker, "hold-review")
    assert len(seen) == 7


async def test_a_plan_is_known_however_much_happened_in_the_case_since(house: House, waiting: str) -> None:
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    await done(worker, waiting, "assess-initial", initial())
    await done(worker, waiting, "draft-plan", plan())
    async with house.database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO entry (case_id, at, kind, who, who_name, data, version)
                   SELECT :id, CAST(:at AS timestamptz) + n * interval '1 second', 'note', 'lan.worker', 'Lan', '{}', 1
                   FROM generate_series(1, 5000) AS n"""
            ),
            {"id": waiting, "at": START},
        )
        await connection.execute(text("ANALYZE entry"))
        how = await connection.execute(
            text("EXPLAIN SELECT data FROM entry WHERE case_id = :id AND kind = ANY('{plan.drafted}')"), {"id": waiting}
        )
        assert "entry_kind" in str(how.all()), "a file's old lines are not read through to find one"
    house.now = START + timedelta(hours=2)
    decision = (await chair.get(f"/cases/c/{waiting}/forms/approve-plan")).text
    assert "Để làm gì: Khám vết bầm ở tay" in decision
    papers = (await worker.get(f"/cases/c/{waiting}/documents")).text
    assert "Kế hoạch hỗ trợ, can thiệp" in papers
    await done(chair, waiting, "approve-plan", {"approve-plan.number": "12/QĐ"})
    task = (await house.rows("SELECT id FROM task"))[0]
    officer = await house.as_person("duc.health")
    assert "Khám vết bầm ở tay" in (await officer.get(f"/cases/tasks/{task.id}")).text
