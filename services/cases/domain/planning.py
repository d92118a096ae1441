"""The support and intervention plan: needs agreed on, drafted, approved or returned, carried out, reviewed.

Pure (Decree 56/2017, Art. 27(2), 28-30; forms 04-06).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from services.cases.domain import acts, clocks, providing, tasks
from services.cases.domain.forms import filled
from services.cases.domain.model import (
    APPROVAL,
    PLAN,
    Case,
    Decision,
    Entry,
    Happening,
    PlannedService,
    World,
    at_risk,
    end_of_day,
    local_day,
    refuse,
)
from services.cases.domain.opening import danger
from shared.contracts import cases as events
from shared.contracts.errors import Rejected, Violation


def _hold_needs_meeting(case: Case, act: acts.HoldNeedsMeeting, world: World) -> Decision:
    if not local_day(case.received_at) <= act.held_on <= local_day(world.now):
        raise refuse(
            "held_on",
            "held-on",
            "Ngày họp phải từ ngày tiếp nhận đến hôm nay.",
            "The meeting was held between the receipt and today.",
        )
    form = filled(act, world)
    event = Happening(events.MeetingHeld, {"meeting": "needs", "held_on": act.held_on})
    entry = Entry("meeting.needs", form.data(), form.words())
    called: dict[str, Any] = {"meeting": None, "meets_at": None} if case.meeting == "needs" else {}
    return Decision(case).then(None, event, entries=(entry,), **called)


def _draft_plan(case: Case, act: acts.DraftPlan, world: World) -> Decision:
    form = filled(act, world)
    rows: list[dict[str, Any]] = form.answers.get("services", [])
    _ahead(rows, world)
    if not rows and not act.activities:
        raise refuse(
            "services",
            "plan-empty",
            "Kế hoạch phải có ít nhất một dịch vụ hoặc hoạt động.",
            "A plan has at least one service or activity.",
        )
    planned = tuple(_planned(row, world) for row in rows)
    entry = Entry("plan.drafted", form.data(services=[service.id for service in planned]), form.words())
    # What was given, or is asked of a sector already, stays known beside the new plan.
    known = tuple(service for service in case.services if service.done_on or service.task_id)
    decision = Decision(case).then(
        None, Happening(events.PlanDrafted), entries=(entry,), step="approval", services=(*known, *planned)
    )
    decision = clocks.meet(decision, world, PLAN)
    return clocks.start(decision, world, APPROVAL, world.now)


def _planned(row: Mapping[str, Any], world: World) -> PlannedService:
    return PlannedService(world.new_id(), row["kind"], row.get("sector"), date.fromisoformat(row["due"]))


def _ahead(rows: Sequence[Mapping[str, Any]], world: World) -> None:
    """Raises `Rejected` (due-past) for every service whose day has passed."""
    late = [number for number, row in enumerate(rows) if date.fromisoformat(row["due"]) < local_day(world.now)]
    if late:
        vi, en = "Thời hạn phải ở phía trước.", "The due date must lie ahead."
        raise Rejected([Violation(f"services.{number}.due", "due-past", vi, en) for number in late])


def approve(case: Case, act: acts.ApprovePlan, world: World, said: Mapping[str, str]) -> Decision:
    """The chair approves: each service that names a sector is asked of it.

    In: `said`: what the plan says of each service, by its id.
    """
    form = filled(act, world)
    entry = Entry("plan.approved", form.data(), form.words())
    decision = Decision(case).then(
        None,
        Happening(events.PlanApproved),
        entries=(entry,),
        step="carrying-out",
        planned_at=case.planned_at or world.now,
    )
    decision = clocks.meet(decision, world, APPROVAL)
    for service in case.services:
        if service.sector is not None and service.task_id is None and service.done_on is None:
            decision = _ask(decision, world, service, said.get(service.id))
    return decision


def _ask(decision: Decision, world: World, service: PlannedService, words: str | None) -> Decision:
    """One task a service; where the sector works on the same already, that task goes on for it."""
    case = decision.case
    held = {known.task_id for known in case.services if known.kind == service.kind and known.sector == service.sector}
    task_id = next((task.id for task in case.tasks if task.id in held and task.is_open), None)
    if task_id is None:
        # A date that passed while the plan waited leaves the sector the next day.
        tomorrow = end_of_day(local_day(world.now) + timedelta(days=1))
        due = end_of_day(service.due) if end_of_day(service.due) > world.now else tomorrow
        decision = tasks.ask(decision, world, world.service_tasks[service.kind], service.sector or "", due, words)
        task_id = decision.case.tasks[-1].id
    return decision.then(services=providing.put(decision.case.services, replace(service, task_id=task_id)))


def _return_plan(case: Case, act: acts.ReturnPlan, world: World) -> Decision:
    entry = Entry("plan.returned", {}, {"reason": act.reason})
    decision = Decision(case).then(None, Happening(events.PlanReturned), entries=(entry,), step="plan")
    return clocks.meet(decision, world, APPROVAL)


def _hold_review(case: Case, act: acts.HoldReview, world: World) -> Decision:
    form = filled(act, world)
    step = {"close": "review", "continue": "carrying-out", "plan-again": "plan"}[act.outcome]
    entry = Entry("review.held", form.data(), form.words())
    event = Happening(events.ReviewHeld, {"outcome": act.outcome})
    decision = at_risk(Decision(case), act.level).then(None, event, entries=(entry,), step=step, review=act.outcome)
    if act.level == "high" and case.risk != "high" and case.emergency is None:
        # What the review found was learnt now, as with a correction of the risk: the 12 hours start now.
        return danger(decision, world, world.now)
    return clocks.start(decision, world, PLAN, world.now) if act.outcome == "plan-again" else decision


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.HoldNeedsMeeting: _hold_needs_meeting,
    acts.DraftPlan: _draft_plan,
    acts.ApprovePlan: lambda case, act, world: approve(case, act, world, {}),
    acts.RecordService: providing.record,
    acts.ReturnPlan: _return_plan,
    acts.HoldReview: _hold_review,
}
