"""Need to know: who belongs to a case's team, on what ground, and who opened its identity from outside.

Pure. Worker and chair of the commune belong by role without a row; a row says who else came in, asks, or left.
Nothing here makes a form that somebody is filling in stale (Law on Children 2016, Art. 21; Decree 56/2017, Art. 33-36).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from services.cases.domain.acts import team as acts
from services.cases.domain.acts.base import version_changed
from services.cases.domain.model import (
    Actor,
    Case,
    Decision,
    Entry,
    Glass,
    Happening,
    LeftBecause,
    Member,
    World,
    end_of_day,
    local_day,
    refuse,
)
from services.cases.domain.rules import Law, closed
from shared.contracts import cases as events
from shared.contracts.errors import Rejected, Violation
from shared.reference.access import AccessLimits

Basis = Literal["role", "request", "act", "assigned", "glass"]
People = Callable[[str], Actor | None]

COMMUNE: frozenset[str] = frozenset({"worker", "chair"})
# Who may belong to a team at all, whatever a row says: figures, machines, partners and operators never see a child.
ASKING = COMMUNE | {"coordinator", "sector", "hotline"}
GLASS = COMMUNE | {"coordinator", "hotline"}

_PRIVACY = Law(
    "Luật Trẻ em 2016, Điều 21; Nghị định 56/2017, Điều 33-36", "Law on Children 2016, Art. 21; Decree 56/2017, Art. 33"
)
_LEADING = Law("Luật Trẻ em 2016, Điều 52, 53", "Law on Children 2016, Art. 52, 53")
LAWS: Mapping[str, Law] = {
    "request-access": _PRIVACY,
    "break-glass": _PRIVACY,
    "close-glass": _PRIVACY,
    "leave-team": _PRIVACY,
    "admit-member": _PRIVACY,
    "refuse-member": _PRIVACY,
    "remove-member": _PRIVACY,
    "exclude-member": _PRIVACY,
    "review-access": _PRIVACY,
    "assign-worker": _LEADING,
}


def nobody(_person: str) -> Actor | None:
    """A directory in which there is nobody."""
    return None


def by_role(case: Case, actor: Actor) -> bool:
    """Whether the actor's office in the leading commune opens the case, with no row needed."""
    known = case.judged.member(actor.id)
    return actor.role in COMMUNE and actor.covers(case.judged.unit) and not (known and known.barred)


def kept_out(case: Case, actor: Actor) -> bool:
    """Whether the actor was excluded from the case for a conflict of interest: nothing of it is there for them."""
    known = case.judged.member(actor.id)
    return known is not None and known.excluded


def standing(case: Case, actor: Actor) -> Basis | None:
    """On what ground the actor belongs to the team; None where they do not."""
    known = case.judged.member(actor.id)
    if known is not None and known.state == "member" and actor.role in ASKING:
        return known.how
    return "role" if by_role(case, actor) else None


def glass_of(case: Case, actor: Actor, now: datetime) -> Glass | None:
    """The actor's way in from outside that is open at the moment."""
    if actor.role not in GLASS:
        return None
    return next((glass for glass in case.judged.glasses if glass.person == actor.id and glass.is_open(now)), None)


def barred_until(case: Case, actor: Actor, now: datetime) -> datetime | None:
    """Until when the actor does not open the case from outside, because the chair found that they had no cause to; None
    where they may."""
    moments = (glass.barred_until for glass in case.glasses if glass.person == actor.id)
    return max((moment for moment in moments if moment is not None and moment > now), default=None)


def basis_of(case: Case, actor: Actor, now: datetime) -> Basis | None:
    """On what ground the actor may read who the child is and what was said; None where they may not."""
    return standing(case, actor) or ("glass" if glass_of(case, actor, now) else None)


def leads(case: Case, actor: Actor) -> bool:
    """Whether the actor decides who joins: the responsible worker, any worker while there is none, or the chair."""
    if not by_role(case, actor):
        return False
    return actor.role == "chair" or case.judged.worker in (None, actor.id)


