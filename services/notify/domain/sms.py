"""How long a text is as an SMS: in which alphabet it can be sent, how many segments it takes, and cut to how many it
may.

Alphabets: 3GPP TS 23.038 version 17, 6.2.1 (the default alphabet of 7 bits, with its extension table: one such sign
takes two) and 6.2.3 (UCS-2, in fact UTF-16: one sign beyond the basic plane takes two). Lengths: 3GPP TS 23.040,
9.2.3.24.1: a message of 140 octets holds 160 septets or 70 units; in one of several, six octets say which it is, so 153
or 67.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gsm0338 import Codec

Alphabet = Literal["gsm-7", "ucs-2"]
# Alone, and as one of several.
CAPACITY: dict[Alphabet, tuple[int, int]] = {"gsm-7": (160, 153), "ucs-2": (70, 67)}
_STROKED = str.maketrans({"đ": "d", "Đ": "D"})
_MARKS = {"\u2026": "...", "\u2013": "-", "\u2014": "-", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"'}
_PLAIN = str.maketrans(_MARKS)
_CODEC = Codec()


@dataclass(frozen=True, slots=True)
class SmsLength:
    """How long a text is: `units` are septets or 16-bit units, `left` how many more fit into the last segment."""

    alphabet: Alphabet
    units: int
    segments: int
    left: int


def alphabet_of(text: str) -> Alphabet:
    """The shortest alphabet in which the whole text can be sent: one sign outside GSM-7 makes all of it UCS-2."""
    try:
        _CODEC.encode(text)
    except UnicodeEncodeError:
        return "ucs-2"
    return "gsm-7"


def length_of(text: str) -> SmsLength:
    """How many segments a text takes. A sign that takes two units is never parted between two segments."""
    alphabet = alphabet_of(text)
    alone, several = CAPACITY[alphabet]
    sizes = list(_sizes(text, alphabet))
    units = sum(sizes)
    if units <= alone:
        return SmsLength(alphabet, units, 1, alone - units)
    segments, used = 1, 0
    for size in sizes:
        if used + size > several:
            segments, used = segments + 1, 0
        used += size
    return SmsLength(alphabet, units, segments, several - used)


def segments_of(text: str) -> list[str]:
    """The text as it is cut into segments."""
    alphabet = alphabet_of(text)
    alone, several = CAPACITY[alphabet]
    sizes = list(_sizes(text, alphabet))
    if sum(sizes) <= alone:
        return [text]
    parts, used = [""], 0
    for sign, size in zip(text, sizes, strict=True):
        if used + size > several:
            parts.append("")
            used = 0
        parts[-1] += sign
        used += size
    return parts


def encoded(text: str, alphabet: Alphabet) -> bytes:
    """The text as a gateway takes it: an octet a septet, or UCS-2, the high octet first."""
    return bytes(_CODEC.encode(text)[0]) if alphabet == "gsm-7" else text.encode("utf-16-be")


def decoded(octets: bytes, alphabet: Alphabet) -> str:
    """The other way; what cannot be read is a question mark."""
    if alphabet == "ucs-2":
        return octets.decode("utf-16-be", "replace")
    return str(_CODEC.decode(octets, "replace")[0])


def parts_of(text: str, reference: int) -> list[bytes]:
    """What goes out: one message, or several that say which they are (3GPP TS 23.040, 9.2.3.24.1).

    In: `reference`, 0 to 255, the same for the parts of one text and whenever it is sent again, so that a telephone
    puts no two texts together.
    """
    alphabet = alphabet_of(text)
    segments = segments_of(text)
    if len(segments) == 1:
        return [encoded(text, alphabet)]
    return [
        bytes([5, 0, 3, reference % 256, len(segments), number]) + encoded(segment, alphabet)
        for number, segment in enumerate(segments, 1)
    ]


def plain(text: str) -> str:
    """Vietnamese without its marks (đ becomes d), typographic signs as typewriters have them: fit for GSM-7.

    In Viet Nam an SMS is mostly written so; who wants it with all its marks chooses so, and it takes more segments.
    """
    decomposed = unicodedata.normalize("NFD", text.translate(_PLAIN)).translate(_STROKED)
    return unicodedata.normalize("NFC", "".join(sign for sign in decomposed if not unicodedata.combining(sign)))


def short(text: str, most: int, *, keep: str = "") -> str:
    """The text cut so that it fits into `most` segments together with `keep`, which stands whole at its end: the link.

    It is cut at a word, and three dots say so. Raises ValueError where not even `keep` fits.
    """
    whole = f"{text} {keep}".strip()
    if length_of(whole).segments <= most:
        return whole
    words = text.split()
    while words:
        words.pop()
        shorter = f"{' '.join(words)}... {keep}".strip()
        if words and length_of(shorter).segments <= most:
            return shorter
    if length_of(keep).segments > most:
        raise ValueError("not even what must be kept fits")
    return keep


def _sizes(text: str, alphabet: Alphabet) -> Iterator[int]:
    for sign in text:
        if alphabet == "gsm-7":
            yield len(_CODEC.encode(sign)[0])
        else:
            yield 2 if ord(sign) > 0xFFFF else 1
