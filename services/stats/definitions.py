"""How an indicator is counted, in words: made of the row that counts it, so that a new one has them by itself.

What a measure is stands here once for all indicators; which of it one counts, by what it is divided and what is left
out is read from its data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from services.stats.figures.catalogue import known_values
from services.stats.views import Words
from shared.contracts.vocabulary import UNCLASSIFIED
from shared.reference.indicators import Indicator, NumberUnit, Part
from shared.web.i18n import format_number

# What one of a measure is, and on which day or at which moment it is counted. msgids
COUNTED: Final[Mapping[str, str]] = {
    "reports": "tin báo, tố giác và yêu cầu đã tiếp nhận, mỗi tin một lần, vào ngày tiếp nhận",
    "openings": "vụ việc được mở, mỗi vụ việc một lần (trẻ có hai vụ việc được tính hai lần), vào ngày mở",
    "closings": "vụ việc đã kết thúc, mỗi vụ việc một lần, vào ngày kết thúc",
    "clocks": "thời hạn của luật trong các vụ việc, mỗi thời hạn một lần, vào ngày đến hạn",
    "spans": "số giờ từ bước này đến bước kia (kể cả ngày nghỉ), vào ngày của bước sau",
    "services": "lượt dịch vụ đã cung cấp trong các vụ việc, vào ngày cung cấp",
    "incidents": "tai nạn, thương tích mà các ngành báo, mỗi trẻ trong một sự việc một lần, vào ngày xảy ra",
    "activities": "hoạt động mà các ngành báo, mỗi hoạt động một lần, vào ngày tổ chức",
    "people-reached": "lượt người dự các hoạt động mà các ngành báo (dự hai lần được tính hai lần), vào ngày tổ chức",
    "cases": "vụ việc, mỗi vụ việc một lần, theo tình trạng vào cuối kỳ",
    "tasks": "nhiệm vụ giao cho các ngành, mỗi nhiệm vụ một lần, theo tình trạng vào cuối kỳ",
    "children": "trẻ em trong sổ quản lý của tỉnh, mỗi trẻ một lần, theo hồ sơ vào cuối kỳ",
}
# What a measure never counts. msgids
LEFT_OUT: Final[Mapping[str, str]] = {
    "reports": "sự việc mà các ngành chỉ báo để thống kê",
    "openings": "vụ việc đã gộp vào vụ việc khác; sự việc mà các ngành chỉ báo để thống kê",
    "closings": "vụ việc đã mở lại; vụ việc đã gộp vào vụ việc khác",
    "spans": "bước chưa xong",
    "services": "dịch vụ đã rút lại",
    "incidents": "vụ việc bảo vệ trẻ em",
    "children": (
        "hồ sơ đã gộp, đã rút hoặc đã xóa, trẻ đã ra khỏi sổ vì đủ tuổi, đã mất, chuyển đi tỉnh khác, làm con nuôi"
    ),
}
# In what a share is told. msgids
WAYS: Final[Mapping[NumberUnit, str]] = {
    "number": "tử số chia cho mẫu số",
    "percent": "tử số chia cho mẫu số, nhân 100",
    "per-thousand": "tử số chia cho mẫu số, nhân 1.000",
    "per-100000": "tử số chia cho mẫu số, nhân 100.000",
    "hours": "tử số chia cho mẫu số",
    "days": "tử số chia cho mẫu số",
    "points": "tử số chia cho mẫu số",
}
# Somebody may have several circumstances at once, and of spans each is another question: to count some of them leaves
# nothing out.
_NO_CHOICE: Final = frozenset({"circumstance", "span"})
# Names of values may hold a comma themselves.
_BETWEEN: Final = " · "
# So many values that are left out are named; of more it is said that they are all the others.
_NAMED: Final = 6


def definition(words: Words, indicator: Indicator) -> list[tuple[str, str]]:
    """How an indicator is counted: heads and texts, in the order in which one asks for them."""
    numerator, denominator = indicator.numerator, indicator.denominator
    if numerator is None:
        return [(words("Cách tính"), _handed_in(words, indicator))]
    found = []
    if denominator is not None:
        found += [
            (words("Tử số"), _part(words, indicator, numerator)),
            (words("Mẫu số"), _part(words, indicator, denominator)),
            (words("Cách tính"), words(WAYS[indicator.unit])),
        ]
    elif indicator.shape == "percentile":
        share = format_number(words.language, indicator.at)
        way = words("số giờ mà %(share)s%% các lần đo không vượt quá", share=share)
        found += [(words("Số được đo"), _part(words, indicator, numerator)), (words("Cách tính"), way)]
    else:
        found.append((words("Số được đếm"), _part(words, indicator, numerator)))
    left_out = "; ".join(dict.fromkeys(_left_out(words, indicator)))
    if left_out:
        found.append((words("Không tính"), left_out))
    return [(head, text[:1].upper() + text[1:] + ".") for head, text in found]


def _handed_in(words: Words, indicator: Indicator) -> str:
    """How figures that somebody hands in become one."""
    if indicator.reported_by == "registry":
        return words("Sổ quản lý trẻ em tự chấm từng xã, phường; số của tỉnh là trung bình theo số trẻ.")
    sector = words.sector(indicator.reported_by or "")
    if indicator.unit == "number":
        return words(
            "Ngành %(sector)s báo cáo, hệ thống không tự đếm; số của các xã, phường được cộng lại.", sector=sector
        )
    return words(
        "Ngành %(sector)s báo cáo, hệ thống không tự tính; tử số và mẫu số do ngành giữ.",
        sector=sector,
    )


def _part(words: Words, indicator: Indicator, part: Part) -> str:
    """What is counted of a measure: all of it, or what has these values."""
    said = words(COUNTED[part.measure])
    if not part.where:
        return said
    chosen = [
        f"{words.dimension(name)}: {_names(words, indicator, part, name, values)}"
        for name, values in part.where.items()
    ]
    return words("%(counted)s; chỉ tính %(chosen)s", counted=said, chosen="; ".join(chosen))


def _left_out(words: Words, indicator: Indicator) -> Iterator[str]:
    """What is not counted: what its measures never count, and the values that are not among those it counts. Where
    both parts of a share are of one measure, what only the numerator leaves out is what the share is of."""
    by_measure = {part.measure: part for part in (indicator.numerator, indicator.denominator) if part is not None}
    for measure, part in by_measure.items():
        for name, values in part.where.items():
            rest = [one for one in known_values(measure, name) or () if one not in {*values, UNCLASSIFIED}]
            if not rest or name in _NO_CHOICE:
                continue
            if len(rest) <= _NAMED:
                yield f"{words.dimension(name)}: {_names(words, indicator, part, name, rest)}"
            else:
                yield words("mọi giá trị khác của «%(dimension)s»", dimension=words.dimension(name))
        if measure in LEFT_OUT:
            yield words(LEFT_OUT[measure])


def _names(words: Words, indicator: Indicator, part: Part, dimension: str, values: Iterable[str]) -> str:
    # One word may mean different things in two measures: a value is named by the list of the part that counts it.
    counted = replace(indicator, numerator=part)
    return _BETWEEN.join(words.value(counted, dimension, one) for one in values)
