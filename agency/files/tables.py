"""Reads rows from CSV of any usual encoding and separator, XLSX, and JSON Lines.

It never holds a whole file in memory, never runs anything a file contains, and never guesses silently: what it cannot
read it names, with the row as a person sees it (the first line is 1).
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import orjson
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

Cell = str | int | float | datetime | None
_SAMPLE_BYTES = 256 * 1024
_CHUNK_BYTES = 1024 * 1024
MAX_CELL = 100_000
MAX_LINE_BYTES = 1_000_000
_MAX_UNZIPPED_BYTES = 4 * 1024**3
_MAX_SQUEEZE = 300
_SEPARATORS = ",;\t|"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_VIETNAMESE = set("ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ")


class FileProblem(Exception):  # noqa: N818 - about the file, not about us
    """A file that cannot be read, or not further. `row` as a person sees it, None: the file as a whole."""

    def __init__(self, path: Path, rule: str, message_vi: str, message_en: str, row: int | None = None) -> None:
        where = f", row {row}" if row else ""
        super().__init__(f"{path.name}{where}: {message_en}")
        self.rule = rule
        self.message_vi = message_vi
        self.message_en = message_en
        self.row = row


@dataclass(frozen=True, slots=True)
class Row:
    """One row and its number in the file."""

    number: int
    cells: tuple[Cell, ...]


def is_json_lines(path: Path) -> bool:
    """Whether a file holds JSON Lines, by its first sign."""
    with path.open("rb") as file:
        return file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}


def rows(path: Path) -> Iterator[Row]:
    """The rows of a CSV or XLSX file, empty ones left out, text composed (NFC) and trimmed. Raises `FileProblem`."""
    with path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES)
        file.seek(0)
        yield from _workbook(path, file) if start.startswith(b"PK\x03\x04") else _text(path, file, start)


def json_lines(path: Path) -> Iterator[tuple[int, object]]:
    """(line, decoded document) of every line that holds something; a `FileProblem` in place of an unreadable one."""
    number = 0
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(_CHUNK_BYTES)
                yield number, FileProblem(path, "too-large", "Dòng quá dài.", "The line is too long.", number)
                continue
            line = line.removeprefix(codecs.BOM_UTF8).strip()
            if not line:
                continue
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError:
                words = ("Dòng không phải JSON hợp lệ.", "The line is no valid JSON.")
                yield number, FileProblem(path, "json", *words, number)


def _text(path: Path, file: BinaryIO, start: bytes) -> Iterator[Row]:
    encoding = _encoding(path, file, start)
    sample = start.decode(encoding, errors="ignore")
    separator = _separator(sample)
    csv.field_size_limit(MAX_CELL)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    number = 0
    reader = csv.reader(text, delimiter=separator)
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            words = ("Dòng này không đọc được (ô quá dài hoặc dấu nháy hỏng).", "The row cannot be read.")
            raise FileProblem(path, "row-unreadable", *words, number) from None
        except UnicodeDecodeError:
            words = ("Có ký tự không đúng bảng mã của tệp.", "It holds bytes that do not fit its encoding.")
            raise FileProblem(path, "encoding", *words, number) from None
        cleaned = tuple(_clean(cell) for cell in cells)
        if any(cell is not None for cell in cleaned):
            yield Row(number, cleaned)


def _workbook(path: Path, file: BinaryIO) -> Iterator[Row]:
    broken = FileProblem(path, "xlsx", "Không phải tệp XLSX đọc được.", "It is no readable XLSX file.")
    try:
        with zipfile.ZipFile(file) as archive:
            sizes = [(item.file_size, item.compress_size) for item in archive.infolist()]
        if sum(size for size, _ in sizes) > _MAX_UNZIPPED_BYTES or any(
            size > _CHUNK_BYTES and size > _MAX_SQUEEZE * max(squeezed, 1) for size, squeezed in sizes
        ):
            raise FileProblem(path, "zip-bomb", "Tệp nén bất thường.", "It unpacks to an absurd size.")
        # Formulas are read as the value they last had; nothing is computed or fetched.
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
    except (zipfile.BadZipFile, InvalidFileException, KeyError, IndexError, ValueError, OSError, EOFError):
        raise broken from None
    sheet.reset_dimensions()
    try:
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            cleaned = tuple(cell if isinstance(cell, datetime) else _clean(cell) for cell in cells)
            if any(cell is not None for cell in cleaned):
                yield Row(number, cleaned)
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError, SyntaxError):
        raise broken from None
    finally:
        book.close()


def _clean(cell: object) -> Cell:
    if cell is None or isinstance(cell, bool):
        return None if cell is None else str(cell)
    if isinstance(cell, int | float):
        return int(cell) if isinstance(cell, float) and cell.is_integer() else cell
    # Windows-1258 writes tones as marks of their own: only the composed form compares and displays everywhere.
    text = " ".join(_CONTROLS.sub("", unicodedata.normalize("NFC", str(cell))).split())
    return text[:MAX_CELL] or None


def _encoding(path: Path, file: BinaryIO, start: bytes) -> str:
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start and start.count(0) > len(start) // 10:
        # Every other byte of plain letters is zero in UTF-16: before them in big-endian, behind in little-endian.
        return "utf-16-be" if start[:2000:2].count(0) > start[1:2000:2].count(0) else "utf-16-le"
    if _is_utf8(file):
        return "utf-8"
    for encoding in ("cp1258", "cp1252"):
        try:
            text = unicodedata.normalize("NFC", start.decode(encoding)).lower()
        except UnicodeDecodeError:
            continue
        if encoding == "cp1252" or any(sign in _VIETNAMESE for sign in text):
            return encoding
    raise FileProblem(path, "encoding", "Không nhận ra bảng mã của tệp.", "Its encoding is not recognised.")


def _is_utf8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := file.read(_CHUNK_BYTES):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _separator(sample: str) -> str:
    """The separator that splits the first lines into the most, and equally many, columns."""
    lines = [line for line in sample.splitlines()[:20] if line.strip()]

    def evenness(separator: str) -> tuple[int, int]:
        counts = [line.count(separator) for line in lines]
        common = max(set(counts), key=counts.count) if counts else 0
        return (counts.count(common) if common else 0, common)

    return max(_SEPARATORS, key=evenness)
