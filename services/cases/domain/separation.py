"""Temporary separation from who harms the child: 15 days at most unless extended, ended when the child is safe.

Pure (Decree 56/2017, Art. 32; how long is the reference data's). The running clock is what says that it stands.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from services.cases.domain import acts, clocks
from services.cases.domain.model import (
    SEPARATION,
    Case,
    Clock,
    Decision,
    Entry,
    Happening,
    World,
    end_of_day,
    local_day,
    refuse,
)
from shared.contracts import cases as events


def decided(decision: Decision, world: World, until: date | None = None) -> Decision:
    """A separation was decided now: its clock runs from the decision, to the day given or as long as the law has.

    Raises: `Rejected` (not-within-law) where the day does not lie ahead or is later than the law allows at first.
    """
    if decision.case.clock(SEPARATION) is not None:
        return decision
    longest = clocks.of_law(world, SEPARATION, world.now, decision.case.unit)
    due = longest.due if until is None else min(end_of_day(until), longest.due)
    if until is not None and (due <= world.now or until > local_day(longest.due)):
        raise refuse(
            "until",
            "not-within-law",
            "Tạm thời cách ly không quá 15 ngày; dài hơn thì gia hạn khi cơ quan có thẩm quyền yêu cầu "
            "(khoản 3 Điều 32).",
            "A separation lasts 15 days at most; a longer one is an extension that an authority requires (Art. 32(3)).",
        )
    decision = decision.then(None, Happening(events.SeparationDecided, {"until": due}))
    if until is None:
        return clocks.start(decision, world, SEPARATION, world.now)
    return clocks.run(decision, clocks.until(longest, due))


def extend(case: Case, act: acts.ExtendSeparation, world: World) -> Decision:
    """The competent authority requires more than the 15 days: the clock is met, another runs to the day given.

    Raises: `Rejected` (not-separated, not-longer).
    """
    clock = _standing(case)
    due = end_of_day(act.until)
    if due <= max(clock.due, world.now):
        raise refuse(
            "until",
            "not-longer",
            "Ngày gia hạn phải sau thời hạn đang tính và ở phía trước.",
            "The new date must lie ahead and after the present end.",
        )
    event = Happening(events.SeparationExtended, {"until": due})
    entry = Entry("separation.extended", {"due": due.isoformat()}, {"reason": act.reason})
    decision = clocks.meet(Decision(case).then(None, event, entries=(entry,)), world, SEPARATION)
    longer = replace(clock, id=world.new_id(), started_at=world.now, state="running")
    return clocks.run(decision, clocks.until(longer, due))


def ended(decision: Decision, world: World, reason: str | None = None) -> Decision:
    """The child is safe, or its case is over: the separation ends, where one stands."""
    if decision.case.clock(SEPARATION) is None:
        return decision
    entry = Entry("separation.ended", {}, {"reason": reason} if reason else {})
    return clocks.meet(decision.then(None, Happening(events.SeparationEnded), entries=(entry,)), world, SEPARATION)


def end(case: Case, act: acts.EndSeparation, world: World) -> Decision:
    """The chair ends the separation. Raises: `Rejected` (not-separated)."""
    _standing(case)
    return ended(Decision(case), world, act.reason)


def taken_over(decision: Decision, world: World, gone: Case) -> Decision:
    """The separation of a case that is merged stands on in the other, until the later of two ends."""
    clock, stands = gone.clock(SEPARATION), decision.case.clock(SEPARATION)
    if clock is None or (stands is not None and stands.due >= clock.due):
        return decision
    model = events.SeparationDecided if stands is None else events.SeparationExtended
    told = clocks.meet(decision.then(None, Happening(model, {"until": clock.due})), world, SEPARATION)
    return clocks.run(told, replace(clock, id=world.new_id(), state="running", settled_at=None))


def _standing(case: Case) -> Clock:
    clock = case.clock(SEPARATION)
    if clock is None:
        raise refuse("act", "not-separated", "Trẻ không đang tạm thời cách ly.", "No separation stands.")
    return clock
