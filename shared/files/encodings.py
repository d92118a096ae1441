"""Which encoding a text file is in: by its mark, by being valid UTF-8, else by which reading is Vietnamese.

Windows-1258 is the trap: every such file also decodes as Windows-1252, into nonsense. It never guesses silently:
where no reading makes sense the file is refused.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from shared.files.legacy import from_tcvn3, from_vni
from shared.files.problems import FileProblem, Source

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
# A Vietnamese syllable, tone aside: what nonsense from a wrong reading is not.
_SYLLABLE = re.compile(
    r"^(?:ngh|ng|nh|ph|th|tr|kh|gh|gi|ch|qu|[bcdđghklmnprstvx])?[aăâeêioôơuưy]{1,4}(?:ng|nh|ch|[ckmnpt])?$"
)
_WORD = re.compile(r"[^\W\d_]+")
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_LOOK_AT = 100_000
_TOO_STRANGE = 0.3  # foreign names and abbreviations are in every file


def detect(path: Source) -> Encoding:
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
    if _strangeness(sample, best) > _TOO_STRANGE:
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


def _is_utf8(path: Source) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
        except UnicodeDecodeError:
            return False
    return True  # one cut short inside its last character is UTF-8 too: reading it says where it ends


def _strangeness(sample: bytes, encoding: Encoding) -> float:
    """Share of the words beyond ASCII that are no Vietnamese syllable; 2 where it cannot be decoded at all."""
    try:
        text = encoding.finish(sample[:_LOOK_AT].decode(encoding.codec))
    except UnicodeDecodeError:
        return 2.0
    words = [word for word in _WORD.findall(text) if not word.isascii()]
    return sum(not _is_syllable(word) for word in words) / max(1, len(words))


def _is_syllable(word: str) -> bool:
    apart = unicodedata.normalize("NFD", word.lower())
    tones = sum(sign in _TONES for sign in apart)
    plain = _nfc("".join(sign for sign in apart if sign not in _TONES))
    return tones <= 1 and _SYLLABLE.match(plain) is not None
