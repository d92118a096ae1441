"""One engine a process and one way to open a transaction.

It never retries by itself: whether a failed transaction may run again is known only to whoever opened it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import orjson
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

_ALEMBIC = Path(__file__).parent / "alembic"
# Any constant will do: it keeps replicas that start together from migrating at the same time.
_MIGRATION_LOCK = 7_316_001
# Alembic keeps what it is doing in globals: services that share a process migrate one after the other.
_MIGRATING = asyncio.Lock()
_IDLE_SECONDS = 30.0
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0
# PostgreSQL error classes after which nothing is wrong with the data: connection, shutdown, resources, serialisation.
_CONFLICTS = ("40P01", "40001")  # deadlock, serialisation
_PASSING = ("08", "53", "57", "40", "55P03")
# What the driver says when its connection is gone, or ended in the middle of an answer.
_CUT_OFF = (asyncpg.InterfaceError, asyncpg.InternalClientError)
# What ends a connection of one's own, held for long: make another one.
LOST = (OSError, TimeoutError, asyncpg.PostgresError, *_CUT_OFF)


def _still_open(connection: Any, record: Any, _proxy: Any) -> None:
    """Asked of a connection before each transaction. A server that went away has closed it, which the event loop
    hears of: no need to ask the server each time, but of one that lay idle, for a firewall tells nobody."""
    now = time.monotonic()
    idle = now - record.info.get("taken_at", now)
    record.info["taken_at"] = now
    if connection.driver_connection.is_closed():
        raise DisconnectionError
    if idle > _IDLE_SECONDS:
        try:
            connection.ping()
        except connection.dbapi.Error as error:
            raise DisconnectionError from error


def _dumps(value: Any) -> str:
    return orjson.dumps(value).decode()


class Database:
    """A service's own PostgreSQL database.

    Args:
        url: SQLAlchemy URL, `postgresql+asyncpg://…`.
        pool_size: connections kept; twice as many may be open in a rush.
    """

    def __init__(self, url: str, pool_size: int = 10) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_recycle=1800,
            # The connection that was last used: it has the statements planned, and others may fall idle.
            pool_use_lifo=True,
            json_serializer=_dumps,
            json_deserializer=orjson.loads,
        )
        event.listen(self.engine.sync_engine, "checkout", _still_open)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction: committed at the end of the block, rolled back on any exception."""
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """For one statement, which is a transaction by itself: its commit is no further answer to wait for."""
        async with self.engine.connect() as connection:
            yield await connection.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def alone(self, lock: int) -> AsyncIterator[bool]:
        """Hold an advisory lock as long as the block, unless another process has it: over a connection of its own, in
        no transaction. One that only waits still sees the rows of its first moment, and until its end nothing that was
        replaced since could be cleared away: what is written meanwhile would get slower and slower. Who dies lets go.
        Out: whether it is held."""
        dsn = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_SECONDS)
        try:
            yield bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", lock))
        finally:
            await connection.close(timeout=_CLOSE_SECONDS)

    async def migrate(self, migrations: Path) -> None:
        """Bring the schema to the newest revision in `migrations`; replicas that start together wait for the first."""
        async with _MIGRATING, self.engine.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
            await connection.run_sync(_upgrade, migrations)

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def _upgrade(connection: Connection, migrations: Path) -> None:
    config = Config()
    config.set_main_option("script_location", str(_ALEMBIC))
    config.set_main_option("version_locations", str(migrations))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_conflict(error: BaseException) -> bool:
    """Whether a transaction failed only because of another one at the same moment: it may simply run again."""
    return _state(error) in _CONFLICTS


def is_unstorable(error: BaseException) -> bool:
    """Whether an error says that a value is one which no attempt will ever store (SQL's class 22, data exception)."""
    return isinstance(error, OverflowError) or _state(error).startswith("22")


def is_passing(error: BaseException) -> bool:
    """Whether an error says that the database is away or busy, and not that something is wrong with an event: as
    SQLAlchemy says it, or the driver itself where statements go to it directly."""
    if isinstance(error, (OSError, TimeoutError, InterfaceError, OperationalError, *_CUT_OFF)):
        return True
    if isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(_cause(error), _CUT_OFF)):
        return True
    return _state(error).startswith(_PASSING)


def _cause(error: DBAPIError) -> BaseException | None:
    return None if error.orig is None else error.orig.__cause__


def _state(error: BaseException) -> str:
    """The five letters that SQL says of an error; empty where it says none."""
    return str(getattr(error.orig if isinstance(error, DBAPIError) else error, "sqlstate", None) or "")
