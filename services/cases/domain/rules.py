"""Which acts are open to whom, at which step, by which article: one table for buttons, refusals and tests.

Pure. A missed deadline never closes an act (domain: it escalates, it does not block).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.cases.domain.model import (
    BAN,
    BAN_DECISION,
    EMERGENCY,
    SEPARATION,
    Actor,
    Case,
    Concern,
)
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


def _cited(articles: str) -> str:
    """Articles such as "26(3), 31", cited as Vietnamese offices do: the paragraph before its article."""
    parts = (part.rstrip(")").partition("(") for part in articles.split(", "))
    return ", ".join(
        f"khoản {paragraph} Điều {article}" if paragraph else f"Điều {article}" for article, _, paragraph in parts
    )


def _decree(article: str) -> Law:
    return Law(f"Nghị định 56/2017, {_cited(article)}", f"Decree 56/2017, Art. {article}")


def _children(article: str) -> Law:
    return Law(f"Luật Trẻ em 2016, {_cited(article)}", f"Law on Children 2016, Art. {article}")


def _violence(article: str) -> Law:
    return Law(f"Luật 13/2022/QH15, {_cited(article)}", f"Law 13/2022, Art. {article}")


# The code's terms, by analogy: it speaks of the time within which somebody may sue.
_PAUSE = Law("Bộ luật Dân sự 2015, khoản 1 Điều 156, áp dụng tương tự", "Civil Code 2015, Art. 156(1), by analogy")
RULES: Mapping[str, Rule] = {
    "verify": Rule(_WORKER, _ACTIVE, _decree("25(2)")),
    "assess-initial": Rule(_WORKER, frozenset({"intake", "assessment"}), _decree("26(2)")),
    "decide-emergency": Rule(_CHAIR, _ACTIVE, _decree("26(3), 31, 32")),
    "extend-separation": Rule(_CHAIR, _ACTIVE, _decree("32(3)")),
    "end-separation": Rule(_CHAIR, _ACTIVE, _decree("32(3)")),
    # Again as more is learnt, until the review that ends the plan.
    "assess-detailed": Rule(
        _WORKER, frozenset({"assessment", "plan", "approval", "carrying-out", "review"}), _decree("27(1)")
    ),
    "hold-needs-meeting": Rule(_CHAIR, frozenset({"assessment", "plan"}), _decree("27(2)")),
    "draft-plan": Rule(_WORKER, frozenset({"assessment", "plan"}), _decree("28(1)")),
    "approve-plan": Rule(_CHAIR, frozenset({"approval"}), _decree("28(4)")),
    "return-plan": Rule(_CHAIR, frozenset({"approval"}), _decree("28(4)")),
    # Which clocks, for which reasons, how long and by what source: the reference data says so, clock by clock.
    "pause-deadline": Rule(_CHAIR, _ACTIVE, _PAUSE),
    "resume-deadline": Rule(_CHAIR, _ACTIVE, _PAUSE),
    "record-service": Rule(_WORKER, _ACTIVE, _decree("29")),
    "request-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("25(2), 29")),
    "cancel-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "reply-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("25(2), 29")),
    "agree-date": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "refuse-date": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "remind-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "reassign-task": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "do-without": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("29")),
    "call-conference": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("27(2), 29")),
    "hold-conference": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("27(2), 29")),
    "cancel-conference": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("27(2), 29")),
    "hold-review": Rule(_WORKER, frozenset({"carrying-out", "review"}), _decree("30")),
    "request-contact-ban": Rule(_WORKER, _ACTIVE, _violence("25(1)")),
    "decide-contact-ban": Rule(_CHAIR, _ACTIVE, _violence("25(2)")),
    "end-contact-ban": Rule(_CHAIR, _ACTIVE, _violence("25(4)")),
    "decide-alternative-care": Rule(_CHAIR, _ACTIVE, _children("66, 67")),
    "hand-over-child": Rule(_WORKER | _CHAIR, _ACTIVE, _decree("42(7)")),
    "end-alternative-care": Rule(_CHAIR, _ACTIVE | frozenset[CaseStep]({"closed"}), _children("69")),
    "close": Rule(_CHAIR, _ACTIVE, _decree("30(1)")),
    "reopen": Rule(_WORKER | _CHAIR, frozenset({"closed"}), _decree("30(1)")),
    "reclassify": Rule(_WORKER, _ACTIVE, _children("4(5), 51")),
    "transfer": Rule(frozenset({"worker", "coordinator"}), _ACTIVE, _children("52")),
    "offer-handover": Rule(_WORKER, _ACTIVE, _children("52")),
    "accept-handover": Rule(_WORKER | _CHAIR, _ACTIVE, _children("52")),
    "decline-handover": Rule(_WORKER | _CHAIR, _ACTIVE, _children("52")),
    "withdraw-handover": Rule(_WORKER, _ACTIVE, _children("52")),
    "merge": Rule(_WORKER, _ACTIVE, _children("51")),
    "undo-merge": Rule(_WORKER, frozenset({"merged"}), _children("51")),
    "link-sibling": Rule(_WORKER, _ACTIVE, _children("51")),
    "unlink-sibling": Rule(_WORKER, _ACTIVE, _children("51")),
    "choose-child": Rule(_WORKER, _ACTIVE, _decree("25(1)")),
    "correct-child": Rule(_WORKER, _ACTIVE, _decree("25(1)")),
    "note": Rule(_WORKER | _CHAIR, _ACTIVE | frozenset[CaseStep]({"closed", "merged"}), _decree("29")),
}
# What else must be so in the case: a clock that runs says what is asked for or stands.
_STANDING: Mapping[str, Callable[[Case], bool]] = {
    "choose-child": lambda case: case.identity == "candidates",
    "correct-child": lambda case: case.identity == "linked",
    "extend-separation": lambda case: case.clock(SEPARATION) is not None,
    "end-separation": lambda case: case.clock(SEPARATION) is not None,
    "pause-deadline": lambda case: any(clock.may_pause for clock in case.clocks),
    "resume-deadline": lambda case: any(clock.state == "paused" for clock in case.clocks),
    "request-contact-ban": lambda case: case.clock(BAN_DECISION) is None,
    "decide-contact-ban": lambda case: case.clock(BAN_DECISION) is not None,
    "end-contact-ban": lambda case: case.clock(BAN) is not None,
    "decide-alternative-care": lambda case: case.care is None,
    "hand-over-child": lambda case: case.care is not None and not case.care_placed,
    "end-alternative-care": lambda case: case.care is not None,
    "offer-handover": lambda case: case.handover_to is None,
    "accept-handover": lambda case: case.handover_to is not None,
    "decline-handover": lambda case: case.handover_to is not None,
    "withdraw-handover": lambda case: case.handover_to is not None,
}
# Acts of the commune to which a case is offered, while another leads it.
RECEIVING = frozenset({"accept-handover", "decline-handover"})
# Acts that something must be waiting for.
_COORDINATING: Mapping[str, Callable[[Case], bool]] = {
    "cancel-task": lambda case: any(task.is_open for task in case.tasks),
    "reply-task": lambda case: any(task.pending == "question" for task in case.tasks),
    "agree-date": lambda case: any(task.proposed_due is not None for task in case.tasks),
    "refuse-date": lambda case: any(task.proposed_due is not None for task in case.tasks),
    "remind-task": lambda case: any(task.awaited == "sector" for task in case.tasks),
    "reassign-task": lambda case: any(task.is_open or task.awaited == "commune" for task in case.tasks),
    "do-without": lambda case: any(task.state == "declined" and task.awaited == "commune" for task in case.tasks),
    "call-conference": lambda case: case.conference() is None,
    "hold-conference": lambda case: case.conference() is not None,
    "cancel-conference": lambda case: case.conference() is not None,
}
CONCERN_RULES: Mapping[str, Rule] = {
    "open": Rule(_WORKER | _CHAIR, frozenset(), _decree("25(2)")),
    "link": Rule(_WORKER, frozenset(), _children("51")),
    "dismiss": Rule(_WORKER | _CHAIR, frozenset(), _decree("25(2)")),
    "forward": Rule(frozenset({"worker", "coordinator"}), frozenset(), _decree("26(1)")),
    # The clocks run from the receipt: whoever answers for them says when it was, with the reason.
    "correct-receipt": Rule(_WORKER | _CHAIR, frozenset(), _decree("25(1), 26")),
    # The line that took a call answers it itself; Law on Children, Art. 48-50: prevention, support, counselling.
    "answer": Rule(frozenset({"worker", "chair", "coordinator", "hotline"}), frozenset(), _children("48-51")),
}


def open_acts(case: Case, actor: Actor) -> list[str]:
    """The acts that the case's step and the actor's role allow now, in the table's order."""
    return [act for act in RULES if refusal(case, act, actor) is None]


