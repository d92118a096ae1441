"""Hearing what other replicas' transactions tell by PostgreSQL's NOTIFY, over a connection of its own.

It must never let a listener believe that nothing happened: what was told while the connection was away is lost, so
every listener is called once after each (new) connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import asyncpg
import structlog

from shared.database import LOST, Database
from shared.messaging.waiting import pause

_LOG = structlog.get_logger(__name__)
_LOOKS_SECONDS = 2.0
_AGAIN_SECONDS = 2.0
# Called with a channel and what was said on it; None: anything may have been said meanwhile.
Heard = Callable[[str, str | None], None]


async def listen(database: Database, channels: Sequence[str], heard: Heard, stop: asyncio.Event) -> None:
    """Call `heard` for what is told on these channels until `stop`; a database that is away is waited for."""
    dsn = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    while not stop.is_set():
        try:
            connection = await asyncpg.connect(dsn, timeout=10)
            try:
                for channel in channels:
                    await connection.add_listener(channel, lambda _, __, name, payload: heard(name, str(payload)))
                for channel in channels:
                    heard(channel, None)
                while not stop.is_set() and not connection.is_closed():
                    await pause(stop, _LOOKS_SECONDS)
            finally:
                await connection.close(timeout=5)
        except LOST as error:
            _LOG.warning("listening.waiting", reason=type(error).__name__)
            await pause(stop, _AGAIN_SECONDS)
