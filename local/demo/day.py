"""The day of the demo that is played: how long ago it lies, what o'clock it is on it, and how time passes."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from random import Random
from typing import Final

from local.demo.clock import TravellingClock
from local.demo.schedule import DAYS, days_ago
from shared.identity.demo import HOME_UNIT
from shared.reference.calendar import LOCAL

# Offices work from half past seven to five.
OPENS: Final = timedelta(hours=7, minutes=30)
_CLOSES: Final = timedelta(hours=17)
# From then on whoever is on duty does what cannot wait: in the evening what came in by day, late at night what came in
# since. Between two rounds, the last and the next morning's among them, no twelve hours of the law pass unseen.
_EVENING: Final = timedelta(hours=19)
_NIGHT: Final = timedelta(hours=21)
# What a month of the pilot brings comes before offices open: it cannot wait as long.
_PILOT_EVENING: Final = _CLOSES
_ROUND: Final = timedelta(hours=2)
# Somebody's next act comes after this share of what is left of the day, at most.
_STRIDE: Final = 0.03


class Day:
    """A day that is gone, or today.

    Args:
        clock: the services' own. today: when the filling began. seed: of how long things take.
    """

    def __init__(self, clock: TravellingClock, today: datetime, seed: int) -> None:
        self.today = today
        # How many days ago the first lies that is played, and the one that is played now.
        self.first = days_ago(today.astimezone(LOCAL).date())[0]
        self.ago = self.first
        self.midnight = today
        self._ends = _CLOSES
        self._clock = clock
        self._chance = Random(seed)  # noqa: S311 - made-up chance

    def begin(self, ago: int) -> datetime:
        """Turn to the day so many days ago. Out: the moment on it at which it is today."""
        self.ago = ago
        moment = self.today - timedelta(days=ago)
        self.midnight = datetime.combine(moment.astimezone(LOCAL).date(), time.min, LOCAL)
        self._ends = _CLOSES
        return moment

    @property
    def piloted(self) -> bool:
        """Whether it is one of the few days of a month of the pilot."""
        return self.ago > DAYS

    @property
    def evening(self) -> datetime:
        """When the evening round begins."""
        return self.midnight + (_PILOT_EVENING if self.piloted else _EVENING)

    @property
    def night(self) -> datetime:
        """When the last round begins."""
        return self.midnight + _NIGHT

    def now(self) -> datetime:
        """What o'clock it is."""
        return self._clock()

    def be_at(self, moment: datetime) -> None:
        """Let the clock show a moment of a day that is gone, unless it is later already."""
        if self.ago and moment > self._clock():
            self._clock.go(moment)

    def go_on_duty(self, moment: datetime) -> None:
        """Begin a round at that moment of the evening or night: acts follow each other as time passes in it."""
        self._ends = moment + _ROUND - self.midnight
        self.be_at(moment)

    def at_work(self) -> bool:
        """Whether offices are open: on a day that is gone always, today by the real time."""
        return bool(self.ago) or OPENS <= self._clock() - self.midnight < _CLOSES

    def time_passes(self) -> None:
        """Somebody's next act is some minutes later, and never after office hours, or the end of a round."""
        left = self.midnight + self._ends - self._clock()
        if left > timedelta(0):
            self.be_at(self._clock() + left * self._chance.uniform(0, _STRIDE))

    def is_left_to_visitors(self, unit: str, days: int) -> bool:
        """Whether what happens in a commune is so fresh that it is left to the people on the sign-in page."""
        return unit == HOME_UNIT and self.ago < days
