"""Vietnamese names as clerks write them: folded, and compared so that a slip is told from another name.

The test that tells them apart is the language's own: a slip ("Linhx", "Hùnng", "Tryệu") is seldom a syllable that
exists, another name always is. It must never call two names the same only because they fold alike.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import DamerauLevenshtein

from shared.reference import text as reference

_ONSETS: Final = "ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|b|c|d|g|h|k|l|m|n|p|q|r|s|t|v|x"
_RHYMES: Final = (
    "a ac ach ai am an ang anh ao ap at au ay e ec em en eng enh eo ep et eu ech i ia ich iec iem ien ieng iep iet ieu "
    "im in inh ip it iu o oa oac oach oai oam oan oang oanh oao oap oat oay oc oe oen oeo oet oi om on ong op "
    "ot u ua uan uang uat uay uc ue uech uenh ui um un ung uo uoc uoi uom uon uong uop uot uou up ut uu uy uya uych "
    "uyen uyet uynh uyt uyu y ya yem yen yet yeu uau uam ua uai uao uac uanh uach"
)
_SYLLABLE: Final = re.compile(rf"(?:{_ONSETS})?(?:{'|'.join(sorted(_RHYMES.lower().split(), key=len, reverse=True))})")
_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]+")
_DOUBLED: Final = re.compile(r"([a-z])\1+")
_TONE_KEYS: Final = frozenset("sfrxjw")  # the tones of the Telex keyboard
_TONES: Final = frozenset("\u0300\u0301\u0303\u0309\u0323")
# Middle names that clerks leave out and add at will carry next to nothing.
_LIGHT: Final = frozenset({"thi", "van"})


class Likeness(IntEnum):
    """How two names stand to each other, from other to same."""

    OTHER = 0
    NEAR = 1
    SLIP = 2
    UNMARKED = 3  # the same but for marks, which one writer leaves out or places otherwise
    SAME = 4


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart: folded tokens for searching, marked tokens for telling tones apart."""

    tokens: tuple[str, ...]
    marked: tuple[str, ...]

    @property
    def folded(self) -> str:
        """Lower case, no marks, single spaces."""
        return " ".join(self.tokens)

    @property
    def unmarked(self) -> bool:
        """Whether it was written without any mark."""
        return self.tokens == self.marked

    @property
    def given(self) -> str:
        """The last token, by which Vietnamese names are sorted and called."""
        return self.tokens[-1] if self.tokens else ""


def fold(text: str | None) -> str:
    """Text for searching: lower case, without marks, đ as d, one space between words."""
    return name_of(text).folded


@lru_cache(maxsize=50_000)
def name_of(text: str | None) -> Name:
    """A name taken apart; nothing gives no tokens."""
    tokens: list[str] = []
    marked: list[str] = []
    for word in unicodedata.normalize("NFC", text or "").lower().split():
        letters = _NOT_LETTERS.sub("", reference.fold(word))
        if letters:
            tokens.append(letters)
            marked.append(_marks(word))
    return Name(tuple(tokens), tuple(marked))


def _marks(word: str) -> str:
    """Base letters and the tone apart, so that "hòa" and "hoà" are one writing."""
    split = unicodedata.normalize("NFD", word)
    tone = "".join(letter for letter in split if letter in _TONES)
    return unicodedata.normalize("NFC", "".join(letter for letter in split if letter not in _TONES)) + tone


@lru_cache(maxsize=50_000)
def is_syllable(token: str) -> bool:
    """Whether a folded token can be a Vietnamese syllable."""
    return _SYLLABLE.fullmatch(token) is not None


@lru_cache(maxsize=50_000)
def plain(token: str) -> str:
    """A folded token without what clerks vary or slip on: y for i, a letter typed twice, a tone key left behind."""
    found = _DOUBLED.sub(r"\1", token)
    if not is_syllable(found) and found[-1:] in _TONE_KEYS and is_syllable(found[:-1]):
        found = found[:-1]
    return found.replace("y", "i")


@lru_cache(maxsize=100_000)
def _slip(one: str, other: str) -> bool:
    """Whether one is the other with a typing slip: near in letters, and not both of them possible words."""
    if plain(one) == plain(other):
        return True
    if is_syllable(one) and is_syllable(other):
        return False
    return DamerauLevenshtein.distance(one, other, score_cutoff=1) <= 1


def _at(one: Name, place: int, other: Name, other_place: int) -> Likeness:
    """How a token of one name stands to a token of the other."""
    token, mate = one.tokens[place], other.tokens[other_place]
    if token == mate:
        if one.marked[place] == other.marked[other_place]:
            return Likeness.SAME
        # Whoever leaves marks out leaves all of them out; two different markings are two names (Thủy, Thúy).
        return Likeness.UNMARKED if one.unmarked or other.unmarked else Likeness.NEAR
    return Likeness.SLIP if _slip(token, mate) else Likeness.OTHER


def compare_given(one: Name, other: Name) -> Likeness:
    """How the given names stand to each other: what tells twins and siblings apart."""
    if not one.tokens or not other.tokens:
        return Likeness.OTHER
    return _at(one, -1, other, -1)


@lru_cache(maxsize=200_000)
def compare_names(one: Name, other: Name) -> Likeness:
    """How two full names stand to each other, token by token, in whichever order they were written."""
    if not one.tokens or not other.tokens:
        return Likeness.OTHER
    if len(one.tokens) == len(other.tokens):
        likeness = min(_at(one, place, other, place) for place in range(len(one.tokens)))
        if likeness is not Likeness.OTHER:
            return likeness
        if sorted(one.tokens) == sorted(other.tokens):
            return Likeness.SLIP
    elif _shortened(one, other) or _shortened(other, one):
        return Likeness.SLIP
    if one.folded.replace(" ", "") == other.folded.replace(" ", ""):
        return Likeness.SLIP
    given = compare_given(one, other)
    return Likeness.NEAR if given > Likeness.NEAR and one.tokens[0] == other.tokens[0] else Likeness.OTHER


def _shortened(long: Name, short: Name) -> bool:
    """Whether `short` is `long` without some of its middle names (Nguyễn Thị Ngọc Anh, Nguyễn Anh)."""
    if len(short.tokens) >= len(long.tokens) or len(short.tokens) < 2:
        return False
    if min(_at(long, place, short, place) for place in (0, -1)) < Likeness.SLIP:
        return False
    rest = iter(token for token in long.tokens[1:-1])
    return all(any(token == kept for kept in rest) for token in short.tokens[1:-1] if token not in _LIGHT)
