"""Who is who: on labelled lists, and on the pairs that go wrong elsewhere."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date

import pytest
import rosters

from services.registry.domain.children import refusals
from services.registry.domain.matching import POSSIBLE, SURE, Identification, compare, identify
from services.registry.domain.names import Likeness, compare_given, compare_names, fold, name_of
from services.registry.domain.traits import Traits, blocking_keys, claim_keys, search_keys, traits_of
from shared.contracts.vocabulary import ChildDescription, Person

DAY = date(2026, 10, 31)


class Filed:
    """Children by blocking key, as the database has them."""

    def __init__(self, children: Iterable[tuple[str, Traits]]) -> None:
        self.traits: dict[str, Traits] = {}
        self._keys: dict[int, set[str]] = defaultdict(set)
        for child_id, traits in children:
            self.traits[child_id] = traits
            for key in blocking_keys(traits):
                self._keys[key].add(child_id)

    def near(self, wanted: Traits) -> set[str]:
        return set().union(*(self._keys.get(key, set()) for key in search_keys(wanted)))

    def identify(self, wanted: Traits) -> Identification:
        return identify(wanted, [(child_id, [self.traits[child_id]]) for child_id in self.near(wanted)])


def child(name: str = "Nguyễn Thị Ngọc Anh", **over: object) -> Traits:
    values: dict[str, object] = {
        "name": name,
        "birth_date": date(2016, 3, 9),
        "sex": "female",
        "carers": [Person(name="Lý Thị Thu Lan")],
        **over,
    }
    unit = values.pop("unit", "02176")
    return traits_of(ChildDescription.model_validate(values), None if unit is None else str(unit), DAY)


def test_duplicates_between_two_lists_are_found_and_lookalikes_are_not() -> None:
    filed = Filed((key, traits_of(d, unit, DAY)) for key, (d, unit) in rosters.duplicate_list("a").items())
    truth = rosters.true_pairs()
    found = {}
    for key, (description, unit) in rosters.duplicate_list("b").items():
        sure = filed.identify(traits_of(description, unit, DAY)).sure
        if sure is not None:
            found[key] = sure.child_id
    right = sum(truth.get(key) == child_id for key, child_id in found.items())
    precision, recall = right / len(found), right / len(truth)
    f1 = 2 * precision * recall / (precision + recall)
    print(f"precision {precision:.4f} recall {recall:.4f} F1 {f1:.4f}")
    assert precision >= 0.999
    assert f1 >= 0.99


def test_every_true_pair_shares_a_key_and_keys_stay_small() -> None:
    filed = Filed((key, traits_of(d, unit, DAY)) for key, (d, unit) in rosters.duplicate_list("a").items())
    others = {key: traits_of(d, unit, DAY) for key, (d, unit) in rosters.duplicate_list("b").items()}
    missed = [key for key, one in rosters.true_pairs().items() if one not in filed.near(others[key])]
    assert missed == []
    assert sum(len(filed.near(wanted)) for wanted in others.values()) / len(others) < 5


def test_the_sample_rosters_give_the_children_that_there_are() -> None:
    expected = json.loads((rosters.SAMPLES / "expect.json").read_text("utf-8"))["children"]
    accepted = [said for _, said in rosters.commune_roster() if not refusals(said.description, said.as_of, DAY)]
    filed = Filed((said.record_id, traits_of(said.description, said.unit, DAY)) for said in accepted)
    assert len(accepted) == expected["from_commune_roster"]
    assert Counter(said.unit for said in accepted) == expected["by_unit"]
    school = rosters.school_roster()
    found = [filed.identify(traits_of(said.description, said.unit, DAY)) for said in school]
    both = [result.sure.child_id for result in found if result.sure]
    print(f"in both {len(both)}, only school {len(school) - len(both)}")
    assert len(both) == len(set(both)) == expected["in_both"]
    assert len(school) - len(both) == expected["only_school"]
    assert len(accepted) + len(school) - len(both) == expected["distinct"]
    assert sum(said.dropped_out for said in school) == expected["dropped_out"]


def test_rows_that_are_refused_are_those_that_a_person_would_refuse() -> None:
    expected = json.loads((rosters.SAMPLES / "expect.json").read_text("utf-8"))["files"]["commune-roster.xlsx"]
    wanted = {row["row"]: row["rule"] for row in expected["rejected"] if row["rule"] != "birth-date-invalid"}
    refused = {
        number: found[0].rule
        for number, said in rosters.commune_roster()
        if (found := refusals(said.description, said.as_of, DAY))
    }
    assert refused == wanted


@pytest.mark.parametrize(
    "other",
    [
        child("NGUYỄN THỊ NGỌC ANH"),
        child("Nguyen Thi Ngoc Anh"),
        child("Nguyễn Anh"),
        child("Nguyễn Thị Ngọc Anhx"),
        child("Nguyễn Thị Ngọc Anh", birth_date=date(2016, 9, 3)),
        child("Nguyễn Thị Ngọc Anh", birth_date=date(2015, 3, 9)),
        child("Nguyễn Thị Ngọc Anh", birth_date=date(2016, 3, 10)),
        child("Nguyễn Thị Ngọc Anh", unit="05665"),
        child("Nguyễn Thị Ngọc Anh", carers=[], unit="02176", ethnicity="Tày"),
        # In one hamlet the very name needs no carer beside a day with one slip, and no day beside a carer.
        child("Nguyễn Thị Ngọc Anh", carers=[], hamlet="Tổ 3", birth_date=date(2016, 3, 10)),
        child("Nguyễn Thị Ngọc Anh", carers=[], hamlet="Tổ 3", birth_date=date(2016, 9, 3)),
        child("Nguyễn Thị Ngọc Anh", carers=[], hamlet="Tổ 3", birth_date=date(2015, 3, 9)),
        child("Nguyễn Thị Ngọc Anh", hamlet="Tổ 3", birth_date=None),
    ],
)
def test_one_child_written_by_another_clerk_is_recognised(other: Traits) -> None:
    assert compare(child(ethnicity="Tày", hamlet="Tổ 3"), other).probability >= SURE


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (child("Nguyễn Thị Ngọc My"), "a twin"),
        (child("Nguyễn Thị Ngọc My", birth_date=date(2014, 8, 1)), "a sibling"),
        (child("Nguyễn Thị Ngọc Anh", carers=[Person(name="Hoàng Minh Thúy")], unit="05665"), "a namesake"),
        (child("Nguyễn Thị Ngọc Ánh"), "a name that only folds alike"),
        (child("Nguyễn Thị Ngọc Anh", birth_date=date(2013, 12, 1)), "another birth date"),
        (child("Nguyễn Thị Ngọc Anh", birth_date=None), "no birth date"),
        (child("Nguyễn Thị Ngọc Anh", carers=[], birth_date=date(2016, 3, 10)), "a day off, and no hamlet said"),
        (child("Nguyễn Anh", carers=[], hamlet="Tổ 3", birth_date=date(2016, 3, 10)), "a day off and a shorter name"),
        (child("Nguyễn Thị Ngọc Anh", carers=[], hamlet="Tổ 3", birth_date=date(2016, 1, 1)), "the year alone"),
        (child("Trần Văn Bình", carers=[], birth_date=date(2016, 3, 9), sex="male"), "somebody else"),
    ],
)
def test_lookalikes_are_never_united_without_a_person(other: Traits, why: str) -> None:
    assert compare(child(hamlet="Tổ 3") if other.hamlet else child(), other).probability < SURE, why


def test_two_that_both_look_certain_are_left_to_a_person() -> None:
    found = identify(child(), [("one", [child()]), ("other", [child()])])
    assert found.sure is None
    assert [match.child_id for match in found.possible] == ["one", "other"]


def test_a_copied_number_does_not_unite_siblings() -> None:
    one = child(number="019316000001")
    sibling = child("Nguyễn Thị Ngọc My", number="019316000001", birth_date=date(2014, 8, 1))
    found = compare(one, sibling)
    assert POSSIBLE <= found.probability < SURE
    assert "guard-number-on-another" in found.reasons


def test_an_estimated_age_finds_candidates_and_proves_nothing() -> None:
    filed = Filed([("one", child())])
    found = filed.identify(child(birth_date=None, age=10))
    assert found.sure is None
    assert [match.child_id for match in found.possible] == ["one"]


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Hòa", "Hoà", Likeness.SAME),
        ("Thủy", "Thuy", Likeness.UNMARKED),
        ("Thủy", "Thúy", Likeness.NEAR),
        ("Lê Ngọc Anh", "Lê Ngọc Ánh", Likeness.NEAR),
        ("Linh", "Linhx", Likeness.SLIP),
        ("Hùng", "Hùnng", Likeness.SLIP),
        ("Hải", "Hảy", Likeness.SLIP),
        ("Lan", "Loan", Likeness.OTHER),
        ("Đạt", "Dat", Likeness.UNMARKED),
    ],
)
def test_a_slip_is_told_from_another_name(one: str, other: str, likeness: Likeness) -> None:
    assert compare_given(name_of(one), name_of(other)) is likeness


def test_names_are_compared_in_whichever_order_they_were_written() -> None:
    assert compare_names(name_of("Ma Thị Lan"), name_of("Lan Ma Thị")) is Likeness.SLIP
    assert compare_names(name_of(""), name_of("Lan")) is Likeness.OTHER
    assert fold("  Đặng  QUỐC\tKhánh ") == "dang quoc khanh"


def test_the_same_child_claims_the_same_keys_however_it_is_written() -> None:
    assert set(claim_keys(child())) & set(claim_keys(child("NGUYEN THI NGOC ANH", unit=None)))
    assert not set(claim_keys(child(unit=None))) & set(claim_keys(child("Nguyễn Thị Ngọc My", unit=None)))
