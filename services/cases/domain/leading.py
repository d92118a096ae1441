"""Who leads a case and as what it is counted; and what the file is to remember.

Pure (Law on Children 2016, Art. 51, 52).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.model import EMERGENCY, Case, Decision, Entry, Happening, World, refuse
from shared.contracts import cases as events


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


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Reclassify: _reclassify,
    acts.Transfer: _transfer,
    acts.Note: _note,
}
