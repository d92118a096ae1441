"""What may leave the registry in one file: which children, which fields, how much on one day, and the mark it carries.

It must never let a field out that was not chosen, nor a record that is protected or closed for good.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal, get_args

from services.registry.domain.lifecycle import HIDDEN
from shared.contracts.errors import Violation
from shared.contracts.vocabulary import ChildDescription, RecordState, RecordStatus, Sex
from shared.reference.registry_fields import ExportField, ExportLimits

Kind = Literal["csv", "xlsx", "fhir", "dhis2"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_LONGEST_PURPOSE: Final = 300


@dataclass(frozen=True, slots=True)
class Filter:
    """Which children. `units`: None for all of the person's. Texts are compared without regard to case; `school` is
    any part of the name. `status`: None for all that may leave."""

    units: tuple[str, ...] | None = None
    hamlet: str | None = None
    born_from: int | None = None
    born_to: int | None = None
    sex: Sex | None = None
    circumstance: str | None = None
    school: str | None = None
    state: RecordState | None = None
    status: str | None = "active"


@dataclass(frozen=True, slots=True)
class Leaving:
    """A child's record on its way out, whole: each format takes of it what was chosen."""

    id: str
    version: int
    description: ChildDescription
    unit: str | None
    birth_year: int | None
    circumstances: tuple[str, ...]
    state: RecordState
    status: RecordStatus
    verified_on: date | None
    due_on: date | None
    confirmed_on: date
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Mark:
    """What every file says of itself: which export it is, by whom, when (in the province), what for."""

    export_id: str
    name: str
    account: str
    at: datetime
    purpose: str

    def text(self) -> str:
        """One line for people, in Vietnamese as the file is."""
        when = self.at.strftime("%d/%m/%Y %H:%M")
        return (
            f"Mật, dữ liệu cá nhân của trẻ em. Người xuất: {self.name} ({self.account}), lúc {when}. "
            f"Mục đích: {self.purpose}. Mã lần xuất: {self.export_id}"
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account took along today."""

    exports: int
    children: int


def chosen_fields(
    allowed: Sequence[ExportField], wanted: Collection[str] | None
) -> tuple[tuple[str, ...], list[Violation]]:
    """The fields to write, in the columns' order. `wanted`: None for all that are not sensitive.

    Out: the codes, and why some cannot be had.
    """
    if wanted is None:
        return tuple(field.code for field in allowed if not field.sensitive), []
    strange = set(wanted) - {field.code for field in allowed}
    if strange:
        return (), [_FIELD_NOT_ALLOWED]
    codes = tuple(field.code for field in allowed if field.code in wanted)
    return codes, [] if codes else [_NO_FIELD]


def purpose_refusals(purpose: str, limits: ExportLimits) -> list[Violation]:
    """Why a purpose does not do."""
    if any(not sign.isprintable() for sign in purpose):
        return [_PURPOSE_UNREADABLE]
    if not limits.purpose_least <= len(purpose) <= _LONGEST_PURPOSE:
        least = limits.purpose_least
        return [
            Violation(
                "purpose",
                "purpose-length",
                f"Ghi rõ xuất để làm gì, từ {least} đến {_LONGEST_PURPOSE} ký tự.",
                f"Say what it is for, in {least} to {_LONGEST_PURPOSE} characters.",
            )
        ]
    return []


def filter_refusals(wanted: Filter) -> list[Violation]:
    """What is wrong with a filter."""
    found: list[Violation] = []
    for name in ("hamlet", "school"):
        if "\x00" in (getattr(wanted, name) or ""):
            found.append(_unreadable(name))
    if wanted.born_from and wanted.born_to and wanted.born_from > wanted.born_to:
        found.append(_YEARS_SWAPPED)
    if wanted.status in HIDDEN:
        found.append(_STATUS_HIDDEN)
    return found


def quota_refusals(limits: ExportLimits, role: str, used: Usage, children: int) -> list[Violation]:
    """Why so many children cannot leave today."""
    quota = limits.roles[role]
    if children == 0:
        return [_NOBODY]
    if used.exports >= quota.exports_per_day:
        return [
            Violation(
                "export",
                "exports-per-day",
                f"Mỗi ngày được xuất tối đa {quota.exports_per_day} lần; hôm nay đã đủ.",
                f"At most {quota.exports_per_day} exports a day; today's are used up.",
            )
        ]
    if used.children + children > quota.children_per_day:
        left = max(0, quota.children_per_day - used.children)
        return [
            Violation(
                "export",
                "children-per-day",
                f"Bộ lọc này có {children} trẻ; hôm nay còn được xuất {left} trẻ.",
                f"This filter has {children} children; {left} may still be exported today.",
            )
        ]
    return []


def _unreadable(field: str) -> Violation:
    return Violation(field, "nul-character", "Có ký tự không đọc được.", "It holds a character that cannot be read.")


_FIELD_NOT_ALLOWED = Violation(
    "fields",
    "field-not-allowed",
    "Có mục mà vai trò của anh chị không được xuất, hoặc không có trong danh mục.",
    "It names a field that your role may not export, or that is not in the list.",
)
_NO_FIELD = Violation("fields", "no-field", "Chọn ít nhất một mục.", "Choose at least one field.")
_PURPOSE_UNREADABLE = _unreadable("purpose")
_YEARS_SWAPPED = Violation(
    "born_to",
    "years-swapped",
    "Năm sinh sau phải từ năm sinh trước trở đi.",
    "The last year must not be before the first.",
)
_STATUS_HIDDEN = Violation(
    "status",
    "status-hidden",
    "Hồ sơ đã khép lại hoặc được bảo vệ không được xuất.",
    "Records that are closed for good or protected are never exported.",
)
_NOBODY = Violation("export", "nobody", "Không có trẻ nào phù hợp bộ lọc này.", "No child fits this filter.")
