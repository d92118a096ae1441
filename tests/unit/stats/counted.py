"""Events counted into a database, and asked for again: what tests of statistics share."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.released import known_at
from services.stats.figures.taking import Taking
from services.stats.handlers.counting import Batch, apply
from services.stats.handlers.recording import HistoryBatch, record_batch
from services.stats.store.chronicle import Chronicle, HistoryCells
from services.stats.store.cube import Cells, Ledger
from services.stats.store.history import count_periods
from services.stats.store.questions import Row
from services.stats.store.releases import Releases, write_down
from shared.database import Database
from shared.messaging.processing import Record
from shared.reference.indicators import Part
from tests.unit.stats.events import NOW, Event
from tests.unit.stats.recount import Cube
from tests.unit.stats.recount_history import Happened

T = TypeVar("T")

_SHOWN = {
    1: ("concern", "unit", "extra", "groups"),
    2: ("case", "unit", "status", "groups"),
    3: ("deadline", "unit", "status"),
    4: ("task", "unit", "status"),
    5: ("child", "unit", "groups"),
    6: ("record", "unit", "category", "extra", "groups"),
    7: ("incident", "unit", "status"),
    8: ("membership", "category"),
    9: ("arrival", "unit", "date"),
    10: ("service", "unit", "category"),
}


async def count(database: Database, batches: Sequence[Sequence[Record]], *, announce: bool = False) -> None:
    """Count batches on the board's way."""
    cells, ledger = Cells(), Ledger()
    for batch in batches:
        async with database.transaction() as connection:
            changed = await apply(connection, await Batch.read(batch, cells), cells, ledger, announce=announce)
        assert not changed.broken
        cells.remember(changed.new_cells)


async def cube(database: Database) -> Cube:
    """The cube as it stands, in the words of a recount."""
    found: Cube = Counter()
    async with database.transaction() as connection:
        rows = await connection.execute(text("SELECT cell.*, n FROM cube JOIN cell ON cell.id = cube.cell"))
        for row in rows.mappings():
            kind, *names = _SHOWN[row["kind"]]
            assert row["n"] >= 0
            found[(kind, *(row[name] for name in names))] += row["n"]
    return +found


async def record(database: Database, batches: Sequence[Sequence[Record]]) -> None:
    """Record batches on history's way."""
    cells, chronicle = HistoryCells(), Chronicle()
    for batch in batches:
        async with database.transaction() as connection:
            read = await HistoryBatch.read(batch, cells)
            assert not read.broken
            cells.remember(await record_batch(connection, read, cells, chronicle))


async def release(database: Database, now: datetime, taking: Taking | None = None) -> list[str]:
    """Write down what is released by a moment. Out: the periods that were not before."""
    evaluator = Evaluator()
    taking = taking or Taking(evaluator.count, evaluator)
    found = []
    async with database.transaction() as connection:
        due = await taking.due(connection, now, await Releases().periods(connection))
    for period in due:
        async with database.transaction() as connection:
            taken = await taking.take(connection, period)
            if await write_down(connection, period.code, known_at(taking.disclosure, period), now, taken):
                found.append(period.code)
    return found


def delivered(history: Sequence[T], chance: random.Random) -> list[T]:
    """As it may come: in any order, and some of it more than once."""
    found = [*history, *chance.choices(history, k=chance.randrange(len(history) + 1))]
    chance.shuffle(found)
    return found


def divided(records: Sequence[Record], chance: random.Random) -> list[list[Record]]:
    """Into batches, anyhow."""
    found: list[list[Record]] = [[]]
    for one in records:
        if chance.random() < 0.3:
            found.append([])
        found[-1].append(one)
    return [batch for batch in found if batch]


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


async def rows_in(
    connection: AsyncConnection,
    part: Part,
    *,
    period: Period,
    by: Sequence[str] = (),
    units: frozenset[str] | None = None,
    as_of: datetime | None = None,
) -> list[Row]:
    """What history counts of a part in one period."""
    return (await count_periods(connection, part, [period], by, units, as_of))[period]
