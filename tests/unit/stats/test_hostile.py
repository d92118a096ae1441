"""What is hostile, late, from the future or out of any calendar: one event or question breaks, and nothing else."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from services.stats.domain.cells import born_word
from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.figures.taking import Taking
from services.stats.handlers.counting import Counting
from services.stats.handlers.recording import Recording
from services.stats.store import closings
from services.stats.store.checking import differences
from services.stats.store.closings import Work
from services.stats.store.history import count_periods
from services.stats.store.quality import quality_of
from shared.contracts.registry import QualityMeasured
from shared.contracts.stats import ActivityRecorded, FigureRecorded
from shared.database import Database
from shared.messaging.processing import Record as Message
from shared.privacy import Keys, PlatformKey
from shared.reference.indicators import Part
from tests.support.visitor import Visitor
from tests.unit.stats import events as make
from tests.unit.stats.closed_house import MONTH, House, house, opening
from tests.unit.stats.counted import record
from tests.unit.stats.events import NOW, Event
from tests.unit.stats.made_up_figures import COORDINATOR, LATER, STATISTICIAN, UNITS, Ledger
from tests.unit.stats.test_indicators_api import visitor

__all__ = ["visitor"]
KEYS = Keys(bytes(32), PlatformKey(bytes(range(32))))
Change = Callable[[dict[str, Any]], None]


def changed(event: Event, change: Change) -> Message:
    """An event that no service of ours writes."""
    message = event.record()
    data = json.loads(message.value or b"")
    change(data)
    return replace(message, value=json.dumps(data).encode())


def facts(**values: Any) -> Change:
    return lambda data: data["facts"].update(values)


def without(event: Event, header: str) -> Message:
    message = event.record()
    return replace(message, headers=tuple(one for one in message.headers if one[0] != header))


HOSTILE = {
    "received at the end of the calendar": changed(make.concern("c1", 1), facts(received_at="9999-12-31T23:00:00Z")),
    "received before it": changed(make.concern("c1", 1), facts(received_at="0001-01-01T00:00:00+14:00")),
    "times with and without a zone": changed(
        make.case("k1", 1), facts(received_at="2026-01-01T00:00:00", assessed_at="2026-01-02T00:00:00Z")
    ),
    "a time of assessment that is none": changed(make.case("k1", 1), facts(assessed_at="yesterday")),
    "a clock's day that is none": changed(make.deadline("d1", "k1", 1, "missed"), lambda data: data.update(due=7)),
    "no subject": without(make.concern("c1", 1), "ce_subject"),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=list(HOSTILE))
async def test_what_is_out_of_every_calendar_is_counted_both_ways_with_what_comes_beside_it(
    database: Database, message: Message
) -> None:
    """The two ways must agree on it: a difference keeps every period from being closed, for ever."""
    beside = make.concern("c2", 1).record(offset=1)
    for lane in (Counting(database, KEYS, lambda: NOW), Recording(database, KEYS, lambda: NOW)):
        await lane.count([message, beside])
    async with database.transaction() as connection:
        assert not any((await differences(connection)).values())
    async with database.transaction() as connection:
        kept = await connection.execute(text("SELECT count(*) FROM fact WHERE kind IN (1, 2)"))
        assert kept.scalar_one() == 2
        assert (await connection.execute(text("SELECT count(*) FROM dead_letter"))).scalar_one() == 0


@pytest.mark.parametrize(
    ("year", "month", "word"),
    [(2016, 5, "2016-05"), (2016, None, "2016"), (-5, None, ""), (0, 1, ""), (20_160, 5, ""), (2016, 77, "2016")],
)
def test_a_birth_in_no_calendar_is_not_known(year: int, month: int | None, word: str) -> None:
    """It would be stored, and from then on no table by age could be worked out."""
    assert born_word(year, month) == word


async def test_a_sector_that_spoke_from_the_future_can_still_fall_silent(database: Database) -> None:
    counting = Counting(database, KEYS, lambda: NOW)
    await counting.count([make.concern("c1", 1).record(time=NOW + timedelta(days=9_000))])
    async with database.transaction() as connection:
        assert (await connection.execute(text("SELECT max(time) FROM heard"))).scalar_one() == NOW


async def test_a_score_of_a_day_that_lies_ahead_takes_no_other_away_and_is_not_shown(database: Database) -> None:
    def measured(on: date, score: float, sequence: int) -> Message:
        data = QualityMeasured(unit=UNITS[0], on=on, children=10, verified=5, due=0, score=score)
        return Event(data, f"{UNITS[0]}/{on}", sequence).record(offset=sequence)

    counting = Counting(database, KEYS, lambda: NOW)
    await counting.count([measured(NOW.date(), 70, 1)])
    await counting.count([measured(date(2190, 1, 1), 1, 2)])
    async with database.transaction() as connection:
        found = await quality_of(connection, None, NOW.date())
    assert found is not None
    assert (found.days, found.scores) == ([NOW.date()], [70])


async def test_more_people_than_a_small_number_holds_can_be_reached(database: Database) -> None:
    """A sector that says a million people three thousand times spoils one figure, and not every page it stands on."""
    held = [
        Event(
            ActivityRecorded(
                activity_id=f"a{at}",
                activity="communication",
                audience="parents",
                unit="05443",
                sector="unions",
                held_on=date(2026, 10, 1),
                participants=1_000_000,
            ),
            f"a{at}",
            1,
        )
        for at in range(3_000)
    ]
    await record(database, [[event.record(at, time=NOW + timedelta(seconds=at)) for at, event in enumerate(held)]])
    year = Period.parse("2026")
    async with database.transaction() as connection:
        found = await count_periods(connection, Part("people-reached", "period", {}), [year])
    assert [n for _, n in found[year]] == [3_000_000_000]


@pytest.mark.parametrize("who", ["ha.coordinator", "tuan.statistician"])
async def test_a_question_from_the_edge_of_the_calendar_is_answered_or_refused(visitor: Visitor, who: str) -> None:
    await visitor.enter(who)
    moments = ("0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1900-01-01", "\x00")
    queries = [f"period={period}" for period in ("1900", "1901", "1900..2199", "2199-12", "2031-03", "2000..2099")]
    queries += [f"as_of={quote(moment)}" for moment in moments]
    for query in queries:
        for code in ("cases-opened", "children"):
            answer = await visitor.ask(f"/stats/api/indicators/{code}?{query}&trend=60")
            assert answer.status < 500, (code, query)
    for query in ("period=1900", "period=1900..2199", "known=0001-01-01"):
        assert (await visitor.ask(f"/stats/indicators/children?{query}")).status < 500, query


@pytest.mark.parametrize("who", ["tuan.statistician", "duc.health", "lan.worker"])
async def test_whoever_sees_aggregates_cannot_watch_each_word_being_counted(visitor: Visitor, who: str) -> None:
    await visitor.enter(who)
    assert (await visitor.ask("/stats/api/progress")).status == 403


async def _released(database: Database, code: str, *periods: str) -> list[float | None]:
    """What a statistician is answered, long after."""
    evaluator = Evaluator()
    door = Releasing(Ledger(Taking(evaluator.count, evaluator)), evaluator)
    indicator = evaluator.indicators.get(code)
    assert indicator is not None
    async with database.transaction() as connection:
        asked = [Period.parse(period) for period in periods]
        shown = await door.release(connection, STATISTICIAN, indicator, asked, now=LATER)
    return [one.value for one in shown]


async def test_numbers_that_communes_handed_in_late_are_no_difference_of_two_times(database: Database) -> None:
    """Of each commune the last number within a time counts: a plan's time had one more, and it was 2."""

    def handed(unit: str, period: str, value: float, at: date) -> Message:
        name = f"{unit}/{period}"
        said = FigureRecorded(
            figure_id=name, indicator="child-marriages", unit=unit, period=period, value=value, sector="justice"
        )
        return Event(said, name, 1).record(time=datetime(at.year, at.month, at.day, tzinfo=UTC))

    in_time, late = date(2027, 1, 4), date(2027, 3, 1)
    figures = [handed(UNITS[0], "2026", 9, in_time), handed(UNITS[1], "2026", 2, late)]
    figures += [handed(UNITS[0], "2027", 8, date(2028, 1, 4)), handed(UNITS[2], "2027", 7, date(2028, 1, 4))]
    begun = make.child("c0", 1).record(99, time=datetime(2025, 12, 1, tzinfo=UTC))
    await record(database, [[begun, *figures]])
    assert await _released(database, "child-marriages", "2026", "2027") == [9, 15]
    assert await _released(database, "child-marriages", "2026..2027", "2027-12", "2027-Q4", "2026-W53") == [None] * 4


