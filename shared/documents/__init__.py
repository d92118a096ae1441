"""Papers as Vietnamese offices set them: what stands on one, and its bytes as PDF and DOCX.

Pure: it knows no case and no statistics, asks nobody, and decides nothing about who may read.
"""

from shared.documents.docx import write_docx
from shared.documents.model import (
    Answer,
    Block,
    Document,
    Event,
    Part,
    Picture,
    Row,
    Signature,
    Table,
    Text,
    printable,
)
from shared.documents.pdf import write_pdf

__all__ = [
    "Answer",
    "Block",
    "Document",
    "Event",
    "Part",
    "Picture",
    "Row",
    "Signature",
    "Table",
    "Text",
    "printable",
    "write_docx",
    "write_pdf",
]
