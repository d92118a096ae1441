"""Announced indicators: each value once, when it changed, at most once a second, as data says which."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import text

from services.stats.announcing import Announcing
from services.stats.figures.evaluating import Evaluator
from shared.database import Database
from shared.reference.indicators import Indicators
from tests.unit.stats import events as make
from tests.unit.stats.counted import record
from tests.unit.stats.events import NOW


class Hearer:
    """What is published, and a clock to be moved."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        self.announcing = Announcing(database, self._clock, Evaluator())

    def _clock(self) -> datetime:
        return self.now

    async def heard(self) -> list[dict[str, Any]]:
        async with self.database.transaction() as connection:
            rows = await connection.execute(text("DELETE FROM outbox RETURNING payload"))
            return [orjson.loads(bytes(row.payload)) for row in rows]


async def test_each_value_is_said_once_when_it_changed_and_at_most_once_a_second(database: Database) -> None:
    hearer = Hearer(database)
    await record(database, [[make.case("k1", 1).record()]])
    announced = {one.code for one in Indicators.load() if one.announced}
    first = await hearer.announcing.say()
    said = {event["indicator"]: event for event in await hearer.heard()}
    # Of a share of nobody there is nothing to say, nor of children before anybody told of one.
    assert first == len(said)
    assert announced - set(said) >= {"emergency-in-time", "deadlines-in-time"}
    assert {one.numerator.measure for one in Indicators.load() if one.code in said and one.numerator} <= {
        *("reports", "cases", "openings", "closings", "clocks", "services", "incidents", "tasks")
    }
    assert (said["cases-open"]["value"], said["cases-open"]["period"]) == (1, "2026")
    assert await hearer.announcing.say() == 0
    await record(database, [[make.case("k2", 1).record(1)]])
    # It was said this second: the new value waits for the next.
    assert await hearer.announcing.say() is None
    assert await hearer.heard() == []
    hearer.now += timedelta(seconds=1)
    await hearer.announcing.say()
    assert {event["indicator"]: event["value"] for event in await hearer.heard()}["cases-open"] == 2


async def test_a_share_is_said_as_it_is(database: Database) -> None:
    hearer = Hearer(database)
    clocks = [make.deadline(f"d{at}", "k1", 2 + at, state) for at, state in enumerate(("met", "met", "missed"))]
    await record(database, [[event.record(at) for at, event in enumerate(clocks)]])
    await hearer.announcing.say()
    said = {event["indicator"]: event["value"] for event in await hearer.heard()}
    assert round(said["deadlines-in-time"], 2) == 66.67


async def test_two_replicas_say_a_value_once(database: Database) -> None:
    one, other = Hearer(database), Hearer(database)
    await record(database, [[make.case("k1", 1).record()]])
    async with database.transaction() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(7316102)"))
        assert await one.announcing.say() is None
    await one.announcing.say()
    assert await one.heard()
    assert await other.announcing.say() == 0
