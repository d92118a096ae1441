"""What has to be done by the date of a notice, and which events say that it was done, or need not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from services.notify.domain.model import Happening
from shared.contracts.base import Contract
from shared.contracts.cases import DeadlineMet, HandoverAnswered

HowSettled = Literal["done", "needless"]
_TASK: Final = "cases.task."
_DEADLINE: Final = "cases.deadline."
_SETTLING: Final[Mapping[str, HowSettled]] = {
    "cases.task.done": "done",
    "cases.task.declined": "needless",
    "cases.task.cancelled": "needless",
    "cases.deadline.met": "done",
    # The chair has decided, whatever it was.
    "cases.plan.approved": "done",
    "cases.plan.returned": "done",
    "cases.case.handover-answered": "done",
}


@dataclass(frozen=True, slots=True)
class SettledMatter:
    """Something that had to be done waits for nobody any more. `at`: when that happened."""

    matter: str
    at: datetime
    how: HowSettled


def matter_of(happening: Happening) -> str | None:
    """What an event is about that has to be done by a date; None where it names nothing of that kind."""
    event_type, codes = happening.event_type, happening.codes
    if event_type.startswith(_TASK) and "task_id" in codes:
        return f"task/{codes['task_id']}"
    if event_type.startswith(_DEADLINE) and "deadline_id" in codes:
        return f"deadline/{codes['deadline_id']}"
    if event_type.startswith("cases.plan."):
        return f"plan/{happening.case_id}"
    return f"handover/{happening.case_id}" if event_type.startswith("cases.case.handover-") else None


def asked_by(happening: Happening) -> str | None:
    """What a notice of an event asks for by its date; None where it asks for nothing of that kind, also since what
    happened settles it."""
    return None if happening.event_type in _SETTLING else matter_of(happening)


def settled_by(happening: Happening, data: Contract) -> SettledMatter | None:
    """What an event settles; None: nothing."""
    how, matter = _SETTLING.get(happening.event_type), matter_of(happening)
    if how is None or matter is None:
        return None
    taken_back = isinstance(data, HandoverAnswered) and data.answer == "withdrawn"
    not_needed = isinstance(data, DeadlineMet) and data.state in {"cancelled", "lapsed"}
    return SettledMatter(matter, happening.time, "needless" if taken_back or not_needed else how)
