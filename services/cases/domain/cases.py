"""The one state machine of a case: from opening to closing, what each act changes and says (Decree 56/2017, ch. III).

Pure. Every function takes what is and returns a `Decision`; an act that is not open raises `Rejected` with its law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.cases.domain import acts, clocks, separation
from services.cases.domain.forms import ROWS, is_milder, totals
from services.cases.domain.model import (
    APPROVAL,
    EMERGENCY,
    PLAN,
    RISK_ORDER,
    Actor,
    Case,
    Concern,
    Decision,
    Entry,
    Happening,
    World,
    end_of_day,
    refuse,
)
from services.cases.domain.rules import require
from shared.contracts import cases as events
from shared.contracts.vocabulary import ChildDescription, RiskLevel


def open_case(
    concern: Concern, case_id: str, code: str, child: ChildDescription | None, world: World, *, by_person: bool
) -> Decision:
    """A concern becomes a case; danger now starts the 12 hours and asks the sectors at once.

    In: `by_person` says that somebody decided it in triage, not the report itself.
    """
    case = Case(
        id=case_id,
        code=code,
        concern_id=concern.id,
        unit=concern.unit,
        sex=concern.sex,
        age_band=concern.age_band,
        kind=concern.kind,
        risk="high" if concern.danger_now == "yes" else "unassessed",
        status="open",
        step="intake",
        sector=concern.sector,
        channel=concern.channel,
        danger_now=concern.danger_now,
        received_at=concern.received_at,
        opened_at=world.now,
    )
    opened = Happening(events.CaseOpened, {"concern_id": concern.id, "danger_now": concern.danger_now})
    entry = Entry("case.opened", {"danger_now": concern.danger_now, "by_person": by_person}, sector=concern.sector)
    decision = describe_child(Decision(case, (opened,), (entry,)), child)
    if concern.danger_now == "yes":
        return danger(decision, world)
    # Decree 56/2017, Art. 28(1): the plan within 5 working days; the starting event is read as the receipt.
    return clocks.start(decision, world, PLAN, concern.received_at)


def danger(decision: Decision, world: World) -> Decision:
    """The child is in danger now: 12 hours from receipt (Decree 56/2017, Art. 26(3)), no 5-day plan (Art. 28(1))."""
    if decision.case.emergency is None:
        decision = clocks.cancel(decision, world, PLAN)
        decision = clocks.start(decision, world, EMERGENCY, decision.case.received_at)
    return clocks.ask_at_once(decision, world)


def describe_child(decision: Decision, child: ChildDescription | None) -> Decision:
    """Ask the registry who the child is, where anything is known and no answer stands."""
    if child is None or decision.case.identity == "linked" or not child.model_dump(exclude_defaults=True):
        return decision
    event = Happening(events.ChildDescribed, {"child": child})
    return decision.then(None, event, entries=(Entry("child.described"),), identity="asked", candidates=())


def correct(case: Case, before: Concern, after: Concern, child: ChildDescription | None, world: World) -> Decision:
    """The sender corrected the report that opened the case: at intake the case follows, later a person decides."""
    entries = (Entry("report.corrected", sector=after.sector),)
    if case.status != "open" or case.step != "intake" or case.concern_id != after.id:
        return Decision(case, (), entries)
    moved = replace(
        case,
        unit=after.unit if case.unit == before.unit else case.unit,
        sex=after.sex,
        age_band=after.age_band,
        kind=after.kind if case.kind == before.kind else case.kind,
        channel=after.channel,
        danger_now=after.danger_now,
        received_at=after.received_at,
    )
    decision = Decision(moved, (), entries)
    if moved.facts() != case.facts():
        decision = decision.then(None, Happening(events.CaseReclassified))
    decision = describe_child(decision, child)
    if after.danger_now == "yes" and before.danger_now != "yes":
        decision = danger(_risk(decision, "high"), world)
    return decision


def linked_report(case: Case, concern: Concern, world: World) -> Decision:
    """A further report tells of a case that is open already."""
    entry = Entry("report.linked", {"code": concern.code, "danger_now": concern.danger_now}, sector=concern.sector)
    decision = Decision(case, (), (entry,))
    if concern.danger_now != "yes" or case.danger_now == "yes":
        return decision
    decision = _risk(decision.then(danger_now="yes"), "high").then(None, Happening(events.CaseReclassified))
    # What this report says was not known before it came: its own receipt starts the clock.
    return clocks.ask_at_once(clocks.start(decision, world, EMERGENCY, concern.received_at), world)


def identified(case: Case, child_id: str | None, candidates: Sequence[Mapping[str, Any]]) -> Decision:
    """The registry's answer: one child, or candidates between whom a person chooses."""
    if child_id is not None:
        if case.child_id == child_id and case.identity == "linked":
            return Decision(case)
        event = Happening(events.ChildLinked)
        return Decision(case).then(
            None,
            event,
            entries=(Entry("child.linked", {"child_id": child_id}),),
            child_id=child_id,
            identity="linked",
            candidates=(),
        )
    if case.identity == "linked":
        return Decision(case)
    if not candidates:  # nobody fits, and too little is known to found a record
        return Decision(case).then(entries=(Entry("child.not-found"),), identity="none", candidates=())
    entry = Entry("child.candidates", {"count": len(candidates)})
    return Decision(case).then(entries=(entry,), identity="candidates", candidates=tuple(candidates))


