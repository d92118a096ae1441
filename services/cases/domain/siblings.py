"""Cases of brothers and sisters know of each other: both files and both communes, by code and nothing more.

Pure (Law on Children 2016, Art. 51).
"""

from __future__ import annotations

from services.cases.domain import acts
from services.cases.domain.model import Actor, Case, Decision, Entry, Happening, refuse
from services.cases.domain.rules import require
from shared.contracts import cases as events


def link(case: Case, other: Case, act: acts.LinkSibling, actor: Actor, *, linked: bool) -> tuple[Decision, Decision]:
    """What both files remember and tell. In: `linked`: whether they are linked already.

    Raises: `Rejected` (sibling-target, already-linked, and the rules').
    """
    require(case, act.act, actor)
    if other.id == case.id or other.status == "merged":
        raise refuse(
            "other",
            "sibling-target",
            "Ghi mã của một vụ việc khác, chưa nhập vào vụ việc nào.",
            "Give the code of another case that was not merged.",
        )
    if linked:
        raise refuse("other", "already-linked", "Hai vụ việc đã được liên kết.", "The two cases are linked already.")
    return (
        _told(case, other, "sibling.linked", events.SiblingLinked, act.reason),
        _told(other, case, "sibling.linked", events.SiblingLinked, None),
    )


def unlink(
    case: Case, other: Case, act: acts.UnlinkSibling, actor: Actor, *, linked: bool
) -> tuple[Decision, Decision]:
    """What both files remember and tell. Raises: `Rejected` (not-linked, and the rules')."""
    require(case, act.act, actor)
    if not linked:
        raise refuse("other", "not-linked", "Hai vụ việc không được liên kết.", "The two cases are not linked.")
    return (
        _told(case, other, "sibling.unlinked", events.SiblingUnlinked, act.reason),
        _told(other, case, "sibling.unlinked", events.SiblingUnlinked, None),
    )


def taken_over(case: Case, other: Case) -> tuple[Decision, Decision]:
    """A case that goes on after a merge takes over a sibling of the one that is gone."""
    return (
        _told(case, other, "sibling.linked", events.SiblingLinked, None),
        _told(other, case, "sibling.linked", events.SiblingLinked, None),
    )


def _told(case: Case, other: Case, kind: str, model: type[events.CaseEvent], reason: str | None) -> Decision:
    # Why is said in the file of the commune that did it: the other learns that there is a case, not what is in it.
    entry = Entry(kind, {"code": other.code}, {"reason": reason} if reason else {})
    return Decision(case, (Happening(model, {"other_case_id": other.id}),), (entry,))
