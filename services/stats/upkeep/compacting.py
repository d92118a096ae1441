"""Keeps history as fine as data says, and no finer: older moments are summed up, beside everything else.

It must never make counting wait: each part is small, and it rests many times as long as a part takes. It must never
touch figures that do not agree with what they are made of: what is to be mended has to be seen first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from services.stats.domain.fineness import FIRST_DAY, every_moment_from, kept_moments
from services.stats.domain.periods import Period
from services.stats.figures.released import known_at_ever
from services.stats.store import compaction
from services.stats.upkeep.checking import Upkeep
from shared.database import Database, is_passing
from shared.messaging.router import Clock
from shared.messaging.waiting import either, pause
from shared.reference.disclosure import Disclosure
from shared.reference.history import History

_LOG = structlog.get_logger(__name__)
_LOOK_SECONDS: Final = 60.0
# Rests so many times as long as a part took.
_RESTS: Final = 9
# Things looked at, or movements summed up, in one part: some tens of milliseconds.
_SIZE: Final = 150


class Compacting:
    """Compacts history.

    Args:
        database: statistics' own. clock: now, aware UTC. upkeep: whether figures agree. rules: how fine it is kept.
        disclosure: as of when figures are released.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        upkeep: Upkeep,
        rules: History | None = None,
        disclosure: Disclosure | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._upkeep = upkeep
        self._rules = History.load() if rules is None else rules
        self._disclosure = Disclosure.load() if disclosure is None else disclosure
        self._asked = asyncio.Event()
        self.size = _SIZE

    async def compact_when_due(self, stop: asyncio.Event) -> None:
        """Run until `stop`: once a month there is something older than is kept finely."""
        while not stop.is_set():
            try:
                await self.begin_where_due()
                await self.go_on(stop)
            except Exception as error:
                if not is_passing(error):
                    raise
            await either(self._asked, stop, _LOOK_SECONDS)
            self._asked.clear()

    async def state(self) -> dict[str, Any]:
        """How fine history is kept, and how far compacting is: for operators."""
        rule = self._rules.on(self._clock())
        async with self._database.transaction() as connection:
            known = await compaction.standing(connection)
        found: dict[str, Any] = {
            "state": "idle",
            "every_moment_days": rule.every_moment_days,
            "every_day_days": rule.every_day_days,
            "ends_of": list(rule.ends_of),
        }
        if known is not None:
            found |= {
                "state": known.state,
                "every_moment_from": known.every_moment_from.isoformat(),
                "versions_gone": known.versions,
                "movements_gone": known.movements,
                "started_at": known.started_at.isoformat(),
                "finished_at": known.finished_at and known.finished_at.isoformat(),
            }
        return found

    async def start(self) -> dict[str, Any]:
        """Look now whether something is to be compacted. Out: the state."""
        await self.begin_where_due()
        self._asked.set()
        return await self.state()

    async def begin_where_due(self) -> bool:
        """Begin where a month has passed since it was last begun. Out: whether it did."""
        now = self._clock()
        rule = self._rules.on(now)
        until = every_moment_from(rule, now)
        async with self._database.transaction() as connection:
            known = await compaction.standing(connection)
            if known is not None and known.every_moment_from >= until:
                return False
            # Of nothing there are no moments: what is told later of that time is kept as finely as it is told.
            if not await compaction.anything_before(connection, until):
                return False
            besides = [*await compaction.closed_at(connection), *self._released_at(until)]
            await compaction.begin(connection, now, until, kept_moments(rule, now, besides))
        _LOG.info("stats.history.compacting", every_moment_from=until.isoformat())
        return True

    async def go_on(self, stop: asyncio.Event) -> None:
        """Do all that is left, a part at a time; where figures differ, later."""
        if await self._differ():
            return
        while not stop.is_set():
            began = time.monotonic()
            async with self._database.transaction() as connection:
                if not await compaction.step(connection, self.size, self._clock()):
                    return
            await pause(stop, _RESTS * (time.monotonic() - began))

    async def _differ(self) -> bool:
        checked = await self._upkeep.last_check()
        return checked is not None and checked.differing > 0

    def _released_at(self, until: datetime) -> Iterable[datetime]:
        """The moments as of which figures are released, by whichever rule: they are asked for ever."""
        month = Period.containing(FIRST_DAY, "month")
        while month.first < until.date():
            yield from known_at_ever(self._disclosure, month)
            month = Period.containing(month.last + timedelta(days=1), "month")
