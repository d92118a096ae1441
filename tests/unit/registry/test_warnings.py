"""What looks wrong is said, and never refused."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.registry.domain.children import Period
from services.registry.domain.warnings import circumstance_warnings, coded, warnings
from shared.contracts.vocabulary import ChildDescription, Person

DAY = date(2026, 11, 24)
GOOD = {
    "name": "Nguyễn Thị Ngọc Anh",
    "birth_date": date(2016, 3, 9),
    "sex": "female",
    "number": "019316000123",
    "ethnicity": "Mèo",
    "health_insurance": "HS4 19 1234567890",
    "carers": [Person(name="Lý Thị Thu Lan", phone="0912 345 678")],
}


def rules(**over: Any) -> list[str]:
    return [found.rule for found in warnings(ChildDescription(**{**GOOD, **over}), DAY)]


def test_nothing_is_said_of_a_record_that_fits() -> None:
    assert rules() == []
    assert warnings(ChildDescription(), DAY) == []


@pytest.mark.parametrize(
    ("over", "rule"),
    [
        ({"name": "Anh"}, "name-one-word"),
        ({"name": "Nguyễn Th1 Anh"}, "name-with-digits"),
        ({"number": "12"}, "number-form"),
        ({"number": "003316000123"}, "number-province"),
        ({"number": "019315000123"}, "number-year"),
        ({"number": "019116000123"}, "number-year"),
        ({"number": "019216000123"}, "number-sex"),
        ({"ethnicity": "Klingon"}, "ethnicity-unlisted"),
        ({"ethnicity_code": "99"}, "ethnicity-unlisted"),
        ({"ethnicity": "Tày", "ethnicity_code": "08"}, "ethnicity-code"),
        ({"health_insurance": "12345"}, "insurance-form"),
        ({"health_insurance": "019316000124"}, "insurance-number"),
        ({"health_insurance": "TE1191234567890"}, "insurance-outgrown"),
        ({"carers": [Person(name="Lan", phone="0912")]}, "phone-form"),
        ({"carers": [Person(name="nguyễn thị ngọc anh")]}, "carer-is-child"),
        ({"disability_level": "severe"}, "disability-kind-missing"),
    ],
)
def test_each_oddity_is_said_beside_its_field(over: dict[str, Any], rule: str) -> None:
    assert rules(**over) == [rule]


def test_a_number_says_nothing_against_a_sex_that_is_not_known() -> None:
    assert rules(sex="unknown", birth_date=None) == []


def test_an_ethnic_group_has_its_code_by_the_list_of_1979_whatever_the_source_says() -> None:
    written = coded(ChildDescription(ethnicity="Mèo"))
    assert (written.ethnicity_code, written.ethnicity_list) == ("08", "121-tctk")
    assert coded(ChildDescription(ethnicity="Klingon")).ethnicity_code is None
    census = coded(ChildDescription(ethnicity="Hoa", ethnicity_code="06", ethnicity_list="gso"))
    assert (census.ethnicity_code, census.ethnicity_list) == ("04", "121-tctk")
    assert coded(census) == census
    strange = ChildDescription(ethnicity_code="99", ethnicity_list="gso")
    assert coded(strange) == strange


def test_circumstances_that_overlap_or_exclude_each_other_are_said() -> None:
    first, later = date(2026, 1, 1), date(2026, 6, 1)
    twice = [Period("04", first, None), Period("04", later, None)]
    assert [found.rule for found in circumstance_warnings(twice)] == ["circumstance-twice"]
    assert circumstance_warnings([Period("04", first, later), Period("04", later, None)]) == []
    both = [Period("near-poor", first, None), Period("poor", later, None)]
    assert [found.rule for found in circumstance_warnings(both)] == ["circumstances-exclude"]
