"""Official periods: which may be closed, what an edition of one holds, and how two editions differ. Pure.

An edition is frozen: its content is bytes, numbered and signed, and a later correction is a further edition with its
reason. It must never hold a word about anybody: codes and numbers only.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

import orjson

from services.stats.domain.measures import UNIT
from services.stats.domain.periods import Period, Span
from services.stats.domain.reading import is_judged
from shared.contracts.errors import Rejected, Violation, refuse
from shared.reference.indicators import Indicator, NumberUnit, Target

CLOSABLE: Final[tuple[Span, ...]] = ("month", "quarter", "half-year", "year")
FORMAT: Final = "vongtay.closed-period/1"
# Of whom an edition is: those who see figures as they are, or everybody.
Audience = Literal["exact", "published"]
# How a figure stands to its target; `running`: the target lies ahead.
Verdict = Literal["met", "missed", "running", ""]
_NOBODY: Final = (0.0, 0, None)
# Of an official letter: 12/BC-SYT, 345/UBND-VX. Nothing in it can be a name.
_REFERENCE: Final = re.compile(r"\d{1,6}(/\d{4})?/[A-ZĐ]{1,12}(-[A-ZĐ]{1,12}){0,3}")


class Frozen(NamedTuple):
    """One figure. `dimension`: empty for the whole province; `category`: the value of it. `hidden`: why it is not
    published; then it has no value."""

    indicator: str
    period: str
    dimension: str
    category: str
    value: float | None
    numerator: int | None
    denominator: int | None
    hidden: str = ""

    @property
    def place(self) -> tuple[str, str, str, str]:
        """Which figure it is."""
        return self[0], self[1], self[2], self[3]

    @property
    def said(self) -> tuple[float | None, int | None, int | None]:
        """What it says."""
        return self[4], self[5], self[6]


class Change(NamedTuple):
    """A figure that a revision says anew; `before` or `after` is None where there was, or is, nothing of it."""

    indicator: str
    period: str
    dimension: str
    category: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Named:
    """An indicator as it was when the period was closed: later data may name it otherwise.

    `target`: what it can be compared with; `due`: whether that must be reached in the period.
    """

    code: str
    theme: str
    vi: str
    en: str
    unit: NumberUnit
    better: str
    source_vi: str
    source_en: str
    note_vi: str = ""
    note_en: str = ""
    target: float | None = None
    target_year: int | None = None
    due: bool = False

    def label(self, language: str = "vi") -> str:
        """Its name."""
        return self.vi if language == "vi" else self.en

    def verdict(self, value: float | None, period: Period) -> Verdict:
        """How a figure of a period that is over stands to the target; empty where nothing can be said."""
        if value is None or self.target is None or self.better == "neither":
            return ""
        if not self.due and period.span != "year":
            return "running"
        if value <= self.target if self.better == "lower" else value >= self.target:
            return "met"
        return "missed" if self.due else "running"


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a closed period.

    `edition`: 0 is the closing, then its revisions. `number`: of all editions of a year, `07/2026`. `as_of`: what was
    known then. `before`: digest of the edition that it revises, in hexadecimal. `by`: account id, empty if published.
    """

    period: Period
    edition: int
    number: str
    audience: Audience
    as_of: datetime
    at: datetime
    by: str
    indicators: tuple[Named, ...]
    figures: tuple[Frozen, ...]
    reason: str = ""
    reference: str = ""
    before: str = ""
    changes: tuple[Change, ...] = ()

    def content(self) -> bytes:
        """The bytes that are signed: JSON with sorted keys, the same for the same edition."""
        body = asdict(self) | {
            "format": FORMAT,
            "period": self.period.code,
            "first": self.period.first,
            "last": self.period.last,
            "figures": [list(figure) for figure in self.figures],
            "changes": [list(change) for change in self.changes],
        }
        return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)

    @classmethod
    def read(cls, content: bytes) -> Edition:
        """From its bytes."""
        body: dict[str, Any] = orjson.loads(content)
        return cls(
            period=Period.parse(body["period"]),
            edition=body["edition"],
            number=body["number"],
            audience=body["audience"],
            as_of=datetime.fromisoformat(body["as_of"]),
            at=datetime.fromisoformat(body["at"]),
            by=body["by"],
            indicators=tuple(Named(**row) for row in body["indicators"]),
            figures=tuple(Frozen(*row) for row in body["figures"]),
            reason=body["reason"],
            reference=body["reference"],
            before=body["before"],
            changes=tuple(Change(*row) for row in body["changes"]),
        )

    def of_units(self, units: Collection[str]) -> Edition:
        """What somebody sees of it who sees figures of some communes only: those communes' own."""
        keep = tuple(row for row in self.figures if row.dimension == UNIT and row.category in units)
        changed = tuple(row for row in self.changes if row.dimension == UNIT and row.category in units)
        return replace(self, figures=keep, changes=changed)

    def at_place(self) -> Mapping[tuple[str, str, str, str], Frozen]:
        """Its figures by which they are."""
        return {figure.place: figure for figure in self.figures}


