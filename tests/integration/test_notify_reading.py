"""What somebody has read costs nothing to know, however much it is; nothing that they have not seen counts as read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain import Happening, Message
from services.notify.store import notices as inbox
from services.notify.store.notices import Filter, Wanted
from shared.messaging.outbox import new_id
from tests.integration.notify_house import CASE, UNIT, House

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
LAN, BINH = "lan.worker", "binh.chair"
MINE = [f"person/{LAN}", "worker", f"worker/{UNIT}"]
MANY = 10_000


async def test_of_ten_thousand_that_were_read_none_is_looked_at_to_count_or_list_what_is_not(house: House) -> None:
    await _fill(house, MANY, urgent_each=10)
    async with house.database.transaction() as connection:
        assert await inbox.unread_count(connection, LAN, MINE) == 1000
        await inbox.mark_all_read(connection, LAN, MINE, NOW)
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, [_wanted(f"person/{LAN}", urgent=number < 2) for number in range(5)], NOW)
    async with house.database.transaction() as connection:
        before = await _touched(connection)
        assert await inbox.unread_count(connection, LAN, MINE) == 5
        assert await _touched(connection) - before < 100
    for wanted, number in ((Filter(unread=True), 5), (Filter(pressing=True), 2), (Filter(pressing=False), 51)):
        async with house.database.transaction() as connection:
            before = await _touched(connection)
            assert len(await inbox.notices(connection, LAN, MINE, wanted, limit=51)) == number
            assert await _touched(connection) - before < 500
    async with house.database.transaction() as connection:
        before = await _touched(connection)
        assert len(await inbox.notices(connection, LAN, MINE, limit=51)) == 51
        assert await _touched(connection) - before < 500


async def test_who_reads_ten_thousand_one_by_one_is_no_slower_for_it(house: House) -> None:
    await _fill(house, MANY)
    rows = await house.rows("SELECT id::text FROM notice WHERE audience = :mine ORDER BY created_at", mine=MINE[0])
    some = [row.id for row in rows]
    left = some[10:4000:100]
    read = [one for one in some if one not in set(left)]
    for at in range(0, len(read), 250):
        async with house.database.transaction() as connection:
            await inbox.mark_read(connection, LAN, MINE, read[at : at + 250], NOW)
    async with house.database.transaction() as connection:
        before = await _touched(connection)
        assert await inbox.unread_count(connection, LAN, MINE) == len(left)
        assert await _touched(connection) - before < 2000
        found = await inbox.notices(connection, LAN, MINE, Filter(unread=True), limit=100)
        assert {one.id for one in found} == set(left)
        assert all(one.read_at is None for one in found)
    async with house.database.transaction() as connection:
        await inbox.mark_read(connection, LAN, MINE, left[:10], NOW)
        assert await inbox.unread_count(connection, LAN, MINE) == len(left) - 10


async def test_what_is_written_while_all_is_marked_as_read_stays_to_be_read(house: House) -> None:
    async with house.database.transaction() as late:
        # Decided before, ended after: nobody can have seen it.
        await inbox.put_notices(late, [_wanted(f"worker/{UNIT}")], NOW - timedelta(seconds=50))
        async with house.database.transaction() as connection:
            await inbox.put_notices(connection, [_wanted(f"worker/{UNIT}")], NOW - timedelta(days=1))
            await inbox.put_notices(connection, [_wanted(f"worker/{UNIT}")], NOW - timedelta(seconds=10))
        async with house.database.transaction() as connection:
            await inbox.mark_all_read(connection, LAN, MINE, NOW)
            assert await inbox.unread_count(connection, LAN, MINE) == 0
    async with house.database.transaction() as connection:
        assert await inbox.unread_count(connection, LAN, MINE) == 1
        assert await inbox.unread_count(connection, BINH, MINE[2:]) == 3, "others have read nothing"


async def test_a_notice_below_the_mark_can_be_unread_and_read_again_and_is_news_when_it_speaks_of_more(
    house: House,
) -> None:
    many = _wanted(f"worker/{UNIT}")
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, [many], NOW - timedelta(days=1))
        await inbox.mark_all_read(connection, LAN, MINE, NOW)
        assert (await inbox.notices(connection, LAN, MINE))[0].read_at == NOW
        await inbox.mark_unread(connection, LAN, [many.id])
        assert await inbox.unread_count(connection, LAN, MINE) == 1
        assert (await inbox.notices(connection, LAN, MINE))[0].read_at is None
        await inbox.mark_read(connection, LAN, MINE, [many.id], NOW)
        assert await inbox.unread_count(connection, LAN, MINE) == 0
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, [_more(many)], NOW)
        assert await inbox.unread_count(connection, LAN, MINE) == 1
        found = await inbox.find(connection, LAN, MINE, many.id)
        assert found is not None
        assert (found.count, found.read_at) == (4, None)


async def test_who_comes_to_another_commune_has_not_read_what_was_told_there(house: House) -> None:
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, [_wanted("worker/elsewhere", urgent=True)], NOW - timedelta(days=1))
        await inbox.mark_all_read(connection, LAN, MINE, NOW)
        assert await inbox.unread_count(connection, LAN, [*MINE, "worker/elsewhere"]) == 1


async def test_what_was_left_unread_in_a_commune_is_still_unread_for_whoever_comes_back_to_it(house: House) -> None:
    left = _wanted(f"worker/{UNIT}", urgent=True)
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, [left], NOW - timedelta(days=1))
        await inbox.mark_all_read(connection, LAN, MINE, NOW)
        await inbox.mark_unread(connection, LAN, [left.id])
        # Meanwhile they work in another one.
        await inbox.mark_all_read(connection, LAN, [MINE[0], "worker", "worker/elsewhere"], NOW)
        assert await inbox.unread_count(connection, LAN, MINE) == 1


async def test_two_acts_of_one_person_at_the_same_time_agree_about_what_is_unread(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "_MOST_EXCEPTIONS", 2)
    some = [_wanted(f"worker/{UNIT}") for _ in range(5)]
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, some, NOW - timedelta(days=1))

    async def read_the_others() -> None:
        async with house.database.transaction() as connection:
            await inbox.mark_read(connection, LAN, MINE, [one.id for one in some[1:]], NOW)

    async with house.database.transaction() as connection:
        await inbox.mark_read(connection, LAN, MINE, [some[0].id], NOW)
        others = asyncio.create_task(read_the_others())
        await asyncio.wait([others], timeout=1)
    await others
    async with house.database.transaction() as connection:
        assert await inbox.unread_count(connection, LAN, MINE) == 0
        assert all(one.read_at for one in await inbox.notices(connection, LAN, MINE))


async def test_who_marks_all_as_read_has_not_read_what_came_after_the_list_was_made(house: House) -> None:
    seen = NOW - timedelta(minutes=10)
    old, growing, grown, new, newest = (_wanted(f"worker/{UNIT}") for _ in range(5))
    async with house.database.transaction() as connection:
        await inbox.put_notices(connection, [old, growing, grown], NOW - timedelta(hours=2))
        await inbox.put_notices(connection, [_more(grown)], NOW - timedelta(hours=1))
        await inbox.mark_all_read(connection, LAN, MINE, NOW - timedelta(minutes=30), NOW - timedelta(minutes=90))
    async with house.database.transaction() as connection:
        assert await _unread(connection) == {grown.id}
        await inbox.put_notices(connection, [_more(growing)], NOW - timedelta(minutes=8))
        await inbox.put_notices(connection, [new], NOW - timedelta(minutes=9))
        await inbox.put_notices(connection, [newest], NOW)
        await inbox.mark_all_read(connection, LAN, MINE, NOW, seen)
        assert await _unread(connection) == {growing.id, new.id, newest.id}
        await inbox.mark_all_read(connection, LAN, MINE, NOW)
        assert await _unread(connection) == set()


@pytest.mark.parametrize("first", ["reads", "grows"])
@pytest.mark.parametrize(("reads", "read_before"), [("some", True), ("all", True), ("all", False)])
async def test_a_notice_that_speaks_of_more_while_a_mark_moves_past_it_is_news_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch, *, first: str, reads: str, read_before: bool
) -> None:
    one, other = (_wanted(f"worker/{UNIT}") for _ in range(2))
    async with house.database.transaction() as connection:
        await inbox.mark_all_read(connection, LAN, MINE, NOW - timedelta(days=1))
        await inbox.put_notices(connection, [one, other], NOW - timedelta(minutes=20))
        if read_before:
            await inbox.mark_read(connection, LAN, MINE, [one.id], NOW - timedelta(minutes=19))
    monkeypatch.setattr(inbox, "_MOST_EXCEPTIONS", 0)

    async def read(connection: AsyncConnection) -> None:
        if reads == "all":
            await inbox.mark_all_read(connection, LAN, MINE, NOW, NOW - timedelta(seconds=1))
        else:
            await inbox.mark_read(connection, LAN, MINE, [other.id], NOW)

    async def grow(connection: AsyncConnection) -> None:
        await inbox.put_notices(connection, [_more(one)], NOW)

    async def apart(act: Callable[[AsyncConnection], Awaitable[None]]) -> None:
        async with house.database.transaction() as connection:
            await act(connection)

    before, after = (read, grow) if first == "reads" else (grow, read)
    async with house.database.transaction() as connection:
        await before(connection)
        beside = asyncio.create_task(apart(after))
        await asyncio.sleep(0.3)
    await beside
    async with house.database.transaction() as connection:
        assert await _unread(connection) == {one.id}


async def _unread(connection: AsyncConnection) -> set[str]:
    count = await inbox.unread_count(connection, LAN, MINE)
    found = {one.id for one in await inbox.notices(connection, LAN, MINE, Filter(unread=True))}
    assert count == len(found)
    return found


def _more(notice: Wanted) -> Wanted:
    return Wanted(notice.id, notice.audience, notice.message, notice.path, notice.urgent, None, count=4)


def _wanted(audience: str, *, urgent: bool = False) -> Wanted:
    happening = Happening(new_id(), "cases.case.opened", NOW, UNIT, CASE, None, None, {})
    return Wanted(new_id(), audience, Message(happening, b"{}"), "/cases/", urgent, None)


async def _fill(house: House, number: int, urgent_each: int = 0) -> None:
    """So many notices to one person, one a minute, and as many to others."""
    await house.rows(
        """INSERT INTO notice (id, audience, event_type, unit, case_id, path, urgent, created_at)
           SELECT gen_random_uuid(), audience, 'cases.case.opened', :unit, 'c', '/cases/',
                  CAST(:each AS integer) > 0 AND n % GREATEST(CAST(:each AS integer), 1) = 0,
                  CAST(:now AS timestamptz) - (n + 10) * interval '1 minute'
           FROM generate_series(1, :number) AS n, unnest(ARRAY[CAST(:mine AS text), 'worker/other']) AS audience
           RETURNING 1""",
        unit=UNIT,
        each=urgent_each,
        now=NOW,
        number=number,
        mine=MINE[0],
    )
    async with house.database.transaction() as connection:
        await connection.execute(text("ANALYZE notice"))


async def _touched(connection: AsyncConnection) -> int:
    """How many rows about notices this connection has looked at."""
    rows = await connection.execute(
        text(
            """SELECT COALESCE(sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables
               WHERE relname IN ('notice', 'notice_read', 'notice_unread', 'read_mark')"""
        )
    )
    return int(rows.scalar_one())
