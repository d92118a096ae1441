"""A turn is one replica's at a time, and holds nothing else: no rows in sight, no transaction."""

from __future__ import annotations

from sqlalchemy import text

from services.stats.store.locks import Lock
from shared.database import Database

# Whoever keeps rows of the past in sight.
_LOOKING_BACK = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR xact_start IS NOT NULL)
    AND backend_type = 'client backend'
"""


async def test_a_turn_is_one_replicas_at_a_time(database: Database) -> None:
    async with database.alone(Lock.PERIODS) as first:
        async with database.alone(Lock.PERIODS) as second, database.alone(Lock.CHECKING) as other:
            assert (first, second, other) == (True, False, True)
        async with database.alone(Lock.PERIODS) as second:
            assert not second
    async with database.alone(Lock.PERIODS) as again:
        assert again


async def test_who_has_a_turn_keeps_no_rows_of_the_past_in_sight(database: Database) -> None:
    async with database.alone(Lock.PERIODS), database.transaction() as connection:
        assert (await connection.execute(text(_LOOKING_BACK))).scalar_one() == 0
