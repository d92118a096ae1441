"""What is asked of sectors, and the conferences in which they meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, HereMoment, MaybeWords, Words
from services.cases.domain.model import COMMUNE
from shared.contracts.vocabulary import Day, Sector

MOST_DECISIONS = 12


class RequestTask(ActBase):
    """A sector is asked to do something."""

    act: Literal["request-task"] = "request-task"
    kind: Code
    sector: Sector
    due: Day
    instructions: MaybeWords = None


class CancelTask(ActBase):
    """What was asked of a sector is needed no more."""

    act: Literal["cancel-task"] = "cancel-task"
    task_id: Code
    reason: Words


class ReplyTask(ActBase):
    """The sector's question is answered: it can go on."""

    act: Literal["reply-task"] = "reply-task"
    task_id: Code
    reply: Words


class AgreeDate(ActBase):
    """The date that the sector proposed is good."""

    act: Literal["agree-date"] = "agree-date"
    task_id: Code


class RefuseDate(ActBase):
    """The present date stands."""

    act: Literal["refuse-date"] = "refuse-date"
    task_id: Code
    reason: Words


class RemindTask(ActBase):
    """The sector is reminded; once a day a task."""

    act: Literal["remind-task"] = "remind-task"
    task_id: Code


class ReassignTask(ActBase):
    """Another sector is asked, or the same until another date; also where the first declined."""

    act: Literal["reassign-task"] = "reassign-task"
    task_id: Code
    sector: Annotated[Sector | None, EmptyIsNone] = None
    due: Day
    reason: Words
    instructions: MaybeWords = None


class DoWithout(ActBase):
    """The sector declined, and the commune goes on without."""

    act: Literal["do-without"] = "do-without"
    task_id: Code
    reason: Words


def _ticked(value: Any) -> Any:
    """Boxes ticked on a page come as `{sector: "true"}`."""
    return list(value) if isinstance(value, Mapping) else value


def _rows(value: Any) -> Any:
    """Rows filled in on a page come as `{"0.what": …, "0.due": …}`; the empty ones are None."""
    if not isinstance(value, Mapping):
        return value
    rows: list[dict[str, Any] | None] = [None] * MOST_DECISIONS
    for name, given in value.items():
        place, _, field = str(name).partition(".")
        if not (place.isdecimal() and len(place) < 3 and int(place) < MOST_DECISIONS):
            return [None] * (MOST_DECISIONS + 1)
        rows[int(place)] = {**(rows[int(place)] or {}), field: given}
    # A choice that stands in every row of the form says nothing by itself.
    return [row if row and set(row) - {"kind"} else None for row in rows]


class ConferenceDecision(ActBase):
    """What was decided: who does what until when."""

    what: Words
    who: Sector | Literal["commune"]
    due: Day
    kind: Code = "meeting-decision"

    @property
    def sector(self) -> str:
        """Under which name it stands among the tasks."""
        return COMMUNE if self.who == "commune" else self.who


class CallConference(ActBase):
    """Sectors are invited to meet about the child."""

    act: Literal["call-conference"] = "call-conference"
    meets_at: HereMoment
    place: Words
    sectors: Annotated[list[Sector], BeforeValidator(_ticked), Field(min_length=1, max_length=7)]
    purpose: Words


class HoldConference(ActBase):
    """They met: who came, what was said, what was decided."""

    act: Literal["hold-conference"] = "hold-conference"
    held_on: Day
    people: Words
    minutes: Words
    decisions: Annotated[list[ConferenceDecision | None], BeforeValidator(_rows), Field(max_length=MOST_DECISIONS)] = (
        Field(default_factory=list)
    )


class CancelConference(ActBase):
    """They do not meet after all."""

    act: Literal["cancel-conference"] = "cancel-conference"
    reason: Words