def oversees(case: Case, actor: Actor) -> bool:
    """Whether the actor sees who read the case: who leads it, and the province's coordinator."""
    if kept_out(case, actor):
        return False
    return leads(case, actor) or (actor.role == "coordinator" and actor.covers(case.judged.unit))


def open_team_acts(case: Case, actor: Actor, now: datetime) -> list[str]:
    """The acts on the team and on access that are open to the actor now, in the table's order."""
    return [act for act in LAWS if refusal(case, act, actor, now) is None]


def refusal(case: Case, act: str, actor: Actor, now: datetime) -> Violation | None:
    """Why an act is not open to the actor now; None where it is."""
    known = case.member(actor.id)
    if case.status == "merged" and act != "review-access":
        return _said(act, "case-merged", "Vụ việc đã nhập vào vụ việc khác", "The case was merged into another")
    if act in ("request-access", "break-glass"):
        return _outside(case, act, actor, now)
    if act == "leave-team":
        # Somebody has to decide: a chair with a conflict of interest is excluded by the coordinator.
        leaves = standing(case, actor) is not None and (actor.role != "chair" or not actor.covers(case.unit))
        return None if leaves or (known and known.state == "asked") else _not_yours(act)
    if act == "close-glass":
        return None if glass_of(case, actor, now) else _not_yours(act)
    if act == "review-access":
        reviews = by_role(case, actor) and actor.role == "chair"
        return None if reviews and any(glass.verdict is None for glass in case.glasses) else _not_yours(act)
    if act == "exclude-member":
        return None if _above(case, actor) else _not_yours(act)
    if act == "assign-worker":
        return None if leads(case, actor) or _above(case, actor) else _not_yours(act)
    if act == "admit-member" and any(_may_return(case, actor, member) for member in case.team):
        return None
    if not leads(case, actor):
        return _not_yours(act)
    wanted = "member" if act == "remove-member" else "asked"
    if not any(member.state == wanted for member in case.team):
        return _said(act, "nobody-there", "Không có ai như vậy trong nhóm", "There is nobody of that kind in the team")
    return None


def decide(case: Case, act: acts.TeamAct, actor: Actor, world: World, limits: AccessLimits, people: People) -> Decision:
    """An act on the team or on access.

    In: `people` finds an account in the directory. Raises: `Rejected` with rule and law where it is not open.
    """
    violation = refusal(case, act.act, actor, world.now)
    if violation is not None:
        raise Rejected([violation])
    if isinstance(act, acts.BreakGlass):
        return _break_glass(case, act, actor, world, limits)
    if isinstance(act, acts.ReviewAccess):
        return _review(case, act, actor, world, limits)
    if isinstance(act, acts.CloseGlass):
        return _close_glass(case, actor, world)
    if isinstance(act, acts.AssignWorker):
        if act.before != case.worker:
            raise version_changed()
        return assign(case, act.worker, people, words={"reason": act.reason} if act.reason else {})
    if isinstance(act, acts.RequestAccess):
        before = case.member(actor.id)
        # Whoever was kept out stays so where the request is refused.
        asked = Member(
            actor.id, actor.role, "request", "asked", world.now, _home(actor), before.cause if before else None
        )
        told = Happening(events.TeamRequested, {"person": actor.id, "role": actor.role})
        return _put(Decision(case), asked, told, "team.requested", {"reason": act.reason})
    if isinstance(act, acts.LeaveTeam):
        return _leave(case, actor, act, world)
    return _on_member(case, act, actor, world, people)


