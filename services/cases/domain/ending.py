"""How a case ends, and how it goes on after all: closed, reopened, merged into another.

Pure (Decree 56/2017, Art. 30(1); Law on Children 2016, Art. 51).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks, conference, separation, tasks
from services.cases.domain.identifying import identified
from services.cases.domain.model import (
    EMERGENCY,
    PLAN,
    RISK_ORDER,
    Actor,
    Case,
    Decision,
    Entry,
    Happening,
    World,
    at_risk,
    refuse,
)
from services.cases.domain.rules import require
from shared.contracts import cases as events


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
    decision = tasks.cancel_tasks(clocks.cancel(decision, world), world, "case-closed")
    decision = conference.called_off(decision, world)
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
    gone = tasks.cancel_tasks(clocks.cancel(Decision(case), world), world, "case-merged")
    gone = conference.called_off(gone, world)
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
        on = at_risk(on, case.risk).then(None, Happening(events.CaseReclassified))
    if case.child_id is not None and target.child_id is None:
        linked = identified(on.case, case.child_id, ())
        on = Decision(linked.case, (*on.happenings, *linked.happenings), (*on.entries, *linked.entries))
    emergency = case.clock(EMERGENCY)
    if emergency is not None and target.emergency is None:
        on = clocks.start(on, world, EMERGENCY, emergency.started_at)
    on = separation.taken_over(on, world, case)
    on = tasks.take_over(on, world, case.tasks, asked)
    return tasks.point_on(gone, on), on


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Close: _close,
    acts.Reopen: _reopen,
}
