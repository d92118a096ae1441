"""Indicators are data, and what cannot be answered stops the start with the row and the rule."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.stats.domain.measures import MEASURES, list_of
from services.stats.figures.catalogue import dimensions, load_indicators
from shared.reference.files import ReferenceDataError, lay_over
from shared.reference.indicators import Indicators
from shared.reference.terms import Terms

WORDS = {"theme": "protection", "vi": "Chỉ tiêu thử", "en": "A trial", "unit": "number", "shape": "count"}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    lay_over(None)


def laid(folder: Path, **row: Any) -> Indicators:
    (folder / "indicators.yaml").write_text(yaml.safe_dump({"indicators": {"trial": {**WORDS, **row}}}), "utf-8")
    lay_over(None)
    lay_over(folder)
    return load_indicators()


def test_a_new_indicator_is_a_few_lines_of_data(folder: Path) -> None:
    found = laid(folder, numerator={"measure": "openings", "where": {"kind": ["neglect"]}}, by=["sex"]).get("trial")
    assert found is not None
    assert dimensions(found) == ("sex", "unit", "district", "named-unit")


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"numerator": {"measure": "wishes"}}, "there is no measure wishes"),
        ({"numerator": {"measure": "openings", "over": "state"}}, "openings is asked over a period"),
        ({"numerator": {"measure": "openings"}, "by": ["clock"]}, "openings has no clock"),
        ({"numerator": {"measure": "openings", "where": {"colour": ["red"]}}}, "openings has no colour"),
        ({"numerator": {"measure": "openings", "where": {"kind": ["violense"]}}}, "openings knows no kind violense"),
        ({"numerator": {"measure": "incidents", "where": {"kind": ["violence"]}}}, "incidents knows no kind violence"),
        ({"numerator": {"measure": "clocks", "where": {"clock": ["13h"]}}}, "clocks knows no clock 13h"),
        (
            {"numerator": {"measure": "children", "over": "state", "where": {"ethnicity": ["martian"]}}},
            "children knows no ethnicity martian",
        ),
        ({"numerator": {"measure": "openings", "where": {"unit": ["99999"]}}}, "openings knows no unit 99999"),
        ({"shape": "percentile", "at": 50, "numerator": {"measure": "openings"}}, "openings has no hours"),
        ({"shape": "reported", "reported_by": "press"}, "reported_by is none of"),
        ({"shape": "reported", "reported_by": "health", "by": ["sex"]}, "broken down by place only"),
        (
            {"numerator": {"measure": "openings"}, "targets": [{"year": 2030, "change": -5}]},
            "a target has a value, or a change against the value of a year",
        ),
        (
            {"numerator": {"measure": "openings"}, "targets": [{"year": 2030, "change": -5, "against": 2031}]},
            "set against an earlier year",
        ),
        ({"numerator": {"measure": "openings"}, "targets": [{"year": 2030, "valeu": 5}]}, "a target has no valeu"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_row_and_rule(folder: Path, row: dict[str, Any], rule: str) -> None:
    with pytest.raises(ReferenceDataError, match=rule) as refused:
        laid(folder, **row)
    assert "indicators.yaml: trial" in str(refused.value)


def test_every_shipped_indicator_can_be_answered() -> None:
    assert len(load_indicators()) == len(Indicators.load())


def test_what_counts_cases_of_a_kind_that_incidents_have_too_says_which_of_the_two_it_counts() -> None:
    """A commune reads both beside each other: cases that were opened, and incidents that open none."""
    both = set(Terms.load("incident-causes").codes()) & set(Terms.load("case-kinds").codes()) - {"other"}
    found = [
        indicator
        for indicator in load_indicators()
        if indicator.numerator is not None
        and indicator.numerator.measure == "openings"
        and len(kinds := indicator.numerator.where.get("kind", ())) == 1
        and both & set(kinds)
    ]
    assert {one.code for one in found} == {"domestic-violence", "school-violence", "child-labour-cases"}
    for indicator in found:
        assert "vụ việc được mở trong kỳ" in indicator.note_vi
        assert "cases opened in the period" in indicator.note_en


def test_whatever_an_indicator_is_broken_down_by_is_named_and_checked_by_one_list() -> None:
    """Two tables of which dimension means which list once said nearly the same."""
    named = {
        (measure, dimension): Terms.load(found).codes()
        for measure, measured in MEASURES.items()
        for dimension in measured.dimensions
        if (found := list_of(measure, dimension)) is not None
    }
    assert "drowning" in named["incidents", "kind"]
    assert "violence" not in named["incidents", "kind"]
    # The state of a child's record is no state of a deadline.
    assert ("clocks", "state") in named
    assert ("children", "state") not in named
