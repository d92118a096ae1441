"""The charts of statistics: one Altair specification each, drawn on the server as SVG for page and report.

A chart shows only what it is handed, which has passed `figures.releasing`; what is hidden is a gap in it and a
word in its table. It must never tell two lines apart by colour alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final, ParamSpec
from urllib.parse import quote

import altair as alt

from services.stats.domain.disclosure import Shown
from services.stats.domain.orders import rank_of
from services.stats.domain.periods import Period
from services.stats.domain.reading import begun
from services.stats.drawing.axes import length_axis, note_of, scale_of, small_value_axis, time_axis, value_axis
from services.stats.drawing.labels import BAR, NAME_WIDTHS, label_of_bar, lines_of, names_axis, step
from services.stats.views import Words
from shared.reference.indicators import Indicator, Target
from shared.web.charts import PALETTE, SHAPES, Cell, Chart, Column, chart
from shared.web.i18n import Language

_WIDE: Final = 560
# Of what has the page's whole width.
_WHOLE: Final = 1080
_NARROW: Final = 340
_INK: Final = "#2b3b42"
_VALUE: Final = "#0b5d62"
_GOAL: Final = "#d55e00"
_KEPT: Final = 256
_DASHES: Final = ((1, 0), (6, 3), (2, 2), (8, 2, 2, 2), (1, 3))
# Of the chart of years and targets: how high its axis is, in pixels, and how much of that there is above the highest.
_PATH_HEIGHT: Final = 220
_AIR: Final = 1.2
_HEIGHTS: Final = {"chart-trend": 300, "chart-path": 270, "chart-comparison": 360}


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart as a page shows it: the addresses at which it is drawn for a wide and for a narrow screen. The page does
    not wait for it, and has the same figures as a table."""

    id: str
    title: str
    said: str
    wide: str
    narrow: str
    size: tuple[int, int]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str | None


