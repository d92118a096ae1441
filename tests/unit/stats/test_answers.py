"""Answers are kept while they are true, for who asked, and no longer."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from services.stats.domain.margins import FIRST, MARGINS, margin_for, margins_of
from services.stats.domain.measures import BORN, MEASURES, HistoryCell, Measure, columns
from services.stats.domain.periods import Period
from services.stats.figures.evaluating import Evaluator
from services.stats.store.answers import Answers, Stamps
from shared.database import Database
from shared.reference.indicators import Indicators
from tests.unit.stats import events as make
from tests.unit.stats.counted import record
from tests.unit.stats.events import NOW

YEAR, BEFORE = Period.parse("2026"), Period.parse("2025")


def stamps(**months: int) -> Stamps:
    days = [date.fromisoformat(f"{name[1:5]}-{name[5:]}-01") for name in months]
    return Stamps({1: (days, list(months.values()))}, {})


def test_an_answer_depends_on_the_months_that_it_sums_and_on_no_others() -> None:
    asked = (1, date(2026, 2, 3), date(2026, 3, 31))
    first = stamps(m202601=1, m202602=2, m202603=3).between(*asked)
    assert stamps(m202601=9, m202602=2, m202603=3, m202604=9).between(*asked) == first
    assert stamps(m202601=1, m202602=2, m202603=9).between(*asked) != first
    # A month that was not there before; one that is there in the place of another.
    assert stamps(m202601=1, m202603=3).between(*asked) != first
    assert stamps(m202603=7).between(*asked) != stamps(m202602=7).between(*asked)
    assert stamps().between(2, date.min, date.max) == ()


def test_what_was_not_asked_for_the_longest_time_goes_first_and_the_longest_are_not_kept() -> None:
    answers = Answers(most=6_000)
    for name in ("a", "b"):
        answers.keep(name, (1,), name, 2_500)
    assert answers.get("a", (1,)) == "a"
    answers.keep("c", (1,), "c", 2_500)
    assert (answers.get("a", (1,)), answers.get("b", (1,)), answers.get("c", (1,))) == ("a", None, "c")
    answers.keep("a", (2,), "a2", 10_000)
    assert answers.get("a", (1,)) is None
    assert answers.get("a", (2,)) is None
    assert answers.get("c", (2,)) is None


async def _asked(database: Database, evaluator: Evaluator, code: str, **more: Any) -> tuple[float | None, int]:
    """A value, and how many questions it took."""
    indicator, count = evaluator.indicators.get(code), 0
    assert indicator is not None

    def counted(*_: object) -> None:
        nonlocal count
        count += 1

    event.listen(database.engine.sync_engine, "before_cursor_execute", counted)
    try:
        async with database.transaction() as connection:
            [value] = await evaluator.values(connection, indicator, [more.pop("period", YEAR)], **more)
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", counted)
    return value.value, count


async def test_a_second_look_asks_only_whether_anything_changed_and_a_correction_is_in_it(database: Database) -> None:
    evaluator = Evaluator()
    last_year = NOW - timedelta(days=400)
    await record(database, [[make.case("c1", 1).record(), make.case("c2", 1, opened_at=last_year).record(1)]])
    assert await _asked(database, evaluator, "cases-opened") == (1.0, 2)
    assert await _asked(database, evaluator, "cases-opened") == (1.0, 1)
    assert await _asked(database, evaluator, "cases-opened", period=BEFORE) == (1.0, 2)
    # The case of last year turns out to be of this one.
    await record(database, [[make.case("c2", 2).record(2)]])
    assert await _asked(database, evaluator, "cases-opened", period=BEFORE) == (None, 2)
    assert await _asked(database, evaluator, "cases-opened") == (2.0, 2)
    # What happens elsewhere makes nobody ask again.
    await record(database, [[make.concern("r1", 1).record(3)]])
    assert await _asked(database, evaluator, "cases-opened") == (2.0, 1)


async def test_nobody_is_answered_what_another_asked_for(database: Database) -> None:
    evaluator = Evaluator()
    await record(database, [[make.case("c1", 1).record(), make.case("c2", 1, unit="05455").record(1)]])
    own, other = frozenset({"05443"}), frozenset({"05455", "01840"})
    assert (await _asked(database, evaluator, "cases-opened"))[0] == 2.0
    assert (await _asked(database, evaluator, "cases-opened", units=own))[0] == 1.0
    assert (await _asked(database, evaluator, "cases-opened", units=other))[0] == 1.0
    assert (await _asked(database, evaluator, "cases-opened", units=frozenset()))[0] == 0.0
    assert (await _asked(database, evaluator, "cases-opened", as_of=NOW - timedelta(days=1)))[0] is None
    assert (await _asked(database, evaluator, "cases-opened"))[0] == 2.0


def test_every_shipped_indicator_finds_a_margin_for_all_that_its_pages_ask() -> None:
    missing = []
    for indicator in Indicators.load():
        for part in (indicator.numerator, indicator.denominator):
            # What lies in no commune of today is found among all communes, and is little.
            if part is None or "unit" in part.where:
                continue
            measure = MEASURES[part.measure].measure
            born = BORN in columns(measure)
            where = {BORN if name == "age" and born else name for name in part.where}
            hours = ["hours"] if indicator.shape == "percentile" else []
            for by in ("", "unit", *indicator.by):
                asked = {*where, *hours, *([BORN if by == "age" and born else by] if by else [])}
                # Of times each is by itself: there is nothing to sum up.
                if not (hours and by) and margin_for(measure, asked) is None:
                    missing.append((indicator.code, by))
    assert missing == []


@pytest.mark.parametrize("measure", list(Measure))
def test_margins_have_numbers_of_their_own_and_keep_what_they_say(measure: Measure) -> None:
    assert min(margin.number for margin in MARGINS) == FIRST > max(Measure)
    assert max(margin.number for margin in MARGINS) < 64
    assert max(Counter(margin.number for margin in MARGINS).values()) == 1
    names = columns(measure)
    cell = HistoryCell(measure, tuple(f"{name}-value" for name in names))
    found = margins_of(cell)
    assert found
    for number, kept in found:
        assert 0 < number < 2**63
        assert all(kept[name] == f"{name}-value" for name in kept)
