"""Files that are broken, old or meant to harm end in one clear sentence, in bounded memory, and never in nonsense."""

from __future__ import annotations

import random
import re
import textwrap
import tracemalloc
import unicodedata
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from shared.files.legacy import from_tcvn3, from_vni
from shared.files.mapping import Mapping, check, read, shipped
from shared.files.tables import FileProblem, rows

SAMPLES = Path(__file__).parents[2] / "samples"
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
PEPPER = b"p" * 32
HOSPITAL = "Số hồ sơ,Ngày vào viện,Họ tên,Nguyên nhân,Kết quả\n"
SHEET = "xl/worksheets/sheet1.xml"
ROSTER = ["STT", "Họ và tên", "Ngày sinh", "Họ tên mẹ", "Hoàn cảnh"]


def events(path: Path, **settings: Any) -> list[dict[str, Any]]:
    items = list(read(path, pepper=PEPPER, now=NOW, **settings).items)
    assert all(item.event for item in items), [item.violations for item in items]
    return [item.event for item in items if item.event]


def problem(path: Path) -> tuple[str, int | None]:
    with pytest.raises(FileProblem) as caught:
        check(path)
    assert path.name in str(caught.value)
    assert caught.value.message_vi
    return caught.value.rule, caught.value.row


def workbook(path: Path, *table: list[Any], **replaced: bytes) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in table:
        sheet.append(row)
    plain = path.with_name("plain.xlsx")
    book.save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, replaced.get(Path(part.filename).stem, old.read(part)))
    return path


def sheet_xml(cells: str, prolog: str = "") -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'{prolog}<worksheet xmlns="{space}"><sheetData>{cells}</sheetData></worksheet>'.encode()


