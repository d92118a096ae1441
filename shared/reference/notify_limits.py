"""How much and when people are told: bounds, quiet hours, digests, who stands in. Data with source and effective
date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from typing import Self

from shared.reference.files import kept
from shared.reference.limits import Limits, LimitsByDay, read_limits

_FILE = "notify-limits.yaml"
_MOST_GUESSES = 100


@dataclass(frozen=True, slots=True)
class NotifyLimits(Limits):
    """The numbers in force from a day on; what each means is said in the data file."""

    per_hour: int
    per_day: int
    quiet_from: str
    quiet_to: str
    digest_at: str
    digest_weekday: int
    away: Mapping[str, str]
    away_most_days: int
    away_ahead_days: int
    absences_most: int
    endpoints_most: int
    endpoints_per_day: int
    agreement_most_years: int
    retraction_days: int
    proof_minutes: float
    proof_wrong: int
    proof_again_seconds: float
    proof_per_day: int
    proof_owner_per_day: int

    @property
    def quiet(self) -> tuple[time, time]:
        """From when until when it is quiet, where people live."""
        return time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_to)

    @property
    def digest_time(self) -> time:
        """When collected notices come."""
        return time.fromisoformat(self.digest_at)

    def problems(self) -> Iterator[str]:
        """What makes no sense."""
        counts = [
            self.per_hour,
            self.away_most_days,
            self.absences_most,
            self.endpoints_most,
            self.agreement_most_years,
            self.retraction_days,
            self.proof_minutes,
            self.proof_wrong,
            self.proof_per_day,
        ]
        if min(counts) < 1 or self.per_day < self.per_hour:
            yield "every limit is at least 1, and a day's no smaller than an hour's"
        if self.away_ahead_days < self.away_most_days:
            yield "the longest absence ends no later than any may"
        if self.endpoints_per_day < self.endpoints_most:
            yield "whoever begins may make all the endpoints that they may have in a day"
        if self.proof_again_seconds < 0 or self.proof_owner_per_day < self.proof_per_day:
            yield "an owner may ask for no fewer proofs a day than one address may be sent"
        if self.proof_wrong * self.proof_per_day > _MOST_GUESSES:
            yield f"at most {_MOST_GUESSES} codes may be tried a day: six digits are guessed otherwise"
        if not 1 <= self.digest_weekday <= 7:
            yield "digest_weekday is 1 (Monday) to 7"
        for moment in (self.quiet_from, self.quiet_to, self.digest_at):
            try:
                time.fromisoformat(moment)
            except (ValueError, TypeError):
                yield f"{moment} is no time of day"
        if any(role == other for role, other in self.away.items()):
            yield "nobody stands in for themselves"


class NotifyLimitsByDay(LimitsByDay[NotifyLimits]):
    """All limits, past and present. Raises `ReferenceDataError` where one makes no sense or names no source."""

    def __init__(self, limits: Sequence[NotifyLimits]) -> None:
        super().__init__(_FILE, limits)

    @classmethod
    @kept
    def load(cls) -> Self:
        """From the data file. Raises `ReferenceDataError`."""
        return cls(read_limits(_FILE, NotifyLimits))
