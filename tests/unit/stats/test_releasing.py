"""Nobody who may only see aggregates gets a small figure, however many of the answers are laid side by side."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import combinations, product
from typing import Any

import pytest

from services.stats.domain.disclosure import Shown
from services.stats.domain.measures import MEASURES
from services.stats.domain.periods import Period
from services.stats.domain.releases import Tabled
from services.stats.figures.evaluating import Evaluator
from services.stats.figures.releasing import Releasing
from services.stats.figures.taking import Taking
from shared.database import Database
from shared.identity.principal import Principal, Role
from shared.reference.indicators import Indicator, Indicators, Part
from shared.web.i18n import ZONE
from tests.unit.stats import made_up_figures as made_up
from tests.unit.stats.attacker import Attacker, Cell, naive
from tests.unit.stats.made_up_figures import (
    COORDINATOR,
    INDICATORS,
    LATER,
    OPENINGS,
    SEXES,
    STATISTICIAN,
    UNITS,
    Province,
    Record,
)

YEAR = Period.parse("2026")
MONTHS = tuple(month.code for month in YEAR.parts("month"))
PERIODS = [YEAR, *(part for span in ("half-year", "quarter", "month", "week") for part in YEAR.parts(span))]
DIMENSIONS = {"month": MONTHS, "unit": UNITS, "kind": made_up.KINDS, "sex": SEXES, "risk": made_up.RISKS}
AREAS = [frozenset(area) for size in (1, 2, 4, 7) for area in combinations(UNITS, size)]
LEAST = 5


async def asked(
    door: Releasing, indicator: str | Indicator, period: Period, *by: str, who: Principal = STATISTICIAN, **more: Any
) -> list[Shown]:
    """What one is answered; long after the period, unless said."""
    one = INDICATORS.get(indicator) if isinstance(indicator, str) else indicator
    assert one is not None
    return await door.release(None, who, one, [period], by=by, **{"now": LATER, **more})  # type: ignore[arg-type]


def matching(part: Part, period: Period, **fixed: str | frozenset[str]) -> Callable[[Cell], bool]:
    months = {month.code for month in period.parts("month")}
    wanted: dict[str, Any] = {**part.where, **{k: v if isinstance(v, frozenset) else {v} for k, v in fixed.items()}}

    def matches(cell: Cell) -> bool:
        return cell.get("month", MONTHS[0]) in months and all(cell[name] in values for name, values in wanted.items())

    return matches


Answers = list[tuple[Part, Period, dict[str, Any], int | None]]


async def everything_of_openings(door: Releasing, connection: Any = None, now: datetime = LATER) -> Answers:
    """Every question about openings with its answers: what is asked, of which part, and how many (None: hidden)."""
    found: list[tuple[Part, Period, dict[str, Any], int | None]] = []
    for indicator, period in product(list(INDICATORS)[:4], PERIODS):
        parts = [part for part in (indicator.numerator, indicator.denominator) if part]
        questions: list[tuple[tuple[str, ...], frozenset[str] | None]] = [((), None), (("unit",), None)]
        questions += [((name,), None) for name in indicator.by]
        questions += [((), area) for area in AREAS] if period is YEAR else []
        questions += [(("unit", "sex"), None), (("sex",), frozenset(UNITS[:3]))]
        for by, area in questions:
            for shown in await door.release(connection, STATISTICIAN, indicator, [period], by=by, units=area, now=now):
                fixed: dict[str, Any] = dict(zip(by, shown.keys, strict=False))
                if area is not None:
                    fixed["unit"] = area
                if len(by) == len(shown.keys) and period.span != "week":
                    for part, n in zip(parts, (shown.numerator, shown.denominator), strict=False):
                        found.append((part, period, fixed, n))
                assert not (shown.hidden and (shown.value or shown.numerator or shown.denominator))
                assert period.span != "week" or shown.hidden == "not-offered"
    return found


def truth(province: Province, matches: Callable[[Cell], bool]) -> int:
    """What one who was released with the others counts: known when its month was released."""
    return sum(
        matches({**record.values, "month": Period.containing(record.day, "month").code})
        for record in province.records
        if record.known < datetime(record.day.year + record.day.month // 12, record.day.month % 12 + 1, 16, tzinfo=ZONE)
    )


def _small(province: Province, targets: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    counted = [(fixed, truth(province, matching(OPENINGS, YEAR, **fixed))) for fixed in targets]
    return [(fixed, n) for fixed, n in counted if 0 < n < LEAST]


def test_an_attacker_gives_back_what_is_hidden_by_hiding_small_counts_only() -> None:
    """He is a match for the naive: so it means something where he fails."""
    counts = {"05443": 2, "05446": 17, "05449": 31}
    attacker = Attacker({"unit": tuple(counts)})
    attacker.learn(lambda _: True, sum(counts.values()))
    for unit, n in naive(counts, LEAST):
        if n is not None:
            attacker.learn(lambda cell, unit=unit: cell["unit"] == unit, n)
    assert attacker.bounds(lambda cell: cell["unit"] == "05443") == (2, 2)


def test_an_attacker_gives_back_what_is_hidden_twice_over_one_total() -> None:
    """Two small ones that make a sum of few hide nothing: each is 1, as neither is 0."""
    attacker = Attacker({"unit": ("a", "b", "c")})
    attacker.learn(lambda _: True, 32)
    attacker.learn(lambda cell: cell["unit"] == "c", 30)
    attacker.hears_of(lambda cell: cell["unit"] == "a")
    attacker.hears_of(lambda cell: cell["unit"] == "b")
    assert attacker.bounds(lambda cell: cell["unit"] == "a") == (1, 1)


async def _attacked(province: Province) -> Attacker:
    """An attacker who was answered everything of openings."""
    attacker = Attacker(DIMENSIONS)
    tell(attacker, province, await everything_of_openings(made_up.releasing(province)))
    return attacker


def tell(attacker: Attacker, province: Province, answers: Answers) -> None:
    """Let him know what was answered, which is what was true of the province when it was released."""
    for part, period, fixed, n in answers:
        matches = matching(part, period, **fixed)
        if n is not None:
            assert n == truth(province, matches)
            attacker.learn(matches, n)
        elif truth(province, matches) and len(fixed) == 1 and part is OPENINGS and period is YEAR:
            attacker.hears_of(matches)


@pytest.mark.parametrize(("seed", "count"), [(2, 90), (3, 160), (5, 900)])
async def test_no_small_figure_is_given_back_by_all_that_is_released_of_a_year(seed: int, count: int) -> None:
    """Over months, quarters, communes, areas, kinds, sexes, risks, overlapping indicators and ratios at once."""
    province = Province(made_up.openings(seed, count))
    kept_from(await _attacked(province), province, seed)


def kept_from(attacker: Attacker, province: Province, seed: int) -> None:
    """Raises AssertionError where he knows a small figure, or that one is small: of each dimension, of some pairs."""
    alone = [{name: value} for name, values in DIMENSIONS.items() for value in values]
    pairs = [
        {one: value, other: second}
        for one, other in combinations(DIMENSIONS, 2)
        for value, second in product(DIMENSIONS[one], DIMENSIONS[other])
    ]
    chance = random.Random(seed)
    together = _small(province, pairs)
    few = _small(province, alone) + chance.sample(together, min(8, len(together)))
    assert few
    for fixed, n in few:
        low, high = attacker.bounds(matching(OPENINGS, YEAR, **fixed))
        assert low <= n <= high
        assert low < high, f"{fixed} is {n}: told"
        assert high >= LEAST, f"{fixed} is {n}: told to be few"


async def test_whoever_knows_one_commune_does_not_learn_another() -> None:
    """A chair knows the own commune to the last case, and is told what everybody is."""
    counts = dict(zip(UNITS, (3, 19, 20, 21, 22, 23, 24, 25), strict=True))
    values = {"kind": "neglect", "sex": "male", "risk": "low"}
    day = datetime(2026, 2, 1, tzinfo=ZONE)
    province = Province(
        [Record("openings", day.date(), day, {**values, "unit": unit}) for unit, n in counts.items() for _ in range(n)]
    )
    shown = await asked(made_up.releasing(province), "opened", YEAR, "unit")
    hidden = [one.keys[0] for one in shown if one.hidden]
    assert UNITS[0] in hidden
    assert len(hidden) < len(UNITS)
    for own in hidden[1:]:
        attacker = await _attacked(province)
        attacker.learn(matching(OPENINGS, YEAR, unit=own), counts[own])
        low, high = attacker.bounds(matching(OPENINGS, YEAR, unit=UNITS[0]))
        assert low <= 3 < LEAST <= high


CIRCUMSTANCES = ("", "01", "02", "03", "poor", "01+02", "01+03", "02+03", "01+poor", "02+poor", "03+poor", "01+02+03")
CHILDREN_DIMENSIONS = {
    "unit": UNITS,
    "sex": SEXES,
    "age": ("0-5", "6-15", "16+"),
    "circumstance": CIRCUMSTANCES,
    "supported": ("yes", "no"),
}


def _children_matching(part: Part, fixed: dict[str, Any]) -> Callable[[Cell], bool]:
    def matches(cell: Cell) -> bool:
        had = set(cell["circumstance"].split("+"))
        return all(
            bool(had & set(values)) if name == "circumstance" else cell[name] in values
            for name, values in (*part.where.items(), *((name, {value}) for name, value in fixed.items()))
        )

    return matches


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_no_small_figure_is_given_back_where_a_child_is_in_two_circumstances(seed: int) -> None:
    """Tables of circumstances do not add up to the children in them, and the poor are partly among them."""
    year = Period.parse("2026")
    records = [
        record
        for record in made_up.children(seed, 900)
        if "+".join(record.values["circumstance"]) in CIRCUMSTANCES and record.day <= year.last
    ]
    door, attacker = made_up.releasing(Province(records)), Attacker(CHILDREN_DIMENSIONS)
    hidden: list[tuple[Callable[[Cell], bool], int]] = []
    for indicator in list(INDICATORS)[4:]:
        parts = [part for part in (indicator.numerator, indicator.denominator) if part]
        for by in ((), ("unit",), *((name,) for name in indicator.by)):
            for shown in await asked(door, indicator, year, *by):
                if len(by) > len(shown.keys):
                    continue
                for part, n in zip(parts, (shown.numerator, shown.denominator), strict=False):
                    matches = _children_matching(part, dict(zip(by, shown.keys, strict=True)))
                    true = sum(
                        matches({**r.values, "circumstance": "+".join(r.values["circumstance"])}) for r in records
                    )
                    if n is not None:
                        assert n == true
                        attacker.learn(matches, n)
                    elif 0 < true < LEAST:
                        hidden.append((matches, true))
    for matches, n in hidden:
        low, high = attacker.bounds(matches)
        assert low <= n <= high
        assert low < high


async def test_two_dates_of_what_stands_never_differ_by_few() -> None:
    """Whoever asks at each month's end must not learn that one child came."""
    door = made_up.releasing(Province(made_up.children(4, 700)))
    ends = [*Period.parse("2025").parts("month"), *Period.parse("2026").parts("month")]
    seen: dict[tuple[str, ...], set[int]] = {}
    for period, by in product(ends, ((), ("unit",), ("sex",))):
        for shown in await asked(door, "children", period, *by):
            if shown.numerator is not None:
                seen.setdefault((*by, *shown.keys), set()).add(shown.numerator)
    assert len(seen[()]) > 1
    assert any(len(one) > 1 for key, one in seen.items() if "unit" in key)
    for key, numbers in seen.items():
        assert all(abs(one - other) >= LEAST for one, other in combinations(numbers, 2)), key


