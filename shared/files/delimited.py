"""CSV of any usual encoding and separator, as rows, streaming. What looks like a formula is text here, never run."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from shared.files.encodings import detect
from shared.files.lines import read_lines
from shared.files.problems import FileProblem, Row, Source

_SEPARATORS = (",", ";", "\t", "|")
_LOOK_AT = 40


def read_delimited(path: Source) -> Iterator[Row]:
    """The rows of a CSV file, empty ones included; a row of several lines has its first line's number.

    Raises: `FileProblem` (those of `read_lines`, and quote-not-closed, csv).
    """
    encoding = detect(path)
    separator, told = _separator([line for _, line in islice(read_lines(path, encoding), _LOOK_AT)])
    lines = (line for _, line in read_lines(path, encoding))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _refusal(path, str(error), number) from None
        if not (told and number == 1):
            yield Row(number, tuple(cells))


def _refusal(path: Source, reason: str, number: int) -> FileProblem:
    if "field larger" in reason or "unexpected end" in reason:
        return FileProblem(
            path, "quote-not-closed", "dấu ngoặc kép mở mà không đóng.", "a quotation mark is never closed.", number
        )
    return FileProblem(path, "csv", "dấu ngoặc kép đặt sai chỗ.", "a quotation mark stands in the wrong place.", number)


def _separator(lines: list[str]) -> tuple[str, bool]:
    """The separator, and whether the first line says it (Excel's `sep=;`)."""
    first = lines[0].strip().lower() if lines else ""
    if first.startswith("sep=") and len(first) == 5:
        return first[4], True
    return max(_SEPARATORS, key=lambda separator: _fit(lines, separator)), False


def _fit(lines: list[str], separator: str) -> tuple[int, int]:
    """How well a separator cuts the first lines: cells in rows of the most usual width, then that width."""
    try:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
    except csv.Error:
        return (0, 0)
    usual, times = (
        Counter(width for width in widths if width > 1).most_common(1)[0]
        if max(widths, default=0) > 1
        else (
            0,
            0,
        )
    )
    return (usual * times, usual)
