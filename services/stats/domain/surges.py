"""Whether a figure is unusual: more reports than a commune ever has, a sector quiet for longer than ever. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from math import sqrt
from typing import Literal

# How a sector is heard. heard: within its usual time. silent: for too long by its own habit, or for the whole window
# that is looked at. seldom: it says too little for a habit. never: it has not said anything yet.
Heard = Literal["heard", "silent", "seldom", "never"]


def upper_level(usual: Sequence[int], z: float) -> float:
    """The most that counts of one kind come to by chance, by those of so many times before.

    Farrington et al. (1996), without trend and season: what is to be expected is the mean; counts vary as a Poisson's,
    or more where they did; by the power of two thirds they are nearly normal, `z` deviations from it are the level.
    """
    mean = sum(usual) / len(usual)
    if mean == 0:
        return 0.0
    variance = sum((count - mean) ** 2 for count in usual) / max(1, len(usual) - 1)
    spread = max(1.0, variance / mean) * (1 + 1 / len(usual))
    return mean * float((1 + 2 / 3 * z * sqrt(spread / mean)) ** 1.5)


def usual_spacing(heard: Collection[date], first: date, last: date) -> float:
    """Days between two days on which somebody was heard, on average, from the first day to the last."""
    return ((last - first).days + 1) / len(heard)


def working_days_after(day: date, until: date, is_working_day: Callable[[date], bool]) -> int:
    """How many working days lie after a day, up to another, that one included."""
    return sum(is_working_day(day + timedelta(days=at)) for at in range(1, (until - day).days + 1))
