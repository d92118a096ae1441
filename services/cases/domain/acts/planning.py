"""The needs meeting, the plan, its services as they are given, and its review."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, FormAct, MaybeWords, Words
from services.cases.domain.forms import Rating
from shared.contracts.vocabulary import Day


class HoldNeedsMeeting(FormAct):
    """Minutes of the meeting with services, neighbours and carers on what the child needs."""

    act: Literal["hold-needs-meeting"] = "hold-needs-meeting"
    held_on: Day


class DraftPlan(FormAct):
    """Form 04: goals, services (rows as the form has them) and other activities, until when."""

    act: Literal["draft-plan"] = "draft-plan"
    goals: Words
    services: list[dict[str, Any]] = Field(default_factory=list)
    activities: MaybeWords = None
    until: Annotated[date | None, EmptyIsNone] = None


class ApprovePlan(FormAct):
    """Form 05: the chair's decision."""

    act: Literal["approve-plan"] = "approve-plan"
    number: MaybeWords = None
    remarks: MaybeWords = None


class ReturnPlan(ActBase):
    """The plan is given back, with what is missing."""

    act: Literal["return-plan"] = "return-plan"
    reason: Words


class RecordService(ActBase):
    """A service was given. `service`: one of the plan by its id, or any other by the code of its kind."""

    act: Literal["record-service"] = "record-service"
    service: Code
    provided_on: Day
    provider: MaybeWords = None
    notes: MaybeWords = None


class HoldReview(FormAct):
    """Form 06: how the plan worked, rated as the assessments were."""

    act: Literal["hold-review"] = "hold-review"
    ratings: dict[str, Rating]
    level: Rating
    findings: Words
    outcome: Literal["close", "continue", "plan-again"]
