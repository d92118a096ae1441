"""Who leads, as what it is counted, who the child is, what is to be remembered."""

from __future__ import annotations

from typing import Annotated, Literal

from services.cases.domain.acts.base import ActBase, Code, EmptyIsNone, Words
from services.cases.domain.forms import Rating


class Reclassify(ActBase):
    """Kind or risk was wrong, or is no longer right."""

    act: Literal["reclassify"] = "reclassify"
    kind: Literal["violence", "exploitation", "sexual-abuse", "trafficking", "abandonment", "neglect", "other"]
    risk: Annotated[Rating | None, EmptyIsNone] = None
    reason: Words


class Transfer(ActBase):
    """Another commune leads."""

    act: Literal["transfer"] = "transfer"
    to_unit: Code
    reason: Words


NONE_OF_THESE = "none-of-these"


class ChooseChild(ActBase):
    """A person says which of the registry's candidates the child is; `none-of-these` where it is none."""

    act: Literal["choose-child"] = "choose-child"
    child_id: Code


class Note(ActBase):
    """Something to remember."""

    act: Literal["note"] = "note"
    text: Words
