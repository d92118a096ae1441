"""Emergency protection and separation."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, Words
from shared.contracts.vocabulary import Day


class DecideEmergency(ActBase):
    """Form 07: emergency protection."""

    act: Literal["decide-emergency"] = "decide-emergency"
    measure: Code
    decision: Words


class ExtendSeparation(ActBase):
    """The competent authority requires more than the 15 days of temporary separation."""

    act: Literal["extend-separation"] = "extend-separation"
    until: Day
    reason: Words


class EndSeparation(ActBase):
    """The child is safe without being kept apart."""

    act: Literal["end-separation"] = "end-separation"
    reason: Words
