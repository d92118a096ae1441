"""Emergency protection and separation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, FormAct, Words
from shared.contracts.vocabulary import Day


class DecideEmergency(FormAct):
    """Form 07: emergency protection.

    `further`: measures beside the first; `until`: the day on which a separation shorter than the law's ends.
    """

    act: Literal["decide-emergency"] = "decide-emergency"
    measure: Code
    decision: Words
    further: list[Code] = Field(default_factory=list)
    until: Annotated[Day | None, EmptyIsNone] = None


class ExtendSeparation(ActBase):
    """The competent authority requires more than the 15 days of temporary separation."""

    act: Literal["extend-separation"] = "extend-separation"
    until: Day
    reason: Words


class EndSeparation(ActBase):
    """The child is safe without being kept apart."""

    act: Literal["end-separation"] = "end-separation"
    reason: Words
