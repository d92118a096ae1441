"""What made-up agencies publish on a day of the demo: concerns as they come in, injuries, and activities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from local.demo.day import Day
from local.demo.official import LATE_ON
from local.demo.players import Json
from local.demo.reporting import activity, still_heard, surge
from local.demo.schedule import concerns_on, is_first_of_month
from local.simulation.traffic import concern_event, injury_event
from local.simulation.world import World
from shared.contracts.vocabulary import Request
from shared.identity.demo import HOME_UNIT

# Of two thousand children few are hurt, or the rates would be those of no province.
_INJURIES_A_DAY: Final = 0.2
# Of a month of the pilot, told at once; and of those that a hospital hands in when the month is closed already.
_INJURIES_A_MONTH, _ACTIVITIES_A_MONTH, _LATE = 6, 12, 2
# Every so many, a clerk writes a cause that is on no list.
_UNCLEAR_EVERY: Final = 40
_SHARE_AT_HOME: Final = 0.18
_FRESH_AT_HOME: Final = 6
# What a report asks for, and of how many children it tells beside the first.
_REQUESTS: Final[dict[Request, int]] = {"protection": 86, "counselling": 7, "prevention": 3, "information": 4}
_SIBLINGS: Final = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2)
# Whoever sees something reports it at any hour, least at night.
_REPORTED_BY_HOUR: Final = (*(1,) * 6, *(4,) * 12, *(3,) * 5, 1)
_SCHOOL_HOURS: Final = (7, 17)


@dataclass(frozen=True, slots=True)
class Reported:
    """What an agency publishes, and when it took it in."""

    at: datetime
    sector: Any
    document: Json


class Agencies:
    """All sectors, telling.

    Args:
        world: the children of whom they tell. units: the province's communes. day: that is played.
    """

    def __init__(self, world: World, units: Sequence[str], day: Day) -> None:
        self._world = world
        self._at_home = [child for child in world.children if child.unit == HOME_UNIT]
        self._units = units
        self._day = day
        self._numbers = Counter[str]()

    def reported(self, moment: datetime, random: Random) -> list[Reported]:
        """What agencies publish that day: concerns as they come in, today those of the last 18 hours; and injuries and
        activities of the day before, in the pilot of the month before."""
        found: list[Reported] = []
        day = self._day.midnight.date()
        monthly = is_first_of_month(day, self._day.ago)
        fresh = _FRESH_AT_HOME if self._day.ago == 0 and self._at_home else 0
        for number in range(_drawn(concerns_on(day, self._day.ago), random) + fresh):
            self._numbers["concern"] += 1
            # A day of the pilot stands for a week: what comes in after hours would wait for the next.
            hour = random.choices(range(24), _REPORTED_BY_HOUR)[0] if not self._day.piloted else random.choice((5, 6))
            at = self._day.midnight + timedelta(hours=hour, minutes=random.randrange(55))
            if not self._day.ago:
                at = moment - timedelta(minutes=random.randrange(5, 18 * 60))
            at_home = self._at_home and (number < fresh or random.random() < _SHARE_AT_HOME)
            child = random.choice(self._at_home) if at_home else None
            request = random.choices(list(_REQUESTS), list(_REQUESTS.values()))[0]
            siblings = random.choice(_SIBLINGS) if request == "protection" else 0
            if number < fresh:  # one of each for whoever tries the demo
                request, siblings = ("counselling", 0) if number == 0 else ("protection", 2 * (number == 1))
            concern = self._world.concern(self._numbers["concern"], at, child, request, siblings)
            if concern.sector == "education" and self._day.ago and not _SCHOOL_HOURS[0] <= hour < _SCHOOL_HOURS[1]:
                concern = replace(concern, received_at=at.replace(hour=random.randrange(*_SCHOOL_HOURS)))
            if number >= fresh:
                concern = surge(concern, self._world.children, number, self._day.ago)
            sent = concern_event(still_heard(concern, self._day.ago))
            found.append(Reported(concern.received_at, sent.sector, sent.document))
        return found + self._injuries(random, monthly=monthly) + self._activities(random, monthly=monthly)

    def _injuries(self, random: Random, *, monthly: bool) -> list[Reported]:
        """Told in the morning: those of the day before, or of a month; and some of last month that come late."""
        days = [1] * (random.random() < _INJURIES_A_DAY) if not self._day.piloted else []
        if monthly:
            days = [random.randrange(5, 33) for _ in range(_INJURIES_A_MONTH)]
        day = self._day.midnight.date()
        if day.day == LATE_ON and not self._day.piloted:
            days += [random.randrange(LATE_ON, LATE_ON + 26) for _ in range(_LATE)]
        found = []
        for ago in days:
            self._numbers["injury"] += 1
            injury = self._world.injury(self._numbers["injury"], day - timedelta(days=ago))
            if injury.number % _UNCLEAR_EVERY == 0:
                injury = replace(injury, cause="Không rõ nguyên nhân")
            sent = injury_event(injury)
            found.append(Reported(self._day.midnight + timedelta(hours=7), sent.sector, sent.document))
        return found

    def _activities(self, random: Random, *, monthly: bool) -> list[Reported]:
        """Told in the morning of the next day, when it is over; in the pilot, of the month."""
        found = []
        for number in range(_ACTIVITIES_A_MONTH if monthly else not self._day.piloted):
            self._numbers["activity"] += 1
            held = self._day.midnight - timedelta(days=2 * number, hours=8)
            sent = activity(self._numbers["activity"], held, self._units, random, self._day.ago)
            if sent is not None:
                at = self._day.midnight + timedelta(hours=7, minutes=5)
                found.append(Reported(at, sent.sector, sent.document))
        return found


def _drawn(mean: float, random: Random) -> int:
    """A number of happenings in a day."""
    whole = int(mean)
    return whole + (random.random() < mean - whole) + random.choice((-1, 0, 0, 1))
