"""The slow truth of history: plain Python over all events at once, that shares no code with the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from shared.contracts import cases, registry, stats
from tests.unit.stats.events import Event

_TASK_STATE: dict[type[Any], str] = {
    cases.TaskRequested: "requested",
    cases.TaskAccepted: "accepted",
    cases.TaskDone: "done",
    cases.TaskOverdue: "overdue",
    cases.TaskCancelled: "cancelled",
}


class Happened(NamedTuple):
    """An event, and its own time."""

    event: Event
    at: datetime


def day_of(moment: datetime) -> date:
    return (moment + timedelta(hours=7)).date()


class Things:
    """What was true of everything, once the events were known that had happened by a moment."""

    def __init__(self, history: Sequence[Happened], as_of: datetime) -> None:
        self.states: dict[tuple[str, str], Any] = {}
        numbers: dict[tuple[str, str], int] = {}
        gone: set[str] = set()
        for event, at in history:
            if at > as_of:
                continue
            for name, value in _said(event):
                if numbers.get(name, 0) < event.sequence:
                    numbers[name], self.states[name] = event.sequence, value
            if isinstance(event.data, registry.ChildMerged):
                gone.add(event.data.merged_id)
            if isinstance(event.data, registry.ChildErased):
                gone.add(event.data.child_id)
        for child in gone:
            self.states.pop(("child", child), None)

    def of(self, what: str) -> Iterable[Any]:
        return (value for (kind, _), value in self.states.items() if kind == what and value is not None)


def _said(event: Event) -> Iterable[tuple[tuple[str, str], Any]]:
    data = event.data
    if isinstance(data, cases.ConcernReceived):
        yield ("concern", data.concern_id), data.facts
    elif isinstance(data, stats.ActivityRecorded):
        yield ("activity", data.activity_id), data
    elif isinstance(data, cases.CaseIncidentRecorded):
        yield ("incident", data.incident_id), data
    elif isinstance(data, cases.CaseEvent):
        yield ("case", data.case_id), data.facts
        if isinstance(data, cases.DeadlineEvent):
            yield ("deadline", data.deadline_id), data
        elif isinstance(data, cases.CaseServiceProvided):
            yield ("service", data.service_id), data
        elif isinstance(data, cases.CaseServiceWithdrawn):
            yield ("service", data.service_id), None
        elif hasattr(data, "task_id"):
            state = data.state or _TASK_STATE.get(type(data))
            if state is not None:
                yield ("task", data.task_id), (data, state)
    elif hasattr(data, "facts"):
        yield ("child", data.child_id), data.facts if data.facts.status == "active" else None  # type: ignore[attr-defined]


def _age(facts: registry.ChildFacts, on: date) -> str:
    if facts.birth_year is None:
        return "unknown"
    years = on.year - facts.birth_year
    if facts.birth_month:
        years -= on.month < facts.birth_month
    if years < 0:  # said to be born after that day
        return "unknown"
    return next(
        (band for upper, band in ((3, "0-3"), (5, "4-5"), (10, "6-10"), (15, "11-15")) if years <= upper), "16+"
    )


def happened(history: Sequence[Happened], measure: str, first: date, last: date, as_of: datetime) -> Counter[Any]:
    """How many of a flow happened on the days of a period, by the dimensions that the test asks for."""
    things = Things(history, as_of)
    found: Counter[Any] = Counter()

    def note(day: date, *keys: str, n: int = 1) -> None:
        if first <= day <= last:
            found[keys] += n

    if measure == "reports":
        for facts in things.of("concern"):
            note(day_of(facts.received_at), facts.unit, facts.request, facts.danger_now)
    elif measure == "incidents":
        for data in things.of("incident"):
            note(data.occurred_on, data.unit, data.outcome)
    elif measure == "services":
        for data in things.of("service"):
            note(data.provided_on, data.facts.unit, data.service)
    elif measure == "clocks":
        for data in things.of("deadline"):
            note(day_of(data.due), data.facts.unit, data.state)
    elif measure == "openings":
        for facts in things.of("case"):
            if facts.status != "merged":
                note(day_of(facts.opened_at), facts.unit, facts.environment or "")
    elif measure == "closings":
        for facts in things.of("case"):
            if facts.status == "closed":
                note(day_of(facts.closed_at), facts.unit, facts.outcome)
    elif measure == "spans":
        for facts in things.of("case"):
            closed = facts.closed_at if facts.status == "closed" else None
            for span, ended in (("report-assessment", facts.assessed_at), ("report-closure", closed)):
                if ended is not None and facts.status != "merged":
                    hours = round((ended - (facts.received_at or facts.opened_at)).total_seconds() / 3600, 1)
                    note(day_of(ended), facts.unit, span, f"{hours:.1f}")
    return found


def stood(history: Sequence[Happened], measure: str, last: date, as_of: datetime) -> Counter[Any]:
    """How many of a state stood at the end of a period, by the dimensions that the test asks for."""
    end = datetime.combine(last + timedelta(days=1), datetime.min.time(), as_of.tzinfo) - timedelta(hours=7)
    things = Things(history, min(as_of, end - timedelta(microseconds=1)))
    found: Counter[Any] = Counter()
    if measure == "cases":
        found.update((facts.unit, facts.status, facts.environment or "") for facts in things.of("case"))
    elif measure == "tasks":
        found.update((data.facts.unit, state) for data, state in things.of("task"))
    elif measure == "children":
        on = min(last, day_of(as_of))
        for facts in things.of("child"):
            for circumstance in set(facts.circumstances) or {""}:
                found[facts.unit, _age(facts, on), circumstance] += 1
    return found
