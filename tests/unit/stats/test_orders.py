"""In which order a dimension's values are told."""

from __future__ import annotations

import random

from services.stats.domain.orders import rank_of, values_of
from shared.reference.indicators import Indicators

CASES = Indicators.load().get("cases-opened")


def told(dimension: str, codes: list[str]) -> list[str]:
    return sorted(codes, key=lambda code: rank_of(CASES, dimension, code))


def test_ages_stand_by_age_and_risk_by_how_grave_it_is() -> None:
    assert told("age", ["unknown", "11-15", "16+", "0-3", "6-10", "4-5"]) == [
        *("0-3", "4-5", "6-10", "11-15", "16+", "unknown")
    ]
    assert told("risk", ["low", "unassessed", "medium", "high"]) == ["high", "medium", "low", "unassessed"]


def test_a_list_s_codes_stand_as_it_has_them_and_what_is_not_known_comes_last() -> None:
    listed = [code for code in values_of(CASES, "kind") if code != "unclassified"]
    codes = [*listed, "of-another-time", "unclassified", ""]
    random.Random(1).shuffle(codes)
    assert told("kind", codes) == [*listed, "of-another-time", "", "unclassified"]


def test_an_indicator_that_is_no_more_has_its_ages_in_order_all_the_same() -> None:
    assert sorted(["11-15", "4-5"], key=lambda code: rank_of(None, "age", code)) == ["4-5", "11-15"]
