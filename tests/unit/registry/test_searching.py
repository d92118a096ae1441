"""What somebody types to look for a child, and what it may have meant."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.registry import search_form
from services.registry.domain.searching import Wanted, near, score, spelled, steps, words_of
from shared.contracts.errors import Rejected


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("nguyeenx", "nguyen"),
        ("ddawng", "dang"),
        ("huien", "huyen"),
        ("phsm", "pham"),
        ("huye", "huyen"),
        ("hyuen", "huyen"),
        ("annh", "anh"),
        ("kinh", "linh"),
    ],
)
def test_a_slip_is_near_what_was_meant(typed: str, meant: str) -> None:
    assert meant in near(typed)


@given(st.sampled_from(["nguyen", "tran", "hoang", "phuong", "quynh", "linh", "anh", "my"]), st.data())
def test_any_letter_too_many_or_another_leads_back_to_the_word(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    assert word in near(word[:place] + letter + word[place:])
    assert word in near(word[:place] + letter + word[place + 1 :])


def test_a_word_as_it_was_typed_is_not_yet_another_name() -> None:
    assert spelled("lan") == {"lan"}
    assert spelled("ly") == {"ly", "li"}


def test_words_run_together_are_parted_where_they_find_nobody_as_one() -> None:
    last = steps(Wanted(name="Le Ngocanh"))[-1]
    assert (last.below, last.ways) == (1, (({"p:anh.le"}, {"p:anh.ngoc"}),))


def test_keys_left_in_a_name_and_a_nickname_are_left_out() -> None:
    assert words_of("Nguye6n4 Anh") == ("nguyen", "anh")
    assert words_of("Bé Ma Văn An (Bin)") == ("ma", "van", "an")


def test_the_first_question_is_strict_and_a_name_is_looked_for_with_what_tells_most() -> None:
    in_commune, *others = steps(Wanted(name="Lê Anh", units=["05443"], birth_year=2016))
    assert (in_commune.loose, all(step.loose for step in others)) == (False, True)
    assert {"05443:anh"} in in_commune.ways[0]
    assert {"y:2016"} in in_commune.ways[0]
    by_carer = steps(Wanted(name="Lê Anh", carer="Trần Thị Mai", birth_year=2016))[0]
    assert {"mai:anh"} in by_carer.ways[0]
    assert {"tran"} in by_carer.carers
    assert steps(Wanted(name="Lê Anh", birth_year=2016))[0].ways == (({"2016:le"}, {"2016:anh"}),)


def test_a_name_alone_is_looked_for_whole_then_by_pairs_of_its_words_with_one_slip_in_one_of_them() -> None:
    whole, words, slipped, *_ = steps(Wanted(name="Lê Anh"))
    assert (whole.ways, whole.loose) == ((({"e:le.anh"},),), False)
    assert (words.ways, words.unlike, words.below) == ((({"p:anh.le"},),), "le anh", None)
    assert len(slipped.ways) == 2
    assert {"p:anh.le", "p:anh.be"} <= slipped.ways[0][0]
    assert not any("be" in word for word in slipped.ways[1][0])


def test_the_nearest_child_counts_most() -> None:
    wanted = Wanted(name="Trần Thị Thúy", birth_date=date(2015, 3, 4))
    right = {"name": "Trần Thị Thúy", "birth_date": "2015-03-04"}
    others = [
        right | {"name": "Trần Thị Thủy"},
        right | {"birth_date": "2015-04-03"},
        right | {"name": "Trần Thị Thu"},
        right | {"name": "Trần Văn Nam", "birth_date": "2015-11-20"},
    ]
    assert score(wanted, right, 2015) > max(score(wanted, other, 2015) for other in others)
    # The day and the month changed speak for a child more than nothing but the year.
    assert score(wanted, others[1], 2015) > score(wanted, right | {"birth_date": "2015-11-20"}, 2015)


@pytest.mark.parametrize(
    ("typed", "nearer", "farther"),
    [
        ("Trieu Thi Tgo", "Triệu Thị Thơ", "Triệu Thị Ngọc"),
        ("Triệu Hữu rTung", "Triệu Hữu Trung", "Triệu Hữu Quang"),
        ("Nguyễn Thu Thả", "Nguyễn Thu Thảo", "Nguyễn Thu Hà"),
        ("Nguyễn Ánh", "Nguyễn Ngọc Ánh", "Nguyễn Anh Tú"),
        ("Anh Nguyễn Thị", "Nguyễn Thị Anh", "Nguyễn Thị An"),
        ("Trần Thị Thúy", "Trần Thị Thủy", "Trần Thị Thư"),
        ("Lê Van Nam", "Lê Văn Nam", "Lê Vân Anh"),
    ],
)
def test_who_was_likely_meant_comes_before_who_was_not(typed: str, nearer: str, farther: str) -> None:
    wanted = Wanted(name=typed)
    assert score(wanted, {"name": nearer}, None) > score(wanted, {"name": farther}, None)
    assert score(wanted, {"name": typed}, None) > score(wanted, {"name": nearer}, None)


def test_one_field_takes_a_name_a_date_and_a_number() -> None:
    assert search_form.typed({"name": "nguyen  anh 2016"}) == {"name": "nguyen anh", "born": "2016"}
    assert search_form.typed({"name": "Lan 05/09/2016"}) == {"name": "Lan", "born": "05/09/2016"}
    assert search_form.typed({"name": "019216123456"}) == {"number": "019216123456"}
    # What was typed in its own place stays.
    assert search_form.typed({"name": "Lan 2016", "born": "2015"}) == {"name": "Lan 2016", "born": "2015"}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "name"),
        ({"name": "?!"}, "name"),
        ({"name": "An", "born": "31/02/2016"}, "born"),
        ({"number": "12345"}, "number"),
        ({"circumstance": "99"}, "circumstance"),
        ({"state": "gone"}, "state"),
    ],
)
def test_a_search_that_means_nothing_is_refused_beside_its_field(said: dict[str, str], field: str) -> None:
    with pytest.raises(Rejected) as refused:
        search_form.read(said, ["05443"])
    assert [violation.field for violation in refused.value.violations] == [field]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*search_form.FIELDS, *search_form.FURTHER, "unit", "narrow_born"]), st.text()))
def test_whatever_is_typed_is_read_or_refused(values: dict[str, str]) -> None:
    said = search_form.typed(values)
    assert search_form.typed(said) == said
    try:
        wanted = search_form.read(said, ["05443"])
    except Rejected:
        return
    assert wanted.fields
    assert steps(wanted) or wanted.number or wanted.household
