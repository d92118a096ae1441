"""Charts show what they are handed and no more: hidden figures are gaps, and every picture has its table."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from html import unescape

import pytest

from services.stats.domain.disclosure import Shown
from services.stats.domain.orders import values_of
from services.stats.domain.periods import Period
from services.stats.drawing import charts
from services.stats.drawing.axes import scale_of
from services.stats.drawing.charts import Drawing, Line
from services.stats.pages.grid import grid_of
from services.stats.views import Words
from shared.reference.indicators import Indicator, Indicators
from shared.reference.tiles import load_tiles
from shared.reference.units import Units
from shared.web.i18n import Texts

VI = Words(Texts(("services.stats", "shared.web")), "vi")
EN = Words(VI.texts, "en")
MONTHS = Period.parse("2026-10").before(6)


def indicator(code: str) -> Indicator:
    found = Indicators.load().get(code)
    assert found is not None
    return found


SHARE, CASES = indicator("emergency-in-time"), indicator("cases-opened")
HIDDEN = 3


def course(values: Sequence[float]) -> list[Shown]:
    found = [Shown(month, (), value, 8, 10) for month, value in zip(MONTHS, values, strict=True)]
    found[HIDDEN] = Shown.without(MONTHS[HIDDEN], (), "protected")
    return found


def drawings(words: Words) -> list[Drawing]:
    shown = course([90, 85.5, 80, 77.7, 95, 96])
    lines = [Line(words.unit(code), shown) for code in Units.load().codes()[:4]]
    goal = SHARE.target(2026)
    kinds = [Shown(MONTHS[0], (kind,), n) for kind, n in (("violence", 3.0), ("neglect", 7.0))]
    return [
        charts.trend(words, SHARE, shown, goal=goal, unfinished=MONTHS[-1]),
        charts.path(words, SHARE, [Shown(Period.parse("2025"), (), 91.0)], SHARE.targets[:1]),
        charts.breakdown(words, CASES, "kind", [*kinds, Shown.without(MONTHS[0], ("trafficking",), "protected")]),
        charts.multiples(words, SHARE, lines, goal),
        charts.comparison(words, SHARE, lines, goal),
    ]


def test_what_is_hidden_is_in_no_specification_and_no_picture() -> None:
    for drawing in drawings(VI):
        assert "77.7" not in str(drawing.chart().spec), drawing.id
        assert "77,7" not in drawing.svg(), drawing.id
        assert "77,7" not in str(drawing.rows), drawing.id


def test_every_drawing_has_its_table_and_a_sentence() -> None:
    for drawing in drawings(VI):
        assert drawing.rows, drawing.id
        assert all(len(row) == len(drawing.columns) for row in drawing.rows), drawing.id
        assert drawing.said, drawing.id


def test_a_hidden_figure_says_in_the_table_why_it_is_not_there() -> None:
    trend, _, breakdown, multiples, _ = drawings(VI)
    assert trend.rows[HIDDEN][1] == "Ẩn để bảo vệ trẻ em"
    assert trend.rows[-1][0] == "Tháng 10/2026 (chưa hết kỳ)"
    assert ["Mua bán", "Ẩn để bảo vệ trẻ em"] in breakdown.rows
    assert multiples.rows[0][1 + HIDDEN] == "ẩn"


@pytest.mark.parametrize("words", [VI, EN])
async def test_a_picture_fits_both_screens_and_the_page_has_its_address(words: Words) -> None:
    for drawing in drawings(words):
        picture = drawing.at("/stats/indicators/x/picture?period=2026")
        assert picture.wide == f"/stats/indicators/x/picture?period=2026&chart={drawing.id}"
        assert picture.narrow == f"{picture.wide}&narrow=1"
        wide, narrow = [await drawing.drawn(narrow=small) for small in (False, True)]
        sizes = []
        for svg in (wide, narrow):
            assert "href" not in svg.replace("xmlns:xlink", ""), drawing.id
            size = re.search(r'width="([\d.]+)" height="([\d.]+)', svg)
            assert size is not None
            sizes.append((float(size[1]), float(size[2])))
        assert sizes[1][0] <= 360, drawing.id
        assert sizes[0][0] > sizes[1][0], drawing.id
        # The room that the page leaves is about what it needs.
        assert picture.size[1] / picture.size[0] == pytest.approx(sizes[0][1] / sizes[0][0], rel=0.35), drawing.id


def test_what_was_drawn_is_drawn_once_and_never_in_the_place_of_another() -> None:
    shown = course([90, 85.5, 80, 77.7, 95, 96])
    aims = [replace(SHARE.targets[0], value=value) for value in (90.0, 95.0, 90.0)]
    first, other, again = [charts.trend(VI, SHARE, shown, goal=aim).svg() for aim in aims]
    assert first is again
    assert first != other
    assert charts.trend(EN, SHARE, shown, goal=aims[0]).svg() != first
    assert charts.trend(VI, SHARE, shown[:-1], goal=aims[0]).svg() != first


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        # Where it goes down to half of the highest, the line begins at nought.
        ((30.0, 60.0, 55.0), None),
        ((8.0, 100.0), None),
        ((0.0, 0.0), None),
        # What moves between 82 and its target has the picture to itself, and does not touch its floor.
        ((82.0, 90.0, 86.0, 100.0), (75.0, 100.0)),
        ((93.2, 96.4, 100.0), (90.0, 100.0)),
        # A tenth of a point is no leap: the axis shows some ten points, and never more than all.
        ((95.1, 95.3), (90.0, 100.0)),
        ((None, 61.0, None), (56.0, 66.0)),
    ],
)
def test_a_line_of_rates_has_an_axis_on_which_its_movement_shows(
    values: Sequence[float | None], ends: tuple[float, float] | None
) -> None:
    scale = scale_of(SHARE, values)
    assert (None if scale is None else (scale.low, scale.high)) == ends


def test_an_axis_that_does_not_begin_at_nought_says_so_beside_the_chart_and_in_it() -> None:
    trend, path, _, multiples, comparison = drawings(VI)
    for drawing in (trend, multiples, comparison):
        assert "bắt đầu từ 75% chứ không từ 0" in (drawing.note or ""), drawing.id
    for drawing in (trend, comparison):
        assert "trục từ 75" in drawing.svg(), drawing.id
    # The target is within the picture.
    assert "Mục tiêu 100%" in trend.svg()
    # Bars are read by their length.
    assert "không từ 0" not in (path.note or "")
    assert "'zero': False" not in str(path.chart().spec)
    flat = charts.trend(VI, CASES, course([90, 91, 92, 90, 91, 92]))
    assert flat.note is None, "a count begins at nought"
    assert "Trục đứng" not in (charts.trend(VI, SHARE, course([10, 60, 50, 40, 70, 80])).note or "")


@pytest.mark.parametrize("aim", [0.0, 1.0, 3.0, 10.0, 18.0, 19.0, 21.0, 40.0])
@pytest.mark.parametrize("value", [0.0, 1.0, 3.0, 19.0])
def test_a_years_number_is_not_printed_over_what_is_aimed_at(value: float, aim: float) -> None:
    target = replace(SHARE.targets[0], year=2025, value=aim)
    shown = [Shown(Period.parse(str(year)), (), n) for year, n in ((2024, 19.0), (2025, value))]
    drawn = charts.path(VI, SHARE, shown, [target]).svg(560)
    written = {
        (round(float(x)), float(y)) for x, y in re.findall(r'"text mark"[^>]*translate\(([\d.]+),([\d.-]+)\)', drawn)
    }
    assert len(written) == 3
    apart = [abs(a[1] - b[1]) for a in written for b in written if a != b and a[0] == b[0]]
    assert min(apart) >= 14
    assert all(0 <= y <= 224 for _, y in written)


def test_numbers_are_written_in_the_readers_way() -> None:
    assert VI.number(SHARE, 85.5) == "85,5"
    assert EN.amount(SHARE, 85.5) == "85.5%"
    rate = indicator("injury-rate")
    assert VI.amount(rate, 3122.17) == "3.122 trên 100.000"
    assert VI.amount(rate, None) == "–"
    # Nobody reads three thousand hours.
    median = indicator("closure-median")
    assert [VI.amount(median, hours) for hours in (71.5, 80, 3606)] == ["71,5 giờ", "3,3 ngày", "150 ngày"]
    assert EN.amount(median, 80) == "3.3 days"
    # A count that misses what is aimed at must not read the same as it.
    opened = indicator("cases-opened")
    assert (VI.number(opened, 37), VI.number(opened, 36.6)) == ("37", "36,6")


@pytest.mark.parametrize(
    ("code", "vi", "en"),
    [
        ("2026-10", "Tháng 10/2026", "Month 10/2026"),
        ("2026-Q4", "Quý IV/2026", "Quarter IV/2026"),
        ("2026-H2", "6 tháng cuối năm 2026", "Second half of 2026"),
        ("2026", "Năm 2026", "2026"),
        ("2026-SY", "Năm học 2026–2027", "School year 2026–2027"),
        ("2026..2030", "Giai đoạn 2026–2030", "Plan period 2026–2030"),
        ("2026-W48", "Tuần 48/2026", "Week 48/2026"),
        ("2026-11-26", "26/11/2026", "26/11/2026"),
    ],
)
def test_periods_have_names(code: str, vi: str, en: str) -> None:
    assert (VI.period(Period.parse(code)), EN.period(Period.parse(code))) == (vi, en)


def test_every_value_of_every_dimension_has_a_name() -> None:
    for one in Indicators.load():
        for dimension in one.by:
            assert VI.dimension(dimension) != dimension, (one.code, dimension)
            for code in values_of(one, dimension):
                assert VI.value(one, dimension, code) != code, (one.code, dimension, code)
            assert VI.value(one, dimension, "unclassified") == "Chưa phân loại"


def test_tiles_say_in_words_what_their_shade_says() -> None:
    codes = Units.load().codes()
    figures = {code: Shown(MONTHS[0], (code,), float(at)) for at, code in enumerate(codes[:20])}
    figures[codes[20]] = Shown.without(MONTHS[0], (codes[20],), "protected")
    grid = grid_of(VI, CASES, figures, None, MONTHS[0].last)
    spots = {spot.code: spot for spot in grid.spots}
    assert set(spots) == set(load_tiles())
    assert spots[codes[0]].step == 0
    assert spots[codes[19]].step == 5
    assert spots[codes[19]].said.endswith(": 19")
    assert spots[codes[20]].step is None
    assert spots[codes[20]].value == ""
    assert spots[codes[20]].said.endswith("Ẩn để bảo vệ trẻ em")
    assert spots[codes[30]].said.endswith("chưa có số liệu")
    assert [step for step, _ in grid.legend] == [0, 1, 2, 3, 4, 5]
    assert grid.any_hidden


def test_equal_figures_have_one_shade() -> None:
    codes = Units.load().codes()
    figures = {code: Shown(MONTHS[0], (code,), 4.0) for code in codes}
    assert len({spot.step for spot in grid_of(VI, CASES, figures, None, MONTHS[0].last).spots}) == 1


@pytest.mark.parametrize("words", [VI, EN])
def test_no_name_in_a_picture_is_cut_off(words: Words) -> None:
    of_dimension = {dimension: one for one in Indicators.load() for dimension in one.by if dimension != "unit"}
    for dimension, one in of_dimension.items():
        codes = values_of(one, dimension)
        parts = [Shown(MONTHS[0], (code,), float(at)) for at, code in enumerate(codes)]
        names = {"".join(words.value(one, dimension, code).split()) for code in codes}
        for width in (340, 560):
            drawn = charts.breakdown(words, one, dimension, parts).svg(width)
            assert "…" not in drawn, (dimension, width)
            # A name may go on in a second line, but all of it is there.
            said = re.sub(r"\s|<[^>]+>", "", unescape(drawn))
            assert [name for name in names if name not in said] == [], (dimension, width)
    lines = [Line(words.unit(code), [Shown(month, (code,), 2.0) for month in MONTHS]) for code in Units.load().codes()]
    for width in (340, 560, 1080):
        assert "…" not in charts.multiples(words, CASES, lines).svg(width)
