"""How a case ends or goes on."""

from __future__ import annotations

from typing import Literal

from services.cases.domain.acts.base import ActBase, Code, MaybeWords, Words


class Close(ActBase):
    """No risk remains and the child is stable, or there was nothing."""

    act: Literal["close"] = "close"
    outcome: Code
    no_risk: bool = False
    stable: bool = False
    remarks: MaybeWords = None


class Reopen(ActBase):
    """The case goes on."""

    act: Literal["reopen"] = "reopen"
    reason: Words
    danger_now: bool = False


class Merge(ActBase):
    """This case is the same matter as another, named by its code."""

    act: Literal["merge"] = "merge"
    into: Code
    reason: Words


class UndoMerge(ActBase):
    """The two were not one matter after all: the case that was merged goes on by itself."""

    act: Literal["undo-merge"] = "undo-merge"
    reason: Words
