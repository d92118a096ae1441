"""The plan and its review."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from services.cases.domain.acts.base import ActBase, EmptyIsNone, MaybeWords, Words


class DraftPlan(ActBase):
    """Form 04: goals, activities, who, with what, until when."""

    act: Literal["draft-plan"] = "draft-plan"
    goals: Words
    activities: Words
    resources: MaybeWords = None
    until: Annotated[date | None, EmptyIsNone] = None


class ApprovePlan(ActBase):
    """Form 05: the chair's decision."""

    act: Literal["approve-plan"] = "approve-plan"
    number: MaybeWords = None
    remarks: MaybeWords = None


class ReturnPlan(ActBase):
    """The plan is given back, with what is missing."""

    act: Literal["return-plan"] = "return-plan"
    reason: Words


class HoldReview(ActBase):
    """Form 06: how the plan worked."""

    act: Literal["hold-review"] = "hold-review"
    outcome: Literal["close", "continue", "plan-again"]
    findings: Words
