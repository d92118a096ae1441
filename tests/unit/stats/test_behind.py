"""The records behind a figure are as many as it says, whatever happened in whatever order."""

from __future__ import annotations

import random
from datetime import timedelta
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.stats.domain.periods import Period
from services.stats.store import behind as behind_store
from services.stats.store.behind import behind
from shared.database import Database
from shared.messaging.processing import Record
from shared.reference.indicators import Part
from tests.unit.stats.conftest import empty
from tests.unit.stats.counted import dated, record, rows_in, spread
from tests.unit.stats.events import NOW, Event, histories

_PARTS = (
    Part("reports", "period", {}),
    Part("openings", "period", {"risk": ("high", "unassessed")}),
    Part("closings", "period", {}),
    Part("spans", "period", {"span": ("report-assessment",)}),
    Part("clocks", "period", {"state": ("met", "missed")}),
    Part("services", "period", {}),
    Part("incidents", "period", {"outcome": ("fatal",)}),
    Part("cases", "state", {"status": ("open",)}),
    Part("tasks", "state", {}),
    Part("children", "state", {"age": ("6-10", "11-15"), "circumstance": ("01", "04")}),
)
_PERIODS = [Period.parse(code) for code in ("2026", "2026-10", "2025..2027")]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
async def test_as_many_records_lie_behind_a_figure_as_it_counts(
    migrated: Database, history: list[Event], seed: int
) -> None:
    await empty(migrated)
    chance = random.Random(seed)
    many = chance.choice([1, 1_000])
    happenings = dated(spread(history, chance), chance)
    chance.shuffle(happenings)
    batch: list[Record] = [event.record(offset, time=at) for offset, (event, at) in enumerate(happenings)]
    if batch:
        await record(migrated, [batch])
    moments = [at for _, at in happenings] or [NOW]
    async with migrated.transaction() as connection:
        for as_of in (max(moments), chance.choice(moments), NOW - timedelta(days=chance.randrange(400))):
            for part in _PARTS:
                for period in _PERIODS:
                    rows = await rows_in(connection, part, period=period, as_of=as_of)
                    ids: list[str] = []
                    # Page by page; looked for in either way.
                    with patch.object(behind_store, "MANY", many):
                        while True:
                            after = ids[-1] if ids else ""
                            found = await behind(
                                connection, part, period, units=None, as_of=as_of, after=after, limit=3
                            )
                            assert found is not None
                            assert all(found.links)
                            if not found.ids:
                                break
                            ids += found.ids
                    assert found.total == sum(row.n for row in rows), (part.measure, period.code)
                    assert len(ids) == found.total, (part.measure, period.code)
                    assert ids == sorted(set(ids))
