"""Counting anew as operators see it: how far it is, what would change, and that nobody else may ask for it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy import text

from services.stats.pages.rebuilding import RebuildPages
from services.stats.upkeep import rebuilding
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from services.stats.upkeep.rebuild import Rebuild
from services.stats.upkeep.rebuilding import Rebuilding
from shared.database import Database
from shared.identity import Principal, Role
from shared.messaging.service import ServiceContext
from shared.settings import Settings
from shared.web.pages import Pages, utc_now
from tests.support.visitor import Visitor, token_of
from tests.unit.stats.visiting import KEYS, visitor_of

DIFFERENCE = {"figure": "case unit=05443", "counted": 12, "rebuilt": 11}


@pytest.fixture
async def visitor(database: Database) -> Visitor:
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM rebuild"))
    return visitor_of(database, utc_now)


async def stands(database: Database, **values: Any) -> None:
    row = {"state": "waiting", "done": 900, "total": 900, "reason": "", "differing": 0, "differences": []} | values
    async with database.transaction() as connection:
        await connection.execute(text("DELETE FROM rebuild"))
        await connection.execute(
            text(
                """INSERT INTO rebuild
                       (id, state, done, total, reason, differing, differences, started_at, finished_at)
                   VALUES (true, :state, :done, :total, :reason, :differing, CAST(:differences AS jsonb), now(),
                       now())"""
            ),
            row | {"differences": json.dumps(row["differences"])},
        )


async def test_an_operator_sees_what_would_change_and_decides(
    visitor: Visitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await visitor.enter("son.operator")
    assert "Chưa đếm lại lần nào" in (await visitor.ask("/stats/rebuild")).text

    async def somebody(_connection: object) -> bool:
        return True

    monkeypatch.setattr("services.stats.store.rebuilds.somebody_rebuilds", somebody)
    await stands(database, differing=1, differences=[DIFFERENCE])
    page = await visitor.ask("/stats/rebuild")
    for said in ("1 con số sẽ đổi", "case unit=05443", ">12<", ">11<", ">-1<"):
        assert said in page.text
    assert "Đếm lại từ đầu" not in page.text
    answered = await visitor.ask("/stats/rebuild", {"form_token": token_of(page), "act": "swap"})
    assert answered.status == 303
    async with database.transaction() as connection:
        assert (await connection.execute(text("SELECT answer FROM rebuild"))).scalar_one() == "swap"
    await stands(database, state="running", done=450)
    assert "450 trên 900 lượt (50%)" in (await visitor.ask("/stats/rebuild")).text
    await stands(database, state="running", done=0, total=0)
    just_begun = (await visitor.ask("/stats/rebuild")).text
    assert "Đang chuẩn bị đếm lại" in just_begun
    assert "0 trên 0" not in just_begun
    await stands(database, state="done", differing=3)
    assert "3 con số đã đổi" in (await visitor.ask("/stats/rebuild")).text
    await stands(database, state="failed", reason="history-incomplete")
    assert "Kafka đã bỏ những sự kiện đầu tiên" in (await visitor.ask("/stats/rebuild")).text
    await stands(database, state="failed", reason="KafkaError")
    assert "Reason: KafkaError" in (await visitor.ask("/stats/rebuild?lang=en")).text


async def test_an_operator_begins_one_that_asks_before_it_swaps(visitor: Visitor, database: Database) -> None:
    await visitor.enter("son.operator")
    page = await visitor.ask("/stats/rebuild")
    assert (await visitor.ask("/stats/rebuild", {"form_token": token_of(page), "act": "start"})).status == 303
    async with database.transaction() as connection:
        row = (await connection.execute(text("SELECT state, asks FROM rebuild"))).one()
    assert (row.state, row.asks) == ("asked", True)


async def test_nobody_else_counts_anew_or_asks_how_the_past_is_kept(visitor: Visitor) -> None:
    await visitor.enter("ha.coordinator")
    for path in ("/stats/rebuild", "/stats/ops/rebuild", "/stats/ops/history"):
        assert (await visitor.ask(path)).status == 403
    await visitor.enter("son.operator")
    history = json.loads((await visitor.ask("/stats/ops/history")).body)
    assert (history["state"], history["every_moment_days"]) == ("idle", 2192)


async def test_an_open_page_follows_how_far_it_is_and_says_how_it_ended(
    visitor: Visitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.stats.pages.rebuilding._IDLE_SECONDS", 3600.0)  # somebody watches
    await visitor.enter("son.operator")
    await stands(database, state="running", done=450)
    page = (await visitor.ask("/stats/rebuild")).text
    assert 'data-live="/stats/rebuild/live" data-topic="rebuild/vi"' in page
    upkeep = Upkeep(database, utc_now)
    pages = RebuildPages(
        Rebuild(database, KEYS, Settings(environment="test"), utc_now),
        Compacting(database, utc_now, upkeep),
        upkeep,
        Pages("services.stats", unit_names={}, clock=utc_now),
    )
    request = Request({"type": "http", "method": "GET", "headers": [], "query_string": b"", "path": "/"})
    answer = await pages.live(request, Principal("son", "S", Role.OPERATOR, frozenset()))
    assert isinstance(answer, StreamingResponse)
    stream, stop = aiter(answer.body_iterator), asyncio.Event()
    following = asyncio.create_task(pages.follow(stop))
    heard = ""

    async def hear(said: str) -> None:
        nonlocal heard
        async with asyncio.timeout(60):
            while said not in heard:
                heard += bytes(await anext(stream)).decode()  # type: ignore[arg-type]

    try:
        await hear("450 trên 900 lượt (50%)")
        await stands(database, state="running", done=891)
        await hear("891 trên 900 lượt (99%)")
        await stands(database, state="done", differing=3)
        await hear("3 con số đã đổi")
    finally:
        stop.set()
        await asyncio.wait_for(following, 60)


async def test_nobody_else_follows_it(visitor: Visitor) -> None:
    for person in ("ha.coordinator", "lan.worker", "tuan.statistician"):
        await visitor.enter(person)
        assert (await visitor.ask("/stats/rebuild/live")).status == 403


async def test_a_process_that_can_never_begin_is_given_up_and_the_page_says_so(
    visitor: Visitor, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = 0

    async def breaks(*_args: object, **_kwargs: object) -> int:
        nonlocal begun
        begun += 1
        return 1

    monkeypatch.setattr(rebuilding, "run_apart", breaks)
    monkeypatch.setattr(rebuilding, "_LOOK_SECONDS", 0.01)
    settings = Settings(environment="test")
    rebuild = Rebuild(database, KEYS, settings, utc_now)
    await rebuild.start()
    stop = asyncio.Event()
    running = asyncio.create_task(
        Rebuilding(ServiceContext(settings, database, KEYS, utc_now), rebuild).rebuild_when_asked(stop)
    )
    try:
        async with asyncio.timeout(60):
            while (await rebuild.state())["state"] != "failed":
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        assert begun == 3
        await visitor.enter("son.operator")
        page = await visitor.ask("/stats/rebuild")
        assert "tiến trình dừng đột ngột ba lần" in page.text
        assert "Đếm lại từ đầu" in page.text
        # Asked anew, it is tried anew.
        await rebuild.start()
        async with asyncio.timeout(60):
            while begun < 6:
                await asyncio.sleep(0.02)
    finally:
        stop.set()
        await asyncio.wait_for(running, 60)


async def test_a_process_that_had_begun_is_counted_once(database: Database) -> None:
    rebuild = Rebuild(database, KEYS, Settings(environment="test"), utc_now)
    await rebuild.start()
    wanted = await rebuild.wanted()
    assert wanted is not None
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE rebuild SET state = 'running', tries = tries + 1"))
    await rebuild.count_broken(wanted)
    async with database.transaction() as connection:
        assert (await connection.execute(text("SELECT tries FROM rebuild"))).scalar_one() == 1
