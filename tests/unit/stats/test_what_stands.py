"""What stands is what stood before and what changed since: each answer is that of a plain recount, whatever is kept."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.stats.domain.periods import Period
from services.stats.store import history
from services.stats.store.aging import passing
from services.stats.store.answers import Answers, see_one_moment
from services.stats.store.figures import month_number
from services.stats.store.history import Mark, base_of, count_all
from services.stats.store.questions import Question
from shared.database import Database
from shared.reference.calendar import LOCAL_OFFSET, end_of, start_of
from shared.reference.indicators import Part
from tests.unit.stats import events as make
from tests.unit.stats.counted import record
from tests.unit.stats.recount_history import Happened, day_of, stood

_CHILDREN = Part("children", "state", {"age": ("0-3", "4-5", "6-10", "11-15")})
_BY = ("unit", "age", "circumstance")
_ASKED = {
    _BY: _CHILDREN,
    ("age",): Part("children", "state", {}),
    ("unit",): _CHILDREN,
    ("circumstance",): Part("children", "state", {"age": ("6-10", "16+", "unknown"), "circumstance": ("01", "poor")}),
    (): Part("children", "state", {"circumstance": ("01", "poor"), "age": ("0-3",)}),
}


def told(history: list[Happened], by: tuple[str, ...], part: Part, period: Period, known: datetime) -> dict[Any, int]:
    """What a recount says, with the part's filters; a child that is asked for by no circumstance is counted once."""
    found: Counter[tuple[str, ...]] = Counter()
    # A child by itself each, so that one in two circumstances is known to be one.
    children = sorted({happened.event.subject for happened in history})
    for child in children:
        cells = stood([one for one in history if one.event.subject == child], "children", period.last, known)
        kept = [
            dict(zip(_BY, keys, strict=True))
            for keys in cells
            if all(
                keys[_BY.index(name)] in wanted
                for name, wanted in part.where.items()
                if name in {"age", "circumstance"}
            )
        ]
        found.update({tuple(one[name] for name in by) for one in kept})
    return dict(found)


def lived(chance: random.Random, now: datetime) -> list[Happened]:
    """Children of all ages over some months, each event at a moment of its own, some of them told late."""
    found: list[Happened] = []
    sequences: Counter[str] = Counter()
    for number in range(60):
        name = f"ch{chance.randrange(25)}"
        sequences[name] += 1
        at = now - timedelta(days=chance.choice([0, 0, 1, 9, 20, 33, 61, 100, 400]), minutes=60 - number)
        facts: dict[str, Any] = {
            "unit": chance.choice(make.UNITS[:2]),
            "birth_year": now.year - chance.choice([0, 3, 4, 5, 6, 10, 11, 15, 16, 17, 25]),
            "birth_month": chance.choice([None, 1, 6, 11, 12, now.month]),
            "circumstances": chance.choice([[], ["01"], ["poor"], ["01", "poor"], ["02"]]),
        }
        if chance.random() < 0.1:
            found.append(Happened(make.erased(name, sequences[name]), at))
        else:
            found.append(Happened(make.child(name, sequences[name], **facts), at))
    return found


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_asked_again_and_again_is_what_a_recount_says(database: Database, seed: int) -> None:
    chance, answers = random.Random(seed), Answers()
    now = datetime.now(UTC)
    history = lived(chance, now)
    today = day_of(now)
    periods = [*Period.containing(today, "month").before(14), *Period.containing(today, "year").before(2)]
    for at in range(0, len(history), 6):
        batch = history[at : at + 6]
        await record(database, [[one.event.record(at + place, time=one.at) for place, one in enumerate(batch)]])
        wanted = {Question.of(part, by): chance.sample(periods, 9) for by, part in _ASKED.items()}
        async with database.transaction() as connection:
            await see_one_moment(connection)
            found = await count_all(connection, wanted, answers)
        for question, of_periods in found.items():
            for period, rows in of_periods.items():
                expected = told(history[: at + 6], question.by, question.part, period, now)
                assert {row.keys: row.n for row in rows} == expected, (question.by, period.code)


