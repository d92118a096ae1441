"""Reports of concern, and what has become of them."""

from __future__ import annotations

from shared.contracts.base import contract
from shared.contracts.cases.facts import ConcernEvent


@contract("cases.concern.received")
class ConcernReceived(ConcernEvent):
    """A concern was taken in (first time or corrected by its sender)."""


@contract("cases.concern.dismissed")
class ConcernDismissed(ConcernEvent):
    """No case follows; the reason is a code, its words stay in the case file."""

    reason: str


@contract("cases.concern.answered")
class ConcernAnswered(ConcernEvent):
    """A request for advice that is no case was answered; the answer's words stay in the file."""

    answer: str
