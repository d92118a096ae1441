"""Meetings, services, alternative care and the plan."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, Field

from shared.contracts.base import contract
from shared.contracts.cases.facts import CaseEvent

Meeting = Literal["needs", "conference"]


@contract("cases.meeting.called")
class MeetingCalled(CaseEvent):
    """People of several sectors are asked to meet about the child."""

    meeting: Meeting
    meets_at: AwareDatetime
    sectors: list[str]
    meeting_id: str | None = None


@contract("cases.meeting.held")
class MeetingHeld(CaseEvent):
    """They met; minutes and decisions are in the case file (needs meeting: Decree 56/2017, Art. 27(2))."""

    meeting: Meeting
    held_on: date
    meeting_id: str | None = None


@contract("cases.meeting.cancelled")
class MeetingCancelled(CaseEvent):
    """They do not meet after all; whoever was invited need not come."""

    meeting: Meeting
    meeting_id: str | None = None
    sectors: list[str] = Field(default_factory=list)


@contract("cases.service.provided")
class CaseServiceProvided(CaseEvent):
    """A service was given to the child."""

    service_id: str
    service: str
    provided_on: date
    service_sector: str | None = None


@contract("cases.service.withdrawn")
class CaseServiceWithdrawn(CaseEvent):
    """A service was not given after all: whoever said so corrected it. It is counted no more."""

    service_id: str
    service: str
    provided_on: date
    service_sector: str | None = None


@contract("cases.care.decided")
class CareDecided(CaseEvent):
    """Alternative care of a kind was decided (Decree 56/2017, Art. 42; form 12); the hand-over is awaited."""

    care: str


@contract("cases.care.handed-over")
class CareHandedOver(CaseEvent):
    """The child was handed over to who cares for it."""

    care: str


@contract("cases.care.ended")
class CareEnded(CaseEvent):
    """Alternative care ended."""

    care: str


@contract("cases.plan.drafted")
class PlanDrafted(CaseEvent):
    """A support and intervention plan waits for approval (Art. 28(1); form 04)."""


@contract("cases.plan.approved")
class PlanApproved(CaseEvent):
    """The chair approved the plan (Art. 28(4); form 05)."""


@contract("cases.plan.returned")
class PlanReturned(CaseEvent):
    """The chair gave the plan back."""
