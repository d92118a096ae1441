"""What another system says of a child, read from its format and not yet believed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from shared.contracts.errors import Violation
from shared.contracts.vocabulary import ChildDescription, in_calendar
from shared.reference.calendar import local_day


@dataclass(frozen=True, slots=True)
class Incoming:
    """One record. `source_id`: the sender's own, the same each time it sends the record again.

    `unit`: a commune code as sent; `place`: words for it; `as_of`: None where the sender does not say.
    `wrong`: why it cannot be taken, by the field of the sender's format. `left_out`: what it held that is not kept.
    """

    source_id: str | None
    description: ChildDescription = field(default_factory=ChildDescription)
    unit: str | None = None
    place: str | None = None
    circumstances: tuple[str, ...] = ()
    as_of: date | None = None
    wrong: tuple[Violation, ...] = ()
    left_out: tuple[Violation, ...] = ()


def left_out(field_name: str) -> Violation:
    """What is said of an element that the registry has no place for."""
    return Violation(
        field_name,
        "not-taken",
        f"Mục «{field_name}» không được lưu: sổ đăng ký không có mục này.",
        f"Element «{field_name}» was not kept: the registry has no place for it.",
    )


def refused(field_name: str, rule: str, vi: str, en: str) -> Violation:
    """A broken rule of the format, said with the field as the sender calls it."""
    return Violation(field_name, rule, f"Mục «{field_name}» {vi}.", f"Element «{field_name}» {en}.")


def day_of(moment: str) -> date | None:
    """The day in the province of a moment as systems write it; a moment without a zone is the province's. None where
    it is no moment, or outside the calendar."""
    try:
        found = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    except ValueError:
        return None
    if not in_calendar(found):
        return None
    return found.date() if found.tzinfo is None else local_day(found)
