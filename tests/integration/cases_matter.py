"""A case to which people stand in different ways, for the tests of who sees what of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.reference.access import Access
from shared.reference.units import Units
from tests.integration.cases_house import START, UNIT, House, act_on, concern, token_of
from tests.support.visitor import Answer

REPORTER = "Người Báo Tin Kín"
HAPPENED = "Bị đánh nhiều lần"
NOTED = "Điều riêng của nhà này"
JSON = {"accept": "application/json"}
WHY = "Mẹ trẻ vừa gọi tổng đài, trẻ bỏ chạy khỏi nhà"
OTHER = min(code for code in Units.load().codes() if code > UNIT)
LIMITS = Access.load().on(START)


@dataclass
class Matter:
    """A case in the house, with what was done so that somebody stands to it as the table says."""

    house: House
    id: str
    code: str

    async def does(self, person: str, act: str, /, **fields: Any) -> Answer:
        """An act on the team or on access, by a person's program."""
        client = await self.house.as_person(person)
        token, _ = await token_of(client, "/cases/access")
        body = {"act": act, **fields}
        return await client.post(
            f"/cases/api/cases/{self.id}/access", json=body, headers={"x-form-token": token, **JSON}
        )

    async def must(self, person: str, act: str, /, **fields: Any) -> None:
        answer = await self.does(person, act, **fields)
        assert answer.status == 200, (person, act, answer.text)


async def matter(house: House, number: int = 1) -> Matter:
    """A case of UNIT with a reporter, what happened, and a note; police and health are asked."""
    said = concern(danger_now="yes", reporter={"name": REPORTER, "phone": "0912345678"}, what_happened=HAPPENED)
    await house.send(("concern.reported", f"C-{number}", said))
    case = (await house.rows("SELECT id, code FROM cases ORDER BY code DESC LIMIT 1"))[0]
    chair = await house.as_person("binh.chair")
    assert (await act_on(chair, f"/cases/c/{case.id}", "note", {"note.text": NOTED})).status == 303
    return Matter(house, case.id, case.code)


async def nothing(_matter: Matter) -> None:
    """The case as it is."""


async def asks(case: Matter) -> None:
    await case.must("thuong.worker", "request-access", reason="Trẻ hay sang xã tôi")


async def joins(case: Matter) -> None:
    await asks(case)
    await case.must("lan.worker", "admit-member", person="thuong.worker")


async def joins_and_leaves(case: Matter) -> None:
    await joins(case)
    await case.must("thuong.worker", "leave-team")


async def joins_and_is_removed(case: Matter) -> None:
    await joins(case)
    await case.must("lan.worker", "remove-member", person="thuong.worker", reason="Không còn cần")


async def is_refused(case: Matter) -> None:
    await asks(case)
    await case.must("lan.worker", "refuse-member", person="thuong.worker", reason="Không liên quan")


async def own_worker_leaves(case: Matter) -> None:
    await case.must("lan.worker", "leave-team")


async def own_worker_is_excluded(case: Matter) -> None:
    await case.must("binh.chair", "exclude-member", person="lan.worker", reason="Là cô của trẻ")


async def own_worker_is_let_back(case: Matter) -> None:
    await own_worker_is_excluded(case)
    await case.must("binh.chair", "admit-member", person="lan.worker")


def breaks(person: str) -> Callable[[Matter], Awaitable[None]]:
    async def glass(case: Matter) -> None:
        await case.must(person, "break-glass", purpose="new-report", reason=WHY)

    return glass


def broke(person: str) -> Callable[[Matter], Awaitable[None]]:
    async def glass(case: Matter) -> None:
        await breaks(person)(case)
        case.house.now += timedelta(minutes=LIMITS.glass_minutes)

    return glass


def broke_without_cause(person: str) -> Callable[[Matter], Awaitable[None]]:
    async def glass(case: Matter) -> None:
        await breaks(person)(case)
        broken = (await case.house.rows("SELECT id FROM glass WHERE case_id = :id", id=case.id))[0].id
        await case.must("binh.chair", "review-access", glass=broken, verdict="unjustified", words="Không cần thiết")

    return glass


async def is_offered(case: Matter) -> None:
    async with case.house.database.transaction() as connection:
        await connection.exec_driver_sql(f"UPDATE cases SET handover_to = '{OTHER}' WHERE id = '{case.id}'")


async def is_transferred(case: Matter) -> None:
    coordinator = await case.house.as_person("ha.coordinator")
    fields = {"transfer.to_unit": OTHER, "transfer.reason": "Trẻ ở đó"}
    assert (await act_on(coordinator, f"/cases/c/{case.id}", "transfer", fields)).status == 303


async def police_answer(case: Matter) -> None:
    task = (await case.house.rows("SELECT id FROM task WHERE case_id = :id AND sector = 'police'", id=case.id))[0].id
    answer = {"task_id": task, "answer": "done", "summary": "Đã xác minh"}
    await case.house.send(("task.answered", f"A-{task}", answer), sector="police")
