"""Dates as people write and read them here: day/month/year, and of a birth as much as is known."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from shared.contracts.vocabulary import BirthPrecision, ChildDescription
from shared.files.values import part_of_birth

_DAY: Final = re.compile(r"(\d{1,2})[/.\- ](\d{1,2})[/.\- ](\d{4})", re.ASCII)
_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)


def read_day(text: str) -> date:
    """dd/mm/yyyy as people write it, or ISO. Raises ValueError."""
    text = text.strip()
    if match := _ISO.fullmatch(text):
        return date(*map(int, match.groups()))
    if match := _DAY.fullmatch(text):
        day, month, year = map(int, match.groups())
        return date(year, month, day)
    raise ValueError("no date")


def read_birth(text: str) -> tuple[date, BirthPrecision | None]:
    """A birth date as people know it: a day, a month (03/2016) or a year. Raises ValueError."""
    return part_of_birth(text) or (read_day(text), None)


def written_birth(child: ChildDescription) -> str:
    """A birth date as `read_birth` reads it; empty where there is none."""
    born = child.birth_date
    if born is None:
        return ""
    return f"{born:%d/%m/%Y}"[{"month": 3, "year": 6}.get(child.birth_precision or "day", 0) :]
