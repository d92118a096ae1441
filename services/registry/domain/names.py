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
# How a child is spoken of, before its name; and what parts the name from what it is called at home.
_SPOKEN: Final = frozenset({"bé", "cháu", "em"})
_AT_HOME: Final = re.compile(
    r"\(([^()]*)\)|\s[-–—/]\s*(.+)$|,?\s(?:tức|hay gọi là|thường gọi là|tên ở nhà|ở nhà gọi là)\s+(.+)$", re.IGNORECASE
)
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_KEYS_LEFT: Final = re.compile(r"(?<=[^\W\d_])[0-9]+")  # the tones and marks of the VNI keyboard
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


@lru_cache(maxsize=50_000)
def fold(text: str | None) -> str:
    """Text for searching: lower case, without marks, đ as d, one space between words."""
    return name_of(text).folded


@lru_cache(maxsize=50_000)
def name_of(text: str | None) -> Name:
    """A name taken apart; nothing gives no tokens."""
    tokens: list[str] = []
    marked: list[str] = []
    for word in unicodedata.normalize("NFC", text or "").lower().split():
        letters, written = _word(word)
        if letters:
            tokens.append(letters)
            marked.append(written)
    return Name(tuple(tokens), tuple(marked))


@lru_cache(maxsize=50_000)
def _word(word: str) -> tuple[str, str]:
    """One word of a name, folded and marked. There are a few hundred of them in all names."""
    return _NOT_LETTERS.sub("", reference.fold(word)), _marks(word)


@lru_cache(maxsize=50_000)
def person(text: str | None) -> tuple[Name, tuple[Name, ...]]:
    """A person's name as it stands in papers, and what the person is called besides ("Bé Ma Văn An (Bin)": An, Bin).

    Keys of a keyboard whose program was off are no part of it ("Nguye6n4").
    """
    aside: list[str] = []

    def put_aside(found: re.Match[str]) -> str:
        aside.append(next(part for part in found.groups() if part is not None))
        return " "

    words = _AT_HOME.sub(put_aside, unicodedata.normalize("NFC", text or "")).split()
    if len(words) > 1 and words[0].lower() in _SPOKEN:
        words = words[1:]
    names = (name_of(_KEYS_LEFT.sub("", " ".join(words))), *(name_of(part) for part in aside))
    return names[0], tuple(name for name in names[1:] if name.tokens)


def tidied(text: str) -> str:
    """A person's name for reading: one written all in capitals, or all in small letters, has its capitals as they
    belong; any other stays as somebody wrote it."""
    text = unicodedata.normalize("NFC", text)
    if text not in {text.upper(), text.lower()}:
        return text
    return _LETTERS.sub(lambda word: word[0][:1].upper() + word[0][1:].lower(), text)


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
def cleaned(token: str) -> str:
    """A folded token without what a keyboard leaves in it: a letter typed twice, tone keys left behind."""
    found = _DOUBLED.sub(r"\1", token)
    return found if is_syllable(found) else _without_keys(found)


@lru_cache(maxsize=50_000)
def plain(token: str) -> str:
    """A folded token without what clerks vary or slip on: cleaned, and y written as i."""
    return cleaned(token).replace("y", "i")


def _without_keys(token: str) -> str:
    """A token without the keys of the Telex keyboard left in it ("phuowngf", "linhx"); as it was where none is."""
    bare = token.replace("w", "")
    if is_syllable(bare):
        return bare
    for whole in (bare, token):
        for place in range(len(whole) - 1, 0, -1):
            rest = _DOUBLED.sub(r"\1", whole[:place] + whole[place + 1 :])
            if whole[place] in _TONE_KEYS and is_syllable(rest):
                return rest
    return token


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
        if one.unmarked or other.unmarked:
            # Whoever leaves marks out leaves all of them out.
            return Likeness.UNMARKED
        # Two markings of a given name are two names (Thủy, Thúy); of what stands before it, one written wrong.
        last = place % len(one.tokens) == len(one.tokens) - 1
        return Likeness.NEAR if last else Likeness.SLIP
    return Likeness.SLIP if _slip(token, mate) else Likeness.OTHER


