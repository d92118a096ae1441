"""A log of hundreds of thousands of deliveries is as quick to look into as a short one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.delivery.lines import Line
from services.notify.store import agreements, deliveries, log
from services.notify.store.log import Sought
from shared.messaging.outbox import new_id
from tests.integration.notify_house import AGREEMENT, House

MANY = 300_000
RARE, COMMON = "cases.contact-ban.decided", "cases.case.opened"


async def test_a_rare_type_is_found_in_a_long_log_without_reading_every_message(house: House) -> None:
    one, other = await _endpoint(house), await _endpoint(house)
    await _deliveries(house, one, MANY)
    async with house.database.transaction() as connection:
        for sought, number in (
            (Sought(event_type=RARE), 30),
            (Sought(event_type=RARE, state="succeeded"), 30),
            (Sought(event_type=COMMON), 50),
            (Sought(event_type="cases.case.merged"), 0),
        ):
            before = await _messages_read(connection)
            found = await log.entries(connection, one, sought, limit=50)
            assert [entry.event_type for entry in found] == [sought.event_type] * number
            assert found == sorted(found, key=lambda entry: entry.created_at, reverse=True)
            assert await _messages_read(connection) - before < 5000
        assert await log.entries(connection, other, Sought(event_type=RARE)) == []
        # Whoever looks at the agreement is told at least how many; its partner, when it ends, exactly.
        before = await _deliveries_read(connection)
        seen = await agreements.glance(connection, AGREEMENT)
        assert await _deliveries_read(connection) - before <= 10_500
        exactly = await agreements.delivered(connection, AGREEMENT)
        assert (seen.count, seen.more) == (10_000, True)
        assert (exactly.count, exactly.more) == (MANY, False)
        assert (seen.first, seen.last) == (exactly.first, exactly.last)
    async with house.client("ha.coordinator") as coordinator:
        assert "ít nhất 10.000 tin" in (await coordinator.get(f"/notify/agreements/{AGREEMENT}")).text


async def test_of_a_short_log_the_glance_at_an_agreement_is_exact_and_of_what_arrived_within_it_only(
    house: House,
) -> None:
    one, other = await _endpoint(house), await _endpoint(house)
    await _deliveries(house, one, 30)
    await _deliveries(house, other, 20)
    await house.rows("UPDATE delivery SET state = 'failed' WHERE endpoint_id = CAST(:id AS uuid) RETURNING 1", id=other)
    await house.rows("UPDATE subscription SET agreement_id = NULL WHERE id = CAST(:id AS uuid) RETURNING 1", id=other)
    async with house.database.transaction() as connection:
        assert await agreements.glance(connection, AGREEMENT) == await agreements.delivered(connection, AGREEMENT)
        assert (await agreements.glance(connection, AGREEMENT)).count == 30


class _Asked:
    """A connection that only tells how it would go about it."""

    def __init__(self, raw: asyncpg.Connection) -> None:
        self._raw = raw
        self.plan = ""

    async def fetch(self, statement: str, *values: object) -> list[object]:
        self.plan = "\n".join(row[0] for row in await self._raw.fetch(f"EXPLAIN {statement}", *values))
        return []


async def test_a_lease_goes_by_the_order_of_its_index_also_where_it_was_planned_when_little_waited(
    house: House,
) -> None:
    one, now = await _endpoint(house), datetime.now(UTC)
    line = Line(house.database)
    try:
        asked = _Asked(await line.get())
        await deliveries.lease(cast("asyncpg.Connection", asked), {one: 40}, [one], 1000, now, timedelta(seconds=30))
    finally:
        await line.close()
    # Either would read all that waits and sort it, for the few that are taken.
    assert "delivery_due" in asked.plan
    assert "Bitmap" not in asked.plan
    assert "Seq Scan" not in asked.plan


async def _endpoint(house: House) -> str:
    identifier = new_id()
    await house.rows(
        """INSERT INTO endpoint (id, channel, name, org, language, target, changed_at, created_at)
           VALUES (CAST(:id AS uuid), 'webhook', 'e', 'mai-am-hy-vong', 'vi', '{}', now(), now()) RETURNING 1""",
        id=identifier,
    )
    await house.rows(
        """INSERT INTO subscription (id, endpoint_id, patterns, agreement_id, created_at)
           VALUES (CAST(:id AS uuid), CAST(:id AS uuid), '{*}', CAST(:agreement AS uuid), now()) RETURNING 1""",
        id=identifier,
        agreement=AGREEMENT,
    )
    return identifier


async def _deliveries(house: House, endpoint: str, number: int) -> None:
    """So many that arrived, one a second until now; one of ten thousand is of the rare type."""
    async with house.database.transaction() as connection:
        await connection.execute(text("CREATE TEMPORARY TABLE made (n int, id uuid, at timestamptz) ON COMMIT DROP"))
        await connection.execute(
            text(
                """INSERT INTO made SELECT n, gen_random_uuid(), now() - n * interval '1 second'
                   FROM generate_series(CAST(:number AS integer), 1, -1) AS n"""
            ),
            {"number": number},
        )
        await connection.execute(
            text(
                """INSERT INTO message (id, at, event_type, unit, case_id, body)
                   SELECT id, at, CASE WHEN n % 10000 = 0 THEN :rare ELSE :common END, '05443', 'c', '{}' FROM made"""
            ),
            {"rare": RARE, "common": COMMON},
        )
        await connection.execute(
            text(
                """INSERT INTO delivery (id, endpoint_id, subscription_id, message_id, message_at, state, attempts,
                                         created_at, due_at, settled_at, outcome, status, duration_ms, response)
                   SELECT gen_random_uuid(), CAST(:endpoint AS uuid), CAST(:endpoint AS uuid), id, at, 'succeeded', 1,
                          at, at, at, 'taken', 200, 5, '' FROM made"""
            ),
            {"endpoint": endpoint},
        )
    async with house.database.transaction() as connection:
        await connection.execute(text("ANALYZE message"))
        await connection.execute(text("ANALYZE delivery_settled"))


async def _messages_read(connection: AsyncConnection) -> int:
    return await _read(connection, "message%")


async def _deliveries_read(connection: AsyncConnection) -> int:
    return await _read(connection, "delivery%")


async def _read(connection: AsyncConnection, tables: str) -> int:
    """How many rows of some tables this connection has looked at."""
    rows = await connection.execute(
        text(
            """SELECT COALESCE(sum(seq_tup_read + COALESCE(idx_tup_fetch, 0)), 0) FROM pg_stat_xact_user_tables
               WHERE relname LIKE :tables"""
        ),
        {"tables": tables},
    )
    return int(rows.scalar_one())
