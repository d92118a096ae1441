"""Forms in editions, and what a province lays over them: added, changed, taken away, refused with the place."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from services.cases.filling import check_forms
from services.cases.forms import CASE_ACTS
from shared.reference import __main__ as checker
from shared.reference.checking import check
from shared.reference.files import ReferenceDataError, lay_over
from shared.reference.forms import Forms
from shared.reference.terms import Terms
from shared.runtime import ConfigurationError, use_reference
from shared.settings import Settings

SWIMMING = 'swimming: {vi: "Dạy bơi", en: "Swimming", sector: education, task: mentoring}'


@pytest.fixture(autouse=True)
def shipped() -> Iterator[None]:
    """Whatever a test lays over is taken off again."""
    yield
    lay_over(None)


def over(folder: Path, **files: str) -> None:
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content, "utf-8")
    lay_over(folder)


def test_a_province_adds_a_field_and_a_service_kind_and_keeps_all_that_is_shipped(tmp_path: Path) -> None:
    before = [field.code for field in Forms.load().form("03").fields]
    over(
        tmp_path,
        forms='"03":\n  fields:\n    distance: {vi: "Khoảng cách", en: "Distance", type: number, when: known}\n',
        terms=f"service-kinds:\n  codes:\n    {SWIMMING}\n",
    )
    assert [field.code for field in Forms.load().form("03").fields] == [*before, "distance"]
    assert Terms.load("service-kinds").label("swimming") == "Dạy bơi"
    assert "medical" in Terms.load("service-kinds")
    assert check()["service-kinds"] == 13


def test_a_label_is_changed_and_everything_else_of_the_field_stays(tmp_path: Path) -> None:
    over(tmp_path, forms='"02":\n  fields:\n    conclusion: {vi: "Kết luận của xã"}\n    assessor: null\n')
    form = Forms.load().form("02")
    field = form.field("conclusion")
    assert field is not None
    assert (field.vi, field.type, field.act) == ("Kết luận của xã", "long", "conclusion")
    assert form.field("assessor") is None


def test_an_edition_says_what_it_changes_and_the_day_decides_which_is_in_force(tmp_path: Path) -> None:
    over(
        tmp_path,
        forms='"02":\n  editions:\n    2027-01-01:\n      fields:\n        assessor: null\n'
        '        online: {vi: "Trên mạng", en: "Online", type: yes-no}\n',
    )
    forms = Forms.load()
    old, new = forms.form("02", date(2026, 12, 31)), forms.form("02", date(2027, 1, 1))
    assert (old.field("online"), new.field("assessor")) == (None, None)
    assert new.field("online") is not None
    assert new.rated == old.rated
    assert forms.edition("02", date(2027, 1, 1)) is new
    assert forms.edition("02", date(2026, 1, 1)) is None
    assert forms.form("02") is new


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('"03":\n  fields:\n    x: {vi: "Một"}\n', r"forms.yaml: 03.x needs names in both languages"),
        ('"03":\n  fields:\n    x: {vi: a, en: a, type: colour}\n', r"forms.yaml: 03.x: there is no type colour"),
        ('"03":\n  fields:\n    x: {vi: a, en: a, list: colours}\n', r"forms.yaml: 03.x: there is no list colours"),
        ('"03":\n  fields:\n    x: {vi: a, en: a, type: choice}\n', r"forms.yaml: 03.x: a choice needs its list"),
        ('"03":\n  fields:\n    x: {vi: a, en: a, type: rows}\n', r"forms.yaml: 03.x: rows need `fields`"),
        ('"03":\n  fields:\n    x: {vi: a, en: a, wen: known}\n', r"forms.yaml: 03.x: a field has no wen"),
        ('"03":\n  fields:\n    x.y: {vi: a, en: a}\n', r"forms.yaml: 03.x.y: no field can have this code"),
        ('"03":\n  fields:\n    x: {vi: a, en: a, prefill: mood}\n', r"forms.yaml: 03.x: nothing is known as mood"),
        ('"03":\n  beside: "99"\n', r"forms.yaml: 03: there is no form 99"),
        ('"03":\n  fields: text\n', r"forms.yaml: 03: fields: a mapping of names is expected"),
        ('"03":\n  editions:\n    soon: {}\n', r"forms.yaml: 03: `editions` are named by the day"),
        ('"08": {vi: a, en: a}\n', r"forms.yaml: 08: .*legal_source_vi"),
        ('"03":\n  act: assess-initial\n', r"forms.yaml: 03: assess-initial has another form"),
        ("a: b: c\n", r"forms.yaml: mapping values are not allowed"),
        ('"03": {}\n"03": {}\n', r"forms.yaml: .*03 stands twice"),
        ("- 1\n", r"forms.yaml: a mapping of names is expected"),
    ],
)
def test_a_form_that_is_wrong_is_named_with_file_row_and_rule(tmp_path: Path, content: str, says: str) -> None:
    over(tmp_path, forms=content)
    with pytest.raises(ReferenceDataError, match=says):
        Forms.load()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('"02":\n  fields:\n    level: null\n', "02: some field must be answered `as` level"),
        ('"02":\n  fields:\n    conclusion: {when: known}\n', "02.conclusion: the procedure needs it"),
        ('"02":\n  fields:\n    x: {vi: a, en: a, as: mood}\n', "02: assess-initial has no mood"),
        ('"04":\n  fields:\n    services:\n      fields:\n        due: null\n', "04: its services need a date due"),
        ('"05":\n  act: null\n', "no form has the act approve-plan"),
        ('"05":\n  act: fly\n', "no form has the act approve-plan"),
    ],
)
def test_a_form_without_what_the_procedure_needs_stops_the_start(tmp_path: Path, content: str, says: str) -> None:
    over(tmp_path, forms=content)
    with pytest.raises(ReferenceDataError, match=says):
        check_forms(Forms.load(), CASE_ACTS)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            "service-kinds:\n  codes:\n    x: {vi: a, en: a, sector: health, task: fly}\n",
            r"service-kinds.x needs the kind",
        ),
        (
            "service-kinds:\n  codes:\n    x: {vi: a, en: a, sector: us, task: mentoring}\n",
            r"service-kinds.x is given by no",
        ),
        ("service-kinds:\n  codes:\n    medical: null\n", r"service-kinds.medical is no entry"),
        ("colours:\n  codes:\n    red: {vi: a, en: a}\n", r"terms.yaml: colours is not a list"),
    ],
)
def test_a_list_that_is_wrong_is_named(tmp_path: Path, content: str, says: str) -> None:
    over(tmp_path, terms=content)
    with pytest.raises(ReferenceDataError, match=says):
        check()


@pytest.mark.parametrize(
    ("name", "row", "says"),
    [
        ("intake", "oldest_receipt_years: 0", "intake.yaml: 2030-01-01: oldest_receipt_years is between 1 and 100"),
        ("intake", "years: 5", "intake.yaml: .*years"),
        ("access", "log_months: 1", "access.yaml: .*missing"),
        ("repair-keeping", "dead_letter_days: 0", "repair-keeping.yaml: 2030-01-01: `dead_letter_days`"),
        ("repair-keeping", "dead_letter_days: a month", "repair-keeping.yaml: 2030-01-01: `dead_letter_days`"),
    ],
)
def test_limits_that_are_wrong_are_named_before_a_process_starts(
    tmp_path: Path, name: str, row: str, says: str
) -> None:
    check()
    source = 'effective_from: 2030-01-01, legal_source_vi: "Nguồn", legal_source_en: "Source"'
    over(tmp_path, **{name: f"- {{{source}, {row}}}\n"})
    with pytest.raises(ReferenceDataError, match=says):
        check()


def test_a_folder_that_is_not_there_or_a_file_nobody_reads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceDataError, match="no such folder"):
        lay_over(tmp_path / "nowhere")
    with pytest.raises(ReferenceDataError, match=r"form\.yaml: no shipped file has this name; there are .*forms\.yaml"):
        over(tmp_path, form="{}")


def test_the_checker_tries_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "terms.yaml").write_text(f"service-kinds:\n  codes:\n    {SWIMMING}\n", "utf-8")
    assert checker.main([str(tmp_path)]) == 0
    assert "service-kinds: 13" in capsys.readouterr().out


def test_a_process_starts_with_the_provinces_folder_or_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    (tmp_path / "terms.yaml").write_text(f"service-kinds:\n  codes:\n    {SWIMMING}\n", "utf-8")
    use_reference(Settings(environment="test", reference_dir=tmp_path))
    assert "swimming" in Terms.load("service-kinds")
    use_reference(Settings(environment="test"))
    assert "swimming" not in Terms.load("service-kinds")
    with pytest.raises(ConfigurationError, match=r"VONGTAY_REFERENCE_DIR: .*nowhere: there is no such folder"):
        use_reference(Settings(environment="test", reference_dir=tmp_path / "nowhere"))