def compare_given(one: Name, other: Name) -> Likeness:
    """How the given names stand to each other: what tells twins and siblings apart."""
    if not one.tokens or not other.tokens:
        return Likeness.OTHER
    found = _at(one, -1, other, -1)
    if found is Likeness.OTHER and (turned := _turned(one, other)) is not None:
        return min(Likeness.SLIP, _at(one, -1, turned, -1))
    return found


@lru_cache(maxsize=200_000)
def compare_names(one: Name, other: Name) -> Likeness:
    """How two full names stand to each other, token by token, in whichever order they were written."""
    if not one.tokens or not other.tokens:
        return Likeness.OTHER
    if len(one.tokens) == len(other.tokens):
        likeness = _in_order(one, other)
        if likeness is not Likeness.OTHER:
            return likeness
        if (turned := _turned(one, other)) is not None:
            return min(Likeness.SLIP, _in_order(one, turned))
    elif _shortened(one, other) or _shortened(other, one):
        return Likeness.SLIP
    if one.folded.replace(" ", "") == other.folded.replace(" ", ""):
        return Likeness.SLIP
    given = compare_given(one, other)
    if given > Likeness.NEAR and (one.tokens[0] == other.tokens[0] or _ends_with(one, other) or _ends_with(other, one)):
        return Likeness.NEAR
    return Likeness.OTHER


def may_be_alike(one: Name, other: Name) -> bool:
    """Whether two names may be the same but for a slip; False only where `compare_names` says less, at less cost."""
    mine, theirs = one.tokens, other.tokens
    if not mine or not theirs:
        return False
    if _near(mine[0], theirs[0]) and _near(mine[-1], theirs[-1]):
        return True
    if len(mine) == len(theirs) > 1 and plain(mine[0]) in {plain(theirs[1]), plain(theirs[-1])}:
        return True  # another order
    return "".join(mine) == "".join(theirs)


def _near(token: str, mate: str) -> bool:
    return token == mate or _slip(token, mate)


def compare_people(one: Name, other: Name) -> Likeness:
    """How two grown-ups' names stand to each other: of them another middle name makes another person."""
    found = compare_names(one, other)
    if found is not Likeness.NEAR or one.tokens == other.tokens or _ends_with(one, other) or _ends_with(other, one):
        return found
    return Likeness.OTHER


def _in_order(one: Name, other: Name) -> Likeness:
    return min(_at(one, place, other, place) for place in range(len(one.tokens)))


def _turned(one: Name, other: Name) -> Name | None:
    """`other` with its parts where `one` has them, where the given name was written first: "Anh Nguyễn Thị", or
    "Anh Thị Nguyễn". Not where only the middle and the given name changed places: those are two children's names.
    """
    if len(one.tokens) != len(other.tokens) or len(one.tokens) < 2 or plain(one.tokens[0]) == plain(other.tokens[0]):
        return None
    if plain(one.tokens[0]) not in {plain(other.tokens[1]), plain(other.tokens[-1])}:
        return None  # in none of the orders
    count = len(one.tokens)
    for order in ((*range(1, count), 0), (count - 1, *range(count - 1)), tuple(reversed(range(count)))):
        if all(plain(one.tokens[place]) == plain(other.tokens[at]) for place, at in enumerate(order)):
            return Name(tuple(other.tokens[at] for at in order), tuple(other.marked[at] for at in order))
    return None


def _ends_with(long: Name, short: Name) -> bool:
    """Whether `short` is `long` without the family name (Nguyễn Thị Ngọc Anh, Ngọc Anh)."""
    return 1 < len(short.tokens) < len(long.tokens) and long.tokens[-len(short.tokens) :] == short.tokens


def _shortened(long: Name, short: Name) -> bool:
    """Whether `short` is `long` without some of its middle names (Nguyễn Thị Ngọc Anh, Nguyễn Anh)."""
    if len(short.tokens) >= len(long.tokens) or len(short.tokens) < 2:
        return False
    if min(_at(long, place, short, place) for place in (0, -1)) < Likeness.SLIP:
        return False
    rest = iter(token for token in long.tokens[1:-1])
    return all(any(token == kept for kept in rest) for token in short.tokens[1:-1] if token not in _LIGHT)
