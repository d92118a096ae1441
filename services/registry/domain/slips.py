"""How unlikely it is that one name was typed where another was meant. No I/O.

What people do most costs least: marks left out cost nothing, a tone mistaken or a middle name dropped about one, a key
beside the right one somewhat more, another word most of all, and more where it is the given name: people remember what
a child is called. The measure is ours; only the order that it gives counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final

from rapidfuzz.distance import OSA

from services.registry.domain.names import Name, cleaned

_KEYBOARD: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
# Each row begins a little further to the right.
_PLACES: Final = {
    letter: (row, at + 0.4 * row) for row, letters in enumerate(_KEYBOARD) for at, letter in enumerate(letters)
}
_REACH: Final = 1.05

_TONE: Final = 1.0
_ONE_BARE: Final = 0.6
_MARKS_TOO: Final = 0.5
_KEYS_LEFT: Final = 0.3
_LETTER: Final = 1.4
_KEY_BESIDE: Final = 1.6
_OTHER_KEY: Final = 2.4
_OTHER_WORD: Final = 4.0
_GIVEN: Final = 1.3
_DROPPED: Final = 1.2
_END_DROPPED: Final = 3.0
_TOO_MANY: Final = 2.5
_TURNED: Final = 0.8


@lru_cache(maxsize=20_000)
def cost(typed: Name, meant: Name) -> float:
    """What stands between two names, in whichever order the words were typed: 0 for the very name."""
    if typed.tokens == meant.tokens and (typed.unmarked or typed.marked == meant.marked):
        return 0.0
    in_order = _aligned(typed, meant)
    return (
        min(in_order, *(_TURNED + _aligned(turned, meant) for turned in _turned(typed))) if in_order > 1 else in_order
    )


def _turned(name: Name) -> Iterator[Name]:
    """A name with the given name where the family name stands, or the other way round."""
    count = len(name.tokens)
    for order in ((*range(1, count), 0), (count - 1, *range(count - 1)), tuple(reversed(range(count)))):
        yield Name(tuple(name.tokens[at] for at in order), tuple(name.marked[at] for at in order))


def _aligned(typed: Name, meant: Name) -> float:
    """The least that it costs to get from one to the other word by word."""
    last = len(meant.tokens) - 1
    row = [_TOO_MANY * at for at in range(len(typed.tokens) + 1)]
    for place, token in enumerate(meant.tokens):
        dropped = _END_DROPPED if place in {0, last} else _DROPPED
        before, row = row, [row[0] + dropped]
        for at, word in enumerate(typed.tokens):
            other = _word(word, typed.marked[at], token, meant.marked[place], unmarked=typed.unmarked)
            if place == last and other >= _OTHER_WORD:
                other *= _GIVEN
            row.append(min(before[at] + other, before[at + 1] + dropped, row[at] + _TOO_MANY))
    return row[-1]


def _word(typed: str, typed_marked: str, meant: str, marked: str, *, unmarked: bool) -> float:
    if typed != meant:
        found = _letters(typed, meant)
        # Marks that fit tell which word it was: of "Thả" Thảo lost a letter, Hà would have won one and another tone.
        fitting = unmarked or found >= _OTHER_WORD or OSA.distance(typed_marked, marked, score_cutoff=1) <= 1
        return found if fitting else found + _MARKS_TOO
    if unmarked or typed_marked == marked:
        return 0.0
    return _ONE_BARE if typed_marked == typed else _TONE


@lru_cache(maxsize=50_000)
def _letters(typed: str, meant: str) -> float:
    """What stands between two words in letters without marks."""
    if cleaned(typed).replace("y", "i") == cleaned(meant).replace("y", "i"):
        return _KEYS_LEFT
    apart = min(OSA.distance(typed, meant), OSA.distance(cleaned(typed), meant))
    if apart > 1:
        return _OTHER_WORD + 0.5 * min(apart, 4)
    if len(typed) != len(meant) or _swapped(typed, meant):
        return _LETTER
    key, letter = next(((key, letter) for key, letter in zip(typed, meant, strict=True) if key != letter), ("", ""))
    return _KEY_BESIDE if _beside(key, letter) else _OTHER_KEY


def _swapped(typed: str, meant: str) -> bool:
    return sorted(typed) == sorted(meant) and any(a + b in typed and b + a in meant for a, b in pairwise(typed))


def _beside(key: str, letter: str) -> bool:
    """Whether two keys lie side by side."""
    if key not in _PLACES or letter not in _PLACES:
        return False
    (row, at), (other_row, other) = _PLACES[key], _PLACES[letter]
    return abs(row - other_row) <= 1 and abs(at - other) <= _REACH
