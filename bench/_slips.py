"""How people slip in writing a Vietnamese name: each slip is a function of chance and the name as it is right."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import date
from random import Random

_TELEX = {"\u0300": "f", "\u0301": "s", "\u0303": "x", "\u0309": "r", "\u0323": "j"}
_VNI = {"\u0301": "1", "\u0300": "2", "\u0309": "3", "\u0303": "4", "\u0323": "5"}
_LETTER_TELEX = {"\u0302": "", "\u0306": "w", "\u031b": "w"}
_LETTER_VNI = {"\u0302": "6", "\u031b": "7", "\u0306": "8"}


def bare(text: str) -> str:
    """Without any mark: the keyboard has none."""
    split = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in split if not unicodedata.combining(letter))


def _keys(name: str, tones: dict[str, str], letters: dict[str, str], *, vni: bool) -> str:
    """A name as its keys were struck, with the keyboard's program switched off."""
    words = []
    for word in name.split():
        out, tone = "", ""
        for letter in unicodedata.normalize("NFD", word):
            if letter in tones:
                tone = tones[letter]
            elif letter in letters:
                out += letters[letter] if vni or letters[letter] else out[-1]
            else:
                out += {"đ": "d9" if vni else "dd", "Đ": "D9" if vni else "DD"}.get(letter, letter)
        words.append(out + tone)
    return " ".join(words)


def telex(_: Random, name: str) -> str:
    """Typed in Telex with the keyboard's program switched off."""
    return _keys(name, _TELEX, _LETTER_TELEX, vni=False)


def vni(_: Random, name: str) -> str:
    """Typed in VNI with the keyboard's program switched off."""
    return _keys(name, _VNI, _LETTER_VNI, vni=True)


def telex_key_left(random: Random, name: str) -> str:
    """One tone key left behind."""
    words = name.split()
    at = random.randrange(len(words))
    words[at] += random.choice("sfrxj")
    return " ".join(words)


def letter_twice(random: Random, name: str) -> str:
    """A key struck twice."""
    at = random.randrange(len(name))
    return name[: at + 1] + name[at] + name[at + 1 :] if name[at].isalpha() else name


def y_for_i(_: Random, name: str) -> str:
    """i and y, which are one sound."""
    return name.replace("y", "i") if "y" in name else name.replace("i", "y", 1)


def two_swapped(random: Random, name: str) -> str:
    """Two letters in each other's place."""
    at = random.randrange(1, len(name) - 1)
    return name[:at] + name[at + 1] + name[at] + name[at + 2 :] if name[at : at + 2].isalpha() else name


def without_middle(random: Random, name: str) -> str:
    """One middle name left out."""
    family, *middle, given = name.split()
    if middle:
        middle.pop(random.randrange(len(middle)))
    return " ".join([family, *middle, given])


def tone_mistaken(random: Random, name: str) -> str:
    """Another tone on one word."""
    words = name.split()
    at = random.randrange(len(words))
    split = unicodedata.normalize("NFD", words[at])
    tones = [letter for letter in split if letter in _TELEX]
    if tones:
        other = random.choice([tone for tone in _TELEX if tone not in tones])
        words[at] = unicodedata.normalize("NFC", split.replace(tones[0], other))
    return " ".join(words)


def one_bare(random: Random, name: str) -> str:
    """One word without its marks."""
    words = name.split()
    at = random.randrange(len(words))
    words[at] = bare(words[at])
    return " ".join(words)


def given_first(_: Random, name: str) -> str:
    """The given name before the family's."""
    *rest, given = name.split()
    return " ".join([given, *rest])


# Each key's neighbours on the keyboard, near enough to be struck by mistake.
_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl", "p": "o",
    "a": "qsz", "s": "adwx", "d": "sfec", "f": "dgrv", "g": "fhtb", "h": "gjyn", "j": "hkum", "k": "jli", "l": "ko",
    "z": "xa", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "n",
}  # fmt: skip


def neighbouring_key(random: Random, name: str) -> str:
    """One letter is the one beside it on the keyboard; the rest is as it was, without marks."""
    letters = list(bare(name))
    at = random.choice([place for place, letter in enumerate(letters) if letter.lower() in _NEIGHBOURS])
    letters[at] = random.choice(_NEIGHBOURS[letters[at].lower()])
    return "".join(letters)


def letter_missing(random: Random, name: str) -> str:
    """One letter left out of a word that has several."""
    words = name.split()
    at = random.choice([place for place, word in enumerate(words) if len(word) > 2] or [0])
    place = random.randrange(len(words[at]))
    words[at] = words[at][:place] + words[at][place + 1 :] or words[at]
    return " ".join(words)


def tone_misplaced(_: Random, name: str) -> str:
    """Each tone on another vowel of its word, as the old and the new spelling differ (hòa, hoà)."""
    words = []
    for word in name.split():
        split = unicodedata.normalize("NFD", word)
        tone = next((letter for letter in split if letter in _TELEX), "")
        rest = split.replace(tone, "") if tone else split
        vowels = [place for place, letter in enumerate(rest) if letter.lower() in "aeiouy"]
        at = vowels[-1] + 1 if vowels else 0
        while at and at < len(rest) and unicodedata.combining(rest[at]):
            at += 1
        words.append(unicodedata.normalize("NFC", rest[:at] + tone + rest[at:]) if tone and at else word)
    return " ".join(words)


def day_for_month(born: date) -> date | None:
    """The day and the month in each other's place; None where that is no other date."""
    return born.replace(day=born.month, month=born.day) if born.day <= 12 and born.day != born.month else None


# What a search must get over, each by what it is called.
OF_A_NAME: Mapping[str, Callable[[Random, str], str]] = {
    "unmarked": lambda _, name: bare(name),
    "tone misplaced": tone_misplaced,
    "tone mistaken": tone_mistaken,
    "Telex": telex,
    "Telex key left": telex_key_left,
    "VNI": vni,
    "letter twice": letter_twice,
    "letters swapped": two_swapped,
    "letter missing": letter_missing,
    "neighbouring key": neighbouring_key,
    "i and y": y_for_i,
    "middle name dropped": without_middle,
    "given name first": given_first,
}
