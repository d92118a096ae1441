"""An import taken back where people did something with its children meanwhile: merged, closed, opened again."""

from __future__ import annotations

from typing import Any

import orjson

from services.registry.desk import Desk, merging
from shared.messaging.router import Scope
from tests.integration.test_registry_imports import HOME, NOW, Browser, House, house, roster

__all__ = ["house"]  # the fixture
HUNG = "Ma Văn Hùng,05/02/2015,Nam,Ma Thị Hà," + HOME
YEN = "Đỗ Thị Yến,07/02/2014,Nữ,Đỗ Thị Hà," + HOME
DAY = "2026-11-24"


async def taken(house: House, lan: Browser, name: str, *rows: str, **answers: str) -> tuple[str, Any]:
    import_id = await house.looked_through(lan, name, roster(*rows), **answers)
    return import_id, await house.act(lan, import_id, "take")


async def ask(browser: Browser, child_id: str, act: str, **asked: Any) -> Any:
    headers = {"content-type": "application/json", "accept": "application/json", "x-form-token": browser.token}
    address = f"/registry/api/children/{child_id}/life/{act}"
    return await browser.ask(address, headers=headers, method="POST", body=orjson.dumps(asked))


async def child(house: House, name: str) -> Any:
    (row,) = await house.rows(f"SELECT id::text, status, sequence FROM child WHERE name_folded = '{name}'")
    return row


async def told(house: House, name: str) -> list[Any]:
    return await house.rows(f"SELECT headers FROM outbox WHERE type LIKE '%registry.{name}' ORDER BY position")


async def test_what_an_import_said_of_a_child_that_was_merged_is_taken_back_too(house: House) -> None:
    lan = await house.browser("lan.worker")
    await taken(house, lan, "một.csv", YEN)
    second, _ = await taken(house, lan, "hai.csv", HUNG)
    one, other = (await child(house, "do thi yen")).id, (await child(house, "ma van hung")).id
    desk = Desk(house.jobs.keys)
    async with house.database.transaction() as connection:
        scope = Scope("registry", connection, NOW)
        await merging.merge(scope, desk, one, other, "person:lan.worker")
        await scope.flush()
    row = await house.act(lan, second, "undo")
    assert (row.counts["withdrawn"], row.counts.get("kept", 0)) == (1, 0)
    assert len(await house.rows(f"SELECT 1 FROM statement WHERE child_id = '{one}'")) == 1
    (gone,) = await told(house, "record.withdrawn")
    linked = [
        event
        for event in await told(house, "record.linked")
        if event.headers["ce_subject"] == gone.headers["ce_subject"]
    ]
    assert int(gone.headers["ce_sequence"]) == int(linked[-1].headers["ce_sequence"]) + 1


async def test_a_child_that_died_is_not_taken_back_with_the_list_that_told_of_it(house: House) -> None:
    lan = await house.browser("lan.worker")
    first, _ = await taken(house, lan, "một.csv", HUNG, YEN)
    hung, yen = await child(house, "ma van hung"), await child(house, "do thi yen")
    assert (await ask(lan, hung.id, "die", on=DAY, source="Giấy chứng tử")).status == 204
    assert (await ask(lan, yen.id, "check")).status == 204
    row = await house.act(lan, first, "undo")
    assert (row.counts["kept"], row.counts.get("children_withdrawn", 0)) == (2, 0)
    assert [(await child(house, name)).status for name in ("ma van hung", "do thi yen")] == ["deceased", "active"]


async def test_who_was_withdrawn_before_is_not_told_of_twice(house: House) -> None:
    lan = await house.browser("lan.worker")
    first, _ = await taken(house, lan, "một.csv", HUNG)
    hung = await child(house, "ma van hung")
    assert (await ask(lan, hung.id, "withdraw", reason="made-up")).status == 204
    row = await house.act(lan, first, "undo")
    assert row.counts["children_withdrawn"] == 1
    assert len(await told(house, "child.withdrawn")) == 1
    assert await house.rows("SELECT 1 FROM statement") == []


async def test_a_child_of_an_undone_list_is_opened_on_grounds_and_found_by_the_list_sent_again(house: House) -> None:
    lan = await house.browser("lan.worker")
    first, _ = await taken(house, lan, "một.csv", HUNG, title="Xóm Một")
    await house.act(lan, first, "undo")
    hung = await child(house, "ma van hung")
    page = await lan.get(f"/registry/children/{hung.id}/life")
    assert "Không còn nguồn nào ghi về trẻ này" in page.text
    refused = await ask(lan, hung.id, "return")
    assert refused.json()["violations"][0]["rule"] == "grounds-missing"
    posted = await lan.post(f"/registry/children/{hung.id}/life", act="return", return_note="")
    assert posted.status == 422
    assert "Hãy ghi căn cứ" in posted.text
    assert (await ask(lan, hung.id, "return", note="Giấy khai sinh số 12")).status == 204
    _, row = await taken(house, lan, "một.csv", HUNG, title="Xóm Một")
    assert (row.counts.get("new", 0), row.counts["known"]) == (0, 1)
    numbers = await house.rows(
        """SELECT headers ->> 'ce_subject' AS record, array_agg((headers ->> 'ce_sequence')::int ORDER BY position) AS n
           FROM outbox WHERE type LIKE '%registry.record.%' GROUP BY 1"""
    )
    assert sorted(list(one.n) for one in numbers) == [[1], [1, 2, 3]]
