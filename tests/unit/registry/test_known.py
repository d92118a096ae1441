"""Whose word stands, where it comes from, and where two words contradict each other."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from services.registry.domain.children import Mark, Statement, compose, marked, only_changes
from shared.contracts.vocabulary import ChildDescription, Person
from shared.reference.files import ReferenceDataError
from shared.reference.trust import Trust, TrustOrders

DAY = date(2026, 10, 31)
LATER = date(2026, 12, 31)
BORN = date(2017, 11, 15)


def said(
    record: str, kind: Any = "commune-roster", as_of: date = DAY, unit: str | None = None, **fields: Any
) -> Statement:
    return Statement(record, kind, "dolisa", as_of, ChildDescription(**fields), unit=unit)


def page(field: str, value: Any, against: list[Statement], on: date = date(2026, 11, 20)) -> Statement:
    """A person's word on one field, given with the statements `against` in view."""
    fields = {} if field == "unit" else {field: value}
    statement = said("page", "registry-page", on, value if field == "unit" else None, **fields)
    return replace(statement, marks=marked([field], against, statement, Mark(on, "person:lan", "giấy khai sinh")))


def test_every_field_knows_its_source_and_the_day_it_is_of() -> None:
    roster = said("r", name="Bùi Bảo Sơn", birth_date=BORN, unit="02020")
    school = said("s", "school-roster", LATER, sex="male", school="Trường A", grade="3")
    known = compose([school, roster])
    assert {name: source.record_id for name, source in known.sources.items()} == {
        "name": "r",
        "birth_date": "r",
        "unit": "r",
        "sex": "s",
        "school": "s",
        "grade": "s",
    }
    assert known.sources["grade"].as_of == LATER
    assert known.conflicts == ()


def test_a_correction_has_a_day_for_each_field_and_leaves_the_others_to_the_registers() -> None:
    roster = said("r", name="Bùi Bảo Sơn", grade="3", school="Trường A", unit="02020")
    later = said("r2", "school-roster", LATER, school="Trường A", grade="4")
    corrected = page("grade", "2", [roster])
    assert compose([corrected, roster]).description.grade == "2"
    assert compose([later, corrected, roster]).description.grade == "4"


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("name", "Bùi Bảo Sơn", "Bùi Bảo Sang"),
        ("birth_date", BORN, date(2017, 11, 16)),
        ("sex", "male", "female"),
        ("number", "019217000001", "019217000002"),
    ],
)
def test_two_sources_of_like_trust_that_contradict_each_other_wait_for_a_person(
    field: str, one: Any, other: Any
) -> None:
    first, second = said("a", **{field: one}), said("b", **{field: other}, as_of=LATER)
    (doubt,) = compose([second, first]).conflicts
    assert (doubt.field, [claim.record_id for claim in doubt.claims]) == (field, ["b", "a"])
    decided = page(field, one, [first, second])
    known = compose([decided, second, first])
    assert known.conflicts == ()
    assert known.value(field) == one
    assert known.sources[field].register_kind == "registry-page"


def test_a_lesser_source_is_heard_where_it_is_fresher_and_not_where_it_is_older() -> None:
    roster = said("r", birth_date=BORN)
    school = said("s", "school-roster", birth_date=date(2017, 1, 15), as_of=LATER)
    assert [doubt.field for doubt in compose([school, roster]).conflicts] == ["birth_date"]
    assert compose([school, roster]).description.birth_date == BORN
    assert compose([replace(school, as_of=DAY), roster]).conflicts == ()
    told = replace(school, register_kind="report")
    assert compose([told, roster]).conflicts == ()


def test_a_name_without_marks_contradicts_nothing() -> None:
    assert compose([said("a", name="Bùi Bảo Sơn"), said("b", name="BUI BAO SON", as_of=LATER)]).conflicts == ()


def test_a_decision_stands_until_something_newer_contradicts_it() -> None:
    first, second = said("a", birth_date=BORN), said("b", birth_date=date(2017, 11, 16))
    decided = page("birth_date", BORN, [first, second])
    again = replace(second, as_of=LATER)
    assert compose([again, decided, first]).conflicts == (), "the same record saying the same is nothing new"
    other = said("c", birth_date=date(2017, 11, 16), as_of=LATER)
    (doubt,) = compose([other, decided, first]).conflicts
    assert [claim.record_id for claim in doubt.claims] == ["page", "c"]
    changed = said("b", birth_date=date(2017, 12, 16), as_of=LATER)
    assert len(compose([changed, decided, first]).conflicts) == 1


def test_a_later_roster_of_another_commune_is_a_move_and_one_of_the_same_day_a_contradiction() -> None:
    first = said("a", name="Bùi Bảo Sơn", unit="02020")
    moved = said("b", name="Bùi Bảo Sơn", unit="02176", as_of=LATER)
    assert (compose([moved, first]).unit, compose([moved, first]).conflicts) == ("02176", ())
    (doubt,) = compose([replace(moved, as_of=DAY), first]).conflicts
    assert doubt.field == "unit"


