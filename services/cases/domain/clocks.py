"""The law's clocks: started, nearing, missed, met; standing still where the law allows it.

Pure. What fell due while nobody looked is told before anything else is done with a clock, in the order in which it fell
due; of a clock that is past its end only that is told, not that the end was near.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from services.cases.domain import acts
from services.cases.domain.model import (
    AFTER,
    ENDS_BY_ITSELF,
    FROM_RECEIPT,
    Case,
    Clock,
    Decision,
    Entry,
    Happening,
    World,
    deadline_event,
    elapsed,
    refuse,
)
from shared.contracts import cases as events


@dataclass(frozen=True, slots=True)
class Pause:
    """Why, since when and until when at the latest a clock stands still."""

    reason: str
    since: datetime
    ends_at: datetime


def pause_of(clock: Clock) -> Pause | None:
    """The pause in which a clock stands; None where it runs."""
    if clock.paused_at is None or clock.pause_reason is None or clock.pause_ends_at is None:
        return None
    return Pause(clock.pause_reason, clock.paused_at, clock.pause_ends_at)


def start(decision: Decision, world: World, kind: str, at: datetime) -> Decision:
    """Start a clock of the law, or the commune's own shorter one, at `at`, unless one of the kind runs already."""
    case = decision.case
    if case.clock(kind) is not None:
        return decision
    return run(decision, of_law(world, kind, at, case.unit))


def of_law(world: World, kind: str, at: datetime, unit: str) -> Clock:
    """A clock of a kind that starts at a moment, by the rule in force then; a commune's own shorter one, where it has
    one."""
    deadline = world.start(kind, at, unit)
    return Clock(
        world.new_id(),
        kind,
        at,
        deadline.due,
        deadline.nearing_at,
        deadline.legal_source,
        working_days=deadline.working_days,
        pausable=deadline.pausable,
        pause_days=deadline.pause_days,
        set_by=deadline.set_by,
    )


def until(longest: Clock, due: datetime) -> Clock:
    """The clock of a decision that names its own day, by the rule of `longest`: the end is near as long before it."""
    nearing_at = max(longest.started_at, due - (longest.due - longest.nearing_at))
    return replace(longest, due=due, nearing_at=nearing_at)


def move(decision: Decision, world: World, before: datetime, after: datetime) -> Decision:
    """A report was received at another time than was said first: what runs from its receipt runs from then.

    What is settled stays as it was decided. One that was missed by the wrong receipt alone runs again; one that would
    be missed by now is told so by the next tick. Time for which it stood still is added as it was.
    """
    for clock in decision.case.clocks:
        if clock.runs and clock.kind in FROM_RECEIPT and clock.started_at == before:
            decision = _with(decision, _moved(clock, world, after, decision.case.unit), events.DeadlineMoved)
    return decision


def _moved(clock: Clock, world: World, at: datetime, unit: str) -> Clock:
    law = of_law(world, clock.kind, at, unit)
    stood = clock.due - world.start(clock.kind, clock.started_at, unit).due if clock.stood_still else timedelta(0)
    due, nearing_at = law.due + stood, law.nearing_at + stood
    state = clock.state
    if (state == "missed" and due >= world.now) or (state == "nearing" and nearing_at > world.now):
        state = "running"
    return replace(
        law,
        id=clock.id,
        due=due,
        nearing_at=nearing_at,
        state=state,
        paused_at=clock.paused_at,
        pause_reason=clock.pause_reason,
        pause_ends_at=clock.pause_ends_at,
        stood_still=clock.stood_still,
    )


def run(decision: Decision, clock: Clock) -> Decision:
    """A clock that was computed already runs from now."""
    entry = Entry("deadline.started", {"kind": clock.kind, "due": clock.due.isoformat()})
    return decision.then(
        None, deadline_event(events.DeadlineStarted, clock), entries=(entry,), clocks=(*decision.case.clocks, clock)
    )


