"""As what a case is counted; and what the file is to remember.

Pure (Law on Children 2016, Art. 4(5), 51).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from services.cases.domain import acts
from services.cases.domain.model import Case, Decision, Entry, Happening, World, refuse
from services.cases.domain.opening import danger
from shared.contracts import cases as events


def _reclassify(case: Case, act: acts.Reclassify, world: World) -> Decision:
    risk = act.risk or case.risk
    environment, harmer = act.environment or case.environment, act.harmer or case.harmer
    _listed("kind", act.kind, case.kind, world.kinds)
    _listed("environment", environment, case.environment, world.environments)
    _listed("harmer", harmer, case.harmer, world.harmers)
    if (act.kind, risk, environment, harmer) == (case.kind, case.risk, case.environment, case.harmer):
        raise refuse("kind", "nothing-changed", "Chưa có gì thay đổi.", "Nothing is changed.")
    data = {"kind": act.kind, "risk": risk, "from_kind": case.kind, "from_risk": case.risk}
    entry = Entry("case.reclassified", {**data, "environment": environment, "harmer": harmer}, {"reason": act.reason})
    decision = Decision(case).then(
        None,
        Happening(events.CaseReclassified),
        entries=(entry,),
        kind=act.kind,
        risk=risk,
        environment=environment,
        harmer=harmer,
    )
    if risk == "high" and case.risk != "high" and case.emergency is None:
        decision = danger(decision, world, world.now)
    return decision


def classified(decision: Decision, world: World, kind: str) -> Decision:
    """The case is of this kind, as its facts proved. One that it was already changes nothing. Raises `Rejected`."""
    case = decision.case
    if kind == case.kind:
        return decision
    _listed("kind", kind, case.kind, world.kinds)
    data = {"kind": kind, "risk": case.risk, "from_kind": case.kind, "from_risk": case.risk}
    entry = Entry("case.reclassified", {**data, "environment": case.environment, "harmer": case.harmer})
    return decision.then(None, Happening(events.CaseReclassified), entries=(entry,), kind=kind)


def _listed(field: str, wanted: str | None, before: str | None, codes: Collection[str]) -> None:
    """A code that a case has already may have gone out of use; a new one is of today's list."""
    if wanted != before and wanted not in codes:
        raise refuse(field, field, "Chọn một mục trong danh mục.", "Choose one of the list.")


def _note(case: Case, act: acts.Note, _world: World) -> Decision:
    return Decision(case, (), (Entry("note", {}, {"text": act.text}),))


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Reclassify: _reclassify,
    acts.Note: _note,
}
