"""Every commune of the sample files is understood, and exactly as the truth file counts them."""

from __future__ import annotations

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from shared.reference.units import UNCLASSIFIED, Units

SAMPLES = Path(__file__).parents[2] / "samples"
UNITS = Units.load()
EXPECT: dict[str, Any] = json.loads((SAMPLES / "expect.json").read_text("utf-8"))


def rows(name: str, encoding: str, delimiter: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number as a person sees it, and the row."""
    text = unicodedata.normalize("NFC", (SAMPLES / name).read_text(encoding))
    yield from enumerate(csv.DictReader(text.splitlines(), delimiter=delimiter), start=2)


def rejected(name: str) -> set[int]:
    return {row["row"] for row in EXPECT["files"][name]["rejected"]}


def test_concerns_by_unit() -> None:
    name = "hotline-calls.csv"
    last = {
        row["Mã cuộc gọi"]: row["Xã/Phường"] for line, row in rows(name, "utf-8-sig", ",") if line not in rejected(name)
    }
    assert Counter(UNITS.find(text) or UNCLASSIFIED for text in last.values()) == EXPECT["concerns"]["by_unit"]


def test_children_by_unit() -> None:
    name = "commune-roster.xlsx"
    sheet = openpyxl.load_workbook(SAMPLES / name, read_only=True, data_only=True).worksheets[0]
    texts = [
        row[9]
        for line, row in enumerate(sheet.iter_rows(values_only=True), start=1)
        if line > 4 and line not in rejected(name) and row[0] is not None
    ]
    assert Counter(UNITS.find(str(text)) for text in texts) == EXPECT["children"]["by_unit"]


@pytest.mark.parametrize(
    ("name", "encoding", "delimiter", "column"),
    [("hospital-injuries.txt", "cp1258", "\t", "Xã/Phường"), ("school-roster.csv", "utf-16", ";", "Xã")],
)
def test_every_commune_of_a_file_is_known(name: str, encoding: str, delimiter: str, column: str) -> None:
    texts = {row[column] for _, row in rows(name, encoding, delimiter)}
    assert len(texts) == 92
    assert {UNITS.find(text) for text in texts} == set(UNITS.codes())


def test_every_code_of_the_police_is_known() -> None:
    lines = (SAMPLES / "police-events.jsonl").read_text("utf-8").splitlines()
    codes = {json.loads(line).get("data", {}).get("unit") for line in lines} - {None}
    assert codes
    assert codes <= set(UNITS.codes())
