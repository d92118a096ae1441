"""What becomes of a report that waits."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, Words


class OpenCase(ActBase):
    """The concern becomes a case."""

    act: Literal["open"] = "open"


class LinkConcern(ActBase):
    """The concern tells of a case that is there already, named by its code."""

    act: Literal["link"] = "link"
    case_code: Code


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
