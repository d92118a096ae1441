"""Alternative care: decided by the chair, the child handed over within the law's days, ended.

Pure (Law on Children 2016, Art. 60-69; Decree 56/2017, Art. 38-48: form 12 decides, form 16 ends). A care that was
decided waits for the hand-over: its clock runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.model import CARE_HANDOVER, Case, Decision, Entry, Happening, World, local_day, refuse
from shared.contracts import cases as events


def _decide(case: Case, act: acts.DecideAlternativeCare, world: World) -> Decision:
    if act.care not in world.cares:
        raise refuse(
            "care", "care-kind", "Hình thức chăm sóc không có trong danh mục.", "The kind of care is not listed."
        )
    words = {"carer": act.carer, "grounds": act.grounds, **({"number": act.number} if act.number else {})}
    entry = Entry("care.decided", {"care": act.care}, words)
    told = Happening(events.CareDecided, {"care": act.care})
    decision = Decision(case).then(None, told, entries=(entry,), care=act.care, care_placed=False)
    return clocks.start(decision, world, CARE_HANDOVER, world.now)


def _hand_over(case: Case, act: acts.HandOverChild, world: World) -> Decision:
    clock = case.clock(CARE_HANDOVER)
    decided_on = local_day(clock.started_at) if clock else None
    if act.handed_on > local_day(world.now) or (decided_on and act.handed_on < decided_on):
        raise refuse(
            "handed_on",
            "handed-on",
            "Ngày bàn giao không trước ngày quyết định và không ở phía trước.",
            "The day of the hand-over is not before the decision and not ahead.",
        )
    entry = Entry("care.handed-over", {"care": case.care, "on": act.handed_on.isoformat()}, {"minutes": act.minutes})
    told = Happening(events.CareHandedOver, {"care": case.care})
    return clocks.meet(Decision(case).then(None, told, entries=(entry,), care_placed=True), world, CARE_HANDOVER)


def _end(case: Case, act: acts.EndAlternativeCare, world: World) -> Decision:
    more = (("asked_by", act.asked_by), ("returns_to", act.returns_to))
    return over(Decision(case), world, {"reason": act.reason, **{name: text for name, text in more if text}})


def over(
    decision: Decision, world: World, words: Mapping[str, str] | None = None, kind: str = "care.ended"
) -> Decision:
    """The care ends, or its decision is needed no more; nothing, where there is none."""
    care = decision.case.care
    if care is None:
        return decision
    entry = Entry(kind, {"care": care}, words or {})
    told = Happening(events.CareEnded, {"care": care})
    return clocks.cancel(
        decision.then(None, told, entries=(entry,), care=None, care_placed=False), world, CARE_HANDOVER
    )


def moved(decision: Decision, world: World) -> Decision:
    """The care goes on in another case, to which this one's matter belongs; nothing, where there is none."""
    return over(decision, world, kind="care.moved")


def waits(case: Case) -> bool:
    """Whether the child was not yet handed over to who is to care for it."""
    return case.care is not None and not case.care_placed


def taken_over(decision: Decision, world: World, gone: Case) -> Decision:
    """The care of a case that is merged goes on in the other. Raises: `Rejected` (two-cares)."""
    if gone.care is None:
        return decision
    if decision.case.care is not None:
        raise refuse(
            "into",
            "two-cares",
            "Cả hai vụ việc đều có quyết định chăm sóc thay thế: kết thúc một quyết định trước khi nhập.",
            "Both cases have a decision on alternative care: end one of them before the merge.",
        )
    entry = Entry("care.decided", {"care": gone.care})
    told = [Happening(events.CareDecided, {"care": gone.care})]
    if gone.care_placed:
        told.append(Happening(events.CareHandedOver, {"care": gone.care}))
    decision = decision.then(None, *told, entries=(entry,), care=gone.care, care_placed=gone.care_placed)
    clock = gone.clock(CARE_HANDOVER)
    if clock is None:
        return decision
    ends = clock.pause_ends_at
    clock = clocks.running_again(clock, world, world.now if ends is None else min(world.now, ends))
    return clocks.run(decision, replace(clock, id=world.new_id(), state="running"))


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.DecideAlternativeCare: _decide,
    acts.HandOverChild: _hand_over,
    acts.EndAlternativeCare: _end,
}
