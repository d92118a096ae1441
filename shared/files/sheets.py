"""Tables written for a spreadsheet piece by piece: CSV that Excel knows, and XLSX, with a mark on every sheet or none.

Memory stays the same however many rows there are, and nothing is laid on a disk: the usual libraries keep a sheet in a
temporary file, in clear. Every cell is text, none is run (`harmless`).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final
from xml.sax.saxutils import escape

from shared.files.harmless import harmless
from shared.files.problems import Cell

CSV_MEDIA: Final = "text/csv; charset=utf-8"
XLSX_MEDIA: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# Excel's own limit is 1,048,576 rows; what is more goes on in a further sheet.
ROWS_PER_SHEET: Final = 1_000_000
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_RELATIONSHIPS = (
    f'<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    f'<Relationship Id="r2" Type="{_PACKAGE}/relationships/metadata/core-properties" '
    'Target="docProps/core.xml"/></Relationships>'
)
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_AT_ONCE = 200
_LONGEST_HEADER = 250  # Excel's own limit is 255 signs
_LONGEST_CELL = 32_767  # Excel's own limit


class CsvTable:
    """UTF-8 with the mark by which Excel knows it.

    Args:
        mark: what the file says of itself, a comment in the first row. columns: the names; none: they are the first of
            the rows.
    """

    media = CSV_MEDIA

    def __init__(self, mark: str = "", columns: Sequence[str] = ()) -> None:
        self._head: list[Sequence[Cell]] = [*([[f"# {mark}"]] if mark else ()), *([columns] if columns else ())]

    def start(self) -> bytes:
        """What comes before the first row."""
        return b"\xef\xbb\xbf" + self.rows(self._head)

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """The next rows."""
        out = io.StringIO()
        csv.writer(out).writerows([harmless(cell) for cell in row] for row in rows)
        return out.getvalue().encode("utf-8", "replace")

    def end(self) -> bytes:
        """What comes after the last row."""
        return b""


class XlsxTable:
    """An XLSX workbook. The mark stands in the first row and the printed head of every sheet, and in the properties.

    Args:
        mark, columns: as of `CsvTable`. title, author, at (aware): properties of the file; its sheets are
            named by the title.
    """

    media = XLSX_MEDIA

    def __init__(
        self,
        mark: str = "",
        columns: Sequence[str] = (),
        *,
        title: str,
        author: str,
        at: datetime,
        rows_per_sheet: int = ROWS_PER_SHEET,
    ) -> None:
        self._mark = mark
        self._head: list[Sequence[Cell]] = [*([[mark]] if mark else ()), *([columns] if columns else ())]
        self._properties = (title, author, at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        self._rows_per_sheet = rows_per_sheet
        self._out = _Pipe()
        self._package = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED, compresslevel=5)
        self._sheets = 0
        self._row = 0
        self._sheet: io.BufferedIOBase | None = None

    def start(self) -> bytes:
        """What comes before the first row."""
        self._open()
        return self._out.taken()

    def rows(self, rows: Iterable[Sequence[Cell]]) -> bytes:
        """The next rows; as much of the package as is ready."""
        for row in rows:
            if self._row >= self._rows_per_sheet + len(self._head):
                self._close()
                self._open()
            self._write(_row(row))
        return self._out.taken()

    def end(self) -> bytes:
        """What comes after the last row: the package's other parts."""
        self._close()
        for name, content in self._parts():
            self._package.writestr(name, _XML + content)
        self._package.close()
        return self._out.taken()

    def _open(self) -> None:
        self._sheets += 1
        self._row = 0
        self._sheet = self._package.open(f"xl/worksheets/sheet{self._sheets}.xml", "w", force_zip64=True)  # type: ignore[assignment]
        self._write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>', counts=False)
        for row in self._head:
            self._write(_row(row))

    def _close(self) -> None:
        # In a printed head an ampersand begins a command.
        head = escape(_NOT_XML.sub("", self._mark[:_LONGEST_HEADER]).replace("&", "&&"))
        printed = f"<headerFooter><oddHeader>&amp;L{head}</oddHeader></headerFooter>" if head else ""
        self._write(f"</sheetData>{printed}</worksheet>", counts=False)
        if self._sheet is not None:
            self._sheet.close()

    def _write(self, text: str, *, counts: bool = True) -> None:
        if self._sheet is not None:
            self._sheet.write(text.encode())
        self._row += counts

    def _parts(self) -> Iterator[tuple[str, str]]:
        numbers = range(1, self._sheets + 1)
        kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
        links = "".join(
            f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
        )
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{kind}.worksheet+xml"/>' for n in numbers
        )
        title, author, at = (escape(_NOT_XML.sub("", value)) for value in self._properties)
        sheets = "".join(f'<sheet name="{title} {n}" sheetId="{n}" r:id="r{n}"/>' for n in numbers)
        yield "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'
        yield "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>'
        core = (
            f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
            'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<dc:title>{title}</dc:title><dc:creator>{author}</dc:creator>"
            f"<dc:description>{escape(_NOT_XML.sub('', self._mark))}</dc:description>"
            f'<dcterms:created xsi:type="dcterms:W3CDTF">{at}</dcterms:created></cp:coreProperties>'
        )
        yield "docProps/core.xml", core
        yield "_rels/.rels", _RELATIONSHIPS
        types = (
            f'<Types xmlns="{_PACKAGE}/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>{overrides}'
            '<Override PartName="/docProps/core.xml" '
            'ContentType="application/vnd.openxmlformats-package.core-properties+xml"/></Types>'
        )
        yield "[Content_Types].xml", types


def pieces(table: CsvTable | XlsxTable, rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """A whole table, a few rows at a time."""
    yield table.start()
    waiting = iter(rows)
    while some := list(islice(waiting, _AT_ONCE)):
        yield table.rows(some)
    yield table.end()


class _Pipe(io.RawIOBase):
    """Takes what a package writes and gives it on; it can be told where it is, never go back."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _row(cells: Sequence[Cell]) -> str:
    return f"<row>{''.join(map(_cell, cells))}</row>"


def _cell(cell: Cell) -> str:
    text = escape(_NOT_XML.sub("", harmless(cell)[:_LONGEST_CELL]))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>' if text else "<c/>"
