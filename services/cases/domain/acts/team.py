"""Who belongs to the case team, and the opening of identity from outside it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, MaybeWords, Words


class RequestAccess(ActBase):
    """Somebody asks the lead to join the team."""

    act: Literal["request-access"] = "request-access"
    reason: Words


class AdmitMember(ActBase):
    """The lead lets somebody in who asked, or the chair lets somebody back in."""

    act: Literal["admit-member"] = "admit-member"
    person: Code


class RefuseMember(ActBase):
    """The lead does not let in who asked."""

    act: Literal["refuse-member"] = "refuse-member"
    person: Code
    reason: Words


class AssignWorker(ActBase):
    """Another worker of the commune is responsible from now. `before`: who was, when the actor looked."""

    act: Literal["assign-worker"] = "assign-worker"
    worker: Code
    before: Annotated[Code | None, EmptyIsNone] = None
    reason: MaybeWords = None


class LeaveTeam(ActBase):
    """Somebody leaves the team by themselves."""

    act: Literal["leave-team"] = "leave-team"
    reason: MaybeWords = None


class RemoveMember(ActBase):
    """The lead ends somebody's membership."""

    act: Literal["remove-member"] = "remove-member"
    person: Code
    reason: Words


class ExcludeMember(ActBase):
    """Conflict of interest: related to the family or to whoever harmed the child; the role opens nothing any more."""

    act: Literal["exclude-member"] = "exclude-member"
    person: Code
    reason: Words


class BreakGlass(ActBase):
    """Somebody outside the team opens identity now, for a while, and says why."""

    act: Literal["break-glass"] = "break-glass"
    purpose: Code
    reason: Words


class CloseGlass(ActBase):
    """Who opened it needs it no longer."""

    act: Literal["close-glass"] = "close-glass"


class ReviewAccess(ActBase):
    """The chair says whether opening identity from outside was justified."""

    act: Literal["review-access"] = "review-access"
    glass: Code
    verdict: Literal["justified", "unjustified"]
    words: Words


TeamAct = Annotated[
    RequestAccess
    | AdmitMember
    | RefuseMember
    | AssignWorker
    | LeaveTeam
    | RemoveMember
    | ExcludeMember
    | BreakGlass
    | CloseGlass
    | ReviewAccess,
    Field(discriminator="act"),
]
TEAM_ACT: TypeAdapter[TeamAct] = TypeAdapter(TeamAct)
