"""How well an earlier report fits what is being said of a child now. Pure; it never decides that two are one.

Vietnamese names share few family and middle words: two names are alike by how many of all their words they share.
"""

from __future__ import annotations

import re
from typing import Literal

from shared.reference.text import fold

Fit = Literal["sure", "likely", "possible"]
FITS: tuple[Fit, ...] = ("sure", "likely", "possible")
# Shares of their words that two names have in common: enough by itself; with the same commune; the same birth date.
ALIKE = 0.8
ALIKE_HERE = 0.75
ALIKE_BORN = 0.4
_WORD = re.compile(r"[a-z0-9]+")
_MOST_WORDS = 12
_NUMBER = re.compile(r"[^0-9]")


def words_of(name: str | None) -> tuple[str, ...]:
    """The words of a name, without diacritics, each once, in an order that does not depend on how it was said."""
    words = sorted(set(_WORD.findall(fold(name or ""))))
    return tuple(words[:_MOST_WORDS])


def number_of(number: str | None) -> str | None:
    """A personal number's digits; None where there are too few to mean anybody."""
    digits = _NUMBER.sub("", number or "")
    return digits if 9 <= len(digits) <= 12 else None


def fit_of(
    asked_words: int,
    known_words: int,
    shared_words: int,
    *,
    same_number: bool,
    same_birth: bool,
    same_unit: bool,
) -> Fit | None:
    """How well two descriptions fit; None where they do not.

    In: how many words each name has and how many they share; whether number, birth date, commune are the same.
    """
    if same_number:
        return "sure"
    if not asked_words or not known_words:
        return None
    alike = 2 * shared_words / (asked_words + known_words)
    if alike >= ALIKE and shared_words >= 2:
        return "likely" if same_birth or (same_unit and alike == 1) else "possible"
    if (same_birth and alike >= ALIKE_BORN) or (same_unit and alike >= ALIKE_HERE):
        return "possible"
    return None
