"""Lists of children in files (columns id, name, birth_date, sex, ethnicity, number, mother, father, unit, hamlet) as
what tells children apart. A cell that says nothing clear is taken as unknown: a row is compared by what it does say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final

from services.registry.domain.names import fold
from services.registry.domain.traits import Traits, traits_of
from shared.contracts.vocabulary import ChildDescription, Person, Sex
from shared.files.problems import FileProblem
from shared.files.tables import Cell, rows
from shared.files.values import BadCell, as_date, as_sex, as_text, as_unit
from shared.reference.units import Units

COLUMNS: Final = ("id", "name", "birth_date", "sex", "ethnicity", "number", "mother", "father", "unit", "hamlet")
_NEEDED: Final = ("id", "name")
_YEAR: Final = re.compile(r"^(?:\d{1,2}[/.\-])?((?:19|20)\d\d)$")
_MOST_TEXT: Final = 300
# Ages do not stand in these lists, so the day on which they were made says nothing.
_NO_DAY: Final = date(2000, 1, 1)


def read_list(path: Path) -> Iterator[tuple[str, dict[str, Cell]]]:
    """Each row's id and cells by column, streaming; rows without an id are left out.

    Raises: `FileProblem` where the file or its header cannot be read.
    """
    places: dict[str, int] | None = None
    for row in rows(path):
        if places is None:
            places = _header(path, row.cells)
            continue
        cells = {name: _as_read(row.cells[place]) for name, place in places.items() if place < len(row.cells)}
        if key := (as_text(cells.get("id")) or "").strip():
            yield key, cells
    if places is None:
        raise FileProblem(path, "empty", "tệp không có dòng nào.", "the file has no rows.")


def _header(path: Path, cells: tuple[Cell, ...]) -> dict[str, int]:
    places = {fold(as_text(cell)).replace(" ", "").replace("_", ""): place for place, cell in enumerate(cells)}
    found = {name: places[name.replace("_", "")] for name in COLUMNS if name.replace("_", "") in places}
    if missing := [name for name in _NEEDED if name not in found]:
        listed = ", ".join(missing)
        raise FileProblem(path, "columns", f"thiếu cột {listed}.", f"columns missing: {listed}.", 1)
    return found


def traits_of_row(cells: Mapping[str, Cell], units: Units) -> Traits:
    """What one row says. Raises nothing: what cannot be read is unknown."""
    born, year = _birth(cells.get("birth_date"))
    carers = [
        Person(name=name, relation=role)
        for column, role in (("mother", "mẹ"), ("father", "bố"))
        if (name := _text(cells.get(column)))
    ]
    description = ChildDescription(
        name=_text(cells.get("name")),
        birth_date=born or (date(year, 1, 1) if year else None),
        birth_precision="day" if born else "year",
        sex=_sex(cells.get("sex")),
        ethnicity=_text(cells.get("ethnicity")),
        number=_text(cells.get("number")),
        hamlet=_text(cells.get("hamlet")),
        carers=carers,
    )
    place = _text(cells.get("unit"))
    # A commune that nobody knows is still the same one where both lists write it alike.
    return traits_of(description, as_unit(place, units) or (fold(place) or None), _NO_DAY)


def _as_read(cell: Cell) -> Cell:
    """A date cell as text, so that a row can be kept as JSON."""
    return cell.date().isoformat() if isinstance(cell, datetime) else cell


def _text(cell: Cell) -> str | None:
    return (as_text(cell) or "").strip()[:_MOST_TEXT] or None


def _birth(cell: Cell) -> tuple[date | None, int | None]:
    """The date, or the year alone where nothing more is said."""
    try:
        return as_date(cell if not isinstance(cell, str) or cell.strip() else None), None
    except (BadCell, ValueError, OverflowError):
        year = _YEAR.match((as_text(cell) or "").strip())
        return None, int(year[1]) if year else None


def _sex(cell: Cell) -> Sex:
    try:
        found = as_sex(cell)
    except (BadCell, ValueError):
        return "unknown"
    return "male" if found == "male" else "female" if found == "female" else "unknown"
