"""Only what nobody may ask any more is let go of history: what may be asked stays the same, meanwhile and after."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.stats.domain.fineness import every_moment_from, kept_moments
from services.stats.domain.periods import Period
from services.stats.store import compaction
from services.stats.store.compaction import kept
from services.stats.store.history import answered_as_of, count_periods
from services.stats.upkeep.checking import Upkeep
from services.stats.upkeep.compacting import Compacting
from shared.database import Database
from shared.reference.calendar import end_of
from shared.reference.files import ReferenceDataError
from shared.reference.history import Fineness, History
from shared.reference.indicators import Part
from tests.support import backends
from tests.unit.stats import events as make
from tests.unit.stats.conftest import MIGRATIONS, empty
from tests.unit.stats.counted import count as count_live
from tests.unit.stats.counted import divided, record, spread
from tests.unit.stats.events import Event, histories
from tests.unit.stats.recount_history import Happened, happened, stood
from tests.unit.stats.test_checking import AGREED

NOW = datetime.now(UTC)
RULE = Fineness(date(2020, 1, 1), "nguồn", "source", 731, 1200, ("month", "school-year"))
FLOWS = {
    "reports": ("unit", "request", "danger_now"),
    "openings": ("unit", "environment"),
    "closings": ("unit", "outcome"),
    "clocks": ("unit", "state"),
    "spans": ("unit", "span", "hours"),
    "services": ("unit", "service"),
    "incidents": ("unit", "outcome"),
}
STATES = {
    "cases": ("unit", "status", "environment"),
    "tasks": ("unit", "status"),
    "children": ("unit", "age", "circumstance"),
}
WHOLE = Period.parse("2000..2060")
STEPS = (0, 1, 7, 30, 24 * 9, 24 * 40, 24 * 100)


def years_back(years: float) -> datetime:
    return NOW - timedelta(days=365 * years)


def old(history: Sequence[Event], chance: random.Random) -> list[Happened]:
    """Each event at a moment of its own, from seven years back until now; some at midnight, some with clocks that
    contradict their numbers."""
    at = years_back(7)
    found = []
    for event in history:
        at = min(NOW, at + timedelta(hours=chance.choice(STEPS)))
        moment = at
        if chance.random() < 0.2:
            moment = end_of(at.date()) + timedelta(microseconds=chance.choice([0, 1]))
        elif chance.random() < 0.1:
            moment = at - timedelta(days=chance.choice([1, 60]))
        found.append(Happened(event, moment))
    return found


def compacting(database: Database, rule: Fineness = RULE) -> Compacting:
    return Compacting(database, lambda: NOW, Upkeep(database, lambda: NOW), History([rule]))


async def answers(database: Database, measure: str, by: Sequence[str], as_of: datetime) -> dict[Any, int]:
    over: Any = "state" if measure in STATES else "period"
    async with database.transaction() as connection:
        found = await count_periods(connection, Part(measure, over, {}), [WHOLE], by, None, as_of)
    return {row.keys: row.n for row in found[WHOLE]}


async def same_as_a_recount(database: Database, history: Sequence[Happened], moments: Sequence[datetime]) -> None:
    for as_of in moments:
        for measure, by in FLOWS.items():
            expected = happened(history, measure, WHOLE.first, WHOLE.last, as_of)
            assert await answers(database, measure, by, as_of) == dict(expected), (measure, as_of)
        for measure, by in STATES.items():
            expected = stood(history, measure, WHOLE.last, as_of)
            assert await answers(database, measure, by, as_of) == dict(expected), (measure, as_of)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories(), seed=st.integers(0, 2**32 - 1))
async def test_no_figure_that_may_be_asked_changes_while_history_is_compacted_or_after(
    migrated: Database, history: list[Event], seed: int
) -> None:
    await empty(migrated)
    chance = random.Random(seed)
    happenings = old(spread(history, chance), chance)
    if not happenings:
        return
    delivered = [event.record(offset, time=at) for offset, (event, at) in enumerate(happenings)]
    late = [one for one in delivered if chance.random() < 0.15]
    await record(migrated, divided([one for one in delivered if one not in late], chance))
    work = compacting(migrated)
    work.size = chance.choice([1, 3, 50])
    begun = await work.begin_where_due()
    # What comes late, or a second time, while the work is under way.
    more = [*late, *chance.choices(delivered, k=len(delivered) // 2)]
    chance.shuffle(more)
    while begun and await one_step(migrated, work.size):
        if more and chance.random() < 0.5:
            await record(migrated, [[more.pop()]])
    await record(migrated, divided(more, chance))
    async with migrated.transaction() as connection:
        rows = await connection.execute(text("SELECT at FROM kept_moment"))
        asked = sorted(row.at for row in rows)
    near = [at for _, at in happenings] + [NOW]
    moments = {*chance.sample(asked, min(4, len(asked))), years_back(0), *chance.sample(near, min(3, len(near)))}
    async with migrated.transaction() as connection:
        floors = await kept(connection, sorted(moments))
    await same_as_a_recount(migrated, happenings, floors)
    # As of a moment between two that are kept, the earlier one answers.
    for measure, by in STATES.items():
        for moment, floor in zip(sorted(moments), floors, strict=True):
            assert await answers(migrated, measure, by, moment) == await answers(migrated, measure, by, floor)
    if begun:
        await nothing_is_left_between(migrated)


async def one_step(database: Database, size: int) -> bool:
    async with database.transaction() as connection:
        return await compaction.step(connection, size, NOW)


async def nothing_is_left_between(database: Database) -> None:
    async with database.transaction() as connection:
        for table in ("movement", "version"):
            rows = await connection.execute(
                text(
                    f"""SELECT count(*) FROM {table} AS t WHERE at < (SELECT every_moment_from FROM compaction)
                        AND NOT EXISTS (SELECT FROM kept_moment AS k WHERE k.at = t.at)"""
                )
            )
            assert rows.scalar_one() == 0, table


def on(year: int, month: int, day: int, hour: int = 3) -> datetime:
    return datetime(year, month, day, hour, tzinfo=UTC)


FIVE_YEARS_AGO = NOW.year - 5


async def told(database: Database, *happenings: tuple[datetime, Event]) -> None:
    await record(database, [[event.record(offset, time=at) for offset, (at, event) in enumerate(happenings)]])


async def compacted(database: Database, rule: Fineness = RULE) -> Compacting:
    work = compacting(database, rule)
    assert await work.begin_where_due()
    await work.go_on(asyncio.Event())
    assert (await work.state())["state"] == "done"
    return work


async def a_case_in_one_month(database: Database) -> None:
    year = FIVE_YEARS_AGO
    await told(
        database,
        (on(year, 3, 2), make.case("k1", 1, unit="05443")),
        (on(year, 3, 9), make.case("k1", 2, unit="05455")),
        (on(year, 3, 14), make.case("k1", 3, unit="05455", risk="low")),
        (on(year, 3, 20), make.case("k1", 4, unit="unclassified")),
        (on(year, 5, 5), make.case("k1", 5, unit="05443")),
    )


async def rows(database: Database, table: str) -> int:
    async with database.transaction() as connection:
        return int((await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def stood_at(database: Database, period: str, as_of: datetime | None = None) -> tuple[dict[Any, int], Any]:
    async with database.transaction() as connection:
        asked = Period.parse(period)
        found = await count_periods(connection, Part("cases", "state", {}), [asked], ("unit",), None, as_of)
        return {row.keys[0]: row.n for row in found[asked]}, await answered_as_of(connection, "state", asked, as_of)


async def test_of_a_month_long_past_its_end_is_known_and_days_in_it_are_answered_with_the_month_before(
    database: Database,
) -> None:
    await a_case_in_one_month(database)
    year = FIVE_YEARS_AGO
    assert await stood_at(database, f"{year}-03-10") == ({"05455": 1}, None)
    before = await rows(database, "movement"), await rows(database, "version")
    await compacted(database)
    assert await stood_at(database, f"{year}-03-10") == ({}, end_of(date(year, 2, 28)))
    assert await stood_at(database, f"{year}-03") == ({"unclassified": 1}, None)
    assert await stood_at(database, f"{year}-04-15") == ({"unclassified": 1}, end_of(date(year, 3, 31)))
    assert await stood_at(database, f"{year}-05") == ({"05443": 1}, None)
    assert await stood_at(database, f"{year}", on(year, 3, 10)) == ({}, end_of(date(year, 2, 28)))
    assert await rows(database, "movement") < before[0]
    assert await rows(database, "version") == before[1] - 2


@pytest.fixture
async def own_database(postgres_url: str) -> AsyncIterator[Database]:
    """For what nobody can take back: a closed period."""
    async with backends.database(postgres_url) as url:
        database = Database(url)
        await database.migrate(MIGRATIONS)
        yield database
        await database.close()


async def test_moments_of_closed_periods_and_of_releases_are_kept_for_ever(own_database: Database) -> None:
    database = own_database
    await a_case_in_one_month(database)
    year = FIVE_YEARS_AGO
    closed = datetime(year, 3, 12, tzinfo=UTC) - timedelta(hours=7)
    async with database.transaction() as connection:
        await connection.execute(
            text(
                """INSERT INTO closed_period VALUES (:code, 0, :year, 1, :as_of, :as_of, 'w', '', '', 0, '', '', '', '')
                   ON CONFLICT DO NOTHING"""
            ),
            {"code": f"{year}-02", "year": year, "as_of": closed},
        )
    await compacted(database)
    # As a release knows it: in the middle of the next month.
    released = datetime(year, 3, 16, tzinfo=UTC) - timedelta(hours=7)
    for moment in (closed, released):
        assert await stood_at(database, f"{year}", moment) == ({"05455": 1}, None)
    assert (await stood_at(database, f"{year}", released + timedelta(days=1)))[1] == released


async def test_what_comes_late_or_twice_after_its_moment_was_let_go_is_known_from_the_next_one_that_is_kept(
    database: Database,
) -> None:
    await a_case_in_one_month(database)
    await compacted(database)
    year = FIVE_YEARS_AGO
    before = await rows(database, "movement")
    again = [make.case("k1", number, unit=unit) for number, unit in ((1, "05443"), (2, "05455"))]
    await told(database, *((on(year, 3, day), event) for day, event in zip((2, 9), again, strict=True)))
    assert await rows(database, "movement") == before
    await told(database, (on(year, 3, 11), make.case("k2", 1, unit="05455")))
    assert await stood_at(database, f"{year}-03") == ({"unclassified": 1, "05455": 1}, None)
    assert (await stood_at(database, f"{year}-03-15"))[0] == {}


async def test_a_child_that_was_erased_stays_erased_and_is_counted_where_it_was_before(database: Database) -> None:
    year = FIVE_YEARS_AGO
    await told(
        database,
        (on(year, 3, 2), make.child("ch1", 1)),
        (on(year, 3, 20), make.child("ch1", 2, unit="05455")),
        (on(year, 4, 9), make.erased("ch1", 3)),
    )
    await compacted(database)
    await told(database, (on(year, 3, 2), make.child("ch1", 1)), (on(year, 3, 20), make.child("ch1", 2, unit="05455")))
    for month, expected in (("03", {("05455",): 1}), ("04", {})):
        async with database.transaction() as connection:
            asked = Period.parse(f"{year}-{month}")
            found = await count_periods(connection, Part("children", "state", {}), [asked], ("unit",))
        assert {row.keys: row.n for row in found[asked]} == expected


async def test_the_work_goes_on_where_it_was_left_and_a_second_worker_leaves_it_alone(database: Database) -> None:
    for number in range(20):
        await told(
            database,
            *(
                (on(FIVE_YEARS_AGO, 3, day), make.case(f"k{number}", day, unit=make.UNITS[day % 2]))
                for day in range(1, 9)
            ),
        )
    work = compacting(database)
    assert await work.begin_where_due()
    assert await one_step(database, 5)
    assert 0 < 160 - await rows(database, "version") < 140
    async with database.transaction() as connection:
        assert await compaction.step(connection, 5, NOW)
        # While one is at it.
        assert not await one_step(database, 5)
    await work.go_on(asyncio.Event())
    assert await rows(database, "version") == 20
    state = await work.state()
    assert (state["state"], state["versions_gone"]) == ("done", 140)
    assert not await work.begin_where_due()


async def test_figures_that_differ_are_not_compacted(database: Database) -> None:
    await a_case_in_one_month(database)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE standing SET n = n + 1"))
    upkeep = Upkeep(database, lambda: NOW)
    assert await upkeep.check() != AGREED
    work = compacting(database)
    await work.begin_where_due()
    await work.go_on(asyncio.Event())
    assert await rows(database, "version") == 5


async def test_what_is_compacted_agrees_with_the_board(database: Database) -> None:
    events = [make.case("k1", 1), make.case("k1", 2, unit="05455"), make.child("ch1", 1), make.concern("c1", 1)]
    records = [event.record(at, time=on(FIVE_YEARS_AGO, 3, 2 + at)) for at, event in enumerate(events)]
    await count_live(database, [records])
    await record(database, [records])
    await compacted(database)
    assert await Upkeep(database, lambda: NOW).check() == AGREED


def test_the_rule_says_which_moments_are_kept() -> None:
    now = datetime(2036, 3, 15, tzinfo=UTC)
    rule = Fineness(date(2026, 1, 1), "n", "s", 2192, 3653, ("month", "school-year"))
    assert every_moment_from(rule, now) == datetime(2030, 2, 28, 17, tzinfo=UTC)
    found = kept_moments(rule, now, [datetime(2027, 5, 5, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)])
    assert found == sorted(set(found))
    days = {end_of(date(2026, 3, 1) + timedelta(days=number)) for number in range(4 * 365 + 1)}
    assert days <= {*found}
    assert {end_of(date(2025, 12, 31)), end_of(date(2025, 9, 4)), datetime(2027, 5, 5, tzinfo=UTC)} <= {*found}
    assert not {end_of(date(2025, 12, 30)), datetime(2035, 1, 1, tzinfo=UTC)} & {*found}
    assert max(found) == every_moment_from(rule, now) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ((700, 3000, ("month",)), "at least 731 days"),
        ((900, 800, ("month",)), "at least as long"),
        ((900, 900, ("year",)), "ends of months"),
        ((900, 900, ("month", "day")), "ends are those of"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(numbers: Any, says: str) -> None:
    with pytest.raises(ReferenceDataError, match=says):
        History([Fineness(date(2026, 1, 1), "n", "s", *numbers)])


def test_the_shipped_rule_keeps_a_whole_plan() -> None:
    rule = History.load().on(NOW)
    assert rule.every_moment_days >= 6 * 365
