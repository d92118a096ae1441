"""Whole cases on the whole platform, by the people who would work on them, each in a browser session of their own.

One case goes as it should, from a call to its end; in others everything goes wrong, and each wrong thing has its way
out. `VONGTAY_TEST_SHOTS` names a folder for pictures of what they saw.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.cases.domain.model import ZONE
from tests.browser.people import Company, Somebody
from tests.support.platform import Whole, whole
from tests.support.rated import ROWS

pytestmark = pytest.mark.timeout(240)
CHILD, MOTHER, STORY = "Lò Thị Bình Yên", "Quàng Thị Mẹ Hiền", "Bé bị bỏng nước sôi ở hai tay, kể rằng bị phạt."
TWIN, TWIN_BORN = "Vàng A Sính", "2016-03-02"
HERE, THERE, THERE_NAME = "05443", "05455", "Phường Quyết Thắng"
CHECKED, EXAMINED, SCHOOL = "Xác minh vụ việc", "Khám, điều trị y tế", "Hỗ trợ tại trường"
REVIEWED = {"findings": "Trẻ khỏe, đi học lại, ở với bà ngoại.", "outcome": "close"}


def day(days: int = 0) -> str:
    """A day from today, where people live by it, as a browser's field takes it."""
    return (datetime.now(ZONE).date() + timedelta(days=days)).isoformat()


def vietnamese(iso: str) -> str:
    """The same day as pages say it."""
    return date.fromisoformat(iso).strftime("%d/%m/%Y")


def rated(level: str) -> dict[str, str]:
    """Every row of forms 02, 03 and 06, and what is concluded of it."""
    return {**{f"ratings.{row}": level for row in ROWS}, "level": level}


