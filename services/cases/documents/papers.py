"""Which words stand on which paper: forms filled and blank, a report as form 01, and the case's sheet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.cases.documents.answers import RATINGS, Filled
from shared.contracts.vocabulary import ChildDescription
from shared.documents import Answer, Block, Document, Part, Row, Signature, Table
from shared.reference.calendar import LOCAL
from shared.reference.forms import Form, FormField, RatedRow
from shared.reference.terms import Terms

_SEXES: Mapping[str, str] = {"male": "Nam", "female": "Nữ", "unknown": "Chưa rõ"}
_HALVES: Mapping[str, str] = {
    "harm": "Mức độ tổn hại của trẻ em",
    "protection": "Khả năng tự bảo vệ, được bảo vệ của trẻ em",
}
_WORKER, _CHAIR = "NGƯỜI THỰC HIỆN", "CHỦ TỊCH"
# Decisions are the chair's alone; a report is signed by who took it in.
_SIGNED: Mapping[str, Sequence[str]] = {
    "01": ("NGƯỜI TIẾP NHẬN", "THỦ TRƯỞNG CƠ QUAN TIẾP NHẬN"),
    "04": ("NGƯỜI LẬP KẾ HOẠCH", _CHAIR),
    "05": (_CHAIR,),
    "07": (_CHAIR,),
    "minutes-needs": ("NGƯỜI GHI BIÊN BẢN", "CHỦ TRÌ"),
    "minutes-conference": ("NGƯỜI GHI BIÊN BẢN", "CHỦ TRÌ"),
}
# Answers that a form does not ask for are printed after it, so that no word that was typed is lost on paper.
_OTHERS: Mapping[str, str] = {
    "findings": "Kết quả",
    "conclusion": "Kết luận",
    "goals": "Mục tiêu",
    "resources": "Nguồn lực",
    "remarks": "Ghi chú",
    "reason": "Lý do",
    "decision": "Nội dung quyết định",
    "number": "Số quyết định",
    "needs": "Nhu cầu của trẻ",
    "people": "Thành phần tham dự",
    "minutes": "Nội dung",
    "decisions": "Quyết định của cuộc họp",
    "place": "Địa điểm",
    "text": "Nội dung",
}
_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_MOMENT = re.compile(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
_EMPTY_ROWS = 4
_FEW = 14
_LONG = 3


@dataclass(frozen=True, slots=True)
class Heading:
    """What all papers of one printing share.

    `unit`: the commune's name. `code`: the case's or report's. `printed`: when and by whom, in words. `watermark`: for
    copies that leave the house.
    """

    unit: str = ""
    code: str = ""
    printed: str = ""
    watermark: str = ""


def paper(
    form: Form, filled: Filled, heading: Heading, at: datetime, who: str, child: ChildDescription | None
) -> Document:
    """A form as it was filled in at `at` by `who`, about a child as far as it is known."""
    asked = {field.code for field in form.fields}
    answers = {field.code: filled.answer(field) for field in form.fields}
    blocks: list[Block] = [*_about(child, asked), *_questions(form, answers, filled.ratings)]
    if others := filled.others(form):
        told = (Answer(_OTHERS.get(name, name), _text(value, None)) for name, value in others.items())
        blocks += [Part("Nội dung khác"), *told]
    return _document(form, heading, blocks, at, who, _text(answers.get("number"), None))


def blank(form: Form) -> Document:
    """A form to be printed and filled in by hand."""
    asked = {field.code for field in form.fields}
    return _document(form, Heading(), [*_about(ChildDescription(), asked), *_questions(form, {}, {})], None, "", None)


def report(form: Form, values: Mapping[str, Any], heading: Heading, at: datetime, who: str) -> Document:
    """A report of concern as form 01. In: answers by question, as the reader may read them."""
    return _document(form, heading, _questions(form, values, {}), at, who, heading.code)


def sheet(heading: Heading, day: date, blocks: Sequence[Block]) -> Document:
    """A case on paper: facts, clocks, tasks, team and timeline, as the caller has put them into words."""
    return Document(
        title="PHIẾU THÔNG TIN VỤ VIỆC",
        subtitle=heading.code,
        issuer=_issuer(heading.unit),
        blocks=blocks,
        code=heading.code,
        place=heading.unit,
        day=day,
        signatures=(Signature(_WORKER), Signature(_CHAIR)),
        printed=heading.printed,
        watermark=heading.watermark,
    )


def about(child: ChildDescription | None) -> list[Block]:
    """What is known of a child, for a sheet."""
    return list(_about(child, frozenset()))


def _document(
    form: Form, heading: Heading, blocks: Sequence[Block], at: datetime | None, who: str, number: str | None
) -> Document:
    titles = _SIGNED.get(form.code, (_WORKER, _CHAIR))
    return Document(
        title=form.vi.upper(),
        issuer=_issuer(heading.unit),
        blocks=blocks,
        label=f"Mẫu số {form.code}" if form.code.isdecimal() else "",
        number=number,
        grounds=form.legal_source_vi,
        code=heading.code,
        place=heading.unit,
        day=at.astimezone(LOCAL).date() if at else None,
        signatures=tuple(Signature(title, who if place == 0 else "") for place, title in enumerate(titles)),
        printed=heading.printed,
        watermark=heading.watermark,
    )


def _issuer(unit: str) -> tuple[str, ...]:
    return ("ỦY BAN NHÂN DÂN", unit.upper() if unit else "XÃ (PHƯỜNG) ..................")


def _about(child: ChildDescription | None, asked: Iterable[str]) -> Iterable[Block]:
    """The child's own lines, where the form does not ask for them itself."""
    known = child or ChildDescription()
    born = known.birth_date.strftime("%d/%m/%Y") if known.birth_date else None
    age = f"khoảng {known.age} tuổi" if known.age is not None else None
    lines = {
        "child-name": Answer("Họ và tên trẻ em", known.name),
        "child-birth-date": Answer("Ngày, tháng, năm sinh (hoặc tuổi ước lượng)", born or age),
        "child-sex": Answer("Giới tính", _SEXES[known.sex] if child and known != ChildDescription() else None),
        "child-place": Answer("Nơi ở", known.address or known.hamlet),
    }
    missing = [line for code, line in lines.items() if code not in asked]
    return [Part("Thông tin về trẻ em"), *missing] if missing else []