async def test_what_stands_is_released_only_where_all_that_came_and_went_is() -> None:
    """Open now = open before + opened - closed: of three known, the fourth is."""
    day = datetime(2026, 3, 1, tzinfo=ZONE)
    values = {"unit": UNITS[0], "kind": "neglect", "sex": "male", "risk": "low"}
    standing = [Record("children", date(2025, 1, 1), day, {**values, "age": "0-5", "circumstance": ("",)})] * 30
    rows = {"openings": {"base": "year"}, "children": {"base": "year", "balance": ["openings"]}}
    for opened, told in ((3, False), (0, True), (8, True)):
        province = Province([*standing, *[Record("openings", day.date(), day, values)] * opened])
        for record in province.records:
            record.values.setdefault("supported", "no")
        door = made_up.releasing(province, monthly=[], measures=rows)
        shown = await asked(door, "children", YEAR)
        assert [one.numerator for one in shown] == [30 if told else None]


async def test_a_figure_is_answered_in_one_way_however_often_and_as_of_whenever_it_is_asked() -> None:
    """A record that comes late, or is corrected, is not seen as the difference of two answers."""
    province = Province(made_up.openings(7, 400))
    door, answers = made_up.releasing(province), dict[Any, set[int]]()
    moments = [datetime(2026 + month // 12, month % 12 + 1, day, tzinfo=ZONE) for month in range(15) for day in (3, 20)]
    for now, period in product(moments, (YEAR, *YEAR.parts("quarter"), *YEAR.parts("month"))):
        for as_of in (None, datetime(2026, 7, 20, 9, tzinfo=ZONE)):
            for shown in await asked(door, "opened", period, now=now, as_of=as_of):
                if shown.numerator is not None:
                    answers.setdefault(period, set()).add(shown.numerator)
                    assert now >= datetime(period.last.year, period.last.month, period.last.day, tzinfo=ZONE)
    assert len(answers) == 17
    assert all(len(one) == 1 for one in answers.values())
    fresh = made_up.releasing(province)
    assert {p: {one.numerator for one in await asked(fresh, "opened", p)} for p in answers} == answers


async def test_what_is_released_does_not_depend_on_what_was_asked_first() -> None:
    """Two people who ask in another order must not be told what one of them was not."""
    province = Province([*made_up.openings(8, 500), *made_up.children(8, 900)])
    questions = [
        (indicator.code, by) for indicator in INDICATORS for by in ((), ("unit",), *((name,) for name in indicator.by))
    ]
    answers = []
    for turned in (False, True):
        door = made_up.releasing(province)
        chosen = questions[::-1] if turned else questions
        answers.append({question: await asked(door, question[0], YEAR, *question[1]) for question in chosen})
    assert answers[0] == answers[1]
    assert any(one.hidden == "protected" for shown in answers[0].values() for one in shown)


async def test_an_area_is_shown_where_it_cuts_through_nothing_hidden() -> None:
    """An old district is the sum of communes that are shown, or of all that are hidden together and others."""
    records = made_up.openings(3, 160)
    door = made_up.releasing(Province(records))
    by_unit = {one.keys[0]: one for one in await asked(door, "opened", YEAR, "unit")}
    hidden = frozenset(unit for unit, one in by_unit.items() if one.hidden)
    assert hidden
    assert hidden != set(UNITS)
    for area, told in ((hidden, True), (hidden - {min(hidden)}, False), (frozenset(UNITS) - hidden, True)):
        shown = await asked(door, "opened", YEAR, units=area)
        assert [one.numerator is not None for one in shown] == [told]


async def test_who_may_open_the_cases_sees_figures_as_they_are_of_the_own_communes_only() -> None:
    """Exactness is kept from nobody who is entitled to it."""
    province = Province(made_up.openings(2, 90))
    door, now = made_up.releasing(province), datetime(2026, 6, 1, tzinfo=ZONE)
    whole = [Shown.of(value) for value in await province.values(None, _of("opened"), [YEAR], by=("unit", "sex"))]
    assert await asked(door, "opened", YEAR, "unit", "sex", who=COORDINATOR, now=now) == whole
    chair = Principal("b", "B", Role.CHAIR, frozenset({UNITS[4]}))
    own = await asked(door, "opened", YEAR, "unit", "sex", who=chair, now=now)
    assert own == [one for one in whole if one.keys[0] == UNITS[4]]
    assert await asked(door, "opened", YEAR, who=chair, units=frozenset({UNITS[5]})) == [Shown(YEAR, (), 0.0, 0)]


@pytest.mark.parametrize("role", [Role.STATISTICIAN, Role.SECTOR, Role.OPERATOR, Role.AGENCY, Role.PARTNER])
async def test_who_may_not_open_cases_sees_what_is_released(role: Role) -> None:
    """Whatever role comes to see figures, it sees the released ones unless it may open cases."""
    province = Province(made_up.openings(3, 160))
    door = made_up.releasing(province)
    assert await asked(door, "opened", YEAR, "unit", who=Principal("x", "X", role, "all")) == await asked(
        door, "opened", YEAR, "unit"
    )


async def test_an_officer_of_some_communes_sees_of_them_what_all_are_told() -> None:
    """Where one sits changes nothing but which part is shown."""
    door = made_up.releasing(Province(made_up.openings(3, 160)))
    officer = Principal("x", "X", Role.SECTOR, frozenset(UNITS[:3]))
    everywhere = await asked(door, "opened", YEAR, "unit")
    mine = await asked(door, "opened", YEAR, "unit", who=officer)
    assert mine == [one for one in everywhere if one.keys[0] in UNITS[:3]]
    assert [one.hidden for one in await asked(door, "opened", YEAR, "sex", who=officer)] == ["not-offered"]


@pytest.mark.parametrize(
    ("code", "by", "now", "why"),
    [
        ("2026-W10", (), LATER, "not-offered"),
        ("2026-03-01", (), LATER, "not-offered"),
        ("2026-SY", (), LATER, "not-offered"),
        ("2026-03", ("unit",), LATER, "not-offered"),
        ("2026", ("unit", "sex"), LATER, "not-offered"),
        ("2026", (), datetime(2027, 1, 16, 23, 59, tzinfo=ZONE), "not-released"),
        ("2026", (), datetime(2027, 1, 17, tzinfo=ZONE), None),
        ("2026..2027", (), datetime(2027, 6, 1, tzinfo=ZONE), "not-released"),
        ("2026..2027", ("sex",), LATER, None),
    ],
)
async def test_what_crosses_the_released_periods_is_not_offered_and_nothing_comes_early(
    code: str, by: tuple[str, ...], now: datetime, why: str | None
) -> None:
    """Weeks cut months, school years cut years: what one has more than the other is few."""
    door = made_up.releasing(Province(made_up.openings(9, 1200, years=(2026, 2027))))
    assert {one.hidden for one in await asked(door, "opened", Period.parse(code), *by, now=now)} == {why}


async def test_a_small_month_is_shown_only_in_a_sum_that_does_not_tell_it() -> None:
    """What was released stays, so the months after it are hidden with it; a year that would tell it is hidden, too."""
    counts = [20, 2, 15, 15, 20, 20, 20, 20, 20, 20, 20, 20]
    assert await _months(counts) == ([20, None, None, 15, 20, 20, 20, 20, 20, 20, 20, 20], 212)
    assert await _months([*counts[:11], 2]) == ([20, None, None, 15, *[20] * 7, None], None)


async def _months(counts: Sequence[int]) -> tuple[list[int | None], int | None]:
    values = {"unit": UNITS[0], "kind": "neglect", "sex": "male", "risk": "low"}
    records = [
        Record("openings", date(2026, month, 3), datetime(2026, month, 3, tzinfo=ZONE), values)
        for month, n in enumerate(counts, start=1)
        for _ in range(n)
    ]
    door = made_up.releasing(Province(records))
    months = [one.numerator for month in YEAR.parts("month") for one in await asked(door, "opened", month)]
    return months, (await asked(door, "opened", YEAR))[0].numerator


async def test_a_percentile_is_shown_of_many_and_in_whole_hours_only() -> None:
    """Nine of ten of twenty cases is the second longest: it is that case's."""
    for n, told in ((9, False), (49, False), (50, True)):
        values = {"unit": UNITS[0], "kind": "neglect", "sex": "male", "risk": "low"}
        day = datetime(2026, 2, 1, tzinfo=ZONE)
        province = Province([Record("openings", day.date(), day, {**values, "hours": str(n)})] * n)
        hours = made_up.indicator("hours", OPENINGS, shape="percentile", at=90, by=("sex",))
        indicators = Indicators([*INDICATORS, hours], {"t": ("T", "T")})
        ledger = made_up.Ledger(made_up.taking(province, indicators, monthly=[]))
        door = Releasing(ledger, province, indicators, made_up.disclosure(monthly=[]))
        shown = await asked(door, hours, YEAR, "sex")
        assert [(one.value, one.numerator) for one in shown] == [(float(n) if told else None, None)]
        assert [one.hidden for one in shown] == [None if told else "protected"]


async def test_every_shipped_indicator_is_released_by_whatever_it_is_broken_down_by() -> None:
    """Each is found in the catalogue: none fails, and none is answered in another way than the rule says."""
    province = Province([])
    shipped = Indicators.load()
    door = Releasing(made_up.Ledger(Taking(province.count, province)), province)
    for indicator in shipped:
        if indicator.shape == "reported":
            continue
        for by in ((), ("unit",), *((dimension,) for dimension in indicator.by)):
            for period in (YEAR, Period.parse("2026-03")):
                shown = await door.release(None, STATISTICIAN, indicator, [period], by=by, now=LATER)  # type: ignore[arg-type]
                assert shown or by, indicator.code
                assert {one.hidden for one in shown} <= {None, "not-offered", "protected"}, indicator.code
    children = shipped.get("children")
    assert children is not None
    shown = await door.release(None, STATISTICIAN, children, [YEAR], by=("circumstance",), now=LATER)  # type: ignore[arg-type]
    assert [one.hidden for one in shown] == ["not-offered"]


async def test_history_answers_whatever_the_release_of_a_shipped_indicator_asks(database: Database) -> None:
    """Each dimension that tells indicators apart is one of the measure's, as history keeps it."""
    taking = Taking(Evaluator().count, Province([]))
    async with database.transaction() as connection:
        taken = await taking.take(connection, Period.parse("2026-12"))
        assert {tabled.measure for tabled in taken.counts} == {*MEASURES} - {"activities", "people-reached"}
        assert Tabled("spans", (), ("unit", "hours")) in taken.counts


def _of(code: str) -> Indicator:
    found = INDICATORS.get(code)
    assert found is not None
    return found
