"""Files as agencies really send them: each form with its encoding, its mistakes and its true result."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from shared.files.headers import look
from shared.files.mapping import Item, Mapping, check, read
from shared.files.tables import FileProblem, rows

SAMPLES = Path(__file__).parents[2] / "samples"
EXPECT = json.loads((SAMPLES / "expect.json").read_text())
NOW = datetime(2026, 11, 24, 3, tzinfo=UTC)
PEPPER = b"p" * 32
HEADER = (
    "Mã cuộc gọi,Thời điểm tiếp nhận,Kênh,Họ tên trẻ,Ngày sinh/Tuổi,Giới tính,Xã/Phường,Loại xâm hại,Nguy hiểm ngay\n"
)


def final_events(name: str) -> tuple[list[Any], dict[str, Any], dict[str, int]]:
    """Rejections, the last wording of each id, and counts, as a platform that keeps every content would see them."""
    rejected, last, counts = [], {}, Counter[str]()
    seen: dict[str, set[str]] = {}
    for item in read(SAMPLES / name, pepper=PEPPER, now=NOW).items:
        counts["rows"] += 1
        if item.event is None:
            rejected.append({"row": item.row, "rule": item.violations[0].rule})
            continue
        content = json.dumps(item.event["data"], sort_keys=True)
        known = seen.setdefault(item.event["id"], set())
        counts["duplicates" if content in known else "corrections" if known else "accepted"] += 1
        if content not in known:
            known.add(content)
            last[item.event["id"]] = item.event["data"]
    return rejected, last, counts


@pytest.mark.parametrize("name", EXPECT["files"])
def test_every_sample_row_is_judged_as_it_should_be(name: str) -> None:
    rejected, _, counts = final_events(name)
    truth = EXPECT["files"][name]
    assert rejected == truth["rejected"]
    for figure in ("rows", "accepted", "duplicates", "corrections"):
        assert counts[figure] == truth.get(figure, 0), figure


def test_calls_carry_what_is_counted() -> None:
    _, last, _ = final_events("hotline-calls.csv")
    truth = EXPECT["concerns"]
    assert Counter(data.get("unit", "unclassified") for data in last.values()) == truth["by_unit"]
    assert Counter(data["kinds"][0] for data in last.values()) == truth["by_kind"]
    assert Counter(data["channel"] for data in last.values()) == truth["by_channel"]
    assert sum(data["danger_now"] == "yes" for data in last.values()) == truth["danger_now"]


def test_roster_rows_carry_what_is_counted() -> None:
    _, last, _ = final_events("commune-roster.xlsx")
    truth = EXPECT["children"]
    assert Counter(data["unit"] for data in last.values()) == truth["by_unit"]
    assert Counter(code for data in last.values() for code in data.get("circumstances", [])) == truth["circumstances"]
    assert all(data["as_of"] == "2026-10-31" for data in last.values())


def test_windows_1258_becomes_composed_vietnamese() -> None:
    first = next(read(SAMPLES / "hospital-injuries.txt", pepper=PEPPER, now=NOW).items).event
    assert first is not None
    assert (first["data"]["child"]["name"], first["data"]["kind"]) == ("Hoàng Mai Vy", "Ngộ độc")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_usual_encoding_and_separator(tmp_path: Path, encoding: str, separator: str) -> None:
    text = (HEADER + "C1,24/09/2026 11:45,111,Lý Gia Đạt,7 tuổi,Nam,Xã Sảng Mộc,Bạo lực,Có\n").replace(",", separator)
    file = tmp_path / "calls.csv"
    file.write_bytes(text.encode(encoding))
    (item,) = read(file, pepper=PEPPER, now=NOW).items
    assert item.event is not None
    data = item.event["data"]
    assert data["child"]["name"] == "Lý Gia Đạt"
    assert (data["age"], data["sex"], data["kinds"], data["danger_now"]) == (7, "male", ["violence"], "yes")
    assert data["received_at"] == "2026-09-24T04:45:00+00:00"
    assert "unit_text" not in data


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("05/03/2018", ("2018-03-05", None)),
        ("03/2018", ("2018-03-01", "month")),
        ("2018", ("2018-01-01", "year")),
        # By the register's day still fifteen, for all that is known.
        ("2010", ("2010-01-01", "year")),
        ("31/02/2018", "birth-date-invalid"),
        ("13/2018", "birth-date-invalid"),
        ("2009", "not-a-child"),
        ("12/2026", "birth-date-in-future"),
    ],
)
def test_of_a_birth_as_much_is_taken_as_is_known(tmp_path: Path, written: str, said: object) -> None:
    item = roster(tmp_path, "Lý Gia Đạt", written)
    if isinstance(said, str):
        assert [violation.rule for violation in item.violations] == [said]
    else:
        assert item.event is not None
        child = item.event["data"]["child"]
        assert (child["birth_date"], child.get("birth_precision")) == said


@pytest.mark.parametrize(
    ("name", "is_total"),
    [
        ("Tổng cộng: 8", True),
        ("TỔNG SỐ 1.208 trẻ em", True),
        ("Cộng", True),
        ("Tống Công", False),
        ("Tổng Thị Cộng", False),
        ("Cộng Văn Nam", False),
    ],
)
def test_the_foot_of_a_list_is_no_child(tmp_path: Path, name: str, *, is_total: bool) -> None:
    rules = [violation.rule for violation in roster(tmp_path, name, "05/03/2018").violations]
    assert rules == (["total-row"] if is_total else [])


def roster(folder: Path, name: str, birth: str) -> Item:
    """The row of a list that has one."""
    file = folder / "list.csv"
    file.write_text(f"id,name,birth_date,mother,father,unit\n1,{name},{birth},,,05443\n", "utf-8")
    (item,) = read(file, pepper=PEPPER, now=NOW).items
    return item


def test_a_form_nobody_knows_is_named_not_guessed(tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(FileProblem, match="not recognised") as caught:
        read(file, pepper=PEPPER, now=NOW)
    assert caught.value.rule == "form-unknown"


def test_a_mapping_beside_the_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "tram-y-te.csv"
    file.write_text("Mã;Ngày;Vì sao;Ra viện\nA1;01/10/2026;Ngã;Khỏi\n")
    file.with_suffix(".yaml").write_text(
        """
