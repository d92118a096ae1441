"""How deliveries are made, as data: the schedule of attempts, when an endpoint is left in peace or switched off, what
is the past, how long all that is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self, get_args

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

# In what order deliveries go, and how long they are worth sending. How urgent a notice is to a person is another
# question (`notify_rules.Urgency`).
Priority = Literal["emergency", "normal", "digest"]
_FILE: Final = "notify-delivery.yaml"
_HOURS_A_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class DeliveryLimits(Limits):
    """The numbers in force from a day on; what each means is said in the data file."""

    wait_seconds: Sequence[float]
    jitter: float
    most_wait_hours: float
    open_after: int
    open_seconds: Sequence[float]
    disable_after_hours: float
    give_up_after_days: float
    at_once: int
    per_second: float
    expire_hours: Mapping[Priority, float]
    past_hours: Mapping[Priority, float]
    keep_days: int
    partition_days: int

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if not self.wait_seconds or list(self.wait_seconds) != sorted(self.wait_seconds) or self.wait_seconds[0] <= 0:
            yield "the waits between attempts grow, from more than 0"
        if not self.open_seconds or list(self.open_seconds) != sorted(self.open_seconds) or self.open_seconds[0] <= 0:
            yield "the times for which a circuit is open grow, from more than 0"
        if not 0 <= self.jitter < 1:
            yield "jitter is a share from 0 to less than 1"
        if min(self.open_after, self.at_once, self.partition_days, self.keep_days) < 1:
            yield "at least one failure opens a circuit, one request is made at once, one day is kept"
        if min(self.most_wait_hours, self.disable_after_hours, self.give_up_after_days) <= 0 or self.per_second < 0:
            yield "times are more than 0, and a rate is not negative"
        for name, hours in (("expire_hours", self.expire_hours), ("past_hours", self.past_hours)):
            if set(hours) != set(get_args(Priority)) or min(hours.values(), default=0) < 0:
                yield f"{name} has a number of hours for each of {', '.join(get_args(Priority))}"
        if max(self.past_hours.values(), default=0) >= self.keep_days * _HOURS_A_DAY:
            yield "what is forgotten must be the past by then, or it would be told twice"


class Delivering(LimitsByDay[DeliveryLimits]):
    """All of them, past and present. Raises `ReferenceDataError` where one makes no sense or has no source."""

    def __init__(self, limits: Sequence[DeliveryLimits]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, DeliveryLimits))
