"""What sectors report for others to count: which figures are taken, of whom, and what is refused and why. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from math import isfinite
from typing import Final

from services.stats.domain.periods import Period
from shared.contracts.agency import ActivityHeld, FigureReported
from shared.contracts.errors import Rejected, Violation
from shared.reference.indicators import Indicator, NumberUnit

# What a figure in a unit can be at most.
_MOST: Final[Mapping[NumberUnit, int]] = {"percent": 100, "per-thousand": 1_000, "per-100000": 100_000, "points": 100}
# What is more is no count of anything in a province: of a few such there would be no sum.
_MOST_OF_ALL: Final = 10_000_000


def check_activity(
    activity: ActivityHeld, activities: Collection[str], audiences: Collection[str], today: date
) -> None:
    """Raises `Rejected` for what is on no list, or lies ahead."""
    wrong = []
    if activity.activity not in activities:
        wrong.append(_not_listed("activity", "Hoạt động", "The activity", activities))
    if activity.audience not in audiences:
        wrong.append(_not_listed("audience", "Đối tượng", "The audience", audiences))
    if activity.held_on > today:
        wrong.append(
            Violation(
                "data.held_on",
                "held-on-in-future",
                "Ngày tổ chức không được sau ngày hôm nay.",
                "The day it was held must not be after today.",
            )
        )
    if wrong:
        raise Rejected(wrong)


def check_figure(figure: FigureReported, indicator: Indicator | None, sector: str, today: date) -> Period:
    """The period that a figure is of. Raises `Rejected` where it is not this sector's to say, or cannot be true."""
    if indicator is None or indicator.shape != "reported":
        raise _refusal(
            "indicator",
            "indicator-not-reported",
            "Không có chỉ tiêu này, hoặc hệ thống tự tính chỉ tiêu này từ hồ sơ nên không nhận số báo cáo.",
            "There is no such indicator, or the platform counts it itself and takes no figure for it.",
        )
    if indicator.reported_by != sector:
        raise _refusal(
            "indicator",
            "indicator-of-another-sector",
            "Chỉ tiêu này do ngành khác báo cáo.",
            "Another sector reports this indicator.",
        )
    try:
        period = Period.parse(figure.period)
    except Rejected as rejected:
        violation = rejected.violations[0]
        raise _refusal("period", violation.rule, violation.message_vi, violation.message_en) from None
    if period.first > today:
        raise _refusal(
            "period", "period-in-future", "Kỳ báo cáo chưa bắt đầu.", "The period that is reported has not begun."
        )
    most = _MOST.get(indicator.unit, _MOST_OF_ALL)
    if not isfinite(figure.value) or not 0 <= figure.value <= most:
        vi = f"Giá trị phải từ 0 đến {most:_}.".replace("_", " ")
        en = f"The value must be from 0 to {most:_}.".replace("_", " ")
        raise _refusal("value", "value-out-of-range", vi, en)
    return period


def unit_unknown() -> Rejected:
    """A figure cannot be of a commune that nobody knows; what was counted there would be shown nowhere."""
    return _refusal(
        "unit", "unit-unknown", "Không có xã, phường mang mã này.", "There is no commune or ward with this code."
    )


def _not_listed(field: str, what_vi: str, what_en: str, listed: Collection[str]) -> Violation:
    words = ", ".join(listed)
    return Violation(
        f"data.{field}",
        f"{field}-not-listed",
        f"{what_vi} không có trong danh mục: {words}.",
        f"{what_en} is not on the list: {words}.",
    )


def _refusal(field: str, rule: str, vi: str, en: str) -> Rejected:
    return Rejected([Violation(f"data.{field}", rule, vi, en)])
