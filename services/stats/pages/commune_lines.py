"""Communes in a table, those that need attention first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.stats.domain.disclosure import Shown
from services.stats.domain.reading import is_judged
from services.stats.pages.looking import Sight
from shared.reference.indicators import Indicator, Target

# Where among others a figure stands of which is known only that there is something.
_HIDDEN: Final = 0.5


@dataclass(frozen=True, slots=True)
class Commune:
    """One commune's line in a table. `met`: whether its figure reaches the target; None: there is none, or a part
    of a year is not judged by it."""

    code: str
    name: str
    shown: Shown
    met: bool | None


def communes_of(sight: Sight, indicator: Indicator, figures: Mapping[str, Shown], goal: Target | None) -> list[Commune]:
    """Communes in the order in which they need to be looked at: the worst figure first, what is not known last."""
    found = []
    for code, one in figures.items():
        met = None
        if goal is not None and one.value is not None and is_judged(indicator, one.period, goal):
            met = indicator.met(one.value, goal)
        found.append(Commune(code, sight.words.unit(code), one, met))
    return sorted(found, key=lambda commune: needy(indicator, commune.shown))


def needy(indicator: Indicator, shown: Shown) -> tuple[bool, float]:
    """A key that puts the worst figure first: the lowest where higher is better, else the highest; there a hidden one,
    which is not 0, before those that are."""
    value = shown.value
    if value is None:
        return (False, -_HIDDEN) if shown.hidden == "protected" and indicator.better != "higher" else (True, 0.0)
    return False, value if indicator.better == "higher" else -value
