"""A paper as plain values: what stands on it, in order. Both writers draw it, and neither knows a case."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from unicodedata import normalize

# What no paper may hold: control characters (no XML has them) and marks that turn the direction of a text around, with
# which a name could be made to read as another. Surrogates are no characters at all.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff\ud800-\udfff]"
)


def printable(text: str) -> str:
    """A text as it may be printed: NFC, lines kept, nothing invisible that changes how it reads."""
    return _UNPRINTABLE.sub("", normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")))


@dataclass(frozen=True, slots=True)
class Part:
    """A heading inside a paper."""

    text: str
    kind: str = "part"


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with its answer; nothing answered is lines of dots to write on, or boxes to tick.

    `lines`: how many lines of dots. `choices`: what there is to choose from.
    """

    label: str
    value: str | None
    number: str = ""
    lines: int = 1
    choices: Sequence[str] = ()
    kind: str = "answer"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table. `strong`: it heads or sums up the others."""

    cells: Sequence[str]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Answers that repeat, or rated rows. `widths`: shares of the page's width; `marks`: columns set in the middle."""

    label: str
    columns: Sequence[str]
    rows: Sequence[Row]
    widths: Sequence[float]
    number: str = ""
    marks: Sequence[int] = ()
    kind: str = "table"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: when, what, who, and what was written about it."""

    when: str
    title: str
    who: str
    words: Sequence[tuple[str, str]] = ()
    kind: str = "event"


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing under its title: `svg` is printed, `png` goes where no SVG can be. `said`: instead of it."""

    title: str
    said: str
    svg: str
    png: bytes
    kind: str = "picture"


Block = Part | Answer | Table | Event | Text | Picture


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signs. `name` is printed below the room for the signature; empty: a line of dots."""

    title: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One paper.

    `issuer`: the lines of the body that issues it. `subtitle`: what the title is about. `label`: "Mẫu số 02".
    `grounds`: the law it rests on. `code`: the case's or report's. `day`: of the paper; None leaves it to be written.
    `printed`: when and by whom. `watermark`: on each page, for copies that leave the house.
    """

    title: str
    issuer: Sequence[str]
    blocks: Sequence[Block]
    subtitle: str = ""
    label: str = ""
    number: str | None = None
    grounds: str = ""
    code: str = ""
    place: str = ""
    day: date | None = None
    signatures: Sequence[Signature] = field(default_factory=tuple)
    printed: str = ""
    watermark: str = ""
