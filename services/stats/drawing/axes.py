"""The axes of charts. That of a line begins at nought, unless what moves would look flat by that; then it says where.

Bars have no part in it: their length is read, so they always begin at nought. Neither have lines of counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

import altair as alt

from services.stats.views import Words
from shared.reference.indicators import Indicator

# Where the lowest value lies higher than this share of the highest, more than half of the picture would be empty.
_FLAT: Final = 0.6
# An axis shows at least this share of the highest value, or a tenth of a point would look like a leap.
_LEAST: Final = 0.1
_STEPS: Final = 5
_ALL: Final = 100.0  # per cent


@dataclass(frozen=True, slots=True)
class Scale:
    """An axis that does not begin at nought: its ends, both round numbers."""

    low: float
    high: float

    def note(self, words: Words, indicator: Indicator) -> str:
        """What is said beside the chart."""
        low = words.amount(indicator, self.low)
        return words("Trục đứng bắt đầu từ %(low)s chứ không từ 0, để thấy rõ thay đổi.", low=low)

    def title(self, words: Words, indicator: Indicator) -> str:
        """What stands at the axis itself: a picture may be shown without what is written beside it."""
        unit, said = words.measured_in(indicator), words("trục từ %(low)s", low=words.number(indicator, self.low))
        return f"{unit} ({said})" if unit else said


def scale_of(indicator: Indicator, values: Iterable[float | None]) -> Scale | None:
    """The axis for lines through these values, what is aimed at among them; None: it begins at nought."""
    known = [value for value in values if value is not None]
    if indicator.shape == "count" or not known:
        return None
    lowest, highest = min(known), max(known)
    if highest <= 0 or lowest <= _FLAT * highest:
        return None
    span = max(highest - lowest, _LEAST * highest)
    air, step = (span - (highest - lowest)) / 2, _round_step(span / _STEPS)
    low, high = floor((lowest - air) / step) * step, ceil((highest + air) / step) * step
    if indicator.unit == "percent" and highest <= _ALL:
        high = min(high, _ALL)
    # Nothing lies on the axis itself, where it would look like nothing.
    if lowest - low < step / 2:
        low -= step
    return Scale(round(low, 6), round(high, 6)) if low > 0 else None


def _round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, …, that is not less."""
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= least)


def length_axis() -> alt.Axis:
    """The axis of values: five lines or so, numbers without a needless nought."""
    return alt.Axis(tickCount=5, format=",~f", gridColor="#e3e9e9", domain=False, ticks=False)


def value_axis(words: Words, indicator: Indicator, scale: Scale | None) -> alt.Y:
    """The upright axis of lines: from nought, or as `scale` says, and then it says so itself."""
    if scale is None:
        title = words.measured_in(indicator) or None
        return alt.Y("value:Q", title=title, scale=alt.Scale(zero=True), axis=length_axis())
    return alt.Y("value:Q", title=scale.title(words, indicator), scale=_between(scale), axis=length_axis())


def small_value_axis(scale: Scale | None) -> alt.Y:
    """The same where there is room for two numbers."""
    axis = alt.Axis(tickCount=2, grid=True, labelFontSize=10, format=",~f")
    if scale is None:
        return alt.Y("value:Q", title=None, axis=axis)
    axis.values = [scale.low, scale.high]
    return alt.Y("value:Q", title=None, scale=_between(scale), axis=axis)


def _between(scale: Scale) -> alt.Scale:
    return alt.Scale(domain=[scale.low, scale.high], zero=False, nice=False)


def note_of(said: str, words: Words, indicator: Indicator, scale: Scale | None) -> str | None:
    """What is said beside a chart, and that its axis does not begin at nought, where it does not."""
    return " ".join(filter(None, (said, scale.note(words, indicator) if scale else ""))) or None


def time_axis(count: int, width: int) -> alt.Axis:
    """The axis of so many periods in a picture of that width, the last one always named."""
    # Each label has some forty pixels, or those that do not fit are left out.
    every = max(1, -(-count * 44 // (width - 70)))
    return alt.Axis(
        labelAngle=0,
        labelExpr=f"indexof(domain('x'), datum.value) % {every} == {(count - 1) % every} ? datum.label : ''",
        labelOverlap=False,
        labelPadding=8,
        ticks=False,
    )
