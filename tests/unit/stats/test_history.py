"""History is exact: any period, as of any moment, equals a plain recount, whatever order its events came in."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import text

from services.stats.domain.measures import MEASURES
from services.stats.domain.periods import Period
from services.stats.handlers import recording
from services.stats.handlers.counting import Batch
from services.stats.handlers.decoding import READINGS as BOARD_READINGS
from services.stats.handlers.recording import HistoryBatch, Pace, Recording, record_batch
from services.stats.handlers.versions import READINGS
from services.stats.store.aging import age_in
from services.stats.store.chronicle import Chronicle, HistoryCells
from services.stats.store.cube import Cells
from services.stats.store.figures import AGE_BAND, month_number
from services.stats.store.history import count_periods
from services.stats.store.questions import MeasureError, checked
from services.stats.store.reached import Standing, standing
from shared.contracts.base import CONTRACTS
from shared.contracts.registry import ChildMerged, RecordLinked, RecordWithdrawn
from shared.database import Database
from shared.messaging.processing import Record
from shared.privacy import Keys, PlatformKey
from shared.reference.indicators import Indicators, Part
from tests.unit.stats import events as make
from tests.unit.stats.conftest import empty
from tests.unit.stats.counted import count as count_live
from tests.unit.stats.counted import dated, delivered, divided, record, rows_in, spread
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


async def check(database: Database, history: Sequence[Happened], as_of: datetime | None) -> None:
    known = as_of or max([NOW, *(at for _, at in history)])
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
    told = [event.record(offset, time=at) for offset, (event, at) in enumerate(delivered(happenings, chance))]
    await record(migrated, divided(told, chance))
    moments = [at for _, at in happenings] or [NOW]
    for as_of in (None, chance.choice(moments), NOW - timedelta(days=chance.randrange(400))):
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
    board = pace.watched(handle)
    # At the start the board comes first, whatever waits for it.
    assert 0.05 < await waited() < 0.2
    await board(await Batch.read([one], cells))
    assert await waited() < 0.05
    many = await Batch.read([one] * 500, cells)
    await board(many)
    assert 0.05 < await waited() < 0.2
    monkeypatch.setattr(recording, "_BUSY_SECONDS", 60)
    await board(many)
    assert 0.2 < await waited() < 5
    assert handled == [1, 500, 500]


async def test_history_waits_as_long_as_a_large_batch_of_the_board_is_under_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recording, "_BUSY_SECONDS", 0.05)
    pace, done = Pace(), asyncio.Event()

    async def handle(_batch: Batch) -> None:
        await done.wait()

    many = await Batch.read([make.concern("c1", 1).record()] * 500, Cells())
    counting = asyncio.create_task(pace.watched(handle)(many))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(pace.give_way())
    await asyncio.sleep(0.3)
    assert not waiting.done()
    done.set()
    await asyncio.gather(counting, waiting)


async def rows_of(
    database: Database, measure: str, period: str, by: Sequence[str] = (), as_of: datetime | None = None, **where: str
) -> dict[tuple[str, ...], int]:
    part = Part(measure, MEASURES[measure].over, {name: (value,) for name, value in where.items()})
    async with database.transaction() as connection:
        rows = await rows_in(connection, part, period=Period.parse(period), by=by, as_of=as_of)
    return {row.keys: row.n for row in rows}


def on(day: int, month: int = 3) -> datetime:
    return datetime(2026, month, day, 3, 0, tzinfo=UTC)


async def told(database: Database, *happenings: tuple[datetime, Event]) -> None:
    await record(database, [[event.record(offset, time=at) for offset, (at, event) in enumerate(happenings)]])


async def test_a_case_transferred_and_closed_stood_elsewhere_before_and_is_counted_once(database: Database) -> None:
    await told(
        database,
        (on(1), make.case("k1", 1, opened_at=on(1))),
        (on(10), make.case("k1", 2, opened_at=on(1), unit="05455")),
        (on(2, 4), make.case("k1", 3, opened_at=on(1), unit="05455", status="closed", closed_at=on(2, 4))),
    )
    assert await rows_of(database, "cases", "2026-03-05", ("unit",), status="open") == {("05443",): 1}
    assert await rows_of(database, "cases", "2026-03", ("unit",), status="open") == {("05455",): 1}
    assert await rows_of(database, "cases", "2026-04", ("unit",), status="open") == {}
    # It was opened once, and lies in the commune that leads it now; as one knew in the first days, in the other.
    assert await rows_of(database, "openings", "2026", ("unit",)) == {("05455",): 1}
    assert await rows_of(database, "openings", "2026", ("unit",), on(5)) == {("05443",): 1}
    assert await rows_of(database, "closings", "2026-04") == {(): 1}
    assert await rows_of(database, "closings", "2026-03") == {}


async def test_a_merged_case_was_opened_once_but_is_remembered_as_two_before(database: Database) -> None:
    await told(
        database,
        (on(1), make.case("k1", 1, opened_at=on(1))),
        (on(2), make.case("k2", 1, opened_at=on(2))),
        (on(9), make.case("k2", 2, opened_at=on(2), status="merged", step="merged")),
        (on(20), make.case("k2", 3, opened_at=on(2))),
    )
    assert await rows_of(database, "openings", "2026-03", as_of=on(5)) == {(): 2}
    assert await rows_of(database, "openings", "2026-03", as_of=on(10)) == {(): 1}
    assert await rows_of(database, "openings", "2026-03") == {(): 2}, "the merge was undone"


async def test_a_late_event_changes_the_period_it_belongs_to_and_not_what_was_known_before(database: Database) -> None:
    late = make.incident("i1", 1, occurred_on=date(2026, 3, 30))
    await told(database, (on(9, 4), late))
    assert await rows_of(database, "incidents", "2026-03") == {(): 1}
    assert await rows_of(database, "incidents", "2026-03", as_of=on(1, 4)) == {}
    await told(database, (on(12, 4), make.incident("i1", 2, occurred_on=date(2026, 4, 1))))
    assert await rows_of(database, "incidents", "2026-03") == {}
    assert await rows_of(database, "incidents", "2026-04") == {(): 1}
    assert await rows_of(database, "incidents", "2026-03", as_of=on(10, 4)) == {(): 1}


async def test_merged_split_and_erased_children_are_counted_as_they_were_known(database: Database) -> None:
    await told(
        database,
        (on(1), make.child("ch1", 1)),
        (on(1), make.child("ch2", 1)),
        (on(5), make.merge("ch1", "ch2", 2)),
        # What the merged record's partition still held comes after, and changes nothing.
        (on(5), make.child("ch2", 2, unit="05455")),
        (on(15), make.split("ch3", "ch1", 1)),
        (on(2, 4), make.erased("ch1", 3)),
    )
    counted = [
        await rows_of(database, "children", day, ("unit",))
        for day in ("2026-03-02", "2026-03-06", "2026-03-16", "2026-04-03")
    ]
    assert counted == [{("05443",): 2}, {("05443",): 1}, {("05443",): 2}, {("05443",): 1}]
    assert await rows_of(database, "children", "2026", ("unit",), on(3)) == {("05443",): 2}


async def test_ages_of_children_are_those_at_the_end_of_the_period(database: Database) -> None:
    await told(database, (on(1), make.child("ch1", 1, birth_year=2020, birth_month=4)))
    assert await rows_of(database, "children", "2026-03", ("age",), on(9, 6)) == {("4-5",): 1}
    assert await rows_of(database, "children", "2026-04", ("age",), on(9, 6)) == {("6-10",): 1}
    # Of a year that goes on: as of the asked moment.
    assert await rows_of(database, "children", "2026", ("age",), on(9)) == {("4-5",): 1}


async def test_what_is_on_no_list_is_shown_as_not_classified_until_a_correction_says_better(database: Database) -> None:
    await told(database, (on(1), make.incident("i1", 1, kind="mưa đá", unit="unclassified")))
    assert await rows_of(database, "incidents", "2026", ("kind", "unit")) == {("unclassified", "unclassified"): 1}
    await told(database, (on(2), make.incident("i1", 2, kind="Đuối nước", outcome="Tử vong")))
    assert await rows_of(database, "incidents", "2026", ("kind", "outcome")) == {("drowning", "fatal"): 1}


async def test_only_the_units_that_are_asked_for_count_whatever_else_is_asked(database: Database) -> None:
    await told(database, *((on(1), make.case(f"k{at}", 1, opened_at=on(1), unit=make.UNITS[at])) for at in range(3)))
    async with database.transaction() as connection:
        part = Part("openings", "period", {})
        rows = await rows_in(connection, part, period=Period.parse("2026"), units=frozenset({"05443", "05455"}))
        none = await rows_in(connection, part, period=Period.parse("2026"), units=frozenset())
    assert ([row.n for row in rows], none) == ([2], [])


@pytest.mark.parametrize(
    ("part", "by", "says"),
    [
        (Part("nothing", "period", {}), (), "there is no measure nothing"),
        (Part("openings", "state", {}), (), "openings is asked over a period"),
        (Part("openings", "period", {"outcome": ("x",)}), (), "openings has no outcome"),
        (Part("openings", "period", {}), ("step",), "openings has no step"),
        (Part("openings", "period", {}), ("unit", "unit"), "named twice"),
    ],
)
def test_what_cannot_be_asked_is_said(part: Part, by: Sequence[str], says: str) -> None:
    with pytest.raises(MeasureError, match=says):
        checked(part, by)


def test_every_part_of_every_indicator_can_be_asked_by_all_of_its_dimensions() -> None:
    for indicator in Indicators.load():
        for part in (indicator.numerator, indicator.denominator):
            if part is not None:
                more = ("hours",) if indicator.shape == "percentile" else ()
                assert checked(part, ("unit", *more)).measure
                for name in indicator.by:
                    assert name in MEASURES[part.measure].dimensions, (indicator.code, name)


@pytest.mark.parametrize(
    ("born", "day", "band"),
    [
        ("2020-04", "2026-03-31", "4-5"),
        ("2020-04", "2026-04-01", "6-10"),
        ("2020", "2025-12-31", "4-5"),
        ("2020", "2026-01-01", "6-10"),
        ("2020", "2026-12-31", "6-10"),
        ("2010-12", "2026-12-01", "16+"),
        ("2027", "2026-05-01", "unknown"),
        ("2026-11", "2026-10-31", "unknown"),
        ("", "2026-05-01", "unknown"),
    ],
)
async def test_both_ways_of_counting_give_a_birth_the_same_age(
    database: Database, born: str, day: str, band: str
) -> None:
    month = month_number(date.fromisoformat(day))
    async with database.transaction() as connection:
        question = text(f"SELECT {AGE_BAND} FROM (VALUES (:born)) AS c(date)")
        assert (await connection.execute(question, {"born": born, "month": month})).scalar() == band
    assert age_in(born, month) == band


async def test_two_replicas_that_record_the_same_events_in_opposite_order_move_each_once(database: Database) -> None:
    chance = random.Random(11)
    ended = {"status": "closed", "opened_at": on(1), "closed_at": on(9), "outcome": "safe"}
    happenings = [
        Happened(event, on(1) + timedelta(hours=7 * number))
        for number in range(60)
        for event in (
            make.case(f"k{number}", 1, unit=chance.choice(make.UNITS), opened_at=on(1)),
            make.deadline(f"d{number}", f"k{number}", 2, "running", unit=chance.choice(make.UNITS), opened_at=on(1)),
            make.case(f"k{number}", 3, unit=chance.choice(make.UNITS), **ended),
            make.child(f"ch{number % 20}", number // 20 + 1, unit=chance.choice(make.UNITS)),
        )
    ]
    happenings += [Happened(make.merge(f"ch{number}", f"ch{number + 10}", 9), on(1, 6)) for number in range(10)]
    forward = [event.record(offset, time=at) for offset, (event, at) in enumerate(happenings)]
    sides = (forward, forward[::-1], forward[100:] + forward[:100])
    await asyncio.gather(*(record(database, [side[at : at + 17] for at in range(0, len(side), 17)]) for side in sides))
    await check(database, happenings, None)
    await check(database, happenings, on(20, 3))


async def test_a_batch_whose_transaction_is_lost_is_recorded_when_it_comes_again(database: Database) -> None:
    cells, chronicle = HistoryCells(), Chronicle()
    batch = [make.case("k1", 1).record(0), make.child("ch1", 1).record(1)]

    async def crash() -> None:
        async with database.transaction() as connection:
            await record_batch(connection, await HistoryBatch.read(batch, cells), cells, chronicle)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await crash()
    assert await rows_of(database, "openings", "2026") == {}
    async with database.transaction() as connection:
        await record_batch(connection, await HistoryBatch.read(batch, cells), cells, chronicle)
    assert await rows_of(database, "openings", "2026") == {(): 1}


async def test_a_record_that_cannot_be_kept_is_buried_and_the_rest_is_recorded(database: Database) -> None:
    good, last = make.case("k1", 1).record(0), make.case("k3", 1).record(2)
    value = make.case("k2", 1).record(1).value or b""
    unstorable = make.case("k2", 1).record(1)
    unstorable = Record(
        unstorable.topic, 0, 1, "k2", value.replace(b'"unit":"05443"', b'"unit":"\\u0000"'), unstorable.headers
    )
    broken = Record(good.topic, 0, 3, "k4", value.replace(b'"open"', b'"ajar"'), good.headers)
    keys = Keys(bytes(32), PlatformKey(bytes(range(32))))
    await Recording(database, keys, lambda: NOW).count([good, unstorable, last, broken])
    assert await rows_of(database, "openings", "2026") == {(): 2}
    async with database.transaction() as connection:
        rows = await connection.execute(text('SELECT "offset", violations FROM dead_letter ORDER BY "offset"'))
        found = {row.offset: [violation["rule"] for violation in row.violations] for row in rows}
    assert found == {1: ["unstorable"], 3: ["data.facts.status"]}


async def test_history_says_how_far_it_is_behind_the_board_and_until_when_it_is_whole(database: Database) -> None:
    async with database.transaction() as connection:
        assert await standing(connection) == Standing(0, None)
    first, second = make.case("k1", 1).record(4, time=on(1)), make.case("k1", 2).record(5, time=on(2))
    await count_live(database, [[first, second]])
    await record(database, [[first]])
    async with database.transaction() as connection:
        assert await standing(connection) == Standing(1, on(1))
    await record(database, [[second]])
    async with database.transaction() as connection:
        assert await standing(connection) == Standing(0, on(2))


def _known(model: type[BaseModel], name: str) -> bool:
    return name in model.model_fields


def test_what_history_reads_stands_in_the_contracts_under_the_same_names() -> None:
    for event_type, (decoder, _) in READINGS.items():
        contract = CONTRACTS[event_type]
        for field in msgspec.structs.fields(decoder.type):
            # Read of every event about a child, and told by merges only.
            if field.name == "merged_id" and contract is not ChildMerged:
                continue
            assert _known(contract, field.name), (event_type, field.name)
            if field.name == "facts":
                told = contract.model_fields["facts"].annotation
                assert isinstance(told, type)
                for fact in msgspec.structs.fields(field.type):
                    assert _known(told, fact.name), (event_type, fact.name)


def test_history_reads_every_event_that_the_board_counts() -> None:
    apart = {RecordLinked.TYPE, RecordWithdrawn.TYPE}
    assert set(BOARD_READINGS) - apart <= set(READINGS)
