"""What a good record is: every word of the rules' vocabulary, and when time alone turns an answer."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from services.registry.domain.quality import NEVER, Facts, Judged, judge
from services.registry.inspector import CommuneBoard
from shared.contracts.vocabulary import ChildDescription
from shared.reference.files import ReferenceDataError, lay_over, read_yaml
from shared.reference.quality import KINDS, Quality

TODAY = date(2026, 11, 25)
QUALITY = Quality.load()
DAYS = st.dates(date(2008, 1, 1), date(2028, 12, 31))


def facts(description: dict[str, Any] | None = None, **over: Any) -> Facts:
    said = {"name": "Nguyễn Thị Ngọc Anh", "sex": "female", "ethnicity": "Tày", "hamlet": "Xóm 1"}
    whole = {"recorded_on": TODAY, "told_on": TODAY, "unit": "05443", "verified_on": TODAY, **over}
    return Facts(ChildDescription.model_validate({**said, **(description or {})}), **whole)


def broken(description: dict[str, Any] | None = None, day: date = TODAY, **over: Any) -> set[str]:
    return set(judge(facts(description, **over), QUALITY, day).broken)


def rule_with(**said: Any) -> Quality:
    document = read_yaml("quality.yaml")
    rule = {**document["rules"]["sex-unknown"], **said}
    return Quality({**document, "rules": {"mine": rule}})


@pytest.mark.parametrize(
    ("description", "over", "rule"),
    [
        ({}, {"unit": None}, "unit-unknown"),
        ({}, {}, "birth-unknown"),
        ({"birth_date": "2016-01-01", "birth_precision": "year"}, {}, "birth-approximate"),
        ({"sex": "unknown"}, {}, "sex-unknown"),
        ({"hamlet": None}, {}, "hamlet-missing"),
        ({"birth_date": "2021-01-02"}, {}, "carer-missing-young"),
        ({"birth_date": "2019-01-02"}, {}, "carer-missing"),
        ({"ethnicity": None}, {}, "ethnicity-missing"),
        ({"birth_date": "2019-01-02"}, {}, "number-missing"),
        ({"birth_date": "2019-01-02"}, {}, "school-missing"),
        (
            {},
            {"circumstances": frozenset({"04"}), "without_evidence": frozenset({"04"})},
            "evidence-missing",
        ),
        ({"birth_date": "2026-11-26"}, {}, "born-after-recorded"),
        ({"birth_date": "2019-01-02"}, {"since": (date(2018, 1, 1),)}, "circumstance-before-birth"),
        ({"birth_date": "2026-11-26"}, {}, "verified-before-birth"),
        ({"number": "12345"}, {}, "number-malformed"),
        ({"name": "Anh"}, {}, "name-doubtful"),
        ({"health_insurance": "12"}, {}, "insurance-malformed"),
        ({"birth_date": "2016-03-09", "number": "019217001234"}, {}, "number-contradicts"),
        ({"birth_date": "2016-03-09", "grade": "10A1"}, {}, "grade-contradicts-age"),
        ({}, {"contradicted": frozenset({"sex"})}, "sources-contradict"),
        ({}, {"pair_waiting": True}, "pair-waiting"),
        ({"carers": [{"name": "Nguyễn Thị Ngọc Anh"}]}, {}, "carer-is-child"),
        ({"disability_kinds": ["motor"]}, {}, "disability-without-group"),
        ({}, {"verified_on": None, "recorded_on": date(2025, 11, 25)}, "unverified-year"),
        ({}, {"told_on": date(2024, 11, 25)}, "untold-two-years"),
        ({"grade": "5"}, {"said_on": {"grade": date(2025, 8, 25)}}, "grade-old"),
        ({}, {"registers": frozenset({"report"}), "verified_on": None}, "report-only"),
    ],
)
def test_each_rule_finds_what_it_is_for(description: dict[str, Any], over: dict[str, Any], rule: str) -> None:
    assert rule in broken(description, **over)


def test_every_shipped_rule_has_an_example_above_and_every_kind_a_rule() -> None:
    examples = test_each_rule_finds_what_it_is_for.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {example[2] for example in examples} == {rule.code for rule in QUALITY.rules}
    assert {rule.kind for rule in QUALITY.rules} == set(KINDS)


def test_a_good_record_breaks_nothing() -> None:
    good = {
        "birth_date": "2016-03-09",
        "number": "019316001234",
        "school": "Trường Tiểu học Thành Công",
        "grade": "5A",
        "carers": [{"name": "Lý Thị Thu Lan", "phone": "0912 345 678"}],
    }
    assert broken(good, said_on={"grade": TODAY}, registers=frozenset({"report", "commune-roster"})) == set()


def test_a_grade_is_of_the_school_year_in_which_it_was_told() -> None:
    said = {"birth_date": "2010-03-09", "grade": "3"}
    assert "grade-contradicts-age" not in broken(said, said_on={"grade": date(2018, 10, 1)})
    assert "grade-contradicts-age" in broken(said, said_on={"grade": TODAY})


def test_who_left_school_is_not_asked_for_one() -> None:
    said = {"birth_date": "2014-03-09"}
    assert "school-missing" in broken(said)
    assert "school-missing" not in broken(said, circumstances=frozenset({"dropped-out"}))


def test_an_age_without_a_birth_date_is_reckoned_by_years() -> None:
    assert "carer-missing-young" in broken({"age": 4}, birth_year=2021)
    assert "carer-missing" in broken({"age": 4}, birth_year=2020)


@st.composite
def some_facts(draw: st.DrawFn) -> Facts:
    born = draw(st.one_of(st.none(), st.dates(date(2008, 1, 1), TODAY), st.just(date(2020, 2, 29))))
    description = {
        "name": draw(st.sampled_from(["Nguyễn Văn An", "An", "A1"])),
        "birth_date": born,
        "birth_precision": draw(st.sampled_from([None, "day", "month", "year"])),
        "grade": draw(st.sampled_from([None, "1", "5A", "Lớp 9", "mầm"])),
        "health_insurance": draw(st.sampled_from([None, "TE1191234567890", "1"])),
    }
    return Facts(
        ChildDescription.model_validate(description),
        recorded_on=draw(DAYS),
        told_on=draw(DAYS),
        birth_year=born.year if born else draw(st.one_of(st.none(), st.integers(2008, 2026))),
        verified_on=draw(st.one_of(st.none(), DAYS)),
        said_on=draw(st.dictionaries(st.sampled_from(["grade", "name"]), DAYS)),
        circumstances=draw(st.frozensets(st.sampled_from(["04", "poor", "dropped-out"]))),
        without_evidence=draw(st.frozensets(st.sampled_from(["04", "poor"]))),
        since=tuple(draw(st.lists(DAYS, max_size=2))),
    )


@given(some_facts(), st.dates(date(2024, 1, 1), date(2027, 12, 31)), st.integers(1, 500))
def test_before_the_day_to_look_again_nothing_changes_by_itself(child: Facts, day: date, later: int) -> None:
    first = judge(child, QUALITY, day)
    assert first.again_on > day
    other = min(day + timedelta(days=later), first.again_on - timedelta(days=1))
    assert judge(child, QUALITY, other) == first


@given(some_facts(), st.dates(date(2024, 1, 1), date(2027, 12, 31)))
def test_judging_is_the_same_every_time_and_names_rules_in_force_only(child: Facts, day: date) -> None:
    said = judge(child, QUALITY, day)
    assert said == judge(child, QUALITY, day)
    assert set(said.broken) <= {rule.code for rule in QUALITY.on(day)}


def test_a_rule_is_asked_from_its_first_day_until_its_last() -> None:
    quality = rule_with(effective_from=date(2026, 12, 1), effective_to=date(2027, 1, 1))
    child = facts({"sex": "unknown"})
    assert judge(child, quality, TODAY) == Judged((), date(2026, 12, 1))
    assert judge(child, quality, date(2026, 12, 1)) == Judged(("mine",), date(2027, 1, 1))
    assert judge(child, quality, date(2027, 1, 1)) == Judged((), NEVER)


@pytest.mark.parametrize(
    "wrong",
    [
        {"when": {"emtpy": ["name"]}},
        {"when": {"empty": ["nmae"]}},
        {"when": {"empty": "name"}},
        {"when": {}},
        {"when": {"age": {"from": 7, "to": 6}}},
        {"when": {"order": {"first": "birth", "second": "birth"}}},
        {"when": {"order": ["birth", "told"]}},
        {"when": {"unverified_months": "12"}},
        {"when": {"only_from": ["nobody"]}},
        {"kind": "ugly"},
        {"severity": "dire"},
        {"act": "correct", "field": None},
        {"field": "nmae"},
        {"minutes": 0},
        {"vi": ""},
        {"say_vi": "{n} trẻ {ở}"},
        {"say_vi": "{n trẻ"},
        {"effective_to": date(2020, 1, 1)},
        {"effective_from": "soon"},
        {"legal_source_vi": ""},
        {"colour": "red"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ReferenceDataError, match=r"quality\.yaml: rules\.mine"):
        rule_with(**wrong)


def test_a_province_adds_changes_and_takes_away_rules_by_data(tmp_path: Path) -> None:
    own = {
        "rules": {
            "ethnicity-missing": None,
            "sex-unknown": {"severity": "serious"},
            "insurance-missing": {
                **read_yaml("quality.yaml")["rules"]["number-missing"],
                "field": "health_insurance",
                "when": {"empty": ["health_insurance"]},
            },
        }
    }
    (tmp_path / "quality.yaml").write_text(yaml.safe_dump(own, allow_unicode=True), "utf-8")
    try:
        lay_over(tmp_path)
        laid = Quality.load()
        assert laid.rule("ethnicity-missing") is None
        assert laid.rule("sex-unknown").severity == "serious"  # type: ignore[union-attr]
        assert "insurance-missing" in judge(facts(), laid, TODAY).broken
        assert laid.fingerprint() != QUALITY.fingerprint()
    finally:
        lay_over(None)


def test_a_doubt_is_said_only_of_many_children_and_beyond_its_bound() -> None:
    (few,) = [doubt for doubt in QUALITY.doubts if doubt.code == "few-special"]
    assert few.holds(0.01, 4_000)
    assert not few.holds(0.01, 50)
    assert not few.holds(0.06, 4_000)


def test_a_board_reckons_with_the_points_in_force_on_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    document = read_yaml("quality.yaml")
    today = document["points"][0]
    quality = Quality({**document, "points": [today, {**today, "effective_from": date(2100, 1, 1), "serious": 99}]})
    monkeypatch.setattr(Quality, "load", lambda: quality)
    boards = [CommuneBoard("05443", None, (), (), (), day) for day in (date(2026, 11, 24), date(2100, 1, 1))]
    assert [board.points.serious for board in boards] == [today["serious"], 99]
