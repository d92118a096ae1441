"""What is known of a child, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from services.registry.domain.children import (
    Statement,
    changed_fields,
    circumstance_refusals,
    compose,
    merge_corrections,
    only_changes,
    refusals,
)
from shared.contracts.vocabulary import ChildDescription, Person

DAY = date(2026, 10, 31)
ROSTER = Statement(
    record_id="r",
    register_kind="commune-roster",
    sector="dolisa",
    as_of=DAY,
    description=ChildDescription(name="Bùi Bảo Sơn", birth_date=date(2017, 11, 15), carers=[Person(name="Bùi Huy")]),
    unit="02020",
)
SCHOOL = replace(
    ROSTER,
    record_id="s",
    register_kind="school-roster",
    sector="education",
    description=ChildDescription(
        name="Bui Bao Son",
        sex="male",
        school="Trường A",
        carers=[Person(name="BÙI HUY", phone="0912"), Person(name="Ma Lan")],
    ),
    unit="05443",
)


def test_a_better_source_stands_and_a_lesser_one_fills_gaps() -> None:
    known = compose([SCHOOL, ROSTER])
    assert known.description.name == "Bùi Bảo Sơn"
    assert (known.description.sex, known.description.school) == ("male", "Trường A")
    assert known.unit == "02020"
    assert [(p.name, p.phone) for p in known.description.carers] == [("Bùi Huy", "0912"), ("Ma Lan", None)]
    assert known.birth_year == 2017


def test_a_later_roster_moves_a_child_and_a_school_does_not() -> None:
    moved = replace(ROSTER, record_id="r2", as_of=date(2026, 11, 1), unit="02176")
    assert compose([ROSTER, moved, SCHOOL]).unit == "02176"
    later_school = replace(SCHOOL, as_of=date(2026, 11, 2))
    assert compose([ROSTER, later_school]).unit == "02020"


def test_a_person_s_correction_says_only_what_it_changed() -> None:
    known = compose([ROSTER])
    wanted = known.description.model_copy(update={"name": "Bùi Bảo Sang"})
    said = only_changes(known.description, wanted)
    assert said.model_fields_set == {"name"}
    page = replace(ROSTER, record_id="p", register_kind="registry-page", description=said, unit=None)
    later = replace(ROSTER, description=ROSTER.description.model_copy(update={"birth_date": date(2017, 11, 16)}))
    after = compose([page, later])
    assert (after.description.name, after.description.birth_date) == ("Bùi Bảo Sang", date(2017, 11, 16))
    assert changed_fields(known, after) == ["name", "birth_date"]
    both = merge_corrections(said, ChildDescription(hamlet="Xóm Đồng Tâm"))
    assert (both.name, both.hamlet) == ("Bùi Bảo Sang", "Xóm Đồng Tâm")


def test_facts_carry_no_identity() -> None:
    facts = compose([ROSTER], ["04", "dropped-out"]).facts
    assert facts.disability
    assert facts.circumstances == ["04", "dropped-out"]
    assert (facts.birth_year, facts.birth_month) == (2017, 11)
    assert "Bùi" not in facts.model_dump_json()


@pytest.mark.parametrize(
    ("description", "rule"),
    [
        (ChildDescription(birth_date=date(2017, 1, 1)), "name-missing"),
        (ChildDescription(name=" . ", birth_date=date(2017, 1, 1)), "name-missing"),
        (ChildDescription(name="A", birth_date=date(2026, 11, 1)), "birth-date-in-future"),
        (ChildDescription(name="A", birth_date=date(2010, 10, 31)), "not-a-child"),
        (ChildDescription(name="A", age=16), "not-a-child"),
    ],
)
def test_a_statement_that_breaks_a_rule_is_refused(description: ChildDescription, rule: str) -> None:
    assert [violation.rule for violation in refusals(description, DAY, DAY)] == [rule]


def test_who_turns_sixteen_tomorrow_is_a_child_today() -> None:
    assert refusals(ChildDescription(name="A", birth_date=date(2010, 11, 1)), DAY, DAY) == []


def test_a_circumstance_must_be_listed_and_its_days_in_order() -> None:
    found = circumstance_refusals(date(2026, 11, 2), date(2026, 11, 1), DAY, listed=False)
    assert [violation.rule for violation in found] == ["circumstance-unknown", "since-in-future", "until-before-since"]
