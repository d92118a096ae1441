"""How long ago what is entered today may have been received or happened. Data with source and effective date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Self

from shared.reference.calendar import LOCAL
from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE = "intake.yaml"
_LEAP_DAY = (2, 29)


@dataclass(frozen=True, slots=True)
class IntakeLimits(Limits):
    """The numbers in force from a day on; what each means is said in the data file."""

    oldest_receipt_years: int

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        if not 1 <= self.oldest_receipt_years <= 100:
            yield "oldest_receipt_years is between 1 and 100"


class Intake(LimitsByDay[IntakeLimits]):
    """All limits, past and present. Raises `ReferenceDataError` where one makes no sense or names no source."""

    def __init__(self, limits: Sequence[IntakeLimits]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, IntakeLimits))

    def oldest_receipt(self, now: datetime) -> date:
        """The first day, where people live by it, on which what is entered now may have been received or happened."""
        day = now.astimezone(LOCAL).date()
        then = day.year - self.on(now).oldest_receipt_years
        return day.replace(year=then, day=28) if (day.month, day.day) == _LEAP_DAY else day.replace(year=then)
