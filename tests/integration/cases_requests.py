"""What sectors are asked in the house, and what they answer by event: for the tests of tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson

from shared.contracts.envelope import Envelope
from shared.messaging.processing import Result
from tests.integration.cases_house import (
    House,
    act_on,
)

HOUR = timedelta(hours=1)


async def answer(house: House, task_id: str, given: str, key: str, sector: str = "police", **more: Any) -> Result:
    """A sector's answer by event. In: `at`, when its sender says that it was given."""
    at = more.pop("at", house.now)
    event = Envelope(
        id=key,
        source=f"/agency/{sector}/thai-nguyen",
        type="vn.vongtay.agency.task.answered",
        subject=key,
        time=at,
        data=orjson.dumps({"task_id": task_id, "answer": given, **more}),
    )
    return (await house.processor.handle([house._record(f"agency.{sector}.v1", event)]))[0]


async def task_of(house: House, sector: str = "police") -> Any:
    return (await house.rows("SELECT * FROM task WHERE sector = :sector ORDER BY asked_at DESC", sector=sector))[0]


async def by_id(house: House, task_id: str) -> Any:
    return (await house.rows("SELECT * FROM task WHERE id = :id", id=task_id))[0]


async def request(house: House, case_id: str, sector: str, kind: str, due: str = "2026-11-30") -> Any:
    fields = {"sector": sector, "kind": kind, "due": due, "instructions": "Xin phối hợp"}
    worker = await house.as_person("lan.worker")
    sent = await act_on(
        worker, f"/cases/c/{case_id}", "request-task", {f"request-task.{name}": value for name, value in fields.items()}
    )
    assert sent.status == 303, sent.text
    made = (await house.said("task.requested"))[-1]["data"]
    assert (made["task_sector"], made["task_kind"]) == (sector, kind)
    return await by_id(house, made["task_id"])