def assign(
    case: Case, worker: str, people: People, *, words: Mapping[str, str] | None = None, reason: str | None = None
) -> Decision:
    """Another worker of the leading commune is responsible from now.

    In: `words`: why, as typed; `reason`: why, as a code. Raises `Rejected` (worker-unknown, already-responsible).
    """
    account = people(worker)
    if account is None or account.role != "worker" or not by_role(case, account):
        raise refuse(
            "worker",
            "worker-unknown",
            "Chọn một cán bộ đang làm việc ở xã, phường chủ trì.",
            "Choose a worker of the leading commune.",
        )
    if worker == case.worker:
        raise refuse(
            "worker", "already-responsible", "Cán bộ này đang phụ trách.", "This worker is responsible already."
        )
    return _assigned(Decision(case), account, "assigned", words or {}, reason)


def follow(before: Case | None, decision: Decision, actor: Actor, now: datetime) -> Decision:
    """What follows for the team from any act: the old commune leaves a transferred case; who acts by right belongs."""
    if before is not None and before.unit != decision.case.unit:
        decision = _moved(before, decision, now)
    case = decision.case
    if actor.role not in COMMUNE or case.status != "open" or not by_role(case, actor):
        return decision
    known = case.member(actor.id)
    if before is not None and not actor.covers(before.unit) and (known is None or known.state != "member"):
        decision = _join(decision, Member(actor.id, actor.role, "act", "member", now, case.unit), actor.name)
    if actor.role == "worker" and case.worker is None:
        decision = _assigned(decision, actor, "act", {}, None)
    return decision


def _outside(case: Case, act: str, actor: Actor, now: datetime) -> Violation | None:
    known = case.member(actor.id)
    if actor.role not in (GLASS if act == "break-glass" else ASKING):
        return _not_yours(act)
    if known is not None and known.excluded:
        return _said(
            act,
            "excluded",
            "Anh chị không tham gia vụ việc này để tránh xung đột lợi ích",
            "You are kept out of this case because of a conflict of interest",
        )
    barred = barred_until(case, actor, now)
    inside = standing(case, actor) is not None or (act == "break-glass" and glass_of(case, actor, now) is not None)
    if inside:
        return _said(act, "inside-already", "Vụ việc đang mở cho anh chị", "The case is open to you already")
    if act == "break-glass" and barred is not None:
        day = f"{local_day(barred):%d/%m/%Y}"
        return _said(
            act,
            "ask-first",
            f"Lần mở trước bị kết luận là không chính đáng. Đến hết ngày {day}, hãy đề nghị xã, phường cho tham gia",
            f"An earlier opening was found unjustified. Until the end of {day}, ask the commune to let you in",
        )
    if act == "request-access" and known is not None and known.state == "asked":
        return _said(act, "asked-already", "Đề nghị trước đang chờ trả lời", "An earlier request waits for an answer")
    return None


def _above(case: Case, actor: Actor) -> bool:
    """Who may keep others out and let them in again: the commune's chair, and the coordinator."""
    chair = actor.role == "chair" and by_role(case, actor)
    coordinator = actor.role == "coordinator" and actor.covers(case.judged.unit)
    return chair or (coordinator and not kept_out(case, actor))


def _may_return(case: Case, actor: Actor, member: Member) -> bool:
    """Whether the actor may let back in somebody of a commune who left, was removed or excluded."""
    out = member.state == "left" and member.barred and member.role in COMMUNE
    return out and member.person != actor.id and _above(case, actor)


def _break_glass(case: Case, act: acts.BreakGlass, actor: Actor, world: World, limits: AccessLimits) -> Decision:
    if act.purpose not in world.access_purposes:
        raise refuse("purpose", "purpose", "Chọn một mục đích trong danh mục.", "Choose a purpose of the list.")
    if len(act.reason) < limits.reason_least:
        raise refuse(
            "reason",
            "reason-too-short",
            f"Nêu rõ lý do, ít nhất {limits.reason_least} ký tự.",
            f"Say why, in at least {limits.reason_least} characters.",
        )
    until = world.now + timedelta(minutes=limits.glass_minutes)
    glass = Glass(world.new_id(), actor.id, actor.role, act.purpose, world.now, until)
    data = {"glass_id": glass.id, "purpose": act.purpose, "until": until.isoformat()}
    told = Happening(events.GlassBroken, {"person": actor.id, "role": actor.role, "until": until})
    entry = Entry("access.broken-glass", data, {"reason": act.reason})
    return Decision(replace(case, glasses=(*case.glasses, glass)), (told,), (entry,))