def open_concern_acts(concern: Concern, actor: Actor, case: Case | None = None) -> list[str]:
    """The acts on a concern that are open to the actor now. In: `case`: that it tells of, where one is."""
    return [act for act in CONCERN_RULES if concern_refusal(concern, act, actor, case) is None]


def require(case: Case, act: str, actor: Actor) -> None:
    """Raises `Rejected`, with the law, where the act is not open to the actor now."""
    violation = refusal(case, act, actor)
    if violation is not None:
        raise Rejected([violation])


def require_concern(concern: Concern, act: str, actor: Actor, case: Case | None = None) -> None:
    """Raises `Rejected`, with the law, where the act is not open to the actor now."""
    violation = concern_refusal(concern, act, actor, case)
    if violation is not None:
        raise Rejected([violation])


def refusal(case: Case, act: str, actor: Actor) -> Violation | None:
    """Why an act is not open to an actor now; None where it is."""
    rule = RULES[act]
    if actor.role not in rule.roles:
        return _role(rule)
    if not actor.covers(case.handover_to or case.unit if act in RECEIVING else case.unit):
        return _place(rule)
    if (known := case.judged.member(actor.id)) is not None and known.barred:
        return _left(rule)
    stands = _STANDING.get(act) or _COORDINATING.get(act, _always)
    if case.step not in rule.steps or not stands(case):
        return _step(rule)
    if act == "request-contact-ban" and not _in_family(case):
        return closed(
            rule.law,
            "not-domestic-violence",
            "Chỉ cấm tiếp xúc khi là bạo lực gia đình: phân loại lại vụ việc trước",
            "A ban needs domestic violence: reclassify the case first",
        )
    if act == "transfer" and actor.role == "worker" and case.step != "intake":
        return closed(
            rule.law,
            "offer-instead",
            "Đã bắt đầu đánh giá: đề nghị xã, phường kia tiếp nhận bàn giao",
            "The assessment has begun: offer the case for hand-over",
        )
    if act == "decide-emergency" and case.emergency is not None and case.clock(EMERGENCY) is None:
        return closed(
            rule.law,
            "already-decided",
            "Biện pháp bảo vệ khẩn cấp đã được quyết định",
            "An emergency measure is decided already",
        )
    return None


