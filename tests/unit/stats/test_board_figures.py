"""A view's figures are what adding up its counts one by one gives, whatever was counted in whatever order."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.stats.domain.board import BoardFigures, CommuneFigures, Filter, Tally, What, Who
from services.stats.domain.cells import Kind
from shared.contracts.vocabulary import UNCLASSIFIED

UNITS = ("05443", "05455", "05500")
_UNIT = st.sampled_from((*UNITS, UNCLASSIFIED, ""))
_KIND = st.sampled_from(("", "violence", "neglect"))
_SEX = st.sampled_from(("male", "female", "unknown"))
_AGE = st.sampled_from(("0-3", "6-10", "unknown"))
_WHO = st.builds(Who, _UNIT, _KIND, _SEX, _AGE)
_WHAT = st.one_of(
    st.builds(What, st.just(Kind.CONCERN), st.just(""), st.just(""), st.sampled_from(("health", "police"))),
    st.builds(What, st.just(Kind.CASE), st.sampled_from(("high", "low", "unassessed")), st.just("open"), st.just("")),
    st.sampled_from(
        (
            What(Kind.CASE, "", "closed", ""),
            What(Kind.CASE, "", "merged", ""),
            What(Kind.ARRIVAL, "", "", ""),
            What(Kind.CHILD, "", "", ""),
        )
    ),
    st.builds(
        What,
        st.just(Kind.DEADLINE),
        st.just(""),
        st.sampled_from(("running", "nearing", "paused", "met", "met-late", "missed", "lapsed", "cancelled")),
        st.just(""),
    ),
    st.builds(
        What,
        st.just(Kind.TASK),
        st.just(""),
        st.sampled_from(("requested", "accepted", "overdue", "done")),
        st.just(""),
    ),
)
_CHOSEN = st.builds(
    Filter,
    st.one_of(st.none(), st.frozensets(st.sampled_from(UNITS))),
    st.sampled_from(("", *UNITS, UNCLASSIFIED, "99999")),
    _KIND,
    st.sampled_from(("", "male")),
    st.sampled_from(("", "0-3")),
)


@given(
    counted=st.lists(st.tuples(_WHO, _WHAT, st.integers(1, 5)), max_size=60),
    taken=st.sets(st.integers(0, 59)),
    chosen=_CHOSEN,
)
def test_a_view_is_the_sum_of_what_its_filter_lets_pass(
    counted: list[tuple[Who, What, int]], taken: set[int], chosen: Filter
) -> None:
    tally, counts = Tally(), Counter[tuple[Who, What]]()
    for who, what, n in counted:
        tally.add(tally.place(who, what), n)
        counts[who, what] += n
    for at in taken & set(range(len(counted))):
        who, what, n = counted[at]
        tally.add(tally.place(who, what), -n)
        counts[who, what] -= n
    assert dict(tally) == {group: n for group, n in counts.items() if n}
    units = [unit for unit in UNITS if chosen.units is None or unit in chosen.units]
    assert tally.figures(chosen, units) == recounted(counts, chosen, units)


def test_a_tally_that_outgrows_its_first_table_forgets_nothing() -> None:
    tally = Tally()
    groups = [
        (Who(f"unit-{at}", "violence", "male", "0-3"), What(Kind.CONCERN, "", "", f"sector-{at % 90}"))
        for at in range(700)
    ]
    for at, group in enumerate(groups):
        tally.add(tally.place(*group), at + 1)
    assert dict(tally) == {group: at + 1 for at, group in enumerate(groups)}
    figures = tally.figures(Filter(), [])
    assert figures.concerns == sum(range(701))
    assert {one.unit: one.concerns for one in figures.communes}["unit-699"] == 700


def test_nothing_counted_is_an_empty_board_with_a_line_a_commune() -> None:
    figures = Tally().figures(Filter(), UNITS)
    assert figures.empty
    assert [one.unit for one in figures.communes] == list(UNITS)


def recounted(counts: Counter[tuple[Who, What]], chosen: Filter, units: list[str]) -> BoardFigures:
    figures = BoardFigures()
    communes = {unit: CommuneFigures(unit) for unit in units if chosen.unit in {"", unit}}
    by_kind, by_age, by_sector = Counter[tuple[str, str]](), Counter[tuple[str, str]](), Counter[str]()
    for (who, what), n in counts.items():
        wanted = ((chosen.unit, who.unit), (chosen.kind, who.kind), (chosen.sex, who.sex), (chosen.age, who.age))
        if not n or any(word not in {"", one} for word, one in wanted):
            continue
        if chosen.units is not None and who.unit not in chosen.units:
            continue
        commune = communes.setdefault(who.unit, CommuneFigures(who.unit))
        if what.what == Kind.CONCERN:
            figures.concerns += n
            commune.concerns += n
            by_age[who.age, who.sex] += n
            by_sector[what.sector] += n
        elif what.what == Kind.ARRIVAL:
            figures.today += n
            commune.today += n
        elif what.what == Kind.CHILD:
            figures.children += n
            commune.children += n
        elif what.what == Kind.TASK:
            figures.tasks += n * (what.status != "done")
            figures.tasks_overdue += n * (what.status == "overdue")
        elif what.status == "open":
            figures.cases_open += n
            commune.open += n
            figures.high += n * (what.risk == "high")
            commune.high += n * (what.risk == "high")
            figures.unassessed += n * (what.risk == "unassessed")
            by_kind[who.kind, what.risk] += n
        elif what.status == "missed":
            figures.missed += n
            commune.missed += n
        elif what.status in {"running", "nearing", "paused"}:
            figures.running += n
        else:
            name = {"closed": "cases_closed", "met": "met", "met-late": "met_late", "lapsed": "lapsed"}.get(what.status)
            if name:
                setattr(figures, name, getattr(figures, name) + n)
    figures.by_kind, figures.by_age, figures.by_sector = dict(by_kind), dict(by_age), dict(by_sector)
    figures.communes = sorted(communes.values(), key=lambda one: (one.unit != UNCLASSIFIED, one.weight, one.unit))
    return figures