def decide(case: Case, act: acts.Act, actor: Actor, world: World) -> Decision:
    """An act of a person on a case (`merge` and `choose_child` apart).

    Raises: `Rejected` with rule and law where it is not open.
    """
    require(case, act.act, actor)
    decision: Decision = _DECIDED[type(act)](case, act, world)
    return decision


def choose_child(
    case: Case, act: acts.ChooseChild, actor: Actor, child: ChildDescription | None, merged: Mapping[str, str]
) -> Decision:
    """A person says which candidate the child is, or that it is none: the registry hears of it with the description.

    In: `child`: the description, None where it was erased; `merged`: candidates that became another child since, by id.
    """
    require(case, "choose-child", actor)
    described = {} if child is None else {"child": child}
    if act.child_id == acts.NONE_OF_THESE:
        entry = Entry("child.none-of-these", {"count": len(case.candidates)})
        event = Happening(events.ChildChosen, described)
        # Without a description nobody can be registered, and there is nothing to wait for.
        identity = "none" if child is None else "asked"
        return Decision(case).then(None, event, entries=(entry,), identity=identity, candidates=())
    if act.child_id not in {candidate["child_id"] for candidate in case.candidates}:
        raise refuse(
            "child_id",
            "not-a-candidate",
            "Chọn một trong các trẻ được gợi ý, hoặc không phải trẻ nào trong số đó.",
            "Choose one of the suggested children, or none of them.",
        )
    child_id = merged.get(act.child_id, act.child_id)
    linked = identified(case, child_id, ())
    chosen = Happening(events.ChildChosen, {"child_id": child_id, **described})
    return Decision(linked.case, (chosen, *linked.happenings), linked.entries)


def merge(
    case: Case, target: Case, act: acts.Merge, actor: Actor, world: World, asked: Mapping[str, str]
) -> tuple[Decision, Decision]:
    """Two cases are one matter: what becomes of this one, and of the one that goes on.

    In: `asked`: the words with which this case's open tasks were asked, by task id.
    """
    require(case, "merge", actor)
    if case.id == target.id or target.status != "open":
        raise refuse(
            "into",
            "merge-target",
            "Chỉ nhập được vào một vụ việc khác đang mở.",
            "A case can be merged only into another open case.",
        )
    gone = clocks.cancel_tasks(clocks.cancel(Decision(case), world), world, "case-merged")
    gone = gone.then(
        None,
        Happening(events.CaseMerged, {"into_case_id": target.id}),
        entries=(Entry("case.merged", {"into": target.code}, {"reason": act.reason}),),
        status="merged",
        step="merged",
        merged_into=target.id,
    )
    on = Decision(target, (), (Entry("case.took-over", {"code": case.code}, {"reason": act.reason}),))
    if RISK_ORDER[case.risk] > RISK_ORDER[target.risk]:
        on = _risk(on, case.risk).then(None, Happening(events.CaseReclassified))
    if case.child_id is not None and target.child_id is None:
        linked = identified(on.case, case.child_id, ())
        on = Decision(linked.case, (*on.happenings, *linked.happenings), (*on.entries, *linked.entries))
    emergency = case.clock(EMERGENCY)
    if emergency is not None and target.emergency is None:
        on = clocks.start(on, world, EMERGENCY, emergency.started_at)
    on = separation.taken_over(on, world, case)
    return gone, clocks.take_over_tasks(on, world, case.tasks, asked)


