"""Papers of a case: the law's forms, the case's own sheet, minutes; as PDF and DOCX, filled or blank.

Pure: from a form's questions and what was answered to a document, from a document to bytes. It opens no seal, asks no
database and decides nothing about who may read. Papers are official: they speak Vietnamese, whatever the screen does.
"""

from services.cases.documents.answers import FORM_KINDS, KIND_OF, Filled, filled_of, form_code
from services.cases.documents.papers import Heading, about, blank, paper, report, sheet
from shared.documents import Answer, Block, Document, Event, Part, Row, Table, write_docx, write_pdf

__all__ = [
    "FORM_KINDS",
    "KIND_OF",
    "Answer",
    "Block",
    "Document",
    "Event",
    "Filled",
    "Heading",
    "Part",
    "Row",
    "Table",
    "about",
    "blank",
    "filled_of",
    "form_code",
    "paper",
    "report",
    "sheet",
    "write_docx",
    "write_pdf",
]
