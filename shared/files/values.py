"""One cell to one value of an event. A cell that means nothing gives None or a rule's name, never a guess."""

from __future__ import annotations

import re
import unicodedata
from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from shared.contracts.vocabulary import BirthPrecision
from shared.files.tables import Cell
from shared.reference.calendar import LOCAL
from shared.reference.text import fold as fold_text
from shared.reference.units import Units

_DATE = re.compile(r"^(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})$")
_ISO_DATE = re.compile(r"^(\d{4})-(\d{1,2})-(\d{1,2})")
_MONTH = re.compile(r"^(\d{1,2})[/.\- ](\d{4})$", re.ASCII)
_YEAR = re.compile(r"^(?:19|20)\d\d$", re.ASCII)
_MOMENT = re.compile(r"^(\S+?)[ T]+(\d{1,2})[:hg](\d{2})(?::(\d{2})(?:\.\d+)?)?$")
_TOTAL = re.compile(r"(tổng cộng|tổng số|tổng|cộng)\b[\s:]*(\d[\d.,\s]*)?(trẻ em|trẻ|em|cháu|học sinh)?[.\s]*$")
_SEVERAL = re.compile(r"[;+|/]")
_AGE = re.compile(r"^(\d{1,2})\s*(?:t|tuoi)?$")
# A column of codes, sexes or communes says the same few things over and over; the bound keeps memory the same.
fold = lru_cache(20_000)(fold_text)
_EXCEL_EPOCH = date(1899, 12, 30)
_SEXES = {"nam": "male", "trai": "male", "m": "male", "nu": "female", "gai": "female", "f": "female"}


class BadCell(ValueError):  # noqa: N818 - says what the cell is
    """A cell that cannot be what its column says."""


def as_text(cell: Cell) -> str | None:
    """Any cell as text, as a person reads it."""
    if cell is None:
        return None
    return cell.strftime("%d/%m/%Y") if isinstance(cell, datetime) else str(cell)


def as_date(cell: Cell) -> date | None:
    """A date cell, dd/mm/yyyy, or ISO 8601. Raises `BadCell`."""
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, int) and 10_000 < cell < 80_000:  # a date cell that lost its format
        return _EXCEL_EPOCH + timedelta(days=cell)
    text = str(cell).strip()
    try:
        if match := _DATE.match(text):
            day, month, year = map(int, match.groups())
            return date(year, month, day)
        if match := _ISO_DATE.match(text):
            year, month, day = map(int, match.groups())
            return date(year, month, day)
    except ValueError:
        pass
    raise BadCell("date")


def as_birth(cell: Cell) -> tuple[date, BirthPrecision | None] | None:
    """A birth as much as is known of it: a date, a month ("09/2016") or a year ("2016"), each by its first day. Raises
    `BadCell`."""
    if cell is None:
        return None
    if partly := part_of_birth(str(cell)):
        return partly
    day = as_date(cell)
    return None if day is None else (day, None)


@lru_cache(20_000)
def part_of_birth(text: str) -> tuple[date, BirthPrecision] | None:
    """A month (03/2016) or a year of birth; None for anything else, a month that there is not among it."""
    text = text.strip()
    if match := _MONTH.match(text):
        month, year = map(int, match.groups())
        return (date(year, month, 1), "month") if 1 <= month <= 12 and year > 0 else None
    return (date(int(text), 1, 1), "year") if _YEAR.match(text) else None


def latest_birth(born: date, cell: Cell) -> date:
    """The last day that a birth may be of, of which the cell says a day, a month or a year."""
    partly = part_of_birth(str(cell))
    if partly is None:
        return born
    return date(born.year, 12, 31) if partly[1] == "year" else born.replace(day=monthrange(born.year, born.month)[1])


def is_total(cell: Cell) -> bool:
    """Whether it is the foot of a list ("Tổng cộng: 8"). Told by its marks: Tống Công is a person's name."""
    return _TOTAL.match(unicodedata.normalize("NFC", str(cell)).lower().strip()) is not None


def as_moment(cell: Cell) -> datetime | None:
    """A date with a time of day in Việt Nam, or an RFC 3339 time, in UTC. Raises `BadCell`."""
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=LOCAL).astimezone(UTC)
    text = str(cell).strip()
    try:
        if match := _MOMENT.match(text):
            day = as_date(match[1])
            clock = time(int(match[2]), int(match[3]), int(match[4] or 0))
            return datetime.combine(day or date.min, clock, LOCAL).astimezone(UTC)
        if "T" in text:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return (moment if moment.tzinfo else moment.replace(tzinfo=LOCAL)).astimezone(UTC)
        day = as_date(text)
    except (ValueError, OverflowError):
        raise BadCell("moment") from None
    return datetime.combine(day, time(), LOCAL).astimezone(UTC) if day else None


def as_age(cell: Cell) -> int | None:
    """Years: 7, "7 tuổi"; None where it says no age."""
    match = _AGE.match(fold(str(cell))) if cell is not None and not isinstance(cell, datetime) else None
    return int(match[1]) if match else None


def as_integer(cell: Cell) -> int | None:
    """A whole number. Raises `BadCell`."""
    if cell is None:
        return None
    try:
        return int(str(cell).strip())
    except ValueError:
        raise BadCell("integer") from None


def as_sex(cell: Cell) -> str:
    """male, female, unknown."""
    return _SEXES.get(fold(str(cell)), "unknown") if cell is not None else "unknown"


def as_unit(cell: Cell, units: Units) -> str | None:
    """The five-digit code of a commune that somebody wrote by code or by name; None when not known."""
    text = as_text(cell)
    if text is None:
        return None
    return _unit(text, units)


@lru_cache(20_000)
def _unit(text: str, units: Units) -> str | None:
    if text.isdigit() and len(text) in {4, 5}:  # a spreadsheet eats the leading zero
        return units.current(text.zfill(5))
    return units.find(text)


def one_of(cell: Cell, values: dict[str, Any], otherwise: Any) -> Any:
    """What a table says of a cell, spelling and diacritics aside; `otherwise` where it says nothing."""
    if cell is None:
        return otherwise
    return values.get(fold(str(cell)), otherwise)


def some_of(cell: Cell, values: dict[str, Any], otherwise: Any) -> list[Any] | None:
    """What a table says of a cell that may name several things («Khuyết tật; Bị bạo lực»), each once, in order."""
    if cell is None:
        return None if otherwise is None else [otherwise]
    text = str(cell)
    parts = [text] if fold(text) in values else [part for part in _SEVERAL.split(text) if part.strip()]
    meant = (values.get(fold(part), otherwise) for part in parts)
    return list(dict.fromkeys(one for one in meant if one is not None)) or None