@dataclass(frozen=True, slots=True)
class Drawing:
    """A chart that fits any width. `said`: in a sentence what it shows, for whoever does not see it."""

    make: Callable[[int], alt.TopLevelMixin]
    id: str
    title: str
    said: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    language: Language
    note: str | None = None
    width: int = _WIDE
    # The figures of the rows, in their order, where each row is one.
    shown: Sequence[Shown] = ()
    # All that it is made from: two of one key are one picture. None: it is drawn anew each time.
    key: Hashable = None

    def chart(self, width: int | None = None) -> Chart:
        """The specification and the table of the same figures; of it come a page's SVG and a file's PNG."""
        return chart(self.id, self.title, self.make(width or self.width).to_dict(), self.columns, self.rows, self.note)

    def svg(self, width: int | None = None) -> str:
        """It as SVG of about that width in pixels, from memory where the same was drawn before; else in some 60 ms, and
        not on the event loop."""
        at = (self.key, width or self.width)
        known = _DRAWN.get(at) if self.key is not None else None
        if known is None:
            known = self.chart(width).to_svg(self.language)
            if self.key is not None:
                _DRAWN[at] = known
            while len(_DRAWN) > _KEPT:
                # Another thread may have taken the same one out.
                _DRAWN.pop(next(iter(_DRAWN)), None)
        return known

    def png(self, width: int | None = None) -> bytes:
        """It as PNG of twice about that width in pixels, for what is printed. As `svg`, but not kept."""
        return self.chart(width).to_png(language=self.language)

    def at(self, address: str) -> Picture:
        """It for a page, which says where it is drawn: `address` with `&narrow=1` for a narrow screen."""
        joined = f"{address}{'&' if '?' in address else '?'}"
        return Picture(
            self.id,
            self.title,
            self.said,
            f"{joined}chart={self.id}",
            f"{joined}chart={self.id}&narrow=1",
            (self.width, self._height()),
            self.columns,
            self.rows,
            self.note,
        )

    async def picture(self) -> Picture:
        """It for a page that holds its pictures itself, as a report does."""
        wide, narrow = [await self.drawn(narrow=small) for small in (False, True)]
        return replace(self.at(""), wide=_address(wide), narrow=_address(narrow))

    def _height(self) -> int:
        """About how high it is, so that a page leaves room for it."""
        if self.id == "chart-multiples":
            return -(-len(self.rows) // 6) * 108
        return _HEIGHTS.get(self.id) or 50 + len(self.rows) * step([str(row[0]) for row in self.rows], NAME_WIDTHS[1])

    async def drawn(self, *, narrow: bool = False) -> str:
        """It as SVG, for a wide or a narrow screen."""
        return await asyncio.to_thread(self.svg, _NARROW if narrow else None)


def _address(svg: str) -> str:
    # Without spaces, as `srcset` asks; shorter, and better to compress, than in base64.
    return "data:image/svg+xml," + quote(svg, safe="=:/,;()'-.!~*@?$&+")


_DRAWN: Final[dict[Hashable, str]] = {}
_P = ParamSpec("_P")


def _remembered(draw: Callable[_P, Drawing]) -> Callable[_P, Drawing]:
    """A chart's function whose pictures are kept by all that they are made from."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Drawing:
        made_from = tuple(_hashable(one) for one in (*args, *sorted(kwargs.items())))
        return replace(draw(*args, **kwargs), key=(draw.__name__, made_from))

    return drawn


def _hashable(value: object) -> Hashable:
    """What tells an argument of a chart's function from another one."""
    if isinstance(value, Words):
        return value.language
    if isinstance(value, Indicator):
        return value.code
    if isinstance(value, Line):
        return value.name, tuple(value.shown)
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    if isinstance(value, Hashable):
        return value
    raise TypeError(type(value).__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """A series in time, in the order of its periods; a period of which nothing may be shown is hidden in it."""

    name: str
    shown: Sequence[Shown]


@_remembered
def trend(
    words: Words,
    indicator: Indicator,
    shown: Sequence[Shown],
    *,
    goal: Target | None = None,
    unfinished: Period | None = None,
) -> Drawing:
    """One figure over time, and its target where it can be compared with each period. Where the last period goes on,
    the way to it is dashed: what adds up is not less by that, there is only less of it yet."""
    shown = begun(shown)
    values = [
        {"at": words.short(one.period), "value": one.value, "said": words.number(indicator, one.value)} for one in shown
    ]
    order = [str(value["at"]) for value in values]
    aim = goal.value if goal is not None else None
    goes_on = len(values) > 1 and shown[-1].period == unfinished
    whole = values[:-1] if goes_on else values
    scale = scale_of(indicator, [*(one.value for one in shown), aim])
    ends = [one.value for one in shown[: len(whole)] if one.value is not None][-2:]
    # Said above the line's end; where the line came down to it, below, if there is room.
    fell = scale is not None and len(ends) > 1 and ends[1] < ends[0]

    def make(width: int) -> alt.TopLevelMixin:
        x = alt.X("at:O", title=None, sort=order, axis=time_axis(len(order), width))
        y = value_axis(words, indicator, scale)
        base = alt.Chart(alt.InlineData(values=whole)).encode(x=x, y=y)
        layers: list[alt.Chart] = [
            base.mark_line(color=_VALUE, strokeWidth=2.5),
            base.mark_point(color=_VALUE, filled=True, size=40),
        ]
        if goes_on:
            rest = alt.Chart(alt.InlineData(values=values[-2:])).encode(x=x, y=y)
            end = alt.Chart(alt.InlineData(values=values[-1:])).encode(x=x, y=y)
            layers.append(rest.mark_line(color=_VALUE, strokeWidth=2, strokeDash=[3, 3], point=False))
            layers.append(end.mark_point(color=_VALUE, filled=False, size=50))
        last = [value for value in whole if value["value"] is not None][-1:]
        ending = alt.Chart(alt.InlineData(values=last)).encode(x=x, y=y, text="said:N")
        written: dict[str, Any] = {
            "dy": 18 if fell else -14,
            "dx": 8,
            "fontSize": 13,
            "fontWeight": "bold",
            "align": "right",
        }
        # White around it, so that it can be read where the line runs through.
        layers.append(ending.mark_text(**written, color="#ffffff", stroke="#ffffff", strokeWidth=4))
        layers.append(ending.mark_text(**written, color=_INK))
        if aim is not None:
            layers += _goal_line(words, indicator, aim, y)
        return alt.layer(*layers).properties(width=width - 70, height=240)

    rows: list[list[Cell]] = []
    for one in shown:
        said = words.period(one.period)
        if one.period == unfinished:
            said = words("%(period)s (chưa hết kỳ)", period=said)
        rows.append([said, words.shown(indicator, one), *_parts(words, indicator, one)])
    columns: list[Column] = [words("Kỳ"), (words("Giá trị"), "number"), *_part_columns(words, indicator)]
    title = words("%(name)s theo thời gian", name=indicator.label(words.language))
    note = note_of(words("Nét đứt cuối đường: kỳ chưa hết.") if goes_on else "", words, indicator, scale)
    story = _story(words, indicator, shown, aim)
    return Drawing(make, "chart-trend", title, story, columns, rows, words.language, note, shown=shown)


@_remembered
def path(words: Words, indicator: Indicator, years: Sequence[Shown], targets: Sequence[Target]) -> Drawing:
    """Years against what is aimed at by which year: how far there is to go."""
    aimed = {target.year: target for target in targets}
    aim_of = {str(year): target.value for year, target in aimed.items()}
    highest = max(
        (value for value in (*(one.value for one in years), *aim_of.values()) if value is not None), default=0
    )
    top = highest * _AIR or 1
    values = [
        {
            "at": one.period.code,
            "value": one.value,
            "said": words.number(indicator, one.value),
            **label_of_bar(one.value or 0, aim_of.get(one.period.code), top, _PATH_HEIGHT),
        }
        for one in years
    ]
    aims = [
        {"at": str(target.year), "value": target.value, "said": words.number(indicator, target.value)}
        for target in targets
        if target.value is not None
    ]
    order = sorted({*(one.period.code for one in years), *(str(target.year) for target in targets)})

    def make(width: int) -> alt.TopLevelMixin:
        x = alt.X("at:O", title=None, sort=order, axis=alt.Axis(labelAngle=0), scale=alt.Scale(domain=order))
        title, scale = words.measured_in(indicator) or None, alt.Scale(domain=[0, top], nice=False)
        y, y_of_label = [
            alt.Y(f"{name}:Q", title=title, scale=scale, axis=length_axis()) for name in ("value", "label")
        ]
        said = [
            alt.Chart(
                alt.InlineData(values=[one for one in values if one["value"] is not None and one["inside"] == inside])
            )
            .mark_text(fontSize=12, fontWeight="bold", color="#ffffff" if inside else _INK)
            .encode(x=x, y=y_of_label, text="said:N")
            for inside in (True, False)
        ]
        bars = alt.Chart(alt.InlineData(values=values)).encode(x=x, y=y)
        goals = alt.Chart(alt.InlineData(values=aims)).encode(x=x, y=y)
        return alt.layer(
            bars.mark_bar(color=_VALUE, size=min(44, width // (2 * len(order)))),
            *said,
            goals.mark_line(color=_GOAL, strokeDash=[5, 4], strokeWidth=2),
            goals.mark_point(color=_GOAL, shape="diamond", filled=True, size=110),
            # White around it, so that it can be read where it lies on a bar.
            goals.mark_text(
                dy=-13, fontSize=12, color="#ffffff", stroke="#ffffff", strokeWidth=4, strokeJoin="round"
            ).encode(text="said:N"),
            goals.mark_text(dy=-13, fontSize=12, color=_GOAL).encode(text="said:N"),
        ).properties(width=width - 70, height=_PATH_HEIGHT)

    columns: list[Column] = [words("Năm"), (words("Giá trị"), "number"), (words("Mục tiêu"), "number")]
    said = "; ".join(
        words("năm %(year)s: %(value)s", year=target.year, value=words.goal(indicator, target)) for target in targets
    )
    return Drawing(
        make,
        "chart-path",
        words("Từng năm so với mục tiêu"),
        words("Mục tiêu %(said)s", said=said),
        columns,
        _rows_of_path(words, indicator, years, aimed),
        words.language,
        words("Cột: giá trị từng năm. Hình thoi: mục tiêu đến năm đó."),
    )


def _rows_of_path(
    words: Words, indicator: Indicator, years: Sequence[Shown], aimed: Mapping[int, Target]
) -> list[list[Cell]]:
    known = {one.period.first.year: one for one in years}
    return [
        [
            str(year),
            words.shown(indicator, known.get(year)),
            words.goal(indicator, aimed[year]) if year in aimed else "–",
        ]
        for year in sorted({*known, *aimed})
    ]


def ranked(indicator: Indicator, dimension: str, shown: Sequence[Shown]) -> list[Shown]:
    """The figures of a breakdown in the order of its bars and of its table's rows."""

    def turn(one: Shown) -> tuple[int, float, str]:
        place, code = rank_of(indicator, dimension, one.keys[0])
        return place, -(one.value or 0), code

    return sorted((one for one in shown if one.keys), key=turn)


@_remembered
def breakdown(words: Words, indicator: Indicator, dimension: str, shown: Sequence[Shown]) -> Drawing:
    """One figure by one dimension: a bar each, the longest first unless the dimension has an order of its own."""
    lines = ranked(indicator, dimension, shown)
    values = [
        {
            "name": words.value(indicator, dimension, one.keys[0]),
            "value": one.value,
            "said": words.number(indicator, one.value),
        }
        for one in lines
        if one.value is not None
    ]
    names = [str(value["name"]) for value in values]

    def make(width: int) -> alt.TopLevelMixin:
        room = NAME_WIDTHS[width >= _WIDE]
        said = {name: "\n".join(lines_of(name, room)) for name in names}
        axis = names_axis(max((len(lines_of(name, room)) for name in names), default=1))
        base = alt.Chart(
            alt.InlineData(values=[{**value, "name": said[str(value["name"])]} for value in values])
        ).encode(
            y=alt.Y("name:N", title=None, sort=[said[name] for name in names], axis=axis),
            x=alt.X("value:Q", title=words.measured_in(indicator) or None, axis=length_axis()),
        )
        return alt.layer(
            base.mark_bar(color=_VALUE, size=BAR),
            base.mark_text(align="left", dx=4, fontSize=12, color=_INK).encode(text="said:N"),
        ).properties(width=width - room - 40, height=alt.Step(step(names, room)))

    rows: list[list[Cell]] = [
        [
            words.value(indicator, dimension, one.keys[0]),
            words.shown(indicator, one),
            *_parts(words, indicator, one),
        ]
        for one in lines
    ]
    name = words.dimension(dimension)
    columns: list[Column] = [name, (words("Giá trị"), "number"), *_part_columns(words, indicator)]
    most = max(values, key=lambda value: float(str(value["value"])), default=None)
    said = words("Cao nhất: %(name)s, %(value)s", name=most["name"], value=most["said"]) if most else ""
    title = words("Theo %(dimension)s", dimension=name[:1].lower() + name[1:])
    named = f"chart-{dimension.replace('_', '-')}"
    return Drawing(make, named, title, said, columns, rows, words.language, shown=lines)


@_remembered
def multiples(words: Words, indicator: Indicator, lines: Sequence[Line], goal: Target | None = None) -> Drawing:
    """One small line a commune, all on one scale, so that their heights compare."""
    values = [
        {"line": line.name, "at": number, "value": one.value} for line in lines for number, one in enumerate(line.shown)
    ]
    names = [line.name for line in lines]
    aim = goal.value if goal is not None else None
    scale = scale_of(indicator, [*(one.value for line in lines for one in line.shown), aim])

    def make(width: int) -> alt.TopLevelMixin:
        columns = 2 if width < _WIDE else 3 if width < _WHOLE else 6
        x = alt.X("at:Q", title=None, axis=None)
        y = small_value_axis(scale)
        base = alt.Chart().encode(x=x, y=y)
        layers = [
            base.mark_line(color=_VALUE, strokeWidth=2, point=False),
            base.mark_point(color=_VALUE, filled=True, size=14),
        ]
        if aim is not None:
            layers.append(alt.Chart().mark_rule(color=_GOAL, strokeDash=[4, 3]).encode(y=alt.datum(aim)))
        each = (width - 30) // columns - 34
        return (
            alt.layer(*layers, data=alt.InlineData(values=values))
            .properties(width=each, height=64)
            .facet(
                facet=alt.Facet(
                    "line:N",
                    title=None,
                    sort=names,
                    header=alt.Header(labelFontSize=11, labelLimit=each + 26, labelPadding=2),
                ),
                columns=columns,
                spacing={"row": 14, "column": 12},
            )
        )

    return Drawing(
        make,
        "chart-multiples",
        words("Từng xã, phường theo thời gian"),
        words("%(n)s xã, phường, cùng một thang đo", n=len(lines)),
        *_table_of_lines(words, indicator, lines),
        words.language,
        note_of(
            words("Mọi ô dùng chung một thang đo, nên so được với nhau.")
            + (" " + words("Nét đứt: mục tiêu.") if aim is not None else ""),
            words,
            indicator,
            scale,
        ),
        _WHOLE,
    )


@_remembered
def comparison(
    words: Words, indicator: Indicator, lines: Sequence[Line], goal: Target | None = None, *, goes_on: bool = False
) -> Drawing:
    """A few lines in one picture, told apart by colour, shape and dashes. `goes_on`: the last period does."""
    values = [
        {"line": line.name, "at": words.short(one.period), "value": one.value} for line in lines for one in line.shown
    ]
    names = [line.name for line in lines]
    order = list(dict.fromkeys(str(value["at"]) for value in values))
    aim = goal.value if goal is not None else None
    scale = scale_of(indicator, [*(one.value for line in lines for one in line.shown), aim])

    def make(width: int) -> alt.TopLevelMixin:
        x = alt.X("at:O", title=None, sort=order, axis=time_axis(len(order), width))
        y = value_axis(words, indicator, scale)
        legend = alt.Legend(title=None, columns=1 if width < _WIDE else 4, labelLimit=200)
        base = alt.Chart(alt.InlineData(values=values)).encode(
            x=x,
            y=y,
            color=alt.Color("line:N", sort=names, scale=alt.Scale(domain=names, range=list(PALETTE)), legend=legend),
        )
        lines_of = base.mark_line(strokeWidth=2.5, point=False).encode(
            strokeDash=alt.StrokeDash(
                "line:N", sort=names, scale=alt.Scale(domain=names, range=_dashes(len(names))), legend=legend
            )
        )
        points = base.mark_point(filled=True, size=55).encode(
            shape=alt.Shape("line:N", sort=names, scale=alt.Scale(domain=names, range=list(SHAPES)), legend=legend)
        )
        layers = [lines_of, points, *(_goal_line(words, indicator, aim, y) if aim is not None else ())]
        return alt.layer(*layers).properties(width=width - 70, height=280)

    columns, rows = _table_of_lines(words, indicator, lines)
    return Drawing(
        make,
        "chart-comparison",
        words("%(name)s: so sánh", name=indicator.label(words.language)),
        ", ".join(names),
        columns,
        rows,
        words.language,
        note_of(words("Kỳ cuối chưa hết nên số còn thấp.") if goes_on else "", words, indicator, scale),
        _WHOLE,
    )


def _dashes(count: int) -> list[list[int]]:
    return [list(_DASHES[at % len(_DASHES)]) for at in range(count)]


def _table_of_lines(words: Words, indicator: Indicator, lines: Sequence[Line]) -> tuple[list[Column], list[list[Cell]]]:
    """A row a line, a column a period."""
    periods = [one.period for one in lines[0].shown] if lines else []
    columns: list[Column] = [words("Xã, phường"), *((words.short(period), "number") for period in periods)]
    rows: list[list[Cell]] = [[line.name, *(_short(words, indicator, one) for one in line.shown)] for line in lines]
    return columns, rows


def _short(words: Words, indicator: Indicator, one: Shown) -> str:
    return words("ẩn") if one.hidden else words.number(indicator, one.value)


def _parts(words: Words, indicator: Indicator, one: Shown) -> list[Cell]:
    if indicator.shape != "ratio":
        return []
    return ["–" if part is None else words.whole(part) for part in (one.numerator, one.denominator)]


def _part_columns(words: Words, indicator: Indicator) -> list[Column]:
    if indicator.shape != "ratio":
        return []
    return [(words("Tử số"), "number"), (words("Mẫu số"), "number")]


def _goal_line(words: Words, indicator: Indicator, aim: float, y: alt.Y) -> list[alt.Chart]:
    said = words("Mục tiêu %(value)s", value=words.amount(indicator, aim))
    written: dict[str, Any] = {"align": "left", "dy": -8, "fontSize": 12}
    base = alt.Chart(alt.InlineData(values=[{"value": aim, "said": said}])).encode(y=y)
    said_at = base.encode(x=alt.value(4), text="said:N")
    return [
        base.mark_rule(color=_GOAL, strokeDash=[6, 4], strokeWidth=2),
        said_at.mark_text(**written, color="#ffffff", stroke="#ffffff", strokeWidth=4),
        said_at.mark_text(**written, color=_GOAL),
    ]


def _story(words: Words, indicator: Indicator, shown: Sequence[Shown], aim: float | None) -> str:
    known = [one for one in shown if one.value is not None]
    if not known:
        return words("Chưa có số liệu")
    first, last = known[0], known[-1]
    said = words(
        "Từ %(first)s (%(since)s) đến %(last)s (%(until)s)",
        first=words.amount(indicator, first.value),
        since=words.period(first.period),
        last=words.amount(indicator, last.value),
        until=words.period(last.period),
    )
    return said if aim is None else said + "; " + words("mục tiêu %(value)s", value=words.amount(indicator, aim))
