"""Cases that are merged or go to another commune, on a real database: who sees what, and what goes along."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from shared.reference.units import Units
from tests.integration.cases_house import (
    NAME,
    UNIT,
    House,
    act_on,
    concern,
    house,
    opened,
)

__all__ = ["house"]


async def test_a_merge_and_a_transfer_change_what_the_communes_see(house: House) -> None:
    case_id = await opened(house)
    await house.send(("concern.reported", "C-2", concern(danger_now="yes")))
    second = next(
        event["data"]["case_id"] for event in await house.said("case.opened") if event["data"]["case_id"] != case_id
    )
    code = (await house.rows("SELECT code FROM cases WHERE id = :id", id=case_id))[0].code
    worker = await house.as_person("lan.worker")
    merged = await act_on(worker, f"/cases/c/{second}", "merge", {"merge.into": code, "merge.reason": "Cùng một trẻ"})
    assert merged.headers["location"].startswith(f"/cases/c/{case_id}")
    told = (await house.said("case.merged"))[0]["data"]
    assert (told["into_case_id"], told["into_unit"], told["facts"]["status"]) == (case_id, UNIT, "merged")
    page = (await worker.get(f"/cases/c/{case_id}")).text
    assert page.count(NAME) >= 2
    other = next(code for code in Units.load().codes() if code != UNIT)
    moved = await act_on(
        worker, f"/cases/c/{case_id}", "transfer", {"transfer.to_unit": other, "transfer.reason": "Trẻ ở đó"}
    )
    assert moved.headers["location"] == "/cases/"
    assert (await worker.get(f"/cases/c/{case_id}")).status == 404
    assert (await house.said("case.transferred"))[0]["data"]["from_unit"] == UNIT


async def test_a_merge_hands_open_tasks_with_their_words_to_the_case_that_goes_on(house: House) -> None:
    await house.send(("concern.reported", "C-1", concern()), ("concern.reported", "C-2", concern()))
    worker = await house.as_person("lan.worker")
    for row in await house.rows("SELECT id FROM concern ORDER BY code"):
        assert (await act_on(worker, f"/cases/concerns/{row.id}", "open", {})).status == 303
    goes, stays = await house.rows("SELECT id, code FROM cases ORDER BY code")
    request = {
        "request-task.sector": "health",
        "request-task.kind": "medical-examination",
        "request-task.due": "2026-11-30",
        "request-task.instructions": "Khám vết bầm",
    }
    assert (await act_on(worker, f"/cases/c/{goes.id}", "request-task", request)).status == 303
    merge = {"merge.into": stays.code, "merge.reason": "Cùng một trẻ"}
    assert (await act_on(worker, f"/cases/c/{goes.id}", "merge", merge)).status == 303
    states = await house.rows("SELECT id, case_id, state FROM task ORDER BY asked_at, state")
    assert [(row.case_id, row.state) for row in states] == [(goes.id, "cancelled"), (stays.id, "requested")]
    officer = await house.as_person("duc.health")
    assert "Khám vết bầm" in (await officer.get(f"/cases/tasks/{states[1].id}")).text


async def test_no_case_is_merged_into_one_that_moves_to_another_commune_meanwhile(house: House) -> None:
    goes = await opened(house)
    await house.send(("concern.reported", "C-2", concern(danger_now="yes")))
    stays = (await house.rows("SELECT id, code FROM cases WHERE id <> :id", id=goes))[0]
    worker = await house.as_person("lan.worker")
    other = next(code for code in Units.load().codes() if code != UNIT)
    merge = {"merge.into": stays.code, "merge.reason": "Cùng một trẻ"}
    async with house.database.transaction() as connection:
        await connection.execute(text("UPDATE cases SET unit = :unit WHERE id = :id"), {"unit": other, "id": stays.id})
        merging = asyncio.create_task(act_on(worker, f"/cases/c/{goes}", "merge", merge))
        async with asyncio.timeout(60):
            while not await house.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.02)
    assert (await merging).status == 422
    assert await house.said("case.merged") == []
