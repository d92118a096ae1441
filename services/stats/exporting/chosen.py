"""A report of one's own as a paper or a workbook: what was ticked, as its reader sees it at this moment. It is no
official figure, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import Reading
from services.stats.drawing.charts import Drawing
from services.stats.drawing.printing import picture_of
from services.stats.exporting.sheet_pictures import place_picture
from services.stats.figures.lateness import Late
from services.stats.views import Words
from shared.documents import Block, Document, Part, Row, Table, Text
from shared.files.harmless import harmless
from shared.reference.calendar import local_day
from shared.reference.indicators import Indicator
from shared.web.i18n import format_datetime

_BOLD: Final = Font(bold=True)
_WRAPPED: Final = Alignment(wrap_text=True, vertical="top")
# What no sheet's name may hold, and how long it may be.
_NO_SHEET: Final = re.compile(r"[\[\]:*?/\\]")
_SHEET_NAME: Final = 31


@dataclass(frozen=True, slots=True)
class Told:
    """One indicator of the report. `drawings`: its charts. `communes`: each one's name and figure. `source`: in law."""

    reading: Reading
    drawings: Sequence[Drawing]
    communes: Sequence[tuple[str, Shown]]
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """All of it.

    `where`: the place in words. `exact`: it holds figures as they are, small ones too. `office`: the lines of the body
    that issues it, and `seat`: where that is. `late`: how late figures are, where they are.
    """

    words: Words
    told: Sequence[Told]
    where: str
    period: str
    now: datetime
    exact: bool
    office: Sequence[str]
    seat: str
    late: Late | None = None

    @property
    def title(self) -> str:
        """What it is."""
        return self.words("Báo cáo tự chọn")

    @property
    def standing(self) -> str:
        """As of when it is, and that it is none of the signed ones."""
        return self.words(
            "Lập lúc %(when)s từ số liệu đang dùng; không phải số chính thức đã chốt.",
            when=format_datetime(self.now),
        )

    @property
    def shortfall(self) -> str:
        """That not all that was said is counted yet; empty where it is."""
        if self.late is None:
            return ""
        if self.late.until is None:
            return self.words("Số liệu chưa đủ: chưa đếm xong lần đầu.")
        when = format_datetime(self.late.until)
        return self.words("Số liệu chưa đủ: mới đếm đến những tin gửi lúc %(when)s.", when=when)

    @property
    def mark(self) -> str:
        """What stands on each page of figures as they are."""
        return self.words("LƯU HÀNH NỘI BỘ: có số nhỏ, không công bố") if self.exact else ""


def paper(report: Report) -> Document:
    """As a paper, with its charts. CPU work, not for the event loop."""
    words = report.words
    blocks: list[Block] = [Text(line) for line in (report.standing, report.shortfall) if line]
    for number, one in enumerate(report.told, 1):
        indicator = one.reading.indicator
        blocks += [
            Part(f"{number}. {indicator.label(words.language)}"),
            _table(
                "", [words("Giá trị"), _before(words, one.reading), words("Mục tiêu")], [_headline(words, one.reading)]
            ),
        ]
        blocks += [picture_of(drawing) for drawing in one.drawings]
        if one.communes:
            rows = [(name, words.shown(indicator, shown)) for name, shown in one.communes]
            blocks.append(_table("", [words("Xã, phường"), words("Giá trị")], rows))
        blocks.append(Text(words("Căn cứ: %(source)s.", source=words.law(one.source))))
    return Document(
        title=report.title.upper(),
        subtitle=f"{report.where} – {report.period}",
        issuer=report.office,
        place=report.seat,
        blocks=blocks,
        day=local_day(report.now),
        printed=report.standing,
        watermark=report.mark,
    )


