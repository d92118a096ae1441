"""What pages say where it matters: what presses first, whose clock it is, who was faster, what is not known yet."""

from __future__ import annotations

import re
from datetime import timedelta

from services.cases.desk import Desk, Origin
from shared.contracts.agency import ConcernReported
from shared.messaging.router import Scope
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.integration.cases_house import NAME, START, UNIT, House, act_on, concern, house, opened, token_of

OTHER = next(code for code in Units.load().codes() if code != UNIT)
__all__ = ["house"]
SOURCE = "/services/cases/reports/lan.worker"


async def test_the_board_shows_where_something_presses_and_folds_the_rest(house: House) -> None:
    await opened(house)
    await house.send(("concern.reported", "O-1", concern(unit=OTHER)))
    calm = next(code for code in Units.load().codes() if code not in (UNIT, OTHER))
    await house.send(("concern.reported", "Q-1", concern(danger_now="yes", unit=calm)))
    house.now += timedelta(hours=1)
    coordinator = await house.as_person("ha.coordinator")
    page = (await coordinator.get("/cases/board")).text
    table, _, rest = page.partition("</table>")
    assert Units.load().name(OTHER) in table, "a report waits there"
    empty = rest.split('id="board-empty"')[1]
    silent = [code for code in Units.load().codes() if code not in (UNIT, OTHER, calm)]
    assert len(re.findall("<li>", empty)) == len(silent)
    assert Units.load().name(UNIT) not in empty


async def test_a_report_that_names_no_kind_stays_unclassified_until_somebody_verifies_it(house: House) -> None:
    case_id = await opened(house, kinds=[])
    assert (await house.said("case.opened"))[0]["data"]["facts"]["kind"] == "unclassified"
    worker, path = await house.as_person("lan.worker"), f"/cases/c/{case_id}"
    page = (await worker.get(path)).text
    assert "Chưa phân loại" in page
    assert "Hình thức gây tổn hại khác</p>" not in page
    found = (await worker.get("/cases/list?kind=unclassified")).text
    assert f"/cases/c/{case_id}" in found
    assert f"/cases/c/{case_id}" not in (await worker.get("/cases/list?kind=other")).text
    verified = {"verify.confirmed": "true", "verify.findings": "Đúng là bị bỏ mặc"}
    told = await act_on(worker, path, "verify", verified | {"verify.kind": "spanking"})
    assert told.status == 422
    assert (await act_on(worker, path, "verify", verified | {"verify.kind": "neglect"})).status == 303
    (event,) = await house.said("case.reclassified")
    assert event["data"]["facts"]["kind"] == "neglect"
    assert (await house.rows("SELECT kind FROM cases"))[0].kind == "neglect"


async def test_a_case_verified_without_a_kind_is_still_unclassified(house: House) -> None:
    case_id = await opened(house, kinds=[])
    worker = await house.as_person("lan.worker")
    verified = {"verify.confirmed": "true", "verify.findings": "Đúng, chưa rõ loại", "verify.kind": ""}
    assert (await act_on(worker, f"/cases/c/{case_id}", "verify", verified)).status == 303
    assert (await house.rows("SELECT kind FROM cases"))[0].kind == "unclassified"
    assert await house.said("case.reclassified") == []


async def test_a_line_of_the_day_has_the_clock_of_the_act_it_names(house: House) -> None:
    await opened(house)
    house.now = START + timedelta(hours=13)
    await house.rows("UPDATE deadline SET due = due + interval '5 hours' WHERE kind = 'initial-assessment' RETURNING 1")
    page = (await (await house.as_person("lan.worker")).get("/cases/")).text
    line = page.split('class="todo todo--danger"')[1].split("</li>")[0]
    _, own, sooner = line.split('<p class="todo__why">')
    assert "Đánh giá nguy cơ ban đầu" in own
    assert "Quá hạn" not in own, "the assessment is not late yet"
    assert "Can thiệp khẩn cấp" in sooner
    assert "chờ chủ tịch" in sooner


