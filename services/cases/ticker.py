"""Makes time pass: deadlines nearing and missed, pauses over, tasks overdue, told once however many replicas run.

Rows are taken with FOR UPDATE SKIP LOCKED and told in the same transaction; it sleeps until the next moment, and after
a day off it catches up at once. A case whose time cannot be told must never keep another's from being told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.cases import store
from services.cases.desk import Desk
from shared.database import Database, is_passing
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause
from shared.telemetry import DEADLINE_DELAY, STUCK_CASES

EVERY_SECONDS = 1.0
BATCH = 100
_HELD_SECONDS = 0.05
_SHORTEST_SECONDS = 0.001
_LONGEST_DELAY = 10.0
_LOG = structlog.get_logger(__name__)


async def tick(database: Database, desk: Desk, clock: Clock) -> int:
    """Tell everything due now. Out: how many cases it concerned. Raises what says that the database is away."""
    looked = 0
    while True:
        try:
            async with database.transaction() as connection:
                scope = Scope("cases", connection, clock())
                due = await desk.cases.tick(scope, BATCH)
                await scope.flush()
        except Exception as error:
            if is_passing(error):
                raise
            taken = await _one_by_one(database, desk, clock)
        else:
            taken = len(due)
            now = clock()
            for moment in due:
                DEADLINE_DELAY.observe((now - moment).total_seconds())
        looked += taken
        if taken < BATCH:
            return looked


async def _one_by_one(database: Database, desk: Desk, clock: Clock) -> int:
    """One of a batch spoils it: each case for itself, and that one put aside. Out: how many were told or put aside."""
    async with database.transaction() as connection:
        case_ids = await store.due_ids(connection, clock(), BATCH)
    taken = 0
    for case_id in case_ids:
        try:
            async with database.transaction() as connection:
                scope = Scope("cases", connection, clock())
                taken += len(await desk.cases.tick_one(scope, case_id))
                await scope.flush()
        except Exception as error:
            if is_passing(error):
                raise
            async with database.transaction() as connection:
                stuck = await store.put_aside(connection, case_id, type(error).__name__, clock())
            taken += 1
            if stuck is None:
                continue
            _LOG.error(
                "case.stuck",
                case=case_id,
                reason=type(error).__name__,
                attempts=stuck.attempts,
                again=stuck.again.isoformat(),
            )
    return taken


def ticker(database: Database, desk: Desk, clock: Clock) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that tells what falls due, the moment it does, until it is stopped; a database that is away is waited
    for."""

    async def ticking(stop: asyncio.Event) -> None:
        delay = _SHORTEST_SECONDS
        while not stop.is_set():
            try:
                await tick(database, desk, clock)
                wait = await _until_next(database, clock)
                delay = EVERY_SECONDS
            except Exception as error:
                if not is_passing(error):
                    raise
                _LOG.warning("ticker.waiting", reason=type(error).__name__, seconds=delay)
                wait, delay = delay, min(delay * 2, _LONGEST_DELAY)
            await pause(stop, wait)

    return ticking


async def _until_next(database: Database, clock: Clock) -> float:
    """Seconds until something falls due. A report of long ago may make it sooner, so never longer than a second."""
    async with database.transaction() as connection:
        STUCK_CASES.set(await store.count_stuck(connection))
        moment = await store.next_moment(connection)
    if moment is None:
        return EVERY_SECONDS
    left = (moment - clock()).total_seconds()
    # Due and not told: whoever has the case in hand lets go of it soon.
    return _HELD_SECONDS if left <= 0 else min(max(left, _SHORTEST_SECONDS), EVERY_SECONDS)