def _risk(decision: Decision, level: RiskLevel) -> Decision:
    return decision.then(risk=level)


def _verify(case: Case, act: acts.Verify, _world: World) -> Decision:
    event = Happening(events.FactsVerified, {"confirmed": act.confirmed})
    entry = Entry("facts.verified", {"confirmed": act.confirmed}, {"findings": act.findings})
    return Decision(case).then(None, event, entries=(entry,), verified=act.confirmed)


def _assess_initial(case: Case, act: acts.AssessInitial, world: World) -> Decision:
    entry = _assessed("initial", act, {"urgent_measures": act.urgent_measures} if act.urgent_measures else {})
    event = Happening(events.RiskAssessed, {"assessment": "initial", "level": act.level})
    decision = Decision(case).then(None, event, entries=(entry,), risk=act.level, step="assessment")
    if act.level == "high":
        # Decree 56/2017, Art. 26(3): high risk, 12 hours from receipt whenever it is found out.
        return danger(decision, world)
    if decision.case.clock(EMERGENCY) is not None:
        decision = clocks.cancel(decision, world, EMERGENCY)
        decision = clocks.start(decision, world, PLAN, case.received_at)
    return decision


def _assess_detailed(case: Case, act: acts.AssessDetailed, _world: World) -> Decision:
    entry = _assessed("detailed", act, {"needs": act.needs} if act.needs else {})
    event = Happening(events.RiskAssessed, {"assessment": "detailed", "level": act.level})
    return Decision(case).then(None, event, entries=(entry,), risk=act.level, step="plan")


def _assessed(name: str, act: acts.AssessInitial | acts.AssessDetailed, more: Mapping[str, str]) -> Entry:
    missing = [row for row in ROWS if row not in act.ratings]
    if missing or set(act.ratings) - set(ROWS):
        raise refuse(
            f"ratings.{missing[0]}" if missing else "ratings",
            "ratings-incomplete",
            "Mỗi dòng của phiếu đánh giá phải có một mức.",
            "Every row of the assessment needs a rating.",
        )
    counted = totals(act.ratings)
    if is_milder(act.level, counted.suggested) and len(act.conclusion) < 20:
        raise refuse(
            "conclusion",
            "conclusion-reason",
            "Kết luận nhẹ hơn tổng điểm gợi ý thì phải nêu rõ lý do (Nghị định 56/2017, Điều 26(2)).",
            "A conclusion milder than the totals suggest must say why (Decree 56/2017, Art. 26(2)).",
        )
    data = {
        "level": act.level,
        "suggested": counted.suggested,
        "harm": dict(counted.harm),
        "protection": dict(counted.protection),
    }
    return Entry(f"risk.{name}", data, {"ratings": dict(act.ratings), "conclusion": act.conclusion, **more})


def _decide_emergency(case: Case, act: acts.DecideEmergency, world: World) -> Decision:
    if act.measure not in world.measures:
        raise refuse("measure", "measure", "Biện pháp không có trong danh mục.", "The measure is not listed.")
    event = Happening(events.EmergencyMeasureDecided, {"measure": act.measure})
    entry = Entry("emergency.decided", {"measure": act.measure}, {"decision": act.decision})
    decision = Decision(case).then(None, event, entries=(entry,), emergency=act.measure)
    decision = clocks.meet(decision, world, EMERGENCY)
    return separation.decided(decision, world) if act.measure in world.separating else decision


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


def _request_task(case: Case, act: acts.RequestTask, world: World) -> Decision:
    if act.kind not in world.task_kinds:
        raise refuse("kind", "task-kind", "Loại nhiệm vụ không có trong danh mục.", "The kind of task is not listed.")
    due = end_of_day(act.due)
    if due <= world.now:
        raise refuse("due", "due-past", "Thời hạn phải ở phía trước.", "The due date must lie ahead.")
    return clocks.ask(Decision(case), world, act.kind, act.sector, due, act.instructions)


def _cancel_task(case: Case, act: acts.CancelTask, world: World) -> Decision:
    task = next((task for task in case.tasks if task.id == act.task_id and task.is_open), None)
    if task is None:
        raise refuse(
            "task_id", "task-not-open", "Chọn một nhiệm vụ đang chờ trả lời.", "Choose a task that waits for an answer."
        )
    return clocks.cancel_task(Decision(case), world, task, "withdrawn", {"reason": act.reason})


