"""Official periods: frozen, numbered and signed once; corrected by revisions with their reason; safe when published."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from services.stats.domain.closing import Edition, Frozen, changes, check_reason
from services.stats.domain.periods import Period
from services.stats.store import closings
from shared.contracts.errors import Rejected
from shared.identity import NotAllowedError
from shared.privacy.signing import SigningKey, is_signed
from tests.unit.stats.closed_house import CHAIR, KEY, MONTH, House, at, figure, house, opening
from tests.unit.stats.made_up_figures import COORDINATOR, STATISTICIAN, UNITS, Record, openings

OCTOBER = date(2026, 10, 10)
RECORDS = [*(opening(OCTOBER, unit) for unit in UNITS[:4] for _ in range(7)), opening(OCTOBER, UNITS[5])]


@pytest.fixture
async def desk(fresh_database: str) -> AsyncIterator[House]:
    async with house(fresh_database, list(RECORDS)) as made:
        yield made


def _rule(rejected: pytest.ExceptionInfo[Rejected]) -> str:
    return rejected.value.violations[0].rule


async def test_a_closed_month_keeps_its_figures_whatever_is_counted_later(desk: House) -> None:
    closed = await desk.close()
    assert figure(closed, "opened") == 29
    assert figure(closed, "opened", "unit", UNITS[0]) == 7
    assert figure(closed, "opened", "sex", "female") == 29
    desk.later(days=3)
    desk.province.records.append(opening(OCTOBER, known=desk.now))
    await desk.periods.look_after()
    assert await desk.edition() == closed


async def test_a_closing_counts_what_was_known_when_its_day_began(desk: House) -> None:
    """So that the same closing, made again or by another replica, gives the same figures."""
    desk.province.records.append(opening(OCTOBER, known=at(desk.now.date(), 8)))
    assert figure(await desk.close(), "opened") == 29


async def test_numbers_of_a_year_have_no_gaps_and_are_never_given_twice(desk: House) -> None:
    codes = ["2026-08", "2026-09", "2026-10", "2026-Q3"]
    for code in codes:
        await desk.periods.close(COORDINATOR, code)
    await asyncio.gather(*(desk.replica().look_after() for _ in range(3)))
    await desk.periods.look_after()
    numbers = [(await desk.edition(code)).number for code in codes]
    assert sorted(numbers) == ["01/2026", "02/2026", "03/2026", "04/2026"]


async def test_what_is_signed_is_checked_by_its_bytes_and_nothing_else_passes(desk: House) -> None:
    await desk.close()
    signed = await desk.periods.exact(MONTH)
    assert signed is not None
    assert is_signed(signed.content, signed.signature, signed.public_key)
    assert not is_signed(signed.content.replace(b"29.0", b"28.0"), signed.signature, signed.public_key)
    assert not is_signed(signed.content, signed.signature, SigningKey(bytes(32), "another purpose").public)
    assert not is_signed(signed.content, b"short", signed.public_key)
    assert signed.public_key == KEY.public
    assert Edition.read(signed.content).content() == signed.content


@pytest.mark.parametrize("table", ["closed_period", "published_period", "published_figure"])
async def test_the_database_itself_refuses_to_change_what_is_frozen(desk: House, table: str) -> None:
    await desk.close()
    desk.later(days=30)
    await desk.periods.look_after()
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET period = '2026-01'", f"TRUNCATE {table} CASCADE"):
        with pytest.raises(DBAPIError, match="frozen"):
            async with desk.database.transaction() as connection:
                await connection.execute(text(statement))


async def test_only_whoever_answers_for_the_whole_province_closes(desk: House) -> None:
    for somebody in (STATISTICIAN, CHAIR):
        with pytest.raises(NotAllowedError):
            await desk.periods.close(somebody, MONTH)
        with pytest.raises(NotAllowedError):
            await desk.periods.revise(somebody, MONTH, "late")


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("2026-11", "period-not-over"),
        ("2026-W40", "period-not-closable"),
        ("2026-SY", "period-not-closable"),
        ("tháng 10", "period-unknown"),
    ],
)
async def test_what_cannot_be_closed_is_refused_with_its_reason(desk: House, code: str, rule: str) -> None:
    with pytest.raises(Rejected) as refused:
        await desk.periods.close(COORDINATOR, code)
    assert _rule(refused) == rule


async def test_a_period_is_closed_once(desk: House) -> None:
    await desk.periods.close(COORDINATOR, MONTH)
    with pytest.raises(Rejected) as asked_twice:
        await desk.periods.close(COORDINATOR, MONTH)
    assert _rule(asked_twice) == "period-asked"
    await desk.periods.look_after()
    with pytest.raises(Rejected) as closed_twice:
        await desk.periods.close(COORDINATOR, MONTH)
    assert _rule(closed_twice) == "period-closed"


async def test_nothing_is_closed_while_the_two_ways_of_counting_differ(desk: House) -> None:
    async with desk.database.transaction() as connection:
        await connection.execute(
            text("INSERT INTO self_check VALUES (true, :now, CAST(:found AS jsonb))"),
            {"now": desk.now, "found": '{"cube and history": 1}'},
        )
    with pytest.raises(Rejected) as refused:
        await desk.periods.close(COORDINATOR, MONTH)
    assert _rule(refused) == "figures-differ"


async def test_nothing_is_frozen_before_all_that_was_said_is_counted(desk: House) -> None:
    desk.counted = False
    await desk.periods.close(COORDINATOR, MONTH)
    await desk.periods.look_after()
    assert await desk.periods.exact(MONTH) is None
    desk.counted = True
    await desk.periods.look_after()
    assert await desk.periods.exact(MONTH) is not None


async def _corrected(desk: House, extra: Record | None = None) -> None:
    """Closed, then a report came late."""
    await desk.close()
    desk.later(days=2)
    desk.province.records.append(extra or opening(OCTOBER, known=desk.now))
    desk.later(days=1)


async def test_a_correction_appears_as_a_revision_with_its_reason_and_every_figure_that_changed(desk: House) -> None:
    await _corrected(desk)
    await desk.periods.revise(COORDINATOR, MONTH, "late", "12/BC-SYT")
    await desk.periods.look_after()
    revised, first = await desk.edition(), await desk.edition(number=0)
    assert (revised.edition, revised.number, revised.reason, revised.reference) == (1, "02/2026", "late", "12/BC-SYT")
    assert (figure(first, "opened"), figure(revised, "opened")) == (29, 30)
    told = {(one.indicator, one.dimension, one.category): (one.before, one.after) for one in revised.changes}
    assert told["opened", "", ""] == (29, 30)
    assert told["opened", "unit", UNITS[0]] == (7, 8)
    assert ("opened", "unit", UNITS[1]) not in told
    signed = await desk.periods.exact(MONTH, 0)
    assert signed is not None
    assert revised.before == signed.digest.hex()


async def test_what_differs_by_now_is_found_every_day_without_being_asked(desk: House) -> None:
    await _corrected(desk)
    await desk.periods.look_after()
    standing = await desk.periods.standing(MONTH)
    assert standing is not None
    assert standing.drift is not None
    assert standing.drift.changed == len(await desk.periods.changes_now(Period.parse(MONTH))) > 0


async def test_a_revision_is_refused_where_nothing_changed_or_its_reason_is_none(desk: House) -> None:
    with pytest.raises(Rejected) as not_closed:
        await desk.periods.revise(COORDINATOR, MONTH, "late")
    assert _rule(not_closed) == "period-open"
    await desk.close()
    with pytest.raises(Rejected) as at_once:
        await desk.periods.revise(COORDINATOR, MONTH, "late")
    assert _rule(at_once) == "revised-today"
    desk.later(days=1)
    with pytest.raises(Rejected) as nothing:
        await desk.periods.revise(COORDINATOR, MONTH, "late")
    assert _rule(nothing) == "nothing-changed"
    with pytest.raises(Rejected) as reason:
        await desk.periods.revise(COORDINATOR, MONTH, "vì cháu Lan")
    assert _rule(reason) == "reason-not-listed"


@pytest.mark.parametrize("reference", ["Nguyễn Thị Lan", "12/BC-SYT cháu Lan", "12", "12/bc", "1/BC-SYT\n"])
def test_no_name_fits_into_the_number_of_a_letter(reference: str) -> None:
    with pytest.raises(Rejected):
        check_reason("late", ["late"], reference)


@pytest.mark.parametrize("reference", ["", "12/BC-SYT", "345/2026/QĐ-UBND", "7/BC"])
def test_the_number_of_a_letter_is_taken(reference: str) -> None:
    check_reason("late", ["late"], reference)


async def test_events_say_that_a_period_was_closed_and_revised_and_no_figure(desk: House) -> None:
    await _corrected(desk)
    await desk.periods.revise(COORDINATOR, MONTH, "late")
    await desk.periods.look_after()
    (closed, first), (revised, second) = await desk.told()
    assert (closed, revised) == ("vn.vongtay.stats.period.closed", "vn.vongtay.stats.period.revised")
    assert (first["period"], first["number"]) == (MONTH, "01/2026")
    assert (second["revision"], second["reason"]) == (1, "late")
    # How many figures a revision changes tells of few children.
    assert {*first, *second} <= {"period", "number", "as_of", "digest", "revision", "reason", "reference"}


async def test_what_is_published_hides_small_figures_and_comes_when_it_is_released(desk: House) -> None:
    desk.province.records[:] = openings(5, 900)
    desk.now = at(date(2027, 1, 5))
    exact = await desk.close("2026")
    assert await desk.periods.published("2026") is None
    desk.now = at(date(2027, 1, 17))
    await desk.periods.look_after()
    signed = await desk.periods.published("2026")
    assert signed is not None
    assert is_signed(signed.content, signed.signature, signed.public_key)
    published = signed.read()
    assert published.number == exact.number
    assert published.by == ""
    small = [one for one in exact.figures if one.numerator is not None and 0 < one.numerator < 5]
    assert small
    assert all((told := published.at_place().get(one.place)) is None or told.hidden for one in small)
    assert any(one.value is not None and one.dimension == "unit" for one in published.figures)
    assert all(one.value is None and one.numerator is None for one in published.figures if one.hidden)


async def test_what_is_published_is_never_published_anew(desk: House) -> None:
    await _corrected(desk)
    await desk.periods.revise(COORDINATOR, MONTH, "late")
    desk.later(days=30)
    await desk.periods.look_after()
    first = await desk.periods.published(MONTH)
    desk.later(days=30)
    await desk.periods.look_after()
    assert await desk.periods.published(MONTH) == first


async def test_other_tools_read_published_figures_by_sql_and_nothing_beside(desk: House, fresh_database: str) -> None:
    await desk.close()
    desk.later(days=30)
    await desk.periods.look_after()
    async with desk.database.transaction() as connection:
        await connection.execute(text("CREATE ROLE a_reader LOGIN PASSWORD 'r'"))
        await connection.execute(text("GRANT USAGE ON SCHEMA published TO a_reader"))
        await connection.execute(text("GRANT SELECT ON published.figures TO a_reader"))
    engine = create_async_engine(desk.database.engine.url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET ROLE a_reader"))
            rows = (await connection.execute(text("SELECT indicator, value FROM published.figures"))).all()
            assert ("opened", 29.0) in [tuple(row) for row in rows]
            for table in ("closed_period", "published_period", "version", "movement"):
                await connection.rollback()
                await connection.execute(text("SET ROLE a_reader"))
                with pytest.raises(DBAPIError, match="permission denied"):
                    await connection.execute(text(f"SELECT * FROM {table}"))
            await connection.rollback()
    finally:
        await engine.dispose()
        async with desk.database.transaction() as connection:
            await connection.execute(text("DROP OWNED BY a_reader"))
            await connection.execute(text("DROP ROLE a_reader"))


async def test_somebody_of_a_commune_sees_of_an_edition_that_commune_alone(desk: House) -> None:
    edition = (await desk.close()).of_units({UNITS[0]})
    assert {(one.dimension, one.category) for one in edition.figures} == {("unit", UNITS[0])}


async def test_a_closing_that_dies_before_its_commit_is_made_again_with_the_same_number(
    desk: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dying(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(closings, "set_drift", dying)
        await desk.periods.close(COORDINATOR, MONTH)
        await desk.periods.look_after()
    assert await desk.periods.exact(MONTH) is None
    desk.later(days=1)
    await desk.periods.look_after()
    edition = await desk.edition()
    assert edition.number == "01/2026"
    assert edition.as_of == at(date(2026, 11, 3), 0)


def test_a_figure_that_is_there_no_more_is_a_change_too() -> None:
    one = Frozen("a", MONTH, "unit", "05443", 3.0, 3, None)
    assert [(found.before, found.after) for found in changes([one], [])] == [(3.0, None)]
    assert changes([one], [one._replace(numerator=4)]) != []
    assert changes([one], [one]) == []


def test_that_nobody_is_counted_is_told_and_an_edition_that_left_it_out_says_nothing_else() -> None:
    nobody = Frozen("a", MONTH, "unit", "05443", 0.0, 0, None)
    assert changes([], [nobody]) == []
    # A handed in 0, or a figure that is hidden, is something else than nothing.
    assert changes([], [nobody._replace(numerator=None)]) != []
    assert changes([], [nobody._replace(value=None, numerator=None, hidden="protected")]) != []


async def test_a_commune_without_a_case_has_0_in_an_edition_and_of_a_share_nothing(desk: House) -> None:
    edition = await desk.close()
    quiet = desk.province.units.codes()[-1]
    assert (figure(edition, "opened", "unit", UNITS[0]), figure(edition, "opened", "unit", quiet)) == (7, 0)
    shares = {one.indicator for one in edition.figures if one.denominator is not None and one.dimension == "unit"}
    assert all((code, MONTH, "unit", quiet) not in edition.at_place() for code in shares)
    desk.later(days=20)
    await desk.periods.look_after()
    signed = await desk.periods.published(MONTH)
    assert signed is not None
    # Of a month nothing is published by commune: no 0 either.
    assert [one for one in signed.read().figures if one.dimension == "unit"] == []
