"""Bans on contact with who harms the child."""

from __future__ import annotations

from typing import Annotated, Literal

from services.cases.domain.acts.base import ActBase, EmptyIsNone, MaybeWords, Words
from shared.contracts.vocabulary import Day


class RequestContactBan(ActBase):
    """A ban is asked for: on whom, and why."""

    act: Literal["request-contact-ban"] = "request-contact-ban"
    against: Words
    reason: Words


class DecideContactBan(ActBase):
    """The chair grants the ban, for the law's three days or until an earlier day, or refuses it with a reason."""

    act: Literal["decide-contact-ban"] = "decide-contact-ban"
    granted: bool
    until: Annotated[Day | None, EmptyIsNone] = None
    number: MaybeWords = None
    reason: MaybeWords = None


class EndContactBan(ActBase):
    """The ban is lifted before its days have passed."""

    act: Literal["end-contact-ban"] = "end-contact-ban"
    reason: Words
