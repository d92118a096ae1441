"""The periods that figures are of: day, week, month, quarter, half-year, year, school year, plan period.

A period has a code that stands in addresses, files and reports (`2026-11-25`, `2026-W48`, `2026-11`, `2026-Q4`,
`2026-H2`, `2026`, `2026-SY`, `2026..2030`), first and last day in Việt Nam's time, and one before it. Codes of days,
weeks, months and years are those of ISO 8601; a school year begins on 5 September (Education Law 43/2019/QH14 leaves
its dates to the minister, whose yearly decision names that day) and is named by the year in which it begins.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal, Self, get_args

from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import FIRST_YEAR, LAST_YEAR

Span = Literal["day", "week", "month", "quarter", "half-year", "year", "school-year", "plan"]
SPANS: Final[tuple[Span, ...]] = get_args(Span)
_SCHOOL_BEGINS: Final = (9, 5)
_MONTHS: Final[dict[Span, int]] = {"month": 1, "quarter": 3, "half-year": 6, "year": 12}
_FORMS: Final[Mapping[Span, re.Pattern[str]]] = {
    "day": re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII),
    "week": re.compile(r"(\d{4})-W(\d{2})", re.ASCII),
    "quarter": re.compile(r"(\d{4})-Q([1-4])", re.ASCII),
    "half-year": re.compile(r"(\d{4})-H([12])", re.ASCII),
    "school-year": re.compile(r"(\d{4})-SY", re.ASCII),
    "month": re.compile(r"(\d{4})-(\d{2})", re.ASCII),
    "year": re.compile(r"(\d{4})", re.ASCII),
    "plan": re.compile(r"(\d{4})\.\.(\d{4})", re.ASCII),
}


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One period. `first` and `last` are its days, both included."""

    first: date
    last: date
    span: Span
    code: str

    @classmethod
    def parse(cls, code: str) -> Self:
        """From its code. Raises `Rejected` for anything else, naming the forms."""
        for span, form in _FORMS.items():
            found = form.fullmatch(code)
            if found:
                try:
                    return cls._of(span, [int(part) for part in found.groups()])._within_calendar()
                except ValueError:
                    break
        forms = "2026-11-25, 2026-W48, 2026-11, 2026-Q4, 2026-H2, 2026, 2026-SY, 2026..2030"
        raise Rejected(
            [Violation("period", "period-unknown", f"Kỳ phải viết như: {forms}.", f"A period is written as: {forms}.")]
        )

    @classmethod
    def containing(cls, day: date, span: Span) -> Self:
        """The period of a span (a plan's excepted: the law says which) in which a day lies. Raises ValueError."""
        if span == "day":
            return cls._of(span, [day.year, day.month, day.day])
        if span == "week":
            year, week, _ = day.isocalendar()
            return cls._of(span, [year, week])
        if span == "school-year":
            return cls._of(span, [day.year if (day.month, day.day) >= _SCHOOL_BEGINS else day.year - 1])
        if span == "plan":
            raise ValueError("a plan's period is the plan's to say")
        months = _MONTHS[span]
        return cls._of(span, [day.year, (day.month - 1) // months + 1])

    @classmethod
    def _of(cls, span: Span, parts: list[int]) -> Self:
        year = parts[0]
        if not (FIRST_YEAR <= year <= LAST_YEAR):
            raise ValueError("out of the calendar")
        if span == "day":
            day = date(*parts)
            return cls(day, day, span, day.isoformat())
        if span == "week":
            first = date.fromisocalendar(year, parts[1], 1)
            return cls(first, first + timedelta(days=6), span, f"{year:04d}-W{parts[1]:02d}")
        if span == "school-year":
            first = date(year, *_SCHOOL_BEGINS)
            return cls(first, date(year + 1, *_SCHOOL_BEGINS) - timedelta(days=1), span, f"{year:04d}-SY")
        if span == "plan":
            if not year < parts[1] <= LAST_YEAR:
                raise ValueError("a plan runs forward")
            return cls(date(year, 1, 1), date(parts[1], 12, 31), span, f"{year:04d}..{parts[1]:04d}")
        months = _MONTHS[span]
        number = parts[1] if len(parts) > 1 else 1
        first_month = (number - 1) * months + 1
        if not 1 <= first_month <= 12:
            raise ValueError("no such month")
        last_month = first_month + months - 1
        last = date(year, last_month, monthrange(year, last_month)[1])
        return cls(date(year, first_month, 1), last, span, _CODES[span](year, number))

    def _within_calendar(self) -> Self:
        """Itself, where there are periods around it to compare it with. Raises ValueError where there are none."""
        for beside in (self.previous.first, self.year_before.first, self.last + timedelta(days=1)):
            if not (FIRST_YEAR <= beside.year <= LAST_YEAR):
                raise ValueError("at the edge of the calendar")
        return self

    @property
    def previous(self) -> Period:
        """The one before, of the same length."""
        if self.span == "plan":
            years = self.last.year - self.first.year + 1
            return Period._of("plan", [self.first.year - years, self.last.year - years])
        return Period.containing(self.first - timedelta(days=1), self.span)

    @property
    def year_before(self) -> Period:
        """The same part of the year before; of a plan, the plan before."""
        if self.span in {"plan", "year", "school-year"}:
            return self.previous
        if self.span == "week":
            # Not every year has a week 53: its last week is compared then.
            year, week, _ = self.first.isocalendar()
            last = date(year - 1, 12, 28).isocalendar().week
            return Period._of("week", [year - 1, min(week, last)])
        if self.span == "day":
            first = self.first
            last_day = monthrange(first.year - 1, first.month)[1]
            return Period._of("day", [first.year - 1, first.month, min(first.day, last_day)])
        return Period.containing(date(self.first.year - 1, self.first.month, 1), self.span)

    def parts(self, span: Span) -> Iterator[Period]:
        """Its parts of a shorter span, in order; those that begin in it."""
        part = Period.containing(self.first, span)
        if part.first < self.first:
            part = Period.containing(part.last + timedelta(days=1), span)
        while part.first <= self.last:
            yield part
            part = Period.containing(part.last + timedelta(days=1), span)

    def before(self, count: int) -> list[Period]:
        """It and those before it, `count` in all, the oldest first: what a trend shows."""
        found: list[Period] = [self]
        while len(found) < count and 2 * found[-1].first.year - found[-1].last.year > FIRST_YEAR + 1:
            found.append(found[-1].previous)
        return found[::-1]


_CODES: Final[dict[Span, Callable[[int, int], str]]] = {
    "month": lambda year, number: f"{year:04d}-{number:02d}",
    "quarter": lambda year, number: f"{year:04d}-Q{number}",
    "half-year": lambda year, number: f"{year:04d}-H{number}",
    "year": lambda year, _number: f"{year:04d}",
}
