"""Emergency protection: measures decided by the chair within the law's hours.

Pure (Decree 56/2017, Art. 26(3), 31, 32; form 07).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks, separation
from services.cases.domain.model import EMERGENCY, Case, Decision, Entry, Happening, World, refuse
from shared.contracts import cases as events


def _decide_emergency(case: Case, act: acts.DecideEmergency, world: World) -> Decision:
    if act.measure not in world.measures:
        raise refuse("measure", "measure", "Biện pháp không có trong danh mục.", "The measure is not listed.")
    event = Happening(events.EmergencyMeasureDecided, {"measure": act.measure})
    entry = Entry("emergency.decided", {"measure": act.measure}, {"decision": act.decision})
    decision = Decision(case).then(None, event, entries=(entry,), emergency=act.measure)
    decision = clocks.meet(decision, world, EMERGENCY)
    return separation.decided(decision, world) if act.measure in world.separating else decision


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.DecideEmergency: _decide_emergency,
    acts.ExtendSeparation: separation.extend,
    acts.EndSeparation: separation.end,
}
