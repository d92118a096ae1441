"""Emergency protection: measures decided by the chair within the law's hours.

Pure (Decree 56/2017, Art. 26(3), 31, 32; form 07).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks, separation
from services.cases.domain.forms import filled
from services.cases.domain.model import EMERGENCY, Case, Decision, Entry, Happening, World, refuse
from shared.contracts import cases as events


def _decide_emergency(case: Case, act: acts.DecideEmergency, world: World) -> Decision:
    if act.measure not in world.measures:
        raise refuse("measure", "measure", "Biện pháp không có trong danh mục.", "The measure is not listed.")
    form = filled(act, world)
    separates = not world.separating.isdisjoint({act.measure, *act.further})
    if act.until is not None and not separates:
        raise refuse(
            "until",
            "not-separating",
            "Chỉ ghi ngày khi biện pháp có tạm thời cách ly.",
            "The day is given only where the child is kept apart.",
        )
    event = Happening(events.EmergencyMeasureDecided, {"measure": act.measure})
    entry = Entry("emergency.decided", form.data(), form.words())
    decision = Decision(case).then(None, event, entries=(entry,), emergency=act.measure)
    decision = clocks.meet(decision, world, EMERGENCY)
    return separation.decided(decision, world, act.until) if separates else decision


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.DecideEmergency: _decide_emergency,
    acts.ExtendSeparation: separation.extend,
    acts.EndSeparation: separation.end,
}
