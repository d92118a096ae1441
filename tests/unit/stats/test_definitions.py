"""Each indicator says how it is counted, out of the row that counts it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from services.stats.definitions import COUNTED, LEFT_OUT, definition
from services.stats.domain.measures import MEASURES
from services.stats.figures.catalogue import known_values
from services.stats.views import Words
from shared.reference.indicators import Indicator, Indicators, Part
from shared.web.i18n import Texts
from tests.unit.stats.made_up_figures import indicator

VI = Words(Texts(("services.stats", "shared.web")), "vi")
EN = Words(VI.texts, "en")
LETTERS = re.compile(r"[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
# Codes are Latin words; some of them are names in both languages.
CODE = re.compile(r"\b[a-z]+(?:-[a-z]+)+\b|\b(?:openings|closings|clocks|spans|incidents|children|met|fatal)\b")


def shipped() -> Sequence[Indicator]:
    return list(Indicators.load())


def found(code: str, words: Words = VI) -> dict[str, str]:
    one = Indicators.load().get(code)
    assert one is not None
    return dict(definition(words, one))


def test_every_measure_says_what_one_of_it_is() -> None:
    assert COUNTED.keys() == MEASURES.keys()
    assert LEFT_OUT.keys() <= MEASURES.keys()


@pytest.mark.parametrize("one", shipped(), ids=lambda one: one.code)
def test_every_indicator_says_how_it_is_counted_in_both_languages(one: Indicator) -> None:
    vi, en = definition(VI, one), definition(EN, one)
    assert len(vi) == len(en) > 0
    assert CODE.search(" ".join(text for _, text in vi)) is None, vi
    assert all(LETTERS.search(head + text) is None for head, text in en), en
    heads = [head for head, _ in vi]
    assert ("Mẫu số" in heads) == (one.denominator is not None)
    assert ("Tử số" in heads) == (one.shape == "ratio")


def test_what_counts_neither_above_nor_below_is_said_to_be_left_out() -> None:
    told = found("deadlines-in-time")
    assert told["Tử số"].endswith("chỉ tính Tình trạng: Đúng hạn.")
    assert "Hoàn thành muộn" in told["Mẫu số"]
    assert "Tạm dừng" in told["Không tính"]
    # What is late is not left out: the share is of it, too.
    assert "Hoàn thành muộn" not in told["Không tính"]


def test_a_child_has_several_circumstances_so_that_none_leaves_anybody_out() -> None:
    assert "Hoàn cảnh" not in found("special-circumstances")["Không tính"]
    assert "Hoàn cảnh" in found("special-circumstances")["Số được đếm"]


def test_a_new_indicator_says_it_by_itself() -> None:
    new = indicator("new", Part("openings", "period", {"kind": ("neglect",), "risk": ("high", "medium")}))
    told = dict(definition(VI, new))
    assert "Hình thức: Bỏ mặc; Nguy cơ: Cao · Trung bình" in told["Số được đếm"]
    assert "Nguy cơ: Thấp" in told["Không tính"]
    assert "ọi giá trị khác của «Hình thức»" in told["Không tính"]


def test_every_value_that_data_may_name_has_a_word() -> None:
    for measure, known in MEASURES.items():
        for dimension in (*known.dimensions, "unit"):
            one = indicator("i", Part(measure, known.over, {}))
            for value in known_values(measure, dimension) or ():
                assert VI.value(one, dimension, value) != value, (measure, dimension, value)


def test_a_name_says_in_both_languages_whether_children_or_cases_are_counted() -> None:
    of_cases = re.compile(r"(?<!dịch )(?<!nhiệm )\bvụ\b")
    counts = {one.code: one for one in shipped() if one.numerator is not None and one.shape == "count"}
    for code, one in counts.items():
        assert bool(of_cases.search(one.vi)) == bool(re.search(r"\bcases?\b", one.en.lower())), (code, one.vi, one.en)
        assert ("trẻ em" in one.vi) >= ("children" in one.en.lower()), (code, one.vi, one.en)
    for one in counts.values():
        if one.numerator is not None and one.numerator.measure == "openings":
            assert of_cases.search(one.vi), one.vi
