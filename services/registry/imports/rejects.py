"""The refused rows of an import as a table to be corrected and sent again: as they stood, with the reasons behind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.registry.imports.reading import Line, open_lines
from services.registry.store.imports import ImportRow
from shared.files.tables import Cell, FileProblem
from shared.privacy import Keys
from shared.reference.units import Units

_REASON = ("Lý do bị từ chối", "Reason for refusal")


def rejected_rows(row: ImportRow, folder: Path, keys: Keys, units: Units) -> Iterator[Sequence[Cell]]:
    """The file's rows down to its header, and the refused ones below. Raises `FileProblem`, LookupError.

    The reasons stand in two columns behind all others; sent in again, they are columns like any that nobody reads.
    """
    head, lines = open_lines(row, folder, keys, units)
    width = max((len(one.cells) for one in head), default=0)
    for one in head[:-1]:
        yield one.cells
    if head:
        yield (*_filled(head[-1].cells, width), *(() if _has_reasons(head[-1].cells) else _REASON))
    has = bool(head) and _has_reasons(head[-1].cells)
    # Where the file cannot be read further the list ends; the import's page says why and in which row.
    with contextlib.suppress(FileProblem):
        for line in lines:
            if line.said is None:
                cells = line.cells[: width - len(_REASON)] if has else line.cells
                yield (*_filled(cells, width - len(_REASON) if has else width), *_reasons(line))


def _has_reasons(header: Sequence[Cell]) -> bool:
    """Whether the file is itself one of rejects, sent in again."""
    return tuple(header[-2:]) == _REASON


def _filled(cells: Sequence[Cell], width: int) -> tuple[Cell, ...]:
    return (*cells, *(None for _ in range(width - len(cells))))


def _reasons(line: Line) -> tuple[str, str]:
    return (
        "; ".join(violation.message_vi for violation in line.violations),
        "; ".join(violation.message_en for violation in line.violations),
    )
