"""A real PostgreSQL for statistics: what they promise is kept by its statements, so nothing stands in for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

import services.stats
from shared.database import Database
from tests.support import backends

MIGRATIONS = Path(services.stats.__file__).parent / "migrations"
# Whatever there is in the schema: a new table is emptied without anybody's thinking of it. What is frozen cannot be:
# tests of it have a database of their own.
_TABLES = """
SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
    AND c.relname <> 'alembic_version'
    AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgfoid = to_regproc('frozen'))
ORDER BY c.relname
"""


@pytest.fixture(scope="session")
async def migrated(postgres_url: str) -> AsyncIterator[Database]:
    """A migrated database that tests share; they begin with `empty`."""
    async with backends.database(postgres_url) as url:
        database = Database(url, pool_size=5)
        await database.migrate(MIGRATIONS)
        yield database
        await database.close()


async def empty(database: Database) -> None:
    """Forget everything that was counted."""
    async with database.transaction() as connection:
        # Deleting a few rows is much faster than truncating a table.
        for table in (await connection.execute(text(_TABLES))).scalars().all():
            await connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
async def database(migrated: Database) -> Database:
    """Statistics' own database, migrated and empty."""
    await empty(migrated)
    return migrated