def run_again(decision: Decision, world: World, ended: Clock, pause: Pause | None) -> Decision:
    """A clock that was ended with its case runs again under an id of its own, as it ran.

    In: `pause`: in which it stood when it was ended. It stands on, for the time that was left of it then; what the
    pause let it stand until it was ended is not counted twice.
    """
    clock = replace(ended, id=world.new_id(), state="running", settled_at=None)
    if pause is None or ended.settled_at is None:
        return run(decision, clock)
    clock = replace(clock, stood_still=clock.stood_still - (ended.settled_at - pause.since))
    paused = replace(
        clock, state="paused", paused_at=pause.since, pause_reason=pause.reason, pause_ends_at=pause.ends_at
    )
    return _with(run(decision, clock), paused, events.DeadlinePaused, {"reason": pause.reason})


def meet(decision: Decision, world: World, kind: str) -> Decision:
    """The act that a clock waited for was done now: in time, also while the clock stood still."""
    clock = decision.case.clock(kind)
    return decision if clock is None else _settle(decision, world, clock, "met", "met-late")


def cancel(decision: Decision, world: World, *kinds: str) -> Decision:
    """The act is needed no more; without kinds, all running clocks. One already missed stays missed: it lapses."""
    for clock in decision.case.clocks:
        if clock.runs and (not kinds or clock.kind in kinds):
            decision = _settle(decision, world, clock, "cancelled", "lapsed")
    return decision


def _settle(
    decision: Decision,
    world: World,
    clock: Clock,
    in_time: Literal["met", "cancelled"],
    too_late: Literal["met-late", "lapsed"],
) -> Decision:
    decision = _overtaken(decision, world, clock.id)
    clock = _of(decision.case, clock.id)
    if not clock.runs:
        return decision
    settled = replace(
        _moving(clock, world.now), state=too_late if clock.state == "missed" else in_time, settled_at=world.now
    )
    return _with(decision, settled, events.DeadlineMet)


def _overtaken(decision: Decision, world: World, clock_id: str) -> Decision:
    """What the clock's end has made true by now and nobody told yet; that it is near is not worth telling any more."""
    while True:
        clock = _of(decision.case, clock_id)
        moment = fell_due(clock, world.now)
        if moment is None or (moment < clock.due and clock.state == "running"):
            return decision
        decision = _pass(decision, world, clock, moment)


def fell_due(clock: Clock, now: datetime) -> datetime | None:
    """The moment, not after `now`, at which something became true of a clock that nobody told yet."""
    if clock.state in ("running", "nearing") and now > clock.due:
        return clock.due + AFTER
    if clock.state == "running" and now >= clock.nearing_at:
        return clock.nearing_at
    ends = clock.pause_ends_at if clock.state == "paused" else None
    return ends if ends is not None and now >= ends else None


def tick(decision: Decision, world: World, moment: datetime) -> Decision:
    """What became true of the clocks at a moment of the past or now: nearing, missed, ended by itself, running again.

    In: `moment`: what fell due until then and no later; `world.now` decides what is still worth telling.
    """
    for known in decision.case.clocks:
        due = fell_due(known, world.now)
        if due is not None and due <= moment:
            decision = _pass(decision, world, known, due)
    return decision


def _pass(decision: Decision, world: World, clock: Clock, moment: datetime) -> Decision:
    if clock.state == "paused":
        return _resumed(decision, world, clock, moment, {})
    if moment < clock.due:
        return _with(decision, replace(clock, state="nearing"), events.DeadlineNearing)
    if clock.kind in ENDS_BY_ITSELF:
        over = replace(clock, state="met", settled_at=clock.due)
        return _with(decision, over, events.DeadlineMet).then(None, Happening(ENDS_BY_ITSELF[clock.kind]))
    return _with(decision, replace(clock, state="missed"), events.DeadlineMissed)


