"""Which acts are open to whom, at which step, by which article: one table for buttons, refusals and tests.

Pure. A missed deadline never closes an act (domain: it escalates, it does not block).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.cases.domain.model import EMERGENCY, SEPARATION, Actor, Case, Concern
from shared.contracts.cases import CaseStep
from shared.contracts.errors import Rejected, Violation

_ACTIVE: frozenset[CaseStep] = frozenset({"intake", "assessment", "plan", "approval", "carrying-out", "review"})
_WORKER = frozenset({"worker"})
_CHAIR = frozenset({"chair"})


class Law(NamedTuple):
    """Where the law says so, in both languages."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do an act, at which steps, and where the law says so."""

    roles: frozenset[str]
    steps: frozenset[CaseStep]
    law: Law


def _decree(article: str) -> Law:
    return Law(f"Nghị định 56/2017, Điều {article}", f"Decree 56/2017, Art. {article}")


def _children(article: str) -> Law:
    return Law(f"Luật Trẻ em 2016, Điều {article}", f"Law on Children 2016, Art. {article}")


RULES: Mapping[str, Rule] = {
    "verify": Rule(_WORKER, _ACTIVE, _decree("25(2)")),
    "assess-initial": Rule(_WORKER, frozenset({"intake", "assessment"}), _decree("26(2)")),
    "decide-emergency": Rule(_CHAIR, _ACTIVE, _decree("26(3), 31")),
    "extend-separation": Rule(_CHAIR, _ACTIVE, _decree("32")),
    "end-separation": Rule(_CHAIR, _ACTIVE, _decree("32")),
    "assess-detailed": Rule(_WORKER, frozenset({"assessment", "plan"}), _decree("27(1)")),
    "draft-plan": Rule(_WORKER, frozenset({"assessment", "plan"}), _decree("28(1)")),
    "approve-plan": Rule(_CHAIR, frozenset({"approval"}), _decree("28(2)")),
    "return-plan": Rule(_CHAIR, frozenset({"approval"}), _decree("28(2)")),
    "request-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("25(2), 29")),
    "cancel-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "hold-review": Rule(_WORKER, frozenset({"carrying-out", "review"}), _decree("30")),
    "close": Rule(_CHAIR, frozenset({"intake", "assessment", "review"}), _decree("30(1)")),
    "reopen": Rule(_WORKER | _CHAIR, frozenset({"closed"}), _decree("30(1)")),
    "reclassify": Rule(_WORKER, _ACTIVE, _children("4(5), 51")),
    "transfer": Rule(frozenset({"worker", "coordinator"}), _ACTIVE, _children("52")),
    "merge": Rule(_WORKER, _ACTIVE, _children("51")),
    "choose-child": Rule(_WORKER, _ACTIVE, _decree("25(1)")),
    "note": Rule(_WORKER | _CHAIR, _ACTIVE | frozenset[CaseStep]({"closed", "merged"}), _decree("29")),
}
CONCERN_RULES: Mapping[str, Rule] = {
    "open": Rule(_WORKER | _CHAIR, frozenset(), _decree("25(2)")),
    "link": Rule(_WORKER, frozenset(), _children("51")),
    "dismiss": Rule(_WORKER | _CHAIR, frozenset(), _decree("25(2)")),
    "forward": Rule(frozenset({"worker", "coordinator"}), frozenset(), _decree("26(1)")),
}


def open_acts(case: Case, actor: Actor) -> list[str]:
    """The acts that the case's step and the actor's role allow now, in the table's order."""
    return [act for act in RULES if refusal(case, act, actor) is None]


def open_concern_acts(concern: Concern, actor: Actor) -> list[str]:
    """The acts on a concern that are open to the actor now."""
    return [act for act in CONCERN_RULES if concern_refusal(concern, act, actor) is None]


def require(case: Case, act: str, actor: Actor) -> None:
    """Raises `Rejected`, with the law, where the act is not open to the actor now."""
    violation = refusal(case, act, actor)
    if violation is not None:
        raise Rejected([violation])


def require_concern(concern: Concern, act: str, actor: Actor) -> None:
    """Raises `Rejected`, with the law, where the act is not open to the actor now."""
    violation = concern_refusal(concern, act, actor)
    if violation is not None:
        raise Rejected([violation])


def refusal(case: Case, act: str, actor: Actor) -> Violation | None:
    """Why an act is not open to an actor now; None where it is."""
    rule = RULES[act]
    if actor.role not in rule.roles:
        return _role(rule)
    if not actor.covers(case.unit):
        return _place(rule)
    if (known := case.member(actor.id)) is not None and known.barred:
        return _left(rule)
    if case.step not in rule.steps:
        return _step(rule)
    if act == "close" and case.step != "review" and case.verified is not False:
        return Violation(
            "act",
            "nothing-verified",
            f"Chưa rà soát thì chỉ đóng được vụ việc đã xác minh là không có ({rule.law.vi}).",
            f"Before a review only a case verified as unfounded may be closed ({rule.law.en}).",
        )
    if act == "choose-child" and case.identity != "candidates":
        return _step(rule)
    if act == "cancel-task" and not any(task.is_open for task in case.tasks):
        return _step(rule)
    if act in ("extend-separation", "end-separation") and case.clock(SEPARATION) is None:
        return _step(rule)
    if act == "decide-emergency" and case.emergency is not None and case.clock(EMERGENCY) is None:
        return Violation(
            "act",
            "already-decided",
            f"Biện pháp bảo vệ khẩn cấp đã được quyết định ({rule.law.vi}).",
            f"An emergency measure is decided already ({rule.law.en}).",
        )
    return None


def concern_refusal(concern: Concern, act: str, actor: Actor) -> Violation | None:
    """Why an act on a concern is not open to an actor now; None where it is."""
    rule = CONCERN_RULES[act]
    if actor.role not in rule.roles:
        return _role(rule)
    if not actor.covers(concern.unit):
        return _place(rule)
    if concern.status != "received":
        return _step(rule)
    return None


def _role(rule: Rule) -> Violation:
    return Violation(
        "act",
        "not-your-role",
        f"Việc này thuộc thẩm quyền của người khác ({rule.law.vi}).",
        f"This act belongs to another office ({rule.law.en}).",
    )


def _place(rule: Rule) -> Violation:
    return Violation(
        "act",
        "not-your-commune",
        f"Vụ việc thuộc xã, phường khác ({rule.law.vi}).",
        f"The case belongs to another commune ({rule.law.en}).",
    )


def _left(rule: Rule) -> Violation:
    return Violation(
        "act",
        "left-the-team",
        f"Anh chị không còn tham gia vụ việc này ({rule.law.vi}).",
        f"You belong to this case's team no more ({rule.law.en}).",
    )


def _step(rule: Rule) -> Violation:
    return Violation(
        "act",
        "not-at-this-step",
        f"Việc này không làm được ở bước hiện tại ({rule.law.vi}).",
        f"This act is not open at the present step ({rule.law.en}).",
    )