name: station
title: Trạm y tế
sector: health
type: agency.incident.recorded
source: /agency/health/station
columns: [Mã, Ngày]
id: {column: Mã}
fields:
  occurred_on: {column: Ngày, as: date, rule: occurred-on, required: true}
  kind: {column: Vì sao, required: true}
  outcome: {column: Ra viện, required: true}
""",
        "utf-8",
    )
    (item,) = read(file, pepper=PEPPER, now=NOW).items
    assert item.event is not None
    assert item.event["data"] == {"occurred_on": "2026-10-01", "kind": "Ngã", "outcome": "Khỏi"}


def test_a_wrong_mapping_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text("name: x\nfields: {a: {colum: b}}\n")
    with pytest.raises(FileProblem, match=r"fields\.a\.colum"):
        Mapping.load(file)


def test_hostile_files_end_in_one_sentence(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 30_000_000)
    with pytest.raises(FileProblem) as caught:
        list(rows(bomb))
    assert caught.value.rule == "zip-bomb"

    truncated = tmp_path / "cut.xlsx"
    truncated.write_bytes((SAMPLES / "commune-roster.xlsx").read_bytes()[:50_000])
    with pytest.raises(FileProblem) as caught:
        list(rows(truncated))
    assert caught.value.rule == "xlsx"

    endless = tmp_path / "endless.csv"
    endless.write_text(HEADER + '"' + "x" * 300_000)
    with pytest.raises(FileProblem) as caught:
        list(rows(endless))
    assert (caught.value.rule, caught.value.row) == ("quote-not-closed", 2)


def test_a_formula_counts_with_the_value_excel_kept_and_is_never_computed(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Số hồ sơ", "Ngày vào viện", "Nguyên nhân", "Kết quả"])
    sheet.append(["=1+1", "01/10/2026", "Ngã", "Khỏi"])
    file = tmp_path / "f.xlsx"
    book.save(file)
    with pytest.raises(FileProblem) as caught:
        list(read(file, pepper=PEPPER, now=NOW).items)
    assert (caught.value.rule, caught.value.row) == ("formula-not-computed", 2)


def test_a_formula_without_its_value_matters_only_where_somebody_reads_it(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["STT", "Số hồ sơ", "Ngày vào viện", "Nguyên nhân", "Kết quả", "Số đêm"])
    sheet.append(["=ROW()-1", "BV1", "01/10/2026", "Ngã", "Khỏi", "=2026-2018"])
    sheet.append(["=ROW()-1", None, None, None, None, "=2026-2018"])  # dragged further than the list goes
    file = tmp_path / "f.xlsx"
    book.save(file)
    check(file)
    (item,) = read(file, pepper=PEPPER, now=NOW).items
    assert item.event is not None
    assert item.event["id"] == "BV1"
    sheet["C2"] = "=TODAY()"
    book.save(file)
    for through in (lambda: check(file), lambda: list(read(file, pepper=PEPPER, now=NOW).items)):
        with pytest.raises(FileProblem) as caught:
            through()
        assert (caught.value.rule, caught.value.row) == ("formula-not-computed", 2)
    with pytest.raises(FileProblem):
        list(rows(file))


def test_the_columns_of_a_list_are_seen_beside_formulas_without_values(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Danh sách ngày", "=TODAY()"])
    sheet.append(["STT", "Họ và tên", "Ngày sinh", "Tuổi"])
    sheet.append(["=ROW()-2", "Nguyễn Văn An", "05/03/2018", "=2026-2018"])
    file = tmp_path / "f.xlsx"
    book.save(file)
    seen = look(file)
    assert seen.labels == ("STT", "Họ và tên", "Ngày sinh", "Tuổi")
    assert seen.samples["Họ và tên"] == ("Nguyễn Văn An",)
    assert seen.samples["Tuổi"] == ()


def test_ids_made_from_rows_need_the_pepper_and_forget_nothing_that_identifies() -> None:
    def identifiers(pepper: bytes) -> list[str]:
        found = read(SAMPLES / "commune-roster.xlsx", pepper=pepper, now=NOW).items
        return [item.event["id"] for item in found if item.event]

    ours, others = identifiers(PEPPER), identifiers(b"q" * 32)
    assert len(set(ours)) == len(ours) == EXPECT["files"]["commune-roster.xlsx"]["accepted"]
    assert not set(ours) & set(others)
