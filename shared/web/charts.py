"""Charts: one Altair specification for the page, the report and the e-mail, always with its data as a table beside it.

It must never tell two series apart by colour alone, and never fetch data: a chart carries the rows it shows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import vl_convert
from markupsafe import Markup

from shared.web.i18n import DEFAULT_LANGUAGE, Language

Column = str | tuple[str, str]
Cell = str | Markup

# Okabe and Ito's palette, told apart with every common colour blindness; its yellow is too pale on white.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
_LOCALES: Mapping[Language, dict[str, Any]] = {
    "vi": {"decimal": ",", "thousands": ".", "grouping": [3], "currency": ["", " ₫"]},
    "en": {"decimal": ".", "thousands": ",", "grouping": [3], "currency": ["", " VND"]},
}
FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', Arial, sans-serif"
THEME: dict[str, Any] = {
    "background": "#ffffff",
    "font": FONT,
    "range": {
        "category": list(PALETTE),
        "symbol": list(SHAPES),
        "heatmap": {"scheme": "cividis"},
        "ramp": {"scheme": "cividis"},
        "ordinal": {"scheme": "cividis"},
    },
    "mark": {"color": PALETTE[0]},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": "#2b3b42",
        "titleColor": "#2b3b42",
        "gridColor": "#e3e9e9",
        "domainColor": "#74868d",
        "tickColor": "#74868d",
    },
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "orient": "top", "symbolSize": 90},
    "view": {"stroke": None},
    "line": {"strokeWidth": 2.5, "point": True},
    "point": {"size": 60, "filled": True},
}


class Spec(Protocol):
    """Anything that becomes a Vega-Lite specification: an `altair.Chart` and its combinations."""

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and the same figures as a table. `id` is unique in the page; title, note, cells are shown as they are."""

    id: str
    title: str
    spec: Mapping[str, Any]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str | None = None

    def to_svg(self, language: Language = DEFAULT_LANGUAGE) -> str:
        """Out: the chart as SVG, its numbers as the language writes them. Some tens of milliseconds; call it off the
        event loop."""
        return str(vl_convert.vegalite_to_svg(_fixed_size(self.spec), format_locale=_LOCALES[language]))

    def to_png(self, scale: float = 2.0, language: Language = DEFAULT_LANGUAGE) -> bytes:
        """In: pixels a point. Out: the chart as PNG, for e-mail and word processors, its numbers as the language writes
        them. About 20 ms; call it off the event loop."""
        drawn = vl_convert.vegalite_to_png(_fixed_size(self.spec), scale=scale, format_locale=_LOCALES[language])
        return bytes(drawn)


def chart(
    chart_id: str,
    title: str,
    spec: Spec | Mapping[str, Any],
    columns: Sequence[Column],
    rows: Sequence[Sequence[Cell]],
    note: str | None = None,
) -> Chart:
    """In: an Altair chart or a specification, and the table of the same figures. Out: it in our look, as wide as its
    place in the page."""
    plain = dict(spec) if isinstance(spec, Mapping) else spec.to_dict()
    config = plain.pop("config", {})
    sized = {"width": "container", "height": 260} if "mark" in plain or "layer" in plain else {}
    # A width that a chart sets for itself, and what it configures, go before ours.
    themed = {**sized, **plain, "config": {**THEME, **_without_altairs_view(config)}}
    return Chart(chart_id, title, themed, columns, rows, note)


def _without_altairs_view(config: Mapping[str, Any]) -> dict[str, Any]:
    """Altair writes a fixed size into every chart's config, which would keep it from fitting a phone."""
    return {key: value for key, value in config.items() if key != "view"}


def _fixed_size(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A picture has no container to fit into."""
    return {**spec, "width": 720} if spec.get("width") == "container" else dict(spec)


# A score's point or two a week fills a third of the line's height or so; what never moved lies in its middle.
_AIR = 2.0


def score_line(scores: Sequence[float]) -> Markup | None:
    """The course of a score from 0 to 100 that moves by a point or two a week, as `sparkline`: on the whole scale each
    such line would be flat, so the figures are said beside it. None: there are not two yet."""
    return sparkline(scores, low=min(scores) - _AIR, high=max(scores) + _AIR) if len(scores) > 1 else None


def sparkline(values: Sequence[float], *, low: float | None = None, high: float | None = None) -> Markup:
    """A line as small as a word, in the text's own colour: SVG in the page, no script. Who shows it says it in words.

    Args:
        values: at least two, in the order of time. low, high: the ends of the scale; without them, those of the values.
    """
    bottom, top = min(values) if low is None else low, max(values) if high is None else high
    span = (top - bottom) or 1.0
    step = 100 / (len(values) - 1)
    places = [(round(at * step, 1), round(28 - 26 * (value - bottom) / span, 1)) for at, value in enumerate(values)]
    points = " ".join(f"{x},{y}" for x, y in places)
    # Numbers of ours alone.
    return Markup(  # noqa: S704
        '<svg viewBox="-2 0 104 30" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="2" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )
