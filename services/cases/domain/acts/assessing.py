"""Finding out: facts verified, risk assessed."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, FormAct, Words
from services.cases.domain.forms import Rating


class Verify(ActBase):
    """Truth, safety and risk were checked."""

    act: Literal["verify"] = "verify"
    confirmed: bool
    findings: Words


class AssessInitial(FormAct):
    """Form 02, rated row by row."""

    act: Literal["assess-initial"] = "assess-initial"
    ratings: dict[str, Rating]
    level: Rating
    conclusion: Words


class AssessDetailed(FormAct):
    """Form 03: what the child needs."""

    act: Literal["assess-detailed"] = "assess-detailed"
    ratings: dict[str, Rating]
    level: Rating
    conclusion: Words