async def test_what_stood_before_the_first_year_is_no_difference_either(database: Database) -> None:
    said = [make.child(f"c{at}", 1).record(at, time=datetime(2024, 6, 1, tzinfo=UTC)) for at in range(8)]
    said.append(make.child("c8", 1).record(8, time=datetime(2025, 1, 10, tzinfo=UTC)))
    await record(database, [said])
    assert await _released(database, "children", "2024-12", "2025-01") == [None, 9]


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[House]:
    october = date(2026, 10, 10)
    async with house(fresh_database, [opening(october, unit) for unit in UNITS for _ in range(7)]) as made:
        yield made


async def _asked(desk: House, period: str, edition: int = 0) -> None:
    async with desk.database.transaction() as connection:
        assert await closings.ask(connection, Work(period, edition, desk.now, COORDINATOR.id, "", ""))


async def test_a_period_that_cannot_be_made_keeps_no_other_one_waiting(desk: House) -> None:
    await _asked(desk, "1900-01")
    assert (await desk.close()).number == "01/2026"


async def test_a_period_that_two_asked_for_at_once_is_closed_once_and_keeps_nothing_waiting(desk: House) -> None:
    closed = await desk.close()
    await _asked(desk, MONTH)
    assert (await desk.close("2026-09")).number == "02/2026"
    assert await desk.edition() == closed
    async with desk.database.transaction() as connection:
        assert not await closings.asked(connection)