def _questions(form: Form, values: Mapping[str, Any], ratings: Mapping[str, str]) -> list[Block]:
    blocks: list[Block] = []
    codes = [field.code for field in form.fields]
    rated_before = codes.index("level") if "level" in codes else 0
    for place, field in enumerate(form.fields):
        if form.rated and place == rated_before:
            blocks.append(_rated(form.rated, ratings, str(len(blocks) + 1)))
        blocks.append(_question(field, values.get(field.code), str(len(blocks) + 1)))
    if form.rated and not form.fields:
        blocks.append(_rated(form.rated, ratings, "1"))
    return blocks


def _question(field: FormField, value: Any, number: str) -> Block:
    if field.type == "rows":
        rows = value if isinstance(value, Sequence) and not isinstance(value, str) else ()
        if value and not rows:  # answered before the question was asked row by row
            return Answer(field.vi, _text(value, None), number)
        return _repeated(field, [row for row in rows if isinstance(row, Mapping)], number)
    said = _text(value, field.terms)
    if said is None and field.terms is not None:
        terms = Terms.load(field.terms)
        codes = [code for code in terms.codes() if code != "unassessed"]
        if len(codes) <= _FEW:
            return Answer(field.vi, None, number, choices=tuple(terms.label(code) for code in codes))
    if said is None and field.type == "yes-no":
        return Answer(field.vi, None, number, choices=("Có", "Không"))
    return Answer(field.vi, said, number, lines=_LONG if field.type == "long" else 1)


def _repeated(field: FormField, rows: Sequence[Mapping[str, Any]], number: str) -> Table:
    """A group of questions, a line of a table for each time it was answered; empty lines where it was not."""
    shown = [
        Row((str(place), *(_text(row.get(column.code), column.terms) or "" for column in field.fields)))
        for place, row in enumerate(rows, 1)
    ]
    empty = [Row((str(place), *("" for _ in field.fields))) for place in range(1, _EMPTY_ROWS + 1)]
    return Table(
        label=field.vi,
        columns=("TT", *(column.vi for column in field.fields)),
        rows=shown or empty,
        widths=(0.6, *(2.6 if column.type == "long" else 1.8 for column in field.fields)),
        number=number,
        marks=(0,),
    )


def _rated(rows: Sequence[RatedRow], ratings: Mapping[str, str], number: str) -> Table:
    """The rated rows with their totals: how many of each half were found high, medium, low."""
    shown: list[Row] = []
    place = 0
    for half in dict.fromkeys(row.half for row in rows):
        of_half = [row for row in rows if row.half == half]
        shown.append(Row(("", _HALVES[half], "", "", ""), strong=True))
        for row in of_half:
            place += 1
            marks = ("X" if ratings.get(row.code) == level else "" for level in RATINGS)
            shown.append(Row((str(place), row.vi, *marks)))
        counted = (str(sum(ratings.get(row.code) == level for row in of_half)) if ratings else "" for level in RATINGS)
        shown.append(Row(("", "Tổng số", *counted), strong=True))
    levels = [Terms.load("risk-levels").label(level) for level in RATINGS]
    return Table(
        "Đánh giá từng nội dung (đánh dấu X)",
        ("TT", "Nội dung đánh giá", *levels),
        shown,
        (0.6, 5.4, 1.1, 1.1, 1.1),
        number,
        (0, 2, 3, 4),
    )


def _text(value: Any, terms: str | None) -> str | None:
    """An answer in words; None where there is none."""
    if value is None or value in ("", []):
        return None
    if isinstance(value, bool):
        return "Có" if value else "Không"
    if isinstance(value, Mapping):
        return "; ".join(
            f"{_OTHERS.get(name, name)}: {text}" for name, known in value.items() if (text := _text(known, terms))
        )
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(text for known in value if (text := _text(known, terms)))
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return value.strftime("%d/%m/%Y")
    said = str(value)
    if terms is not None:
        return Terms.load(terms).label(said)
    if _DAY.match(said):
        return date.fromisoformat(said).strftime("%d/%m/%Y")
    return _moment(datetime.fromisoformat(said)) if _MOMENT.match(said) else said


def _moment(at: datetime) -> str:
    return at.astimezone(LOCAL).strftime("%H giờ %M, ngày %d/%m/%Y")