def _hold_review(case: Case, act: acts.HoldReview, world: World) -> Decision:
    step = {"close": "review", "continue": "carrying-out", "plan-again": "plan"}[act.outcome]
    entry = Entry("review.held", {"outcome": act.outcome}, {"findings": act.findings})
    event = Happening(events.ReviewHeld, {"outcome": act.outcome})
    decision = Decision(case).then(None, event, entries=(entry,), step=step, review=act.outcome)
    return clocks.start(decision, world, PLAN, world.now) if act.outcome == "plan-again" else decision


def _close(case: Case, act: acts.Close, world: World) -> Decision:
    if act.outcome not in world.outcomes:
        raise refuse("outcome", "outcome", "Kết quả không có trong danh mục.", "The outcome is not listed.")
    if case.step == "review" and not (act.no_risk and act.stable):
        raise refuse(
            "no_risk",
            "not-yet-safe",
            "Chỉ kết thúc khi trẻ không còn nguy cơ và đã ổn định (Nghị định 56/2017, Điều 30(1)).",
            "A case closes only when no risk remains and the child is stable (Decree 56/2017, Art. 30(1)).",
        )
    entry = Entry("case.closed", {"outcome": act.outcome}, {"remarks": act.remarks} if act.remarks else {})
    decision = separation.ended(Decision(case), world)
    decision = clocks.cancel_tasks(clocks.cancel(decision, world), world, "case-closed")
    event = Happening(events.CaseClosed, {"outcome": act.outcome})
    return decision.then(None, event, entries=(entry,), status="closed", step="closed", outcome=act.outcome)


def _reopen(case: Case, act: acts.Reopen, world: World) -> Decision:
    entry = Entry("case.reopened", {"danger_now": act.danger_now}, {"reason": act.reason})
    decision = Decision(case).then(
        None,
        Happening(events.CaseReopened),
        entries=(entry,),
        status="open",
        step="assessment",
        outcome=None,
        review=None,
        emergency=None,
        verified=None,
        risk="high" if act.danger_now else case.risk,
        danger_now="yes" if act.danger_now else case.danger_now,
    )
    # What made the case go on was learnt now: the clocks start anew.
    return clocks.start(decision, world, EMERGENCY if act.danger_now else PLAN, world.now)


def _reclassify(case: Case, act: acts.Reclassify, world: World) -> Decision:
    risk = act.risk or case.risk
    if act.kind == case.kind and risk == case.risk:
        raise refuse("kind", "nothing-changed", "Chưa có gì thay đổi.", "Nothing is changed.")
    data = {"kind": act.kind, "risk": risk, "from_kind": case.kind, "from_risk": case.risk}
    entry = Entry("case.reclassified", data, {"reason": act.reason})
    decision = Decision(case).then(None, Happening(events.CaseReclassified), entries=(entry,), kind=act.kind, risk=risk)
    if risk == "high" and case.risk != "high" and case.emergency is None:
        decision = clocks.start(decision, world, EMERGENCY, world.now)
    return decision


def _transfer(case: Case, act: acts.Transfer, world: World) -> Decision:
    if act.to_unit not in world.units or act.to_unit == case.unit:
        raise refuse(
            "to_unit", "unit-unknown", "Chọn một xã, phường khác của tỉnh.", "Choose another commune of the province."
        )
    entry = Entry("case.transferred", {"from_unit": case.unit, "to_unit": act.to_unit}, {"reason": act.reason})
    event = Happening(events.CaseTransferred, {"from_unit": case.unit})
    return Decision(case).then(None, event, entries=(entry,), unit=act.to_unit)


def _note(case: Case, act: acts.Note, _world: World) -> Decision:
    return Decision(case, (), (Entry("note", {}, {"text": act.text}),))


_DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Verify: _verify,
    acts.AssessInitial: _assess_initial,
    acts.DecideEmergency: _decide_emergency,
    acts.ExtendSeparation: separation.extend,
    acts.EndSeparation: separation.end,
    acts.AssessDetailed: _assess_detailed,
    acts.DraftPlan: _draft_plan,
    acts.ApprovePlan: _approve_plan,
    acts.ReturnPlan: _return_plan,
    acts.RequestTask: _request_task,
    acts.CancelTask: _cancel_task,
    acts.HoldReview: _hold_review,
    acts.Close: _close,
    acts.Reopen: _reopen,
    acts.Reclassify: _reclassify,
    acts.Transfer: _transfer,
    acts.Note: _note,
}
