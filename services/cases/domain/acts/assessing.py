"""Finding out: facts verified, risk assessed."""

from __future__ import annotations

from typing import Annotated, Literal

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, FormAct, Words
from services.cases.domain.forms import Rating


class Verify(ActBase):
    """Truth, safety and risk were checked; and what kind of matter it has proved to be, where that is known now."""

    act: Literal["verify"] = "verify"
    confirmed: bool
    kind: Annotated[Code | None, EmptyIsNone] = None
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
