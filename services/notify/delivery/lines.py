"""The worker's own connections to the database: what passes by the thousand a second goes without a pool between.

A connection that is lost is made again by whoever asks next.
"""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg
import structlog

from shared.database import LOST, Database

_LOG = structlog.get_logger(__name__)
# The plan must not depend on how full the table happened to be when it was made: of one that was empty then, all that
# waits for an endpoint would be read and sorted by each lease, instead of the first few in the order of the index.
_SESSION = {"enable_seqscan": "off", "enable_bitmapscan": "off"}


class Line:
    """One connection, for one task at a time.

    Args:
        settings: of the session, besides.
    """

    def __init__(self, database: Database, settings: Mapping[str, str] | None = None) -> None:
        url = database.engine.url.set(drivername="postgresql")
        self._dsn = url.render_as_string(hide_password=False)
        self._settings = {**_SESSION, **(settings or {})}
        self._connection: asyncpg.Connection | None = None

    async def get(self) -> asyncpg.Connection:
        """The connection. Raises what says that the database is away (`is_passing`)."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn, timeout=10, server_settings=self._settings)
        return self._connection

    async def close(self) -> None:
        """Close it, if it is open. One that does not say good-bye is cut off: whoever asks next gets another."""
        connection, self._connection = self._connection, None
        if connection is None or connection.is_closed():
            return
        try:
            await connection.close(timeout=5)
        except LOST as error:
            connection.terminate()
            _LOG.warning("line.cut-off", reason=type(error).__name__)
