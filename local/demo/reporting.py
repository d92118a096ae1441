"""What the made-up agencies tell statistics themselves: activities day by day, and the figures of years gone by."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from random import Random
from typing import Final, get_args

from local.simulation.traffic import Sent, agency_event
from shared.contracts.vocabulary import Sector
from shared.reference.indicators import Indicator, Indicators
from shared.reference.terms import Terms

_FIRST_YEAR: Final = 2021
_ACTIVITY_CHANCE: Final = 0.45
_HOLDS: Final[tuple[Sector, ...]] = ("education", "unions", "dolisa", "health", "police", "justice")


def activity(number: int, at: datetime, units: Sequence[str], random: Random) -> Sent | None:
    """An activity that somebody held on a day; on most days none."""
    if random.random() > _ACTIVITY_CHANCE:
        return None
    data = {
        "activity": random.choice(Terms.load("activities").codes()),
        "audience": random.choice(Terms.load("audiences").codes()),
        "held_on": at.date().isoformat(),
        "unit": random.choice(units),
        "participants": random.randrange(15, 400),
    }
    return agency_event(random.choice(_HOLDS), "agency.activity.held", f"HD-{number}", data, at)


def figures(at: datetime) -> list[Sent]:
    """Of each indicator that a sector reports: a figure a year, on the way to what is aimed at."""
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
        for year in range(_FIRST_YEAR, at.year)
    ]


def _value(indicator: Indicator, year: int) -> float:
    aimed = indicator.target(date.max.year) or next(iter(indicator.targets), None)
    # Of a target that is set against another year nobody knows the value: any will do.
    aim = 40.0 if aimed is None or aimed.value is None else aimed.value
    chance = Random(f"{indicator.code} {year}")  # noqa: S311 - made-up chance
    way = (year - _FIRST_YEAR) / 9 + chance.uniform(-0.03, 0.03)
    reached = aim * (0.8 + 0.2 * way) if indicator.better == "higher" else aim * (1.3 - 0.3 * way)
    return round(reached, 2 if aim < 20 else 1)
