"""What a decision consists of: the case as it is from now, what the world is told, what the file remembers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.cases.domain.model.case import Case
from services.cases.domain.model.clock import Clock
from services.cases.domain.model.work import Task
from shared.contracts import cases as events
from shared.contracts.vocabulary import RiskLevel


@dataclass(frozen=True, slots=True)
class Happening:
    """An event to be emitted: its contract, and the fields beyond case and facts. Personal texts are still plain."""

    model: type[events.CaseEvent]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the case's timeline: a coarse code with coarse data, and words that only the case's key opens."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, Any] = field(default_factory=dict)
    sector: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The case as it is from now, what the world is told, what the file remembers."""

    case: Case
    happenings: tuple[Happening, ...] = ()
    entries: tuple[Entry, ...] = ()

    def then(
        self, case: Case | None = None, *happenings: Happening, entries: tuple[Entry, ...] = (), **changes: Any
    ) -> Decision:
        """This decision with more decided."""
        after = replace(case or self.case, **changes)
        return Decision(after, (*self.happenings, *happenings), (*self.entries, *entries))


def deadline_event(model: type[events.DeadlineEvent], clock: Clock) -> Happening:
    """An event about a clock, as it now stands."""
    return Happening(
        model,
        {
            "deadline_id": clock.id,
            "kind": clock.kind,
            "state": clock.state,
            "due": clock.due,
            "legal_source": clock.legal_source,
        },
    )


def task_event(model: type[events.CaseEvent], task: Task, **more: Any) -> Happening:
    """An event about a task, as it now stands."""
    told = {
        "task_id": task.id,
        "task_kind": task.kind,
        "task_sector": task.sector,
        "due": task.due,
        "state": task.state,
        "requested_at": task.asked_at,
        "answered_at": task.responded_at,
    }
    return Happening(model, {**told, **more})


def at_risk(decision: Decision, level: RiskLevel) -> Decision:
    """The decision with the case at another level of risk."""
    return decision.then(risk=level)
