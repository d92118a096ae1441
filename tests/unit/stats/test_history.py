"""History is exact: any period, as of any moment, equals a plain recount, whatever order its events came in."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.stats import recording
from services.stats.domain.periods import Period
from services.stats.handlers import Batch
from services.stats.recording import HistoryBatch, Pace, record_batch
from services.stats.store.chronicle import Chronicle, HistoryCells
from services.stats.store.cube import Cells
from services.stats.store.history import count_periods
from shared.database import Database
from shared.messaging.processing import Record
from shared.reference.indicators import Part
from tests.unit.stats import events as make
from tests.unit.stats.conftest import empty
from tests.unit.stats.events import NOW, Event, histories
from tests.unit.stats.recount_history import Happened, happened, stood

_FLOWS = {
    "reports": ("unit", "request", "danger_now"),
    "incidents": ("unit", "outcome"),
    "services": ("unit", "service"),
    "clocks": ("unit", "state"),
    "openings": ("unit", "environment"),
    "closings": ("unit", "outcome"),
    "spans": ("unit", "span", "hours"),
}
_STATES = {
    "cases": ("unit", "status", "environment"),
    "tasks": ("unit", "status"),
    "children": ("unit", "age", "circumstance"),
}
_PERIODS = [
    Period.parse(code) for code in ("2025", "2026-10", "2026", "2026-W44", "2026-10-31", "2026-SY", "2025..2027")
]


async def record(database: Database, batches: Sequence[Sequence[Record]]) -> None:
    cells, chronicle = HistoryCells(), Chronicle()
    for batch in batches:
        async with database.transaction() as connection:
            read = await HistoryBatch.read(batch, cells)
            assert not read.broken
            cells.remember(await record_batch(connection, read, cells, chronicle))


def dated(history: Sequence[Event], chance: random.Random) -> list[Happened]:
    """Each event at a moment of its own; now and then a subject's clock goes backwards, which nobody can rule out."""
    at = datetime(2025, 8, 1, tzinfo=UTC)
    found = []
    for event in history:
        at += timedelta(hours=chance.choice([0, 1, 30, 24 * 20, 24 * 40]))
        found.append(Happened(event, at))
    return found


def spread(history: list[Event], chance: random.Random) -> list[Event]:
    """The facts get moments of their own too, so that they lie in different periods."""

    def some() -> datetime:
        return NOW - timedelta(hours=chance.choice([0, 5, 11, 24 * 31, 24 * 300]))

    found = []
    for event in history:
        data: Any = event.data
        if data.PUBLISHER == "cases" and "facts" in type(data).model_fields:
            if hasattr(data, "case_id") and hasattr(data.facts, "opened_at"):
                began = some()
                closing = {"closed_at": began + timedelta(hours=30), "outcome": "safe"}
                facts = data.facts.model_copy(
                    update={
                        "opened_at": began,
                        "received_at": began,
                        "assessed_at": chance.choice([None, began + timedelta(minutes=chance.choice([0, 90, 3000]))]),
                        **(closing if data.facts.status == "closed" else {}),
                    }
                )
            else:
                facts = data.facts.model_copy(update={"received_at": some()})
            data = data.model_copy(update={"facts": facts, **({"due": some()} if hasattr(data, "due") else {})})
        found.append(Event(data, event.subject, event.sequence))
    return found


async def check(database: Database, history: Sequence[Happened], as_of: datetime | None) -> None:
    known = as_of or max(NOW, *(at for _, at in history))
    async with database.transaction() as connection:
        for measure, by in _FLOWS.items():
            found = await count_periods(connection, Part(measure, "period", {}), _PERIODS, by, None, as_of)
            for period, rows in found.items():
                expected = happened(history, measure, period.first, period.last, known)
                assert {row.keys: row.n for row in rows} == dict(expected), (measure, period.code)
        for measure, by in _STATES.items():
            # Of a period that goes on the ages are today's: asked as of a moment, so that the test knows which.
            found = await count_periods(connection, Part(measure, "state", {}), _PERIODS, by, None, as_of or known)
            for period, rows in found.items():
                expected = stood(history, measure, period.last, known)
                assert {row.keys: row.n for row in rows} == dict(expected), (measure, period.code)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
async def test_any_period_as_of_any_moment_is_what_a_recount_says_whatever_order_events_came_in(
    migrated: Database, history: list[Event], seed: int
) -> None:
    await empty(migrated)
    chance = random.Random(seed)
    happenings = dated(spread(history, chance), chance)
    delivered = [*happenings, *chance.choices(happenings, k=chance.randrange(len(happenings) + 1))]
    chance.shuffle(delivered)
    batches: list[list[Record]] = [[]]
    for offset, (event, at) in enumerate(delivered):
        if chance.random() < 0.3:
            batches.append([])
        batches[-1].append(event.record(offset, time=at))
    await record(migrated, [batch for batch in batches if batch])
    for as_of in (None, chance.choice(happenings).at, NOW - timedelta(days=chance.randrange(400))):
        await check(migrated, happenings, as_of)


async def test_history_waits_while_the_board_catches_up_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_BUSY_SECONDS", 0.1)
    monkeypatch.setattr(recording, "_LONGEST_SECONDS", 0.25)
    pace, cells = Pace(), Cells()
    handled: list[int] = []

    async def handle(batch: Batch) -> None:
        handled.append(len(batch.records))

    async def waited() -> float:
        began = time.monotonic()
        await pace.give_way()
        return time.monotonic() - began

    one = make.concern("c1", 1).record()
    await pace.watched(handle)(await Batch.read([one], cells))
    assert await waited() < 0.05
    many = await Batch.read([one] * 500, cells)
    await pace.watched(handle)(many)
    assert 0.05 < await waited() < 0.2
    monkeypatch.setattr(recording, "_BUSY_SECONDS", 60)
    await pace.watched(handle)(many)
    assert 0.2 < await waited() < 5
    assert handled == [1, 500, 500]