async def test_who_decides_on_a_report_too_late_learns_what_became_of_it_and_keeps_the_words(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()))
    concern_id = (await house.rows("SELECT id FROM concern"))[0].id
    path = f"/cases/concerns/{concern_id}"
    worker = await house.as_person("lan.worker")
    token, page = await token_of(worker, path)
    version = re.search(r'name="version" value="(\d+)"', page)
    assert version
    assert (await act_on(worker, path, "open", {})).status == 303
    words = "Đã gọi điện cho trưởng thôn"
    form = {"form_token": token, "act": "dismiss", "version": version.group(1), "dismiss.reason": "hoax"}
    late = await worker.post(path, data={**form, "dismiss.words": words})
    assert late.status == 409
    notice = late.text.split('id="conflict"')[1].split("</section>")[0]
    assert "Mở vụ việc" in notice
    assert "Nguyễn Thị Lan" in notice
    assert f"<blockquote>{words}</blockquote>" in notice, "the form is not there any more, the words are"
    assert "Thông tin chưa hợp lệ" not in late.text


async def test_a_sector_reads_what_it_sent_and_who_is_awaited(house: House) -> None:
    await opened(house)
    task = (await house.rows("SELECT id FROM task WHERE sector = 'police'"))[0].id
    police = await house.as_person("quang.police")
    path = f"/cases/tasks/{task}"
    for given, more, title in (
        ("accepted", {}, "Đã nhận nhiệm vụ"),
        ("question", {"question": "Nhà ở tổ mấy?"}, "Đã gửi câu hỏi"),
        ("done", {"summary": "Đã xác minh."}, "Đã gửi kết quả thực hiện"),
    ):
        token, _ = await token_of(police, path)
        sent = await police.post(path, data={"form_token": token, "answer": given, **more})
        assert sent.status == 303
        page = (await police.get(f"{path}?done=answer")).text
        assert title in page
        assert "Chờ trả lời" not in page
    assert "không còn chờ ai" in page


async def test_a_persons_correction_keeps_what_the_form_does_not_ask_for(house: House) -> None:
    carers = [
        {"name": "Trần Thị Bà", "relation": "bà", "address": "Xóm Đông"},
        {"name": "Lê Văn Cậu", "relation": "cậu"},
    ]
    child = {"name": "Nguyễn Văn Sửa", "hamlet": "Xóm Đông", "grade": "3B", "carers": carers}
    sister = {"name": "Nguyễn Thị Em", "grade": "1A", "ethnicity": "Tày"}
    origin = Origin("dolisa", SOURCE, "r-1", "lan.worker")
    first = concern(child=child, more_children=[sister])
    # As the form says it: with what it asks, and nothing else.
    seen = {"name": "Nguyễn Văn Sửa", "school": "Tiểu học A", "carers": [{"name": "Trần Thị Bà", "relation": "bà"}]}
    second = concern(child=seen, more_children=[{"name": "Nguyễn Thị Em", "sex": "female"}])
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    async with house.database.transaction() as connection:
        scope = Scope("cases", connection, house.now)
        await desk.intake.take_in(scope, ConcernReported.model_validate(first), origin)
        file = await desk.intake.take_in(scope, ConcernReported.model_validate(second), origin)
        reading = await desk.files.reader.report(connection, file)
    known = reading.child
    assert (known.hamlet, known.grade, known.school) == ("Xóm Đông", "3B", "Tiểu học A")
    assert [(carer.name, carer.address) for carer in known.carers] == [
        ("Trần Thị Bà", "Xóm Đông"),
        ("Lê Văn Cậu", None),
    ]
    (other,) = reading.more_children
    assert (other.grade, other.ethnicity, other.sex) == ("1A", "Tày", "female")


async def test_stuck_cases_are_listed_for_operators_by_code_and_without_anybodys_name(house: House) -> None:
    await opened(house)
    stuck = "INSERT INTO stuck SELECT id, 'KeyError', 3, :at, next_moment FROM cases RETURNING 1"
    await house.rows(stuck, at=house.now)
    code = (await house.rows("SELECT code FROM cases"))[0].code
    async with house.database.transaction() as connection:
        (found,) = await house.desk_of.stuck(connection)
    assert (found.code, found.reason, found.attempts) == (code, "KeyError", 3)
    assert NAME not in str(found)
