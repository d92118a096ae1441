"""The commune where it happened offers a case to the one where the child lives, and leads until that one takes it.

Pure (Law on Children 2016, Art. 52; Decree 56/2017, Art. 26(1)).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.cases.domain import acts, clocks
from services.cases.domain.model import CASE_HANDOVER, Case, Decision, Entry, Happening, World, refuse
from shared.contracts import cases as events


def _offer(case: Case, act: acts.OfferHandover, world: World) -> Decision:
    _another(case, act.to_unit, world)
    entry = Entry("handover.offered", {"to_unit": act.to_unit}, {"reason": act.reason})
    told = Happening(events.HandoverOffered, {"to_unit": act.to_unit})
    decision = Decision(case).then(None, told, entries=(entry,), handover_to=act.to_unit)
    return clocks.start(decision, world, CASE_HANDOVER, world.now)


def _accept(case: Case, act: acts.AcceptHandover, world: World) -> Decision:
    words = {"remarks": act.remarks} if act.remarks else {}
    decision = clocks.meet(_answered(Decision(case), "accepted", words), world, CASE_HANDOVER)
    return moved(decision, str(case.handover_to), {})


def _decline(case: Case, act: acts.DeclineHandover, world: World) -> Decision:
    return clocks.meet(_answered(Decision(case), "declined", {"reason": act.reason}), world, CASE_HANDOVER)


def _withdraw(case: Case, act: acts.WithdrawHandover, world: World) -> Decision:
    return withdrawn(Decision(case), world, {"reason": act.reason})


def _transfer(case: Case, act: acts.Transfer, world: World) -> Decision:
    _another(case, act.to_unit, world)
    return moved(withdrawn(Decision(case), world), act.to_unit, {"reason": act.reason})


def withdrawn(decision: Decision, world: World, words: Mapping[str, str] | None = None) -> Decision:
    """The offer is over without an answer; nothing, where none waits."""
    if decision.case.handover_to is None:
        return decision
    return clocks.cancel(_answered(decision, "withdrawn", words or {}), world, CASE_HANDOVER)


def moved(decision: Decision, to_unit: str, words: Mapping[str, str]) -> Decision:
    """Another commune leads from now; who was responsible in the first is so no more."""
    from_unit = decision.case.unit
    entry = Entry("case.transferred", {"from_unit": from_unit, "to_unit": to_unit}, words)
    told = Happening(events.CaseTransferred, {"from_unit": from_unit})
    return decision.then(None, told, entries=(entry,), unit=to_unit, worker=None, worker_name="")


def _answered(decision: Decision, answer: str, words: Mapping[str, str]) -> Decision:
    to_unit = decision.case.handover_to
    entry = Entry(f"handover.{answer}", {"to_unit": to_unit}, words)
    told = Happening(events.HandoverAnswered, {"to_unit": to_unit, "answer": answer})
    return decision.then(None, told, entries=(entry,), handover_to=None)


def _another(case: Case, to_unit: str, world: World) -> None:
    if to_unit not in world.units or to_unit == case.unit:
        raise refuse(
            "to_unit", "unit-unknown", "Chọn một xã, phường khác của tỉnh.", "Choose another commune of the province."
        )


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.OfferHandover: _offer,
    acts.AcceptHandover: _accept,
    acts.DeclineHandover: _decline,
    acts.WithdrawHandover: _withdraw,
    acts.Transfer: _transfer,
}
