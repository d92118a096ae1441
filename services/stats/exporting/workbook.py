"""The report as a workbook: the same tables and charts, numbers as numbers, and every figure of the edition.

The library lays a sheet in a temporary file while it writes: it holds figures and no identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Final

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from services.stats.domain.closing import Frozen
from services.stats.domain.measures import TOTAL, UNIT
from services.stats.exporting.labels import Labels
from services.stats.exporting.report import INTERNAL, cells, columns, notes, pictures, sections
from services.stats.exporting.sheet_pictures import place_picture
from shared.files.harmless import harmless
from shared.reference.plan_report import PlanForm

_BOLD: Final = Font(bold=True)
_WRAPPED: Final = Alignment(wrap_text=True, vertical="top")
_FORMATS: Final = {"number": "#,##0", "hours": "#,##0.0", "days": "#,##0.0"}
_SHARE: Final = "#,##0.00"


class _Lines:
    """Writes a sheet line by line."""

    def __init__(self, sheet: Worksheet) -> None:
        self._sheet = sheet
        self._row = 0

    def add(
        self,
        values: Sequence[float | int | str | None] = (),
        *,
        bold: bool = False,
        formats: Mapping[int, str] | None = None,
    ) -> None:
        """The next line. `formats`: of its numbers, by their place."""
        self._row += 1
        for at, value in enumerate(values):
            cell = self._sheet.cell(self._row, at + 1, harmless(value) if isinstance(value, str) else value)
            if bold:
                cell.font = _BOLD
            if len(values) > 1:
                cell.alignment = _WRAPPED
            if formats and at in formats and not isinstance(value, str):
                cell.number_format = formats[at]


def write_workbook(labels: Labels, form: PlanForm, digest: bytes) -> bytes:
    """In: words of the edition (Vietnamese), the plan's form, the digest of what was signed. Out: XLSX."""
    book = Workbook()
    book.properties.creator, book.properties.title = "", f"{form.title} {labels.edition.number}"
    first = book.active
    assert isinstance(first, Worksheet)
    _report(first, labels, form, digest)
    _by_unit(book.create_sheet("Theo xã, phường"), labels)
    _breakdowns(book.create_sheet("Phân tổ"), labels)
    _charts(book, labels, form)
    if labels.edition.changes:
        _changes(book.create_sheet("Đính chính"), labels)
    for sheet in book.worksheets:
        sheet.page_setup.orientation = "landscape"
        sheet.page_setup.paperSize = 9
        sheet.page_setup.fitToHeight = 0
        sheet.sheet_properties.pageSetUpPr.fitToPage = True  # type: ignore[union-attr]
        sheet.oddFooter.left.text = f"{labels.edition.number} SHA-256 {digest.hex()[:16]}"  # type: ignore[union-attr]
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def _report(sheet: Worksheet, labels: Labels, form: PlanForm, digest: bytes) -> None:
    lines = _Lines(sheet)
    edition = labels.edition
    sheet.title = "Báo cáo"
    head = [*form.issuer, form.title, form.subtitle, labels.words.period(edition.period)]
    head += [f"Số {edition.number}; mã kiểm tra SHA-256 {digest.hex()}", *notes(labels)]
    for line in ([INTERNAL] if edition.audience == "exact" else []) + head:
        lines.add([line], bold=line in {form.title, form.subtitle, INTERNAL})
    for part in sections(labels, form):
        lines.add()
        lines.add([part.title], bold=True)
        lines.add(["TT", "Chỉ tiêu", *columns(labels)], bold=True)
        for place, code in enumerate(part.indicators, 1):
            named = labels.names[code]
            texts = cells(labels, named)
            compared = [labels.total(code), *(labels.total(code, period) for period in labels.compared())]
            numbers = [_number(figure, labels) for figure in compared]
            lines.add(
                [place, named.vi, texts[0], *numbers, *texts[1 + len(numbers) :]],
                formats={3 + at: _FORMATS.get(named.unit, _SHARE) for at in range(len(numbers))},
            )
    _widths(sheet, (6, 60, 16, 16, 16, 20, 18, 12))


def _by_unit(sheet: Worksheet, labels: Labels) -> None:
    """All indicators that have a figure of any commune, a column each."""
    lines = _Lines(sheet)
    found = {(one.indicator, one.category): one for one in labels.own() if one.dimension == UNIT}
    codes = [code for code in labels.names if any(code == indicator for indicator, _ in found)]
    units = labels.units()
    lines.add(["Mã", "Xã, phường", *(labels.names[code].vi for code in codes)], bold=True)
    for unit, name in units:
        numbers = [_number(found.get((code, unit)), labels) for code in codes]
        formats = {2 + at: _FORMATS.get(labels.names[code].unit, _SHARE) for at, code in enumerate(codes)}
        lines.add([unit, name, *numbers], formats=formats)
    sheet.freeze_panes = "C2"
    _widths(sheet, (8, 26, *(16 for _ in codes)))


def _breakdowns(sheet: Worksheet, labels: Labels) -> None:
    lines = _Lines(sheet)
    lines.add(["Chỉ tiêu", "Phân tổ", "Giá trị", "Kết quả", "Tử số", "Mẫu số", "Đơn vị tính"], bold=True)
    for figure in labels.own():
        if figure.dimension in {TOTAL, UNIT}:
            continue
        named = labels.names[figure.indicator]
        lines.add(
            [
                named.vi,
                labels.words.dimension(figure.dimension),
                labels.category(figure.indicator, figure.dimension, figure.category),
                _number(figure, labels),
                figure.numerator,
                figure.denominator,
                labels.measured_in(named),
            ],
            formats={3: _FORMATS.get(named.unit, _SHARE)},
        )
    sheet.freeze_panes = "A2"
    _widths(sheet, (56, 20, 34, 14, 12, 12, 16))


def _charts(book: Workbook, labels: Labels, form: PlanForm) -> None:
    """What the form wants drawn, one below the other; their figures are among the breakdowns."""
    drawn = [picture for part in sections(labels, form) for picture in pictures(labels, part)]
    if not drawn:
        return
    sheet, row = book.create_sheet("Biểu đồ"), 1
    for picture in drawn:
        sheet.cell(row, 1, harmless(picture.title)).font = _BOLD
        row = place_picture(sheet, picture, row + 1)


def _changes(sheet: Worksheet, labels: Labels) -> None:
    lines = _Lines(sheet)
    lines.add(["Chỉ tiêu", "Kỳ", "Phân tổ", "Giá trị", "Đã chốt", "Nay là"], bold=True)
    for change in labels.edition.changes:
        named = labels.names[change.indicator]
        dimension = labels.words.dimension(change.dimension) if change.dimension else "Toàn tỉnh"
        category = labels.category(change.indicator, change.dimension, change.category) if change.dimension else ""
        lines.add([named.vi, change.period, dimension, category, change.before, change.after])
    sheet.freeze_panes = "A2"
    _widths(sheet, (56, 12, 20, 34, 14, 14))


def _number(figure: Frozen | None, labels: Labels) -> float | int | str | None:
    """A number where there is one, else the sign for why not."""
    if figure is None or figure.value is None:
        return labels.amount(figure)
    return int(figure.value) if figure.value.is_integer() else figure.value


def _widths(sheet: Worksheet, widths: Iterable[float]) -> None:
    for at, width in enumerate(widths, 1):
        sheet.column_dimensions[get_column_letter(at)].width = width
