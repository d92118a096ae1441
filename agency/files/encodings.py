"""Which encoding a text file is in: by its mark, by being valid UTF-8, else by which reading is Vietnamese.

Windows-1258 is the trap: every such file also decodes as Windows-1252, into nonsense. It never guesses silently:
where no reading makes sense the file is refused.
"""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agency.files.legacy import from_tcvn3, from_vni
from agency.files.problems import FileProblem

_SAMPLE = 1_000_000
_CHUNK = 1 << 18
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@dataclass(frozen=True, slots=True)
class Encoding:
    """A Python codec, and what makes its lines proper Vietnamese afterwards."""

    name: str
    codec: str
    finish: Callable[[str], str] = _nfc


_LEGACY = (
    Encoding("windows-1258", "cp1258"),
    Encoding("tcvn3", "latin-1", from_tcvn3),
    Encoding("vni", "latin-1", from_vni),
    Encoding("windows-1252", "cp1252"),
)
_VOWELS = "aăâeêioôơuưy"
_TONES = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
_LETTERS = {_nfc(vowel + tone) for vowel in _VOWELS for tone in _TONES} | {"đ"}
_VIETNAMESE = frozenset(_LETTERS | {letter.upper() for letter in _LETTERS})
_TYPOGRAPHY = frozenset("–—‘’“”…•°²³€₫\u00a0«»§×")


def detect(path: Path) -> Encoding:
    """The encoding of a text file. Raises `FileProblem` (empty, encoding)."""
    with path.open("rb") as file:
        sample = file.read(_SAMPLE)
    if not sample:
        raise FileProblem(path, "empty", "tệp trống.", "the file is empty.")
    for mark, codec in _MARKS:
        if sample.startswith(mark):
            return Encoding(codec, codec)
    wide = _without_mark(sample)
    if wide is not None:
        return Encoding(wide, wide)
    if _is_utf8(path):
        return Encoding("utf-8", "utf-8")
    best = min(_LEGACY, key=lambda encoding: _strangeness(sample, encoding))
    if _strangeness(sample, best) > 0.2:
        raise FileProblem(
            path,
            "encoding",
            "không nhận ra bảng mã; hãy lưu lại tệp dạng UTF-8.",
            "the encoding is not recognised; save the file as UTF-8.",
        )
    return best


def _without_mark(sample: bytes) -> str | None:
    """UTF-16 without a mark: separators and digits have a zero for their other byte, always on the same side."""
    pairs = len(sample) // 2
    if pairs < 8:
        return None
    low, high = sample[0 : pairs * 2 : 2].count(0), sample[1 : pairs * 2 : 2].count(0)
    if high > pairs * 0.2 and low < high * 0.05:
        return "utf-16-le"
    if low > pairs * 0.2 and high < low * 0.05:
        return "utf-16-be"
    return None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
    return True  # one cut short inside its last character is UTF-8 too: reading it says where it ends


def _strangeness(sample: bytes, encoding: Encoding) -> float:
    """Share of the non-ASCII characters that no Vietnamese text has; 2 where it cannot be decoded at all."""
    try:
        text = encoding.finish(sample.decode(encoding.codec))
    except UnicodeDecodeError:
        return 2.0
    beyond = [sign for sign in text if sign > "\x7f"]
    strange = sum(sign not in _VIETNAMESE and sign not in _TYPOGRAPHY for sign in beyond)
    return strange / max(1, len(beyond))
