"""What the commune finds out: facts verified, risk assessed with forms 02 and 03.

Pure (Decree 56/2017, Art. 25(2), 26(2), 27(1)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.forms import Rating, filled
from services.cases.domain.leading import classified
from services.cases.domain.model import EMERGENCY, INITIAL, PLAN, Case, Decision, Entry, Happening, World
from services.cases.domain.opening import danger
from shared.contracts import cases as events

_BEFORE_PLAN = frozenset({"assessment", "plan"})


def _verify(case: Case, act: acts.Verify, world: World) -> Decision:
    event = Happening(events.FactsVerified, {"confirmed": act.confirmed})
    entry = Entry("facts.verified", {"confirmed": act.confirmed}, {"findings": act.findings})
    decision = Decision(case).then(None, event, entries=(entry,), verified=act.confirmed)
    return classified(decision, world, act.kind) if act.kind else decision


def _assess_initial(case: Case, act: acts.AssessInitial, world: World) -> Decision:
    form = filled(act, world)
    event = Happening(events.RiskAssessed, {"assessment": "initial", "level": act.level})
    entry = Entry("risk.initial", form.data(), form.words())
    decision = Decision(case).then(
        None,
        event,
        entries=(entry,),
        risk=act.level,
        step="assessment",
        assessed_at=case.assessed_at or world.now,
    )
    return _clocks(clocks.meet(decision, world, INITIAL), world, act.level)


def _assess_detailed(case: Case, act: acts.AssessDetailed, world: World) -> Decision:
    form = filled(act, world)
    event = Happening(events.RiskAssessed, {"assessment": "detailed", "level": act.level})
    entry = Entry("risk.detailed", form.data(), form.words())
    # Once a plan is under way, what is learnt anew changes the risk and not the step.
    step = "plan" if case.step in _BEFORE_PLAN else case.step
    assessed_at = case.assessed_at or world.now
    decision = Decision(case).then(None, event, entries=(entry,), risk=act.level, step=step, assessed_at=assessed_at)
    return _clocks(decision, world, act.level)


def _clocks(decision: Decision, world: World, level: Rating) -> Decision:
    """What a level of risk means for the law's clocks."""
    if level == "high":
        # Decree 56/2017, Art. 26(3): high risk, 12 hours from receipt whenever it is found out.
        return danger(decision, world)
    if decision.case.clock(EMERGENCY) is not None:
        decision = clocks.cancel(decision, world, EMERGENCY)
        if decision.case.step in _BEFORE_PLAN:
            decision = clocks.start(decision, world, PLAN, decision.case.received_at)
    return decision


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Verify: _verify,
    acts.AssessInitial: _assess_initial,
    acts.AssessDetailed: _assess_detailed,
}
