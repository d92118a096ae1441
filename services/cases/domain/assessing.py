"""What the commune finds out: facts verified, risk assessed with forms 02 and 03.

Pure (Decree 56/2017, Art. 25(2), 26(2), 27(1)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.forms import ROWS, is_milder, totals
from services.cases.domain.model import EMERGENCY, INITIAL, PLAN, Case, Decision, Entry, Happening, World, refuse
from services.cases.domain.opening import danger
from shared.contracts import cases as events


def _verify(case: Case, act: acts.Verify, _world: World) -> Decision:
    event = Happening(events.FactsVerified, {"confirmed": act.confirmed})
    entry = Entry("facts.verified", {"confirmed": act.confirmed}, {"findings": act.findings})
    return Decision(case).then(None, event, entries=(entry,), verified=act.confirmed)


def _assess_initial(case: Case, act: acts.AssessInitial, world: World) -> Decision:
    entry = _assessed("initial", act, {"urgent_measures": act.urgent_measures} if act.urgent_measures else {})
    event = Happening(events.RiskAssessed, {"assessment": "initial", "level": act.level})
    decision = Decision(case).then(None, event, entries=(entry,), risk=act.level, step="assessment")
    decision = clocks.meet(decision, world, INITIAL)
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


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Verify: _verify,
    acts.AssessInitial: _assess_initial,
    acts.AssessDetailed: _assess_detailed,
}