async def _rows_looked_at(
    database: Database, answers: Answers, part: Part
) -> tuple[dict[Any, int], list[Mapping[str, Any]]]:
    """What stands now by commune, and what each question took."""
    asked: list[Mapping[str, Any]] = []

    def noted(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        if "summed" in statement:
            asked.append({"statement": statement, "values": values})

    question, period = Question.of(part, ("unit",)), Period.containing(day_of(datetime.now(UTC)), "year")
    event.listen(database.engine.sync_engine, "before_cursor_execute", noted)
    try:
        async with database.transaction() as connection:
            await see_one_moment(connection)
            found = await count_all(connection, {question: [period]}, answers)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", noted)
    return {row.keys: row.n for row in found[question][period]}, asked


async def test_what_stood_before_is_asked_for_once_and_anew_where_a_late_event_changes_it(database: Database) -> None:
    answers, now = Answers(), datetime.now(UTC)
    long_ago = now - timedelta(days=200)
    young = {"birth_year": now.year - 5, "birth_month": 1}
    await record(database, [[make.child("ch1", 1, **young).record(0, time=long_ago)]])

    def begins(asked: list[Mapping[str, Any]]) -> list[date]:
        """The first day that each question sums from."""
        return [min(value for value in one["values"][3]) for one in asked]

    found, asked = await _rows_looked_at(database, answers, _CHILDREN)
    assert (found, begins(asked)) == ({("05443",): 1}, [date.min])
    await record(database, [[make.child("ch2", 1, **young).record(1, time=now)]])
    found, asked = await _rows_looked_at(database, answers, _CHILDREN)
    assert found == {("05443",): 2}
    [first] = begins(asked)
    assert first.day == 1
    assert timedelta(0) <= day_of(now) - first <= timedelta(days=42)
    await record(database, [[make.child("ch3", 1, **young).record(2, time=long_ago)]])
    found, asked = await _rows_looked_at(database, answers, _CHILDREN)
    assert (found, begins(asked)) == ({("05443",): 3}, [date.min])
    found, asked = await _rows_looked_at(database, answers, _CHILDREN)
    assert (found, asked) == ({("05443",): 3}, [])


@pytest.mark.parametrize("steady", [True, False])
async def test_what_is_corrected_while_it_is_asked_is_in_the_whole_answer_or_in_none_of_it(
    database: Database, steady: bool
) -> None:
    answers, now = Answers(), datetime.now(UTC)
    young = {"birth_year": now.year - 5, "birth_month": 1}
    moved = [
        make.child("ch1", sequence, unit=unit, **young).record(sequence, time=now - timedelta(days=days))
        for sequence, unit, days in ((1, "05443", 300), (2, make.UNITS[1], 200), (3, make.UNITS[2], 0))
    ]
    await record(database, [[moved[0], moved[2]]])
    before, _ = await _rows_looked_at(database, answers, _CHILDREN)
    question, month = Question.of(_CHILDREN, ("unit",)), Period.containing(day_of(now), "month")
    async with database.transaction() as connection:
        if steady:
            await see_one_moment(connection)
        await answers.stamps(connection)
        # Of what stood long ago and of what changed today alike: that in between was told of late.
        await record(database, [[moved[1]]])
        found = (await count_all(connection, {question: [month]}, answers))[question][month]
    assert {row.keys: row.n for row in found} == before == {(make.UNITS[2],): 1}


async def test_an_answer_of_the_moment_in_which_the_month_turns_is_not_taken_for_the_next_months(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn = datetime(2026, 12, 1, tzinfo=LOCAL_OFFSET)
    moments = [turn - timedelta(seconds=1)]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return moments[-1].astimezone(tz)

    really = history._answer

    async def slow(*asked: Any) -> Any:
        found = await really(*asked)
        moments.append(turn)
        return found

    monkeypatch.setattr(history, "datetime", Clock)
    monkeypatch.setattr(history, "_answer", slow)
    # Six years old in December.
    child = make.child("ch1", 1, birth_year=2020, birth_month=12)
    await record(database, [[child.record(0, time=turn - timedelta(days=60))]])
    answers, year = Answers(), Period.parse("2026")
    question, found = Question.of(Part("children", "state", {}), ("age",)), []
    for _ in range(2):
        async with database.transaction() as connection:
            await see_one_moment(connection)
            found.append((await count_all(connection, {question: [year]}, answers))[question][year])
    assert [[row.keys for row in rows] for rows in found] == [[("4-5",)], [("6-10",)]]


@pytest.mark.parametrize(
    ("today", "month", "before"),
    [
        ("2026-03-11", "2026-03", "2026-02-28"),
        # While things of the last month are still told, from before it.
        ("2026-03-10", "2026-03", "2026-01-31"),
        ("2026-03-10", "2026-02", "2026-01-31"),
        ("2026-01-01", "2026-01", "2025-11-30"),
        ("2026-03-31", "2026-02", "2026-01-31"),
        ("2026-03-01", "2026-01", None),
    ],
)
def test_a_young_state_is_summed_up_from_the_beginning_of_a_month(today: str, month: str, before: str | None) -> None:
    first = date.fromisoformat(f"{month}-01")
    mark = Mark(start_of(first) + timedelta(days=3), month_number(first))
    found = base_of(mark, date.fromisoformat(today))
    expected = None if before is None else Mark(end_of(date.fromisoformat(before)), mark.month)
    assert found == expected
    assert found is None or found.moment.astimezone(LOCAL_OFFSET).hour == 23


def test_ages_pass_from_one_sum_to_the_next_and_nobody_is_counted_twice() -> None:
    march = month_number(date(2026, 3, 1))
    # Told as of two months at one moment, then of a later one.
    months, numbers = (march, march + 1, march + 14), (0, 0, 2)
    rows = list(zip(*list(passing(months, numbers).values.values())[1:], strict=True))
    of_one = [row for row in rows if row[1] == "2022-04"]
    assert of_one == [
        (0, "2022-04", 0, "0-3", 1),
        (0, "2022-04", 1, "0-3", -1),
        (0, "2022-04", 1, "4-5", 1),
        (2, "2022-04", 2, "4-5", 1),
    ]
    for born in {row[1] for row in rows}:
        running: Counter[str] = Counter()
        for place in range(3):
            for row in rows:
                if row[1] == born and row[0] == 0 and row[2] == place:
                    running[row[3]] += row[4]
            assert +running == {age: 1 for age in running if running[age]}
            assert running.total() == 1
