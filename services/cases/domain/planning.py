"""The support and intervention plan: drafted, approved or returned, carried out, reviewed.

Pure (Decree 56/2017, Art. 27(2), 28-30; forms 04-06).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.model import APPROVAL, PLAN, Case, Decision, Entry, Happening, World
from shared.contracts import cases as events


def _draft_plan(case: Case, act: acts.DraftPlan, world: World) -> Decision:
    words = {"goals": act.goals, "activities": act.activities, "resources": act.resources or ""}
    entry = Entry("plan.drafted", {"until": act.until.isoformat() if act.until else None}, words)
    decision = Decision(case).then(None, Happening(events.PlanDrafted), entries=(entry,), step="approval")
    decision = clocks.meet(decision, world, PLAN)
    return clocks.start(decision, world, APPROVAL, world.now)


def _approve_plan(case: Case, act: acts.ApprovePlan, world: World) -> Decision:
    words = {name: text for name, text in (("number", act.number), ("remarks", act.remarks)) if text}
    decision = Decision(case).then(
        None, Happening(events.PlanApproved), entries=(Entry("plan.approved", {}, words),), step="carrying-out"
    )
    return clocks.meet(decision, world, APPROVAL)


def _return_plan(case: Case, act: acts.ReturnPlan, world: World) -> Decision:
    entry = Entry("plan.returned", {}, {"reason": act.reason})
    decision = Decision(case).then(None, Happening(events.PlanReturned), entries=(entry,), step="plan")
    return clocks.meet(decision, world, APPROVAL)


def _hold_review(case: Case, act: acts.HoldReview, world: World) -> Decision:
    step = {"close": "review", "continue": "carrying-out", "plan-again": "plan"}[act.outcome]
    entry = Entry("review.held", {"outcome": act.outcome}, {"findings": act.findings})
    event = Happening(events.ReviewHeld, {"outcome": act.outcome})
    decision = Decision(case).then(None, event, entries=(entry,), step=step, review=act.outcome)
    return clocks.start(decision, world, PLAN, world.now) if act.outcome == "plan-again" else decision


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.DraftPlan: _draft_plan,
    acts.ApprovePlan: _approve_plan,
    acts.ReturnPlan: _return_plan,
    acts.HoldReview: _hold_review,
}
