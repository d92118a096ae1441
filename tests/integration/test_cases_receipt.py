"""When a report was received: how long ago that may be, and what moves where it was written down wrongly."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from shared.reference.intake import Intake
from tests.integration.cases_house import START, House, act_on, concern, house, token_of
from tests.support.visitor import Answer

__all__ = ["house"]

OLDEST = Intake.load().oldest_receipt(START)
REASON = "Ghi nhầm giờ trong sổ"


async def test_a_receipt_of_another_age_opens_nothing_by_any_way_in(house: House) -> None:
    old = "1900-01-01T08:00:00+07:00"
    (result,) = await house.send(("concern.reported", "C-1", concern(received_at=old, danger_now="yes")))
    assert [(known.field, known.rule) for known in result.violations] == [("data.received_at", "received-at-too-old")]
    worker = await house.as_person("lan.worker")
    token, _ = await token_of(worker, "/cases/report")
    body = concern(received_at=old)
    headers = {"x-form-token": token, "accept": "application/json"}
    answer = await worker.post("/cases/api/concerns", json=body, headers=headers)
    assert answer.status == 422
    assert answer.json()["violations"][0]["rule"] == "received-at-too-old"
    form = {"form_token": token, "received_at": "1900-01-01T08:00", "what_happened": "Trẻ bị đánh", "channel": "other"}
    page = await worker.post("/cases/report", data=form)
    assert page.status in (200, 422)
    assert "kiểm tra lại năm" in page.text
    assert await house.rows("SELECT 1 FROM concern") == []
    assert await house.rows("SELECT 1 FROM cases") == []


async def test_a_paper_register_of_years_ago_is_still_entered(house: House) -> None:
    for number, (day, taken) in enumerate(((OLDEST, True), (OLDEST - timedelta(days=1), False))):
        said = concern(received_at=f"{day}T08:00:00+07:00")
        (result,) = await house.send(("concern.reported", f"C-{number}", said))
        assert (not result.violations) is taken


async def clocks_of(house: House) -> dict[str, datetime]:
    rows = await house.rows("SELECT kind, due FROM deadline WHERE state IN ('running', 'nearing', 'missed')")
    return {row.kind: row.due for row in rows}


async def opened(house: House) -> Any:
    await house.send(("concern.reported", "C-1", concern(danger_now="yes", received_at=START.isoformat())))
    house.now = START + timedelta(hours=2)
    return (await house.rows("SELECT id, code, version, case_id FROM concern"))[0]


async def corrects(house: House, person: str, at: datetime, reason: str = REASON) -> Answer:
    client = await house.as_person(person)
    token, _ = await token_of(client, "/cases/access")
    row = (await house.rows("SELECT id, version FROM concern"))[0]
    act = {"act": "correct-receipt", "received_at": at.isoformat(), "reason": reason}
    body = {"version": row.version, "act": act}
    headers = {"x-form-token": token, "accept": "application/json"}
    return await client.post(f"/cases/api/concerns/{row.id}/acts", json=body, headers=headers)


async def test_a_worker_corrects_the_receipt_with_a_reason_and_the_clocks_move(house: House) -> None:
    row = await opened(house)
    earlier = START - timedelta(hours=5)
    for at, reason, rule in (
        (earlier, "", "string_too_short"),
        (house.now + timedelta(days=2), REASON, "received-at-in-future"),
        (START + timedelta(hours=1), REASON, "received-at-after-entry"),
        (START, REASON, "nothing-changed"),
        (START - timedelta(days=9999), REASON, "received-at-too-old"),
    ):
        refused = await corrects(house, "lan.worker", at, reason)
        assert refused.status == 422, refused.text
        assert reason == "" or refused.json()["violations"][0]["rule"] == rule
    for person in ("thuong.worker", "mai.hotline"):
        assert (await corrects(house, person, earlier)).status in (404, 422)
    before = await clocks_of(house)
    answer = await corrects(house, "lan.worker", earlier)
    assert answer.status == 200, answer.text
    after = await clocks_of(house)
    assert {kind: due - after[kind] for kind, due in before.items()} == dict.fromkeys(before, timedelta(hours=5))
    assert len(await house.said("deadline.moved")) == len(before)
    found = (await house.rows("SELECT received_at, next_moment FROM cases"))[0]
    assert found.received_at == earlier
    assert (await house.said("concern.received"))[-1]["data"]["facts"]["received_at"].startswith("2026-11-23T20:00")
    line = (await house.rows("SELECT data, words::text AS words FROM entry WHERE kind = 'receipt.corrected'"))[0]
    assert line.data["to"] == earlier.isoformat()
    assert REASON not in line.words
    # The sender's system, which sends the same wrong hour again, does not move it back.
    await house.send(("concern.reported", "C-1", concern(danger_now="yes", received_at=START.isoformat())))
    assert await clocks_of(house) == after
    page = await (await house.as_person("lan.worker")).get(f"/cases/c/{row.case_id}/timeline")
    assert "Sửa thời điểm tiếp nhận" in page.text or page.status == 404


async def test_the_page_of_a_report_asks_for_the_right_time_and_the_reason(house: House) -> None:
    row = await opened(house)
    worker = await house.as_person("lan.worker")
    fields = {"correct-receipt.received_at": "2026-11-24T03:00", "correct-receipt.reason": REASON}
    missing = {"correct-receipt.received_at": "2026-11-24T03:00"}
    assert (await act_on(worker, f"/cases/concerns/{row.id}", "correct-receipt", missing)).status == 422
    assert (await act_on(worker, f"/cases/concerns/{row.id}", "correct-receipt", fields)).status == 303
    assert (await house.rows("SELECT received_at FROM cases"))[0].received_at == START - timedelta(hours=5)
    assert REASON in (await worker.get(f"/cases/concerns/{row.id}")).text


async def test_a_sender_s_correction_of_the_receipt_moves_the_clocks_also_of_a_case_in_work(house: House) -> None:
    row = await opened(house)
    worker = await house.as_person("lan.worker")
    verify = {"verify.confirmed": "true", "verify.findings": "Đúng sự việc"}
    assert (await act_on(worker, f"/cases/c/{row.case_id}", "verify", verify)).status in (303, 422)
    before = await clocks_of(house)
    earlier = START - timedelta(hours=3)
    await house.send(("concern.reported", "C-1", concern(danger_now="yes", received_at=earlier.isoformat())))
    after = await clocks_of(house)
    assert {kind: due - after[kind] for kind, due in before.items()} == dict.fromkeys(before, timedelta(hours=3))
    # A receipt after the report came in makes no sense: it counts from when it came.
    later = START + timedelta(hours=1)
    await house.send(("concern.reported", "C-1", concern(danger_now="yes", received_at=later.isoformat())))
    assert (await house.rows("SELECT received_at FROM cases"))[0].received_at == START
