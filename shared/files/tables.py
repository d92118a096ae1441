"""Reads rows from CSV of any usual encoding and separator, XLSX, and JSON Lines.

It never holds a whole file in memory, never runs anything a file contains, and never guesses silently: what it cannot
read it names, with the row as a person sees it (the first line is 1).
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Iterator

import orjson

from shared.files.delimited import read_delimited
from shared.files.harmless import FORMULAS
from shared.files.problems import NOT_COMPUTED, Cell, FileProblem, Row, Source, not_computed
from shared.files.workbook import read_workbook

__all__ = ["Cell", "FileProblem", "Row", "Source", "is_json_lines", "json_lines", "rows", "tables"]

_CHUNK_BYTES = 1024 * 1024
MAX_LINE_BYTES = 1_000_000
_WORKBOOKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0")
_CONTROLS = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")


def is_json_lines(path: Source) -> bool:
    """Whether a file holds JSON Lines, by its first sign."""
    with path.open("rb") as file:
        return file.read(4096).removeprefix(codecs.BOM_UTF8).lstrip()[:1] in {b"{", b"["}


def tables(path: Source) -> Iterator[Iterator[Row]]:
    """The tables of a file: one of a CSV, one for each visible sheet of a workbook, in order.

    Rows without any content are left out, text is composed (NFC) and trimmed. Each table is read before the next one
    is asked for. Raises `FileProblem`.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_WORKBOOKS):
        yield from map(_speaking, read_workbook(path))
    else:
        yield _speaking(read_delimited(path))


def rows(path: Source) -> Iterator[Row]:
    """The rows of a file's first table, in which every cell says something. Raises `FileProblem`."""
    for table in tables(path):
        for row in table:
            if NOT_COMPUTED in row.cells:
                raise not_computed(path, row.number)
            yield row
        return


def _speaking(table: Iterator[Row]) -> Iterator[Row]:
    for row in table:
        cells = tuple(map(_clean, row.cells))
        if any(cell is not None for cell in cells):
            yield Row(row.number, cells)


def json_lines(path: Source) -> Iterator[tuple[int, object]]:
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


def _clean(cell: Cell) -> Cell:
    if type(cell) is not str:
        return cell
    if cell[:1] == "'" and cell[1:2] in FORMULAS:  # the sign that keeps a text from being taken for a formula
        cell = cell[1:]
    # Windows-1258 writes tones as marks of their own: only the composed form compares and displays everywhere.
    return " ".join(_CONTROLS.sub("", unicodedata.normalize("NFC", cell)).split()) or None
