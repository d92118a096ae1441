"""The province's few headline figures as events: said when one changed, at most once a second each.

It must never say a value that is not committed, nor one value twice because there are two replicas.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.cells import Kind
from services.stats.store.cube import CHANNEL
from shared.contracts.stats import IndicatorChanged
from shared.database import Database
from shared.messaging.listening import listen
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import either, pause

# An indicator's name and which cells it sums.
INDICATORS: Final[Mapping[str, str]] = {
    "concerns": f"c.kind = {Kind.CONCERN:d} AND c.groups = ''",
    "concerns-danger-now": f"c.kind = {Kind.CONCERN:d} AND c.groups = '' AND c.extra = 'yes'",
    "requests": f"c.kind = {Kind.CONCERN:d} AND c.groups <> ''",
    "cases-open": f"c.kind = {Kind.CASE:d} AND c.status = 'open'",
    "cases-open-high-risk": f"c.kind = {Kind.CASE:d} AND c.status = 'open' AND c.risk = 'high'",
    "cases-closed": f"c.kind = {Kind.CASE:d} AND c.status = 'closed'",
    "deadlines-running": f"c.kind = {Kind.DEADLINE:d} AND c.status IN ('running', 'nearing')",
    "deadlines-missed": f"c.kind = {Kind.DEADLINE:d} AND c.status = 'missed'",
    "deadlines-paused": f"c.kind = {Kind.DEADLINE:d} AND c.status = 'paused'",
    "tasks-overdue": f"c.kind = {Kind.TASK:d} AND c.status = 'overdue'",
    "services": f"c.kind = {Kind.SERVICE:d}",
    "incidents": f"c.kind = {Kind.INCIDENT:d}",
    "children": f"c.kind = {Kind.CHILD:d}",
}
AT_MOST_EVERY: Final = timedelta(seconds=1)
_IDLE_SECONDS: Final = 30.0
# Held to the end of the transaction: replicas take turns, so each value is said once.
_TURN: Final = 7_316_102
_VALUES = "SELECT {sums} FROM cell c JOIN cube q ON q.cell = c.id WHERE q.n <> 0".format(
    sums=", ".join(
        f'coalesce(sum(q.n) FILTER (WHERE {condition}), 0)::bigint AS "{name}"'
        for name, condition in INDICATORS.items()
    )
)


class Indicators:
    """Publishes `stats.indicator.changed`.

    Args:
        database: statistics' own. clock: now, aware UTC.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._wake = asyncio.Event()

    async def say_indicators(self, stop: asyncio.Event) -> None:
        """Run until `stop`: after a change, wait no longer than the limit asks, then say what is different."""
        listening = asyncio.create_task(listen(self._database, [CHANNEL], lambda *_: self._wake.set(), stop))
        try:
            while not stop.is_set():
                await either(self._wake, stop, _IDLE_SECONDS)
                self._wake.clear()
                if not stop.is_set():
                    await self.say()
                    await pause(stop, AT_MOST_EVERY.total_seconds())
        finally:
            listening.cancel()

    async def say(self) -> int:
        """Publish each indicator whose value is not the one last said. Out: how many were published.

        One that was said less than a second ago waits for the next turn.
        """
        async with self._database.transaction() as connection:
            if not await _my_turn(connection):
                self._wake.set()
                return 0
            scope = Scope("stats", connection, self._clock())
            values = (await connection.execute(text(_VALUES))).mappings().one()
            said = {
                row.name: row
                for row in await connection.execute(
                    text("SELECT name, value, sequence, published_at FROM indicator WHERE unit = ''")
                )
            }
            count = 0
            for name, value in values.items():
                known = said.get(name)
                if known is not None and known.value == value:
                    continue
                if known is not None and scope.now - known.published_at < AT_MOST_EVERY:
                    self._wake.set()
                    continue
                await self._say_one(scope, name, value, 1 if known is None else known.sequence + 1)
                count += 1
            await scope.flush()
        return count

    async def _say_one(self, scope: Scope, name: str, value: int, sequence: int) -> None:
        await scope.connection.execute(
            text(
                """INSERT INTO indicator AS i (name, unit, value, sequence, published_at)
                   VALUES (:name, '', :value, :sequence, :now)
                   ON CONFLICT (name, unit) DO UPDATE
                   SET value = excluded.value, sequence = excluded.sequence, published_at = excluded.published_at"""
            ),
            {"name": name, "value": value, "sequence": sequence, "now": scope.now},
        )
        event = IndicatorChanged(indicator=name, unit=None, value=value, as_of=scope.now)
        await scope.emit(event, subject=name, sequence=sequence)


async def _my_turn(connection: AsyncConnection) -> bool:
    return bool((await connection.execute(text("SELECT pg_try_advisory_xact_lock(:turn)"), {"turn": _TURN})).scalar())