def workbook(report: Report) -> bytes:
    """As XLSX: a sheet of the figures, and one of each indicator's charts with their tables; numbers as they are read.
    CPU work, not for the event loop."""
    words = report.words
    book = Workbook()
    book.properties.creator, book.properties.title = "", report.title
    first = book.active
    assert first is not None
    first.title = words("Chỉ tiêu")
    heads = [words("Chỉ tiêu"), words("Giá trị"), words("Đơn vị tính")]
    heads += [words("Kỳ trước (kỳ chưa hết thì cùng số ngày)"), words("Mục tiêu")]
    above = [report.title, f"{report.where} – {report.period}", report.standing, report.shortfall, report.mark]
    for line in filter(None, above):
        first.append([line])
    _add(first, heads, bold=True)
    for one in report.told:
        reading = one.reading
        indicator, goal = reading.indicator, reading.goal
        _add(
            first,
            [
                indicator.label(words.language),
                _cell(words, indicator, reading.now),
                words.measured_in(indicator),
                _cell(words, indicator, reading.before),
                "–"
                if goal is None
                else (goal.value, indicator)
                if goal.value is not None
                else words.goal(indicator, goal),
            ],
        )
    _widths(first, (60, 24, 18, 24, 24))
    for number, one in enumerate(report.told, 1):
        indicator = one.reading.indicator
        sheet = book.create_sheet(_sheet_name(number, indicator.label(words.language)))
        sheet.append([indicator.label(words.language)])
        sheet["A1"].font = _BOLD
        for drawing in one.drawings:
            sheet.append([])
            sheet.append([drawing.title])
            at = sheet.max_row + 1
            for _ in range(place_picture(sheet, picture_of(drawing), at) - at):
                sheet.append([])
            _add(sheet, [column if isinstance(column, str) else column[0] for column in drawing.columns], bold=True)
            for row, shown in zip(drawing.rows, drawing.shown, strict=True):
                parts = [shown.numerator, shown.denominator] if len(row) > 2 else []
                _add(sheet, [str(row[0]), _cell(words, indicator, shown), *("–" if n is None else n for n in parts)])
        if one.communes:
            sheet.append([])
            _add(sheet, [words("Xã, phường"), words("Giá trị")], bold=True)
            for name, shown in one.communes:
                _add(sheet, [name, _cell(words, indicator, shown)])
        _widths(sheet, (40, 24, 16, 16))
    out = BytesIO()
    book.save(out)
    return out.getvalue()


# A number with the indicator by whose unit it is read, a count, or words.
_Value = tuple[float, Indicator] | int | str


def _cell(words: Words, indicator: Indicator, shown: Shown | None) -> _Value:
    """A figure as a number, where there is one; else why not."""
    if shown is None or shown.value is None or shown.reason:
        return words.shown(indicator, shown)
    return shown.value, indicator


def _add(sheet: Worksheet, values: Sequence[_Value], *, bold: bool = False) -> None:
    """The next line; its numbers are numbers, and look as pages write them."""
    numbers = [value[0] if isinstance(value, tuple) else value for value in values]
    sheet.append([harmless(one) if isinstance(one, str) else one for one in numbers])
    for cell, value in zip(sheet[sheet.max_row], values, strict=False):
        cell.alignment = _WRAPPED
        if bold:
            cell.font = _BOLD
        if isinstance(value, tuple):
            digits = Words.digits(value[1], value[0])
            cell.number_format = "#,##0" + ("." + "0" * digits if digits else "")
        elif isinstance(value, int):
            cell.number_format = "#,##0"


def _widths(sheet: Worksheet, widths: Sequence[float]) -> None:
    for at, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(at)].width = width


def _sheet_name(number: int, name: str) -> str:
    """An indicator's sheet: its number, so that no two are one, and as much of its name as a sheet's may hold."""
    return f"{number}. {_NO_SHEET.sub(' ', name)}"[:_SHEET_NAME].strip()


def _before(words: Words, reading: Reading) -> str:
    """With what a figure is compared: of what adds up and goes on, as many days."""
    before = reading.before
    return words("Kỳ trước") if before is None else words.so_far(before.period, reading.period.previous)


def _headline(words: Words, reading: Reading) -> tuple[str, str, str]:
    indicator = reading.indicator
    return (
        words.shown(indicator, reading.now),
        words.shown(indicator, reading.before),
        words.goal(indicator, reading.goal) if reading.goal else "–",
    )


def _table(label: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    marks = tuple(range(len(heads))) if len(heads) > 2 else (1,)
    return Table(label, heads, [Row(tuple(row)) for row in rows], tuple(1.0 for _ in heads), marks=marks)
