"""What is released is written down once: no second replica, restart or late event ever answers otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period
from services.stats.domain.releases import Counted, Tabled, Taken
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.store.checking import Checked, keep_checked
from services.stats.store.releases import Releases, write_down
from shared.contracts.stats import FigureRecorded
from shared.database import Database
from shared.reference.indicators import Indicators, Part
from shared.web.i18n import ZONE
from tests.unit.stats import events as make
from tests.unit.stats import made_up_figures as made_up
from tests.unit.stats.attacker import Attacker
from tests.unit.stats.closed_house import House, at, figure, house, opening
from tests.unit.stats.conftest import MIGRATIONS
from tests.unit.stats.counted import record, release
from tests.unit.stats.events import Event
from tests.unit.stats.made_up_figures import COORDINATOR, INDICATORS, LATER, STATISTICIAN, UNITS, Province, Record
from tests.unit.stats.test_releasing import DIMENSIONS, YEAR, everything_of_openings, kept_from, tell


@pytest.fixture
async def database(fresh_database: str) -> AsyncIterator[Database]:
    """One of its own: what is written down cannot be taken away."""
    found = Database(fresh_database, pool_size=5)
    await found.migrate(MIGRATIONS)
    yield found
    await found.close()


def door_of(province: Province, indicators: Indicators = INDICATORS) -> Releasing:
    """A replica that has just been started."""
    return Releasing(Releases(), province, indicators, made_up.disclosure())


async def answers(
    database: Database, door: Releasing, code: str, *periods: str, by: Sequence[str] = (), **more: Any
) -> list[Shown]:
    indicator = more.pop("indicators", INDICATORS).get(code)
    async with database.transaction() as connection:
        wanted = [Period.parse(period) for period in periods]
        return await door.release(connection, STATISTICIAN, indicator, wanted, by=by, **{"now": LATER, **more})


def come_late(province: Province) -> Province:
    """Another look at the same province: events of a year ago have been delivered only now, and one was corrected."""
    late = [
        replace(record, known=record.known - timedelta(seconds=1))
        for record in province.records[::9]
        if record.known.date() == record.day
    ]
    return Province([*province.records[3:], *late])


@pytest.mark.parametrize(("seed", "count"), [(2, 90), (3, 160)])
async def test_no_small_figure_is_given_back_by_two_replicas_and_a_restart_while_facts_change(
    database: Database, seed: int, count: int
) -> None:
    """Each month another replica writes down what is due, from facts that differ by few: both answer from both."""
    province = Province(made_up.openings(seed, count))
    changed = come_late(province)
    assert changed.records != province.records
    attacker, doors = Attacker(DIMENSIONS), [door_of(province), door_of(changed)]
    for month in range(1, 13):
        now = datetime(2026 + month // 12, month % 12 + 1, 17, tzinfo=ZONE)
        await release(database, now, made_up.taking(province))
        # Who comes second writes nothing, whatever it counts.
        assert await release(database, now, made_up.taking(changed)) == []
        if month in {5, 12}:
            for door in doors:
                async with database.transaction() as connection:
                    tell(attacker, province, await everything_of_openings(door, connection, now))
    async with database.transaction() as connection:
        tell(attacker, province, await everything_of_openings(door_of(changed), connection))
    kept_from(attacker, province, seed)


async def test_what_one_replica_counted_otherwise_would_give_a_small_figure_back(database: Database) -> None:
    """The attack that is kept from: made anew from changed facts, the difference of two releases is one case."""
    province = Province(made_up.openings(5, 900))
    changed = Province([*province.records, opening(date(2026, 3, 3), known=at(date(2026, 3, 4)))])
    for written in (False, True):
        told = []
        for facts in (province, changed):
            if written:
                await release(database, LATER, made_up.taking(facts))
                found = await answers(database, door_of(facts), "opened", "2026")
            else:
                found = await answers(database, made_up.releasing(facts), "opened", "2026")
            told.append(found[0].numerator)
        assert told[1] - told[0] == (0 if written else 1)  # type: ignore[operator]


async def test_of_two_that_write_at_once_one_wins_as_a_whole(database: Database) -> None:
    month = Period.parse("2026-03")
    tabled = [Tabled("openings", (), by) for by in ((), ("unit",), ("sex",))]

    async def write(n: int) -> bool:
        taken = Taken({one: Counted((), [(one.by, n)]) for one in tabled}, {("swim", "2026-03"): float(n)})
        async with database.transaction() as connection:
            await asyncio.sleep(0)
            return await write_down(connection, month.code, LATER, LATER, taken)

    won = await asyncio.gather(*(write(n) for n in range(1, 6)))
    assert sum(won) == 1
    async with database.transaction() as connection:
        kept = [await Releases().counts(connection, one, [month.code]) for one in tabled]
        handed = await Releases().figure(connection, "swim", month.code)
    n = won.index(True) + 1
    assert [one[month.code].rows for one in kept] == [[(one.by, n)] for one in tabled]
    assert handed == (float(n),)


@pytest.mark.parametrize("table", ["release", "release_count", "release_figure"])
async def test_the_database_itself_refuses_to_change_what_is_written_down(database: Database, table: str) -> None:
    taken = Taken({Tabled("openings"): Counted((), [((), 7)])}, {("swim", "2026-03"): 40.0})
    async with database.transaction() as connection:
        await write_down(connection, "2026-03", LATER, LATER, taken)
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET period = '2026-04'", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(DBAPIError, match="frozen"):
            async with database.transaction() as connection:
                await connection.execute(text(statement))


async def test_a_year_is_the_sum_of_months_as_they_were_written_down(database: Database) -> None:
    """A month's late event is not seen as the year less its months."""
    values = {"unit": UNITS[0], "kind": "neglect", "sex": "male", "risk": "low"}
    province = Province([])
    for month in range(1, 13):
        first = datetime(2026, month, 3, tzinfo=ZONE)
        province.records += [Record("openings", first.date(), first, values)] * 20
        await release(database, datetime(2026 + month // 12, month % 12 + 1, 17, tzinfo=ZONE), made_up.taking(province))
        province.records += [Record("openings", first.date(), first, {**values, "unit": UNITS[month % 8]})]
    door = door_of(province)
    months = [month.code for month in YEAR.parts("month")]
    assert [one.numerator for one in await answers(database, door, "opened", *months, "2026")] == [20] * 12 + [240]
    by_unit = await answers(database, door, "opened", "2026", by=("unit",))
    assert [(one.keys, one.numerator) for one in by_unit] == [((UNITS[0],), 240)]


async def test_an_indicator_that_comes_later_changes_nothing_and_asks_nothing_anew(database: Database) -> None:
    """It asks by a dimension that was not written down: of then it is not offered, from then on it is."""
    province = Province(made_up.openings(5, 900, years=(2026, 2027)))
    await release(database, datetime(2027, 1, 20, tzinfo=ZONE), made_up.taking(province))
    before = await answers(database, door_of(province), "opened", "2026", by=("unit",))
    high = made_up.indicator("high", Part("openings", "period", {"risk": ("high",)}), by=("kind",))
    severe = made_up.indicator("severe", Part("openings", "period", {"kind": ("violence",)}), by=("sex",))
    more = Indicators([*INDICATORS, high, severe], {"t": ("T", "T")})
    door = door_of(province, more)
    await release(database, LATER, made_up.taking(province, more))
    assert await answers(database, door, "opened", "2026", by=("unit",), indicators=more) == before
    for code, hidden in (("high", "not-offered"), ("severe", None)):
        [then] = await answers(database, door, code, "2026", indicators=more)
        [now] = await answers(database, door, code, "2027", indicators=more)
        assert then.hidden == hidden, code
        assert now.numerator is not None, code


async def test_communes_that_became_one_are_told_as_one_where_that_cuts_nothing_hidden(database: Database) -> None:
    """What was written down is of the communes of its time; shown it is of today's."""
    counts = dict(zip(UNITS, (30, 25, 3, 20, 20, 20, 20, 20), strict=True))
    day = datetime(2026, 2, 1, tzinfo=ZONE)
    values = {"kind": "neglect", "sex": "male", "risk": "low"}
    province = Province(
        [Record("openings", day.date(), day, {**values, "unit": unit}) for unit, n in counts.items() for _ in range(n)]
    )
    await release(database, LATER, made_up.taking(province))
    then = {one.keys[0]: one for one in await answers(database, door_of(province), "opened", "2026", by=("unit",))}
    shown = [unit for unit in UNITS if then[unit].numerator is not None]
    hidden = [unit for unit in UNITS if then[unit].hidden]
    assert len(shown) > 1
    assert UNITS[2] in hidden

    for reformed, told in ((shown[1], True), (hidden[0], False)):
        merged = Province(province.records)
        merged.today = lambda code, gone=reformed: shown[0] if code == gone else code  # type: ignore[method-assign]
        now = {one.keys[0]: one for one in await answers(database, door_of(merged), "opened", "2026", by=("unit",))}
        assert reformed not in now
        expected = counts[shown[0]] + counts[reformed] if told else None
        assert now[shown[0]].numerator == expected
        [alone] = await answers(database, door_of(merged), "opened", "2026", units=frozenset({shown[0]}))
        assert alone.numerator == expected


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[House]:
    october = date(2026, 10, 10)
    async with house(fresh_database, [opening(october, unit) for unit in UNITS for _ in range(7)]) as made:
        yield made


async def _written(desk: House) -> frozenset[str]:
    async with desk.database.transaction() as connection:
        return await Releases().periods(connection)


async def test_nothing_is_written_down_before_all_is_counted_and_figures_agree(desk: House) -> None:
    """Once and for all: so a consumer that was away for days must not leave its gap in it."""
    desk.counted = False
    await desk.periods.look_after()
    assert await _written(desk) == frozenset()
    desk.counted = True
    async with desk.database.transaction() as connection:
        await keep_checked(connection, Checked(desk.now, {"cube": 1}, 0.1))
    await desk.periods.look_after()
    assert await _written(desk) == frozenset()
    async with desk.database.transaction() as connection:
        await keep_checked(connection, Checked(desk.now, {"cube": 0}, 0.1))
    await desk.periods.look_after()
    # October is released when it has settled, and not before.
    assert "2026-09" in await _written(desk)
    assert "2026-10" not in await _written(desk)
    assert "2026-SY" not in await _written(desk)
    assert "2025-SY" in await _written(desk)
    desk.later(days=14)
    await desk.periods.look_after()
    assert "2026-10" in await _written(desk)


async def test_a_period_is_released_once_it_is_written_down_and_published_only_then(desk: House) -> None:
    await desk.close()
    desk.later(days=30)
    desk.counted = False
    await desk.periods.look_after()
    door = door_of(desk.province)
    assert [one.hidden for one in await answers(desk.database, door, "opened", "2026-10", now=desk.now)] == [
        "not-released"
    ]
    assert await desk.periods.published("2026-10") is None
    desk.counted = True
    await desk.periods.look_after()
    assert [one.numerator for one in await answers(desk.database, door, "opened", "2026-10", now=desk.now)] == [56]
    published = await desk.periods.published("2026-10")
    assert published is not None
    assert figure(published.read(), "opened") == 56


async def test_an_empty_platform_releases_nothing_and_later_nothing_of_before_its_first_event(desk: House) -> None:
    """As over and empty they would stand for ever, while data of these months may still come."""
    none, records = Nothing([]), desk.province.records
    desk.province = none
    desk.periods = desk.replica()
    for _ in range(2):
        await desk.periods.look_after()
        assert await _written(desk) == frozenset()
        desk.later(days=1)
    door = door_of(none)
    past = await answers(desk.database, door, "opened", "2026-09", "2026-Q3", "2025", now=desk.now)
    assert past == [Shown.none(Period.parse(code), "before-recording") for code in ("2026-09", "2026-Q3", "2025")]
    running = await answers(desk.database, door, "opened", "2026-11", "2026", now=desk.now)
    assert [one.value for one in running] == [None, None]

    # The first event comes in November, and tells of October, too.
    province = Province([opening(one.day, one.values["unit"], known=desk.now) for one in records], begun=desk.now)
    province.records += [opening(date(2026, 11, 10), unit, known=at(date(2026, 11, 10))) for unit in UNITS] * 7
    desk.province = province
    desk.periods = desk.replica()
    await desk.periods.look_after()
    assert await _written(desk) == frozenset()
    desk.now = at(date(2027, 1, 20))
    await desk.periods.close(COORDINATOR, "2026")
    await desk.periods.look_after()
    assert await _written(desk) == {"2026-11", "2026-12"}

    door = door_of(province)
    before = await answers(desk.database, door, "opened", "2026-10", "2026-Q3", "2025", now=desk.now)
    assert [(one.value, one.hidden) for one in before] == [(None, None)] * 3
    november, year = await answers(desk.database, door, "opened", "2026-11", "2026", now=desk.now)
    assert (november.numerator, year.numerator) == (56, 56)
    by_unit = await answers(desk.database, door, "opened", "2026", by=("unit",), now=desk.now)
    assert [one.numerator for one in by_unit] == [7] * len(UNITS)
    assert [one.hidden for one in await answers(desk.database, door, "opened", "2026-10-10", now=desk.now)] == [
        "not-offered"
    ]
    # The year is published though no month before the beginning is ever written down.
    published = await desk.periods.published("2026")
    assert published is not None
    assert figure(published.read(), "opened") == 56


async def test_where_released_figures_begin_an_event_of_an_earlier_moment_changes_nothing(desk: House) -> None:
    """Once the first period is written down, nothing before it is: it would be counted into a year that was shown."""
    desk.province.begun = at(date(2026, 10, 10))
    desk.now = at(date(2027, 1, 20))
    await desk.periods.look_after()
    written = await _written(desk)
    assert written == {"2026-10", "2026-11", "2026-12"}
    shown = await answers(desk.database, door_of(desk.province), "opened", "2026", "2026-09", "2026-10", now=desk.now)
    desk.province.begun = at(date(2025, 2, 1))
    desk.province.records.append(opening(date(2026, 9, 1), known=at(date(2026, 9, 2))))
    await desk.replica().look_after()
    assert await _written(desk) == written
    late = await answers(desk.database, door_of(desk.province), "opened", "2026", "2026-09", "2026-10", now=desk.now)
    assert late == shown
    assert [one.value for one in shown] == [56.0, None, 56.0]


async def test_a_school_year_that_ended_before_the_first_event_is_not_written_down_and_one_that_goes_on_is(
    database: Database,
) -> None:
    for begun, told in ((date(2026, 9, 20), False), (date(2026, 9, 2), True)):
        taking = made_up.taking(Province([], begun=at(begun)))
        async with database.transaction() as connection:
            due = [one.code for one in await taking.due(connection, at(date(2026, 11, 1)), ())]
            assert due == (["2025-SY", "2026-09"] if told else ["2026-09"])
            # After September is written down the school year that ended in it comes no more.
            assert await taking.due(connection, at(date(2026, 11, 1)), ("2025-SY", "2026-09")[not told :]) == []


class Nothing(Province):
    """A platform that has heard nothing at all."""

    async def beginnings(self, connection: Any) -> dict[str, datetime]:
        return {}


@asynccontextmanager
async def of_real_history(database: Database) -> AsyncIterator[Releasing]:
    """A replica that has just been started, over what is written down of real history."""
    evaluator = Evaluator()
    yield Releasing(Releases(), evaluator)


async def _asked(database: Database, code: str, period: str, by: Sequence[str] = ()) -> list[float | None]:
    async with of_real_history(database) as door:
        shown = await answers(database, door, code, period, by=by, indicators=Indicators.load())
    return [one.value for one in shown]


async def test_percentiles_and_figures_that_are_handed_in_stay_as_they_were_released(database: Database) -> None:
    """Both were asked anew each time: an event that was delivered late changed them."""
    day = datetime(2026, 3, 2, 3, tzinfo=UTC)

    def planned(name: str, hours: int) -> Event:
        return make.case(name, 1, opened_at=day, received_at=day, planned_at=day + timedelta(hours=hours))

    def handed(value: float, sequence: int) -> Event:
        said = FigureRecorded(
            figure_id="f", indicator="births-registered", unit="", period="2026", value=value, sector="justice"
        )
        return Event(said, "f", sequence)

    asked = [("plan-median", "2026", ()), ("plan-median", "2026", ("unit",)), ("births-registered", "2026", ())]
    first = [planned(f"c{number}", 5 + number % 3).record(number, time=day) for number in range(120)]
    await record(database, [[*first, handed(93.0, 1).record(200, time=datetime(2027, 1, 3, tzinfo=UTC))]])
    await release(database, datetime(2027, 2, 1, tzinfo=UTC))
    before = [await _asked(database, code, period, by) for code, period, by in asked]
    assert before[0] == [6.0]
    assert before[2] == [93.0]
    late = [planned(f"late{number}", 700).record(300 + number, time=day) for number in range(200)]
    await record(database, [[*late, handed(12.0, 2).record(600, time=datetime(2027, 1, 4, tzinfo=UTC))]])
    assert [await _asked(database, code, period, by) for code, period, by in asked] == before
    # Only what is released next holds them.
    assert await release(database, datetime(2027, 2, 1, tzinfo=UTC)) == []


async def test_a_time_before_the_platform_began_has_no_figure_for_whoever_sees_aggregates(database: Database) -> None:
    events = [make.case(f"c{number}", 1).record(number) for number in range(8)]
    await record(database, [events])
    await release(database, LATER)
    # The events are of October 2026.
    assert await _asked(database, "cases-opened", "2025") == [None]
    assert await _asked(database, "cases-opened", "2026-09") == [None]
    assert await _asked(database, "cases-opened", "2026-11") == [0.0]
    async with of_real_history(database) as door:
        shown = await answers(database, door, "cases-opened", "2025", by=("unit",), indicators=Indicators.load())
        days = await answers(database, door, "cases-opened", "2026-10-30", indicators=Indicators.load())
    assert shown == [Shown.none(Period.parse("2025"), "before-recording")]
    # By single days one would learn of the very first event.
    assert [one.hidden for one in days] == ["not-offered"]