def test_what_belongs_to_the_old_commune_does_not_follow_the_child() -> None:
    first = said("a", name="Bùi Bảo Sơn", unit="02020", hamlet="Xóm Đồng Tâm", address="Số 3")
    moved = said("b", unit="02176", as_of=LATER, hamlet="Tổ 5")
    known = compose([moved, first])
    assert (known.description.hamlet, known.description.address) == ("Tổ 5", None)
    corrected = page("hamlet", "Xóm Mới", [first])
    assert compose([corrected, first]).description.hamlet == "Xóm Mới"
    assert compose([replace(moved, description=ChildDescription()), corrected, first]).description.hamlet is None


def test_whoever_moves_a_child_says_anew_what_belongs_to_the_place() -> None:
    known = ChildDescription(name="A", hamlet="Tổ 5", school="Trường A", grade="3")
    assert only_changes(known, known, moved=True).model_fields_set == {"hamlet"}
    other_school = known.model_copy(update={"school": "Trường B"})
    assert only_changes(known, other_school).model_fields_set == {"school", "grade"}


def test_what_a_person_empties_stays_empty_until_somebody_says_it_again() -> None:
    roster = said("r", name="Bùi Bảo Sơn", number="019217000001")
    emptied = page("number", None, [roster])
    assert compose([emptied, roster]).description.number is None
    assert "number" not in compose([emptied, roster]).sources
    newer = said("h", "health-record", number="019217000009", as_of=LATER)
    assert compose([newer, emptied, roster]).description.number == "019217000009"


def test_a_carer_whom_a_person_took_out_stays_out() -> None:
    roster = said("r", name="A", carers=[Person(name="Bùi Huy"), Person(name="Ma Lan")])
    corrected = page("carers", [Person(name="Ma Lan")], [roster])
    assert [carer.name for carer in compose([corrected, roster]).description.carers] == ["Ma Lan"]
    health = said("h", "health-record", carers=[Person(name="Lý Thu")], as_of=LATER)
    assert [carer.name for carer in compose([health, corrected, roster]).description.carers] == ["Ma Lan", "Lý Thu"]


def test_a_birth_date_of_which_only_the_year_is_known_is_made_finer_by_whoever_knows_the_day() -> None:
    about = said("r", birth_date=date(2017, 1, 1), birth_precision="year")
    exact = said("s", "school-roster", birth_date=BORN)
    known = compose([about, exact])
    assert (known.description.birth_date, known.description.birth_precision) == (BORN, None)
    assert known.sources["birth_date"].record_id == "s"
    other = said("s", "school-roster", birth_date=date(2015, 3, 1), as_of=LATER)
    known = compose([about, other])
    assert known.description.birth_precision == "year"
    assert [doubt.field for doubt in known.conflicts] == ["birth_date"]
    assert known.facts.birth_month is None


def test_what_was_verified_stays_verified_as_long_as_it_is_the_same() -> None:
    roster = said("r", name="Bùi Bảo Sơn", birth_date=BORN)
    before = compose([roster]).verified(["name", "birth_date", "number"], DAY, "home-visit")
    assert "number" not in before.sources
    again = replace(
        roster, as_of=LATER, description=ChildDescription(name="Bùi Bảo Sơn", birth_date=date(2017, 11, 16))
    )
    after = compose([again], before=before)
    assert (after.sources["name"].verified_on, after.sources["name"].verified_by) == (DAY, "home-visit")
    assert after.sources["birth_date"].verified_on is None


def test_the_order_of_trust_is_data_with_its_day() -> None:
    order = TrustOrders.load().latest
    assert order.legal_source_vi
    assert TrustOrders.load().on(date(2020, 1, 1)) is TrustOrders.load().on(date(2026, 1, 1))
    group: dict[str, Any] = {
        "fields": ["name"],
        "ranks": dict.fromkeys(order.group_of["name"].ranks, 0),
        "steady": True,
    }
    school_first = {**group, "ranks": {**group["ranks"], "commune-roster": 1}}
    roster, school = said("r", name="Bùi Bảo Sơn"), said("s", "school-roster", name="Bùi Bảo Sang")
    other = Trust(DAY, "x", "x", {"identity": school_first})
    assert compose([roster, school]).description.name == "Bùi Bảo Sơn"
    assert compose([roster, school], trust=other).description.name == "Bùi Bảo Sang"
    for wrong in ({"fields": ["nothing"]}, {"ranks": {"report": 1}}, {"asked": ["sex"]}):
        with pytest.raises(ReferenceDataError):
            Trust(DAY, "x", "x", {"identity": {**group, **wrong}})
