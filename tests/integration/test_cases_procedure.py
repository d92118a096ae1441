"""Bans, care, hand-over, siblings, the wrong child and merges, on a real database and on the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.contracts.registry import ChildIdentified
from tests.integration.cases_house import (
    NAME,
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

NEIGHBOUR = "05455"
FIRST, SECOND = (f"00000000-0000-7000-8000-00000000000{number}" for number in (1, 2))


async def do(client: Browser, case_id: str, act: str, **fields: Any) -> dict[str, Any]:
    """An act through the API. Out: the case as JSON, or what was refused."""
    seen = (await client.get(f"/cases/api/cases/{case_id}")).json()
    token, _ = await token_of(client, f"/cases/c/{case_id}")
    answer = await client.post(
        f"/cases/api/cases/{case_id}/acts",
        json={"version": seen["version"], "act": {"act": act, **fields}},
        headers={"x-form-token": token, "accept": "application/json"},
    )
    said: dict[str, Any] = answer.json()
    return said


async def linked(house: House, case_id: str, child_id: str) -> None:
    answer = ChildIdentified(case_id=case_id, result="existing", child_id=child_id)
    assert (await house.hear(answer, case_id)).outcome == "accepted"


async def another(house: House, name: str, **changes: Any) -> str:
    await house.send(("concern.reported", name, concern(danger_now="yes", **changes)))
    return str((await house.said("case.opened"))[-1]["data"]["case_id"])


async def test_a_ban_is_asked_for_decided_and_ends_by_itself_after_three_days(house: House) -> None:
    case_id = await opened(house)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    path = f"/cases/c/{case_id}"
    fields = {"request-contact-ban.against": "Ông Thử", "request-contact-ban.reason": "Đánh trẻ lần nữa"}
    assert (await act_on(worker, path, "request-contact-ban", fields)).status == 303
    assert "Có đề nghị cấm tiếp xúc chờ quyết định" in (await chair.get(path)).text
    refused = await act_on(chair, path, "decide-contact-ban", {"decide-contact-ban.granted": "false"})
    assert 'id="f-decide-contact-ban-reason-error"' in refused.text
    house.now += timedelta(hours=2)
    granted = {"decide-contact-ban.granted": "true", "decide-contact-ban.until": ""}
    assert (await act_on(chair, path, "decide-contact-ban", granted)).status == 303
    seen = (await worker.get(f"/cases/api/cases/{case_id}")).json()
    assert seen["contact_ban"] == {"requested": False, "until": (house.now + timedelta(days=3)).isoformat()}
    assert "Đang cấm tiếp xúc" in (await worker.get(path)).text
    house.now += timedelta(days=3, seconds=1)
    await tick_once(house, house.desk_of)
    assert len(await house.said("contact-ban.ended")) == 1
    kinds = [event["data"]["kind"] for event in await house.said("deadline.missed")]
    assert "contact-ban-3d" not in kinds
    assert "request-contact-ban" in (await worker.get(f"/cases/api/cases/{case_id}")).json()["acts"]
    words = await house.rows("SELECT string_agg(words::text, ' ') AS words FROM entry")
    assert "Ông Thử" not in words[0].words


async def test_a_child_is_handed_over_to_care_before_its_case_ends_so(house: House) -> None:
    case_id = await opened(house)
    worker, chair = await house.as_person("lan.worker"), await house.as_person("binh.chair")
    page = (await chair.get(f"/cases/c/{case_id}")).text
    assert "Chủ tịch UBND tỉnh, với cơ sở do tỉnh quản lý" in page
    assert "Chủ tịch UBND huyện" not in page
    decided = await do(
        chair, case_id, "decide-alternative-care", care="kinship", carer="Bà ngoại", grounds="Trẻ muốn ở với bà"
    )
    assert decided["care"] == {"kind": "kinship", "handed_over": False}
    assert any(clock["kind"] == "alternative-care-handover" for clock in decided["deadlines"])
    rated = {"ratings": dict.fromkeys(ROWS, "low"), "level": "low", "conclusion": "Trẻ an toàn khi ở với bà ngoại."}
    await do(worker, case_id, "assess-initial", **rated)
    await do(worker, case_id, "draft-plan", goals="Ổn định", activities="Thăm hằng tuần")
    await do(chair, case_id, "approve-plan")
    reviewed = {"ratings": rated["ratings"], "level": "low", "findings": "Trẻ ổn định khi ở với bà ngoại."}
    await do(worker, case_id, "hold-review", outcome="close", **reviewed)
    close = {"outcome": "alternative-care", "no_risk": True}
    assert "not-handed-over" in str(await do(chair, case_id, "close", **close))
    too_early = await do(worker, case_id, "hand-over-child", handed_on="2026-11-01", minutes="Đã giao")
    assert "handed-on" in str(too_early)
    await do(worker, case_id, "hand-over-child", handed_on="2026-11-24", minutes="Bà đã nhận")
    closed = await do(chair, case_id, "close", **close)
    assert (closed["facts"]["status"], closed["care"]["handed_over"]) == ("closed", True)


async def test_a_case_offered_to_another_commune_is_seen_there_and_led_here_until_it_is_taken(house: House) -> None:
    case_id = await opened(house)
    here, there = await house.as_person("lan.worker"), await house.as_person(f"worker.{NEIGHBOUR}")
    path = f"/cases/c/{case_id}"
    assert (await there.get(path)).status == 404
    fields = {"offer-handover.to_unit": NEIGHBOUR, "offer-handover.reason": "Trẻ sống với bà ở đó"}
    assert (await act_on(here, path, "offer-handover", fields)).status == 303
    code = (await here.get(f"/cases/api/cases/{case_id}")).json()["code"]
    assert code in (await there.get("/cases/")).text
    page = (await there.get(path)).text
    assert "đề nghị xã, phường của anh chị tiếp nhận" in page
    assert NAME not in page
    assert "Trẻ sống với bà ở đó" not in page
    assert "Xác minh vụ việc" not in page
    offered = (await there.get(f"/cases/api/cases/{case_id}")).json()
    assert (offered["acts"], "tasks" in offered) == (["accept-handover", "decline-handover"], False)
    assert "not-your-commune" in str(await do(there, case_id, "verify", confirmed=True, findings="?"))
    assert (await there.get(f"/cases/api/cases/{case_id}/identity")).status == 403
    declined = await act_on(there, path, "decline-handover", {"decline-handover.reason": "Trẻ đã về"})
    assert (declined.status, (await there.get(path)).status) == (303, 404)
    assert "Trẻ đã về" in (await here.get(path)).text
    await act_on(here, path, "offer-handover", fields)
    assert (await act_on(there, path, "accept-handover", {})).status == 303
    assert (await here.get(path)).status == 404
    assert "verify" in (await there.get(f"/cases/api/cases/{case_id}")).json()["acts"]
    said = [event["type"] for event in await house.said()]
    taken = said.index("case.transferred")
    assert said[taken - 2 : taken] == ["case.handover-answered", "deadline.met"]
    assert {"deadline.followed-case", "task.followed-case"} <= set(said[taken:])
    answers = [event["data"]["answer"] for event in await house.said("case.handover-answered")]
    assert answers == ["declined", "accepted"]


async def test_siblings_cases_know_of_each_other_by_code(house: House) -> None:
    case_id = await opened(house)
    other = await another(house, "C-2", unit=NEIGHBOUR)
    here, there = await house.as_person("lan.worker"), await house.as_person(f"worker.{NEIGHBOUR}")
    code = (await there.get(f"/cases/api/cases/{other}")).json()["code"]
    linked = await do(here, case_id, "link-sibling", other=code, reason="Hai chị em ruột")
    assert linked["siblings"] == [code]
    assert "already-linked" in str(await do(here, case_id, "link-sibling", other=code, reason="Lần nữa"))
    page = (await here.get(f"/cases/c/{case_id}")).text
    assert code in page
    assert f'href="/cases/c/{other}"' not in page
    theirs = (await there.get(f"/cases/c/{other}")).text
    assert linked["code"] in theirs
    assert "Hai chị em ruột" not in theirs
    assert [event["key"] for event in await house.said("case.sibling-linked")] == [other, case_id]
    assert (await do(here, case_id, "unlink-sibling", other=code, reason="Nhầm"))["siblings"] == []
    assert len(await house.said("case.sibling-unlinked")) == 2


async def test_the_wrong_child_is_unlinked_and_the_registry_asked_for_the_right_one(house: House) -> None:
    case_id = await opened(house)
    worker = await house.as_person("lan.worker")
    await linked(house, case_id, FIRST)
    path = f"/cases/c/{case_id}"
    nothing = await act_on(worker, path, "correct-child", {"correct-child.reason": "Nhầm tên"})
    assert 'id="f-correct-child-child_id-error"' in nothing.text
    address = f"https://vongtay.example/registry/children/{SECOND}?q=1"
    fields = {"correct-child.child_id": address, "correct-child.reason": "Nhầm tên"}
    assert (await act_on(worker, path, "correct-child", fields)).status == 303
    # The first worker who acts on a case is responsible for it from then.
    unlinked, chosen, _assigned = (await house.said())[-3:]
    assert (unlinked["type"], unlinked["data"]["wrong_child_id"]) == ("case.child-unlinked", FIRST)
    assert (chosen["type"], chosen["data"]["child_id"], chosen["data"]["instead_of"]) == ("child.chosen", SECOND, FIRST)
    assert chosen["data"]["child"].keys() >= {"kid"}
    assert "child_id" not in chosen["data"]["facts"]
    await linked(house, case_id, SECOND)
    assert (await house.said("case.child-linked"))[-1]["data"]["facts"]["child_id"] == SECOND
    nobody = await act_on(
        worker, path, "correct-child", {"correct-child.nobody": "true", "correct-child.reason": "Không phải"}
    )
    assert nobody.status == 303
    assert (await house.said("child.chosen"))[-1]["data"].get("child_id") is None


async def test_a_merge_is_undone_with_reports_steps_clocks_and_tasks(house: House) -> None:
    kept, gone = await opened(house), await another(house, "C-2")
    worker = await house.as_person("lan.worker")
    await linked(house, gone, FIRST)
    code = (await worker.get(f"/cases/api/cases/{kept}")).json()["code"]
    merged = await act_on(worker, f"/cases/c/{gone}", "merge", {"merge.into": code, "merge.reason": "Cùng một trẻ"})
    assert merged.status == 303
    assert (await worker.get(f"/cases/api/cases/{kept}")).json()["facts"]["child_id"] == FIRST
    house.now += timedelta(hours=1)
    undone = await act_on(worker, f"/cases/c/{gone}", "undo-merge", {"undo-merge.reason": "Hai trẻ khác nhau"})
    assert undone.status == 303
    one, other = [(await worker.get(f"/cases/api/cases/{key}")).json() for key in (kept, gone)]
    assert (one["facts"].get("child_id"), other["facts"]["child_id"]) == (None, FIRST)
    assert (other["facts"]["status"], other["facts"]["step"]) == ("open", "intake")
    for seen in (one, other):
        running = sorted(clock["kind"] for clock in seen["deadlines"] if clock["state"] == "running")
        assert running == ["emergency-12h", "initial-assessment"]
        assert len([task for task in seen["tasks"] if task["state"] == "requested"]) == 2
    rows = await house.rows("SELECT case_id, status FROM concern ORDER BY code")
    assert [(row.case_id, row.status) for row in rows] == [(kept, "opened"), (gone, "opened")]
    described = (await worker.get(f"/cases/api/cases/{gone}/identity")).json()["described"]
    assert [child["name"] for child in described] == [NAME]
    assert other["facts"]["unit"] == UNIT