def digest(content: bytes) -> bytes:
    """SHA-256, by which people compare what they hold with what was closed."""
    return sha256(content).digest()


def named(indicator: Indicator, period: Period, goal: Target | None) -> Named:
    """An indicator as a period's edition keeps it, with what it is compared with."""
    told = goal is not None and goal.value is not None
    return Named(
        code=indicator.code,
        theme=indicator.theme,
        vi=indicator.vi,
        en=indicator.en,
        unit=indicator.unit,
        better=indicator.better,
        source_vi=indicator.legal_source_vi,
        source_en=indicator.legal_source_en,
        note_vi=indicator.note_vi,
        note_en=indicator.note_en,
        target=goal.value if goal else None,
        target_year=goal.year if goal and told else None,
        due=goal is not None and told and goal.due(period.last.year) and is_judged(indicator, period, goal),
    )


def changes(before: Sequence[Frozen], after: Sequence[Frozen]) -> list[Change]:
    """What the later one says otherwise, in the order of places. A count of nobody and none at all say the same:
    editions of the first months kept no zeros."""
    old = {figure.place: figure for figure in before}
    new = {figure.place: figure for figure in after}
    found = []
    for place in sorted(old.keys() | new.keys()):
        one, other = old.get(place), new.get(place)
        if _said(one) != _said(other):
            found.append(Change(*place, one.value if one else None, other.value if other else None))
    return found


def _said(figure: Frozen | None) -> tuple[float | None, int | None, int | None]:
    return _NOBODY if figure is None else figure.said


def check_closing(period: Period, now_first: datetime, last_known: datetime, beginning: date | None) -> None:
    """Whether a period may be closed with what was known at `last_known`. `now_first`: the moment at which it is over.
    `beginning`: the day from which anything was counted; None: nothing was yet.

    Raises `Rejected` (period-not-closable, period-not-over, period-before-beginning).
    """
    if period.span not in CLOSABLE:
        raise refuse(
            "period",
            "period-not-closable",
            "Chỉ chốt số liệu theo tháng, quý, sáu tháng hoặc năm.",
            "Only a month, a quarter, a half-year or a year is closed.",
        )
    if last_known < now_first:
        raise refuse(
            "period",
            "period-not-over",
            "Kỳ này chưa kết thúc: chốt được từ ngày sau ngày cuối kỳ.",
            "This period is not over: it can be closed from the day after its last.",
        )
    if beginning is None:
        raise refuse(
            "period",
            "period-before-beginning",
            "Hệ thống chưa ghi nhận tin báo, hồ sơ nào nên chưa có gì để chốt.",
            "Nothing has been recorded on the platform yet: there is nothing to close.",
        )
    if period.last < beginning:
        day = beginning.strftime("%d/%m/%Y")
        raise refuse(
            "period",
            "period-before-beginning",
            f"Kỳ này kết thúc trước ngày hệ thống bắt đầu ghi nhận số liệu ({day}): không có số để chốt.",
            f"This period ended before anything was recorded on the platform ({day}): there is nothing to close.",
        )


def check_reason(reason: str, reasons: Collection[str], reference: str) -> None:
    """Raises `Rejected` for a reason that is on no list, or a reference that is no letter's number."""
    wrong = []
    if reason not in reasons:
        wrong.append(
            Violation(
                "reason",
                "reason-not-listed",
                "Chọn lý do đính chính trong danh sách.",
                "Choose the reason of the revision from the list.",
            )
        )
    if reference and not _REFERENCE.fullmatch(reference):
        wrong.append(
            Violation(
                "reference",
                "reference-invalid",
                "Ghi số, ký hiệu văn bản như 12/BC-SYT hoặc 345/2026/QĐ-UBND; không ghi tên người.",
                "Write a letter's number, such as 12/BC-SYT or 345/2026/QD-UBND; no names.",
            )
        )
    if wrong:
        raise Rejected(wrong)
