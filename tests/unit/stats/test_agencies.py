"""Activities and figures that agencies report: taken, refused with a reason, corrected, and counted in history."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from services.stats.domain.periods import Period
from services.stats.handlers.agencies import routes
from services.stats.store.handed import reported
from shared.contracts.agency import ActivityHeld, ConcernReported, FigureReported
from shared.contracts.base import Contract
from shared.contracts.envelope import Envelope
from shared.database import Database
from shared.messaging.processing import Processor, Record, Result
from shared.messaging.router import Router
from shared.privacy import Keys, PlatformKey
from shared.reference.indicators import Indicators, Part
from shared.reference.units import Units
from tests.unit.stats.counted import record, rows_in
from tests.unit.stats.events import NOW

KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))
YEAR = Period.parse("2026")
TALK: dict[str, Any] = {"activity": "talk", "audience": "parents", "held_on": date(2026, 10, 3), "participants": 120}


class Agencies:
    """Sends what agencies send, and counts what statistics say of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now = NOW
        router = routes(Units.load(), Indicators.load())
        self._processor = Processor(router, database, KEYS, lambda: self.now)
        self._offset = 0

    async def send(
        self,
        data: Contract,
        sector: str = "education",
        event_id: str = "e1",
        topic: str = "agency.{}.figures.v1",
        value: bytes | None = None,
        by: Processor | None = None,
    ) -> Result:
        self._offset += 1
        self.now += timedelta(minutes=1)
        envelope = Envelope(
            id=event_id, source=f"/agency/{sector}/x", type=data.TYPE, subject=event_id, time=self.now, data=b""
        )
        value = value or data.model_dump_json(exclude_none=True).encode()
        sent = Record(topic.format(sector), 0, self._offset, event_id, value, tuple(envelope.headers()))
        (result,) = await (by or self._processor).handle([sent])
        await self._count()
        return result

    async def _count(self) -> None:
        async with self.database.transaction() as connection:
            found = await connection.execute(
                text(
                    """DELETE FROM outbox WHERE aggregatetype = 'stats.indicators.v1'
                       RETURNING aggregateid, payload, headers"""
                )
            )
            told = [
                Record(
                    "stats.indicators.v1",
                    0,
                    self._offset,
                    row.aggregateid,
                    bytes(row.payload),
                    tuple((name, value.encode()) for name, value in row.headers.items()),
                )
                for row in found
            ]
        await record(self.database, [told])

    async def many(self, measure: str, as_of: datetime | None = None) -> dict[tuple[str, ...], int]:
        async with self.database.transaction() as connection:
            part = Part(measure, "period", {})
            rows = await rows_in(connection, part, period=YEAR, by=("unit", "activity", "audience"), as_of=as_of)
        return {row.keys: row.n for row in rows}


@pytest.fixture
def agencies(database: Database) -> Agencies:
    return Agencies(database)


async def test_an_activity_and_those_it_reached_are_counted_and_its_correction_changes_both(agencies: Agencies) -> None:
    first = await agencies.send(ActivityHeld(unit="05443", **TALK))
    known = agencies.now
    again = await agencies.send(ActivityHeld(unit="05443", **TALK))
    corrected = await agencies.send(ActivityHeld(unit="05443", **TALK | {"participants": 20}))
    assert [first.outcome, again.outcome, corrected.outcome] == ["accepted", "duplicate", "corrected"]
    assert await agencies.many("activities") == {("05443", "talk", "parents"): 1}
    assert await agencies.many("people-reached") == {("05443", "talk", "parents"): 20}
    assert await agencies.many("people-reached", known) == {("05443", "talk", "parents"): 120}


async def test_an_activity_in_no_known_commune_is_counted_as_not_classified_and_without_one_as_the_provinces(
    agencies: Agencies,
) -> None:
    await agencies.send(ActivityHeld(unit="99999", **TALK), event_id="a")
    await agencies.send(ActivityHeld(**TALK), event_id="b")
    counted = await agencies.many("activities")
    assert counted == {("unclassified", "talk", "parents"): 1, ("", "talk", "parents"): 1}


