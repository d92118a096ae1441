"""What an error of the database says of itself: away, a conflict, or a value that it will never take."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.database import Database, is_conflict, is_passing, is_unstorable
from shared.database.copying import driver


@pytest.mark.parametrize("direct", [False, True])
async def test_a_connection_that_ends_in_the_middle_is_passing_also_where_the_driver_says_so(
    fresh_database: str, direct: bool
) -> None:
    database = Database(fresh_database)

    async def sleep() -> None:
        async with database.transaction() as connection:
            if direct:
                await (await driver(connection)).execute("SELECT pg_sleep(30)")
            else:
                await connection.execute(text("SELECT pg_sleep(30)"))

    sleeping = asyncio.create_task(sleep())
    try:
        async with asyncio.timeout(60):
            while not await _ended(database):
                await asyncio.sleep(0.01)
        with pytest.raises((DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)) as caught:
            await sleeping
        assert is_passing(caught.value)
        assert not is_conflict(caught.value)
        assert not is_unstorable(caught.value)
    finally:
        sleeping.cancel()
        await database.close()


async def _ended(database: Database) -> bool:
    """End the connection that sleeps. Within one transaction it would be looked for only once."""
    async with database.transaction() as connection:
        found = await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'"
                " AND pid <> pg_backend_pid() AND wait_event = 'PgSleep'"
            )
        )
        return bool(found.all())


@pytest.mark.parametrize("direct", [False, True])
async def test_a_value_that_will_never_be_stored_is_not_passing(fresh_database: str, direct: bool) -> None:
    database = Database(fresh_database)

    async def store() -> None:
        async with database.transaction() as connection:
            if direct:
                await (await driver(connection)).execute("SELECT $1::integer", 2**40)
            else:
                await connection.execute(text("SELECT CAST(:number AS integer)"), {"number": 2**40})

    try:
        with pytest.raises((DBAPIError, asyncpg.PostgresError)) as caught:
            await store()
        assert is_unstorable(caught.value)
        assert not is_passing(caught.value)
    finally:
        await database.close()


def test_an_answer_that_was_cut_off_is_passing_and_a_fault_of_ours_is_not() -> None:
    cut_off = asyncpg.InternalClientError("got result for unknown protocol state")
    translated = Exception(str(cut_off))
    translated.__cause__ = cut_off
    assert is_passing(cut_off)
    assert is_passing(DBAPIError("SELECT 1", {}, translated))
    assert is_passing(asyncpg.CannotConnectNowError("starting up"))
    assert not is_passing(DBAPIError("SELECT 1", {}, ValueError("ours")))
    assert not is_passing(LookupError("ours"))
