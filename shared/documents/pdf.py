"""Papers as PDF, with fonts of their own that know Vietnamese. What was typed travels as data, never as markup.

CPU work: whoever serves people calls it from a thread.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

import orjson
import typst

from shared.documents.model import Document, printable

# A drawing is set in the paper's font: others are not there, and its words would be lost.
_FAMILY = re.compile(r'font-family="[^"]*"')
_FONT = 'font-family="Libertinus Serif"'
_TEMPLATE = resources.files("shared.documents").joinpath("form.typ").read_bytes()


def write_pdf(papers: Sequence[Document]) -> bytes:
    """In: papers, each beginning a page of its own. Out: one PDF."""
    data = orjson.dumps([_plain(paper) for paper in papers]).decode()
    return typst.compile(_TEMPLATE, format="pdf", sys_inputs={"papers": data}, ignore_system_fonts=True)


def _plain(paper: Document) -> dict[str, Any]:
    plain: dict[str, Any] = _clean(asdict(paper))
    for block in plain["blocks"]:
        if block["kind"] == "picture":
            block["svg"] = _FAMILY.sub(_FONT, block["svg"])
    plain["day"] = [f"{paper.day.day:02}", f"{paper.day.month:02}", str(paper.day.year)] if paper.day else None
    return plain


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {name: _clean(known) for name, known in value.items() if not isinstance(known, bytes)}
    if isinstance(value, list | tuple):
        return [_clean(known) for known in value]
    return value
