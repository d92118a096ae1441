"""Papers: every question of a form in its order, official in look, and nothing typed is ever anything but text."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from datetime import UTC, date, datetime
from typing import Any

import docx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cases.documents import Document, Heading, blank, filled_of, paper, write_docx, write_pdf
from services.cases.store import Line
from shared.contracts.vocabulary import ChildDescription
from shared.documents import Answer, Part, Table, printable
from shared.reference.forms import Forms

FORMS = Forms.load()
AT = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
HEADING = Heading("Xã Phú Bình", "TN-2026-000123", "Bản in lúc 08:30 ngày 25/11/2026 bởi Nguyễn Thị Lan")
CHILD = ChildDescription(name="Nguyễn Thị Thử Nghiệm", age=8, sex="female", address="Tổ 5")
needs_poppler = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="pdftotext reads the PDF back")


def line(kind: str, data: dict[str, Any]) -> Line:
    return Line("c", AT, kind, None, "lan", "Nguyễn Thị Lan", data, None, 1, 7)


def made(kind: str, data: dict[str, Any], words: dict[str, Any]) -> Document:
    filled = filled_of(line(kind, data), words)
    assert filled is not None
    return paper(FORMS.form(filled.code), filled, HEADING, AT, "Nguyễn Thị Lan", CHILD)


def answers(document: Document) -> dict[str, str | None]:
    return {block.label: block.value for block in document.blocks if isinstance(block, Answer)}


def text_of(pdf: bytes) -> str:
    read = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return re.sub(r"[ \n\f]+", " ", read.stdout.decode())


@pytest.mark.parametrize("code", FORMS.codes())
def test_a_blank_form_asks_everything_in_its_order(code: str) -> None:
    form = FORMS.form(code)
    document = blank(form)
    asked = [block.label for block in document.blocks if isinstance(block, Answer | Table)]
    wanted = [field.vi for field in form.fields]
    assert [label for label in asked if label in wanted] == wanted
    numbers = [block.number for block in document.blocks if isinstance(block, Answer | Table) and block.number]
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert write_pdf([document]).startswith(b"%PDF-")
    word = docx.Document(io.BytesIO(write_docx([document])))
    printed = "\n".join(paragraph.text for paragraph in word.paragraphs)
    assert form.vi.upper() in printed
    for label in wanted:
        assert f"{label}:" in printed


def test_a_filled_form_says_what_was_answered_under_each_question() -> None:
    data = {"form": "02", "form_of": "2017-07-01", "level": "high", "suggested": "high"}
    words = {
        "ratings": {"severity": "high", "access": "medium", "resists": "low"},
        "conclusion": "Trẻ bị đánh nhiều lần",
        "urgent-measures": ["separation", "medical-care"],
        "urgent-needs": [{"need": "Khám thương tích", "provider": "Trạm y tế"}, {"need": "Nơi ở an toàn"}],
        "assessed-on": "2026-11-25",
    }
    document = made("risk.initial", data, words)
    said = answers(document)
    assert said["Kết luận mức độ nguy cơ"] == "Cao"
    assert said["Kết luận và lý do"] == "Trẻ bị đánh nhiều lần"
    assert said["Biện pháp khẩn cấp đề xuất"] == "Tạm thời cách ly khỏi người gây tổn hại; Chăm sóc y tế khẩn cấp"
    assert said["Ngày đánh giá"] == "25/11/2026"
    assert said["Họ và tên trẻ em"] == "Nguyễn Thị Thử Nghiệm"
    rated, needs = (block for block in document.blocks if isinstance(block, Table))
    totals = [row.cells[2:] for row in rated.rows if row.cells[1] == "Tổng số"]
    assert totals == [("1", "1", "0"), ("0", "0", "1")]
    assert [row.cells for row in needs.rows] == [("1", "Khám thương tích", "Trạm y tế"), ("2", "Nơi ở an toàn", "")]
    assert document.label == "Mẫu số 02"
    assert document.day == date(2026, 11, 25)
    assert [signature.title for signature in document.signatures] == ["NGƯỜI THỰC HIỆN", "CHỦ TỊCH"]


@pytest.mark.parametrize(
    ("kind", "data", "words", "code", "said"),
    [
        ("risk.detailed", {"level": "low"}, {"conclusion": "Ổn"}, "03", "Ổn"),
        (
            "plan.drafted",
            {"until": "2026-12-31"},
            {"goals": "Trẻ an toàn", "activities": "Thăm nhà"},
            "04",
            "31/12/2026",
        ),
        ("plan.approved", {}, {"number": "12/QĐ-UBND", "remarks": "Theo kế hoạch"}, "05", "Theo kế hoạch"),
        ("review.held", {"outcome": "close"}, {"findings": "Trẻ ổn định"}, "06", "Trẻ ổn định"),
        ("conference.held", {"held_on": "2026-11-25"}, {"people": "Chị Lan", "minutes": "Thống nhất"}, "", "Chị Lan"),
        ("emergency.decided", {"measure": "separation"}, {"decision": "Cách ly ngay"}, "07", "Cách ly ngay"),
    ],
)
def test_what_was_written_before_forms_had_questions_is_printed_too(
    kind: str, data: dict[str, Any], words: dict[str, Any], code: str, said: str
) -> None:
    document = made(kind, data, words)
    assert document.label == (f"Mẫu số {code}" if code else "")
    assert said in answers(document).values()


def test_words_that_no_question_asks_for_are_not_lost() -> None:
    document = made("risk.initial", {"level": "low"}, {"conclusion": "Ổn", "province-own": "Câu hỏi của tỉnh cũ"})
    assert Part("Nội dung khác") in document.blocks
    assert answers(document)["province-own"] == "Câu hỏi của tỉnh cũ"


def test_lines_that_are_no_form_are_none() -> None:
    assert filled_of(line("note", {}), {"text": "x"}) is None


@needs_poppler
def test_a_paper_looks_official_and_keeps_every_vietnamese_letter() -> None:
    letters = "ằẳẵặ ệểễếề ộổỗốồ ợởỡớờ ựửữứừ ỵỷỹýỳ ĐƯƠNG"
    document = made("risk.detailed", {"level": "low"}, {"conclusion": letters})
    printed = text_of(write_pdf([document]))
    for said in (
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "ỦY BAN NHÂN DÂN",
        "XÃ PHÚ BÌNH",
        "Mẫu số 03",
        "Xã Phú Bình, ngày 25 tháng 11 năm 2026",
        "Nghị định 56/2017/NĐ-CP, khoản 1 Điều 27",
        "Bản in lúc 08:30 ngày 25/11/2026 bởi Nguyễn Thị Lan",
        "Trang 1",
        letters,
    ):
        assert said in printed


@needs_poppler
def test_nothing_that_was_typed_is_markup_and_nothing_invisible_turns_a_name_around() -> None:
    typed = '#eval("1+1") #read("/etc/passwd") *đậm* $x^2$ @nhan <nhan> \\ // [x] `m` = đầu'
    document = made("risk.detailed", {"level": "low"}, {"conclusion": f"{typed}\u202e\x00\x07\ud800"})
    printed = text_of(write_pdf([document]))
    assert re.sub(r"\s+", " ", typed) in printed
    word = docx.Document(io.BytesIO(write_docx([document])))
    assert any(typed in paragraph.text for paragraph in word.paragraphs)
    assert printable("a\u202eb\x00c\r\nd\te") == "abc\nd e"


@settings(max_examples=40, deadline=None)
@given(
    st.text(max_size=200), st.lists(st.dictionaries(st.sampled_from(["need", "provider", "x"]), st.text(max_size=20)))
)
def test_no_words_break_a_paper(words: str, rows: list[dict[str, str]]) -> None:
    document = made(
        "risk.initial", {"level": words}, {"conclusion": words, "urgent-needs": rows, "ratings": {words: words}}
    )
    assert write_pdf([document]).startswith(b"%PDF-")
    docx.Document(io.BytesIO(write_docx([document])))


@needs_poppler
def test_a_copy_bears_its_watermark_on_every_page() -> None:
    said = "Bản sao cấp cho Nguyễn Thị Lan, 08:30 ngày 25/11/2026, mục đích: gửi Tòa án"
    heading = Heading("Xã Phú Bình", "TN-2026-000123", "Bản in", said)
    filled = filled_of(line("risk.initial", {"level": "high"}), {"conclusion": "Dài. " * 2000})
    assert filled is not None
    pdf = write_pdf([paper(FORMS.form("02"), filled, heading, AT, "Lan", None)])
    read = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    ).stdout.decode()
    pages = read.split("\f")[:-1]
    assert len(pages) > 3
    assert all(said in re.sub(r"\s+", " ", page) for page in pages)


def test_a_paper_to_be_finished_says_whose_it_is_and_is_checked_as_vietnamese() -> None:
    document = made("risk.detailed", {"level": "low"}, {"conclusion": "ổn"})
    word = docx.Document(io.BytesIO(write_docx([document])))
    said = word.core_properties
    assert said.author == said.last_modified_by == "ỦY BAN NHÂN DÂN, XÃ PHÚ BÌNH"
    assert (said.language, said.comments) == ("vi-VN", "")
    # The day begins here seven hours before it does in the time that files tell.
    assert f"{said.created:%Y-%m-%d %H:%M}" == "2026-11-24 17:00"
    assert set(re.findall(r'<w:lang [^>]*w:val="([^"]+)"', word.styles.element.xml)) == {"vi-VN"}
