"""A record's sources, contradictions and history on a real database, through pages and API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from services.registry.store import children as store
from tests.integration.test_registry import recorded
from tests.integration.test_registry_pages import HOME, Browser, House, registered
from tests.integration.test_registry_pages import house as _house

NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)
house = _house


async def corrected(browser: Browser, child_id: str, reason: str = "papers", **fields: Any) -> int:
    """A correction by the API. Out: the status."""
    _, view = await browser.json("GET", f"/registry/api/children/{child_id}")
    body = {"child": fields, "unit": view["facts"]["unit"], "version": view["version"], "reason": reason}
    return (await browser.json("PUT", f"/registry/api/children/{child_id}", body))[0]


async def at(house: House, moment: str) -> None:
    """Move what was done so far to another moment, as if it had been done then."""
    await house.rows(f"UPDATE revision SET at = '{moment}' RETURNING 1")
    await house.rows("UPDATE child SET registered_at = '2026-01-01' RETURNING 1")


async def test_a_correction_says_why_and_the_history_shows_old_and_new(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    assert await corrected(lan, child_id, reason=" ", name="Nguyễn Thị Ngọc Ánh") == 422
    assert await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh", hamlet="Tổ 3") == 204
    status, history = await lan.json("GET", f"/registry/api/children/{child_id}/history")
    assert status == 200
    (change,) = history
    assert change["fields"] == {
        "name": ["Nguyễn Thị Ngọc Anh", "Nguyễn Thị Ngọc Ánh"],
        "hamlet": [None, "Tổ 3"],
    }
    assert (change["actor"], change["cause"], change["reason"]) == ("person:lan.worker", "corrected", "papers")


async def test_a_record_is_shown_as_it_was_known_on_a_day(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh")
    await at(house, "2026-06-10T03:00:00Z")
    address = f"/registry/api/children/{child_id}"
    for day, name in (("2026-06-09", "Nguyễn Thị Ngọc Anh"), ("2026-06-10", "Nguyễn Thị Ngọc Ánh")):
        status, view = await lan.json("GET", f"{address}?on={day}")
        assert (status, view["child"]["name"]) == (200, name)
    assert (await lan.json("GET", f"{address}?on=2025-12-31"))[0] == 404


async def test_rosters_that_contradict_each_other_wait_for_a_person_who_says_why(house: House) -> None:
    child = {"name": "Nguyễn Thị Ngọc Anh", "birth_date": "2016-03-09", "carers": [{"name": "Lý Thị Thu Lan"}]}
    first = recorded("r1", child, unit=HOME)
    second = recorded("r2", {**child, "birth_date": "2016-09-03"}, unit=HOME)
    await house.intake.accept([first, second], "dolisa")
    (row,) = await house.rows("SELECT id FROM child")
    lan = await house.browser("lan.worker")
    address = f"/registry/api/children/{row.id}"
    _, view = await lan.json("GET", address)
    (doubt,) = view["conflicts"]
    assert doubt["field"] == "birth_date"
    other = doubt["claims"][1]
    answer = {"record_id": other["record_id"], "version": view["version"], "reason": "papers"}
    assert (await lan.json("POST", f"{address}/conflicts/sex", answer))[0] == 404
    assert (await lan.json("POST", f"{address}/conflicts/birth_date", answer))[0] == 204
    _, after = await lan.json("GET", address)
    assert (after["conflicts"], after["child"]["birth_date"]) == ([], other["value"])
    assert after["sources"]["birth_date"]["register_kind"] == "registry-page"
    _, history = await lan.json("GET", f"{address}/history")
    assert [change["cause"] for change in history] == ["settled", "told"]
    await house.intake.accept([{**second, "data": {**second["data"], "as_of": "2026-11-20"}}], "dolisa")
    assert (await lan.json("GET", address))[1]["conflicts"] == []


async def test_erasure_leaves_no_word_of_the_child(house: House) -> None:
    lan = await house.browser("lan.worker")
    child_id = await registered(lan)
    await corrected(lan, child_id, name="Nguyễn Thị Ngọc Ánh")
    async with house.database.transaction() as connection:
        assert await store.forget(connection, child_id) == [child_id]
    for table in ("child", "statement", "revision", "history", "circumstance", "pair"):
        assert not any("Ngọc" in str(row) for row in await house.rows(f"SELECT t::text FROM {table} t"))
    assert len(await house.rows("SELECT 1 FROM child")) == 1
