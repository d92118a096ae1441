"""How long identity may be opened from outside a case's team, what counts as unusual reading, how long its log is kept.

Data with source and effective date; it never says who may read what: that is the rules' of the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Self

from shared.reference.calendar import LOCAL
from shared.reference.files import ReferenceDataError, read_yaml


@dataclass(frozen=True, slots=True)
class AccessLimits:
    """The numbers in force from a day on; what each means is said in the data file."""

    effective_from: date
    legal_source_vi: str
    legal_source_en: str
    glass_minutes: int
    reason_least: int
    glass_barred_days: int
    unusual_children: int
    unusual_minutes: int
    log_months: int
    log_months_least: int


class Access:
    """All limits, past and present. Raises `ReferenceDataError` where one makes no sense or undercuts the law."""

    def __init__(self, limits: Sequence[AccessLimits]) -> None:
        self._limits = sorted(limits, key=lambda known: known.effective_from)
        if not self._limits:
            raise ReferenceDataError("access.yaml: no limits are in force")
        for known in self._limits:
            where = f"access.yaml: {known.effective_from}"
            counts = (
                known.glass_minutes,
                known.reason_least,
                known.glass_barred_days,
                known.unusual_children,
                known.unusual_minutes,
            )
            if min(counts) < 1:
                raise ReferenceDataError(f"{where}: every limit is at least 1")
            if known.log_months < known.log_months_least:
                raise ReferenceDataError(f"{where}: the log is kept for at least {known.log_months_least} months")
            if not (known.legal_source_vi and known.legal_source_en):
                raise ReferenceDataError(f"{where}: the source is needed in both languages")

    @classmethod
    @cache
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        rows: list[Mapping[str, object]] = read_yaml("access.yaml")
        try:
            return cls([AccessLimits(**row) for row in rows])  # type: ignore[arg-type]
        except TypeError as error:
            raise ReferenceDataError(f"access.yaml: {error}") from None

    def on(self, now: datetime) -> AccessLimits:
        """The limits in force at a moment; before the first, the first."""
        day = now.astimezone(LOCAL).date()
        return next((known for known in reversed(self._limits) if known.effective_from <= day), self._limits[0])

    def __len__(self) -> int:
        return len(self._limits)
