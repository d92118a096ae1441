"""How well any ranking could do: of children who fit what was typed equally well none can be told from the others, and
ten lines hold ten. The best ranking knows how people slip (`_slips`) and puts first whose name most likely became what
was typed; between equals it draws lots. What it finds on the average is the ceiling for everybody else.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from random import Random
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import DamerauLevenshtein

from bench import _slips
from services.registry.domain.names import cleaned, person
from shared.reference.text import fold

_EQUAL = 1e-9


class Scope:
    """The children who fit the other fact: how many bear each name."""

    def __init__(self, names: Iterable[tuple[str, int]]) -> None:
        self.folded: dict[str, Counter[str]] = {}
        self._by_words: dict[frozenset[str], set[str]] = defaultdict(set)
        for name, count in names:
            folded = fold(name)
            self.folded.setdefault(folded, Counter())[name] += count
            words = folded.split()
            for left in (words, *(words[:at] + words[at + 1 :] for at in range(1, len(words) - 1))):
                self._by_words[frozenset(left)].add(folded)

    def near(self, typed: str) -> Counter[str]:
        """Names that one slip may have made into what was typed, and how many bear each."""
        words = person(typed)[0].tokens
        forms = {fold(typed), " ".join(words), " ".join(map(cleaned, words))}
        found: set[str] = set()
        for form in forms:
            found |= self._by_words.get(frozenset(form.split()), set())
            near = process.extract(
                form, list(self.folded), scorer=DamerauLevenshtein.distance, score_cutoff=1, limit=None
            )
            found |= {name for name, _, _ in near}
        return sum((self.folded[name] for name in found), Counter())


def ceiling(typed: str, meant: str, scope: Scope, shown: int) -> float:
    """How likely the best ranking has the one meant among the first so many."""
    names = scope.near(typed)
    if names.total() <= shown:
        return 1.0
    typed = unicodedata.normalize("NFC", typed)
    likely = {name: _likelihood(name).get(typed, 0.0) for name in names}
    mine = likely.get(meant, 0.0)
    above = sum(names[name] for name, chance in likely.items() if chance > mine + _EQUAL)
    level = sum(names[name] for name, chance in likely.items() if abs(chance - mine) <= _EQUAL)
    return max(0.0, min(1.0, (shown - above) / max(1, level)))


@lru_cache(maxsize=50_000)
def _likelihood(name: str) -> dict[str, float]:
    """What a name becomes by one slip, each kind as likely as another, and how likely it becomes that."""
    found: dict[str, float] = defaultdict(float)
    for slip in _slips.OF_A_NAME.values():
        for made, chance in _every(slip, name):
            found[made] += chance
    return found


def _every(slip: Callable[[Random, str], str], name: str) -> Iterable[tuple[str, float]]:
    """All that a slip can make of a name: it is run once for every way in which chance may fall."""
    script: list[int] = []
    while True:
        path = _Path(script)
        made = unicodedata.normalize("NFC", slip(path, name))
        if made != name:
            yield made, path.chance
        taken = path.taken
        while taken and taken[-1][0] + 1 == taken[-1][1]:
            taken.pop()
        if not taken:
            return
        script = [at for at, _ in taken[:-1]] + [taken[-1][0] + 1]


class _Path(Random):
    """Chance as it is told to fall: the first of what there is beyond that."""

    def __init__(self, script: Sequence[int]) -> None:
        super().__init__(0)
        self._script = script
        self.taken: list[tuple[int, int]] = []
        self.chance = 1.0

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        first, end = (0, start) if stop is None else (start, stop)
        return first + self._pick(end - first)

    def choice(self, seq: Any) -> Any:
        return seq[self._pick(len(seq))]

    def _pick(self, among: int) -> int:
        place = len(self.taken)
        at = self._script[place] if place < len(self._script) else 0
        self.taken.append((at, among))
        self.chance /= among
        return at
