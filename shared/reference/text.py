"""Vietnamese text folded for comparison. It decides nothing about persons: it only makes spellings comparable."""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")
# Typed for đ on keyboards and in encodings that lack it: the Icelandic eth and the African D.
_STROKED = str.maketrans({"đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "Ɖ": "D", "ɖ": "d"})
_STROKE_SLIPS = str.maketrans({"ð": "đ", "Ð": "Đ", "Ɖ": "Đ", "ɖ": "đ"})
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323\u0340\u0341")  # huyền, sắc, ngã, hỏi, nặng; deprecated twins


def fold(text: str) -> str:
    """Lower case without diacritics (đ becomes d), single spaces.

    Composed, decomposed and Windows-1258 spellings fold alike, as do both places of a tone mark (hoà, hòa).
    """
    if text.isascii():
        return _spaced(text).lower()
    plain = unicodedata.normalize("NFKD", text).translate(_STROKED)
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign) and not _is_invisible(sign))
    return _spaced(letters).lower()


def toned(text: str) -> str:
    """Lower case with all diacritics, each syllable's tone mark moved to its end: hoà and hòa become one.

    For comparing only, not for showing.
    """
    if text.isascii():
        return _spaced(text).lower()
    decomposed = unicodedata.normalize("NFKD", text.translate(_STROKE_SLIPS)).lower()
    visible = "".join(sign for sign in decomposed if not _is_invisible(sign))
    return " ".join(_tone_last(syllable) for syllable in visible.split())


def _tone_last(syllable: str) -> str:
    tones = "".join(sign for sign in syllable if sign in _TONES)
    return unicodedata.normalize("NFC", "".join(sign for sign in syllable if sign not in _TONES)) + tones


def _spaced(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _is_invisible(sign: str) -> bool:
    """Marks of width nought that word processors and web pages leave inside words."""
    return unicodedata.category(sign) == "Cf"
