"""The one state machine of a case: every act goes through here, and so does time (Decree 56/2017, ch. III).

Pure. What an act changes and says is in the module of its chapter; one that is not open raises `Rejected` with its law.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.cases.domain import (
    acts,
    assessing,
    bans,
    care,
    clocks,
    conference,
    coordinating,
    ending,
    handover,
    leading,
    planning,
    protecting,
    tasks,
)
from services.cases.domain.model import Actor, Case, Decision, World, deadline_event, task_event
from services.cases.domain.rules import require
from shared.contracts import cases as events

_DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    **assessing.DECIDED,
    **protecting.DECIDED,
    **planning.DECIDED,
    **coordinating.DECIDED,
    **conference.DECIDED,
    **leading.DECIDED,
    **bans.DECIDED,
    **care.DECIDED,
    **handover.DECIDED,
    **ending.DECIDED,
    **clocks.DECIDED,
}


def decide(case: Case, act: acts.Act, actor: Actor, world: World) -> Decision:
    """An act of a person on one case alone (who its child is, and what concerns two cases, apart).

    Raises: `Rejected` with rule and law where it is not open.
    """
    require(case, act.act, actor)
    decision: Decision = _DECIDED[type(act)](case, act, world)
    return decision


def tick(case: Case, world: World) -> Decision:
    """What fell due until now, one moment after the other: clocks nearing or missed, pauses over, tasks overdue.

    Nothing due, nothing decided. After a day off it is told in the order in which it fell due.
    """
    decision = Decision(case)
    while (moment := _next_moment(decision.case, world.now)) is not None:
        before = decision
        decision = tasks.tick(clocks.tick(decision, world, moment), replace(world, now=moment))
        if decision is before:
            raise ValueError(f"nothing follows from what fell due at {moment}")
    return decision


def _next_moment(case: Case, now: datetime) -> datetime | None:
    moments = [clocks.fell_due(clock, now) for clock in case.clocks] + [task.next_moment() for task in case.tasks]
    return min((moment for moment in moments if moment is not None and moment <= now), default=None)


def follow(before: Case | None, decision: Decision) -> Decision:
    """Running clocks and open tasks go where their case goes: each that the decision does not speak of is said again.

    Whoever counts deadlines and tasks by commune, kind or risk knows of them by their own events only. What is settled
    stays with the commune and the kind under which it was done.
    """
    after = decision.case
    if before is None or _coarse_place(before) == _coarse_place(after):
        return decision
    spoken = {happening.extra.get(name) for happening in decision.happenings for name in ("deadline_id", "task_id")}
    running = (
        deadline_event(events.DeadlineFollowedCase, clock)
        for clock in after.clocks
        if clock.runs and clock.id not in spoken
    )
    cause = "changed" if before.unit == after.unit else "transferred"
    asked = (
        task_event(events.TaskFollowedCase, task, cause=cause)
        for task in after.tasks
        if task.is_open and task.id not in spoken
    )
    return decision.then(None, *running, *asked)


def _coarse_place(case: Case) -> tuple[str, ...]:
    return (case.unit, case.kind, case.risk, case.sex, case.age_band, case.sector, case.channel)
