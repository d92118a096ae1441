"""What becomes of a report that waits."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, HereMoment, Words


class OpenCase(ActBase):
    """The concern becomes a case; one that asked for advice proves to be about protection."""

    act: Literal["open"] = "open"


class LinkConcern(ActBase):
    """The concern tells of a case that is there already, named by its code.

    `others`: what becomes of the report's further children: a case of their own each, or they have theirs already.
    """

    act: Literal["link"] = "link"
    case_code: Code
    others: Literal["open", "known"] = "open"


class DismissConcern(ActBase):
    """No case follows."""

    act: Literal["dismiss"] = "dismiss"
    reason: Code
    words: Words


class ForwardConcern(ActBase):
    """The concern belongs to another commune (Decree 56/2017, Art. 26(1): where it happened)."""

    act: Literal["forward"] = "forward"
    to_unit: Code
    reason: Words


class CorrectReceipt(ActBase):
    """The report was received at another time than was written down first: what runs from the receipt is moved."""

    act: Literal["correct-receipt"] = "correct-receipt"
    received_at: HereMoment
    reason: Words


class AnswerConcern(ActBase):
    """A request for counselling, prevention or information was answered: counted, and no case (Law on Children,
    Art. 48-50)."""

    act: Literal["answer"] = "answer"
    answer: Code
    words: Words
