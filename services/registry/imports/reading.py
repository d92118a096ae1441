"""A file of an import, row by row: the statement that a row makes, or why it makes none; the same each time it is read.

Rows are judged by the day on which the file arrived, so that a job resumed tomorrow reads what it read today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from services.registry.domain.children import Statement, refusals
from services.registry.domain.recorded import statement_of
from services.registry.store.imports import ImportRow
from shared.contracts.agency import ChildRecorded
from shared.contracts.errors import Violation
from shared.contracts.vocabulary import ChildDescription
from shared.files.forms import Mapping
from shared.files.mapping import Reading, read_table
from shared.files.sealed import SealedFile
from shared.files.tables import Cell, Row
from shared.privacy import Keys
from shared.reference.calendar import local_day
from shared.reference.units import Units


@dataclass(frozen=True, slots=True)
class Line:
    """One row: what it says, or the rules it breaks; its cells for the file of rejects."""

    row: int
    said: Statement | None
    violations: tuple[Violation, ...]
    cells: tuple[Cell, ...]


def sealed_file(row: ImportRow, folder: Path, keys: Keys) -> SealedFile:
    """The file of an import. Raises LookupError where it is not (any more) there."""
    path = folder / row.id
    if row.file_key is None or not path.is_file():
        raise LookupError("the file is not here")
    return SealedFile(row.file_name, path, keys.open_private(f"import/{row.id}", row.file_key), row.id)


def open_lines(row: ImportRow, folder: Path, keys: Keys, units: Units) -> tuple[tuple[Row, ...], Iterator[Line]]:
    """The rows down to the header, and the lines below. Raises `FileProblem`, LookupError."""
    mapping = Mapping.model_validate(row.mapping)
    reading = read_table(sealed_file(row, folder, keys), [mapping], pepper=keys.agency_pepper, now=row.made_at)
    return reading.head, _lines(row, reading, mapping, units)


def _lines(row: ImportRow, reading: Reading, mapping: Mapping, units: Units) -> Iterator[Line]:
    today = local_day(row.made_at)
    for item in reading.items:
        if item.event is None:
            yield Line(item.row, None, item.violations, item.cells)
            continue
        data = cast("ChildRecorded", item.data)
        said = statement_of(
            data,
            cast("ChildDescription", data.child),
            cast("str | None", data.unit_text),
            source=mapping.source,
            event_id=item.event["id"],
            sector=mapping.sector,
            today=today,
            units=units,
        )
        if said.unit is None:
            said = replace(said, unit=row.unit)
        wrong = (*refusals(said.description, said.as_of, today), *_elsewhere(row, said))
        yield Line(item.row, None if wrong else said, wrong, item.cells)


def _elsewhere(row: ImportRow, said: Statement) -> tuple[Violation, ...]:
    if row.allowed is None or (said.unit is not None and said.unit in row.allowed):
        return ()
    return (_NOT_YOURS if said.unit else _NO_UNIT,)


_NOT_YOURS = Violation(
    "unit",
    "unit-not-yours",
    "Dòng ghi xã, phường khác địa bàn của anh chị.",
    "The row names a commune that is not yours.",
)
_NO_UNIT = Violation(
    "unit", "unit-missing", "Dòng không ghi xã, phường nào nhận ra được.", "The row names no commune that is known."
)
