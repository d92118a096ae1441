"""A desk of official periods over a small made-up province, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from services.stats.desk.freezing import Freezing
from services.stats.desk.periods import PURPOSE, Periods
from services.stats.domain.closing import Edition
from services.stats.figures.releasing import Releasing
from services.stats.store.releases import Releases
from services.stats.upkeep.checking import Upkeep
from shared.database import Database
from shared.identity.principal import Principal, Role
from shared.privacy.signing import SigningKey
from shared.web.i18n import ZONE
from tests.unit.stats import made_up_figures as made_up
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.made_up_figures import COORDINATOR, INDICATORS, UNITS, Province, Record

MONTH = "2026-10"
CHAIR = Principal("chair", "C", Role.CHAIR, frozenset({UNITS[0]}))
KEY = SigningKey(bytes(32), PURPOSE)


def at(day: date, hour: int = 9) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE)


def opening(day: date, unit: str = UNITS[0], known: datetime | None = None, **more: str) -> Record:
    values = {"unit": unit, "kind": "violence", "sex": "female", "risk": "high", **more}
    return Record("openings", day, known or at(day), values)


class House:
    """The desk, its clock, and the province whose records a test may change."""

    def __init__(self, database: Database, records: list[Record]) -> None:
        self.database = database
        self.now = at(date(2026, 11, 3))
        self.counted = True
        self.province = Province(records)
        self.upkeep = Upkeep(database, lambda: self.now)
        self.periods = self.replica()

    def replica(self) -> Periods:
        """Another process over the same database."""
        releasing = Releasing(Releases(), self.province, INDICATORS, made_up.disclosure())
        freezing = Freezing(self.database, self.province, releasing)
        return Periods(
            self.database,
            lambda: self.now,
            freezing,
            made_up.taking(self.province),
            self.upkeep,
            self.is_counted,
            KEY,
            INDICATORS,
            made_up.disclosure(),
        )

    async def is_counted(self) -> bool:
        """Whether history holds all that was published."""
        return self.counted

    async def close(self, code: str = MONTH) -> Edition:
        """Close a period and freeze it."""
        await self.periods.close(COORDINATOR, code)
        await self.periods.look_after()
        return await self.edition(code)

    async def edition(self, code: str = MONTH, number: int | None = None) -> Edition:
        signed = await self.periods.exact(code, number)
        assert signed is not None
        return signed.read()

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """The events that were published, in their order."""
        async with self.database.transaction() as connection:
            rows = await connection.execute(text("SELECT type, payload FROM outbox ORDER BY id"))
            return [(row.type, orjson.loads(bytes(row.payload))) for row in rows]

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


@asynccontextmanager
async def house(url: str, records: list[Record]) -> AsyncIterator[House]:
    database = Database(url, pool_size=5)
    await database.migrate(MIGRATIONS)
    try:
        yield House(database, records)
    finally:
        await database.close()


def figure(edition: Edition, indicator: str, dimension: str = "", category: str = "") -> float | None:
    """What an edition says."""
    code = edition.period.code
    found = edition.at_place().get((indicator, code, dimension, category))
    return None if found is None else found.value
