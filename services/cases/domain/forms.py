"""The rated forms: rows, totals and what they suggest (forms 02 and 03 of Decree 56/2017).

Pure. The software totals and suggests; the worker concludes, and says why where the conclusion is milder.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.cases.domain.model import RISK_ORDER

Rating = Literal["high", "medium", "low"]
RATINGS: tuple[Rating, ...] = ("high", "medium", "low")

# msgids. Form 02: harm to the child, and how far the child can protect itself.
HARM_ROWS: Mapping[str, str] = {
    "severity": "Mức độ trẻ bị tổn hại",
    "access": "Khả năng người gây hại tiếp cận trẻ",
    "care-barriers": "Trở ngại trong môi trường chăm sóc đối với việc bảo vệ trẻ",
}
PROTECTION_ROWS: Mapping[str, str] = {
    "resists": "Khả năng tự bảo vệ của trẻ trước hành vi xâm hại",
    "knows-helpers": "Khả năng biết những người có thể bảo vệ mình",
    "seeks-help": "Khả năng kêu gọi và thực hiện yêu cầu bảo vệ",
}
ROWS = (*HARM_ROWS, *PROTECTION_ROWS)


@dataclass(frozen=True, slots=True)
class Totals:
    """How many rows of each half were rated high, medium, low."""

    harm: Mapping[Rating, int]
    protection: Mapping[Rating, int]

    @property
    def suggested(self) -> Rating:
        """What the totals suggest: high where harm outweighs protection, low where it is clearly the lesser."""
        if self.harm["high"] > self.protection["high"]:
            return "high"
        if self.harm["high"] == 0 and self.harm["low"] >= self.harm["medium"]:
            return "low"
        return "medium"


def totals(ratings: Mapping[str, Rating]) -> Totals:
    """In: a rating for each row. Out: the counts of both halves."""

    def counted(rows: Mapping[str, str]) -> dict[Rating, int]:
        return {rating: sum(1 for row in rows if ratings.get(row) == rating) for rating in RATINGS}

    return Totals(counted(HARM_ROWS), counted(PROTECTION_ROWS))


def is_milder(level: Rating, suggested: Rating) -> bool:
    """Whether a conclusion says less risk than the totals suggest."""
    return RISK_ORDER[level] < RISK_ORDER[suggested]
