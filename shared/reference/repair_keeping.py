"""How long services keep the content of what they could never handle. Data with source and effective date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE: Final = "repair-keeping.yaml"


@dataclass(frozen=True, slots=True)
class RepairKeeping(Limits):
    """The time in force from a day on; what it is for is said in the data file."""

    dead_letter_days: float

    @property
    def dead_letters(self) -> timedelta:
        """How long a dead letter's content is kept."""
        return timedelta(days=self.dead_letter_days)

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if not isinstance(self.dead_letter_days, int | float) or self.dead_letter_days < 1:
            yield "`dead_letter_days` is a number, 1 or more"


class RepairKeepingByDay(LimitsByDay[RepairKeeping]):
    """All times, past and present. Raises `ReferenceDataError` where one makes no sense or names no source."""

    def __init__(self, limits: Sequence[RepairKeeping]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, RepairKeeping))
