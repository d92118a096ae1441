"""Whether any worker lives: what dead ones had leased is free again at once when the first one starts, and not only
when their leases end.

Every worker holds a lock in the database, shared with the others. Whoever gets it alone knows that nobody else sends.
"""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

from services.notify.store import deliveries
from shared.database import Database
from shared.messaging.waiting import either, pause

_LOG = structlog.get_logger(__name__)
_LOCK = 7_316_034
_LOOKS_SECONDS = 2.0


class Presence:
    """Holds the lock as long as this worker runs."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._held = asyncio.Event()

    async def known(self, stop: asyncio.Event) -> None:
        """Wait until the lock is held, or `stop`: before, nothing may be leased."""
        while not (stop.is_set() or self._held.is_set()):
            await either(self._held, stop, _LOOKS_SECONDS)

    async def hold(self, stop: asyncio.Event) -> None:
        """Run until `stop`; a connection that is lost is made again, and what failed is tried again."""
        dsn = self._database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        first = True
        while not stop.is_set():
            try:
                connection = await asyncpg.connect(dsn, timeout=10)
                try:
                    if first and await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                        await self._end_leases()
                        await connection.execute("SELECT pg_advisory_lock_shared($1)", _LOCK)
                        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
                    else:
                        await connection.execute("SELECT pg_advisory_lock_shared($1)", _LOCK)
                    first = False
                    self._held.set()
                    while not stop.is_set() and not connection.is_closed():
                        await pause(stop, _LOOKS_SECONDS)
                finally:
                    # Whoever runs again after it broke holds it anew before anything is leased.
                    self._held.clear()
                    await connection.close(timeout=5)
            except Exception as error:  # whatever it is: without the lock nothing would be sent, ever
                _LOG.warning("presence.waiting", reason=type(error).__name__)
                await pause(stop, _LOOKS_SECONDS)

    async def _end_leases(self) -> None:
        async with self._database.transaction() as connection:
            count = await deliveries.end_leases(connection)
        if count:
            _LOG.info("deliveries.taken-back", count=count)
