"""A case begins: from a report, corrected by its sender, joined by further reports.

Pure (Decree 56/2017, Art. 25, 26).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from services.cases.domain import clocks, concerns, tasks
from services.cases.domain.model import (
    EMERGENCY,
    INITIAL,
    PLAN,
    Case,
    Concern,
    Decision,
    Entry,
    Happening,
    World,
    at_risk,
)
from shared.contracts import cases as events
from shared.contracts.vocabulary import ChildDescription


def open_case(
    concern: Concern,
    case_id: str,
    code: str,
    child: ChildDescription | None,
    world: World,
    *,
    by_person: bool,
    part: str | None = None,
) -> Decision:
    """A concern becomes a case; danger now starts the 12 hours and asks the sectors at once.

    In: `by_person` says that somebody decided it in triage, not the report itself; `part`: the report's part about this
    child, where it tells of several.
    """
    case = Case(
        id=case_id,
        code=code,
        concern_id=part or concern.id,
        unit=concern.unit,
        sex=concern.sex,
        age_band=concern.age_band,
        kind=concern.kind,
        risk="high" if concern.danger_now == "yes" else "unassessed",
        status="open",
        step="intake",
        sector=concern.sector,
        channel=concern.channel,
        danger_now=concern.danger_now,
        received_at=concern.received_at,
        opened_at=world.now,
        environment=concern.environment,
        harmer=concern.harmer,
    )
    opened = Happening(events.CaseOpened, {"concern_id": concern.id, "danger_now": concern.danger_now})
    entry = Entry("case.opened", {"danger_now": concern.danger_now, "by_person": by_person}, sector=concern.sector)
    decision = describe_child(Decision(case, (opened,), (entry,)), child)
    # Decree 56/2017, Art. 26(2): assessed within the 12 hours, whatever the report says of the danger.
    decision = clocks.start(decision, world, INITIAL, concern.received_at)
    if concern.danger_now == "yes":
        return danger(decision, world)
    # Decree 56/2017, Art. 28(1): the plan within 5 working days; the starting event is read as the receipt.
    return clocks.start(decision, world, PLAN, concern.received_at)


def about_child(concern: Concern, child: ChildDescription, part: str) -> Concern:
    """The concern as it is about another of its children: `part` in place of its id, that child's sex and age."""
    return replace(
        concern,
        id=part,
        sex=concerns.described_sex("unknown", child),
        age_band=concerns.described_band(None, child, concern.received_at),
    )


def with_siblings(decision: Decision, codes: Sequence[str], earlier: Sequence[str]) -> Decision:
    """The case's siblings of the same report. In: the codes of all; the ids of those that were opened before it: the
    later of two says that they belong together."""
    if not codes:
        return decision
    told = [Happening(events.SiblingLinked, {"other_case_id": other}) for other in earlier]
    return decision.then(None, *told, entries=(Entry("siblings.linked", {"codes": list(codes)}),))


def danger(decision: Decision, world: World, at: datetime | None = None) -> Decision:
    """The child is in danger now: 12 hours from receipt (Decree 56/2017, Art. 26(3)), no 5-day plan (Art. 28(1)).

    In: `at`: where the danger was not known at the receipt, when it was learnt.
    """
    if decision.case.emergency is None:
        decision = clocks.cancel(decision, world, PLAN)
        decision = clocks.start(decision, world, EMERGENCY, at or decision.case.received_at)
    return tasks.ask_at_once(decision, world)


def describe_child(decision: Decision, child: ChildDescription | None) -> Decision:
    """Ask the registry who the child is, where anything is known and no answer stands."""
    if child is None or decision.case.identity == "linked" or not child.model_dump(exclude_defaults=True):
        return decision
    event = Happening(events.ChildDescribed, {"child": child})
    return decision.then(None, event, entries=(Entry("child.described"),), identity="asked", candidates=())


def correct(case: Case, before: Concern, after: Concern, child: ChildDescription | None, world: World) -> Decision:
    """The sender corrected the report that opened the case: until somebody works on it the case follows, later a person
    decides; but when it was received, and that the child is in danger now, is heeded at any time."""
    entries = (Entry("report.corrected", sector=after.sector),)
    decision = move_receipt(Decision(case, (), entries), world, before, after)
    case = decision.case
    if case.status != "open" or case.concern_id != after.id:
        return decision
    if case.step != "intake" or case.verified is not None:
        if after.danger_now != "yes" or before.danger_now == "yes" or case.danger_now == "yes":
            return decision
        return _danger_told(decision, world, world.now)
    moved = replace(
        case,
        # Once somebody of the commune is responsible, it takes people to move the case elsewhere.
        unit=after.unit if case.unit == before.unit and case.worker is None else case.unit,
        sex=after.sex,
        age_band=after.age_band,
        kind=after.kind if case.kind == before.kind else case.kind,
        environment=after.environment if case.environment == before.environment else case.environment,
        harmer=after.harmer if case.harmer == before.harmer else case.harmer,
        channel=after.channel,
        # Danger that another report told of is not this sender's to take back.
        danger_now=after.danger_now if case.danger_now == before.danger_now else case.danger_now,
    )
    changed = (Happening(events.CaseReclassified),) if moved.facts() != case.facts() else ()
    decision = decision.then(moved, *changed)
    decision = describe_child(decision, child)
    if after.danger_now == "yes" and before.danger_now != "yes":
        decision = danger(at_risk(decision, "high"), world)
    return decision


def move_receipt(
    decision: Decision, world: World, before: Concern, after: Concern, words: Mapping[str, str] | None = None
) -> Decision:
    """A report of the case, or its part about the child, was received at another time than was said first.

    What runs from its receipt is moved, also where it only joined the case. In: `words`: why, as typed.
    """
    if before.received_at == after.received_at:
        return decision
    data = {"from": before.received_at.isoformat(), "to": after.received_at.isoformat()}
    decision = decision.then(entries=(Entry("receipt.corrected", data, words or {}, after.sector),))
    if decision.case.concern_id == after.id:
        decision = decision.then(received_at=after.received_at)
    moved = clocks.move(decision, world, before.received_at, after.received_at)
    if moved.happenings == decision.happenings and decision.case.concern_id == after.id:
        # No clock of it tells any more, yet what is measured from its receipt changes.
        return moved.then(None, Happening(events.CaseReclassified))
    return moved


def named_no_more(case: Case, sector: str) -> Decision:
    """The corrected report does not tell of this child any more: a person looks at it, the case stays."""
    return Decision(case, (), (Entry("report.corrected", {"removed": True}, sector=sector),))


def linked_report(case: Case, concern: Concern, world: World) -> Decision:
    """A further report tells of a case that is open already."""
    entry = Entry("report.linked", {"code": concern.code, "danger_now": concern.danger_now}, sector=concern.sector)
    decision = Decision(case, (), (entry,))
    if concern.danger_now != "yes" or case.danger_now == "yes":
        return decision
    # What this report says was not known before it came: its own receipt starts the clock.
    return _danger_told(decision, world, concern.received_at)


def _danger_told(decision: Decision, world: World, at: datetime) -> Decision:
    """A case that is in work turns out to be of a child in danger now: the 12 hours run from when that was told."""
    decision = at_risk(decision.then(danger_now="yes"), "high").then(None, Happening(events.CaseReclassified))
    return danger(decision, world, at)
