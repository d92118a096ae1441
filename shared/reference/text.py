"""Vietnamese text folded for comparison. It decides nothing about persons: it only makes spellings comparable."""

from __future__ import annotations

import re
import unicodedata

_SPACE = re.compile(r"\s+")


def fold(text: str) -> str:
    """Lower case without diacritics (đ becomes d), single spaces; composed and decomposed spellings fold alike."""
    plain = unicodedata.normalize("NFKD", text).replace("đ", "d").replace("Đ", "D")
    letters = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return _SPACE.sub(" ", letters).strip().lower()
