"""The words and numbers beside bars: whole, and never printed over each other."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Final

import altair as alt

BAR: Final = 22  # pixels
# Beside bars: how wide their names may be, narrow and wide, and how high a line of those is. Pixels.
NAME_WIDTHS: Final = (130, 220)
_LINE: Final = 14
# About as wide is a letter of names, so that no line of them is cut.
_LETTER: Final = 7


def lines_of(name: str, room: int) -> list[str]:
    """A name in lines of so many pixels: a long one goes on below, for cut off it would say something else."""
    return wrap(name, room // _LETTER, break_long_words=False) or [""]


def names_axis(most: int) -> alt.Axis:
    """The axis of names of up to so many lines, each in the middle of its bar."""
    lines = "split(datum.value, '\\n')"
    raised = [{"test": f"length({lines}) == {n}", "value": (1 - n) * _LINE / 2} for n in range(2, most + 1)]
    return alt.Axis(
        labelExpr=lines,
        labelLimit=0,
        labelFontSize=12,
        labelLineHeight=_LINE,
        labelOffset={"condition": raised, "value": 0} if raised else 0,
        ticks=False,
    )


def step(names: Sequence[str], room: int) -> int:
    """From one bar to the next, so that the longest name has room. Pixels."""
    return max(BAR + 8, _LINE * max((len(lines_of(name, room)) for name in names), default=1) + 4)


def label_of_bar(value: float, aim: float | None, top: float, height: int) -> dict[str, float | bool]:
    """Where a bar's number stands, so that it is not printed over the target and what is written above that: its middle
    as a value of the axis, which ends at `top` and is `height` pixels high, and whether it lies on the bar."""
    pixel = top / height
    high, half = value / pixel, _LINE / 2
    places = [(half + 4, True)] if high > _LINE + 8 else []
    places += [(high + half + 4, False), *((high - half - 4, True) for _ in places)]
    if aim is not None:
        below, above = aim / pixel - 7, aim / pixel + 22
        places = [place for place in places if not below - half < place[0] < above + half]
        places.append((above + half, False))
    at, inside = places[0]
    return {"label": at * pixel, "inside": inside}
