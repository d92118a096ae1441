"""What has to be done now and then: cases are handed on that somebody asked for, old readings are forgotten, how a
child is found once its file's key was erased, and drafts that nobody will send; places in clear are sealed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from services.cases import store
from services.cases.desk import Desk
from services.cases.office import Office
from shared.database import Database
from shared.messaging.router import Clock, Scope
from shared.messaging.waiting import pause

_EVERY_SECONDS = 2.0
_FORGET_EVERY_SECONDS = 60.0
_BATCH = 1000
_LOG = structlog.get_logger(__name__)


async def forget(database: Database, desk: Desk, clock: Clock) -> None:
    """Forget how erased children are found, once."""
    async with database.transaction() as connection:
        await desk.finding.forget(Scope("cases", connection, clock()))


async def forget_reads(database: Database, desk: Desk, now: datetime) -> int:
    """Delete readings that are older than the log is kept. Out: how many."""
    before = months_before(now, desk.access.limits.on(now).log_months)
    gone = 0
    while True:
        async with database.transaction() as connection:
            batch = await store.forget_reads(connection, before, _BATCH)
        gone += batch
        if batch < _BATCH:
            return gone


async def drop_drafts(database: Database, desk: Desk, now: datetime) -> int:
    """Destroy drafts that nobody touched for long, and those of cases whose key was erased. Out: how many."""
    gone = 0
    while True:
        async with database.transaction() as connection:
            batch = await desk.drafts.drop(Scope("cases", connection, now))
        gone += batch
        if not batch:
            return gone


async def seal_places(database: Database, desk: Desk, clock: Clock) -> int:
    """Seal what an earlier version kept in clear of where incidents happened. Out: how many."""
    done = 0
    while True:
        async with database.transaction() as connection:
            scope = Scope("cases", connection, clock())
            batch = await desk.incidents.seal_places(scope, _BATCH)
            await scope.flush()
        done += batch
        if batch < _BATCH:
            return done


def months_before(now: datetime, months: int) -> datetime:
    """The same moment so many months earlier; the 28th for days that not every month has, so never too late."""
    year, month = divmod(now.year * 12 + now.month - 1 - months, 12)
    return now.replace(year=year, month=month + 1, day=min(now.day, 28))


async def _chore(name: str, work: Awaitable[object]) -> None:
    """One that fails costs the others nothing: it is tried again at its next turn. What a case says is not logged."""
    try:
        await work
    except Exception as error:
        _LOG.error("upkeep.failed", chore=name, reason=type(error).__name__)


def upkeep(database: Database, desk: Desk, clock: Clock) -> Callable[[asyncio.Event], Awaitable[None]]:
    """The loop that does it all until it is stopped."""
    office = Office(desk, database, clock)

    async def keeping(stop: asyncio.Event) -> None:
        forgotten_at: datetime | None = None
        while not stop.is_set():
            now = clock()
            await _chore("hand-on", desk.access.hand_on(office.scope))
            if forgotten_at is None or (now - forgotten_at).total_seconds() >= _FORGET_EVERY_SECONDS:
                await _chore("forget", forget(database, desk, clock))
                await _chore("forget-reads", forget_reads(database, desk, now))
                await _chore("drop-drafts", drop_drafts(database, desk, now))
                await _chore("seal-places", seal_places(database, desk, clock))
                forgotten_at = now
            await pause(stop, _EVERY_SECONDS)

    return keeping
