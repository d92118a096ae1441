"""How a figure is read: against its target, the period before, the year before. Pure; the words are the pages'.

It must never judge what is not comparable: a month's count against a year's target, a hidden figure against anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Literal

from services.stats.domain.disclosure import Shown
from services.stats.domain.periods import Period, Span
from shared.reference.indicators import Indicator, Level, Target

Verdict = Literal["met", "missed", "running", "unknown", "hidden", "untold"]
Course = Literal["better", "worse", "same", "neither"]
# What a leader has to look at first.
_URGENCY: Final[dict[Verdict, int]] = {"missed": 0, "running": 1, "unknown": 3, "hidden": 3, "met": 2, "untold": 4}
# Shorter than a year.
_PARTS: Final[frozenset[Span]] = frozenset({"day", "week", "month", "quarter", "half-year"})


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure and what it is compared with. `goal`: what is aimed at, where it can be compared with this period."""

    indicator: Indicator
    period: Period
    now: Shown | None
    before: Shown | None = None
    year_before: Shown | None = None
    goal: Target | None = None
    over: bool = True

    @property
    def value(self) -> float | None:
        """The figure, where one may see it."""
        return None if self.now is None else self.now.value

    @property
    def known(self) -> bool:
        """Whether there is a figure, if a hidden one."""
        return self.value is not None or (self.now is not None and self.now.hidden is not None)

    @property
    def verdict(self) -> Verdict:
        """How it stands to its target; `running`: the target lies ahead, or the year goes on and neither is sure.
        `hidden`: there is a figure, which the reader does not see."""
        if self.goal is None:
            return "untold"
        if self.now is not None and self.now.hidden is not None:
            return "hidden"
        met = None if self.value is None else self.indicator.met(self.value, self.goal)
        if met is None:
            return "unknown"
        if not is_judged(self.indicator, self.period, self.goal):
            return "running"
        # What only grows: what has reached its aim has, what has passed its limit has; the rest is open.
        if not self.over and self.indicator.adds_up and met == (self.indicator.better == "lower"):
            return "running"
        if met:
            return "met"
        return "missed" if self.goal.due(self.period.last.year) else "running"

    @property
    def distance(self) -> float | None:
        """How far it is from its target as a share of that; positive: on the good side."""
        if self.goal is None or self.value is None or not self.goal.value or self.indicator.better == "neither":
            return None
        gap = (self.value - self.goal.value) / abs(self.goal.value)
        return -gap if self.indicator.better == "lower" else gap

    @property
    def pressing(self) -> bool:
        """Whether somebody has to look at it: its target is missed, or lies ahead while it moves away from it."""
        return self.verdict == "missed" or (
            self.verdict == "running" and not self.indicator.adds_up and self.course(self.before) == "worse"
        )

    @property
    def urgency(self) -> tuple[int, float]:
        """What puts it higher on a board: missed ones first, the furthest from its target before the others."""
        return _URGENCY[self.verdict], self.distance if self.distance is not None else 0.0

    def moved(self, before: Shown | None) -> float | None:
        """By how much it moved since another figure; None where either is not known."""
        if self.value is None or before is None or before.value is None:
            return None
        return self.value - before.value

    def course(self, before: Shown | None) -> Course:
        """Whether that is for the better."""
        moved = self.moved(before)
        if moved is None or self.indicator.better == "neither":
            return "neither"
        if moved == 0:
            return "same"
        return "better" if (moved > 0) == (self.indicator.better == "higher") else "worse"


def goal_of(indicator: Indicator, period: Period, level: Level | None) -> Target | None:
    """The target that a period can be compared with: what adds up over a year with a year's, anything else with any."""
    if level is None or (indicator.adds_up and period.span != "year"):
        return None
    found = indicator.target(period.last.year, level, period.last)
    # What is to be reached in each year up to another one is this year's aim.
    return replace(found, year=period.last.year) if found is not None and found.yearly else found


def is_judged(indicator: Indicator, period: Period, goal: Target) -> bool:
    """Whether a period's figure reaches or misses a target. A part of a year does not, for the year goes on; but what
    stands does at the year's end, and so does what law asks for at any time: a value in each year."""
    if period.span not in _PARTS:
        return True
    at_any_time = goal.yearly and goal.change is None
    stands = indicator.numerator is not None and indicator.numerator.over == "state"
    at_the_end = stands and (period.last.month, period.last.day) == (12, 31)
    return goal.due(period.last.year) and (at_any_time or at_the_end)


def reached(period: Period, today: date, known: date | None) -> date:
    """The day up to which something can be known of a period: today, or the end of an earlier day (`known`). It is
    after the period's last where that is over, and never before its first."""
    if known is None or known >= today:
        return today
    return known + timedelta(days=1) if known >= period.last else max(period.first, known)


def as_far(before: Period, now: Period, today: date) -> Period:
    """An earlier period up to the day that a later one has reached: what adds up is compared with as many days."""
    if now.last < today:
        return before
    # Of a period that has not begun it is the first day: there is nothing before it.
    return replace(before, last=min(before.last, before.first + max(timedelta(0), today - now.first)))


def course_of(period: Period, today: date) -> list[Period]:
    """The periods whose line shows how a figure came to be what it is: never one that has not begun."""
    if period.span == "plan":
        found = list(period.parts("year"))
    elif period.span in {"year", "school-year", "half-year"}:
        last = Period.containing(min(period.last, today), "month")
        found = last.before(24)
    else:
        found = period.before({"day": 31, "week": 26, "month": 13, "quarter": 9}[period.span])
    return [one for one in found if one.first <= today]


def begun(shown: Sequence[Shown]) -> Sequence[Shown]:
    """A course from where something is known first: before there was anything to count there is nothing to draw."""
    first = next((at for at, one in enumerate(shown) if one.value is not None or one.hidden), 0)
    return shown[max(0, min(first, len(shown) - 2)) :]


def by_unit(indicator: Indicator, period: Period, shown: Iterable[Shown], units: Iterable[str]) -> dict[str, Shown]:
    """Each unit's figure of a period among those by unit. Where a count has none of a unit, nothing was counted there;
    where all are hidden as one, or of all nothing can be said, so it is of each; of any other, nothing is known and the
    unit is left out."""
    of_period = {one.keys: one for one in shown if one.period == period}
    whole = of_period.get(())
    codes = list(units)
    none = {one.keys: one for one in none_of_units(indicator, period, of_period.values(), codes)}
    known = {unit: of_period.get((unit,)) or whole or none.get((unit,)) for unit in codes}
    return {unit: one for unit, one in known.items() if one is not None}


def none_of_units(
    indicator: Indicator, period: Period, shown: Iterable[Shown], units: Iterable[str]
) -> Iterator[Shown]:
    """That nothing was counted in the units of which a period's count by unit has none; of a count that is not told as
    a whole, and of any other figure, that is not known."""
    told = {one.keys for one in shown}
    if indicator.shape == "count" and () not in told:
        yield from (Shown(period, (unit,), 0.0, 0) for unit in units if (unit,) not in told)
