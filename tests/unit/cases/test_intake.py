"""Form 01 as typed, how well names fit, and what triage decides of several children and of questions."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases import report_form
from services.cases.domain import acts, concerns, finding, opening
from services.cases.domain.model import Actor, Case, Concern, Decision, World
from services.cases.domain.rules import concern_refusal
from services.cases.report_form import Typed, birth_date_of
from shared.contracts.errors import Rejected
from shared.contracts.vocabulary import ChildDescription
from shared.reference.units import Units
from tests.support.made_up import CHILD, NOW, UNIT, WORKER, concern, said, world

UNITS = Units.load()
HOTLINE = Actor("mai.hotline", "Mai", "hotline", "all", "hotline")


def typed(**values: str) -> Typed:
    return Typed({"what_happened": "Một việc", **values})


def wrong(form: Typed) -> list[tuple[str, str]]:
    with pytest.raises(Rejected) as error:
        report_form.report(form, UNITS, NOW)
    return [(known.field, known.rule) for known in error.value.violations]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("5/3/2016", date(2016, 3, 5)),
        ("05032016", date(2016, 3, 5)),
        (" 05-03-2016 ", date(2016, 3, 5)),
        ("5 3 2016", date(2016, 3, 5)),
        ("2016-03-05", date(2016, 3, 5)),
        ("2016", None),
        ("31/2/2016", None),
        ("5/3/16", None),
        ("", None),
    ],
)
def test_a_birth_date_is_read_as_people_type_it(text: str, day: date | None) -> None:
    assert birth_date_of(text) == day


@pytest.mark.parametrize("name", ["Phường Phan Đình Phùng", "phan dinh phung", "P. Phan Đình Phùng", UNIT])
def test_a_commune_is_known_by_its_name_however_typed(name: str) -> None:
    assert report_form.report(typed(unit=name), UNITS, NOW).unit == UNIT


@pytest.mark.parametrize("name", ["phan dinh", "Phan Đình", "đình phùng"])
def test_a_part_of_a_name_that_only_one_commune_has_is_that_commune(name: str) -> None:
    assert report_form.report(typed(unit=name), UNITS, NOW).unit == UNIT


def test_a_name_that_several_communes_have_is_asked_about_once_and_the_answer_counts() -> None:
    assert wrong(typed(unit="van lang")) == [("unit", "unit-ambiguous")]
    with pytest.raises(Rejected, match="unit") as error:
        report_form.report(typed(unit="van lang"), UNITS, NOW)
    assert "Xã Văn Lang, Xã Văn Lăng" in error.value.violations[0].message_vi
    assert wrong(typed(unit="lang")) == [("unit", "unit-ambiguous")], "typed without tones it may be either"
    asked = {"unit": "van lang", "unit_asked": "van lang"}
    assert report_form.report(typed(**asked, unit_choice="02143"), UNITS, NOW).unit == "02143"
    unknown = report_form.report(typed(**asked, unit_choice="unclassified"), UNITS, NOW)
    assert (unknown.unit, unknown.unit_text) == (None, "van lang")
    for answer in ({"unit_choice": UNIT}, {"unit_choice": "02143", "unit_asked": "another name"}):
        assert wrong(typed(**{**asked, **answer})) == [("unit", "unit-ambiguous")], "an answer to another question"


@pytest.mark.parametrize("name", ["Xã Trên Trời", "x\u0301", "xã", "a" * 250])
def test_a_commune_that_nobody_knows_hinders_no_report_and_stays_in_its_words(name: str) -> None:
    made = report_form.report(typed(unit=name), UNITS, NOW)
    assert (made.unit, made.unit_text) == (None, name)
    told = report_form.report(typed(unit="Trên Trời", unit_text="gần chợ"), UNITS, NOW)
    assert told.unit_text == "gần chợ (Trên Trời)"


def test_everything_wrong_is_said_at_once_beside_its_field() -> None:
    form = typed(
        unit="nowhere", child_age="999", child2_birth_date="x", children="2", received_at="?", reporter_name="A"
    )
    assert wrong(form) == [
        ("child_age", "age"),
        ("child2_birth_date", "birth-date"),
        ("received_at", "received-at-invalid"),
        ("reporter_name", "reporter-not-agreed"),
    ]


def test_a_reporters_relation_needs_no_agreement_and_their_name_does() -> None:
    made = report_form.report(typed(relation="hàng xóm"), UNITS, NOW)
    assert made.reporter is not None
    assert made.relation is None, "that field travels in clear: what a person typed goes into the sealed one"
    agreed = report_form.report(typed(reporter_agrees="yes", reporter_address="Tổ 3"), UNITS, NOW)
    assert agreed.model_dump()["reporter"]["address"] == "Tổ 3"


def test_the_main_kind_comes_first_and_each_once() -> None:
    form = Typed({"what_happened": "x", "main_kind": "neglect"}, ("violence", "neglect"))
    assert report_form.report(form, UNITS, NOW).kinds == ["neglect", "violence"]


def test_a_child_of_whom_nothing_is_known_still_counts() -> None:
    made = report_form.report(typed(children="3", child3_name="Ba"), UNITS, NOW)
    assert [child.name for child in made.more_children or []] == [None, "Ba"]  # type: ignore[union-attr]


def test_removing_a_child_moves_those_after_it_up_and_keeps_all_else() -> None:
    form = typed(children="4", child_name="Một", child2_name="Hai", child3_name="Ba", child3_age="3", child4_name="Bốn")
    after = form.without_child(2)
    assert after.children == 3
    assert [after.values.get(name) for name in ("child_name", "child2_name", "child2_age", "child3_name")] == [
        "Một",
        "Ba",
        "3",
        "Bốn",
    ]
    assert "child4_name" not in after.values
    assert form.without_child(1) is form
    assert form.without_child(9) is form
    with pytest.raises(Rejected):
        typed(children="21").with_child()


@given(st.dictionaries(st.sampled_from([
    "what_happened", "unit", "children", "child_name", "child_age", "child_birth_date", "child2_name", "received_at",
    "danger_now", "channel", "request", "main_kind", "environment", "reporter_name", "father_age", "sex", "condition",
]), st.text(max_size=40)), st.lists(st.text(max_size=10), max_size=9))  # fmt: skip
def test_no_form_that_anybody_sends_breaks_the_reading(values: dict[str, str], kinds: list[str]) -> None:
    with suppress(Rejected):
        report_form.report(Typed(values, tuple(kinds)), UNITS, NOW)


def test_names_are_compared_by_their_words_whatever_the_order_and_the_tones() -> None:
    assert finding.words_of("Đặng Thị Thúy") == finding.words_of("thuy  dang thi")
    assert finding.words_of("  ") == ()
    assert finding.number_of("019 318-000123") == "019318000123"
    assert finding.number_of("12345") is None


@pytest.mark.parametrize(
    ("asked", "known", "shared", "birth", "unit", "fit"),
    [
        (3, 3, 3, False, False, "possible"),
        (3, 3, 3, False, True, "likely"),
        (3, 3, 3, True, False, "likely"),
        (3, 4, 3, True, False, "likely"),
        (3, 4, 3, False, True, "possible"),
        (4, 4, 3, False, True, "possible"),
        (4, 4, 3, False, False, None),
        (3, 3, 2, False, True, None),
        (3, 3, 2, True, False, "possible"),
        (2, 2, 1, False, True, None),
        (0, 3, 0, True, True, None),
    ],
)
def test_how_well_an_earlier_report_fits(
    asked: int, known: int, shared: int, birth: bool, unit: bool, fit: str | None
) -> None:
    assert finding.fit_of(asked, known, shared, same_number=False, same_birth=birth, same_unit=unit) == fit
    assert finding.fit_of(asked, known, shared, same_number=True, same_birth=birth, same_unit=unit) == "sure"


def knowing() -> World:
    return replace(world(), kinds=frozenset({"violence"}), answers=frozenset({"advised"}))


def question(**changes: object) -> Concern:
    return concern(request="counselling", **changes)


def test_only_a_question_is_settled_by_an_answer_and_the_line_that_took_it_may_give_it() -> None:
    act = acts.AnswerConcern(answer="advised", words="Đã hướng dẫn")
    for actor in (WORKER, HOTLINE):
        assert concerns.answer(question(), act, actor, knowing()).status == "answered"
    refusal = concern_refusal(concern(), "answer", WORKER)
    assert refusal is not None
    assert refusal.rule == "asks-for-protection"
    for done in ("open", "dismiss", "forward", "link"):
        assert concern_refusal(question(), done, HOTLINE) is not None
    with pytest.raises(Rejected):
        concerns.answer(question(), acts.AnswerConcern(answer="shouted", words="?"), WORKER, knowing())


def test_an_answered_question_waits_again_when_it_is_about_protection_or_danger_after_all() -> None:
    answered = replace(question(), status="answered")
    assert concerns.correct(answered, question(kind="neglect")).status == "answered"
    assert concerns.correct(answered, concern()).status == "received"
    assert concerns.opens_at_once(concerns.correct(answered, question(danger_now="yes")))


def test_unknown_codes_are_all_named() -> None:
    with pytest.raises(Rejected) as error:
        concerns.check_codes(["violence", "x", "y"], "moon", "ghost", knowing())
    assert [known.field for known in error.value.violations] == [
        "data.kinds.1",
        "data.kinds.2",
        "data.environment",
        "data.harmer",
    ]
    concerns.check_codes(["violence"], None, None, knowing())


def test_a_siblings_case_has_its_own_sex_age_and_part_of_the_report() -> None:
    child = ChildDescription(name="Em", age=4, sex="male")
    about = opening.about_child(concern(), child, "concern-1.2")
    decision = opening.open_case(
        replace(about, id="concern-1"), "case-2", "TN-2", child, world(), by_person=True, part="concern-1.2"
    )
    assert (decision.case.sex, decision.case.age_band, decision.case.concern_id) == ("male", "4-5", "concern-1.2")
    assert decision.happenings[0].extra["concern_id"] == "concern-1"
    linked = opening.with_siblings(decision, ["TN-1", "TN-3"], ["case-1"])
    assert said(linked)[-1] == "case.sibling-linked"
    assert linked.entries[-1].data == {"codes": ["TN-1", "TN-3"]}
    assert opening.with_siblings(decision, [], []) is decision


def test_a_correction_reaches_a_sibling_still_at_intake_and_a_child_named_no_more_keeps_its_case() -> None:
    case: Case = opening.open_case(concern(), "c", "TN", CHILD, world(), by_person=False, part="concern-1.2").case
    before = opening.about_child(concern(), CHILD, "concern-1.2")
    after = opening.about_child(concern(harmer="parent"), replace_age(CHILD, 13), "concern-1.2")
    corrected: Decision = opening.correct(case, before, after, CHILD, world())
    assert (corrected.case.harmer, corrected.case.age_band) == ("parent", "11-15")
    gone = opening.named_no_more(case, "hotline")
    assert gone.case == case
    assert gone.entries[0].data == {"removed": True}


def replace_age(child: ChildDescription, age: int) -> ChildDescription:
    return child.model_copy(update={"age": age})


def test_the_moment_of_a_birth_in_the_future_is_judged_by_the_days_here() -> None:
    late = datetime(2026, 11, 24, 18, 0, tzinfo=UTC)
    born = {"what_happened": "x", "child_birth_date": "25/11/2026"}
    report_form.report(Typed(born), UNITS, late)
    with pytest.raises(Rejected):
        report_form.report(Typed(born), UNITS, NOW)
