"""A report of one's own as a paper or a workbook: what was ticked, as its reader sees it at this moment. It is no
official figure, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Font

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
from shared.web.i18n import format_datetime

_BOLD: Final = Font(bold=True)


@dataclass(frozen=True, slots=True)
class Told:
    """One indicator of the report. `drawings`: its charts. `communes`: each one's name and figure. `source`: in law."""

    reading: Reading
    drawings: Sequence[Drawing]
    communes: Sequence[tuple[str, Shown]]
    source: str


@dataclass(frozen=True, slots=True)
class Report:
    """All of it. `where`: the place in words. `exact`: it holds figures as they are, small ones too. `late`: how late
    they are, where they are."""

    words: Words
    told: Sequence[Told]
    where: str
    period: str
    now: datetime
    exact: bool
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
        issuer=(report.where,),
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
    first.append(heads)
    for cell in first[first.max_row]:
        cell.font = _BOLD
    for one in report.told:
        reading = one.reading
        indicator, now = reading.indicator, reading.now
        before = reading.before
        first.append(
            [
                indicator.label(words.language),
                now.value if now and now.value is not None else words.shown(indicator, now),
                words.measured_in(indicator),
                before.value if before and before.value is not None else words.shown(indicator, before),
                words.goal(indicator, reading.goal) if reading.goal else "–",
            ]
        )
    first.column_dimensions["A"].width = 60
    for number, one in enumerate(report.told, 1):
        sheet = book.create_sheet(f"{number}")
        sheet.append([one.reading.indicator.label(words.language)])
        for drawing in one.drawings:
            sheet.append([])
            sheet.append([drawing.title])
            at = sheet.max_row + 1
            for _ in range(place_picture(sheet, picture_of(drawing), at) - at):
                sheet.append([])
            sheet.append([column if isinstance(column, str) else column[0] for column in drawing.columns])
            for row in drawing.rows:
                sheet.append([harmless(str(cell)) for cell in row])
        if one.communes:
            sheet.append([])
            sheet.append([words("Xã, phường"), words("Giá trị")])
            for name, shown in one.communes:
                value = shown.value if shown.value is not None else words.shown(one.reading.indicator, shown)
                sheet.append([name, value])
        sheet.column_dimensions["A"].width = 40
    out = BytesIO()
    book.save(out)
    return out.getvalue()


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