@pytest.mark.parametrize(
    ("data", "sector", "rule"),
    [
        (ActivityHeld(**TALK | {"activity": "party"}), "education", "activity-not-listed"),
        (ActivityHeld(**TALK | {"audience": "cats"}), "education", "audience-not-listed"),
        (ActivityHeld(**TALK | {"held_on": date(2026, 12, 3)}), "education", "held-on-in-future"),
        (FigureReported(indicator="cases-open", period="2026", value=1), "education", "indicator-not-reported"),
        (FigureReported(indicator="swim-safely", period="2026", value=1), "police", "indicator-of-another-sector"),
        (FigureReported(indicator="swim-safely", period="soon", value=1), "education", "period-unknown"),
        (FigureReported(indicator="swim-safely", period="2027", value=1), "education", "period-in-future"),
        (FigureReported(indicator="swim-safely", period="2026", value=101), "education", "value-out-of-range"),
        (FigureReported(indicator="swim-safely", period="2026", value=-1), "education", "value-out-of-range"),
        (FigureReported(indicator="child-marriages", period="2026", value=1e308), "justice", "value-out-of-range"),
        (FigureReported(indicator="swim-safely", period="2026", value=1, unit="99999"), "education", "unit-unknown"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_its_rule(
    agencies: Agencies, data: Contract, sector: str, rule: str
) -> None:
    result = await agencies.send(data, sector)
    assert [violation.rule for violation in result.violations] == [rule]


async def test_a_figure_stands_for_its_period_until_it_is_corrected_even_to_another_period(agencies: Agencies) -> None:
    first = FigureReported(indicator="swim-safely", period="2026-H1", value=40.5)
    await agencies.send(first)
    known = agencies.now
    await agencies.send(
        FigureReported(indicator="swim-safely", period="2026-09", unit="05443", value=61), event_id="e2"
    )
    await agencies.send(first.model_copy(update={"period": "2025"}))
    half, years = Period.parse("2026-H1"), [Period.parse("2025"), YEAR]
    async with agencies.database.transaction() as connection:
        now = (await reported(connection, {"swim-safely": [half, *years]}))["swim-safely"]
        then = (await reported(connection, {"swim-safely": [half, *years]}, as_of=known))["swim-safely"]
        own = (await reported(connection, {"swim-safely": [YEAR]}, units=frozenset({"05443"})))["swim-safely"]
    assert {period.code: [row[:3] for row in rows] for period, rows in now.items()} == {
        "2026-H1": [],
        "2025": [("", "2025", 40.5)],
        "2026": [("05443", "2026-09", 61.0)],
    }
    assert {period.code: [row[:3] for row in rows] for period, rows in then.items()} == {
        "2026-H1": [("", "2026-H1", 40.5)],
        "2025": [],
        "2026": [("", "2026-H1", 40.5)],
    }
    assert [row.value for row in own[YEAR]] == [61.0]


async def test_what_is_sent_to_the_wrong_topic_is_refused_by_who_reads_it_and_never_lost(agencies: Agencies) -> None:
    worry = ConcernReported(received_at=NOW)
    refused = await agencies.send(worry)
    assert (refused.outcome, [violation.rule for violation in refused.violations]) == ("rejected", ["wrong-topic"])
    assert "agency.education.v1" in refused.violations[0].message_en
    rubbish = await agencies.send(worry, event_id="e2", value=b"{")
    assert rubbish.outcome == "rejected"
    # On the topic that tells of children others answer; they say so of an activity too.
    for data, value in ((worry, None), (worry, b"{"), (ActivityHeld(**TALK), None)):
        elsewhere = await agencies.send(data, event_id="e3", topic="agency.{}.v1", value=value)
        assert (elsewhere.outcome, elsewhere.violations) == ("skipped", ())
    cases = Processor(Router("cases"), agencies.database, KEYS, lambda: NOW)
    told = await agencies.send(ActivityHeld(**TALK), event_id="e4", topic="agency.{}.v1", by=cases)
    assert [violation.rule for violation in told.violations] == ["wrong-topic"]
