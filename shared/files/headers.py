"""Where a table's header stands, also one of two rows, and what its columns are, guessed from their wording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from pathlib import Path

import yaml

from shared.files.problems import NOT_COMPUTED
from shared.files.tables import Cell, FileProblem, Row, Source, tables
from shared.reference.text import fold

LOOK_AT = 20
MOST_COLUMNS = 120
# A header names the child and something that tells it from another.
_LEAST = 2
_SAMPLES = 3
_SILENT = (None, NOT_COMPUTED)


def headers(head: Sequence[Row]) -> Iterator[tuple[int, tuple[Cell, ...], int]]:
    """Everything that may be the header: (place of its first row, its cells, rows used up to its end). Each row alone,
    then each with the next one below it, as a merged cell above several columns makes them."""
    labels = [tuple(None if cell is NOT_COMPUTED else cell for cell in row.cells) for row in head]
    for place, row in enumerate(labels):
        yield place, row, place + 1
    for place, (row, below) in enumerate(pairwise(labels)):
        yield place, _joined(row, below), place + 2


def _joined(upper: Sequence[Cell], lower: Sequence[Cell]) -> tuple[Cell, ...]:
    """Two rows as one header: the lower label, under what it stands where the lower one says the same twice."""
    width = max(len(upper), len(lower))
    above = [*upper, *[None] * (width - len(upper))]
    below = [*lower, *[None] * (width - len(lower))]
    joined: list[Cell] = []
    group: Cell = None
    for top, bottom in zip(above, below, strict=True):
        group = top if top is not None else group
        twice = bottom is not None and below.count(bottom) > 1
        joined.append(f"{group} {bottom}" if twice and group is not None else bottom if bottom is not None else top)
    return tuple(joined)


@dataclass(frozen=True, slots=True)
class Look:
    """The first sight of a file: its header's labels, what each column seems to hold, and a few values of each."""

    labels: tuple[str, ...]
    guesses: Mapping[str, str]
    samples: Mapping[str, tuple[str, ...]]


def look(source: Source) -> Look:
    """Look at a file's beginning. Raises `FileProblem` (those of reading, columns, header-unknown)."""
    for table in tables(source):
        rows = list(islice(table, LOOK_AT + 10))
        best = max(headers(rows[:LOOK_AT]), key=lambda found: (len(guess(found[1])), -found[2]), default=None)
        if best is None or len(guess(best[1])) < _LEAST:
            continue
        labels = tuple(dict.fromkeys(str(cell) for cell in best[1] if cell is not None))
        if len(labels) > MOST_COLUMNS:
            raise FileProblem(
                source,
                "columns",
                f"bảng có {len(labels)} cột; nhiều nhất {MOST_COLUMNS} cột, hãy xóa các cột thừa.",
                f"the table has {len(labels)} columns; at most {MOST_COLUMNS}: delete those not needed.",
            )
        return Look(labels, guess(best[1]), _samples(best[1], rows[best[2] :]))
    raise FileProblem(
        source,
        "header-unknown",
        "không thấy dòng tiêu đề nào có họ tên và ngày sinh trong 20 dòng đầu.",
        "no header with a name and a birth date is found among the first 20 rows.",
    )


def _samples(header: Sequence[Cell], rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for place, label in enumerate(header):
        cells = [cell for row in rows if place < len(row.cells) and (cell := row.cells[place]) not in _SILENT]
        shown = (f"{cell:%d/%m/%Y}" if hasattr(cell, "strftime") else str(cell)[:60] for cell in cells)
        if label is not None:
            found[str(label)] = tuple(dict.fromkeys(shown))[:_SAMPLES]
    return found


def guess(header: Sequence[Cell]) -> dict[str, str]:
    """Label to field, as far as the wording tells; each field once."""
    found: dict[str, str] = {}
    for label in (str(cell) for cell in header if cell is not None):
        field = _wordings().get(fold(label))
        if field is not None and field not in found.values():
            found[label] = field
    return found


@cache
def _wordings() -> dict[str, str]:
    """Folded wording to field, from `headings.yaml`."""
    known = yaml.safe_load((Path(__file__).parent / "headings.yaml").read_text("utf-8"))
    return {fold(wording): field for field, wordings in known.items() for wording in wordings}
