"""How long notify remembers what lies beside its messages, and how long an act can be undone. Data with source and
effective date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE: Final = "notify-keeping.yaml"
# A week with a figure in each of its hours is what the page of an endpoint draws.
_DRAWN_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class NotifyKeeping(Limits):
    """The times in force from a day on; what each is for is said in the data file."""

    undo_hours: float
    old_secret_hours: float
    health_days: float
    absence_days: float
    receipt_days: float
    group_days: float

    @property
    def undo(self) -> timedelta:
        """How long a deletion can be undone."""
        return timedelta(hours=self.undo_hours)

    @property
    def old_secret(self) -> timedelta:
        """How long an old secret signs beside the new one."""
        return timedelta(hours=self.old_secret_hours)

    @property
    def health(self) -> timedelta:
        """How long it is known how endpoints did."""
        return timedelta(days=self.health_days)

    @property
    def absences(self) -> timedelta:
        """How long it is known who was away."""
        return timedelta(days=self.absence_days)

    @property
    def receipts(self) -> timedelta:
        """How long a receipt waits for somebody to ask about it."""
        return timedelta(days=self.receipt_days)

    @property
    def groups(self) -> timedelta:
        """How long a closed window of a noisy rule is remembered."""
        return timedelta(days=self.group_days)

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        times = (
            self.undo_hours,
            self.old_secret_hours,
            self.health_days,
            self.absence_days,
            self.receipt_days,
            self.group_days,
        )
        if not all(isinstance(one, int | float) and one > 0 for one in times):
            yield "every time is a number, more than 0"
        elif self.health_days < _DRAWN_DAYS:
            yield f"the page of an endpoint draws {_DRAWN_DAYS} days: `health_days` is no fewer"


class NotifyKeepingByDay(LimitsByDay[NotifyKeeping]):
    """All times, past and present. Raises `ReferenceDataError` where one makes no sense or names no source."""

    def __init__(self, limits: Sequence[NotifyKeeping]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, NotifyKeeping))