def _always(_case: Case) -> bool:
    return True


def _in_family(case: Case) -> bool:
    """Whether the case may be one of domestic violence: named so, or in the family, or nobody knows yet where."""
    return case.kind == "domestic-violence" or case.environment in (None, "family")


def concern_refusal(concern: Concern, act: str, actor: Actor, case: Case | None = None) -> Violation | None:
    """Why an act on a concern is not open to an actor now; None where it is. In: `case`: that it tells of."""
    rule = CONCERN_RULES[act]
    if actor.role not in rule.roles:
        return _role(rule)
    if not actor.covers(concern.unit if case is None else case.judged.unit):
        return _place(rule)
    if case is not None and (known := case.judged.member(actor.id)) is not None and known.barred:
        return _left(rule)
    # When it was received is a fact also of a report on which people have decided.
    if concern.status != "received" and (act != "correct-receipt" or case is None or case.status == "merged"):
        return _step(rule)
    if act == "answer" and concern.request == "protection":
        return closed(
            rule.law,
            "asks-for-protection",
            "Báo tin cần bảo vệ trẻ thì không trả lời thay cho xử lý",
            "A report that asks for protection is not settled by an answer",
        )
    return None


def closed(law: Law, rule: str, vi: str, en: str) -> Violation:
    """An act that is not open, with the reason and where the law says so."""
    return Violation("act", rule, f"{vi} ({law.vi}).", f"{en} ({law.en}).")


def _role(rule: Rule) -> Violation:
    return closed(
        rule.law, "not-your-role", "Việc này thuộc thẩm quyền của người khác", "This act belongs to another office"
    )


def _place(rule: Rule) -> Violation:
    return closed(rule.law, "not-your-commune", "Vụ việc thuộc xã, phường khác", "The case belongs to another commune")


def _left(rule: Rule) -> Violation:
    return closed(
        rule.law, "left-the-team", "Anh chị không còn tham gia vụ việc này", "You belong to this case's team no more"
    )


def _step(rule: Rule) -> Violation:
    return closed(
        rule.law,
        "not-at-this-step",
        "Việc này không làm được ở bước hiện tại",
        "This act is not open at the present step",
    )
