"""How a case ends, and how it goes on after all: closed and reopened, merged into another and taken out again.

Pure (Decree 56/2017, Art. 30(1); Law on Children 2016, Art. 51). What must be so before a case ends with an outcome is
the reference data's; here is what each condition means. A case that has ended leaves nothing that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from services.cases.domain import acts, bans, care, clocks, conference, handover, providing, separation, tasks, team
from services.cases.domain.identifying import identified
from services.cases.domain.model import (
    CARE_HANDOVER,
    CASE_HANDOVER,
    EMERGENCY,
    ENDS_BY_ITSELF,
    PLAN,
    RISK_ORDER,
    Actor,
    Case,
    Decision,
    Entry,
    Happening,
    Task,
    World,
    at_risk,
    refuse,
)
from services.cases.domain.opening import describe_child
from services.cases.domain.rules import require
from shared.contracts import cases as events
from shared.contracts.cases import CaseStep
from shared.contracts.errors import Rejected, Violation
from shared.contracts.vocabulary import ChildDescription

# Of an outcome of which the data says nothing: the law's own condition.
_LEAST = frozenset({"reviewed", "no-risk", "stable"})
# Clocks that a case does not take up again when its merge is undone: an offer is over, a care comes back with its own.
_MOVES = frozenset({CASE_HANDOVER, CARE_HANDOVER})


class Condition(NamedTuple):
    """What must be so before a case ends, and what is said where it is not."""

    met: Callable[[Case, acts.Close], bool]
    field: str
    rule: str
    vi: str
    en: str


def _safe(field: str) -> Condition:
    return Condition(
        lambda _case, act: bool(getattr(act, field)),
        field,
        "not-yet-safe",
        "Chỉ kết thúc khi trẻ không còn nguy cơ và đã ổn định (Nghị định 56/2017, khoản 1 Điều 30).",
        "A case closes only when no risk remains and the child is stable (Decree 56/2017, Art. 30(1)).",
    )


CONDITIONS: Mapping[str, Condition] = {
    "unfounded": Condition(
        lambda case, _act: case.verified is False,
        "outcome",
        "not-unfounded",
        "Chỉ kết thúc như vậy khi đã xác minh là không có sự việc (Nghị định 56/2017, khoản 2 Điều 25).",
        "It ends so only once it was verified that nothing happened (Decree 56/2017, Art. 25(2)).",
    ),
    "reviewed": Condition(
        lambda case, _act: case.step == "review",
        "outcome",
        "not-reviewed",
        "Kết quả này cần một lần rà soát đề nghị kết thúc trước (Nghị định 56/2017, khoản 1 Điều 30).",
        "This outcome needs a review that proposes the end first (Decree 56/2017, Art. 30(1)).",
    ),
    "no-risk": _safe("no_risk"),
    "stable": _safe("stable"),
    "handed-over": Condition(
        lambda case, _act: case.care_placed,
        "outcome",
        "not-handed-over",
        "Trẻ chưa được bàn giao cho người, cơ sở chăm sóc thay thế (Luật Trẻ em 2016, Điều 60-69).",
        "The child was not handed over to alternative care yet (Law on Children 2016, Art. 60-69).",
    ),
    "no-care-waiting": Condition(
        lambda case, _act: not care.waits(case),
        "outcome",
        "care-waits",
        "Quyết định chăm sóc thay thế chưa bàn giao: bàn giao trẻ hoặc kết thúc quyết định trước"
        " (Luật Trẻ em 2016, Điều 60-69).",
        "A decision on alternative care waits: hand the child over or end it first (Law on Children 2016, Art. 60-69).",
    ),
    "remarks": Condition(
        lambda _case, act: bool(act.remarks),
        "remarks",
        "remarks-missing",
        "Ghi rõ căn cứ, ai xác nhận (Nghị định 56/2017, khoản 1 Điều 30).",
        "Write what shows it and who confirmed it (Decree 56/2017, Art. 30(1)).",
    ),
}


def _close(case: Case, act: acts.Close, world: World) -> Decision:
    if act.outcome not in world.outcomes:
        raise refuse("outcome", "outcome", "Kết quả không có trong danh mục.", "The outcome is not listed.")
    needs = world.closing.get(act.outcome, _LEAST)
    unmet = [known for name, known in CONDITIONS.items() if name in needs and not known.met(case, act)]
    if unmet:
        raise Rejected([Violation(known.field, known.rule, known.vi, known.en) for known in unmet])
    entry = Entry("case.closed", {"outcome": act.outcome}, {"remarks": act.remarks} if act.remarks else {})
    decision = separation.ended(Decision(case), world)
    decision = bans.over(decision, world)
    if care.waits(case):
        decision = care.over(decision, world)
    event = Happening(events.CaseClosed, {"outcome": act.outcome})
    return _nothing_waits(decision, world, "case-closed").then(
        None, event, entries=(entry,), status="closed", step="closed", outcome=act.outcome, closed_at=world.now
    )


def _nothing_waits(decision: Decision, world: World, cause: tasks.CancelCause) -> Decision:
    """What the case itself was waiting for: an answer to its offer, a meeting, clocks, tasks."""
    decision = handover.withdrawn(decision, world)
    if decision.case.meeting is not None:
        entry = Entry("meeting.cancelled", {"meeting": decision.case.meeting})
        decision = decision.then(entries=(entry,), meeting=None, meets_at=None)
    decision = conference.called_off(decision, world)
    return tasks.cancel_tasks(clocks.cancel(decision, world), world, cause)


def _reopen(case: Case, act: acts.Reopen, world: World) -> Decision:
    entry = Entry("case.reopened", {"danger_now": act.danger_now}, {"reason": act.reason})
    decision = Decision(case).then(
        None,
        Happening(events.CaseReopened),
        entries=(entry,),
        status="open",
        step="assessment",
        outcome=None,
        closed_at=None,
        review=None,
        emergency=None,
        verified=None,
        risk="high" if act.danger_now else case.risk,
        danger_now="yes" if act.danger_now else case.danger_now,
    )
    # What made the case go on was learnt now: the clocks start anew.
    return clocks.start(decision, world, EMERGENCY if act.danger_now else PLAN, world.now)


@dataclass(frozen=True, slots=True)
class Merged:
    """How a case was when it was merged, as its file remembers it: enough to take it out again.

    `reports`: the reports that moved along. `gave_child`: whether the other case knows its child from this one only;
    `gave_care`: whether its care was this one's. `settled`: its clocks and tasks that the merge ended; `asked`: the
    tasks that the other case asked in their stead; `paused`: of its clocks those that stood still.
    """

    step: CaseStep
    reports: tuple[str, ...]
    gave_child: bool
    gave_care: bool
    settled: frozenset[str]
    asked: frozenset[str]
    paused: Mapping[str, clocks.Pause] = field(default_factory=dict)


def merge(
    case: Case,
    target: Case,
    act: acts.Merge,
    actor: Actor,
    world: World,
    asked: Mapping[str, str],
    reports: Sequence[str] = (),
) -> tuple[Decision, Decision]:
    """Two cases are one matter: what becomes of this one, and of the one that goes on.

    In: `asked`: the words with which this case's open tasks were asked, by task id; `reports`: those that move along.
    Raises: `Rejected` (merge-target, merge-children, two-cares, and the rules').
    """
    require(case, "merge", actor)
    if case.id == target.id or target.status != "open":
        raise refuse(
            "into",
            "merge-target",
            "Chỉ nhập được vào một vụ việc khác đang mở.",
            "A case can be merged only into another open case.",
        )
    if case.child_id is not None and target.child_id is not None and case.child_id != target.child_id:
        raise refuse(
            "into",
            "merge-children",
            "Hai vụ việc là của hai trẻ khác nhau: liên kết anh chị em, hoặc sửa trẻ gắn nhầm trước.",
            "The two cases are of two children: link them as siblings, or correct the child first.",
        )
    gives_child = case.child_id is not None and target.child_id is None
    on = Decision(target, (), (Entry("case.took-over", {"code": case.code}, {"reason": act.reason}),))
    on = _known_of(on, case)
    if gives_child:
        linked = identified(on.case, case.child_id, ())
        on = Decision(linked.case, (*on.happenings, *linked.happenings), (*on.entries, *linked.entries))
    on = _protected_as(on, world, case)
    on = care.taken_over(bans.taken_over(separation.taken_over(on, world, case), world, case), world, case)
    on = tasks.take_over(_served_by(on, world, case), world, case.tasks, asked)
    gone = _nothing_waits(care.moved(Decision(case), world), world, "case-merged")
    was = {
        "step": case.step,
        "reports": list(reports),
        "gave_child": gives_child,
        "gave_care": case.care is not None,
        "settled": sorted(_ended(case, gone.case)),
        "asked": sorted({task.id for task in on.case.tasks} - {task.id for task in target.tasks}),
        "paused": {
            clock.id: {"reason": pause.reason, "since": pause.since.isoformat(), "ends_at": pause.ends_at.isoformat()}
            for clock in case.clocks
            if (pause := clocks.pause_of(clock)) is not None
        },
    }
    gone = gone.then(
        None,
        Happening(events.CaseMerged, {"into_case_id": target.id, "into_unit": target.unit}),
        entries=(Entry("case.merged", {"into": target.code, **was}, {"reason": act.reason}),),
        status="merged",
        step="merged",
        merged_into=target.id,
    )
    gone = tasks.point_on(gone, on)
    ended = _ended(case, gone.case)
    takers = {task.id: task.replaced_by for task in gone.case.tasks if task.id in ended and task.replaced_by}
    return gone, providing.asked_by(_behind(on, case), world, takers)


def _behind(decision: Decision, other: Case) -> Decision:
    """A service keeps its id in whichever case it is, and consumers go by the sequence: what a case tells of one that
    came from the other must not be numbered below what the other told of it."""
    theirs = {service.id for service in other.services}
    if all(service.id not in theirs for service in decision.case.services):
        return decision
    return decision.then(sequence=max(decision.case.sequence, other.sequence))


def _ended(before: Case, after: Case) -> set[str]:
    clocks_ended = {clock.id for clock in before.clocks if clock.runs} - {c.id for c in after.clocks if c.runs}
    return clocks_ended | ({t.id for t in before.tasks if t.is_open} - {t.id for t in after.tasks if t.is_open})


def remembered(data: Mapping[str, Any]) -> Merged | None:
    """How a case was, from the line of its merge; None where the line does not say enough."""
    if "settled" not in data:
        return None
    return Merged(
        step=data["step"],
        reports=tuple(data["reports"]),
        gave_child=data["gave_child"],
        gave_care=data["gave_care"],
        settled=frozenset(data["settled"]),
        asked=frozenset(data["asked"]),
        paused={
            clock_id: clocks.Pause(
                said["reason"], datetime.fromisoformat(said["since"]), datetime.fromisoformat(said["ends_at"])
            )
            for clock_id, said in data.get("paused", {}).items()
        },
    )


def _known_of(on: Decision, gone: Case) -> Decision:
    """What was known of the case that is gone and not of the other; of risk and danger, the worse."""
    known = on.case
    if RISK_ORDER[gone.risk] > RISK_ORDER[known.risk]:
        on = at_risk(on, gone.risk)
    on = on.then(
        environment=known.environment or gone.environment,
        harmer=known.harmer or gone.harmer,
        verified=True if known.verified is None and gone.verified else known.verified,
        danger_now="yes" if gone.danger_now == "yes" else known.danger_now,
    )
    there = known.member(gone.worker) if gone.worker is not None else None
    if known.worker is None and known.unit == gone.unit and not (there is not None and there.barred):
        on = on.then(worker=gone.worker, worker_name=gone.worker_name)
    return on.then(None, Happening(events.CaseReclassified)) if on.case.facts() != known.facts() else on


def _protected_as(on: Decision, world: World, gone: Case) -> Decision:
    """The measure that was decided protects the child; where none was, the earlier of the two clocks runs."""
    if on.case.emergency is not None:
        return on
    if gone.emergency is not None:
        told = Happening(events.EmergencyMeasureDecided, {"measure": gone.emergency})
        entry = Entry("emergency.decided", {"measure": gone.emergency})
        on = clocks.meet(on.then(None, told, entries=(entry,), emergency=gone.emergency), world, EMERGENCY)
    clock, runs = gone.clock(EMERGENCY), on.case.clock(EMERGENCY)
    if clock is None or (runs is not None and runs.started_at <= clock.started_at):
        return on
    return clocks.start(clocks.cancel(on, world, EMERGENCY), world, EMERGENCY, clock.started_at)


def _served_by(on: Decision, world: World, gone: Case) -> Decision:
    """The services planned and the people of the team that the other case does not have."""
    services = providing.together(on.case.services, gone)
    known = {member.person for member in on.case.team}
    joining = [
        replace(member, since=world.now) for member in gone.team if member.person not in known and not member.excluded
    ]
    told = (
        Happening(events.TeamJoined, {"person": member.person, "role": member.role, "how": member.how})
        for member in joining
        if member.state == "member"
    )
    on = on.then(None, *told, services=services, team=(*on.case.team, *joining))
    return _kept_out_as(on, gone, world)


def _kept_out_as(decision: Decision, other: Case, world: World) -> Decision:
    """Who was excluded from the other case for a conflict of interest is kept out of this one."""
    for member in other.team:
        if member.excluded:
            decision = team.shut_out(decision, member, world.now)
    return decision


def undo_merge(
    case: Case,
    target: Case,
    act: acts.UndoMerge,
    actor: Actor,
    world: World,
    before: Merged | None,
    asked: Mapping[str, str],
    child: ChildDescription | None,
) -> tuple[Decision, Decision]:
    """The two were not one matter: this case goes on where it was, its clocks as they ran, its tasks asked again.

    The other keeps what it took over until somebody says otherwise, except what this case takes back: its child, and
    tasks asked again for it that nobody has taken on.

    In: `before`: how this case was, None where its file does not say; `asked`: as in `merge`, of the tasks that the
    merge cancelled; `child`: the other case's own description of its child.
    Raises: `Rejected` (merge-final, and the rules').
    """
    require(case, "undo-merge", actor)
    if target.status != "open" or before is None:
        raise refuse(
            "act",
            "merge-final",
            "Vụ việc nhận nhập đã kết thúc hoặc đã nhập tiếp, không tách lại được: mở lại vụ việc ấy trước"
            " (Luật Trẻ em 2016, Điều 51).",
            "The case that took this one over has ended, so they cannot be parted: reopen it first"
            " (Law on Children 2016, Art. 51).",
        )
    entry = Entry("case.unmerged", {"code": target.code}, {"reason": act.reason})
    back = Decision(case).then(
        None, Happening(events.CaseReopened), entries=(entry,), status="open", step=before.step, merged_into=None
    )
    for clock in case.clocks:
        over = clock.kind in ENDS_BY_ITSELF and clock.due < world.now
        if clock.id in before.settled and clock.state != "met" and clock.kind not in _MOVES and not over:
            back = clocks.run_again(back, world, clock, before.paused.get(clock.id))
    on = Decision(target, (), (Entry("case.gave-back", {"code": case.code}, {"reason": act.reason}),))
    if before.gave_child and target.child_id is not None and target.child_id == case.child_id:
        told = Happening(events.ChildUnlinked, {"wrong_child_id": target.child_id})
        lost = Entry("child.unlinked", {"child_id": target.child_id})
        on = on.then(None, told, entries=(lost,), child_id=None, identity="none", candidates=())
        on = describe_child(on, child)
    back = _kept_out_as(back, target, world)
    if before.gave_care:
        back, on = care.taken_over(back, world, on.case), care.moved(on, world)
    # What was asked in their stead is the other case's: they point there no more.
    own = (replace(task, replaced_by=None) if task.id in before.settled else task for task in case.tasks)
    ended = [task for task in case.tasks if task.id in before.settled]
    back = _asked_again(back.then(tasks=tuple(own)), world, ended, asked)
    for task in target.tasks:
        if task.id in before.asked and task.state in ("requested", "overdue"):
            on = tasks.cancel_task(on, world, task, "withdrawn", {"reason": act.reason})
    return _behind(back, target), on.then(services=providing.parted(on.case, case))


def _asked_again(back: Decision, world: World, cancelled: Sequence[Task], asked: Mapping[str, str]) -> Decision:
    waiting = [replace(task, state="requested") for task in cancelled]
    again = tasks.take_over(back, world, waiting, asked)
    return providing.asked_by(again, world, tasks.takers_of(cancelled, again.case.tasks))


DECIDED: Mapping[type[Any], Callable[[Case, Any, World], Decision]] = {
    acts.Close: _close,
    acts.Reopen: _reopen,
}
