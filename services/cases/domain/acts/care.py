"""Alternative care: decided, the child handed over, ended."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, MaybeWords, Words
from shared.contracts.vocabulary import Day


class DecideAlternativeCare(ActBase):
    """The child is to live with somebody else, who registered for it with form 08."""

    act: Literal["decide-alternative-care"] = "decide-alternative-care"
    care: Code
    carer: Words
    grounds: Words
    number: MaybeWords = None


class HandOverChild(ActBase):
    """The child was handed over to who cares for it."""

    act: Literal["hand-over-child"] = "hand-over-child"
    handed_on: Day
    minutes: Words


class EndAlternativeCare(ActBase):
    """The care ends, or its decision is taken back: form 15 asks for it, form 16 decides."""

    act: Literal["end-alternative-care"] = "end-alternative-care"
    reason: Words
    asked_by: MaybeWords = None
    returns_to: MaybeWords = None