def _close_glass(case: Case, actor: Actor, world: World) -> Decision:
    glass = glass_of(case, actor, world.now)
    if glass is None:
        raise Rejected([_not_yours("close-glass")])
    return _put_glass(case, replace(glass, until=world.now), Entry("access.closed", {"glass_id": glass.id}))


def _review(case: Case, act: acts.ReviewAccess, actor: Actor, world: World, limits: AccessLimits) -> Decision:
    glass = next((known for known in case.glasses if known.id == act.glass and known.verdict is None), None)
    if glass is None:
        raise refuse(
            "glass", "glass-unknown", "Chọn một lần mở đang chờ xem xét.", "Choose an opening that waits for review."
        )
    if glass.person == actor.id:
        raise refuse(
            "glass", "own-glass", "Không tự xem xét lần mở của chính mình.", "Nobody reviews an opening of their own."
        )
    seen = replace(glass, verdict=act.verdict, reviewed_by=actor.id, reviewed_at=world.now)
    if act.verdict == "unjustified":
        # It is over at once, and so is any that they opened since; the next time they ask first.
        barred = end_of_day(local_day(world.now) + timedelta(days=limits.glass_barred_days))
        seen = replace(seen, until=min(glass.until, world.now), barred_until=barred)
        case = _shut_glasses(case, glass.person, world.now)
    data = {"glass_id": glass.id, "verdict": act.verdict, "person": glass.person}
    return _put_glass(case, seen, Entry("access.reviewed", data, {"text": act.words}))


def _leave(case: Case, actor: Actor, act: acts.LeaveTeam, world: World) -> Decision:
    known = case.member(actor.id) or Member(actor.id, actor.role, "role", "member", world.now, _home(actor))
    cause: LeftBecause = known.cause or "refused" if known.state == "asked" else "left"
    return _gone(Decision(case), known, cause, world.now, {"reason": act.reason} if act.reason else {})


def _on_member(
    case: Case,
    act: acts.AdmitMember | acts.RefuseMember | acts.RemoveMember | acts.ExcludeMember,
    actor: Actor,
    world: World,
    people: People,
) -> Decision:
    known, account = case.member(act.person), people(act.person)
    name = account.name if account is not None else act.person
    if act.person == actor.id:
        raise refuse("person", "oneself", "Không tự quyết định về chính mình.", "Nobody decides about themselves.")
    if isinstance(act, acts.AdmitMember):
        asked = known is not None and known.state == "asked" and leads(case, actor)
        if known is None or not (asked or _may_return(case, actor, known)):
            raise _who()
        return _join(Decision(case), replace(known, state="member", since=world.now, cause=None), name)
    if isinstance(act, acts.ExcludeMember):
        # Also somebody who never belonged: a sector's officer, another commune's people, who broke the glass.
        if account is not None and known is None and account.role in ASKING:
            known = Member(account.id, account.role, "role", "member", world.now, _home(account))
        if known is None or known.excluded:
            raise _who()
        return _gone(Decision(case), known, "excluded", world.now, {"member": name, "reason": act.reason})
    wanted = "asked" if isinstance(act, acts.RefuseMember) else "member"
    if known is None or known.state != wanted:
        raise _who()
    if wanted == "member" and actor.role != "chair" and known.how != "request":
        raise refuse(
            "person",
            "chair-decides",
            f"Chỉ chủ tịch được cho cán bộ của xã, phường thôi tham gia ({_PRIVACY.vi}).",
            f"Only the chair ends the membership of the commune's own people ({_PRIVACY.en}).",
        )
    cause: LeftBecause = "removed" if wanted == "member" else known.cause or "refused"
    return _gone(Decision(case), known, cause, world.now, {"member": name, "reason": act.reason})


