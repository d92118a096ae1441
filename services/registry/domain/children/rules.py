"""What cannot be taken over of a statement, and why. What is only odd is warned of (warnings), not refused."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from services.registry.domain.names import fold
from shared.contracts.errors import Violation
from shared.contracts.vocabulary import ChildDescription, age_on

# Law on Children 102/2016, Art. 1: a child is a person under 16.
ADULT_AGE: Final = 16


def refusals(description: ChildDescription, as_of: date, today: date, *, named: bool = True) -> list[Violation]:
    """Why a statement on a child cannot be taken over; empty where it can.

    Args:
        as_of: the source's own date. today: in the province. named: whether a name is asked for.
    """
    found: list[Violation] = []
    if as_of > today:
        found.append(
            Violation(
                "as_of",
                "as-of-in-future",
                "Thời điểm của sổ không được sau ngày hôm nay.",
                "The register's date must not be after today.",
            )
        )
    if named and not fold(description.name):
        found.append(Violation("name", "name-missing", "Phải có họ và tên của trẻ.", "The child's name is required."))
    born = description.birth_date
    if born is not None and born > min(as_of, today):
        found.append(
            Violation(
                "birth_date",
                "birth-date-in-future",
                "Ngày sinh không được sau thời điểm của sổ.",
                "The birth date must not be after the register's date.",
            )
        )
    elif is_adult(description, as_of):
        found.append(
            Violation(
                "birth_date",
                "not-a-child",
                "Người này đã từ 16 tuổi trở lên vào thời điểm của sổ (Luật Trẻ em 2016, Điều 1).",
                "This person was 16 or older on the register's date (Law on Children 2016, Art. 1).",
            )
        )
    return found


def is_adult(description: ChildDescription, day: date) -> bool:
    """Whether the described person was 16 or more on `day`, as far as one can tell."""
    born = latest_birth(description)
    if born is not None:
        return age_on(born, day) >= ADULT_AGE
    return description.age is not None and description.age >= ADULT_AGE


def latest_birth(description: ChildDescription) -> date | None:
    """The latest day on which the child can have been born, where only the month or the year is known."""
    born = description.birth_date
    if born is None or description.birth_precision in {None, "day"}:
        return born
    following = date(born.year + 1, 1, 1)
    if description.birth_precision == "month" and born.month < 12:
        following = date(born.year, born.month + 1, 1)
    return following - timedelta(days=1)


def circumstance_refusals(since: date, until: date | None, today: date, *, listed: bool) -> list[Violation]:
    """Why a circumstance cannot be taken over. `listed`: whether the reference data knows its code."""
    found: list[Violation] = []
    if not listed:
        found.append(
            Violation(
                "circumstance",
                "circumstance-unknown",
                "Hoàn cảnh không có trong danh mục.",
                "The circumstance is not in the list.",
            )
        )
    if since > today:
        found.append(
            Violation(
                "since",
                "since-in-future",
                "Ngày bắt đầu không được sau ngày hôm nay.",
                "The first day must not be after today.",
            )
        )
    if until is not None and until < since:
        found.append(
            Violation(
                "until",
                "until-before-since",
                "Ngày kết thúc không được trước ngày bắt đầu.",
                "The last day must not be before the first.",
            )
        )
    return found
