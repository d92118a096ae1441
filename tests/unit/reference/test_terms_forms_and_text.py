"""Code lists and forms as data; text folded alike however it was typed."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import vocabulary
from shared.reference import __main__ as checker
from shared.reference import files
from shared.reference.files import ReferenceDataError, read_csv, read_yaml
from shared.reference.forms import Form, FormField, Forms, RatedRow
from shared.reference.terms import Terms
from shared.reference.text import fold, toned

LAW = ("luật", "law")


@contextmanager
def data(monkeypatch: pytest.MonkeyPatch, content: str) -> Iterator[None]:
    """Whatever file is read says `content`."""
    with monkeypatch.context() as patch:
        patch.setattr(files, "_text", lambda _name: content)
        yield


@pytest.mark.parametrize("name", Terms.names())
def test_every_code_is_named_in_both_languages_with_its_source(name: str) -> None:
    terms = Terms.load(name)
    assert terms.codes()
    for code in terms.codes():
        assert terms.label(code).strip()
        assert terms.label(code, "en").strip()
        assert terms.get(code, "legal_source_vi") != terms.get(code, "legal_source_en")
        assert terms.find(code) == code


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("sectors", vocabulary.SECTORS),
        ("requests", get_args(vocabulary.Request)),
        ("channels", get_args(vocabulary.Channel)),
        ("risk-levels", get_args(vocabulary.RiskLevel)),
    ],
)
def test_whatever_events_may_say_has_a_name(name: str, codes: tuple[str, ...]) -> None:
    assert set(codes) <= set(Terms.load(name).codes())


def test_there_are_fourteen_groups_and_fifty_four_peoples() -> None:
    assert Terms.load("circumstances").codes() == tuple(f"{number:02d}" for number in range(1, 15))
    peoples = Terms.load("ethnic-groups")
    assert peoples.codes() == tuple(f"{number:02d}" for number in range(1, 56))
    assert sorted(peoples.get(code, "gso") for code in peoples.codes()) == sorted(peoples.codes())


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("incident-causes", "Đuối nước", "drowning"),
        ("incident-causes", "tai nan giao thong", "traffic-accident"),
        ("incident-causes", "TNGT", "traffic-accident"),
        ("incident-causes", "traffic-accident", "traffic-accident"),
        ("incident-results", "Tử vong", "fatal"),
        ("ethnic-groups", "H'Mông", "08"),
        ("ethnic-groups", "Cao Lan", "15"),
        ("incident-causes", "mưa đá", None),
    ],
)
def test_a_senders_word_means_a_code(name: str, text: str, code: str | None) -> None:
    assert Terms.load(name).find(text) == code


def test_a_word_that_fits_two_codes_means_none() -> None:
    terms = Terms("t", {"a": {"vi": "Má", "en": "One"}, "b": {"vi": "Mà", "en": "Two"}}, LAW)
    assert terms.find("ma") is None


def test_a_code_that_ended_keeps_its_meaning() -> None:
    ended = {"vi": "Cũ", "en": "Old", "effective_to": date(2024, 1, 1)}
    begun = {"vi": "Mới", "en": "New", "effective_from": date(2024, 1, 1)}
    terms = Terms("t", {"a": ended, "b": begun}, LAW, date(2020, 1, 1))
    assert terms.codes() == ("b",)
    assert terms.codes(date(2023, 12, 31)) == ("a",)
    assert terms.codes(date(2024, 1, 1)) == ("b",)
    assert terms.label("a") == "Cũ"
    assert "a" in terms


@pytest.mark.parametrize(
    ("entry", "source", "says"),
    [
        ({"vi": "Một"}, LAW, "both languages"),
        ({"vi": "Một", "en": "One"}, ("luật", ""), "legal source"),
        ({"vi": "Một", "en": "One", "effective_from": "soon"}, LAW, "no date"),
        ({"vi": "Một", "en": "One", "effective_to": date(2000, 1, 1)}, LAW, "ends before"),
    ],
)
def test_terms_that_contradict_themselves_are_not_loaded(
    entry: dict[str, Any], source: tuple[str, str], says: str
) -> None:
    with pytest.raises(ReferenceDataError, match=says):
        Terms("t", {"a": entry}, source, date(2020, 1, 1))


def test_a_list_that_is_not_there_is_named() -> None:
    with pytest.raises(ReferenceDataError, match="no list colours"):
        Terms.load("colours")


def test_a_code_that_stands_twice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with data(monkeypatch, "a: 1\nb: 2\na: 3\n"), pytest.raises(ReferenceDataError, match="a stands twice"):
        read_yaml("terms.yaml")


@pytest.mark.parametrize("row", ["1", "1,2,3"])
def test_a_row_with_other_columns_is_an_error(monkeypatch: pytest.MonkeyPatch, row: str) -> None:
    with data(monkeypatch, f"a,b\n{row}\n"), pytest.raises(ReferenceDataError, match="line 2"):
        read_csv("units.csv")


def test_forms_01_to_07_and_minutes_are_there_and_three_rate_the_same_rows() -> None:
    forms = Forms.load()
    assert forms.codes() == (*(f"{number:02d}" for number in range(1, 8)), "minutes-conference", "minutes-needs")
    rows = forms.form("02").rated
    assert [row.half for row in rows] == ["harm"] * 3 + ["protection"] * 3
    assert forms.form("03").rated == rows
    # Form 06 asks of the same rows what is left of the harm, in its own words.
    assert [(row.code, row.half) for row in forms.form("06").rated] == [(row.code, row.half) for row in rows]
    assert forms.form("06").rated[0].vi == "Mức độ tổn hại của trẻ có còn nghiêm trọng không"


def test_who_decides_on_a_place_in_a_facility_changed_when_the_districts_ended() -> None:
    offices = Terms.load("care-authorities")

    def deciding(care: str, on: date) -> list[str]:
        return [code for code in offices.codes(on) if care in offices.get(code, "care")]

    assert deciding("facility", date(2025, 6, 30)) == ["district-chair", "department-director"]
    assert deciding("facility", date(2025, 7, 1)) == ["facility-commune-chair", "province-chair"]
    # Decree 147/2025 lapses: whoever follows is not known yet, and nobody is guessed.
    assert deciding("facility", date(2027, 3, 1)) == []
    for care in ("kinship", "foster", "adoption"):
        assert len(deciding(care, date(2026, 1, 1))) == 1
    named = {care for code in offices.codes(date(2026, 1, 1)) for care in offices.get(code, "care")}
    assert named == set(Terms.load("care-kinds").codes())


def test_form_03_asks_whatever_article_27_lists_and_never_the_harmer_for_a_wish() -> None:
    form = Forms.load().form("03")
    listed = {"health", "mind", "family", "risk-factors", "education", "support-around", "needs", "wishes"}
    assert listed <= {field.code for field in form.fields}
    carers = form.field("carer-wishes")
    assert carers is not None
    assert "người đã gây tổn hại" in carers.hint()


def test_an_informant_is_kept_only_where_they_agree() -> None:
    fields = {field.code: field.when for field in Forms.load().form("01").fields}
    assert {when for code, when in fields.items() if code.startswith("informant")} == {"agreed"}


FORM = Form("01", "Mẫu", "Form", *LAW, date(2020, 1, 1), [FormField("a", "Một", "One")])


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (replace(FORM, en=""), "both languages"),
        (replace(FORM, deadline="never"), "no clock never"),
        (replace(FORM, effective_to=date(2019, 1, 1)), "ends before"),
        (replace(FORM, fields=[FormField("a", "Một", "One", terms="colours")]), "no list colours"),
        (replace(FORM, fields=[FormField("a", "Một", "One", when="maybe")]), "known `when`"),  # type: ignore[arg-type]
        (replace(FORM, rated=[RatedRow("a", "Một", "One", "middle")]), "neither half"),  # type: ignore[arg-type]
    ],
)
def test_forms_that_contradict_themselves_are_not_loaded(form: Form, says: str) -> None:
    with pytest.raises(ReferenceDataError, match=says):
        Forms([form], ["flags"], ["emergency-12h"])


def test_the_checker_counts_everything(capsys: pytest.CaptureFixture[str]) -> None:
    assert checker.main() == 0
    printed = capsys.readouterr().out.splitlines()
    assert {"units: 92", "predecessors: 280", "forms: 9", "circumstances: 14"} <= set(printed)


def test_the_checker_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def wrong() -> dict[str, int]:
        raise ReferenceDataError("units.csv: 00001: wrong")

    monkeypatch.setattr(checker, "check", wrong)
    assert checker.main() == 1
    assert capsys.readouterr().err == "units.csv: 00001: wrong\n"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Nguyễn   Thị\tĐào ", "nguyen thi dao"),
        ("Hoà", "hoa"),
        ("Hòa", "hoa"),
        ("Ð\u1ea1i T\u1eeb", "dai tu"),
        ("Đa\u0323i Tư\u0300", "dai tu"),  # as Windows-1258 decodes
        ("Phú\u200b Bình\ufeff", "phu binh"),
        ("A\u00a0B", "a b"),
        ("", ""),
    ],
)
def test_text_is_folded(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_windows_1258_reads_as_if_it_had_been_unicode() -> None:
    combining = "Xa\u0303 Đô\u0300ng Hy\u0309"
    assert combining.encode("cp1258").decode("cp1258") == combining
    assert fold(combining) == fold("Xã Đồng Hỷ")
    assert toned(combining) == toned("Xã Đồng Hỷ")


def test_toned_knows_both_places_of_a_tone_and_tells_tones_apart() -> None:
    assert toned("Hoà Thuỷ") == toned("hòa  thủy")
    assert toned("Văn Lang") != toned("Văn Lăng")
    assert toned("Ma") != toned("Má")


@given(st.text())
def test_folding_is_the_same_for_every_spelling_and_done_once(text: str) -> None:
    assert fold(text) == fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))
    assert fold(fold(text)) == fold(text)
    assert toned(text) == toned(unicodedata.normalize("NFD", text))