def shut_out(decision: Decision, member: Member, now: datetime) -> Decision:
    """Whoever was excluded from one of two cases that are, or were, one matter is kept out of the other as well."""
    known = decision.case.member(member.person)
    if known is not None and known.excluded:
        return decision
    return _gone(decision, known or member, "excluded", now, {})


def _moved(before: Case, decision: Decision, now: datetime) -> Decision:
    """Another commune leads: the old one's people leave, and nobody of the new one is responsible yet."""
    for member in decision.case.team:
        # Who asked from the commune that leads now belongs there by role and asks no more.
        moot = member.state == "asked" and member.cause is None and member.unit == decision.case.unit
        if moot or (member.state == "member" and member.unit == before.unit):
            decision = _gone(decision, member, "moved", now, {})
    if decision.case.worker == before.worker:
        decision = decision.then(worker=None, worker_name="")
    return decision


def _assigned(
    decision: Decision,
    worker: Actor,
    how: Literal["act", "assigned"],
    words: Mapping[str, str],
    reason: str | None,
) -> Decision:
    told = Happening(events.CaseAssigned, {"worker": worker.id, "before": decision.case.worker})
    entry = Entry(
        "case.assigned", {"worker": worker.id, "how": how, "reason": reason}, {"worker": worker.name, **words}
    )
    return decision.then(None, told, entries=(entry,), worker=worker.id, worker_name=worker.name)


def _join(decision: Decision, member: Member, name: str) -> Decision:
    told = Happening(events.TeamJoined, {"person": member.person, "role": member.role, "how": member.how})
    return _put(decision, member, told, "team.joined", {"member": name})


def _gone(decision: Decision, member: Member, cause: LeftBecause, now: datetime, words: dict[str, str]) -> Decision:
    left = replace(member, state="left", since=now, cause=cause)
    told = Happening(events.TeamLeft, {"person": member.person, "role": member.role, "cause": cause})
    decision = _put(decision, left, told, "team.left", words)
    if cause != "refused" and decision.case.worker == member.person:
        decision = decision.then(worker=None, worker_name="")
    if cause != "excluded":
        return decision
    # A way in from outside that is still open closes with it.
    return decision.then(_shut_glasses(decision.case, member.person, now))


def _shut_glasses(case: Case, person: str, now: datetime) -> Case:
    """No way in of somebody's from outside stays open."""
    glasses = (
        replace(glass, until=min(glass.until, now)) if glass.person == person else glass for glass in case.glasses
    )
    return replace(case, glasses=tuple(glasses))


def _put(decision: Decision, member: Member, told: Happening, kind: str, words: dict[str, str]) -> Decision:
    team = (*(known for known in decision.case.team if known.person != member.person), member)
    data = {"person": member.person, "role": member.role, "how": member.how, "cause": member.cause}
    return decision.then(None, told, entries=(Entry(kind, data, words),), team=team)


def _put_glass(case: Case, glass: Glass, entry: Entry) -> Decision:
    glasses = tuple(glass if known.id == glass.id else known for known in case.glasses)
    return Decision(replace(case, glasses=glasses), (), (entry,))


def _home(actor: Actor) -> str | None:
    """The commune for which somebody works, where it is one."""
    return next(iter(actor.units)) if actor.units != "all" and len(actor.units) == 1 else None


def _not_yours(act: str) -> Violation:
    return _said(act, "not-your-role", "Việc này thuộc thẩm quyền của người khác", "This act belongs to somebody else")


def _said(act: str, rule: str, vi: str, en: str) -> Violation:
    return closed(LAWS[act], rule, vi, en)


def _who() -> Exception:
    return refuse("person", "person-unknown", "Chọn một người trong danh sách.", "Choose somebody of the list.")