@pytest.fixture(scope="module")
async def platform(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """The platform as `vongtay up` runs it; not started where there is no browser."""
    async with whole(tmp_path_factory.mktemp("whole")) as running:
        yield running


@pytest.fixture
async def company(browser: Any, platform: Whole) -> AsyncIterator[Company]:
    """Nobody yet; who comes signs in. Whoever came saw no page that broke unseen."""
    named = os.environ.get("VONGTAY_TEST_SHOTS")
    if named:
        Path(named).mkdir(parents=True, exist_ok=True)
    async with Company(browser, platform.url, Path(named) if named else None) as people:
        yield people
        assert people.broken() == []


async def test_a_case_goes_from_a_call_to_its_end_through_five_sectors_hands(company: Company) -> None:
    hotline, worker = await company.person("mai.hotline"), await company.person("lan.worker", phone=True)
    chair, police = await company.person("binh.chair"), await company.person("quang.police")
    health, coordinator = await company.person("duc.health"), await company.person("ha.coordinator")
    await coordinator.go("/cases/board")
    total = coordinator.page.locator(".matrix__total td").first
    before = int(await total.inner_text())

    await _call_by_keyboard(hotline)
    await worker.reads("/cases/", "TN-")
    await worker.fits()
    await worker.shot("work")
    link = worker.page.locator(".todo", has_text="TN-").last
    code = (await link.locator(".todo__code").inner_text()).strip()
    case = f"/cases/c/{(await _address(link.get_by_role('link').first)).split('/')[3].split('?')[0]}"
    text = await worker.go(case)
    for said in ("Can thiệp khẩn cấp (12 giờ)", "Đánh giá nguy cơ ban đầu (trong 12 giờ)", "Còn 11 giờ", CHILD):
        assert said in text
    await worker.fits()
    await worker.shot("case")
    # An open board follows by itself, and names nobody.
    await coordinator.page.wait_for_function(
        "was => Number(document.querySelector('.matrix__total td').innerText) > was", arg=before
    )
    await coordinator.shot("board")
    for path in ("/cases/board", "/cases/list", case):
        await _knows_nobody(coordinator, path)

    await _danger(worker, chair, case)
    await _sectors_ask_and_answer(worker, police, health, case, code)
    await _planned(company, worker, chair, case, code)
    await _ended(worker, chair, hotline, case)
    for account in ("thuong.worker", "hoa.education"):
        await (await company.person(account)).refused(case)
    await _knows_nobody(coordinator, case)
    await _knows_nobody(coordinator, "/cases/list?status=closed")


async def _call_by_keyboard(hotline: Somebody) -> None:
    """Form 01 without the mouse: danger now, so the case opens by itself."""
    await hotline.go("/cases/report")
    keys = hotline.page.keyboard
    for pressed in ("1", "Enter", "1", "Enter"):
        await keys.press(pressed)
    await keys.type(STORY)
    await keys.press("Tab")
    await keys.type("phan dinh phung")
    await hotline.tab_to("child_name")
    await keys.type(CHILD)
    await keys.press("Tab")
    await keys.press("2")
    await hotline.tab_to("child_birth_date")
    await keys.type("04/05/2018")
    await hotline.tab_to("main_kind")
    await keys.press("ArrowDown")
    await hotline.tab_to("mother_name")
    await keys.type(MOTHER)
    await hotline.shot("call")
    await keys.press("Control+Enter")
    await hotline.page.wait_for_url("**/cases/concerns/**")
    assert "Vụ việc đã mở, các ngành đã được báo." in await hotline.text()
    await hotline.shot("reported")


async def _danger(worker: Somebody, chair: Somebody, case: str) -> None:
    """Verified, assessed by form 02 kept through a lost page, decided by form 07."""
    findings = {"confirmed": "true", "findings": "Đã gặp trẻ ở trạm y tế."}
    assert "Đã xác minh" in await worker.act(case, "verify", findings)
    await worker.go(f"{case}/forms/assess-initial")
    page, words = worker.page, "Nguy cơ cao, cần cách ly"
    await page.fill('[name="assess-initial.conclusion"]', words)
    await page.wait_for_selector('[data-draft-state][data-state="saved"]')
    await page.reload()
    assert await page.input_value('[name="assess-initial.conclusion"]') == words
    await worker.fits()
    form = page.locator("form.law-form")
    await worker.fill(form, {f"assess-initial.{name}": value for name, value in rated("high").items()})
    await worker.shot("form-02")
    await worker.send(form)
    assert "Đánh giá nguy cơ ban đầu (Mẫu 02)" in await worker.text()

    text = await chair.reads("/cases/", "Quyết định khẩn cấp (Mẫu 07)")
    assert CHILD not in text
    await chair.shot("work")
    await chair.go(f"{case}/forms/decide-emergency")
    # The grounds are begun with what form 02 concluded.
    assert await chair.page.input_value('[name="decide-emergency.answers.grounds"]') == words
    decided = {"measure": "medical-care", "decision": "Đưa trẻ đi điều trị ngay.", "answers.number": "07/QĐ-UBND"}
    text = await chair.law_form(case, "decide-emergency", decided)
    assert "Quyết định biện pháp bảo vệ khẩn cấp (Mẫu 07)" in text
    # Both clocks of the danger were met in time.
    assert "Không có thời hạn nào đang chạy." in text
    await chair.shot("decided")


async def _sectors_ask_and_answer(worker: Somebody, police: Somebody, health: Somebody, case: str, code: str) -> None:
    """Police ask first, health needs longer; the worker answers both, both finish; neither sees more than it needs."""
    question, reply, result = "Bà ngoại ở thôn nào?", "Thôn Bản Mới, sau trường.", "Đã làm việc với gia đình."
    for sector in (police, health):
        assert CHILD not in await sector.reads("/cases/", code)
    text = await police.answer(code, CHECKED, {"answer": "question", "question": question})
    assert CHILD in text
    assert STORY in text
    await police.shot("asked")
    later = day(6)
    dates = {"answer": "new-date", "new_date": later, "date_reason": "Chờ kết quả chụp phim"}
    text = await health.answer(code, EXAMINED, dates)
    assert CHILD in text
    assert STORY not in text
    assert MOTHER not in text
    await health.shot("date")
    await police.refused(case)
    await health.refused(case)

    text = await worker.reads("/cases/", "Trả lời câu hỏi của ngành", "Trả lời ngày ngành hẹn lại")
    assert CHILD not in text
    text = await worker.go(case)
    assert question in text
    assert f"Đồng ý ngày {vietnamese(later)}" in text
    await worker.fits()
    await worker.about_task(case, CHECKED, "reply-task", {"reply": reply})
    text = await worker.about_task(case, EXAMINED, "agree-date")
    assert "Xã, phường đồng ý thời hạn mới" in text
    assert reply in await police.answer(code, CHECKED, {"answer": "done", "summary": result})
    await health.answer(code, EXAMINED, {"answer": "done", "summary": "Bỏng độ hai, đã băng."})
    text = await worker.reads(case, result, "Bỏng độ hai, đã băng.")
    # What was done is over, and so is what the sector saw for it.
    assert CHILD not in await police.press(police.page.locator("a", has_text="Tệp của nhiệm vụ"))
    await worker.shot("answered")


async def _planned(company: Company, worker: Somebody, chair: Somebody, case: str, code: str) -> None:
    """Form 03, the needs meeting, form 04 returned once and approved by form 05; its services are given."""
    needs = "Đi học lại, ở nơi an toàn"
    assessed = {**rated("medium"), "conclusion": "Cần chữa lành và học lại", "answers.needs": needs}
    await worker.law_form(case, "assess-detailed", assessed)
    minutes = {
        "answers.attendees.0.name": "Nguyễn Thị Lan",
        "answers.attendees.0.body": "Cán bộ bảo vệ trẻ em",
        "answers.decisions": "Nhà trường đón trẻ, hội phụ nữ thăm nhà.",
    }
    await chair.go(f"{case}/forms/hold-needs-meeting")
    assert await chair.page.input_value('[name="hold-needs-meeting.answers.needs"]') == needs
    assert "Họp xác định nhu cầu của trẻ" in await chair.law_form(case, "hold-needs-meeting", minutes)
    plan = {
        "goals": "Trẻ an toàn và đi học lại",
        "services.0.kind": "education",
        "services.0.sector": "education",
        "services.0.due": day(5),
        "until": day(30),
    }
    await worker.law_form(case, "draft-plan", plan)
    assert "Trả lại kế hoạch" in await chair.act(case, "return-plan", {"reason": "Thêm việc thăm nhà."})
    await worker.law_form(case, "draft-plan", {"activities": "Thăm nhà hằng tuần"})
    await chair.go(f"{case}/forms/approve-plan")
    assert plan["goals"] in await chair.text()
    await chair.shot("form-05")
    text = await chair.law_form(case, "approve-plan", {"number": "12/QĐ-UBND"})
    assert "Phê duyệt kế hoạch (Mẫu 05)" in text
    assert SCHOOL in text

    school = await company.person("hoa.education")
    text = await school.answer(code, SCHOOL, {"answer": "accepted"})
    assert CHILD in text
    assert STORY not in text
    await school.answer(code, SCHOOL, {"answer": "done", "summary": "Trẻ đã trở lại lớp 3A."})
    await worker.reads(case, "Trẻ đã trở lại lớp 3A.")
    given = await worker.page.locator('[name="record-service.service"] option', has_text="Giáo dục").get_attribute(
        "value"
    )
    text = await worker.act(case, "record-service", {"service": given, "provided_on": day()})
    assert f"Đã thực hiện ngày {vietnamese(day())}" in text

    place = {"meets_at": f"{day(1)}T09:00", "place": "Trụ sở xã", "sectors.health": "true", "purpose": "Chăm sóc tiếp"}
    await chair.act(case, "call-conference", place)
    text = await (health := await company.person("duc.health")).reads("/cases/", "Cuộc họp mời ngành", "Trụ sở xã")
    assert "Chăm sóc tiếp" not in text
    await health.shot("day")
    decided = {"what": "Thăm nhà mỗi tuần", "who": "commune", "due": day(7)}
    held = {"held_on": day(), "people": "Lan, Đức", "minutes": "Trẻ hồi phục tốt"}
    told = {**held, **{f"decisions.0.{name}": value for name, value in decided.items()}}
    assert "Đã họp các ngành về vụ việc" in await chair.act(case, "hold-conference", told)
    text = await worker.reads(case, "Việc theo kết luận cuộc họp")
    await worker.press(worker.page.get_by_role("link", name="Việc theo kết luận cuộc họp"))
    form = worker.page.locator("form.answer")
    await worker.fill(form, {"answer": "done", "summary": "Đã thăm, nhà yên ổn."})
    await worker.send(form)
    assert "Đã gửi kết quả thực hiện" in await worker.text()


async def _ended(worker: Somebody, chair: Somebody, hotline: Somebody, case: str) -> None:
    """Form 06, the end, the papers; whoever took the call can say what became of it."""
    await worker.law_form(case, "hold-review", {**rated("low"), **REVIEWED})
    await chair.go(f"{case}?act=close")
    text = await chair.act(case, "close", {"outcome": "stable", "no_risk": "true", "stable": "true"})
    assert "Trẻ an toàn, ổn định" in text
    assert "Không có thời hạn nào đang chạy." in text
    await chair.shot("closed")
    await worker.go(case)
    await worker.fits()
    await worker.shot("closed")
    papers = worker.page.locator("section", has=worker.page.locator("#documents"))
    for ending, start in (("pdf", b"%PDF-"), ("docx", b"PK\x03\x04")):
        links = await papers.locator(f'a[href*="/forms/"][href$=".{ending}"]').all()
        # Forms 02-07 with form 04 twice, and the minutes of the needs meeting and of the conference.
        assert len(links) >= 8
        assert (await worker.download(await _address(links[0]))).startswith(start)
        report = papers.locator(f'a[href$="/form-01.{ending}"]')
        assert (await worker.download(await _address(report))).startswith(start)
    await hotline.reads("/cases/", "Trẻ an toàn, ổn định")
    await hotline.shot("outcome")


async def test_everything_goes_wrong_and_each_wrong_thing_has_its_way_out(company: Company, platform: Whole) -> None:
    for number, mother in enumerate(("Giàng Thị Máy", "Sùng Thị Dở")):
        await _recorded(platform, f"TE-{number}", mother)
    hotline, worker, chair = [await company.person(account) for account in ("mai.hotline", "lan.worker", "binh.chair")]
    case = await _waits_and_is_opened(hotline, worker)
    await _wrong_child(worker, case)
    await _two_at_once(worker, chair, case)
    await _closed_twice(worker, chair, case)
    case, code = await _missed(hotline, worker, chair)
    await _declined_and_asked_again(company, worker, case, code)
    await _handed_over(company, worker, case, code)


async def _recorded(platform: Whole, identifier: str, mother: str) -> None:
    """A child of the register: two have one name and one birthday."""
    child = {"name": TWIN, "birth_date": TWIN_BORN, "sex": "male", "carers": [{"name": mother, "relation": "mẹ"}]}
    event = {
        "specversion": "1.0",
        "id": identifier,
        "source": "/agency/dolisa/wrong",
        "type": "vn.vongtay.agency.child.recorded",
        "subject": identifier,
        "time": datetime.now(UTC).isoformat(),
        "datacontenttype": "application/json",
        "data": {"register_kind": "commune-roster", "as_of": "2026-01-01", "child": child, "unit": HERE},
    }
    answer = await platform.post("/registry/events", event, "agency", "dolisa")
    assert answer["outcome"] == "accepted"


async def _report(hotline: Somebody, fields: dict[str, str]) -> str:
    """Form 01. Out: the address of the report's page."""
    await hotline.go("/cases/report")
    form = hotline.page.locator("form.report")
    await hotline.fill(form, {"request": "protection", "unit": "Phường Phan Đình Phùng", **fields})
    async with hotline.page.expect_navigation():
        await form.locator('button[name="step"][value="send"]').click()
    await hotline.page.wait_for_url("**/cases/concerns/**")
    return str(hotline.page.url.split("?")[0].partition("/cases/concerns/")[2])


async def _waits_and_is_opened(hotline: Somebody, worker: Somebody) -> str:
    """Without danger a report waits for the commune. Out: its case."""
    told = {
        "danger_now": "no",
        "what_happened": "Trẻ bỏ học, hay đói",
        "child_name": TWIN,
        "child_birth_date": "02/03/2016",
    }
    report = await _report(hotline, told)
    assert "Xã, phường nhận được ngay và quyết định bước tiếp theo." in await hotline.text()
    text = await worker.reads("/cases/", "Báo tin mới, chờ quyết định", "Xử lý báo tin")
    assert TWIN not in text
    await worker.shot("waiting")
    await worker.act(f"/cases/concerns/{report}", "open")
    return f"/cases/c/{worker.page.url.split('?')[0].rpartition('/')[2]}"


async def _wrong_child(worker: Somebody, case: str) -> None:
    """Two children fit; the worker takes the wrong one, and puts it right."""
    await worker.reads(case, "Chờ người chọn")
    choices = worker.page.locator('[name="choose-child.child_id"]:not([value="none-of-these"])')
    wrong, right = [await choice.get_attribute("value") for choice in await choices.all()]
    await worker.shot("candidates")
    text = await worker.act(case, "choose-child", {"child_id": wrong})
    assert "Đã xác định" in text
    assert wrong in await _address(worker.page.get_by_role("link", name="Hồ sơ trẻ"))
    address = worker.page.url.partition("/cases/")[0] + f"/registry/children/{right}"
    text = await worker.act(case, "correct-child", {"child_id": address, "reason": "Mẹ là người khác."})
    assert "Gỡ trẻ gắn nhầm" in text
    await worker.reads(case, "Hồ sơ trẻ")
    assert right in await _address(worker.page.get_by_role("link", name="Hồ sơ trẻ"))
    assert TWIN in await worker.reads(f"/registry/children/{right}", TWIN)


async def _two_at_once(worker: Somebody, chair: Somebody, case: str) -> None:
    """While the worker writes, the chair adds something: the worker sees it, and loses nothing."""
    await worker.go(f"{case}/forms/assess-initial")
    form, words = worker.page.locator("form.law-form"), "Trẻ đói nhưng an toàn"
    typed = {**rated("low"), "conclusion": words}
    await worker.fill(form, {f"assess-initial.{name}": value for name, value in typed.items()})
    news = "Trưởng thôn vừa gọi: trẻ đang ở nhà bác."
    await chair.act(case, "note", {"text": news})
    await worker.send(form)
    text = await worker.text()
    assert "Hồ sơ đã thay đổi từ khi anh chị mở trang" in text
    assert news in text
    await worker.shot("changed")
    assert await worker.page.input_value('[name="assess-initial.conclusion"]') == words
    assert await worker.page.is_checked('[name="assess-initial.level"][value="low"]')
    await worker.send(worker.page.locator("form.law-form"))
    assert worker.page.url.endswith("?done=assess-initial")
    await chair.go(case)
    await chair.page.locator("summary", has_text="Nội dung đã ghi").first.click()
    assert words in await chair.text()


async def _closed_twice(worker: Somebody, chair: Somebody, case: str) -> None:
    """Nothing was found, then it was: the case goes on; what was verified before counts no more."""
    nothing = {"confirmed": "false", "findings": "Không thấy dấu hiệu gì."}
    await worker.act(case, "verify", nothing)
    assert "Không xác thực được" in await chair.act(case, "close", {"outcome": "unfounded"})
    assert "Mở lại vụ việc" in await worker.act(case, "reopen", {"reason": "Cô giáo báo trẻ lại vắng."})
    text = await worker.go(case)
    assert "Kế hoạch hỗ trợ, can thiệp (5 ngày làm việc)" in text
    text = await chair.try_to(case, "close", {"outcome": "unfounded"})
    assert "Chỉ kết thúc như vậy khi đã xác minh là không có sự việc" in text
    await chair.shot("not-yet")
    await worker.law_form(case, "assess-detailed", {**rated("low"), "conclusion": "Trẻ ổn"})
    await worker.law_form(case, "draft-plan", {"goals": "Theo dõi", "activities": "Thăm nhà"})
    await chair.law_form(case, "approve-plan", {})
    await worker.law_form(case, "hold-review", {**rated("low"), **REVIEWED})
    text = await chair.act(case, "close", {"outcome": "stable", "no_risk": "true", "stable": "true"})
    assert text.count("Kết thúc vụ việc") >= 2
    assert "Trẻ an toàn, ổn định" in text


async def _missed(hotline: Somebody, worker: Somebody, chair: Somebody) -> tuple[str, str]:
    """A report that lay about for 20 hours: its twelve are over, everybody sees it, and nothing is closed by it.

    Out: its case and the case's code.
    """
    received = (datetime.now(ZONE) - timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M")
    told = {"danger_now": "yes", "what_happened": STORY, "child_name": CHILD, "received_at": received}
    report = await _report(hotline, told)
    await worker.go(f"/cases/concerns/{report}")
    link = worker.page.locator('aside a[href^="/cases/c/"]')
    case, code = await _address(link), await link.inner_text()
    await worker.reads(case, "Đã quá thời hạn")
    await worker.shot("missed")
    for person in (worker, chair):
        text = await person.reads("/cases/", "Vụ việc quá hạn", code)
        assert CHILD not in text
    await chair.shot("missed")
    text = await chair.law_form(
        case, "decide-emergency", {"measure": "safe-place", "decision": "Đưa trẻ đến nơi an toàn"}
    )
    assert "Xong sau thời hạn" in text
    return case, code


async def _declined_and_asked_again(company: Company, worker: Somebody, case: str, code: str) -> None:
    """Health does not do it and says why; the worker asks another sector, which does."""
    reason = "Trạm đang sửa, chưa khám được."
    health, other = await company.person("duc.health"), await company.person("thao.dolisa")
    await health.answer(code, EXAMINED, {"answer": "declined", "reason": reason})
    text = await worker.reads(case, reason, "Chờ xã, phường quyết định")
    await worker.shot("declined")
    asked = {"sector": "dolisa", "due": day(2), "reason": "Nhờ trung tâm đưa trẻ đi khám."}
    text = await worker.about_task(case, EXAMINED, "reassign-task", asked)
    assert "Đề nghị lại sau khi ngành từ chối" in text
    await other.answer(code, EXAMINED, {"answer": "done", "summary": "Đã đưa trẻ đi khám."})
    await worker.reads(case, "Đã đưa trẻ đi khám.")


async def _handed_over(company: Company, worker: Somebody, case: str, code: str) -> None:
    """The neighbouring commune declines, is asked again, and takes it; it sees who the child is only then."""
    neighbour = await company.person("thuong.worker")
    offer = {"to_unit": THERE, "reason": "Trẻ sống với bà ở đó."}
    assert f"Đã đề nghị {THERE_NAME} tiếp nhận" in await worker.act(case, "offer-handover", offer)
    await neighbour.reads("/cases/", "Vụ việc nơi khác bàn giao đến", code)
    text = await neighbour.go(case)
    assert "Đến khi tiếp nhận" in text
    for personal in (CHILD, STORY, offer["reason"]):
        assert personal not in text
    await neighbour.shot("offered")
    await neighbour.try_to(case, "decline-handover", {"reason": "Trẻ chưa chuyển hộ khẩu."})
    await neighbour.refused(case)
    await worker.reads(case, "Không tiếp nhận bàn giao", "Trẻ chưa chuyển hộ khẩu.")
    await worker.act(case, "offer-handover", offer)
    text = await neighbour.act(case, "accept-handover")
    assert CHILD in text
    assert offer["reason"] in text
    await neighbour.shot("accepted")
    await worker.refused(case)
    assert code not in await worker.go("/cases/list")


async def _knows_nobody(person: Somebody, path: str) -> None:
    """What they see there names no child, no mother, and tells nothing that was said."""
    text = await person.go(path)
    html = await person.page.content()
    for personal in (CHILD, MOTHER, STORY):
        assert personal not in text, (person.name, path)
        assert personal not in html, (person.name, path)


async def _address(link: Any) -> str:
    return str(await link.get_attribute("href"))
