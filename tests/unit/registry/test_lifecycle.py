"""The life of a record: whatever is done with it, no child is lost or counted twice, and no date is left behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from services.registry.domain import lifecycle
from services.registry.domain.lifecycle import Life, add_months, ages_out_on, due_on
from services.registry.domain.sampling import agreement, alike, compared, draw, sample_size
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription, Person, RecordStatus, age_on
from shared.identity import Role
from shared.reference.keeping import Keeping

RULES = Keeping.load()
PERIODS = RULES.periods.on(date(2026, 11, 25))


class Lives(RuleBasedStateMachine):
    """A day at a time, whatever may be done with some records is tried; what is refused changes nothing."""

    children = Bundle("children")

    def __init__(self) -> None:
        super().__init__()
        self.today = date(2026, 11, 25)
        self.lives: dict[int, Life] = {}
        self.counted: dict[int, bool] = {}  # as somebody counts who hears the events alone
        self.renewed: set[int] = set()

    @initialize(target=children)
    def first(self) -> int:
        return self._new(date(2012, 3, 1))

    @rule(target=children, days=st.integers(0, 6200))
    def register(self, days: int) -> int:
        return self._new(self.today - timedelta(days=days))

    @rule(child=children)
    def check(self, child: int) -> None:
        self._try(child, lambda life: lifecycle.check(life, self.today))

    @rule(child=children, back=st.integers(-3, 40), special=st.booleans())
    def verify(self, child: int, back: int, special: bool) -> None:
        on = self.today - timedelta(days=back)
        due = due_on(on, ChildDescription(), 2015, special=special, periods=PERIODS)
        self._try(child, lambda life: lifecycle.verify(life, on, due, self.today))

    @rule(child=children)
    def arrive(self, child: int) -> None:
        self._try(child, lifecycle.arrive)

    @rule(child=children)
    def move_away(self, child: int) -> None:
        self._try(child, lambda life: lifecycle.move_away(life, self.today, self.today))

    @rule(child=children)
    def die(self, child: int) -> None:
        self._try(child, lambda life: lifecycle.die(life, self.today, None, self.today))

    @rule(child=children)
    def withdraw(self, child: int) -> None:
        self._try(child, lifecycle.withdraw)

    @rule(target=children, child=children)
    def adopt_and_renew(self, child: int) -> object:
        if not self._try(child, lambda life: lifecycle.adopt(life, self.today, self.today)):
            return multiple()
        self.renewed.add(child)
        out = self.lives[child].ages_out_on
        return self._new(add_months(out or self.today, -12 * 16))

    @rule(child=children)
    def come_back(self, child: int) -> None:
        renewed = child in self.renewed
        self._try(child, lambda life: lifecycle.come_back(life, self.today, renewed=renewed))

    @rule(child=children)
    def erase(self, child: int) -> None:
        self._try(child, lifecycle.erase)

    @rule(child=children, years=st.integers(1, 5))
    def birth_date_corrected(self, child: int, years: int) -> None:
        life = self.lives[child]
        if life.ages_out_on is not None:
            later = add_months(life.ages_out_on, 12 * years)
            self.lives[child] = Life(
                life.state, life.status, life.checked_on, life.verified_on, life.due_on, min(later, date(2060, 1, 1))
            )
            self._tick(child)

    @rule(days=st.integers(1, 500))
    def days_pass(self, days: int) -> None:
        self.today += timedelta(days=days)
        for child in self.lives:
            self._tick(child)

    def _new(self, born: date) -> int:
        child = len(self.lives)
        self.lives[child] = Life(ages_out_on=ages_out_on(ChildDescription(birth_date=born), None))
        self.counted[child] = True
        self._tick(child)
        return child

    def _tick(self, child: int) -> None:
        for happens in (lifecycle.fall_due, lifecycle.grow_up):
            after = happens(self.lives[child], self.today)
            if after is not None:
                self._save(child, after)
                assert happens(after, self.today) is None, "time tells each thing once"

    def _try(self, child: int, act: Callable[[Life], Life]) -> bool:
        try:
            after = act(self.lives[child])
        except Rejected:
            return False
        self._save(child, after)
        self._tick(child)
        return True

    def _save(self, child: int, life: Life) -> None:
        assert self.lives[child].status != "erased" or life == self.lives[child], "something came after erasure"
        self.lives[child] = life
        self.counted[child] = life.status == "active"

    @invariant()
    def no_date_is_left_behind(self) -> None:
        for life in self.lives.values():
            waits = life.kept_up and life.state in {"verified", "due"}
            assert (life.due_on is not None) == waits, life
            if life.kept_up and life.state == "verified":
                assert life.due_on is not None
                assert life.due_on > self.today, "it was not told that its day had come"

    @invariant()
    def whoever_is_a_child_is_counted_once(self) -> None:
        for child, life in self.lives.items():
            assert self.counted[child] == life.kept_up
            assert not (life.kept_up and lifecycle.is_of_age(life, self.today))
            if child in self.renewed:
                assert not life.kept_up, "the adopted child's two records are both counted"

    @invariant()
    def nobody_is_lost(self) -> None:
        for life in self.lives.values():
            assert life.status != "aged-out" or lifecycle.is_of_age(life, self.today)


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(born=st.dates(date(1990, 1, 1), date(2060, 12, 31)), precision=st.sampled_from(["day", "month", "year"]))
def test_nobody_ages_out_before_the_birthday_that_is_certain(born: date, precision: str) -> None:
    child = ChildDescription.model_validate({"birth_date": born, "birth_precision": precision})
    out = ages_out_on(child, born.year)
    assert out is not None
    assert age_on(born, out) >= 16
    if precision == "day":
        assert age_on(born, out - timedelta(days=1)) == 15
    else:
        latest = born.replace(month=12, day=31) if precision == "year" else add_months(born.replace(day=1), 1)
        assert age_on(latest, out + timedelta(days=1)) >= 16


def test_whose_birth_year_alone_is_known_ages_out_at_the_end_of_the_year() -> None:
    assert ages_out_on(ChildDescription(age=10), 2016) == date(2032, 12, 31)
    assert ages_out_on(ChildDescription(), None) is None


@pytest.mark.parametrize(
    ("born", "special", "months"),
    [(date(2015, 5, 1), False, 12), (date(2015, 5, 1), True, 6), (date(2024, 5, 1), False, 6)],
)
def test_special_circumstances_and_the_youngest_are_verified_sooner(born: date, special: bool, months: int) -> None:
    day = date(2026, 8, 31)
    expected = add_months(day, months)
    assert due_on(day, ChildDescription(birth_date=born), born.year, special=special, periods=PERIODS) == expected


def test_months_are_added_to_the_end_of_the_month() -> None:
    assert add_months(date(2026, 8, 31), 6) == date(2027, 2, 28)
    assert add_months(date(2026, 12, 31), 12) == date(2027, 12, 31)
    assert add_months(date(2026, 11, 30), 1) == date(2026, 12, 30)


def test_a_draw_is_the_same_whoever_does_it_again_and_another_for_another_sample() -> None:
    children = [f"child-{n}" for n in range(400)]
    size = sample_size(len(children), RULES.sampling.on(date(2026, 11, 25)))
    assert size == 20
    one = draw("sample-1", children, size)
    assert one == draw("sample-1", list(reversed(children)), size)
    assert set(one) != set(draw("sample-2", children, size))
    assert len(set(one)) == size


def test_small_communes_are_drawn_whole_and_large_ones_to_a_bound() -> None:
    rules = RULES.sampling.on(date(2026, 11, 25))
    assert [sample_size(n, rules) for n in (0, 3, 40, 100_000)] == [0, 3, 5, 60]


def test_an_answer_is_alike_however_it_is_written_and_what_nobody_knows_is_not_compared() -> None:
    first = ChildDescription(
        birth_date=date(2016, 3, 9), sex="female", ethnicity="Tày", carers=[Person(name="Lý Thị Thu Lan")]
    )
    second = ChildDescription(birth_date=date(2016, 9, 3), ethnicity="tay", carers=[Person(name="ly thi thu lan")])
    fields = ["birth_date", "sex", "ethnicity", "number", "carers"]
    said = compared(first, second, fields)
    assert said == {"birth_date": False, "ethnicity": True, "carers": True}
    outcome = agreement(1, [said, {"birth_date": True}])
    assert outcome.by_field == {"birth_date": (1, 2), "carers": (1, 1), "ethnicity": (1, 1)}
    assert outcome.share == 0.75
    assert not alike("carers", [Person(name="Lý Thị Thu Lan")], [Person(name="Nguyễn Văn Bình")])


def test_every_role_that_the_data_names_is_one() -> None:
    roles = {role.value for role in Role}
    for acts in RULES.acts:
        assert {name for names in acts.roles.values() for name in names} <= roles
    for adoption in RULES.adoption:
        assert set(adoption.link_roles) <= roles


@pytest.mark.parametrize(
    ("one", "other", "rule"),
    [
        ("active", "active", None),
        ("active", "aged-out", None),
        ("aged-out", "active", None),
        ("aged-out", "aged-out", None),
        ("deceased", "deceased", None),
        ("moved-away", "moved-away", None),
        ("deceased", "active", "one-is-deceased"),
        ("aged-out", "deceased", "one-is-deceased"),
        ("moved-away", "deceased", "one-is-deceased"),
        ("active", "moved-away", "one-is-moved-away"),
        ("moved-away", "aged-out", "one-is-moved-away"),
        ("withdrawn", "active", "is-withdrawn"),
        ("withdrawn", "withdrawn", "is-withdrawn"),
        ("deceased", "adopted", "is-adopted"),
        ("active", "erased", "is-erased"),
    ],
)
def test_two_records_are_one_child_s_only_where_both_say_the_same_of_its_life(
    one: RecordStatus, other: RecordStatus, rule: str | None
) -> None:
    kept, gone = Life(status=one), Life(status=other)
    if rule is None:
        assert lifecycle.unite(kept, gone) == kept
        return
    with pytest.raises(Rejected) as refused:
        lifecycle.unite(kept, gone)
    assert refused.value.violations[0].rule == rule
