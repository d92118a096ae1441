"""How finely the past of figures is kept, as data: as of which moments one may still ask what was known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE: Final = "history.yaml"
# Every moment of so long is always kept: closed periods are compared with history for two years.
SURELY_KEPT: Final = timedelta(days=731)
_SPANS: Final = ("month", "quarter", "half-year", "year", "school-year")


@dataclass(frozen=True, slots=True)
class Fineness(Limits):
    """The rule in force from a day on; what each part means is said in the data file."""

    every_moment_days: int
    every_day_days: int
    ends_of: Sequence[str]

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if timedelta(days=self.every_moment_days) < SURELY_KEPT:
            yield f"every moment is kept for at least {SURELY_KEPT.days} days"
        if self.every_day_days < self.every_moment_days:
            yield "days are kept for at least as long as every moment"
        if "month" not in self.ends_of:
            yield "ends of months are always kept: figures are summed by months"
        for span in self.ends_of:
            if span not in _SPANS:
                yield f"ends are those of {', '.join(_SPANS)}"


class History(LimitsByDay[Fineness]):
    """All rules, past and present. Raises `ReferenceDataError` where one makes no sense or has no source."""

    def __init__(self, rules: Sequence[Fineness]) -> None:
        super().__init__(_FILE, rules)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, Fineness))
