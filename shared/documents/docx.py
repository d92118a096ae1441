"""Papers as DOCX, to be finished in a word processor: the same paper as the PDF, its dots are tabs with leaders.

CPU work: whoever serves people calls it from a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, cast

import docx
from docx.document import Document as Word
from docx.enum.section import WD_SECTION
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.table import WD_TABLE_ALIGNMENT
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Cm, Length, Pt
from docx.styles.style import ParagraphStyle
from docx.table import _Cell
from docx.text.paragraph import Paragraph

from shared.documents.model import Answer, Document, Event, Part, Picture, Signature, Table, Text, printable
from shared.reference.calendar import start_of

_FONT = "Times New Roman"
_LANGUAGE = "vi-VN"
# Decree 30/2020/ND-CP, appendix I: A4, 20-25 mm above and below, 30-35 mm left, 15-20 mm right.
_WIDTH = Cm(16)
_CENTRE = WD_ALIGN_PARAGRAPH.CENTER


def write_docx(papers: Sequence[Document]) -> bytes:
    """In: papers, each beginning a page of its own. Out: one DOCX."""
    word = docx.Document()
    _properties(word, papers[0])
    _styles(word)
    for place, paper in enumerate(papers):
        section = word.sections[0] if place == 0 else word.add_section(WD_SECTION.NEW_PAGE)
        section.page_width, section.page_height = Cm(21), Cm(29.7)
        section.top_margin, section.bottom_margin = Cm(2), Cm(2)
        section.left_margin, section.right_margin = Cm(3), Cm(2)
        section.footer.is_linked_to_previous = False
        _footer(section.footer.paragraphs[0], paper)
        _heading(word, paper)
        for block in paper.blocks:
            if isinstance(block, Answer):
                _answer(word, block)
            elif isinstance(block, Table):
                _table(word, block)
            elif isinstance(block, Event):
                _event(word, block)
            elif isinstance(block, Text):
                _written(word.add_paragraph(), block.text)
            elif isinstance(block, Picture):
                _picture(word, block)
            else:
                _part(word, block)
        _signatures(word, paper.signatures)
    out = BytesIO()
    word.save(out)
    return out.getvalue()


def _properties(word: Word, first: Document) -> None:
    """What a file says of itself; else it would say what the library's own empty one does."""
    said = word.core_properties
    office = ", ".join(first.issuer)
    said.title, said.author, said.last_modified_by, said.comments = printable(first.title), office, office, ""
    said.language = _LANGUAGE
    moment = datetime.now(UTC) if first.day is None else start_of(first.day).astimezone(UTC)
    said.created = said.modified = moment.replace(tzinfo=None)


def _styles(word: Word) -> None:
    # A text of no language is checked as English, and all of it underlined.
    for language in word.styles.element.iter(qn("w:lang")):
        for script in ("w:val", "w:eastAsia"):
            language.set(qn(script), _LANGUAGE)
    normal = cast(ParagraphStyle, word.styles["Normal"])
    normal.font.name = _FONT
    normal.font.size = Pt(13)
    # Word takes Vietnamese letters from the font for "high ANSI" or East Asia, as it guesses: all must be the same.
    fonts = normal.element.get_or_add_rPr().get_or_add_rFonts()
    for script in ("w:ascii", "w:hAnsi", "w:cs", "w:eastAsia"):
        fonts.set(qn(script), _FONT)
    normal.paragraph_format.space_after = Pt(4)
    small = cast(ParagraphStyle, word.styles.add_style("Small", WD_STYLE_TYPE.PARAGRAPH))
    small.base_style = normal
    small.font.size = Pt(9)


