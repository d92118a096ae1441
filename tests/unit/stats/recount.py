"""The slow truth: a cube counted from a whole history at once, in plain Python that shares no code with the service."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta

from shared.contracts import Contract, cases, registry
from tests.unit.stats.events import Event

Cube = Counter[tuple[str, ...]]
_TASK_STATE = {
    cases.TaskRequested: "requested",
    cases.TaskAccepted: "accepted",
    cases.TaskDone: "done",
    cases.TaskOverdue: "overdue",
    cases.TaskCancelled: "cancelled",
    cases.TaskFollowedCase: "accepted",
    # The others of the talk about a task say nothing of how it stands.
    cases.TaskReplied: "accepted",
}


_CHILD_EVENTS = (
    registry.ChildCorrected,
    registry.ChildMerged,
    registry.ChildMoved,
    registry.ChildReturned,
    registry.ChildAgedOut,
    registry.ChildDeceased,
    registry.ChildAdopted,
    registry.ChildWithdrawn,
)


def recount(events: Sequence[Event]) -> Cube:
    """What every cell of the cube must hold once these events, in the order in which they were decided, are counted."""
    state: dict[tuple[str, str], tuple[str, ...]] = {}
    child_of: dict[str, tuple[str, str]] = {}
    into: dict[str, str] = {}
    erased: set[str] = set()
    for event in events:
        data: Contract = event.data
        if isinstance(data, cases.ConcernReceived):
            asked = data.facts.request.removeprefix("protection")
            state["concern", data.concern_id] = ("concern", data.facts.unit, data.facts.danger_now, asked)
            day = (data.facts.received_at + timedelta(hours=7)).date().isoformat()
            state["arrival", data.concern_id] = ("arrival", data.facts.unit, day)
        elif isinstance(data, cases.CaseIncidentRecorded):
            state["incident", data.incident_id] = ("incident", data.unit, data.outcome)
        elif isinstance(data, cases.CaseEvent):
            facts = data.facts
            place = f"{facts.environment}/" if facts.environment else ""
            state["case", data.case_id] = ("case", facts.unit, facts.status, place)
            if isinstance(data, cases.DeadlineEvent):
                state["deadline", data.deadline_id] = ("deadline", facts.unit, data.state)
            elif isinstance(data, cases.CaseServiceProvided):
                state["service", data.service_id] = ("service", facts.unit, data.service)
            elif isinstance(data, cases.CaseServiceWithdrawn):
                state.pop(("service", data.service_id), None)
            elif type(data) in _TASK_STATE:
                state["task", data.task_id] = ("task", facts.unit, _TASK_STATE[type(data)])  # type: ignore[attr-defined]
        elif isinstance(data, registry.RecordLinked):
            groups = "+".join(sorted(set(data.circumstances)))
            dropped = "dropped-out" if data.dropped_out else ""
            state["record", data.record_id] = ("record", data.unit or "", data.register_kind, dropped, groups)
            child_of[data.record_id] = (data.child_id, data.register_kind)
        elif isinstance(data, registry.RecordWithdrawn):
            state.pop(("record", data.record_id), None)
            child_of.pop(data.record_id, None)
        elif isinstance(data, registry.ChildErased):
            erased.add(data.child_id)
        else:
            assert isinstance(data, _CHILD_EVENTS)
            groups = "+".join(sorted(set(data.facts.circumstances)))
            state.pop(("child", data.child_id), None)
            if data.facts.status == "active":
                state["child", data.child_id] = ("child", data.facts.unit or "", groups)
            if isinstance(data, registry.ChildMerged):
                into[data.merged_id] = data.child_id
    for gone in (*into, *erased):
        state.pop(("child", gone), None)
    cube: Cube = Counter(state.values())
    registers: defaultdict[str, set[str]] = defaultdict(set)
    for child, register in child_of.values():
        root = child
        while root in into:
            root = into[root]
        registers[root].add(register)
    cube.update(("membership", "+".join(sorted(known))) for known in registers.values())
    return cube
