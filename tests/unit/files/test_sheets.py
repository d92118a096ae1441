"""Long tables for spreadsheets: every row arrives, in as many sheets as it takes, each with its mark."""

from __future__ import annotations

import io
from datetime import datetime

import openpyxl
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.files.harmless import harmless
from shared.files.sheets import CsvTable, XlsxTable, pieces
from shared.reference.calendar import LOCAL

AT = datetime(2026, 11, 24, 3, 5, tzinfo=LOCAL)


def book_of(rows: list[list[str]], mark: str = "dấu", rows_per_sheet: int = 3) -> openpyxl.Workbook:
    table = XlsxTable(mark, ["a", "b"], title="t", author="x", at=AT, rows_per_sheet=rows_per_sheet)
    return openpyxl.load_workbook(io.BytesIO(table.start() + table.rows(rows) + table.end()))


def test_what_does_not_fit_one_sheet_goes_on_in_the_next_with_the_mark_again() -> None:
    book = book_of([[str(n), "x"] for n in range(7)])
    assert [sheet["A1"].value for sheet in book] == ["dấu"] * 3
    assert [sheet["A2"].value for sheet in book] == ["a"] * 3
    assert [[cell.value for (cell,) in sheet.iter_rows(min_row=3, max_col=1)] for sheet in book] == [
        ["0", "1", "2"],
        ["3", "4", "5"],
        ["6"],
    ]


def test_a_workbook_says_in_universal_time_when_it_was_made() -> None:
    assert book_of([]).properties.created == datetime(2026, 11, 23, 20, 5)  # noqa: DTZ001 - read without its zone


def test_without_a_mark_and_columns_there_are_the_rows_alone() -> None:
    rows = [["Họ và tên", None], ["=1+1", "x"], *([str(n), ""] for n in range(500))]
    table = XlsxTable(title="Dòng bị từ chối", author="", at=AT)
    sheet = openpyxl.load_workbook(io.BytesIO(b"".join(pieces(table, rows)))).active
    assert sheet.title == "Dòng bị từ chối 1"
    assert [sheet["A1"].value, sheet["A2"].value, sheet.max_row] == ["Họ và tên", harmless("=1+1"), 502]
    assert not sheet.oddHeader.left.text
    plain = b"".join(pieces(CsvTable(), rows)).decode("utf-8-sig").splitlines()
    assert (plain[0], plain[1], len(plain)) == ("Họ và tên,", f"{harmless('=1+1')},x", 502)


# A line ending is written as XML has it, and read as one.
@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff_"), max_size=50))
def test_every_text_arrives_as_written_and_none_is_run(text: str) -> None:
    (cell,) = next(book_of([[text, "x"]]).active.iter_rows(min_row=3, max_col=1))
    assert (cell.value or "") == harmless(text)
    assert cell.data_type != "f"


def test_characters_that_no_workbook_may_hold_are_left_out() -> None:
    assert book_of([["a\x00b\x0bc\ud800d", "x"]]).active["A3"].value == "abcd"
    assert len(book_of([["x" * 50_000, "x"]]).active["A3"].value) == 32_767
