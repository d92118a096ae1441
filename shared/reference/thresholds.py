"""When a figure needs looking at, as data: missed targets, surges of reports, sectors gone silent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE: Final = "thresholds.yaml"
_FEWEST_WEEKS: Final = 4


@dataclass(frozen=True, slots=True)
class Watch(Limits):
    """The numbers in force from a day on; what each means is said in the data file."""

    settle_days: int
    surges: Sequence[str]
    surge_weeks: int
    surge_least: int
    surge_z: float
    surge_over_days: int
    silent_measures: Sequence[str]
    silent_window: int
    silent_known: int
    silent_factor: float
    silent_least: int

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if self.surge_weeks < _FEWEST_WEEKS:
            yield f"what is usual is not known from fewer than {_FEWEST_WEEKS} weeks"
        if min(self.surge_least, self.surge_z, self.silent_known, self.silent_factor, self.silent_least) <= 0:
            yield "every bound is more than 0"
        if self.silent_window <= self.silent_known:
            yield "so many signs do not fit into the window"
        if min(self.settle_days, self.surge_over_days) < 0:
            yield "days are not negative"


class Thresholds(LimitsByDay[Watch]):
    """All of them, past and present. Raises `ReferenceDataError` where one makes no sense or has no source."""

    def __init__(self, limits: Sequence[Watch]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, Watch))
