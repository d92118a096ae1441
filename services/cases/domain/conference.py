"""The case conference: sectors called together about one child, what they decided, and who does it until when.

Pure (Decree 56/2017, Art. 27(2), 29). Place, purpose, people and minutes are words: they are kept sealed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from services.cases.domain import acts
from services.cases.domain.model import (
    Case,
    Conference,
    Decision,
    Entry,
    Happening,
    World,
    end_of_day,
    local_day,
    refuse,
)
from services.cases.domain.tasks import ask
from shared.contracts import cases as events


def called_off(decision: Decision, world: World, reason: str | None = None) -> Decision:
    """A conference that was called is not held: by an act, or because its case is over. None called, nothing said."""
    known = decision.case.conference()
    if known is None:
        return decision
    over = replace(known, state="cancelled")
    event = Happening(
        events.MeetingCancelled, {"meeting": "conference", "meeting_id": over.id, "sectors": list(over.sectors)}
    )
    entry = Entry("conference.cancelled", _coarse(over), {"reason": reason} if reason else {})
    return _put(decision, over, event, entry)


def _call(case: Case, act: acts.CallConference, world: World) -> Decision:
    if act.meets_at <= world.now:
        raise refuse("meets_at", "meets-in-past", "Giờ họp phải ở phía trước.", "The meeting must lie ahead.")
    sectors = tuple(dict.fromkeys(act.sectors))
    called = Conference(world.new_id(), "called", act.meets_at, sectors, world.now)
    told = {"meeting": "conference", "meeting_id": called.id, "meets_at": called.meets_at, "sectors": list(sectors)}
    entry = Entry("conference.called", _coarse(called), {"place": act.place, "purpose": act.purpose})
    return _put(Decision(case), called, Happening(events.MeetingCalled, told), entry)


def _hold(case: Case, act: acts.HoldConference, world: World) -> Decision:
    known = _standing(case)
    if act.held_on > local_day(world.now):
        raise refuse(
            "held_on", "held-in-future", "Ngày họp không thể ở phía trước.", "The meeting cannot have been held yet."
        )
    if act.held_on < local_day(known.called_at):
        raise refuse(
            "held_on",
            "held-before-called",
            "Ngày họp không thể trước ngày mời họp.",
            "The meeting cannot have been held before it was called.",
        )
    held = replace(known, state="held", held_on=act.held_on)
    event = Happening(events.MeetingHeld, {"meeting": "conference", "meeting_id": held.id, "held_on": act.held_on})
    entry = Entry("conference.held", _coarse(held), {"people": act.people, "minutes": act.minutes})
    decision = _put(Decision(case), held, event, entry)
    for place, row in enumerate(act.decisions):
        if row is None:
            continue
        if row.kind not in world.task_kinds:
            raise refuse(
                f"decisions.{place}.kind",
                "task-kind",
                "Loại nhiệm vụ không có trong danh mục.",
                "The kind of task is not listed.",
            )
        due = end_of_day(row.due)
        if due <= world.now:
            raise refuse(
                f"decisions.{place}.due", "due-past", "Thời hạn phải ở phía trước.", "The due date must lie ahead."
            )
        decision = ask(decision, world, row.kind, row.sector, due, row.what)
    return decision


def _cancel(case: Case, act: acts.CancelConference, world: World) -> Decision:
    _standing(case)
    return called_off(Decision(case), world, act.reason)


def _standing(case: Case) -> Conference:
    known = case.conference()
    if known is None:
        raise refuse("act", "no-conference", "Chưa mời cuộc họp nào.", "No meeting is called.")
    return known


def _coarse(known: Conference) -> dict[str, Any]:
    told: dict[str, Any] = {
        "conference_id": known.id,
        "meets_at": known.meets_at.isoformat(),
        "sectors": list(known.sectors),
    }
    return told | ({"held_on": known.held_on.isoformat()} if known.held_on else {})


def _put(decision: Decision, known: Conference, event: Happening, entry: Entry) -> Decision:
    others = tuple(other for other in decision.case.conferences if other.id != known.id)
    return decision.then(None, event, entries=(entry,), conferences=(*others, known))


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.CallConference: _call,
    acts.HoldConference: _hold,
    acts.CancelConference: _cancel,
}
