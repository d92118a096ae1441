"""How long identity may be opened from outside a case's team, what counts as unusual reading, how long its log is kept.

Data with source and effective date; it never says who may read what: that is the rules' of the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE = "access.yaml"


@dataclass(frozen=True, slots=True)
class AccessLimits(Limits):
    """The numbers in force from a day on; what each means is said in the data file."""

    glass_minutes: int
    reason_least: int
    glass_barred_days: int
    unusual_children: int
    unusual_minutes: int
    log_months: int
    log_months_least: int

    def problems(self) -> Iterator[str]:
        """What makes no sense, or undercuts the law."""
        counts = (
            self.glass_minutes,
            self.reason_least,
            self.glass_barred_days,
            self.unusual_children,
            self.unusual_minutes,
        )
        if min(counts) < 1:
            yield "every limit is at least 1"
        if self.log_months < self.log_months_least:
            yield f"the log is kept for at least {self.log_months_least} months"


class Access(LimitsByDay[AccessLimits]):
    """All limits, past and present. Raises `ReferenceDataError` where one makes no sense or undercuts the law."""

    def __init__(self, limits: Sequence[AccessLimits]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, AccessLimits))
