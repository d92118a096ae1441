"""What statistics do for themselves beside counting: prove that their figures agree, and keep a snapshot for a rebuild.

One replica at a time. It must never keep quiet about a difference: a difference of one is told to operators.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from services.stats.store import snapshots
from services.stats.store.checking import Checked, differences, keep_checked, last_checked
from services.stats.store.locks import Lock
from shared.database import Database, is_passing
from shared.messaging.router import Clock
from shared.messaging.waiting import pause
from shared.telemetry import FIGURES_DIFFER

_LOG = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 60.0
CHECK_EVERY: Final = timedelta(hours=1)
# However much there is to compare, it takes no more than one hundredth of the time.
_RESTS: Final = 100
# A topic that lets go of events must keep them for longer than this.
SNAPSHOT_EVERY: Final = timedelta(days=30)


class Upkeep:
    """Checks and snapshots.

    Args:
        database: statistics' own. clock: now, aware UTC.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def look_after_figures(self, stop: asyncio.Event) -> None:
        """Run until `stop`: check and take a snapshot where it is time for it."""
        while not stop.is_set():
            # First of all wait: who has just started has other things to do.
            await pause(stop, _LOOK_SECONDS)
            if stop.is_set():
                return
            try:
                await self.look_after()
            except Exception as error:
                if not is_passing(error):
                    raise

    async def look_after(self) -> None:
        """Do once what is due. Raises what says that the database is away."""
        if await self._is_due():
            await self.check()
        known = await self.last_check()
        if known is not None:
            # What another replica found is shown by this one too.
            FIGURES_DIFFER.set(known.differing)
        async with self._database.transaction() as connection:
            taken_at = await snapshots.taken_at(connection)
        if taken_at is None or self._clock() - taken_at >= SNAPSHOT_EVERY:
            async with self._database.transaction() as connection:
                found = await snapshots.take(connection, self._clock())
            if found and any(found.values()):
                _LOG.error("stats.snapshot.not_taken", **found)

    async def _is_due(self) -> bool:
        last = await self.last_check()
        if last is None:
            return True
        return self._clock() - last.at >= max(CHECK_EVERY, timedelta(seconds=last.seconds * _RESTS))

    async def check(self) -> Mapping[str, int] | None:
        """Compare everything now. Out: what differs, by comparison; None where another replica is at it."""
        async with self._database.alone(Lock.CHECKING) as mine:
            if not mine:
                return None
            began = time.monotonic()
            async with self._database.transaction() as connection:
                found = await differences(connection)
            async with self._database.transaction() as connection:
                await keep_checked(connection, Checked(self._clock(), found, time.monotonic() - began))
        if any(found.values()):
            _LOG.error("stats.figures.differ", **found)
        return found

    async def last_check(self) -> Checked | None:
        """When figures were last compared, and what differed; None: never."""
        async with self._database.transaction() as connection:
            return await last_checked(connection)
