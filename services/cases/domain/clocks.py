"""The law's clocks: started, nearing, missed, met.

Pure. A clock that was missed while nobody looked is still told as missed before it is told as met late.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Literal

from services.cases.domain.model import Clock, Decision, Entry, World, deadline_event
from shared.contracts import cases as events


def start(decision: Decision, world: World, kind: str, at: datetime) -> Decision:
    """Start a clock of the law at `at`, unless one of the kind runs already."""
    case = decision.case
    if case.clock(kind) is not None:
        return decision
    deadline = world.start(kind, at)
    clock = Clock(world.new_id(), kind, at, deadline.due, deadline.nearing_at, deadline.legal_source)
    return run(decision, clock)


def run(decision: Decision, clock: Clock) -> Decision:
    """A clock that was computed already runs from now."""
    entry = Entry("deadline.started", {"kind": clock.kind, "due": clock.due.isoformat()})
    return decision.then(
        None, deadline_event(events.DeadlineStarted, clock), entries=(entry,), clocks=(*decision.case.clocks, clock)
    )


def meet(decision: Decision, world: World, kind: str) -> Decision:
    """The act that a clock waited for was done now."""
    clock = decision.case.clock(kind)
    if clock is None:
        return decision
    late = world.now > clock.due
    return _settle(decision, clock, world.now, "met-late" if late else "met")


def cancel(decision: Decision, world: World, *kinds: str) -> Decision:
    """The act is needed no more; without kinds, all running clocks. One already missed stays missed."""
    for clock in decision.case.clocks:
        if clock.runs and (not kinds or clock.kind in kinds):
            late = world.now > clock.due
            decision = _settle(decision, clock, world.now, "met-late" if late else "cancelled")
    return decision


def ran_out(decision: Decision, clock: Clock) -> Decision:
    """What the clock measures is over by itself, as the law wants it: it ended when due, and nobody missed it."""
    return _with(decision, replace(clock, state="met", settled_at=clock.due), events.DeadlineMet)


def _settle(
    decision: Decision, clock: Clock, now: datetime, state: Literal["met", "met-late", "cancelled"]
) -> Decision:
    if state == "met-late" and clock.state != "missed":
        missed = replace(clock, state="missed")
        decision = _with(decision, missed, events.DeadlineMissed)
    settled = replace(clock, state=state, settled_at=now)
    return _with(decision, settled, events.DeadlineMet)


def tick(decision: Decision, world: World) -> Decision:
    """Clocks that are nearing their end or have passed it by now."""
    for clock in decision.case.clocks:
        if clock.state in ("running", "nearing") and world.now > clock.due:
            # After a day off a clock may have passed both moments: only the truth of now is told.
            decision = _with(decision, replace(clock, state="missed"), events.DeadlineMissed)
        elif clock.state == "running" and world.now >= clock.nearing_at:
            decision = _with(decision, replace(clock, state="nearing"), events.DeadlineNearing)
    return decision


def _with(decision: Decision, clock: Clock, model: type[events.DeadlineEvent]) -> Decision:
    clocks = tuple(clock if known.id == clock.id else known for known in decision.case.clocks)
    entry = Entry(f"deadline.{clock.state}", {"kind": clock.kind, "due": clock.due.isoformat()})
    return decision.then(None, deadline_event(model, clock), entries=(entry,), clocks=clocks)
