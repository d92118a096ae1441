"""Review, who leads a case and belongs to its team, and its end."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.base import contract
from shared.contracts.cases.facts import CaseEvent


@contract("cases.review.held")
class ReviewHeld(CaseEvent):
    """The plan was reviewed (Art. 30; form 06)."""

    outcome: Literal["close", "continue", "plan-again"]


@contract("cases.case.reclassified")
class CaseReclassified(CaseEvent):
    """Kind of abuse or risk was corrected: past counts change by the difference."""


@contract("cases.case.transferred")
class CaseTransferred(CaseEvent):
    """Another commune leads from now (Law on Children, Art. 52)."""

    from_unit: str


@contract("cases.case.handover-offered")
class HandoverOffered(CaseEvent):
    """The commune where it happened offers the case to the one where the child lives, and leads until it is taken."""

    to_unit: str


@contract("cases.case.handover-answered")
class HandoverAnswered(CaseEvent):
    """The offer was taken (the transfer follows), declined or taken back."""

    to_unit: str
    answer: Literal["accepted", "declined", "withdrawn"]


@contract("cases.case.assigned")
class CaseAssigned(CaseEvent):
    """Another worker is responsible from now: `worker` is an account's id, never a name."""

    worker: str
    before: str | None = None


@contract("cases.team.requested")
class TeamRequested(CaseEvent):
    """Somebody asks the lead to join the case team: the reason is in the case file."""

    person: str
    role: str


@contract("cases.team.joined")
class TeamJoined(CaseEvent):
    """An account joined the case team."""

    person: str
    role: str
    how: Literal["role", "request", "act", "assigned"]


@contract("cases.team.left")
class TeamLeft(CaseEvent):
    """An account left the case team, or its request was refused. `cause`: by themselves, removed by the lead, excluded
    for a conflict of interest, refused, or moved away with the case."""

    person: str
    role: str
    cause: Literal["left", "removed", "excluded", "refused", "moved"] | None = None


@contract("cases.access.broken-glass")
class GlassBroken(CaseEvent):
    """Somebody outside the team opened the child's identity for a stated reason, until `until`: the lead is told."""

    person: str
    role: str
    until: AwareDatetime


@contract("cases.case.merged")
class CaseMerged(CaseEvent):
    """This case was the same matter as `into_case_id`, which goes on: led by `into_unit`, where that is said."""

    into_case_id: str
    into_unit: str | None = None


@contract("cases.case.closed")
class CaseClosed(CaseEvent):
    """No risk remains and the child is stable (Art. 30(1))."""

    outcome: str


@contract("cases.case.reopened")
class CaseReopened(CaseEvent):
    """The case goes on after it was closed."""
