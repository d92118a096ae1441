"""XLSX as rows, streaming: title rows, merged cells, date cells, several sheets.

Formulas are never computed: a cell without its result is `NOT_COMPUTED`, and whoever needs that cell says so.
Written here because the usual library keeps shared strings and a row's whole text in memory, and a hostile file
decides how large those are.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite

from shared.files.problems import NOT_COMPUTED, Cell, FileProblem, Row, Source
from shared.files.workbook_parts import (
    MAX_TEXT,
    SharedStrings,
    date_styles,
    new_parser,
    parse,
    plain,
    sheets,
    unreadable,
)

MAX_UNPACKED = 1_500_000_000
MAX_RATIO = 250  # real sheets pack 8 to 30 times; bombs a thousand
MAX_COLUMNS = 1_000
MAX_PARTS = 2_000
_REFERENCE = re.compile(r"^([A-Z]{1,3})(\d{1,7})$")


def read_workbook(path: Source) -> Iterator[Iterator[Row]]:
    """The visible sheets in order, each an iterator of its rows (to be read before the next one is asked for).

    Raises: `FileProblem` (xlsx, zip-bomb, xml-dtd, encrypted, cell-too-long…).
    """
    with closing(path.open("rb")) as file:
        try:
            package = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError):
            raise _not_a_package(path) from None
        yield from _sheets_of(path, package)


def _sheets_of(path: Source, package: zipfile.ZipFile) -> Iterator[Iterator[Row]]:
    with package, closing(SharedStrings()) as strings:
        _guard(path, package)
        names, since_1904 = sheets(path, package)
        if "xl/sharedStrings.xml" in package.namelist():
            strings.load(path, package, "xl/sharedStrings.xml")
        styles = (
            date_styles(path, package, "xl/styles.xml") if "xl/styles.xml" in package.namelist() else frozenset[int]()
        )
        epoch = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a sheet has no zone
        for name in names:
            if name not in package.namelist():
                raise unreadable(path)
            yield _Sheet(path, strings, styles, epoch).rows(package, name)


def _not_a_package(path: Source) -> FileProblem:
    with path.open("rb") as file:
        old = file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    if not old:
        return unreadable(path)
    return FileProblem(
        path,
        "encrypted",
        "tệp Excel có mật khẩu hoặc dạng .xls cũ; hãy lưu lại dạng .xlsx không mật khẩu.",
        "the Excel file has a password or is an old .xls; save it as .xlsx without a password.",
    )


def _guard(path: Source, package: zipfile.ZipFile) -> None:
    """Refuse packages that unpack to far more than they are. Python's zipfile never reads beyond the declared size."""
    parts = package.infolist()
    unpacked = sum(part.file_size for part in parts)
    swollen = any(
        part.file_size > 10_000_000 and part.file_size > MAX_RATIO * max(1, part.compress_size) for part in parts
    )
    if len(parts) > MAX_PARTS or unpacked > MAX_UNPACKED or swollen:
        raise FileProblem(
            path,
            "zip-bomb",
            "tệp Excel giải nén ra lớn bất thường.",
            "the Excel file unpacks to an unusual size.",
        )


@dataclass
class _Pending:
    """The cell being read."""

    column: int = -1
    kind: str = "n"
    style: int = 0
    reading: bool = False
    formula: bool = False
    length: int = 0
    texts: list[str] = field(default_factory=list)


class _Sheet:
    def __init__(self, path: Source, strings: SharedStrings, styles: frozenset[int], epoch: datetime) -> None:
        self._path = path
        self._strings = strings
        self._styles = styles
        self._epoch = epoch
        self._done: list[Row] = []
        self._number = 0
        self._cells: list[Cell] = []
        self._cell = _Pending()

    def rows(self, package: zipfile.ZipFile, name: str) -> Iterator[Row]:
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        for _ in parse(self._path, package, name, parser):
            yield from self._done
            self._done.clear()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        match plain(tag):
            case "row":
                number = _whole(attributes.get("r"), self._number + 1)
                if number <= self._number:
                    raise unreadable(self._path, self._number)
                self._number, self._cells = number, []
            case "c":
                self._open(attributes)
            case "v" | "t":
                self._cell.reading = True
            case "f":
                self._cell.formula = True
            case "rPh":
                self._cell.reading = False

    def _open(self, attributes: dict[str, str]) -> None:
        column = len(self._cells)
        match = _REFERENCE.match(attributes.get("r", ""))
        if match:
            column = _column(match[1])
        if not len(self._cells) <= column < MAX_COLUMNS:
            raise FileProblem(
                self._path, "columns", "có ô nằm sai cột.", "has a cell in an impossible column.", self._number
            )
        self._cell = _Pending(column, attributes.get("t", "n"), _whole(attributes.get("s"), 0))

    def _text(self, piece: str) -> None:
        cell = self._cell
        if not cell.reading:
            return
        cell.length += len(piece)
        if cell.length > MAX_TEXT:
            raise FileProblem(
                self._path,
                "cell-too-long",
                "có ô dài quá 40.000 ký tự.",
                "has a cell over 40,000 characters.",
                self._number,
            )
        cell.texts.append(piece)

    def _end(self, tag: str) -> None:
        match plain(tag):
            case "v" | "t":
                self._cell.reading = False
            case "c":
                self._cells += [None] * (self._cell.column - len(self._cells))
                self._cells.append(self._value())
            case "row":
                self._done.append(Row(self._number, tuple(self._cells)))

    def _value(self) -> Cell:
        cell = self._cell
        text = "".join(cell.texts)
        if not text:
            return NOT_COMPUTED if cell.formula else None
        if cell.kind in {"s", "n", "d"}:
            return self._number_or_shared(cell, text)
        if "\x00" in text:
            raise FileProblem(self._path, "nul-byte", "có ký tự NUL.", "holds a NUL character.", self._number)
        return text

    def _number_or_shared(self, cell: _Pending, text: str) -> Cell:
        try:
            if cell.kind == "s":
                return self._strings[int(text)]
            if cell.kind == "d":
                return datetime.fromisoformat(text)
            value = float(text)
            if not isfinite(value):
                raise unreadable(self._path, self._number)
            if cell.style in self._styles:
                # Rounded to the second: a serial day is a fraction, and 8:00 must not become 7:59:59.999.
                return self._epoch + timedelta(seconds=round(value * 86_400))
            return int(value) if value.is_integer() and abs(value) < 1e15 else value
        except (ValueError, IndexError, OverflowError):
            raise unreadable(self._path, self._number) from None


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and text.isdecimal() and len(text) < 9 else otherwise


def _column(letters: str) -> int:
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place - 1
