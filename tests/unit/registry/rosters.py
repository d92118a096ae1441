"""Reads the sample rosters into statements: a small reader of its own, so that nothing but the registry is tested."""

from __future__ import annotations

import csv
from datetime import date, datetime
from pathlib import Path

import openpyxl

from services.registry.domain.children import Statement
from shared.contracts.vocabulary import ChildDescription, Person, Sex
from shared.reference.terms import Terms
from shared.reference.units import Units

SAMPLES = Path(__file__).parents[2] / "samples"
AS_OF = date(2026, 10, 31)
_SEX: dict[object, Sex] = {"Nam": "male", "Nữ": "female"}


def as_date(value: object) -> date | None:
    """A date cell or dd/mm/yyyy; None for what is no date."""
    if isinstance(value, datetime):
        return value.date()
    try:
        return datetime.strptime(str(value).strip(), "%d/%m/%Y").date()  # noqa: DTZ007 - a date, not a moment
    except ValueError:
        return None


def carers(*names: object) -> list[Person]:
    return [Person(name=str(name)) for name in names if name and str(name).strip()]


def commune_roster() -> list[tuple[int, Statement]]:
    """Row number and statement; rows whose birth date is no date are the file reader's to refuse."""
    labels = {Terms.load("circumstances").label(code): code for code in Terms.load("circumstances").codes()}
    sheet = openpyxl.load_workbook(SAMPLES / "commune-roster.xlsx").worksheets[0]
    found = []
    for number, row in enumerate(sheet.iter_rows(min_row=5, values_only=True), start=5):
        born = as_date(row[2])
        if born is None:
            continue
        description = ChildDescription(
            name=None if row[1] is None else str(row[1]),
            birth_date=born,
            sex=_SEX.get(row[3], "unknown"),
            ethnicity=str(row[4]) if row[4] else None,
            number=str(row[5]) if row[5] else None,
            hamlet=str(row[8]) if row[8] else None,
            carers=carers(row[6], row[7]),
        )
        group = labels.get(str(row[10]))
        found.append(
            (
                number,
                Statement(
                    record_id=f"00000000-0000-4000-8000-{number:012d}",
                    register_kind="commune-roster",
                    sector="dolisa",
                    as_of=AS_OF,
                    description=description,
                    unit=Units.load().find(str(row[9])) if row[9] else None,
                    circumstances=(group,) if group else (),
                ),
            )
        )
    return found


def school_roster() -> list[Statement]:
    with (SAMPLES / "school-roster.csv").open(encoding="utf-16", newline="") as file:
        rows = list(csv.reader(file, delimiter=";"))[1:]
    return [
        Statement(
            record_id=f"00000000-0000-4000-9000-{number:012d}",
            register_kind="school-roster",
            sector="education",
            as_of=AS_OF,
            description=ChildDescription(
                name=row[1],
                birth_date=as_date(row[2]),
                sex=_SEX.get(row[3], "unknown"),
                grade=row[4],
                school=row[5],
                carers=carers(row[7]),
            ),
            unit=Units.load().find(row[6]),
            dropped_out=row[8] == "Bỏ học",
        )
        for number, row in enumerate(rows)
    ]


def duplicate_list(which: str) -> dict[str, tuple[ChildDescription, str | None]]:
    """Id to description and commune of duplicates-a or -b."""
    with (SAMPLES / f"duplicates-{which}.csv").open(encoding="utf-8", newline="") as file:
        return {
            row["id"]: (
                ChildDescription(
                    name=row["name"],
                    birth_date=date.fromisoformat(row["birth_date"]),
                    sex=_SEX.get(row["sex"], "unknown"),
                    ethnicity=row["ethnicity"],
                    number=row["number"],
                    hamlet=row["hamlet"],
                    carers=carers(row["mother"], row["father"]),
                ),
                row["unit"] or None,
            )
            for row in csv.DictReader(file)
        }


def true_pairs() -> dict[str, str]:
    """Id in list b to the same child's id in list a."""
    with (SAMPLES / "duplicates-truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["b"]: row["a"] for row in csv.DictReader(file)}