@pytest.mark.parametrize("encoding", ["cp1258", "utf-16-le", "utf-8"])
def test_decomposed_text_becomes_composed(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "h.csv"
    text = HOSPITAL + "BV1,01/10/2026,Đỗ Thị Hường,Ngộ độc,Tử vong\n"
    # What Windows-1258 knows as one letter stays one; every tone is a mark of its own.
    marked = unicodedata.normalize("NFD", text)
    for mark, letters in (("\u0302", "aeoAEO"), ("\u0306", "aA"), ("\u031b", "ouOU")):
        for letter in letters:
            marked = marked.replace(letter + mark, unicodedata.normalize("NFC", letter + mark))
            for tone in "\u0300\u0301\u0303\u0309\u0323":
                composed = unicodedata.normalize("NFC", letter + mark)
                marked = marked.replace(letter + tone + mark, composed + tone)
    file.write_bytes(marked.encode(encoding))
    (event,) = events(file)
    assert (event["data"]["child"]["name"], event["data"]["kind"]) == ("Đỗ Thị Hường", "Ngộ độc")


def in_tcvn3(text: str) -> bytes:
    back = {from_tcvn3(chr(code)): code for code in range(0xA1, 0x100) if from_tcvn3(chr(code)) != chr(code)}
    return bytes(back.get(sign, ord(sign) if ord(sign) < 128 else 0) for sign in text)


def test_the_fonts_from_before_unicode_are_read(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    file.write_bytes(in_tcvn3(HOSPITAL + "BV1,01/10/2026,đỗ thị hường,ngộ độc,tử vong\n"))
    (event,) = events(file)
    assert (event["data"]["child"]["name"], event["data"]["kind"]) == ("đỗ thị hường", "ngộ độc")
    assert from_vni("Ñoã Thò Höôøng, Nguyeãn Vaên Bình, Quyønh, Lyù, kyõ, Ñöùc, ñaéng") == (
        "Đỗ Thị Hường, Nguyễn Văn Bình, Quỳnh, Lý, kỹ, Đức, đắng"
    )


def test_bytes_that_are_no_vietnamese_are_refused_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_bytes("Имя,Дата\nИван,1\n".encode("cp1251"))
    assert problem(file)[0] == "encoding"


@pytest.mark.parametrize(
    ("content", "rule", "row"),
    [
        (b"", "empty", None),
        (HOSPITAL.encode() + b"BV1,\x00,a,b,c\n", "nul-byte", 2),
        (HOSPITAL.encode() + b"x" * 3_000_000, "line-too-long", 2),
        (HOSPITAL.encode() + b'BV1,"a,b\n' + b"c,d\n" * 100_000, "quote-not-closed", 2),
        (HOSPITAL.encode() + "BV1,Ngộ".encode()[:-1], "truncated", 2),
        (b"\xff\xfe" + HOSPITAL.encode("utf-16-le") + b"a", "truncated", 2),
        (b"\xef\xbb\xbf" + HOSPITAL.encode() + b"ok,1\nBV\xff1\n", "encoding", 3),
    ],
)
def test_a_broken_text_file_names_row_and_rule(tmp_path: Path, content: bytes, rule: str, row: int | None) -> None:
    file = tmp_path / "h.csv"
    file.write_bytes(content)
    assert problem(file) == (rule, row)


def test_an_endless_line_is_not_loaded(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    with file.open("wb") as endless:
        endless.write(HOSPITAL.encode())
        endless.truncate(200_000_000)  # a sparse file: a line of NULs that ends nowhere
    tracemalloc.start()
    try:
        assert problem(file)[0] == "line-too-long"
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_rows_have_the_line_on_which_they_begin(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    file.write_text("Danh sách\n\n" + HOSPITAL + 'BV1,01/10/2026,"A\nB",Ngã,Khỏi\n\nBV2,02/10/2026,C,Ngã,Khỏi\n')
    found = list(read(file, pepper=PEPPER, now=NOW).items)
    assert [item.row for item in found] == [4, 7]


def test_a_shifted_row_is_told_not_taken(tmp_path: Path) -> None:
    file = tmp_path / "h.csv"
    file.write_text(HOSPITAL + "BV1,01/10/2026,Nguyễn, An,Ngã,Khỏi\n")
    (item,) = read(file, pepper=PEPPER, now=NOW).items
    assert [violation.rule for violation in item.violations] == ["columns"]


def test_a_document_type_in_a_workbook_is_refused(tmp_path: Path) -> None:
    entity = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    cell = '<row r="1"><c r="A1" t="inlineStr"><is><t>&x;</t></is></c></row>'
    file = workbook(tmp_path / "x.xlsx", ["a"], sheet1=sheet_xml(cell, entity))
    assert problem(file) == ("xml-dtd", None)


@pytest.mark.parametrize(
    ("cells", "rule", "row"),
    [
        (f'<row r="1"><c r="A1" t="str"><v>{"x" * 50_000}</v></c></row>', "cell-too-long", 1),
        ('<row r="2"><c r="ZZZ2"><v>1</v></c></row>', "columns", 2),
        ('<row r="3"><c r="A3" t="s"><v>99</v></c></row>', "xlsx", 3),
        ('<row r="3"><c r="A3"><v>nan</v></c></row>', "xlsx", 3),
        ('<row r="4"/><row r="4"/>', "xlsx", 4),
        ('<row r="1"><c r="A1"><v>1</v></c>', "xlsx", None),
    ],
)
def test_a_harmful_sheet_names_row_and_rule(tmp_path: Path, cells: str, rule: str, row: int | None) -> None:
    assert problem(workbook(tmp_path / "x.xlsx", ["a"], sheet1=sheet_xml(cells))) == (rule, row)


def test_a_bomb_in_the_shared_texts_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "x.xlsx"
    workbook(tmp_path / "y.xlsx", ["a"])
    with zipfile.ZipFile(tmp_path / "y.xlsx") as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, old.read(part))
        with new.open(
            "xl/sharedStrings.xml" if "xl/sharedStrings.xml" not in old.namelist() else "xl/b.xml", "w"
        ) as big:
            for _ in range(30):
                big.write(b" " * 1_000_000)
    assert problem(file)[0] == "zip-bomb"


def test_a_password_protected_or_old_workbook_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "x.xls"
    file.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)
    assert problem(file)[0] == "encrypted"


def test_a_form_on_the_second_sheet_is_found_and_two_forms_are_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Hướng dẫn"])
    second = book.create_sheet("Số liệu")
    second.append(ROSTER)
    second.append([1, "Nguyễn Văn An", datetime(2020, 5, 4), "Lê Thị B", None])  # noqa: DTZ001
    book.save(tmp_path / "one.xlsx")
    (event,) = events(tmp_path / "one.xlsx")
    assert event["data"]["child"]["birth_date"] == "2020-05-04"
    third = book.create_sheet("Thêm")
    third.append(ROSTER)
    book.save(tmp_path / "two.xlsx")
    with pytest.raises(FileProblem) as caught:
        list(read(tmp_path / "two.xlsx", pepper=PEPPER, now=NOW).items)
    assert caught.value.rule == "sheets"


def test_two_children_who_look_alike_are_two_events_and_stay_the_same_two(tmp_path: Path) -> None:
    same = ["Nguyễn Văn An", "01/02/2020", "Lê Thị B", "Khuyết tật; Bị bạo lực"]
    file = workbook(tmp_path / "x.xlsx", ROSTER, *([number, *same] for number in range(3)), [4, None, None, None, None])
    first, again = events(file), events(file)
    assert len({event["id"] for event in first}) == 3
    assert [event["id"] for event in first] == [event["id"] for event in again]
    assert first[0]["data"]["circumstances"] == ["04", "09"]


def test_an_evenings_call_is_not_in_the_future_on_its_own_day(tmp_path: Path) -> None:
    header = "Mã cuộc gọi,Thời điểm tiếp nhận,Kênh\n"
    file = tmp_path / "c.csv"
    file.write_text(header + "C1,24/11/2026 23:59,111\nC2,25/11/2026 00:00,111\nC3,,111\nC4,bữa qua,111\n")
    found = list(read(file, pepper=PEPPER, now=NOW).items)
    rules = [item.violations[0].rule if item.violations else None for item in found]
    assert rules == [None, "received-at-in-future", "received-at-missing", "received-at-invalid"]


@pytest.mark.parametrize(
    "name", ["commune-roster.xlsx", "hotline-calls.csv", "school-roster.csv", "hospital-injuries.txt"]
)
def test_damaged_files_end_in_a_file_problem_or_in_rows(tmp_path: Path, name: str) -> None:
    whole = (SAMPLES / name).read_bytes()
    chance = random.Random(7)
    for _ in range(12):
        damaged = bytearray(whole[: chance.randrange(len(whole))])
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        file = tmp_path / name
        file.write_bytes(damaged)
        try:
            for row in rows(file):
                assert row.number > 0
        except FileProblem as error:
            assert error.rule  # noqa: PT017 - either end is right, any other exception is not


def test_every_shipped_mapping_keeps_its_contract_and_wrong_ones_say_where(tmp_path: Path) -> None:
    assert {mapping.name for mapping in shipped()} >= {"commune-roster", "school-roster", "hotline-calls", "child-list"}
    assert Mapping.load(Path("school-roster")).sector == "education"
    text = (Path(__file__).parents[3] / "shared/files/mappings/school-roster.yaml").read_text()
    for old, new, said in (
        ("type: agency.child.recorded", "type: cases.case.opened", "agencies publish no"),
        ("dropped_out:", "dropped:", "has no dropped"),
        ("source: /agency/education", "source: /agency/police", "must begin with"),
    ):
        file = tmp_path / "m.yaml"
        file.write_text(text.replace(old, new))
        with pytest.raises(FileProblem, match=said):
            Mapping.load(file)
    with pytest.raises(FileProblem, match="not found"):
        Mapping.load(tmp_path / "none.yaml")


def test_lists_of_children_are_read_by_their_own_ids() -> None:
    found = events(SAMPLES / "duplicates-a.csv")
    assert (len(found), found[0]["id"], found[0]["unit"]) == (3000, "a900000", "02155")


def test_the_how_tos_example_works_as_written(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs/how-to/mappings.md").read_text()
    table, mapping = re.findall(r"   ```\w*\n(.*?)   ```", text, re.DOTALL)[:2]
    file = tmp_path / "tram-y-te.csv"
    file.write_text(textwrap.dedent(table))
    file.with_suffix(".yaml").write_text(textwrap.dedent(mapping))
    (event,) = events(file)
    assert (event["data"]["unit"], event["data"]["age"], event["data"]["kind"]) == ("05908", 7, "Ngã")