def _heading(word: Word, paper: Document) -> None:
    if paper.label:
        label = _written(word.add_paragraph(), paper.label, bold=True, size=11)
        label.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    left, right = _side_by_side(word, (Cm(6.4), Cm(9.6)))
    for place, line in enumerate(paper.issuer):
        _centred(left, line, bold=place > 0, size=12)
    if paper.number or paper.label:
        _centred(left, f"Số: {paper.number or '....................'}", size=12)
    _centred(right, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", bold=True, size=12)
    motto = _centred(right, "Độc lập - Tự do - Hạnh phúc", bold=True)
    motto.runs[0].underline = True
    day = (
        f"ngày {paper.day:%d} tháng {paper.day:%m} năm {paper.day:%Y}"
        if paper.day
        else "ngày ..... tháng ..... năm ......."
    )
    _centred(right, f"{paper.place or '....................'}, {day}", italic=True)
    lines = ((paper.title, {"bold": True, "size": 14}), (paper.subtitle, {"bold": True}))
    for text, look in lines:
        if text:
            _written(word.add_paragraph(), text, **look).alignment = _CENTRE
    if paper.grounds:
        _written(word.add_paragraph(), f"({paper.grounds})", italic=True, size=12).alignment = _CENTRE
    if paper.code and paper.code != paper.subtitle:
        _written(word.add_paragraph(), f"Hồ sơ: {paper.code}", size=12).alignment = _CENTRE


def _part(word: Word, block: Part) -> None:
    paragraph = _written(word.add_paragraph(), block.text, bold=True)
    paragraph.paragraph_format.keep_with_next = True
    paragraph.paragraph_format.space_before = Pt(8)


def _answer(word: Word, block: Answer) -> None:
    paragraph = _written(word.add_paragraph(), _lead(block.number, block.label))
    if block.value is not None:
        _written(paragraph, f" {block.value}")
    elif block.choices:
        _written(paragraph, "  " + "     ".join(f"☐ {choice}" for choice in block.choices))
    else:
        _dots(paragraph)
        for _ in range(1, block.lines):
            _dots(word.add_paragraph())


def _table(word: Word, block: Table) -> None:
    if block.label:
        lead = _written(word.add_paragraph(), _lead(block.number, block.label))
        lead.paragraph_format.keep_with_next = True
    table = word.add_table(rows=1, cols=len(block.columns), style="Table Grid")
    table.alignment = WD_TABLE_ALIGNMENT.CENTER
    table.autofit = False
    for cell, name in zip(table.rows[0].cells, block.columns, strict=True):
        _cell(cell, name, bold=True, middle=True)
    heads = OxmlElement("w:tblHeader")  # the heads stand again on each page
    table.rows[0]._tr.get_or_add_trPr().append(heads)
    for row in block.rows:
        cells = table.add_row().cells
        for place, (cell, text) in enumerate(zip(cells, row.cells, strict=True)):
            _cell(cell, text, bold=row.strong, middle=place in block.marks)
    share = int(_WIDTH / sum(block.widths))
    for column, width in zip(table.columns, block.widths, strict=True):
        for cell in column.cells:
            cell.width = Length(int(share * width))
    word.add_paragraph().paragraph_format.space_after = Pt(0)


def _event(word: Word, block: Event) -> None:
    title = _written(word.add_paragraph(), block.title, bold=True)
    title.paragraph_format.keep_with_next = True
    title.paragraph_format.space_after = Pt(0)
    _written(word.add_paragraph(), " · ".join(part for part in (block.when, block.who) if part), size=11)
    for label, text in block.words:
        _written(word.add_paragraph(), f"{label}: {text}" if label else text)


def _picture(word: Word, block: Picture) -> None:
    title = word.add_paragraph()
    title.paragraph_format.keep_with_next = True
    title.add_run(printable(block.title)).italic = True
    drawn = word.add_picture(BytesIO(block.png), width=_WIDTH)
    # What a screen reader says of it.
    drawn._inline.docPr.set("descr", printable(block.said))


def _signatures(word: Word, signatures: Sequence[Signature]) -> None:
    if not signatures:
        return
    word.add_paragraph()
    places = [None, *signatures] if len(signatures) == 1 else list(signatures)
    cells = _side_by_side(word, [Length(int(_WIDTH / len(places)))] * len(places))
    for cell, signature in zip(cells, places, strict=True):
        if signature is not None:
            _centred(cell, signature.title, bold=True, size=12)
            _centred(cell, "(Ký, ghi rõ họ tên)", italic=True, size=12)
            for _ in range(3):
                _centred(cell, "")
            _centred(cell, signature.name or "..............................", bold=bool(signature.name))


def _footer(paragraph: Paragraph, paper: Document) -> None:
    paragraph.style = "Small"
    paragraph.paragraph_format.tab_stops.add_tab_stop(_WIDTH, WD_TAB_ALIGNMENT.RIGHT)
    if paper.watermark:
        _written(paragraph, f"{paper.watermark}\n")
    _written(paragraph, f"{paper.printed}\tTrang ")
    for kind, text in (("begin", None), (None, "PAGE"), ("end", None)):
        run = paragraph.add_run()
        if kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
        else:
            mark = OxmlElement("w:instrText")
            mark.text = text
        run._r.append(mark)


def _side_by_side(word: Word, widths: Sequence[Length]) -> tuple[_Cell, ...]:
    """Cells without lines, each with one empty paragraph that its first text takes."""
    table = word.add_table(rows=1, cols=len(widths))
    table.autofit = False
    for cell, width in zip(table.rows[0].cells, widths, strict=True):
        cell.width = width
    return tuple(table.rows[0].cells)


def _centred(cell: _Cell, text: str, **look: Any) -> Paragraph:
    first = cell.paragraphs[0]
    paragraph = first if len(cell.paragraphs) == 1 and not first.runs else cell.add_paragraph()
    paragraph.alignment = _CENTRE
    paragraph.paragraph_format.space_after = Pt(0)
    return _written(paragraph, text, **look)


def _cell(cell: _Cell, text: str, *, bold: bool = False, middle: bool = False) -> None:
    paragraph = cell.paragraphs[0]
    paragraph.paragraph_format.space_after = Pt(2)
    if middle:
        paragraph.alignment = _CENTRE
    _written(paragraph, text, bold=bold, size=12)


def _dots(paragraph: Paragraph) -> None:
    paragraph.paragraph_format.tab_stops.add_tab_stop(_WIDTH, WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS)
    paragraph.add_run("\t")


def _lead(number: str, label: str) -> str:
    return f"{number}. {label}:" if number else f"{label}:"


def _written(
    paragraph: Paragraph, text: str, *, bold: bool = False, italic: bool = False, size: float | None = None
) -> Paragraph:
    run = paragraph.add_run(printable(text))
    run.bold, run.italic = bold or None, italic or None
    if size is not None:
        run.font.size = Pt(size)
    return paragraph
