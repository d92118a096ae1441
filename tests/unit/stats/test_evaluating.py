"""What an indicator's value is: counts, shares, percentiles and handed-in figures, of today's communes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator, Value, percentile
from services.stats.handlers.recording import HistoryBatch, record_batch
from services.stats.store.chronicle import Chronicle, HistoryCells
from services.stats.store.questions import MeasureError
from shared.contracts.registry import QualityMeasured
from shared.contracts.stats import FigureRecorded
from shared.database import Database
from shared.reference.indicators import Indicator, Indicators, Part
from shared.reference.units import Units
from tests.unit.stats import events as make
from tests.unit.stats.events import NOW, Event

YEAR = Period.parse("2026")
OCTOBER = Period.parse("2026-10")
UNITS = Units.load()
# An old commune whose code nobody bears today, and today's with its land.
OLD, NEW = "01834", "01840"


def indicator(code: str, **more: Any) -> Indicator:
    words = {"theme": "t", "unit": "number", "better": "lower", "vi": code, "en": code}
    sources = {"legal_source_vi": "s", "legal_source_en": "s", "effective_from": date.min}
    return Indicator(**{"code": code, **words, **sources, **more})


OPENED = indicator("opened", shape="count", numerator=Part("openings", "period", {}))
HIGH = indicator(
    "high",
    shape="ratio",
    unit="percent",
    numerator=Part("openings", "period", {"risk": ("high",)}),
    denominator=Part("openings", "period", {}),
)
MEDIAN = indicator(
    "median", shape="percentile", unit="hours", at=50, numerator=Part("spans", "period", {"span": ("report-plan",)})
)
SWIM = indicator("swim", shape="reported", unit="percent", reported_by="education")
QUALITY = indicator("record-quality", shape="reported", unit="points", reported_by="registry")
MARRIAGES = indicator("marriages", shape="reported", reported_by="justice")
EVALUATOR = Evaluator(Indicators([OPENED, HIGH, MEDIAN], {"t": ("T", "T")}), UNITS)


async def record(database: Database, events: Sequence[Event]) -> None:
    await record_at(database, events, NOW)


async def record_at(database: Database, events: Sequence[Event], time: datetime) -> None:
    cells = HistoryCells()
    async with database.transaction() as connection:
        read = await HistoryBatch.read([event.record(at, time=time) for at, event in enumerate(events)], cells)
        assert not read.broken
        await record_batch(connection, read, cells, Chronicle())


async def ask(
    database: Database, one: Indicator, period: Period = YEAR, **more: Any
) -> dict[tuple[str, ...], float | None]:
    return {value.keys: value.value for value in await values(database, one, [period], **more)}


async def values(database: Database, one: Indicator, periods: Sequence[Period], **more: Any) -> list[Value]:
    async with database.transaction() as connection:
        return await EVALUATOR.values(connection, one, periods, **more)


def cases(*facts: dict[str, Any]) -> list[Event]:
    return [make.case(f"case-{at}", 1, **changes) for at, changes in enumerate(facts)]


async def test_a_count_and_a_share_are_of_their_period_and_say_what_they_are_made_of(database: Database) -> None:
    before = {"opened_at": datetime(2026, 9, 5, tzinfo=UTC)}
    await record(database, cases({}, {"risk": "low"}, {"risk": "low", **before}))
    september = OCTOBER.previous
    assert await values(database, OPENED, [september, OCTOBER, YEAR]) == [
        Value(september, (), 1.0, 1, None, early=True),
        Value(OCTOBER, (), 2.0, 2, None),
        Value(YEAR, (), 3.0, 3, None),
    ]
    assert await values(database, HIGH, [september, OCTOBER]) == [
        Value(september, (), 0.0, 0, 1, early=True),
        Value(OCTOBER, (), 50.0, 1, 2),
    ]


async def test_of_nobody_a_count_is_zero_and_a_share_and_a_median_are_not_known(database: Database) -> None:
    # A child of last year: there is somebody who tells, of cases too once there is a report.
    await record(database, [make.concern("c1", 1)])
    assert await values(database, OPENED, [YEAR]) == [Value(YEAR, (), 0.0, 0, None)]
    assert await values(database, HIGH, [YEAR]) == [Value(YEAR, (), None, 0, 0, "no-denominator")]
    assert await values(database, MEDIAN, [YEAR]) == [Value(YEAR, (), None, 0, None, "nothing-measured")]


async def test_before_there_was_anything_to_count_a_count_is_no_figure_and_afterwards_it_is_zero(
    database: Database,
) -> None:
    """That nothing was recorded before there was a platform does not mean that nothing happened."""
    september, november = OCTOBER.previous, Period.parse("2026-11")
    assert await values(database, OPENED, [OCTOBER]) == [Value(OCTOBER, (), None, None, None, "before-recording")]
    # Who tells of reports tells of cases: a month without a case is a month with none.
    await record(database, [make.concern("c1", 1)])
    assert [one.value for one in await values(database, OPENED, [september, OCTOBER, november])] == [None, 0.0, 0.0]
    assert await values(database, OPENED, [september, OCTOBER], by=("unit",)) == [
        Value(september, (), None, None, None, "before-recording")
    ]
    # Children are told of by others.
    children = indicator("children", shape="count", numerator=Part("children", "state", {}))
    share = indicator("share", shape="ratio", numerator=OPENED.numerator, denominator=children.numerator)
    assert [one.value for one in await values(database, children, [september, OCTOBER])] == [None, None]
    early = datetime(2026, 8, 5, tzinfo=UTC)
    await record_at(database, [make.child("child-1", 1)], early)
    assert [one.value for one in await values(database, children, [september, OCTOBER])] == [1.0, 1.0]
    # So many cases among children are not known before cases are.
    assert [one.value for one in await values(database, share, [september, OCTOBER])] == [None, 0.0]
    # As it was known before anything was, nothing is known either.
    assert [one.value for one in await values(database, OPENED, [OCTOBER], as_of=early)] == [None]


async def test_what_happened_before_the_platform_began_and_was_told_later_is_counted(database: Database) -> None:
    before = {"opened_at": datetime(2026, 9, 5, tzinfo=UTC)}
    await record(database, cases({}, {"risk": "low", **before}))
    september = OCTOBER.previous
    assert await values(database, OPENED, [september]) == [Value(september, (), 1.0, 1, None, early=True)]
    assert await ask(database, OPENED, september, by=("unit",)) == {("05443",): 1.0, (): None}


async def test_a_share_by_a_dimension_has_a_row_for_each_that_it_is_a_share_of(database: Database) -> None:
    await record(database, cases({}, {"sex": "male", "risk": "low"}, {"sex": "male"}))
    assert await ask(database, HIGH, by=("sex",)) == {("female",): 100.0, ("male",): 50.0}
    assert await ask(database, HIGH, by=("unit", "sex"), units=frozenset({"05443"})) == {
        ("05443", "female"): 100.0,
        ("05443", "male"): 50.0,
    }


async def test_an_old_code_is_counted_where_its_land_lies_today(database: Database) -> None:
    await record(database, cases({"unit": OLD}, {"unit": NEW}, {"unit": "05443"}))
    assert await ask(database, OPENED, by=("unit",)) == {(NEW,): 2.0, ("05443",): 1.0}
    assert await ask(database, OPENED, units=frozenset({NEW})) == {(): 2.0}
    assert await ask(database, OPENED, by=("named-unit",), units=frozenset({NEW})) == {(NEW,): 1.0, (OLD,): 1.0}
    assert (await ask(database, OPENED, by=("district",)))[("058",)] == 2.0
    assert await ask(database, OPENED, units=UNITS.in_district("058")) == {(): 2.0}


async def test_what_lies_in_no_commune_of_today_is_not_classified_and_found_there(database: Database) -> None:
    await record(database, cases({"unit": "99999"}, {"unit": "unclassified"}, {}))
    assert await ask(database, OPENED, by=("unit",)) == {("05443",): 1.0, ("unclassified",): 2.0}
    assert await ask(database, OPENED, units=frozenset({"unclassified"})) == {(): 2.0}
    assert await ask(database, OPENED, by=("district",), units=frozenset({"unclassified"})) == {("unclassified",): 2.0}


async def test_a_part_that_names_communes_is_counted_in_these_alone(database: Database) -> None:
    await record(database, cases({"unit": "99999"}, {"unit": OLD}, {}))
    lost = indicator("lost", shape="count", numerator=Part("openings", "period", {"unit": ("unclassified",)}))
    assert await ask(database, lost) == {(): 1.0}
    assert await ask(database, lost, units=frozenset({"05443"})) == {(): 0.0}


async def test_a_median_is_a_time_that_was_measured(database: Database) -> None:
    times = [1, 2, 3, 10]
    facts = [{"received_at": NOW, "planned_at": NOW + timedelta(hours=hours)} for hours in times]
    await record(database, cases(*facts, {"unit": "05455", **facts[3]}))
    assert await ask(database, MEDIAN) == {(): 3.0}
    assert await ask(database, MEDIAN, by=("unit",)) == {("05443",): 2.0, ("05455",): 10.0}


@pytest.mark.parametrize(
    ("times", "at", "expected"),
    [({}, 50, None), ({5.0: 1}, 90, 5.0), ({1.0: 9, 7.0: 1}, 90, 1.0), ({1.0: 8, 7.0: 2}, 90, 7.0)],
)
def test_a_percentile_is_the_least_time_that_holds_for_so_many(
    times: dict[float, int], at: int, expected: float | None
) -> None:
    assert percentile(times, at) == expected


def handed(name: str, code: str, unit: str, value: float, period: str = "2026") -> Event:
    data = FigureRecorded(figure_id=name, indicator=code, unit=unit, period=period, value=value, sector="education")
    return Event(data, name, 1)


async def test_a_handed_in_share_of_a_commune_is_never_taken_for_the_provinces(database: Database) -> None:
    await record(database, [handed("a", "swim", "05443", 40.0)])
    assert await ask(database, SWIM) == {(): None}
    assert await ask(database, SWIM, units=frozenset({"05443"})) == {(): 40.0}
    assert await ask(database, SWIM, units=frozenset({"05443", "05455"})) == {(): None}
    await record(database, [handed("b", "swim", "05455", 60.0), handed("c", "swim", "", 55.0)])
    assert await ask(database, SWIM) == {(): 55.0}
    assert await ask(database, SWIM, by=("unit",)) == {("05443",): 40.0, ("05455",): 60.0}


async def test_handed_in_numbers_of_communes_add_up(database: Database) -> None:
    assert await ask(database, MARRIAGES) == {(): None}
    await record(database, [handed("a", "marriages", "05443", 2), handed("b", "marriages", "05455", 3)])
    assert await ask(database, MARRIAGES) == {(): 5.0}


async def test_the_quality_of_records_is_the_mean_of_children_not_of_communes(database: Database) -> None:
    day = date(2026, 11, 1)
    told = [("05443", 90.0, 300), ("05455", 50.0, 100), ("05446", 0.0, 0)]
    await record(
        database,
        [
            Event(QualityMeasured(unit=unit, on=day, children=n, verified=0, due=0, score=score), unit, 1)
            for unit, score, n in told
        ],
    )
    assert await ask(database, QUALITY) == {(): 80.0}
    assert (await ask(database, QUALITY, by=("unit",)))[("05443",)] == 90.0


async def test_what_a_measure_has_not_cannot_be_asked(database: Database) -> None:
    for one, by in ((OPENED, ("clock",)), (OPENED, ("unit", "unit")), (SWIM, ("sex",))):
        with pytest.raises(MeasureError):
            await ask(database, one, by=by)


async def test_every_shipped_indicator_can_be_evaluated_by_each_of_its_dimensions(database: Database) -> None:
    for one in Indicators.load():
        for by in ((), ("unit",), *((name,) for name in one.by)):
            found = await values(database, one, [OCTOBER, YEAR], by=by, as_of=NOW)
            # Of nobody at all the whole is there, without a figure; a breakdown has none, or says so of all at once.
            assert {value.keys for value in found} <= {()}, one.code
            assert {value.value for value in found} <= {None}, one.code
            assert by or [value.period for value in found] == [OCTOBER, YEAR], one.code
