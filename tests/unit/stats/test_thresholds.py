"""What needs looking at is told, once: a missed target, a surge in a commune, a sector gone silent."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from services.stats import thresholds
from services.stats.domain.surges import upper_level, usual_spacing, working_days_after
from services.stats.figures.evaluating import Evaluator
from services.stats.thresholds import Watching
from shared.contracts.stats import FigureRecorded
from shared.database import Database
from shared.reference.calendar import WorkCalendar
from tests.unit.stats import events as make
from tests.unit.stats.counted import record
from tests.unit.stats.events import NOW, Event

DAY = timedelta(days=1)


class Watcher:
    """A watcher with a clock to be moved, and what it told."""

    def __init__(self, database: Database, now: datetime = NOW) -> None:
        self.database = database
        self.now = now
        self.watching = Watching(database, lambda: self.now, Evaluator())

    async def look(self) -> list[tuple[str, dict[str, Any]]]:
        await self.watching.look()
        async with self.database.transaction() as connection:
            rows = await connection.execute(text("DELETE FROM outbox RETURNING type, payload"))
            return [(row.type.removeprefix("vn.vongtay."), orjson.loads(bytes(row.payload))) for row in rows]

    async def count(self, *events: Event) -> None:
        await record(self.database, [[event.record(at) for at, event in enumerate(events)]])

    async def hear(self, sector: str, at: datetime) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(
                text(
                    """INSERT INTO heard (topic, partition, sector, time) VALUES ('t', 0, :sector, :at)
                       ON CONFLICT (topic, partition, sector) DO UPDATE SET time = excluded.time"""
                ),
                {"sector": sector, "at": at},
            )


def reports(name: str, unit: str, days_ago: list[int], **facts: Any) -> list[Event]:
    return [
        make.concern(f"{name}-{at}", 1, unit=unit, received_at=NOW - days * DAY, **facts)
        for at, days in enumerate(days_ago)
    ]


def test_the_level_is_what_chance_alone_hardly_ever_passes() -> None:
    chance = random.Random(1)
    for mean in (0.5, 2, 10):
        usual = [sum(chance.random() < mean / 100 for _ in range(100)) for _ in range(26)]
        level = upper_level(usual, 3)
        later = [sum(chance.random() < mean / 100 for _ in range(100)) for _ in range(5_000)]
        assert sum(count > level for count in later) < 5_000 * 0.02, mean
        assert level < 3 * mean + 8
    assert upper_level([0] * 26, 3) == 0
    # Where counts vary more than by chance, the level is higher.
    assert upper_level([0, 8] * 13, 3) > upper_level([4] * 26, 3)


def test_silence_is_counted_in_working_days() -> None:
    calendar = WorkCalendar.load()
    # Friday to Monday; and over Tết of 2026.
    assert working_days_after(date(2026, 11, 20), date(2026, 11, 23), calendar.is_working_day) == 1
    assert working_days_after(date(2026, 2, 13), date(2026, 2, 20), calendar.is_working_day) <= 1
    assert usual_spacing({date(2026, 1, 1), date(2026, 1, 3)}, date(2026, 1, 1), date(2026, 1, 10)) == 5


async def test_a_surge_is_told_once_and_again_only_after_it_was_over(database: Database) -> None:
    watcher = Watcher(database)
    usual = list(range(8, 8 + 7 * 27, 7))
    await watcher.count(*reports("a", "05443", usual), *reports("b", "05455", usual))
    assert await watcher.look() == []
    await watcher.count(*reports("surge", "05443", [0, 1, 1, 2, 2, 3, 4]))
    ((told, said),) = await watcher.look()
    assert (told, said["unit"], said["value"], said["usual"]) == ("stats.surge.detected", "05443", 7, 1.0)
    assert said["value"] > said["level"]
    assert await watcher.look() == []
    watcher.now += 2 * DAY
    assert await watcher.look() == []
    # Two weeks of quiet later it is another one.
    watcher.now += 21 * DAY
    assert await watcher.look() == []
    again = [make.concern(f"again-{at}", 1, received_at=watcher.now) for at in range(9)]
    await watcher.count(*again)
    assert [told for told, _ in await watcher.look()] == ["stats.surge.detected"]


async def test_it_is_looked_by_the_platforms_clock_and_again_soon_where_nothing_could_be_judged(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thresholds, "_WAKES_EVERY", timedelta(seconds=0.01))
    watcher, looked, answers = Watcher(database), [], [None, 0, 0]
    stop = asyncio.Event()

    async def look() -> int | None:
        looked.append(watcher.now)
        return answers[len(looked) - 1]

    monkeypatch.setattr(watcher.watching, "look", look)
    loop = asyncio.create_task(watcher.watching.watch_thresholds(stop))
    await asyncio.sleep(0.1)
    assert looked == []
    # A clock that ran ahead by hours is followed at once: the first time history was behind, so it is asked again.
    watcher.now = later = NOW + DAY
    await asyncio.sleep(0.3)
    assert looked == [later, later]
    # It came home from a day that lay ahead.
    watcher.now = NOW
    await asyncio.sleep(0.3)
    stop.set()
    await loop
    assert looked == [later, later, NOW]


async def test_few_reports_are_no_surge_and_neither_are_those_of_no_commune(database: Database) -> None:
    watcher = Watcher(database)
    await watcher.count(*reports("few", "05443", [0, 1, 2, 3]), *reports("lost", "unclassified", [0] * 9))
    assert await watcher.look() == []


async def test_a_target_that_knows_no_exception_is_looked_at_each_month_in_each_commune(database: Database) -> None:
    watcher = Watcher(database)
    last_month = datetime(2026, 9, 12, tzinfo=UTC)

    def clock(name: str, sequence: int, state: str, unit: str) -> Event:
        event = make.deadline(name, f"k-{name}", sequence, state, unit=unit)
        return Event(event.data.model_copy(update={"due": last_month}), event.subject, event.sequence)

    await watcher.count(clock("d1", 2, "met", "05443"), clock("d2", 2, "missed", "05455"))
    told = [
        (said["indicator"], said.get("unit"), said["period"], said["value"])
        for name, said in await watcher.look()
        if name == "stats.target.missed"
    ]
    assert told == [
        ("emergency-in-time", None, "2026-09", 50),
        ("emergency-in-time", "05455", "2026-09", 0),
    ]
    assert await watcher.look() == []


def married(year: str, value: float) -> Event:
    data = FigureRecorded(
        figure_id=f"m{year}", indicator="child-marriages", unit="", period=year, value=value, sector="justice"
    )
    return Event(data, f"m{year}", 1)


async def test_what_is_too_much_already_is_told_before_the_year_ends(database: Database) -> None:
    watcher = Watcher(database)
    await watcher.count(married("2025", 50), married("2026", 49))
    assert await watcher.look() == []
    await watcher.count(Event(married("2026", 60).data, "m2026", 2))
    ((told, said),) = await watcher.look()
    assert (told, said["period"], said["value"], said["target"]) == ("stats.target.missed", "2026", 60, 49)


async def test_a_year_in_which_the_platform_began_is_no_measure_for_the_next(database: Database) -> None:
    def crashes(name: str, day: date, count: int) -> list[Event]:
        return [make.incident(f"{name}{at}", 1, kind="traffic-accident", occurred_on=day) for at in range(count)]

    watcher = Watcher(database)
    await watcher.count(*crashes("a", date(2025, 9, 1), 2), *crashes("b", date(2026, 9, 1), 20))
    assert await watcher.look() == []
    await watcher.count(*crashes("c", date(2025, 2, 1), 1))
    assert [(said["indicator"], said["target"]) for _, said in await watcher.look()] == [
        ("road-injuries", pytest.approx(2.85))
    ]


async def test_a_sector_is_silent_once_it_was_quiet_for_much_longer_than_usual(database: Database) -> None:
    watcher = Watcher(database)
    daily = [days for days in range(90) if days >= 20]
    await watcher.count(*reports("h", "05443", daily, sector="health"))
    await watcher.hear("health", NOW - 20 * DAY)
    # Heard of twice a month: three weeks are nothing.
    await watcher.count(*reports("p", "05443", [21, 40, 60, 80], sector="police"))
    await watcher.hear("police", NOW - 21 * DAY)
    ((told, said),) = await watcher.look()
    assert (told, said["sector"]) == ("stats.sector.silent", "health")
    assert said["usual_days"] == pytest.approx(1.0, abs=0.1)
    watcher.now += DAY
    assert await watcher.look() == []


async def test_nothing_is_judged_while_history_is_far_behind(database: Database) -> None:
    watcher = Watcher(database)
    await watcher.count(*reports("surge", "05443", [0] * 9))
    async with database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO progress (topic, partition, "offset", time) VALUES ('cases.cases.v1', 0, 5000, :now)"""
            ),
            {"now": NOW},
        )
        await connection.execute(text("UPDATE history_progress SET time = :then"), {"then": NOW - DAY})
    assert await watcher.watching.look() is None
