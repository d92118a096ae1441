"""How long ago what is entered today may have been received or happened. Data with source and effective date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Self

from shared.reference.calendar import LOCAL
from shared.reference.files import ReferenceDataError, read_yaml

_LEAP_DAY = (2, 29)


@dataclass(frozen=True, slots=True)
class IntakeLimits:
    """The numbers in force from a day on; what each means is said in the data file."""

    effective_from: date
    legal_source_vi: str
    legal_source_en: str
    oldest_receipt_years: int


class Intake:
    """All limits, past and present. Raises `ReferenceDataError` where one makes no sense or names no source."""

    def __init__(self, limits: Sequence[IntakeLimits]) -> None:
        self._limits = sorted(limits, key=lambda known: known.effective_from)
        if not self._limits:
            raise ReferenceDataError("intake.yaml: no limits are in force")
        for known in self._limits:
            where = f"intake.yaml: {known.effective_from}"
            if not 1 <= known.oldest_receipt_years <= 100:
                raise ReferenceDataError(f"{where}: oldest_receipt_years is between 1 and 100")
            if not (known.legal_source_vi and known.legal_source_en):
                raise ReferenceDataError(f"{where}: the source is needed in both languages")

    @classmethod
    @cache
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        rows: list[Mapping[str, object]] = read_yaml("intake.yaml")
        try:
            return cls([IntakeLimits(**row) for row in rows])  # type: ignore[arg-type]
        except TypeError as error:
            raise ReferenceDataError(f"intake.yaml: {error}") from None

    def oldest_receipt(self, now: datetime) -> date:
        """The first day, where people live by it, on which what is entered now may have been received or happened."""
        day = now.astimezone(LOCAL).date()
        known = next((known for known in reversed(self._limits) if known.effective_from <= day), self._limits[0])
        then = day.year - known.oldest_receipt_years
        return day.replace(year=then, day=28) if (day.month, day.day) == _LEAP_DAY else day.replace(year=then)