def _pause(case: Case, act: acts.PauseDeadline, world: World) -> Decision:
    """The chair lets a clock stand still (where its own rule allows it; Civil Code 2015, Art. 156(1) by analogy).

    Raises: `Rejected` (clock-unknown, clock-may-not-pause, pause-reason).
    """
    decision = _caught_up(Decision(case), world, act.deadline)
    clock = _of(decision.case, act.deadline)
    if not clock.may_pause:
        raise refuse(
            "deadline",
            "clock-may-not-pause",
            "Thời hạn này không được tạm dừng: luật không cho phép, đã quá hạn, hoặc đã dừng hết số ngày tối đa.",
            "This clock may not stand still: the law does not allow it, it is missed, or its days are used up.",
        )
    if act.reason not in clock.pausable:
        raise refuse(
            "reason",
            "pause-reason",
            "Lý do này không làm dừng thời hạn đã chọn.",
            "This reason does not let the chosen clock stand still.",
        )
    paused = replace(
        clock,
        state="paused",
        paused_at=world.now,
        pause_reason=act.reason,
        pause_ends_at=world.now + clock.pause_left,
    )
    more = {"reason": act.reason}
    return _with(decision, paused, events.DeadlinePaused, more, {"reason": act.words})


def _resume(case: Case, act: acts.ResumeDeadline, world: World) -> Decision:
    """The chair lets a clock run again. Raises: `Rejected` (clock-unknown, clock-not-paused)."""
    if _of(case, act.deadline).state != "paused":
        raise refuse("deadline", "clock-not-paused", "Thời hạn này không đang tạm dừng.", "This clock does not stand.")
    decision = _caught_up(Decision(case), world, act.deadline)
    clock = _of(decision.case, act.deadline)
    # A pause that was too long has ended by itself, at its last moment.
    if clock.state != "paused":
        return decision
    return _resumed(decision, world, clock, world.now, {"reason": act.words} if act.words else {})


def _caught_up(decision: Decision, world: World, clock_id: str) -> Decision:
    while (moment := fell_due(clock := _of(decision.case, clock_id), world.now)) is not None:
        decision = _pass(decision, world, clock, moment)
    return decision


def _resumed(decision: Decision, world: World, clock: Clock, at: datetime, words: Mapping[str, str]) -> Decision:
    return _with(decision, running_again(clock, world, at), events.DeadlineResumed, words=words)


def running_again(clock: Clock, world: World, at: datetime) -> Clock:
    """A clock that stood still, from `at` on: due later by the time it stood, by working time where it counts that; as
    it is where it did not stand."""
    if clock.paused_at is None:
        return clock
    shift = world.after_pause if clock.working_days else elapsed
    due = shift(clock.due, clock.paused_at, at)
    nearing_at = due - (clock.due - clock.nearing_at)
    # One that was told to be near before it stood still is not told so again, if it still is.
    state: Literal["running", "nearing"] = "nearing" if at >= nearing_at else "running"
    return replace(_moving(clock, at), state=state, due=due, nearing_at=nearing_at)


def _moving(clock: Clock, at: datetime) -> Clock:
    """The clock as it is when it does not stand still any more; one that did not stand is as it was."""
    if clock.paused_at is None:
        return clock
    stood = clock.stood_still + (at - clock.paused_at)
    return replace(clock, paused_at=None, pause_reason=None, pause_ends_at=None, stood_still=stood)


def _of(case: Case, clock_id: str) -> Clock:
    clock = next((clock for clock in case.clocks if clock.id == clock_id), None)
    if clock is None:
        raise refuse(
            "deadline", "clock-unknown", "Vụ việc không có thời hạn này.", "The case has no such clock running."
        )
    return clock


def _with(
    decision: Decision,
    clock: Clock,
    model: type[events.DeadlineEvent],
    more: Mapping[str, str] | None = None,
    words: Mapping[str, str] | None = None,
) -> Decision:
    clocks = tuple(clock if known.id == clock.id else known for known in decision.case.clocks)
    name = {events.DeadlineResumed: "resumed", events.DeadlineMoved: "moved"}.get(model, clock.state)
    entry = Entry(f"deadline.{name}", {"kind": clock.kind, "due": clock.due.isoformat(), **(more or {})}, words or {})
    told = deadline_event(model, clock)
    if more:
        told = replace(told, extra={**told.extra, **more})
    return decision.then(None, told, entries=(entry,), clocks=clocks)


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.PauseDeadline: _pause,
    acts.ResumeDeadline: _resume,
}
