"""What made-up agencies tell beside their reports: activities day by day, and the figures of years gone by.

And what makes figures worth a look: reports that pile up in one commune, a silent sector, indicators that go wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Final, get_args

from local.simulation.traffic import Sent, agency_event
from local.simulation.world import SETTINGS, Child, Concern
from shared.contracts.vocabulary import Sector
from shared.reference.indicators import Indicator, Indicators
from shared.reference.terms import Terms

_FIRST_YEAR: Final = 2021
_ACTIVITY_CHANCE: Final = 0.45
_HOLDS: Final[tuple[Sector, ...]] = ("education", "unions", "dolisa", "health", "police", "justice")
# Who says nothing any more, since how many days ago.
_SILENT: Final[Sector] = "unions"
_SILENT_DAYS: Final = 34
# Where and of what reports pile up, on how many of the last days.
_SURGE_UNIT, _SURGE_KIND, _SURGE_SINCE = "05455", "school-violence", 6
# Of three indicators that are handed in, about one goes the wrong way.
_WRONG: Final = 0.3


def activity(number: int, at: datetime, units: Sequence[str], random: Random, ago: int) -> Sent | None:
    """An activity that somebody held on a day, told so many days ago; on most days none."""
    if random.random() > _ACTIVITY_CHANCE:
        return None
    holder = random.choice(_HOLDS)
    data = {
        "activity": random.choice(Terms.load("activities").codes()),
        "audience": random.choice(Terms.load("audiences").codes()),
        "held_on": at.date().isoformat(),
        "unit": random.choice(units),
        "participants": random.randrange(15, 400),
    }
    if is_silent(holder, ago):
        return None
    return agency_event(holder, "agency.activity.held", f"HD-{number}", data, at)


def surge(concern: Concern, children: Sequence[Child], number: int, ago: int) -> Concern:
    """A report as it came in, or, in the last days, every other one of something that spreads in one commune's
    schools."""
    there = [child for child in children if child.unit == _SURGE_UNIT and child.school is not None]
    if not there or ago > _SURGE_SINCE or number % 2 or concern.request != "protection":
        return concern
    told = SETTINGS[_SURGE_KIND]
    return replace(
        concern,
        child=there[concern.number % len(there)],
        kind=_SURGE_KIND,
        danger=False,
        story=told.stories[0],
        environment=told.environments[0],
        harmer=told.harmers[0],
        siblings=(),
    )


def is_silent(sector: str, ago: int) -> bool:
    """Whether a sector says nothing any more, neither of itself nor to what it is asked."""
    return sector == _SILENT and ago < _SILENT_DAYS


def still_heard(concern: Concern, ago: int) -> Concern:
    """A report by a sector that still reports; what the silent one would have told, people tell the hotline."""
    if not is_silent(concern.sector, ago):
        return concern
    return replace(concern, sector="hotline", channel="hotline-111")


def figures(at: datetime, since: int = _FIRST_YEAR) -> list[Sent]:
    """Of each indicator that a sector reports: a figure a year since one, on the way to what is aimed at."""
    return [
        agency_event(
            sector,
            "agency.figure.reported",
            f"CT-{indicator.code}-{year}",
            {"indicator": indicator.code, "period": str(year), "value": _value(indicator, year)},
            at,
        )
        for indicator in Indicators.load().on(at.date())
        for sector in get_args(Sector)
        if indicator.reported_by == sector
        for year in range(since, at.year)
    ]


def _value(indicator: Indicator, year: int) -> float:
    aimed = indicator.target(year) or next(iter(indicator.targets), None)
    # Of a target that is set against another year nobody knows the value: any will do.
    aim = 40.0 if aimed is None or aimed.value is None else aimed.value
    begun = min(1.0, (year - _FIRST_YEAR) / 4)
    goes_wrong = Random(indicator.code).random() < _WRONG  # noqa: S311 - made-up chance
    reached = 0.93 - 0.04 * begun if goes_wrong else 0.86 + 0.17 * begun
    reached += Random(f"{indicator.code} {year}").uniform(-0.01, 0.01)  # noqa: S311 - made-up chance
    value = aim * (reached if indicator.better == "higher" else 2 - reached)
    return round(min(value, 100.0) if indicator.unit == "percent" else value, 2 if aim < 20 else 1)
