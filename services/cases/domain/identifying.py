"""Which child a case is about: the registry's answer, and what a person chooses between its candidates.

Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.cases.domain import acts
from services.cases.domain.model import Actor, Case, Decision, Entry, Happening, refuse
from services.cases.domain.rules import require
from shared.contracts import cases as events
from shared.contracts.vocabulary import ChildDescription


def identified(case: Case, child_id: str | None, candidates: Sequence[Mapping[str, Any]]) -> Decision:
    """The registry's answer: one child, or candidates between whom a person chooses."""
    if child_id is not None:
        if case.child_id == child_id and case.identity == "linked":
            return Decision(case)
        event = Happening(events.ChildLinked)
        return Decision(case).then(
            None,
            event,
            entries=(Entry("child.linked", {"child_id": child_id}),),
            child_id=child_id,
            identity="linked",
            candidates=(),
        )
    if case.identity == "linked":
        return Decision(case)
    if not candidates:  # nobody fits, and too little is known to found a record
        return Decision(case).then(entries=(Entry("child.not-found"),), identity="none", candidates=())
    entry = Entry("child.candidates", {"count": len(candidates)})
    return Decision(case).then(entries=(entry,), identity="candidates", candidates=tuple(candidates))


def parted(case: Case, child_id: str) -> Decision:
    """The record of the case's child was two children's; `child_id` is the other one."""
    return Decision(case).then(entries=(Entry("child.parted", {"child_id": child_id}),))


def choose_child(
    case: Case, act: acts.ChooseChild, actor: Actor, child: ChildDescription | None, merged: Mapping[str, str]
) -> Decision:
    """A person says which candidate the child is, or that it is none: the registry hears of it with the description.

    In: `child`: the description, None where it was erased; `merged`: candidates that became another child since, by id.
    """
    require(case, "choose-child", actor)
    described = {} if child is None else {"child": child}
    if act.child_id == acts.NONE_OF_THESE:
        entry = Entry("child.none-of-these", {"count": len(case.candidates)})
        event = Happening(events.ChildChosen, described)
        # Without a description nobody can be registered, and there is nothing to wait for.
        identity = "none" if child is None else "asked"
        return Decision(case).then(None, event, entries=(entry,), identity=identity, candidates=())
    if act.child_id not in {candidate["child_id"] for candidate in case.candidates}:
        raise refuse(
            "child_id",
            "not-a-candidate",
            "Chọn một trong các trẻ được gợi ý, hoặc không phải trẻ nào trong số đó.",
            "Choose one of the suggested children, or none of them.",
        )
    child_id = merged.get(act.child_id, act.child_id)
    linked = identified(case, child_id, ())
    chosen = Happening(events.ChildChosen, {"child_id": child_id, **described})
    return Decision(linked.case, (chosen, *linked.happenings), linked.entries)


def correct_child(
    case: Case, act: acts.CorrectChild, actor: Actor, child: ChildDescription | None, merged: Mapping[str, str]
) -> Decision:
    """The case was linked to the wrong child. It is about nobody until the registry says that the right one is there,
    or has founded a record on the description.

    In: `child`: the description, None where it was erased; `merged`: as in `choose_child`.
    Raises: `Rejected` (same-child, nothing-described, and the rules').
    """
    require(case, act.act, actor)
    wanted = None if act.child_id == acts.NONE_OF_THESE else merged.get(act.child_id, act.child_id)
    if wanted == case.child_id:
        raise refuse(
            "child_id", "same-child", "Vụ việc đang gắn với chính trẻ này.", "The case is linked to this very child."
        )
    if child is None:
        # The registry moves the report's words; without them nothing can be asked of it.
        raise refuse(
            "child_id",
            "nothing-described",
            "Báo tin không còn lời kể về trẻ nên không gắn lại được.",
            "The report no longer says anything of a child, so the case cannot be linked anew.",
        )
    wrong = str(case.child_id)
    entry = Entry("child.unlinked", {"child_id": wrong}, {"reason": act.reason})
    chosen = {"child_id": wanted, "instead_of": wrong, "child": child}
    return Decision(case).then(
        None,
        Happening(events.ChildUnlinked, {"wrong_child_id": wrong}),
        Happening(events.ChildChosen, chosen),
        entries=(entry,),
        child_id=None,
        identity="asked",
        candidates=(),
    )
