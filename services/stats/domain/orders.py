"""In which order a dimension's values stand, wherever they are told: pages, charts, files, the program's interface.

Pure. Ages are told by age and lists of terms as their list has them, never by their codes' letters: "11-15" is no
neighbour of "0-3". It says nothing of places, whose order is their names'.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, get_args

from services.stats.domain.measures import list_of
from shared.contracts.vocabulary import UNCLASSIFIED, AgeBand
from shared.reference.deadlines import Deadlines
from shared.reference.indicators import Indicator
from shared.reference.terms import Terms

AGES: Final = get_args(AgeBand)
SEXES: Final = ("female", "male", "unknown")
ANSWERS: Final = ("yes", "no", "unknown")
ANSWERED: Final = frozenset({"danger_now", "disability", "supported"})
# What is not known, or on no list, is told after all that is.
_LAST: Final = frozenset({"", "unknown", UNCLASSIFIED})


def values_of(indicator: Indicator | None, dimension: str) -> tuple[str, ...]:
    """A dimension's codes in the order in which people read them; none where no list has them. `indicator`: what
    is counted by it, for one name means different things of different measures; None where that is no more known."""
    if dimension == "sex":
        return SEXES
    if dimension == "age":
        return AGES
    if dimension in ANSWERED:
        return ANSWERS
    if dimension == "clock":
        return Deadlines.load().kinds()
    name = list_of(indicator.numerator.measure if indicator and indicator.numerator else "", dimension)
    return () if name is None else Terms.load(name).codes()


def rank_of(indicator: Indicator | None, dimension: str, code: str) -> tuple[int, str]:
    """Where a code stands among its dimension's: what sorts them. Those on no list come after the listed ones by their
    letters, then what is not known."""
    places = _places(values_of(indicator, dimension))
    return len(places) + 1 if code in _LAST else places.get(code, len(places)), code


@lru_cache(64)
def _places(codes: tuple[str, ...]) -> dict[str, int]:
    return {code: at for at, code in enumerate(codes)}
