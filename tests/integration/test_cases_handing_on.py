"""A worker leaves and their cases go to another, on a real database: once each, also after a break."""

from __future__ import annotations

import itertools
import re
from typing import Any

from services.cases import store
from services.cases.desk import Desk
from services.cases.domain.attachments import Attachment
from services.cases.domain.model import Actor
from services.cases.office import Office
from shared.reference.deadlines import Deadlines
from shared.reference.units import Units
from tests.integration.cases_house import UNIT, Browser, House, concern, house, token_of
from tests.integration.cases_matter import OTHER
from tests.support.visitor import Answer

__all__ = ["house"]


async def _of_lan(house: House, number: int) -> None:
    for index in range(number):
        await house.send(("concern.reported", f"R-{index}", concern(danger_now="yes")))
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE cases SET worker = 'lan.worker', worker_name = 'Nguyễn Thị Lan'")


async def hand_on(house: House) -> None:
    """What the upkeep does now and then."""
    desk = Desk(house.keys, Units.load(), Deadlines.load())
    await desk.access.hand_on(Office(desk, house.database, lambda: house.now).scope)


async def test_a_leaving_workers_cases_go_to_another_once_each_also_after_a_break(house: House) -> None:
    await _of_lan(house, 32)
    chair = await house.as_person("binh.chair")
    assert "Nguyễn Thị Lan" in (await chair.get("/cases/reassign")).text
    house.app.state.identity.directory.people["minh.worker"] = _worker("minh.worker", UNIT)
    token, page = await token_of(chair, "/cases/reassign?unit=05443&worker=lan.worker")
    assert "32 vụ việc đang mở" in page
    cases = re.findall(r'name="case" value="([^"]+)" checked', page)
    identifier = re.search(r'name="id" value="([^"]+)"', page)
    assert identifier
    assert len(cases) == 32
    form = {"form_token": token, "id": identifier.group(1), "unit": UNIT, "worker": "lan.worker", "reason": "left"}
    body = "&".join([*(f"{name}={value}" for name, value in form.items()), *(f"case={case}" for case in cases[:31])])
    refused = await _post(chair, "/cases/reassign", body)
    assert refused.status == 422
    assert "Chọn cán bộ nhận vụ việc" in refused.text
    # Meanwhile one is somebody else's, and one is closed.
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE cases SET worker = 'other' WHERE id = '{cases[0]}'")
    answer = await _post(chair, "/cases/reassign", f"{body}&to=minh.worker")
    assert answer.headers["location"] == f"/cases/reassign/{identifier.group(1)}"
    assert len(await house.said("case.assigned")) == 25, "a first part is done before the answer"
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE cases SET worker = 'other' WHERE id = '{sorted(cases[1:31])[-1]}'")
    progress = (await chair.get(answer.headers["location"])).text
    assert "Đã giao 25 trong 30 vụ việc" in progress
    assert 'http-equiv="refresh"' in progress
    again = await _post(chair, "/cases/reassign", f"{body}&to=minh.worker")
    assert again.status == 303
    await hand_on(house)
    told = [event["data"] for event in await house.said("case.assigned")]
    assert len(told) == len({event["case_id"] for event in told}) == 29
    assert {(event["worker"], event["before"]) for event in told} == {("minh.worker", "lan.worker")}
    left = await house.rows("SELECT worker, count(*) AS cases FROM cases GROUP BY worker ORDER BY worker")
    assert [tuple(row) for row in left] == [("lan.worker", 1), ("minh.worker", 29), ("other", 2)]
    done = (await chair.get(answer.headers["location"])).text
    assert "Đã xong" in done
    assert "Để lại, cần xem từng vụ việc" in done
    entry = (await house.rows("SELECT data, who FROM entry WHERE kind = 'case.assigned' LIMIT 1"))[0]
    assert (entry.data["reason"], entry.who) == ("left", "binh.chair")


async def test_an_erased_case_is_skipped_and_keeps_no_other_from_being_handed_on(house: House) -> None:
    await _of_lan(house, 3)
    ids = [row.id for row in await house.rows("SELECT id FROM cases ORDER BY id")]
    asked = store.Reassignment(
        "r-1", UNIT, "lan.worker", "minh.worker", "Minh", "binh.chair", "Binh", "chair", "left", house.now
    )
    async with house.database.transaction() as connection:
        assert await store.add_reassignment(connection, asked, ids) == 3
        await house.keys.erase(connection, f"case/{ids[0]}")
    await hand_on(house)
    states = await house.rows("SELECT state FROM reassigned ORDER BY case_id")
    assert [row.state for row in states] == ["skipped", "done", "done"]
    assert len(await house.said("case.assigned")) == 2


async def test_files_and_readings_are_those_of_every_case_merged_on_the_way(house: House) -> None:
    await _of_lan(house, 3)
    ids = [row.id for row in await house.rows("SELECT id FROM cases ORDER BY id")]
    actor = Actor("lan.worker", "Lan", "worker", frozenset({UNIT}))
    async with house.database.transaction() as connection:
        for gone, into in itertools.pairwise(ids):
            await connection.exec_driver_sql(f"UPDATE cases SET merged_into = '{into}' WHERE id = '{gone}'")
        attachment = Attachment("a-1", ids[0], None, "image/png", "image", 1, house.now, "lan.worker", "Lan", None)
        words = await house.keys.seal(connection, {"name": "a.png"}, f"case/{ids[0]}")
        await store.save_attachment(connection, store.AttachmentFile(attachment, f"case/{ids[0]}", words), [b"x"])
        read = store.Read(f"case/{ids[0]}", ids[0], "case", "role")
        await store.record_read(connection, actor, read, house.now)
        assert [file.attachment.id for file in await store.attachments_of(connection, ids[2])] == ["a-1"]
        assert await store.attachment_is_of(connection, "a-1", ids[2])
        assert not await store.attachment_is_of(connection, "a-1", "other")
        assert (await store.reads_of_case(connection, ids[2], limit=9))[1] == 1


async def test_only_the_chair_of_the_commune_and_the_coordinator_hand_cases_on(house: House) -> None:
    await _of_lan(house, 1)
    for person, status in ((f"chair.{OTHER}", 404), ("lan.worker", 403), ("ha.coordinator", 200)):
        client = await house.as_person(person)
        answer = await client.get("/cases/reassign", {"unit": UNIT, "worker": "lan.worker"})
        assert answer.status == status, person
    unassigned = await house.as_person("ha.coordinator")
    async with house.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE cases SET worker = NULL, worker_name = ''")
    token, page = await token_of(unassigned, f"/cases/reassign?unit={UNIT}&worker=-")
    case = re.findall(r'name="case" value="([^"]+)"', page)[0]
    body = f"form_token={token}&unit={UNIT}&worker=-&to=lan.worker&reason=load&case={case}"
    assert (await _post(unassigned, "/cases/reassign", body)).status == 303
    assert (await house.rows("SELECT worker FROM cases"))[0].worker == "lan.worker"
    assert (await unassigned.get("/cases/reassign/none")).status == 404


def _worker(account: str, unit: str) -> Any:
    from shared.identity import Principal, Role

    return Principal(account, "Đỗ Văn Minh", Role.WORKER, frozenset({unit}))


async def _post(client: Browser, path: str, body: str) -> Answer:
    headers = {**client.headers, "content-type": "application/x-www-form-urlencoded"}
    return await client.ask(path, headers=headers, method="POST", body=body.encode())
